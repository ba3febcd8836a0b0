"""Units of several pieces: PReLU, whose negative piece is learned, and maxout, all of whose are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastnn.reference._geometry import Array, require


def _along_channels(slope: Array, ndim: int) -> Array:
    """Return slopes (1,) or (C,) in the shape that broadcasts against x, whose axis 1 is C."""
    return slope if len(slope) == 1 else slope.reshape(-1, *(1,) * (ndim - 2))


def _split(x: Array, pieces: int) -> Array:
    """Return x (N, pieces*C, ...) as (N, pieces, C, ...)."""
    return x.reshape(len(x), pieces, x.shape[1] // pieces, *x.shape[2:])


class PReluCache(NamedTuple):
    """What `prelu_backward` needs: the input and the slopes."""

    x: Array
    slope: Array


def prelu_forward(x: Array, slope: Array) -> tuple[Array, PReluCache]:
    """Shrink negative values by a learned slope.

    ``y = x if x > 0 else slope x``

    Args:
        x: any shape with one slope; ``(N, C)`` or ``(N, C, H, W)`` with one a channel.
        slope: ``(1,)`` or ``(C,)``; 0.25 is the usual first value.

    Returns:
        ``y`` of x's shape, and the cache for `prelu_backward`.

    Example:
        >>> prelu_forward(np.array([[-1.0, 2.0]]), np.array([0.25]))[0].tolist()
        [[-0.25, 2.0]]

    Reference:
        He et al., Delving deep into rectifiers, 2015, https://arxiv.org/abs/1502.01852
    """
    return np.where(x > 0, x, _along_channels(slope, x.ndim) * x), PReluCache(x, slope)


def prelu_backward(dy: Array, cache: PReluCache) -> tuple[Array, Array]:
    """Propagate a gradient through a PReLU.

    ``dx = dy if x > 0 else slope dy``, ``dslope = sum of dy x over x <= 0``, of its channel or of all values.
    The sum runs in a fixed order.

    Args:
        dy: x's shape, gradient of the loss by ``y``.
        cache: from `prelu_forward`.

    Returns:
        ``dx`` of x's shape, ``dslope`` of slope's.

    Example:
        >>> y, cache = prelu_forward(np.array([[-1.0, 2.0]]), np.array([0.25]))
        >>> dx, dslope = prelu_backward(np.ones((1, 2)), cache)
        >>> dx.tolist(), dslope.tolist()
        ([[0.25, 1.0]], [-1.0])
    """
    x, slope = cache
    dx = np.where(x > 0, dy, _along_channels(slope, x.ndim) * dy)
    axes = tuple(range(x.ndim)) if len(slope) == 1 else (0, *range(2, x.ndim))
    dslope = np.where(x > 0, 0, dy * x).sum(axis=axes, dtype=np.float64)
    return dx, dslope.astype(x.dtype).reshape(slope.shape)


class MaxoutCache(NamedTuple):
    """What `maxout_backward` needs: the input, which tells the winners, and the number of pieces."""

    x: Array
    pieces: int


def maxout_forward(x: Array, pieces: int) -> tuple[Array, MaxoutCache]:
    """Take the greatest of several pieces.

    ``y[n, c] = max over j of x[n, j C + c]``, j from 0 to ``pieces - 1``: the pieces stand one after the
    other, so a linear layer of ``pieces * C`` outputs computes them all.

    Args:
        x: ``(N, pieces*C)`` or ``(N, pieces*C, H, W)``.
        pieces: number of pieces, often called k.

    Returns:
        ``y`` ``(N, C)`` or ``(N, C, H, W)``, and the cache for `maxout_backward`.

    Example:
        >>> maxout_forward(np.array([[1.0, 5.0, 3.0, 4.0]]), 2)[0].tolist()
        [[3.0, 5.0]]

    Reference:
        Goodfellow et al., Maxout networks, 2013, https://arxiv.org/abs/1302.4389
    """
    fits = pieces >= 1 and x.shape[1] % pieces == 0
    require(fits, "maxout_forward", "pieces", f"a divisor of the {x.shape[1]} channels of x", pieces)
    return _split(x, pieces).max(axis=1), MaxoutCache(x, pieces)


def maxout_backward(dy: Array, cache: MaxoutCache) -> Array:
    """Propagate a gradient through a maxout: to the winner, the first of equals.

    ``dx[n, j C + c] = dy[n, c] if j is the first to attain the maximum else 0``

    Args:
        dy: y's shape, gradient of the loss by ``y``.
        cache: from `maxout_forward`.

    Returns:
        ``dx`` of x's shape.

    Example:
        >>> y, cache = maxout_forward(np.array([[1.0, 5.0, 3.0, 4.0]]), 2)
        >>> maxout_backward(np.array([[7.0, 8.0]]), cache).tolist()
        [[0.0, 8.0, 7.0, 0.0]]
    """
    x = _split(cache.x, cache.pieces)
    winner = np.expand_dims(x.argmax(axis=1), 1)
    dx = np.zeros_like(x)
    np.put_along_axis(dx, winner, np.expand_dims(dy, 1), axis=1)
    return dx.reshape(cache.x.shape)
