"""Units of several pieces: PReLU, whose negative piece is learned, and maxout, all of whose are."""

from __future__ import annotations

from typing import NamedTuple

from fastnn import _core
from fastnn._arguments import integer
from fastnn.functional._args import Array


class PReluCache(NamedTuple):
    """What :func:`prelu_backward` needs: the input and the slopes."""

    x: Array
    slope: Array


def prelu_forward(x: Array, slope: Array) -> tuple[Array, PReluCache]:
    """Shrink negative values by a learned slope.

    ``y = x if x > 0 else slope x``

    Args:
        x: any shape with one slope; ``(N, C)`` or ``(N, C, H, W)`` with one a channel.
        slope: ``(1,)`` or ``(C,)``; 0.25 is the usual first value.

    Returns:
        ``y`` of x's shape, and the cache for :func:`prelu_backward`.

    Raises:
        ValueError: shapes or dtypes do not fit.

    Example:
        >>> import numpy as np
        >>> prelu_forward(np.array([[-1.0, 2.0]]), np.array([0.25]))[0].tolist()
        [[-0.25, 2.0]]

    Reference:
        He et al., Delving deep into rectifiers, 2015, https://arxiv.org/abs/1502.01852
    """
    return _core.prelu_forward(x, slope), PReluCache(x, slope)


def prelu_backward(dy: Array, cache: PReluCache) -> tuple[Array, Array]:
    """Propagate a gradient through a PReLU.

    ``dx = dy if x > 0 else slope dy``, ``dslope = sum of dy x over x <= 0``, of its channel or of all values.
    The sum runs in a fixed order.

    Args:
        dy: x's shape, gradient of the loss by ``y``.
        cache: from :func:`prelu_forward`.

    Returns:
        ``dx`` of x's shape, ``dslope`` of slope's.

    Raises:
        ValueError: ``dy`` does not fit the forward call.

    Example:
        >>> import numpy as np
        >>> y, cache = prelu_forward(np.array([[-1.0, 2.0]]), np.array([0.25]))
        >>> dx, dslope = prelu_backward(np.ones((1, 2)), cache)
        >>> dx.tolist(), dslope.tolist()
        ([[0.25, 1.0]], [-1.0])
    """
    dx, dslope = _core.prelu_backward(dy, cache.x, cache.slope)
    return dx, dslope


class MaxoutCache(NamedTuple):
    """What :func:`maxout_backward` needs: the input, which tells the winners, and the number of pieces."""

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
        ``y`` ``(N, C)`` or ``(N, C, H, W)``, and the cache for :func:`maxout_backward`.

    Raises:
        ValueError: ``pieces`` does not divide the channels, or shapes or dtypes do not fit.

    Example:
        >>> import numpy as np
        >>> maxout_forward(np.array([[1.0, 5.0, 3.0, 4.0]]), 2)[0].tolist()
        [[3.0, 5.0]]

    Reference:
        Goodfellow et al., Maxout networks, 2013, https://arxiv.org/abs/1302.4389
    """
    pieces = integer("maxout_forward", "pieces", pieces)
    return _core.maxout_forward(x, pieces), MaxoutCache(x, pieces)


def maxout_backward(dy: Array, cache: MaxoutCache) -> Array:
    """Propagate a gradient through a maxout: to the winner, the first of equals.

    ``dx[n, j C + c] = dy[n, c] if j is the first to attain the maximum else 0``

    Args:
        dy: y's shape, gradient of the loss by ``y``.
        cache: from :func:`maxout_forward`.

    Returns:
        ``dx`` of x's shape.

    Raises:
        ValueError: ``dy`` does not fit the forward call.

    Example:
        >>> import numpy as np
        >>> y, cache = maxout_forward(np.array([[1.0, 5.0, 3.0, 4.0]]), 2)
        >>> maxout_backward(np.array([[7.0, 8.0]]), cache).tolist()
        [[0.0, 8.0, 7.0, 0.0]]
    """
    return _core.maxout_backward(dy, cache.x, cache.pieces)
