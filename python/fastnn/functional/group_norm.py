"""Norms that treat every example by itself: layer, group and instance norm."""

from __future__ import annotations

from typing import NamedTuple

from numpy import float64
from numpy.typing import NDArray

from fastnn import _core
from fastnn._arguments import integer, number
from fastnn.functional._args import Array


class LayerNormCache(NamedTuple):
    """What :func:`layernorm_backward` needs; ``statistics`` holds the means and biased variances of the rows.

    ``statistics`` is (2, rows), in float64: rounding a large mean to float32 would cost accuracy.
    """

    x: Array
    gamma: Array
    beta: Array
    statistics: NDArray[float64]
    eps: float


class GroupNormCache(NamedTuple):
    """What :func:`groupnorm_backward` needs; ``statistics`` holds means and biased variances.

    ``statistics`` is (2, N, num_groups), in float64.
    """

    x: Array
    gamma: Array
    beta: Array
    statistics: NDArray[float64]
    num_groups: int
    eps: float


class InstanceNormCache(NamedTuple):
    """What :func:`instancenorm_backward` needs; ``statistics`` holds means and biased variances.

    ``statistics`` is (2, N, C), in float64.
    """

    x: Array
    gamma: Array
    beta: Array
    statistics: NDArray[float64]
    eps: float


def layernorm_forward(
    x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5
) -> tuple[Array, LayerNormCache]:
    """Normalise every row to mean 0 and variance 1, then scale and shift each place.

    ``x_hat = (x - mean) / sqrt(var + eps)``, ``y = gamma x_hat + beta``

    A row is what the last axes hold, as many axes as gamma has. ``var`` is biased (divided by the count) and
    ``eps`` stands inside the root. Training and prediction are the same.

    Args:
        x: any shape of at most four axes.
        gamma: the shape of x's last axes, scale.
        beta: gamma's shape, shift.
        eps: added to the variance.

    Returns:
        ``y`` of x's shape, and the cache for :func:`layernorm_backward`.

    Raises:
        ValueError: shapes, dtypes or ``eps`` do not fit.

    Example:
        >>> import numpy as np
        >>> y, cache = layernorm_forward(np.array([[1.0, 3.0]]), np.ones(2), np.zeros(2), eps=0.0)
        >>> y.tolist()
        [[-1.0, 1.0]]

    Reference:
        Ba, Kiros and Hinton, Layer normalization, 2016, https://arxiv.org/abs/1607.06450
    """
    eps = number("layernorm_forward", "eps", eps)
    y, statistics = _core.layernorm_forward(x, gamma, beta, eps)
    return y, LayerNormCache(x, gamma, beta, statistics, eps)


def layernorm_backward(dy: Array, cache: LayerNormCache) -> tuple[Array, Array, Array]:
    """Propagate a gradient through layer norm.

    ``dgamma = sum dy x_hat`` and ``dbeta = sum dy`` over the rows; with ``e = gamma dy`` and means over
    the row ``dx = (e - mean(e) - x_hat mean(e x_hat)) / sqrt(var + eps)``

    Args:
        dy: x's shape, gradient of the loss by ``y``.
        cache: from :func:`layernorm_forward`.

    Returns:
        ``dx`` of x's shape, ``dgamma`` and ``dbeta`` of gamma's.

    Raises:
        ValueError: ``dy`` does not fit the forward call.

    Example:
        >>> import numpy as np
        >>> y, cache = layernorm_forward(np.array([[1.0, 3.0]]), np.ones(2), np.zeros(2), eps=0.0)
        >>> dx, dgamma, dbeta = layernorm_backward(np.array([[1.0, 2.0]]), cache)
        >>> dx.tolist(), dgamma.tolist(), dbeta.tolist()
        ([[0.0, 0.0]], [-1.0, 2.0], [1.0, 2.0])
    """
    return _core.layernorm_backward(dy, *cache)


def groupnorm_forward(
    x: Array, gamma: Array, beta: Array, num_groups: int, *, eps: float = 1e-5
) -> tuple[Array, GroupNormCache]:
    """Normalise groups of channels of every example to mean 0 and variance 1, then scale and shift channels.

    ``x_hat = (x - mean) / sqrt(var + eps)``, ``y = gamma x_hat + beta``

    A group is ``C / num_groups`` neighbouring channels and all their pixels. ``var`` is biased and ``eps``
    stands inside the root. Training and prediction are the same.

    Args:
        x: ``(N, C)`` or ``(N, C, H, W)``.
        gamma: ``(C,)``, scale.
        beta: ``(C,)``, shift.
        num_groups: divisor of C.
        eps: added to the variance.

    Returns:
        ``y`` of x's shape, and the cache for :func:`groupnorm_backward`.

    Raises:
        ValueError: ``num_groups`` does not divide C, or shapes, dtypes or ``eps`` do not fit.

    Example:
        >>> import numpy as np
        >>> y, cache = groupnorm_forward(np.array([[1.0, 3.0]]), np.ones(2), np.zeros(2), 1, eps=0.0)
        >>> y.tolist()
        [[-1.0, 1.0]]

    Reference:
        Wu and He, Group normalization, 2018, https://arxiv.org/abs/1803.08494
    """
    op = "groupnorm_forward"
    num_groups, eps = integer(op, "num_groups", num_groups), number(op, "eps", eps)
    y, statistics = _core.groupnorm_forward(x, gamma, beta, num_groups, eps)
    return y, GroupNormCache(x, gamma, beta, statistics, num_groups, eps)


