"""Losses of scores against targets of the same shape, element by element."""

from __future__ import annotations

from typing import NamedTuple

from fastnn import _core
from fastnn._arguments import number
from fastnn.functional._args import Array


class PointwiseLossCache(NamedTuple):
    """What the backward passes of this module need: the arguments of the forward call."""

    scores: Array
    targets: Array
    weights: Array | None
    delta: float


def mse_forward(
    scores: Array, targets: Array, *, weights: Array | None = None
) -> tuple[float, PointwiseLossCache]:
    """Return the mean of the squared differences.

    ``l = (s - t)^2``

    ``value = sum_n w_n mean_j l[n,j] / sum_n w_n``, over the J elements j of example n, in double precision.

    Args:
        scores: ``(N, ...)``, N at least 1.
        targets: shape and dtype of ``scores``.
        weights: ``(N,)``, likewise, not negative, not all zero; None means ones.

    Returns:
        The value, and the cache for :func:`mse_backward`.

    Raises:
        ValueError: shapes or dtypes do not fit, there is no example, a weight is negative or not finite, the
            weights sum to zero.
        TypeError: an argument is not an array.

    Example:
        >>> import numpy as np
        >>> value, cache = mse_forward(np.array([[1.0, 4.0]]), np.array([[0.0, 1.0]]))
        >>> value
        5.0
    """
    value = _core.pointwise_loss_forward("mse", scores, targets, weights, 0.0)
    return value, PointwiseLossCache(scores, targets, weights, 0.0)


def mse_backward(dvalue: float, cache: PointwiseLossCache) -> Array:
    """Propagate a gradient through the loss.

    ``dscores[n,j] = dvalue * w_n / (J sum(w)) * slope``, ``slope = 2 (s - t)``.

    Args:
        dvalue: gradient of the whole loss with respect to the value, usually 1.
        cache: from :func:`mse_forward`.

    Returns:
        ``dscores`` ``(N, ...)``.

    Raises:
        ValueError: the cache is not one of the forward call.

    Example:
        >>> import numpy as np
        >>> value, cache = mse_forward(np.array([[1.0, 4.0]]), np.array([[0.0, 1.0]]))
        >>> mse_backward(1.0, cache).tolist()
        [[1.0, 3.0]]
    """
    return _core.pointwise_loss_backward("mse", dvalue, *cache)


def l1_forward(
    scores: Array, targets: Array, *, weights: Array | None = None
) -> tuple[float, PointwiseLossCache]:
    """Return the mean of the absolute differences.

    ``l = |s - t|``

    ``value = sum_n w_n mean_j l[n,j] / sum_n w_n``, over the J elements j of example n, in double precision.

    Args:
        scores: ``(N, ...)``, N at least 1.
        targets: shape and dtype of ``scores``.
        weights: ``(N,)``, likewise, not negative, not all zero; None means ones.

    Returns:
        The value, and the cache for :func:`l1_backward`.

    Raises:
        ValueError: shapes or dtypes do not fit, there is no example, a weight is negative or not finite, the
            weights sum to zero.
        TypeError: an argument is not an array.

    Example:
        >>> import numpy as np
        >>> value, cache = l1_forward(np.array([[1.0, 4.0]]), np.array([[0.0, 1.0]]))
        >>> value
        2.0
    """
    value = _core.pointwise_loss_forward("l1", scores, targets, weights, 0.0)
    return value, PointwiseLossCache(scores, targets, weights, 0.0)


def l1_backward(dvalue: float, cache: PointwiseLossCache) -> Array:
    """Propagate a gradient through the loss.

    ``dscores[n,j] = dvalue * w_n / (J sum(w)) * slope``, ``slope = sign(s - t)``, 0 where they are equal.

    Args:
        dvalue: gradient of the whole loss with respect to the value, usually 1.
        cache: from :func:`l1_forward`.

    Returns:
        ``dscores`` ``(N, ...)``.

    Raises:
        ValueError: the cache is not one of the forward call.

    Example:
        >>> import numpy as np
        >>> value, cache = l1_forward(np.array([[1.0, 4.0]]), np.array([[0.0, 1.0]]))
        >>> l1_backward(1.0, cache).tolist()
        [[0.5, 0.5]]
    """
    return _core.pointwise_loss_backward("l1", dvalue, *cache)


