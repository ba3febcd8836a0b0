"""The same values in awkward memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]


def contiguous(a: Array) -> Array:
    """Return a copy in C order: (N, C, H, W) images as most libraries keep them."""
    copy: Array = a.copy(order="C")
    return copy


def channels_last(a: Array) -> Array:
    """Return the values with axis 1 moved to the end in memory: the engine's own layout of images."""
    if a.ndim <= 2:
        return fortran(a)
    images: Array = np.moveaxis(np.moveaxis(a, 1, -1).copy(order="C"), -1, 1)
    return images


def fortran(a: Array) -> Array:
    """Return the values with the first axis fastest: a transposed matrix."""
    copy: Array = a.copy(order="F")
    return copy


def reversed_axes(a: Array) -> Array:
    """Return the values in a view whose strides are all negative."""
    backwards = (slice(None, None, -1),) * a.ndim
    view: Array = a[backwards].copy(order="C")[backwards]
    return view


def strided(a: Array) -> Array:
    """Return the values in every second place of a larger array that is otherwise NaN, or -1 for integers."""
    filler = np.nan if np.issubdtype(a.dtype, np.inexact) else -1
    larger = np.full([2 * n for n in a.shape], filler, a.dtype)
    every_second = (slice(None, None, 2),) * a.ndim
    larger[every_second] = a
    view: Array = larger[every_second]
    return view


def read_only(a: Array) -> Array:
    """Return a copy that refuses to be written."""
    copy = contiguous(a)
    copy.flags.writeable = False
    return copy


def unaligned(a: Array) -> Array:
    """Return the values at an address that is one byte off."""
    raw = np.empty(a.nbytes + 1, np.uint8)
    shifted = raw[1:].view(a.dtype).reshape(a.shape)
    shifted[...] = a
    return shifted


def broadcast(a: Array) -> Array:
    """Return the first entry of axis 0 repeated with stride 0: the one layout that changes the values."""
    return np.broadcast_to(a[:1], a.shape)


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    layout.__name__: layout
    for layout in (
        contiguous,
        channels_last,
        fortran,
        reversed_axes,
        strided,
        read_only,
        unaligned,
        broadcast,
    )
}
