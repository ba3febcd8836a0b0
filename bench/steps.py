"""Whole training steps: forward, loss, backward and update, from the same initial weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch

import fastnn
from bench import twins
from bench.harness import Contest, Effort, Entry, check_close
from bench.rivals import CHANNELS_LAST, COMPILED, NCHW, Array, compiled, draw, tensor
from fastnn import nets, optim
from fastnn.model import Model

SETTINGS: dict[str, Any] = {"lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4}
COMPARED_STEPS = 3


class Net(NamedTuple):
    """A net with the batch that it is trained on."""

    name: str
    build: Callable[[], Model]
    batch: int
    quick: bool = False

    def __str__(self) -> str:
        return f"{self.name}-{self.batch}"

    def data(self, model: Model) -> tuple[Array, Array]:
        """Return inputs, images in channels-last memory as our loader makes them, and labels."""
        assert model.input_shape is not None
        X = draw(self.batch, *model.input_shape)
        y = np.random.default_rng(0).integers(0, 10, self.batch)
        return fastnn.channels_last(X) if X.ndim == 4 else X, y


NETS = (
    Net("mlp", nets.mlp, 128, quick=True),
    Net("mlp", nets.mlp, 16, quick=True),
    Net("lenet", nets.lenet, 64, quick=True),
    Net("lenet", nets.lenet, 8, quick=True),
    Net("course", nets.course_convnet, 50, quick=True),
    Net("vgg", nets.vgg_small, 64, quick=True),
    Net("resnet20", nets.resnet20, 128, quick=True),
    Net("resnet18", nets.resnet18, 32),
    Net("mobilenet", nets.mobilenet, 64),
)


def our_step(model: Model, X: Array, y: Array) -> Callable[[], float]:
    """Return one step of ours."""
    optimizer = optim.SGD(**SETTINGS)
    return lambda: model.train_step(X, y, optimizer)


def torch_trainer(model: Model, mode: str, **options: Any) -> Callable[[torch.Tensor, torch.Tensor], Any]:
    """Return PyTorch's step, a function of inputs and labels, from the weights of a model.

    Args:
        model: to copy.
        mode: memory format, and ``compiled`` if the net is to be.
        **options: of the optimizer: ``foreach``, ``fused``.
    """
    module = twins.torch_twin(model, channels_last=mode.startswith(CHANNELS_LAST)).train()
    optimizer = torch.optim.SGD(module.parameters(), **SETTINGS, **options)

    def loss(inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(module(inputs), labels)

    evaluate: Callable[..., Any] = compiled(loss) if COMPILED in mode else loss

    def step(inputs: torch.Tensor, labels: torch.Tensor) -> Any:
        optimizer.zero_grad(set_to_none=True)
        value = evaluate(inputs, labels)
        value.backward()
        optimizer.step()
        return value

    return step


def torch_step(model: Model, X: Array, y: Array, mode: str, **options: Any) -> Callable[[], Any]:
    """Return PyTorch's step with a batch that lies ready in the memory format of the mode."""
    return partial(torch_trainer(model, mode, **options), tensor(X, mode), torch.from_numpy(y))


def _compare_losses(net: Net) -> float:
    """Train both for a few steps without dropout: losses agree only if gradients and updates do."""
    model = twins.without_dropout(net.build())
    X, y = net.data(model)
    theirs = torch_step(model, X, y, NCHW)
    expected = [float(theirs().detach()) for _ in range(COMPARED_STEPS)]
    ours = our_step(model, X, y)
    return check_close(f"{net}, losses", [ours() for _ in range(COMPARED_STEPS)], expected, 1e-3)


def contest(net: Net, *, compile: bool) -> Contest:
    """Compare one step in every mode."""
    error = _compare_losses(net)
    model = net.build()
    X, y = net.data(model)
    memories = (NCHW, CHANNELS_LAST) if X.ndim == 4 else (NCHW,)
    rivals: dict[str, Callable[[], object]] = {NCHW: torch_step(model, X, y, NCHW)}
    for memory in memories:
        rivals[f"{memory} fused"] = torch_step(model, X, y, memory, fused=True)
        if compile:
            mode = f"{memory} {COMPILED}"
            rivals[mode] = torch_step(model, X, y, mode, fused=True)
            rivals[mode]()
    return Contest(our_step(model, X, y), rivals, error=error)


def entries(effort: Effort) -> Iterator[Entry]:
    """All lines of this level."""
    for net in NETS:
        yield Entry(f"step {net}", "step", partial(contest, net, compile=effort.compiled), net.quick)
