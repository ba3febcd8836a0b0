"""Batch normalisation over rows of features or over images."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from fastnn.reference._geometry import Array, require


class BatchNormCache(NamedTuple):
    """What `batchnorm_backward` needs; ``mean`` and biased ``var`` are the statistics that were used."""

    x_hat: Array
    gamma: Array
    beta: Array
    mean: Array
    var: Array
    eps: float
    activation: Literal["relu"] | None
    training: bool


def _per_channel(v: Array, ndim: int) -> Array:
    """Return per-channel values (C,) in the shape that broadcasts against (N, C) or (N, C, H, W)."""
    return v.reshape(-1, *(1,) * (ndim - 2))


def batchnorm_forward(
    x: Array,
    gamma: Array,
    beta: Array,
    *,
    mean: Array | None = None,
    var: Array | None = None,
    eps: float = 1e-5,
    activation: Literal["relu"] | None = None,
) -> tuple[Array, BatchNormCache]:
    """Normalise every channel to mean 0 and variance 1, then scale and shift it.

    ``x_hat = (x - mean) / sqrt(var + eps)``, ``y = activation(gamma x_hat + beta)``

    Without ``mean`` and ``var`` (training) they are the batch's own, over all axes but the channels; ``var``
    is biased (divided by the count) and ``eps`` stands inside the root. With both given (inference) they are
    constants. Statistics accumulate in float64 in two passes, so that a large mean does not swallow the
    variance.

    Args:
        x: (N, C) or (N, C, H, W).
        gamma: (C,), scale.
        beta: (C,), shift.
        mean: (C,) or None.
        var: (C,) or None, biased.
        eps: added to the variance.
        activation: None or ``"relu"``.

    Returns:
        y of x's shape, and the cache, whose ``mean`` and ``var`` are for the running averages.

    Raises:
        ValueError: if only one statistic is given, or a training batch has fewer than two values a channel.

    Example:
        >>> y, cache = batchnorm_forward(np.array([[1.0], [3.0]]), np.ones(1), np.zeros(1), eps=0.0)
        >>> y.ravel().tolist(), cache.mean.item(), cache.var.item()
        ([-1.0, 1.0], 2.0, 1.0)

    Reference:
        Ioffe and Szegedy, Batch normalization, 2015, https://arxiv.org/abs/1502.03167
    """
    op = "batchnorm_forward"
    require((mean is None) == (var is None), op, "mean, var", "both or neither", "one of them")
    axes = (0, *range(2, x.ndim))
    training = mean is None
    if mean is None or var is None:
        count = x.size // x.shape[1]
        require(count >= 2, op, "x", "at least 2 values a channel in training", count)
        mu = x.mean(axis=axes, dtype=np.float64)
        sigma2 = np.square(x - _per_channel(mu, x.ndim)).mean(axis=axes)
    else:
        mu, sigma2 = mean.astype(np.float64), var.astype(np.float64)
    rstd = 1 / np.sqrt(sigma2 + eps)
    x_hat = ((x - _per_channel(mu, x.ndim)) * _per_channel(rstd, x.ndim)).astype(x.dtype)
    y: Array = _per_channel(gamma, x.ndim) * x_hat + _per_channel(beta, x.ndim)
    if activation == "relu":
        y = np.maximum(y, 0)
    statistics = mu.astype(x.dtype), sigma2.astype(x.dtype)
    return y, BatchNormCache(x_hat, gamma, beta, *statistics, eps, activation, training)


def batchnorm_backward(dy: Array, cache: BatchNormCache) -> tuple[Array, Array, Array]:
    """Propagate a gradient through batch normalisation.

    ``dgamma = sum dy x_hat``, ``dbeta = sum dy``,
    ``dx = gamma / sqrt(var + eps) * (dy - mean(dy) - x_hat mean(dy x_hat))``

    The two means come from the batch's statistics depending on x; with given statistics they are absent. With
    ``activation="relu"`` dy is first set to zero wherever ``gamma x_hat + beta <= 0``.

    Args:
        dy: x's shape, gradient of the loss with respect to y.
        cache: from `batchnorm_forward`.

    Returns:
        dx of x's shape, dgamma (C,), dbeta (C,).

    Example:
        >>> y, cache = batchnorm_forward(np.array([[1.0], [3.0]]), np.ones(1), np.zeros(1), eps=0.0)
        >>> dx, dgamma, dbeta = batchnorm_backward(np.array([[1.0], [2.0]]), cache)
        >>> dx.ravel().tolist(), dgamma.item(), dbeta.item()
        ([0.0, 0.0], 1.0, 3.0)
    """
    x_hat, gamma, beta, _, var, eps, activation, training = cache
    axes = (0, *range(2, dy.ndim))
    if activation == "relu":
        y = _per_channel(gamma, dy.ndim) * x_hat + _per_channel(beta, dy.ndim)
        dy = np.where(y > 0, dy, np.zeros_like(dy))
    dgamma = (dy * x_hat).sum(axis=axes, dtype=np.float64)
    dbeta = dy.sum(axis=axes, dtype=np.float64)
    dx: Array = dy
    if training:
        count = dy.size // dy.shape[1]
        dx = dy - _per_channel(dbeta / count, dy.ndim) - x_hat * _per_channel(dgamma / count, dy.ndim)
    scale = gamma / np.sqrt(var.astype(np.float64) + eps)
    dx = (dx * _per_channel(scale, dy.ndim)).astype(dy.dtype)
    return dx, dgamma.astype(dy.dtype), dbeta.astype(dy.dtype)
