"""Fractional max pooling: regions given one by one, or drawn so that they are nearly equal."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn import _core
from fastnn._arguments import integer
from fastnn.functional._args import Array, check_dtype


def fractional_regions(
    size: int, outputs: int, samples: ArrayLike, *, kernel_size: int | None = None
) -> NDArray[np.int64]:
    """Cut an axis into regions of nearly equal length, chance deciding which are the longer ones.

    ``begin[i] = floor(alpha (i + u)) - floor(alpha u)`` for i = 0, 1, ..., outputs - 1

    Disjoint regions, the default, have ``alpha = size/outputs`` and end where the next one begins. With
    ``kernel_size`` K they all have that length, may overlap, and ``alpha = (size - K)/(outputs - 1)``; the
    last one always ends with the axis. These are the paper's pseudorandom regions.

    Args:
        size: extent of the axis.
        outputs: number of regions.
        samples: ``(N,)``, a number u in [0, 1) for each image.
        kernel_size: length of every region.

    Returns:
        ``(N, outputs, 2)`` integers: where each region begins, and before which position it ends.

    Raises:
        ValueError: so many regions do not fit, or a sample is out of range.

    Example:
        >>> fractional_regions(5, 3, [0.0, 0.5]).tolist()
        [[[0, 1], [1, 3], [3, 5]], [[0, 2], [2, 4], [4, 5]]]
        >>> fractional_regions(5, 3, [0.0], kernel_size=2).tolist()
        [[[0, 2], [1, 3], [3, 5]]]

    Reference:
        Graham, "Fractional max-pooling", 2014, https://arxiv.org/abs/1412.6071
    """
    op = "fractional_regions"
    size, outputs = integer(op, "size", size), integer(op, "outputs", outputs)
    u = np.asarray(samples, np.float64).reshape(-1, 1)
    if not ((u >= 0) & (u < 1)).all():
        raise ValueError(f"[{op}] samples: expected numbers >= 0 and < 1, got {samples!r}")
    kernel = 1 if kernel_size is None else integer(op, "kernel_size", kernel_size)
    if outputs > size - kernel + 1:
        raise ValueError(f"[{op}] outputs: expected at most {size - kernel + 1}, got {outputs}")
    if kernel_size is None:
        alpha, step = size / outputs, np.arange(outputs + 1)
    else:
        alpha, step = (size - kernel) / max(outputs - 1, 1), np.arange(outputs)
    begin = np.floor((step + u) * alpha).astype(np.int64) - np.floor(u * alpha).astype(np.int64)
    begin[:, -1] = size if kernel_size is None else size - kernel
    if kernel_size is None:
        return np.stack([begin[:, :-1], begin[:, 1:]], axis=2)
    return np.stack([begin, begin + kernel], axis=2)


class FractionalMaxPool2dCache(NamedTuple):
    """What :func:`fractional_maxpool2d_backward` needs; ``winner`` numbers the pixel that won."""

    winner: NDArray[Any]
    x_shape: tuple[int, ...]
    dtype: np.dtype[Any]
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]


def fractional_maxpool2d_forward(
    x: Array, rows: NDArray[np.integer[Any]], cols: NDArray[np.integer[Any]]
) -> tuple[Array, FractionalMaxPool2dCache]:
    """Take the maximum of every region, where each image has regions of its own.

    ``y[n,c,i,j] = max of x[n,c,h,w]`` over ``rows[n,i,0] <= h < rows[n,i,1]`` and
    ``cols[n,j,0] <= w < cols[n,j,1]``

    All channels of an image share its regions. :func:`fractional_regions` draws them. Of equal maxima the
    first in row-major order wins; NaN is greater than any number.

    Args:
        x: ``(N, C, H, W)``.
        rows: ``(N, OH, 2)`` integers, from where to before where each region goes; regions may overlap or
            leave pixels out, but neither end may move back from one region to the next.
        cols: ``(N, OW, 2)`` integers.

    Returns:
        ``y`` ``(N, C, OH, OW)``, and the cache for :func:`fractional_maxpool2d_backward`.

    Raises:
        ValueError: a region is empty, out of the image or out of order, or shape or dtype do not fit.

    Example:
        >>> import numpy as np
        >>> x = np.arange(25.0).reshape(1, 1, 5, 5)
        >>> regions = fractional_regions(5, 3, [0.0])
        >>> y, cache = fractional_maxpool2d_forward(x, regions, regions)
        >>> y[0, 0].tolist()
        [[0.0, 2.0, 4.0], [10.0, 12.0, 14.0], [20.0, 22.0, 24.0]]

    Reference:
        Graham, "Fractional max-pooling", 2014, https://arxiv.org/abs/1412.6071
    """
    op = "fractional_maxpool2d_forward"
    rows, cols = _regions(op, "rows", rows), _regions(op, "cols", cols)
    y, winner = _core.fractional_maxpool2d_forward(x, rows, cols)
    return y, FractionalMaxPool2dCache(winner, x.shape, x.dtype, rows, cols)


def fractional_maxpool2d_backward(dy: Array, cache: FractionalMaxPool2dCache) -> Array:
    """Send every output's gradient to the pixel that was its maximum.

    Args:
        dy: ``(N, C, OH, OW)``, gradient of the loss by ``y``.
        cache: from :func:`fractional_maxpool2d_forward`.

    Returns:
        ``dx`` ``(N, C, H, W)``; a pixel that won several regions has the sum.

    Raises:
        ValueError: ``dy`` does not fit the forward call.

    Example:
        >>> import numpy as np
        >>> whole = np.array([[[0, 2]]])
        >>> y, cache = fractional_maxpool2d_forward(np.arange(4.0).reshape(1, 1, 2, 2), whole, whole)
        >>> fractional_maxpool2d_backward(np.ones_like(y), cache).ravel().tolist()
        [0.0, 0.0, 0.0, 1.0]
    """
    winner, x_shape, dtype, rows, cols = cache
    check_dtype("fractional_maxpool2d_backward", dy, dtype)
    return _core.fractional_maxpool2d_backward(dy, winner, x_shape, rows, cols)


def _regions(op: str, name: str, regions: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Return a copy of regions that the cache may keep."""
    if np.asarray(regions).dtype.kind not in "iu":
        raise ValueError(f"[{op}] {name}: expected integers, got {np.asarray(regions).dtype}")
    return np.array(regions, np.int64)
