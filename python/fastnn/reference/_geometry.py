"""Windows that slide over images: their sizes, their slices, and the geometry that is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
IntOrPair: TypeAlias = int | tuple[int, int]
Pair: TypeAlias = tuple[int, int]


def require(condition: bool, op: str, arg: str, expected: str, got: object) -> None:
    """Raise ``ValueError: [op] arg: expected ..., got ...`` unless ``condition`` holds."""
    if not condition:
        raise ValueError(f"[{op}] {arg}: expected {expected}, got {got}")


def pair(op: str, arg: str, value: IntOrPair, *, least: int) -> Pair:
    """Return ``value`` as (vertical, horizontal); a single integer means both."""
    h, w = (value, value) if isinstance(value, (int, np.integer)) else value
    require(min(h, w) >= least, op, arg, f"integers >= {least}", value)
    return int(h), int(w)


def output_size(op: str, size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    """Return ``floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1``, refusing less than 1."""
    span = dilation * (kernel - 1) + 1
    padded = size + 2 * padding
    require(span <= padded, op, "kernel_size", f"extent at most the padded input, {padded}", span)
    return (padded - span) // stride + 1


def pad(x: Array, padding: Pair, value: float = 0.0, overhang: Pair = (0, 0)) -> Array:
    """Return a copy of images (N, C, H, W) with ``padding`` rows and columns of ``value`` on every side.

    ``overhang`` more of zeros follow at the bottom and right.
    """
    (ph, pw), (oh, ow) = padding, overhang
    framed = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=value)
    return np.pad(framed, ((0, 0), (0, 0), (0, oh), (0, ow)))


def crop(x: Array, padding: Pair, x_shape: tuple[int, ...]) -> Array:
    """Undo `pad`: return the view of padded images without their margins."""
    ph, pw = padding
    return x[:, :, ph : ph + x_shape[2], pw : pw + x_shape[3]]


def taps(
    kernel: Pair, output: Pair, stride: Pair, dilation: Pair = (1, 1)
) -> Iterator[tuple[int, int, tuple[slice, ...]]]:
    """Walk over the kernel's cells in row-major order.

    Yields:
        ``(kh, kw, where)``: ``padded[where]``, of shape (N, C, OH, OW), holds for every output pixel the
        input pixel that lies under kernel cell (kh, kw).
    """
    (sh, sw), (dh, dw), (oh, ow) = stride, dilation, output
    for kh in range(kernel[0]):
        for kw in range(kernel[1]):
            top, left = kh * dh, kw * dw
            rows = slice(top, top + sh * (oh - 1) + 1, sh)
            columns = slice(left, left + sw * (ow - 1) + 1, sw)
            yield kh, kw, (slice(None), slice(None), rows, columns)