def groupnorm_backward(dy: Array, cache: GroupNormCache) -> tuple[Array, Array, Array]:
    """Propagate a gradient through group norm.

    ``dgamma = sum dy x_hat`` and ``dbeta = sum dy`` over examples and pixels; with ``e = gamma dy`` and means
    over the group ``dx = (e - mean(e) - x_hat mean(e x_hat)) / sqrt(var + eps)``

    Args:
        dy: x's shape, gradient of the loss by ``y``.
        cache: from :func:`groupnorm_forward`.

    Returns:
        ``dx`` of x's shape, ``dgamma`` ``(C,)``, ``dbeta`` ``(C,)``.

    Raises:
        ValueError: ``dy`` does not fit the forward call.

    Example:
        >>> import numpy as np
        >>> y, cache = groupnorm_forward(np.array([[1.0, 3.0]]), np.ones(2), np.zeros(2), 1, eps=0.0)
        >>> dx, dgamma, dbeta = groupnorm_backward(np.array([[1.0, 2.0]]), cache)
        >>> dx.tolist(), dgamma.tolist(), dbeta.tolist()
        ([[0.0, 0.0]], [-1.0, 2.0], [1.0, 2.0])
    """
    return _core.groupnorm_backward(dy, *cache)


def instancenorm_forward(
    x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5
) -> tuple[Array, InstanceNormCache]:
    """Normalise every channel of every example over its pixels, then scale and shift it.

    ``x_hat = (x - mean) / sqrt(var + eps)``, ``y = gamma x_hat + beta``: group norm with one group a channel.

    Args:
        x: ``(N, C, H, W)``.
        gamma: ``(C,)``, scale.
        beta: ``(C,)``, shift.
        eps: added to the variance, which is biased.

    Returns:
        ``y`` of x's shape, and the cache for :func:`instancenorm_backward`.

    Raises:
        ValueError: shapes, dtypes or ``eps`` do not fit.

    Example:
        >>> import numpy as np
        >>> x = np.array([1.0, 3.0]).reshape(1, 1, 1, 2)
        >>> instancenorm_forward(x, np.ones(1), np.zeros(1), eps=0.0)[0].ravel().tolist()
        [-1.0, 1.0]

    Reference:
        Ulyanov, Vedaldi and Lempitsky, Instance normalization, 2016, https://arxiv.org/abs/1607.08022
    """
    eps = number("instancenorm_forward", "eps", eps)
    y, statistics = _core.instancenorm_forward(x, gamma, beta, None, eps)
    return y, InstanceNormCache(x, gamma, beta, statistics, eps)


def instancenorm_backward(dy: Array, cache: InstanceNormCache) -> tuple[Array, Array, Array]:
    """Propagate a gradient through instance norm.

    ``dgamma = sum dy x_hat`` and ``dbeta = sum dy`` over examples and pixels; with ``e = gamma dy`` and means
    over the pixels ``dx = (e - mean(e) - x_hat mean(e x_hat)) / sqrt(var + eps)``

    Args:
        dy: x's shape, gradient of the loss by ``y``.
        cache: from :func:`instancenorm_forward`.

    Returns:
        ``dx`` of x's shape, ``dgamma`` ``(C,)``, ``dbeta`` ``(C,)``.

    Raises:
        ValueError: ``dy`` does not fit the forward call.

    Example:
        >>> import numpy as np
        >>> x = np.array([1.0, 3.0]).reshape(1, 1, 1, 2)
        >>> y, cache = instancenorm_forward(x, np.ones(1), np.zeros(1), eps=0.0)
        >>> dx, dgamma, dbeta = instancenorm_backward(x, cache)
        >>> dx.ravel().tolist(), dgamma.item(), dbeta.item()
        ([0.0, 0.0], 2.0, 4.0)
    """
    x, gamma, beta, statistics, eps = cache
    return _core.instancenorm_backward(dy, x, gamma, beta, statistics, None, eps)