def huber_forward(
    scores: Array, targets: Array, *, weights: Array | None = None, delta: float = 1.0
) -> tuple[float, PointwiseLossCache]:
    """Return the mean of a loss that is quadratic near 0 and linear beyond ``delta``.

    ``l = d^2 / 2 where |d| <= delta, delta (|d| - delta / 2) elsewhere, d = s - t``

    ``value = sum_n w_n mean_j l[n,j] / sum_n w_n``, over the J elements j of example n, in double precision.

    Args:
        scores: ``(N, ...)``, N at least 1.
        targets: shape and dtype of ``scores``.
        weights: ``(N,)``, likewise, not negative, not all zero; None means ones.
        delta: where the two parts meet, > 0.

    Returns:
        The value, and the cache for :func:`huber_backward`.

    Raises:
        ValueError: shapes or dtypes do not fit, there is no example, a weight is negative or not finite, the
            weights sum to zero.
        TypeError: an argument is not an array.

    Example:
        >>> import numpy as np
        >>> value, cache = huber_forward(np.array([[1.0, 4.0]]), np.array([[0.0, 1.0]]))
        >>> value
        1.5

    Reference:
        Huber, Robust estimation of a location parameter, 1964, https://doi.org/10.1214/aoms/1177703732
    """
    delta = number("huber_forward", "delta", delta, above=True)
    value = _core.pointwise_loss_forward("huber", scores, targets, weights, delta)
    return value, PointwiseLossCache(scores, targets, weights, delta)


def huber_backward(dvalue: float, cache: PointwiseLossCache) -> Array:
    """Propagate a gradient through the loss.

    ``dscores[n,j] = dvalue * w_n / (J sum(w)) * slope``, ``slope = s - t cut to [-delta, delta]``.

    Args:
        dvalue: gradient of the whole loss with respect to the value, usually 1.
        cache: from :func:`huber_forward`.

    Returns:
        ``dscores`` ``(N, ...)``.

    Raises:
        ValueError: the cache is not one of the forward call.

    Example:
        >>> import numpy as np
        >>> value, cache = huber_forward(np.array([[1.0, 4.0]]), np.array([[0.0, 1.0]]))
        >>> huber_backward(1.0, cache).tolist()
        [[0.5, 0.5]]
    """
    return _core.pointwise_loss_backward("huber", dvalue, *cache)


def binary_cross_entropy_forward(
    scores: Array, targets: Array, *, weights: Array | None = None
) -> tuple[float, PointwiseLossCache]:
    """Return the mean negative log-probability that sigmoid gives to yes-or-no targets.

    ``l = max(s, 0) - s t + log(1 + exp(-|s|))``

    ``value = sum_n w_n mean_j l[n,j] / sum_n w_n``, over the J elements j of example n, in double precision.

    ``s`` is the score before the sigmoid (a logit), so that nothing overflows at any size.

    Args:
        scores: ``(N, ...)``, N at least 1.
        targets: shape and dtype of ``scores``, usually 0 or 1.
        weights: ``(N,)``, likewise, not negative, not all zero; None means ones.

    Returns:
        The value, and the cache for :func:`binary_cross_entropy_backward`.

    Raises:
        ValueError: shapes or dtypes do not fit, there is no example, a weight is negative or not finite, the
            weights sum to zero.
        TypeError: an argument is not an array.

    Example:
        >>> import numpy as np
        >>> value, cache = binary_cross_entropy_forward(np.zeros((1, 2)), np.array([[0.0, 1.0]]))
        >>> round(value, 6)
        0.693147
    """
    value = _core.pointwise_loss_forward("binary_cross_entropy", scores, targets, weights, 0.0)
    return value, PointwiseLossCache(scores, targets, weights, 0.0)


def binary_cross_entropy_backward(dvalue: float, cache: PointwiseLossCache) -> Array:
    """Propagate a gradient through the loss.

    ``dscores[n,j] = dvalue * w_n / (J sum(w)) * slope``, ``slope = 1 / (1 + exp(-s)) - t``.

    Args:
        dvalue: gradient of the whole loss with respect to the value, usually 1.
        cache: from :func:`binary_cross_entropy_forward`.

    Returns:
        ``dscores`` ``(N, ...)``.

    Raises:
        ValueError: the cache is not one of the forward call.

    Example:
        >>> import numpy as np
        >>> value, cache = binary_cross_entropy_forward(np.zeros((1, 2)), np.array([[0.0, 1.0]]))
        >>> binary_cross_entropy_backward(1.0, cache).tolist()
        [[0.25, -0.25]]
    """
    return _core.pointwise_loss_backward("binary_cross_entropy", dvalue, *cache)
