"""Pointwise nonlinearities."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np

from fastnn.reference._geometry import Array

SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


def _sigmoid(x: Array) -> Array:
    """``1 / (1 + e^-x)``, whose exponential never overflows: ``e^x / (1 + e^x)`` for negative x."""
    e = np.exp(-np.abs(x))
    s: Array = np.where(x > 0, 1, e) / (1 + e)
    return s


def _normal_cdf(x: Array) -> Array:
    """``(1 + erf(x / sqrt(2))) / 2``, by the complement of erf, which does not cancel for negative x."""
    erfc = np.vectorize(math.erfc, otypes=[np.float64])
    cdf: Array = (erfc(-x.astype(np.float64) / math.sqrt(2)) / 2).astype(x.dtype)
    return cdf


def _gelu_argument(x: Array) -> Array:
    """``2 u`` in ``(1 + tanh(u)) / 2 = sigmoid(2 u)``."""
    u: Array = math.sqrt(8 / math.pi) * (x + 0.044715 * x * x * x)
    return u


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


class SigmoidCache(NamedTuple):
    """What `sigmoid_backward` needs: the output, of which the derivative is a function."""

    y: Array


def sigmoid_forward(x: Array) -> tuple[Array, SigmoidCache]:
    """Squash every number into (0, 1).

    ``y = 1 / (1 + e^-x)``; no x overflows.

    Args:
        x: any shape.

    Returns:
        ``y`` of x's shape, and the cache for `sigmoid_backward`.

    Example:
        >>> sigmoid_forward(np.array([0.0, 1e4]))[0].tolist()
        [0.5, 1.0]

    Reference:
        Rumelhart, Hinton and Williams, Learning representations by back-propagating errors, 1986,
        https://doi.org/10.1038/323533a0
    """
    y = _sigmoid(x)
    return y, SigmoidCache(y)


def sigmoid_backward(dy: Array, cache: SigmoidCache) -> Array:
    """Propagate a gradient through the sigmoid.

    ``dx = dy y (1 - y)``. Large ``|x|`` saturate: their gradient vanishes.

    Args:
        dy: x's shape, gradient of the loss by ``y``.
        cache: from `sigmoid_forward`.

    Returns:
        ``dx`` of x's shape.

    Example:
        >>> y, cache = sigmoid_forward(np.zeros(1))
        >>> sigmoid_backward(np.ones(1), cache).tolist()
        [0.25]
    """
    dx: Array = dy * cache.y * (1 - cache.y)
    return dx


class TanhCache(NamedTuple):
    """What `tanh_backward` needs: the output, of which the derivative is a function."""

    y: Array


def tanh_forward(x: Array) -> tuple[Array, TanhCache]:
    """Squash every number into (-1, 1).

    ``y = (e^x - e^-x) / (e^x + e^-x)``; no x overflows, and small x keep all their digits.

    Args:
        x: any shape.

    Returns:
        ``y`` of x's shape, and the cache for `tanh_backward`.

    Example:
        >>> tanh_forward(np.array([0.0, 1e4]))[0].tolist()
        [0.0, 1.0]

    Reference:
        LeCun et al., Efficient BackProp, 1998, https://doi.org/10.1007/3-540-49430-8_2
    """
    y = np.tanh(x)
    return y, TanhCache(y)


def tanh_backward(dy: Array, cache: TanhCache) -> Array:
    """Propagate a gradient through the hyperbolic tangent.

    ``dx = dy (1 - y^2)``.

    Args:
        dy: x's shape, gradient of the loss by ``y``.
        cache: from `tanh_forward`.

    Returns:
        ``dx`` of x's shape.

    Example:
        >>> y, cache = tanh_forward(np.zeros(1))
        >>> tanh_backward(np.ones(1), cache).tolist()
        [1.0]
    """
    dx: Array = dy * (1 - cache.y) * (1 + cache.y)
    return dx


class LeakyReluCache(NamedTuple):
    """What `leaky_relu_backward` needs: the input and the setting."""

    x: Array
    negative_slope: float


def leaky_relu_forward(x: Array, *, negative_slope: float = 0.01) -> tuple[Array, LeakyReluCache]:
    """Shrink negative values instead of cutting them off.

    ``y = x if x > 0 else negative_slope x``

    Args:
        x: any shape.
        negative_slope: factor of negative values; any finite number.

    Returns:
        ``y`` of x's shape, and the cache for `leaky_relu_backward`.

    Example:
        >>> leaky_relu_forward(np.array([-1.0, 2.0]))[0].tolist()
        [-0.01, 2.0]

    Reference:
        Maas, Hannun and Ng, Rectifier nonlinearities improve neural network acoustic models, 2013,
        https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf
    """
    return np.where(x > 0, x, negative_slope * x), LeakyReluCache(x, negative_slope)


def leaky_relu_backward(dy: Array, cache: LeakyReluCache) -> Array:
    """Propagate a gradient through a leaky ReLU.

    ``dx = dy if x > 0 else negative_slope dy``. The derivative at 0 is ``negative_slope``.

    Args:
        dy: x's shape, gradient of the loss by ``y``.
        cache: from `leaky_relu_forward`.

    Returns:
        ``dx`` of x's shape.

    Example:
        >>> y, cache = leaky_relu_forward(np.array([-1.0, 2.0]))
        >>> leaky_relu_backward(np.ones(2), cache).tolist()
        [0.01, 1.0]
    """
    return np.where(cache.x > 0, dy, cache.negative_slope * dy)


class EluCache(NamedTuple):
    """What `elu_backward` needs: the input and the setting."""

    x: Array
    alpha: float


def elu_forward(x: Array, *, alpha: float = 1.0) -> tuple[Array, EluCache]:
    """Bend negative values towards ``-alpha``.

    ``y = x if x > 0 else alpha (e^x - 1)``

    Args:
        x: any shape.
        alpha: minus the limit of large negative x; any finite number.

    Returns:
        ``y`` of x's shape, and the cache for `elu_backward`.

    Example:
        >>> elu_forward(np.array([-1e4, 2.0]))[0].tolist()
        [-1.0, 2.0]

    Reference:
        Clevert, Unterthiner and Hochreiter, Fast and accurate deep network learning by exponential linear
        units, 2016, https://arxiv.org/abs/1511.07289
    """
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))), EluCache(x, alpha)


def elu_backward(dy: Array, cache: EluCache) -> Array:
    """Propagate a gradient through an ELU.

    ``dx = dy if x > 0 else dy alpha e^x``.

    Args:
        dy: x's shape, gradient of the loss by ``y``.
        cache: from `elu_forward`.

    Returns:
        ``dx`` of x's shape.

    Example:
        >>> y, cache = elu_forward(np.array([-1e4, 2.0]))
        >>> elu_backward(np.ones(2), cache).tolist()
        [0.0, 1.0]
    """
    return dy * np.where(cache.x > 0, 1, cache.alpha * np.exp(np.minimum(cache.x, 0)))


class SeluCache(NamedTuple):
    """What `selu_backward` needs: the input."""

    x: Array


def selu_forward(x: Array) -> tuple[Array, SeluCache]:
    """Scale an ELU so that deep nets keep mean 0 and variance 1 by themselves.

    ``y = scale x if x > 0 else scale alpha (e^x - 1)``, ``scale = 1.0507009873554805``,
    ``alpha = 1.6732632423543772``

    Args:
        x: any shape.

    Returns:
        ``y`` of x's shape, and the cache for `selu_backward`.

    Example:
        >>> selu_forward(np.array([0.0, 1.0]))[0].tolist()
        [0.0, 1.0507009873554805]

    Reference:
        Klambauer et al., Self-normalizing neural networks, 2017, https://arxiv.org/abs/1706.02515
    """
    return SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0))), SeluCache(x)


def selu_backward(dy: Array, cache: SeluCache) -> Array:
    """Propagate a gradient through a SELU.

    ``dx = scale dy if x > 0 else dy scale alpha e^x``.

    Args:
        dy: x's shape, gradient of the loss by ``y``.
        cache: from `selu_forward`.

    Returns:
        ``dx`` of x's shape.

    Example:
        >>> y, cache = selu_forward(np.array([-1e4, 2.0]))
        >>> selu_backward(np.ones(2), cache).tolist()
        [0.0, 1.0507009873554805]
    """
    return dy * SELU_SCALE * np.where(cache.x > 0, 1, SELU_ALPHA * np.exp(np.minimum(cache.x, 0)))


class GeluCache(NamedTuple):
    """What `gelu_backward` needs: the input and the setting."""

    x: Array
    approximate: Literal["none", "tanh"]


def gelu_forward(x: Array, *, approximate: Literal["none", "tanh"] = "none") -> tuple[Array, GeluCache]:
    """Weigh every number with the chance that a standard normal one is smaller.

    ``y = x Phi(x) = x (1 + erf(x / sqrt(2))) / 2``; with ``approximate="tanh"``
    ``y = x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2``, which differs by up to 5e-4.

    Args:
        x: any shape.
        approximate: ``"none"`` or ``"tanh"``.

    Returns:
        ``y`` of x's shape, and the cache for `gelu_backward`.

    Example:
        >>> gelu_forward(np.array([0.0, 1e4]))[0].tolist()
        [0.0, 10000.0]

    Reference:
        Hendrycks and Gimpel, Gaussian error linear units, 2016, https://arxiv.org/abs/1606.08415
    """
    if approximate == "tanh":
        return x * _sigmoid(_gelu_argument(x)), GeluCache(x, approximate)
    return x * _normal_cdf(x), GeluCache(x, approximate)


def gelu_backward(dy: Array, cache: GeluCache) -> Array:
    """Propagate a gradient through a GELU.

    ``dx = dy (Phi(x) + x phi(x))``, phi the normal density.

    Args:
        dy: x's shape, gradient of the loss by ``y``.
        cache: from `gelu_forward`.

    Returns:
        ``dx`` of x's shape.

    Example:
        >>> y, cache = gelu_forward(np.array([0.0, 1e4]))
        >>> gelu_backward(np.ones(2), cache).tolist()
        [0.5, 1.0]
    """
    x = cache.x
    if cache.approximate == "tanh":
        s = _sigmoid(_gelu_argument(x))
        du = math.sqrt(8 / math.pi) * (1 + 3 * 0.044715 * x * x)
        slope: Array = s + x * s * (1 - s) * du
    else:
        slope = _normal_cdf(x) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    return dy * slope


class SiluCache(NamedTuple):
    """What `silu_backward` needs: the input."""

    x: Array


def silu_forward(x: Array) -> tuple[Array, SiluCache]:
    """Weigh every number with its own sigmoid (also called swish).

    ``y = x sigmoid(x)``

    Args:
        x: any shape.

    Returns:
        ``y`` of x's shape, and the cache for `silu_backward`.

    Example:
        >>> silu_forward(np.array([0.0, 1e4]))[0].tolist()
        [0.0, 10000.0]

    Reference:
        Elfwing, Uchibe and Doya, Sigmoid-weighted linear units for neural network function approximation in
        reinforcement learning, 2018, https://arxiv.org/abs/1702.03118
    """
    return x * _sigmoid(x), SiluCache(x)


def silu_backward(dy: Array, cache: SiluCache) -> Array:
    """Propagate a gradient through a SiLU.

    ``dx = dy s (1 + x (1 - s))``, ``s = sigmoid(x)``.

    Args:
        dy: x's shape, gradient of the loss by ``y``.
        cache: from `silu_forward`.

    Returns:
        ``dx`` of x's shape.

    Example:
        >>> y, cache = silu_forward(np.array([0.0, 1e4]))
        >>> silu_backward(np.ones(2), cache).tolist()
        [0.5, 1.0]
    """
    s = _sigmoid(cache.x)
    dx: Array = dy * s * (1 + cache.x * (1 - s))
    return dx


class SoftplusCache(NamedTuple):
    """What `softplus_backward` needs: the input and the settings."""

    x: Array
    beta: float
    threshold: float


def softplus_forward(x: Array, *, beta: float = 1.0, threshold: float = 20.0) -> tuple[Array, SoftplusCache]:
    """Round off the corner of a ReLU.

    ``y = log(1 + e^(beta x)) / beta``, and ``y = x`` where ``beta x > threshold``; no x overflows.

    Args:
        x: any shape.
        beta: positive; the larger, the sharper the corner.
        threshold: beyond it the function is taken to be x.

    Returns:
        ``y`` of x's shape, and the cache for `softplus_backward`.

    Example:
        >>> softplus_forward(np.array([-1e4, 1e4]))[0].tolist()
        [0.0, 10000.0]

    Reference:
        Dugas et al., Incorporating second-order functional knowledge for better option pricing, 2001,
        https://papers.nips.cc/paper/1920
    """
    z = beta * x
    soft = (np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))) / beta
    return np.where(z > threshold, x, soft), SoftplusCache(x, beta, threshold)


def softplus_backward(dy: Array, cache: SoftplusCache) -> Array:
    """Propagate a gradient through a softplus.

    ``dx = dy sigmoid(beta x)``, and ``dx = dy`` where ``beta x > threshold``.

    Args:
        dy: x's shape, gradient of the loss by ``y``.
        cache: from `softplus_forward`.

    Returns:
        ``dx`` of x's shape.

    Example:
        >>> y, cache = softplus_forward(np.array([0.0, 1e4]))
        >>> softplus_backward(np.ones(2), cache).tolist()
        [0.5, 1.0]
    """
    z = cache.beta * cache.x
    return dy * np.where(z > cache.threshold, 1, _sigmoid(z))
