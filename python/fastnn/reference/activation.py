"""Pointwise nonlinearities."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastnn.reference._geometry import Array


class ReluCache(NamedTuple):
    """What `relu_backward` needs: the input, whose sign decides."""

    x: Array


def relu_forward(x: Array) -> tuple[Array, ReluCache]:
    """Cut negative values off.

    ``y = max(x, 0)``; NaN stays NaN.

    Args:
        x: any shape.

    Returns:
        y of x's shape, and the cache for `relu_backward`.

    Example:
        >>> relu_forward(np.array([-1.0, 2.0]))[0].tolist()
        [0.0, 2.0]

    Reference:
        Nair and Hinton, Rectified linear units improve restricted Boltzmann machines, 2010,
        https://www.cs.toronto.edu/~fritz/absps/reluICML.pdf
    """
    return np.maximum(x, 0), ReluCache(x)


def relu_backward(dy: Array, cache: ReluCache) -> Array:
    """Pass the gradient on where the input was positive.

    ``dx = dy if x > 0 else 0``: the derivative at 0 is 0.

    Args:
        dy: x's shape, gradient of the loss with respect to y.
        cache: from `relu_forward`.

    Returns:
        dx of x's shape.

    Example:
        >>> y, cache = relu_forward(np.array([-1.0, 0.0, 2.0]))
        >>> relu_backward(np.ones(3), cache).tolist()
        [0.0, 0.0, 1.0]
    """
    return np.where(cache.x > 0, dy, np.zeros_like(dy))
