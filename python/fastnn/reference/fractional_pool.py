"""Fractional max pooling: regions given one by one, or drawn so that they are nearly equal."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.reference._geometry import Array, require
from fastnn.reference._regions import Grid, max_backward, max_forward


def fractional_regions(
    size: int, outputs: int, samples: ArrayLike, *, kernel_size: int | None = None
) -> NDArray[np.int64]:
    """Cut an axis into regions of nearly equal length, chance deciding which are the longer ones.

    ``begin[i] = floor(alpha (i + u)) - floor(alpha u)`` for i = 0, 1, ..., outputs - 1

    Disjoint regions, the default, have ``alpha = size/outputs`` and end where the next one begins. With
    ``kernel_size`` K they all have that length, may overlap, and ``alpha = (size - K)/(outputs - 1)``; the
    last one always ends with the axis.

    Args:
        size: extent of the axis.
        outputs: number of regions.
        samples: (N,), a number u in [0, 1) for each image.
        kernel_size: length of every region.

    Returns:
        (N, outputs, 2) integers: where each region begins, and before which position it ends.

    Raises:
        ValueError: if so many regions do not fit, or a sample is out of range.

    Example:
        >>> fractional_regions(5, 3, [0.0, 0.5]).tolist()
        [[[0, 1], [1, 3], [3, 5]], [[0, 2], [2, 4], [4, 5]]]

    Reference:
        Graham, Fractional max-pooling, 2014, https://arxiv.org/abs/1412.6071
    """
    op = "fractional_regions"
    require(size >= 1, op, "size", "an integer >= 1", size)
    most = size if kernel_size is None else size - kernel_size + 1
    require(1 <= outputs <= most, op, "outputs", f"1 to {most}", outputs)
    regions = np.empty((len(np.atleast_1d(samples)), outputs, 2), np.int64)
    spread = outputs if kernel_size is None else max(outputs - 1, 1)
    alpha = (size if kernel_size is None else size - kernel_size) / spread
    for n, u in enumerate(np.atleast_1d(samples)):
        require(0 <= u < 1, op, "samples", "numbers >= 0 and < 1", u)
        begin = [math.floor((i + u) * alpha) - math.floor(u * alpha) for i in range(outputs)]
        if kernel_size is None:
            regions[n] = list(zip(begin, [*begin[1:], size], strict=True))
        else:
            begin[-1] = size - kernel_size
            regions[n] = [(first, first + kernel_size) for first in begin]
    return regions


class FractionalMaxPool2dCache(NamedTuple):
    """What `fractional_maxpool2d_backward` needs; ``winner`` numbers the pixel of each region that won."""

    winner: Array
    x_shape: tuple[int, ...]
    rows: NDArray[np.integer[Any]]
    cols: NDArray[np.integer[Any]]


def _grid(rows: NDArray[np.integer[Any]], cols: NDArray[np.integer[Any]]) -> Grid:
    return list(zip(rows.tolist(), cols.tolist(), strict=True))


def fractional_maxpool2d_forward(
    x: Array, rows: NDArray[np.integer[Any]], cols: NDArray[np.integer[Any]]
) -> tuple[Array, FractionalMaxPool2dCache]:
    """Take the maximum of every region, where each image has regions of its own.

    ``y[n,c,i,j] = max of x[n,c,h,w]`` over ``rows[n,i,0] <= h < rows[n,i,1]`` and
    ``cols[n,j,0] <= w < cols[n,j,1]``

    All channels of an image share its regions. Of equal maxima the first in row-major order wins; NaN is
    greater than any number.

    Args:
        x: (N, C, H, W).
        rows: (N, OH, 2) integers, from where to before where each region goes; neither end may move back from
            one region to the next.
        cols: (N, OW, 2) integers.

    Returns:
        y (N, C, OH, OW), and the cache for `fractional_maxpool2d_backward`.

    Raises:
        ValueError: if regions do not fit the images.

    Example:
        >>> regions = fractional_regions(5, 3, [0.0])
        >>> y, cache = fractional_maxpool2d_forward(np.arange(25.0).reshape(1, 1, 5, 5), regions, regions)
        >>> y[0, 0].tolist()
        [[0.0, 2.0, 4.0], [10.0, 12.0, 14.0], [20.0, 22.0, 24.0]]

    Reference:
        Graham, Fractional max-pooling, 2014, https://arxiv.org/abs/1412.6071
    """
    op = "fractional_maxpool2d_forward"
    for name, regions, size in (("rows", rows, x.shape[2]), ("cols", cols, x.shape[3])):
        require(regions.shape[0] == len(x), op, name, f"regions of {len(x)} images", regions.shape)
        fits = (regions[..., 0] >= 0) & (regions[..., 0] < regions[..., 1]) & (regions[..., 1] <= size)
        require(bool(fits.all()), op, name, f"0 <= begin < end <= {size}", regions)
        require(bool((np.diff(regions, axis=1) >= 0).all()), op, name, "ends that never fall", regions)
    y, winner = max_forward(x, _grid(rows, cols), (rows.shape[1], cols.shape[1]))
    return y, FractionalMaxPool2dCache(winner, x.shape, rows, cols)


def fractional_maxpool2d_backward(dy: Array, cache: FractionalMaxPool2dCache) -> Array:
    """Send every output's gradient to the pixel that was its maximum.

    Args:
        dy: (N, C, OH, OW), gradient of the loss with respect to y.
        cache: from `fractional_maxpool2d_forward`.

    Returns:
        dx (N, C, H, W); a pixel that won several regions has the sum.

    Example:
        >>> whole = np.array([[[0, 2]]])
        >>> y, cache = fractional_maxpool2d_forward(np.arange(4.0).reshape(1, 1, 2, 2), whole, whole)
        >>> fractional_maxpool2d_backward(np.ones_like(y), cache).ravel().tolist()
        [0.0, 0.0, 0.0, 1.0]
    """
    return max_backward(dy, cache.winner, cache.x_shape, _grid(cache.rows, cache.cols))
