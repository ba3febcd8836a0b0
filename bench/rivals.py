"""PyTorch in each of the modes that a user could choose, given the same numbers as ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

import fastnn

Array = np.ndarray[Any, Any]
Tensor = torch.Tensor

NCHW, CHANNELS_LAST, COMPILED = "torch nchw", "torch channels-last", "compiled"


def draw(*shape: int, seed: int = 0) -> Array:
    """Return normal float32 numbers."""
    return np.random.default_rng((seed, *shape)).standard_normal(shape, np.float32)


def images(*shape: int, seed: int = 0) -> Array:
    """Return normal float32 images (N, C, H, W) in channels-last memory, as our operations hand them on."""
    return fastnn.channels_last(draw(*shape, seed=seed))


def tensor(array: Array, memory: str = NCHW) -> Tensor:
    """Return a copy of an array as a tensor; four axes in the memory format of a mode."""
    copy = torch.tensor(np.ascontiguousarray(array)).reshape(array.shape)  # NumPy makes (1,) of ()
    if array.ndim == 4 and memory.startswith(CHANNELS_LAST):
        return copy.contiguous(memory_format=torch.channels_last)
    return copy


def memories(array: Array) -> tuple[str, ...]:
    """Return the modes in which an operation on this array can run."""
    return (NCHW, CHANNELS_LAST) if array.ndim == 4 else (NCHW,)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function under torch.compile."""
    return torch.compile(function, dynamic=False)


def passes(
    function: Callable[..., Tensor], arrays: Sequence[Array], dy: Array, *, compile: bool
) -> Iterator[tuple[str, Callable[[], tuple[Tensor, ...]]]]:
    """Yield (mode, call): the forward and backward pass of a function of ``arrays``.

    A call returns (y, gradient of every array).
    """
    for memory in memories(arrays[0]):
        for mode, run in [(memory, function)] + ([(f"{memory} {COMPILED}", function)] if compile else []):
            inputs = [tensor(a, memory).requires_grad_() for a in arrays]
            slope = tensor(dy, memory)
            body = compiled(run) if mode.endswith(COMPILED) else run

            def call(
                body: Callable[..., Tensor] = body, inputs: list[Tensor] = inputs, slope: Tensor = slope
            ) -> tuple[Tensor, ...]:
                y = body(*inputs)
                return (y, *torch.autograd.grad(y, inputs, slope))

            if mode.endswith(COMPILED):
                call()
            yield mode, call
