"""Pointwise nonlinearities."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from fastnn import _core
from fastnn._arguments import choice, number
from fastnn.functional._args import Array

SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


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


class SigmoidCache(NamedTuple):
    """What :func:`sigmoid_backward` needs: the output, of which the derivative is a function."""

    y: Array


def sigmoid_forward(x: Array) -> tuple[Array, SigmoidCache]:
    """Squash every number into (0, 1).

    ``y = 1 / (1 + e^-x)``; no x overflows.

    Args:
        x: any shape of at most four axes, any strides.

    Returns:
        ``y`` of x's shape, and the cache for :func:`sigmoid_backward`.

    Raises:
        ValueError: the dtype or the number of axes does not fit.

    Example:
        >>> import numpy as np
        >>> sigmoid_forward(np.array([0.0, 1e4]))[0].tolist()
        [0.5, 1.0]

    Reference:
        Rumelhart, Hinton and Williams, Learning representations by back-propagating errors, 1986,
        https://doi.org/10.1038/323533a0
    """
    y = _core.sigmoid_forward(x)
    return y, SigmoidCache(y)


def sigmoid_backward(dy: Array, cache: SigmoidCache) -> Array:
    """Propagate a gradient through the sigmoid.

    ``dx = dy y (1 - y)``. Large ``|x|`` saturate: their gradient vanishes.

    Args:
        dy: x's shape, gradient of the loss by ``y``.
        cache: from :func:`sigmoid_forward`.

    Returns:
        ``dx`` of x's shape.

    Raises:
        ValueError: ``dy`` does not fit the forward call.

    Example:
        >>> import numpy as np
        >>> y, cache = sigmoid_forward(np.zeros(1))
        >>> sigmoid_backward(np.ones(1), cache).tolist()
        [0.25]
    """
    return _core.sigmoid_backward(dy, cache.y)


class TanhCache(NamedTuple):
    """What :func:`tanh_backward` needs: the output, of which the derivative is a function."""

    y: Array


def tanh_forward(x: Array) -> tuple[Array, TanhCache]:
    """Squash every number into (-1, 1).

    ``y = (e^x - e^-x) / (e^x + e^-x)``; no x overflows, and small x keep all their digits.

    Args:
        x: any shape of at most four axes, any strides.

    Returns:
        ``y`` of x's shape, and the cache for :func:`tanh_backward`.

    Raises:
        ValueError: the dtype or the number of axes does not fit.

    Example:
        >>> import numpy as np
        >>> tanh_forward(np.array([0.0, 1e4]))[0].tolist()
        [0.0, 1.0]

    Reference:
        LeCun et al., Efficient BackProp, 1998, https://doi.org/10.1007/3-540-49430-8_2
    """
    y = _core.tanh_forward(x)
    return y, TanhCache(y)


def tanh_backward(dy: Array, cache: TanhCache) -> Array:
    """Propagate a gradient through the hyperbolic tangent.

    ``dx = dy (1 - y^2)``.

    Args:
        dy: x's shape, gradient of the loss by ``y``.
        cache: from :func:`tanh_forward`.

    Returns:
        ``dx`` of x's shape.

    Raises:
        ValueError: ``dy`` does not fit the forward call.

    Example:
        >>> import numpy as np
        >>> y, cache = tanh_forward(np.zeros(1))
        >>> tanh_backward(np.ones(1), cache).tolist()
        [1.0]
    """
    return _core.tanh_backward(dy, cache.y)


class LeakyReluCache(NamedTuple):
    """What :func:`leaky_relu_backward` needs: the input and the setting."""

    x: Array
    negative_slope: float


def leaky_relu_forward(x: Array, *, negative_slope: float = 0.01) -> tuple[Array, LeakyReluCache]:
    """Shrink negative values instead of cutting them off.

    ``y = x if x > 0 else negative_slope x``

    Args:
        x: any shape of at most four axes, any strides.
        negative_slope: factor of negative values; any finite number.

    Returns:
        ``y`` of x's shape, and the cache for :func:`leaky_relu_backward`.

    Raises:
        ValueError: the dtype, the number of axes or a setting does not fit.

    Example:
        >>> import numpy as np
        >>> leaky_relu_forward(np.array([-1.0, 2.0]))[0].tolist()
        [-0.01, 2.0]

    Reference:
        Maas, Hannun and Ng, Rectifier nonlinearities improve neural network acoustic models, 2013,
        https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf
    """
    negative_slope = number("leaky_relu_forward", "negative_slope", negative_slope, low=-math.inf)
    return _core.leaky_relu_forward(x, negative_slope), LeakyReluCache(x, negative_slope)


def leaky_relu_backward(dy: Array, cache: LeakyReluCache) -> Array:
    """Propagate a gradient through a leaky ReLU.

    ``dx = dy if x > 0 else negative_slope dy``. The derivative at 0 is ``negative_slope``.

    Args:
        dy: x's shape, gradient of the loss by ``y``.
        cache: from :func:`leaky_relu_forward`.

    Returns:
        ``dx`` of x's shape.

    Raises:
        ValueError: ``dy`` does not fit the forward call.

    Example:
        >>> import numpy as np
        >>> y, cache = leaky_relu_forward(np.array([-1.0, 2.0]))
        >>> leaky_relu_backward(np.ones(2), cache).tolist()
        [0.01, 1.0]
    """
    return _core.leaky_relu_backward(dy, cache.x, cache.negative_slope)


class EluCache(NamedTuple):
    """What :func:`elu_backward` needs: the input and the setting."""

    x: Array
    alpha: float


def elu_forward(x: Array, *, alpha: float = 1.0) -> tuple[Array, EluCache]:
    """Bend negative values towards ``-alpha``.

    ``y = x if x > 0 else alpha (e^x - 1)``

    Args:
        x: any shape of at most four axes, any strides.
        alpha: minus the limit of large negative x; any finite number.

    Returns:
        ``y`` of x's shape, and the cache for :func:`elu_backward`.

    Raises:
        ValueError: the dtype, the number of axes or a setting does not fit.

    Example:
        >>> import numpy as np
        >>> elu_forward(np.array([-1e4, 2.0]))[0].tolist()
        [-1.0, 2.0]

    Reference:
        Clevert, Unterthiner and Hochreiter, Fast and accurate deep network learning by exponential linear
        units, 2016, https://arxiv.org/abs/1511.07289
    """
    alpha = number("elu_forward", "alpha", alpha, low=-math.inf)
    return _core.elu_forward(x, alpha, 1.0), EluCache(x, alpha)


def elu_backward(dy: Array, cache: EluCache) -> Array:
    """Propagate a gradient through an ELU.

    ``dx = dy if x > 0 else dy alpha e^x``.

    Args:
        dy: x's shape, gradient of the loss by ``y``.
        cache: from :func:`elu_forward`.

    Returns:
        ``dx`` of x's shape.

    Raises:
        ValueError: ``dy`` does not fit the forward call.

    Example:
        >>> import numpy as np
        >>> y, cache = elu_forward(np.array([-1e4, 2.0]))
        >>> elu_backward(np.ones(2), cache).tolist()
        [0.0, 1.0]
    """
    return _core.elu_backward(dy, cache.x, cache.alpha, 1.0)


class SeluCache(NamedTuple):
    """What :func:`selu_backward` needs: the input."""

    x: Array


def selu_forward(x: Array) -> tuple[Array, SeluCache]:
    """Scale an ELU so that deep nets keep mean 0 and variance 1 by themselves.

    ``y = scale x if x > 0 else scale alpha (e^x - 1)``, ``scale = 1.0507009873554805``,
    ``alpha = 1.6732632423543772``

    Args:
        x: any shape of at most four axes, any strides.

    Returns:
        ``y`` of x's shape, and the cache for :func:`selu_backward`.

    Raises:
        ValueError: the dtype or the number of axes does not fit.

    Example:
        >>> import numpy as np
        >>> selu_forward(np.array([0.0, 1.0]))[0].tolist()
        [0.0, 1.0507009873554805]

    Reference:
        Klambauer et al., Self-normalizing neural networks, 2017, https://arxiv.org/abs/1706.02515
    """
    return _core.selu_forward(x, SELU_ALPHA, SELU_SCALE), SeluCache(x)


def selu_backward(dy: Array, cache: SeluCache) -> Array:
    """Propagate a gradient through a SELU.

    ``dx = scale dy if x > 0 else dy scale alpha e^x``.

    Args:
        dy: x's shape, gradient of the loss by ``y``.
        cache: from :func:`selu_forward`.

    Returns:
        ``dx`` of x's shape.

    Raises:
        ValueError: ``dy`` does not fit the forward call.

    Example:
        >>> import numpy as np
        >>> y, cache = selu_forward(np.array([-1e4, 2.0]))
        >>> selu_backward(np.ones(2), cache).tolist()
        [0.0, 1.0507009873554805]
    """
    return _core.selu_backward(dy, cache.x, SELU_ALPHA, SELU_SCALE)


class GeluCache(NamedTuple):
    """What :func:`gelu_backward` needs: the input and the setting."""

    x: Array
    approximate: Literal["none", "tanh"]


def gelu_forward(x: Array, *, approximate: Literal["none", "tanh"] = "none") -> tuple[Array, GeluCache]:
    """Weigh every number with the chance that a standard normal one is smaller.

    ``y = x Phi(x) = x (1 + erf(x / sqrt(2))) / 2``; with ``approximate="tanh"``
    ``y = x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2``, which differs by up to 5e-4.

    Args:
        x: any shape of at most four axes, any strides.
        approximate: ``"none"`` or ``"tanh"``.

    Returns:
        ``y`` of x's shape, and the cache for :func:`gelu_backward`.

    Raises:
        ValueError: the dtype, the number of axes or a setting does not fit.

    Example:
        >>> import numpy as np
        >>> gelu_forward(np.array([0.0, 1e4]))[0].tolist()
        [0.0, 10000.0]

    Reference:
        Hendrycks and Gimpel, Gaussian error linear units, 2016, https://arxiv.org/abs/1606.08415
    """
    if choice("gelu_forward", "approximate", approximate, ("none", "tanh")) == "tanh":
        return _core.gelu_tanh_forward(x), GeluCache(x, approximate)
    return _core.gelu_forward(x), GeluCache(x, approximate)


def gelu_backward(dy: Array, cache: GeluCache) -> Array:
    """Propagate a gradient through a GELU.

    ``dx = dy (Phi(x) + x phi(x))``, phi the normal density.

    Args:
        dy: x's shape, gradient of the loss by ``y``.
        cache: from :func:`gelu_forward`.

    Returns:
        ``dx`` of x's shape.

    Raises:
        ValueError: ``dy`` does not fit the forward call.

    Example:
        >>> import numpy as np
        >>> y, cache = gelu_forward(np.array([0.0, 1e4]))
        >>> gelu_backward(np.ones(2), cache).tolist()
        [0.5, 1.0]
    """
    if cache.approximate == "tanh":
        return _core.gelu_tanh_backward(dy, cache.x)
    return _core.gelu_backward(dy, cache.x)


class SiluCache(NamedTuple):
    """What :func:`silu_backward` needs: the input."""

    x: Array


def silu_forward(x: Array) -> tuple[Array, SiluCache]:
    """Weigh every number with its own sigmoid (also called swish).

    ``y = x sigmoid(x)``

    Args:
        x: any shape of at most four axes, any strides.

    Returns:
        ``y`` of x's shape, and the cache for :func:`silu_backward`.

    Raises:
        ValueError: the dtype or the number of axes does not fit.

    Example:
        >>> import numpy as np
        >>> silu_forward(np.array([0.0, 1e4]))[0].tolist()
        [0.0, 10000.0]

    Reference:
        Elfwing, Uchibe and Doya, Sigmoid-weighted linear units for neural network function approximation in
        reinforcement learning, 2018, https://arxiv.org/abs/1702.03118
    """
    return _core.silu_forward(x), SiluCache(x)


def silu_backward(dy: Array, cache: SiluCache) -> Array:
    """Propagate a gradient through a SiLU.

    ``dx = dy s (1 + x (1 - s))``, ``s = sigmoid(x)``.

    Args:
        dy: x's shape, gradient of the loss by ``y``.
        cache: from :func:`silu_forward`.

    Returns:
        ``dx`` of x's shape.

    Raises:
        ValueError: ``dy`` does not fit the forward call.

    Example:
        >>> import numpy as np
        >>> y, cache = silu_forward(np.array([0.0, 1e4]))
        >>> silu_backward(np.ones(2), cache).tolist()
        [0.5, 1.0]
    """
    return _core.silu_backward(dy, cache.x)


class SoftplusCache(NamedTuple):
    """What :func:`softplus_backward` needs: the input and the settings."""

    x: Array
    beta: float
    threshold: float


def softplus_forward(x: Array, *, beta: float = 1.0, threshold: float = 20.0) -> tuple[Array, SoftplusCache]:
    """Round off the corner of a ReLU.

    ``y = log(1 + e^(beta x)) / beta``, and ``y = x`` where ``beta x > threshold``; no x overflows.

    Args:
        x: any shape of at most four axes, any strides.
        beta: positive; the larger, the sharper the corner.
        threshold: beyond it the function is taken to be x.

    Returns:
        ``y`` of x's shape, and the cache for :func:`softplus_backward`.

    Raises:
        ValueError: the dtype, the number of axes or a setting does not fit.

    Example:
        >>> import numpy as np
        >>> softplus_forward(np.array([-1e4, 1e4]))[0].tolist()
        [0.0, 10000.0]

    Reference:
        Dugas et al., Incorporating second-order functional knowledge for better option pricing, 2001,
        https://papers.nips.cc/paper/1920
    """
    beta = number("softplus_forward", "beta", beta, above=True)
    threshold = number("softplus_forward", "threshold", threshold, low=-math.inf)
    return _core.softplus_forward(x, beta, threshold), SoftplusCache(x, beta, threshold)


def softplus_backward(dy: Array, cache: SoftplusCache) -> Array:
    """Propagate a gradient through a softplus.

    ``dx = dy sigmoid(beta x)``, and ``dx = dy`` where ``beta x > threshold``.

    Args:
        dy: x's shape, gradient of the loss by ``y``.
        cache: from :func:`softplus_forward`.

    Returns:
        ``dx`` of x's shape.

    Raises:
        ValueError: ``dy`` does not fit the forward call.

    Example:
        >>> import numpy as np
        >>> y, cache = softplus_forward(np.array([0.0, 1e4]))
        >>> softplus_backward(np.ones(2), cache).tolist()
        [0.5, 1.0]
    """
    return _core.softplus_backward(dy, cache.x, cache.beta, cache.threshold)
