"""Pointwise nonlinearities."""

from __future__ import annotations

from typing import NamedTuple

from fastnn import _core
from fastnn.functional._args import Array


class ReluCache(NamedTuple):
    """What :func:`relu_backward` needs: the input, whose sign decides. No mask is stored."""

    x: Array


def relu_forward(x: Array) -> tuple[Array, ReluCache]:
    """Cut negative values off.

    ``y = max(x, 0)``; NaN stays NaN.

    Args:
        x: any shape of at most four axes, any strides.

    Returns:
        ``y`` of x's shape, and the cache for :func:`relu_backward`.

    Raises:
        ValueError: the dtype or the number of axes does not fit.

    Example:
        >>> import numpy as np
        >>> relu_forward(np.array([-1.0, 2.0]))[0].tolist()
        [0.0, 2.0]

    Reference:
        Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", 2010,
        https://www.cs.toronto.edu/~fritz/absps/reluICML.pdf
    """
    return _core.relu_forward(x), ReluCache(x)


def relu_backward(dy: Array, cache: ReluCache) -> Array:
    """Pass the gradient on where the input was positive.

    ``dx = dy if x > 0 else 0``: the derivative at 0 is 0.

    Args:
        dy: x's shape, gradient of the loss by ``y``.
        cache: from :func:`relu_forward`.

    Returns:
        ``dx`` of x's shape.

    Raises:
        ValueError: ``dy`` does not fit the forward call.

    Example:
        >>> import numpy as np
        >>> y, cache = relu_forward(np.array([-1.0, 0.0, 2.0]))
        >>> relu_backward(np.ones(3), cache).tolist()
        [0.0, 0.0, 1.0]
    """
    return _core.relu_backward(dy, cache.x)
