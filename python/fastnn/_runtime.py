"""Threads, instruction set, memory and configuration of the compiled engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnn import _core
from fastnn._arguments import choice

available_isas = _core.available_isas
peak_bytes = _core.peak_bytes
probe_fma = _core.probe_fma
reset_peak_bytes = _core.reset_peak_bytes


def set_num_threads(n: int) -> None:
    """Use up to ``n`` threads, the calling one included, in every operation from now on.

    Results are the same bits for any number of threads.

    Args:
        n: 1 to 1024.

    Raises:
        TypeError: ``n`` is no integer.
        ValueError: ``n`` is out of range.
    """
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)):
        raise TypeError(f"[set_num_threads] n: expected an integer, got {type(n).__name__}")
    _core.set_num_threads(max(-1, min(int(n), 1 << 20)))


def get_num_threads() -> int:
    """Return how many threads an operation may use.

    Until :func:`set_num_threads` is called: ``OMP_NUM_THREADS``, else the CPUs that affinity and the
    container's quota leave to this process.
    """
    return _core.num_threads()


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Use up to ``n`` threads inside a ``with`` block.

    Example:
        >>> import fastnn
        >>> with fastnn.threads(1):
        ...     fastnn.get_num_threads()
        1
    """
    before = get_num_threads()
    set_num_threads(n)
    try:
        yield
    finally:
        set_num_threads(before)


def empty_cache() -> None:
    """Return the memory that freed arrays left in the engine's cache to the operating system."""
    _core.empty_cache()


def channels_last(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return images with channels last in memory; their shape stays ``(N, C, H, W)``.

    Every image operation accepts any strides and returns channels-last memory. Converting an input that is
    used more than once saves the conversion inside each use.

    Args:
        x: images ``(N, C, H, W)``.

    Returns:
        ``x`` itself if its memory is so already, else a copy.

    Raises:
        ValueError: ``x`` has not four axes.

    Example:
        >>> import numpy as np
        >>> x = np.zeros((2, 3, 4, 5), np.float32)
        >>> channels_last(x).strides
        (240, 4, 60, 12)
    """
    if x.ndim != 4:
        raise ValueError(f"[channels_last] x: expected shape (N, C, H, W), got {x.shape}")
    pixels = x.transpose(0, 2, 3, 1)
    if pixels.flags.c_contiguous:
        return x
    if is_real(x):
        return _core.dense(x, channels_last=True)
    result: np.ndarray[Any, Any] = np.ascontiguousarray(pixels).transpose(0, 3, 1, 2)
    return result


def c_order(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return an array itself if it is C-contiguous, else a copy that is."""
    if x.flags.c_contiguous:
        return x
    return _core.dense(x, channels_last=False) if is_real(x) else np.ascontiguousarray(x)


def is_real(x: np.ndarray[Any, Any]) -> bool:
    """Whether the engine computes with such arrays."""
    return x.ndim <= 4 and x.dtype in (np.float32, np.float64)


_conv_algo = "auto"


def set_conv_algo(algo: str) -> None:
    """Decide for every convolution that leaves the choice open which algorithm it takes from now on.

    ``"direct"`` gives the exact form everywhere: sums of products, without the rounding of Winograd's
    transforms. A cache goes on with the algorithm of its forward call.

    Args:
        algo: ``"auto"``, the fastest for each shape; ``"direct"`` or ``"im2col"``, which have no limits.

    Raises:
        ValueError: another name.
    """
    global _conv_algo
    _conv_algo = choice("set_conv_algo", "algo", algo, ("auto", "direct", "im2col"))


def default_conv_algo() -> str:
    """Return what `set_conv_algo` decided."""
    return _conv_algo


def conv_algo(
    x_shape: tuple[int, int, int, int],
    w_shape: tuple[int, int, int, int],
    *,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    dtype: npt.DTypeLike = np.float32,
) -> str:
    """Return the algorithm that a convolution runs as: a function of shapes, dtype and instruction set.

    Args:
        x_shape: images, ``(N, C, H, W)``.
        w_shape: filters, ``(F, C/groups, KH, KW)``.
        stride: integer or pair.
        padding: integer or pair.
        dilation: integer or pair.
        groups: number of groups.
        dtype: float32 or float64.

    Returns:
        ``"direct"``, ``"winograd"`` or ``"im2col"``. With at most four channels it is that of the forward
        pass: dx is direct, and dw has a choice of its own.

    Raises:
        ValueError: the kernel exceeds the padded input, or a setting is out of range.

    Example:
        >>> conv_algo((8, 1, 28, 28), (6, 1, 5, 5), padding=2)
        'direct'
    """
    strides, margins, distances = ((v, v) if isinstance(v, int) else v for v in (stride, padding, dilation))
    options = _core.ConvOptions("conv_algo", strides, margins, distances, groups, _conv_algo)
    return _core.conv_algo(x_shape, w_shape, options, np.dtype(dtype) == np.float64)


def show_config() -> dict[str, Any]:
    """Return what the engine runs on: instruction set, threads, back end, compiler and version.

    ``kernels`` holds the instruction set that each operation's kernel is compiled for, ``conv_algo`` what
    `set_conv_algo` decided; `conv_algo` says what that means for a shape.

    Example:
        >>> import fastnn
        >>> config = fastnn.show_config()
        >>> config["conv_algo"], config["kernels"]["gemm"] == config["isa"]
        ('auto', True)
    """
    from fastnn import __version__

    return {
        "version": __version__,
        "isa": _core.active_isa(),
        "available_isas": _core.available_isas(),
        "threads": _core.num_threads(),
        "threading": _core.threading_backend(),
        "conv_algo": _conv_algo,
        "kernels": dict.fromkeys(_core.operations(), _core.active_isa()),
        "compiler": _core.compiler(),
        "numpy": np.__version__,
    }


@contextmanager
def isa_override(name: str) -> Iterator[None]:
    """Run kernels of another instruction set inside a ``with`` block (tests)."""
    before = _core.active_isa()
    _core.override_isa(name)
    try:
        yield
    finally:
        _core.override_isa(before)


@contextmanager
def rendezvous() -> Iterator[None]:
    """Inside the block every operation waits for all its threads before it starts (tests)."""
    _core.set_rendezvous(True)
    _core.workers_seen()
    try:
        yield
    finally:
        _core.set_rendezvous(False)


def last_worker_count() -> int:
    """Return the most threads that ran parts of one operation since the last call (tests)."""
    return _core.workers_seen()
