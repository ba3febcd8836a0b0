"""Losses of scores against targets of the same shape, element by element."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastnn.reference._geometry import Array, require


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
        The value, and the cache for `mse_backward`.

    Raises:
        ValueError: shapes or dtypes do not fit, there is no example, a weight is negative or not finite, the
            weights sum to zero.
        TypeError: an argument is not an array.

    Example:
        >>> value, cache = mse_forward(np.array([[1.0, 4.0]]), np.array([[0.0, 1.0]]))
        >>> value
        5.0
    """
    return _mean("mse", np.square(scores - targets), scores, targets, weights)


def mse_backward(dvalue: float, cache: PointwiseLossCache) -> Array:
    """Propagate a gradient through the loss.

    ``dscores[n,j] = dvalue * w_n / (J sum(w)) * slope``, ``slope = 2 (s - t)``.

    Args:
        dvalue: gradient of the whole loss with respect to the value, usually 1.
        cache: from `mse_forward`.

    Returns:
        ``dscores`` ``(N, ...)``.

    Raises:
        ValueError: the cache is not one of the forward call.

    Example:
        >>> value, cache = mse_forward(np.array([[1.0, 4.0]]), np.array([[0.0, 1.0]]))
        >>> mse_backward(1.0, cache).tolist()
        [[1.0, 3.0]]
    """
    dscores: Array = _share(cache, dvalue) * (2 * (cache.scores - cache.targets))
    return dscores


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
        The value, and the cache for `l1_backward`.

    Raises:
        ValueError: shapes or dtypes do not fit, there is no example, a weight is negative or not finite, the
            weights sum to zero.
        TypeError: an argument is not an array.

    Example:
        >>> value, cache = l1_forward(np.array([[1.0, 4.0]]), np.array([[0.0, 1.0]]))
        >>> value
        2.0
    """
    return _mean("l1", np.abs(scores - targets), scores, targets, weights)


def l1_backward(dvalue: float, cache: PointwiseLossCache) -> Array:
    """Propagate a gradient through the loss.

    ``dscores[n,j] = dvalue * w_n / (J sum(w)) * slope``, ``slope = sign(s - t)``, 0 where they are equal.

    Args:
        dvalue: gradient of the whole loss with respect to the value, usually 1.
        cache: from `l1_forward`.

    Returns:
        ``dscores`` ``(N, ...)``.

    Raises:
        ValueError: the cache is not one of the forward call.

    Example:
        >>> value, cache = l1_forward(np.array([[1.0, 4.0]]), np.array([[0.0, 1.0]]))
        >>> l1_backward(1.0, cache).tolist()
        [[0.5, 0.5]]
    """
    dscores: Array = _share(cache, dvalue) * np.sign(cache.scores - cache.targets)
    return dscores


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
        The value, and the cache for `huber_backward`.

    Raises:
        ValueError: shapes or dtypes do not fit, there is no example, a weight is negative or not finite, the
            weights sum to zero.
        TypeError: an argument is not an array.

    Example:
        >>> value, cache = huber_forward(np.array([[1.0, 4.0]]), np.array([[0.0, 1.0]]))
        >>> value
        1.5

    Reference:
        Huber, Robust estimation of a location parameter, 1964, https://doi.org/10.1214/aoms/1177703732
    """
    size = np.abs(scores - targets)
    cut = np.minimum(size, scores.dtype.type(delta))
    return _mean("huber", cut * (size - cut / 2), scores, targets, weights, delta)


def huber_backward(dvalue: float, cache: PointwiseLossCache) -> Array:
    """Propagate a gradient through the loss.

    ``dscores[n,j] = dvalue * w_n / (J sum(w)) * slope``, ``slope = s - t cut to [-delta, delta]``.

    Args:
        dvalue: gradient of the whole loss with respect to the value, usually 1.
        cache: from `huber_forward`.

    Returns:
        ``dscores`` ``(N, ...)``.

    Raises:
        ValueError: the cache is not one of the forward call.

    Example:
        >>> value, cache = huber_forward(np.array([[1.0, 4.0]]), np.array([[0.0, 1.0]]))
        >>> huber_backward(1.0, cache).tolist()
        [[0.5, 0.5]]
    """
    dscores: Array = _share(cache, dvalue) * np.clip(cache.scores - cache.targets, -cache.delta, cache.delta)
    return dscores


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
        The value, and the cache for `binary_cross_entropy_backward`.

    Raises:
        ValueError: shapes or dtypes do not fit, there is no example, a weight is negative or not finite, the
            weights sum to zero.
        TypeError: an argument is not an array.

    Example:
        >>> value, cache = binary_cross_entropy_forward(np.zeros((1, 2)), np.array([[0.0, 1.0]]))
        >>> round(value, 6)
        0.693147
    """
    losses = np.maximum(scores, 0) - scores * targets + np.log1p(np.exp(-np.abs(scores)))
    return _mean("binary_cross_entropy", losses, scores, targets, weights)


def binary_cross_entropy_backward(dvalue: float, cache: PointwiseLossCache) -> Array:
    """Propagate a gradient through the loss.

    ``dscores[n,j] = dvalue * w_n / (J sum(w)) * slope``, ``slope = 1 / (1 + exp(-s)) - t``.

    Args:
        dvalue: gradient of the whole loss with respect to the value, usually 1.
        cache: from `binary_cross_entropy_forward`.

    Returns:
        ``dscores`` ``(N, ...)``.

    Raises:
        ValueError: the cache is not one of the forward call.

    Example:
        >>> value, cache = binary_cross_entropy_forward(np.zeros((1, 2)), np.array([[0.0, 1.0]]))
        >>> binary_cross_entropy_backward(1.0, cache).tolist()
        [[0.25, -0.25]]
    """
    # exp overflows to infinity where the sigmoid is 0 anyway.
    with np.errstate(over="ignore"):
        dscores: Array = _share(cache, dvalue) * (1 / (1 + np.exp(-cache.scores)) - cache.targets)
        return dscores


def _mean(
    name: str, losses: Array, scores: Array, targets: Array, weights: Array | None, delta: float = 0.0
) -> tuple[float, PointwiseLossCache]:
    """Return the weighted mean of the examples' mean losses."""
    op = f"{name}_forward"
    require(len(scores) >= 1, op, "scores", "at least one example", scores.shape)
    require(weights is None or weights.sum() > 0, op, "weights", "a positive sum", weights)
    means = losses.reshape(len(scores), -1).mean(axis=1, dtype=np.float64)
    return float(np.average(means, weights=weights)), PointwiseLossCache(scores, targets, weights, delta)


def _share(cache: PointwiseLossCache, dvalue: float) -> Array:
    """Return the factor of every slope, in an array that broadcasts over the scores."""
    scores, weights = cache.scores, cache.weights
    n = len(scores)
    w = np.ones(n) if weights is None else weights.astype(np.float64)
    share = dvalue * w / (w.sum() * (scores.size // n))
    factor: Array = share.astype(scores.dtype).reshape(n, *(1,) * (scores.ndim - 1))
    return factor
