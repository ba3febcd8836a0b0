"""Pooling over rectangles, one after another: what adaptive and fractional pooling share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np

from fastnn.reference._geometry import Array, Pair

Region: TypeAlias = tuple[int, int]  # from where to before where
Grid: TypeAlias = Sequence[tuple[Sequence[Region], Sequence[Region]]]  # rows and columns of every image


def rectangles(grid: Grid) -> Iterator[tuple[int, int, int, tuple[int, slice, slice, slice]]]:
    """Walk over all windows of all images.

    Yields:
        ``(n, i, j, where)``: ``x[where]``, of shape (C, KH, KW), is what output (i, j) of image n sees.
    """
    for n, (rows, cols) in enumerate(grid):
        for i, (top, bottom) in enumerate(rows):
            for j, (left, right) in enumerate(cols):
                yield n, i, j, (n, slice(None), slice(top, bottom), slice(left, right))


def max_forward(x: Array, grid: Grid, size: Pair) -> tuple[Array, Array]:
    """Return the maximum of every window, and its place in the window in row-major order."""
    y = np.empty((*x.shape[:2], *size), x.dtype)
    winner = np.empty(y.shape, int)
    for n, i, j, where in rectangles(grid):
        seen = x[where].reshape(x.shape[1], -1)
        # argmax takes the first of equal ones, and NaN for greater than any number.
        winner[n, :, i, j] = seen.argmax(axis=1)
        y[n, :, i, j] = np.take_along_axis(seen, winner[n, :, i, j, None], axis=1)[:, 0]
    return y, winner


def max_backward(dy: Array, winner: Array, x_shape: tuple[int, ...], grid: Grid) -> Array:
    """Add every output's gradient to the pixel that won."""
    dx = np.zeros(x_shape, dy.dtype)
    channels = np.arange(x_shape[1])
    for n, i, j, where in rectangles(grid):
        window = dx[where]
        row, col = np.unravel_index(winner[n, :, i, j], window.shape[1:])
        window[channels, row, col] += dy[n, :, i, j]
    return dx


def mean_forward(x: Array, grid: Grid, size: Pair) -> Array:
    """Return the mean of every window."""
    y = np.empty((*x.shape[:2], *size), x.dtype)
    for n, i, j, where in rectangles(grid):
        y[n, :, i, j] = x[where].mean(axis=(1, 2))
    return y


def mean_backward(dy: Array, x_shape: tuple[int, ...], grid: Grid) -> Array:
    """Add an equal share of every output's gradient to each pixel of its window."""
    dx = np.zeros(x_shape, dy.dtype)
    for n, i, j, where in rectangles(grid):
        window = dx[where]
        window += (dy[n, :, i, j] / window[0].size)[:, None, None]
    return dx
