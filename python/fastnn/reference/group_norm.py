"""Norms that treat every example by itself: layer, group and instance norm."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastnn.reference._geometry import Array, require


class LayerNormCache(NamedTuple):
    """What `layernorm_backward` needs: the normalised values and ``1 / sqrt(var + eps)`` of every row."""

    x_hat: Array
    rstd: Array
    gamma: Array


class GroupNormCache(NamedTuple):
    """What `groupnorm_backward` needs: the normalised values and ``1 / sqrt(var + eps)`` of every group."""

    x_hat: Array
    rstd: Array
    gamma: Array
    num_groups: int


class InstanceNormCache(NamedTuple):
    """What `instancenorm_backward` needs: that of group norm with one group a channel."""

    groups: GroupNormCache


def _normalise(x: Array, axes: tuple[int, ...], eps: float) -> tuple[Array, Array]:
    """Return ``x_hat = (x - mean) / sqrt(var + eps)`` over ``axes``, in x's dtype, and the factor."""
    wide = x.astype(np.float64)
    centered = wide - wide.mean(axis=axes, keepdims=True)
    rstd = 1 / np.sqrt(np.square(centered).mean(axis=axes, keepdims=True) + eps)
    return (centered * rstd).astype(x.dtype), rstd


def _through_normalise(e: Array, x_hat: Array, rstd: Array, axes: tuple[int, ...]) -> Array:
    """Return dx for the gradient e of x_hat: ``(e - mean(e) - x_hat mean(e x_hat)) / sqrt(var + eps)``."""
    mean = e.mean(axis=axes, keepdims=True)
    projection = (e * x_hat).mean(axis=axes, keepdims=True)
    dx: Array = ((e - mean - x_hat * projection) * rstd).astype(e.dtype)
    return dx


def _per_channel(v: Array, ndim: int) -> Array:
    """Return values (C,) in the shape that broadcasts against (N, C) or (N, C, H, W)."""
    return v.reshape(-1, *(1,) * (ndim - 2))


def _grouped(x: Array, num_groups: int) -> Array:
    """Return x (N, C, ...) as (N, num_groups, values of a group)."""
    return x.reshape(len(x), num_groups, int(np.prod(x.shape[1:])) // num_groups)


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
        ``y`` of x's shape, and the cache for `layernorm_backward`.

    Example:
        >>> y, cache = layernorm_forward(np.array([[1.0, 3.0]]), np.ones(2), np.zeros(2), eps=0.0)
        >>> y.tolist()
        [[-1.0, 1.0]]

    Reference:
        Ba, Kiros and Hinton, Layer normalization, 2016, https://arxiv.org/abs/1607.06450
    """
    axes = tuple(range(x.ndim - gamma.ndim, x.ndim))
    x_hat, rstd = _normalise(x, axes, eps)
    return gamma * x_hat + beta, LayerNormCache(x_hat, rstd, gamma)


def layernorm_backward(dy: Array, cache: LayerNormCache) -> tuple[Array, Array, Array]:
    """Propagate a gradient through layer norm.

    ``dgamma = sum dy x_hat`` and ``dbeta = sum dy`` over the rows; with ``e = gamma dy`` and means over
    the row ``dx = (e - mean(e) - x_hat mean(e x_hat)) / sqrt(var + eps)``

    Args:
        dy: x's shape, gradient of the loss by ``y``.
        cache: from `layernorm_forward`.

    Returns:
        ``dx`` of x's shape, ``dgamma`` and ``dbeta`` of gamma's.

    Example:
        >>> y, cache = layernorm_forward(np.array([[1.0, 3.0]]), np.ones(2), np.zeros(2), eps=0.0)
        >>> dx, dgamma, dbeta = layernorm_backward(np.array([[1.0, 2.0]]), cache)
        >>> dx.tolist(), dgamma.tolist(), dbeta.tolist()
        ([[0.0, 0.0]], [-1.0, 2.0], [1.0, 2.0])
    """
    x_hat, rstd, gamma = cache
    lead = dy.ndim - gamma.ndim
    rows, axes = tuple(range(lead)), tuple(range(lead, dy.ndim))
    dx = _through_normalise(gamma * dy, x_hat, rstd, axes)
    return dx, (dy * x_hat).sum(axis=rows), dy.sum(axis=rows)


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
        ``y`` of x's shape, and the cache for `groupnorm_backward`.

    Example:
        >>> y, cache = groupnorm_forward(np.array([[1.0, 3.0]]), np.ones(2), np.zeros(2), 1, eps=0.0)
        >>> y.tolist()
        [[-1.0, 1.0]]

    Reference:
        Wu and He, Group normalization, 2018, https://arxiv.org/abs/1803.08494
    """
    fits = num_groups >= 1 and x.shape[1] % num_groups == 0
    require(
        fits, "groupnorm_forward", "num_groups", f"a divisor of the {x.shape[1]} channels of x", num_groups
    )
    grouped, rstd = _normalise(_grouped(x, num_groups), (2,), eps)
    x_hat = grouped.reshape(x.shape)
    y: Array = _per_channel(gamma, x.ndim) * x_hat + _per_channel(beta, x.ndim)
    return y, GroupNormCache(x_hat, rstd, gamma, num_groups)


def groupnorm_backward(dy: Array, cache: GroupNormCache) -> tuple[Array, Array, Array]:
    """Propagate a gradient through group norm.

    ``dgamma = sum dy x_hat`` and ``dbeta = sum dy`` over examples and pixels; with ``e = gamma dy`` and means
    over the group ``dx = (e - mean(e) - x_hat mean(e x_hat)) / sqrt(var + eps)``

    Args:
        dy: x's shape, gradient of the loss by ``y``.
        cache: from `groupnorm_forward`.

    Returns:
        ``dx`` of x's shape, ``dgamma`` ``(C,)``, ``dbeta`` ``(C,)``.

    Example:
        >>> y, cache = groupnorm_forward(np.array([[1.0, 3.0]]), np.ones(2), np.zeros(2), 1, eps=0.0)
        >>> dx, dgamma, dbeta = groupnorm_backward(np.array([[1.0, 2.0]]), cache)
        >>> dx.tolist(), dgamma.tolist(), dbeta.tolist()
        ([[0.0, 0.0]], [-1.0, 2.0], [1.0, 2.0])
    """
    x_hat, rstd, gamma, num_groups = cache
    e = _grouped(_per_channel(gamma, dy.ndim) * dy, num_groups)
    dx = _through_normalise(e, _grouped(x_hat, num_groups), rstd, (2,)).reshape(dy.shape)
    axes = (0, *range(2, dy.ndim))
    return dx, (dy * x_hat).sum(axis=axes), dy.sum(axis=axes)


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
        ``y`` of x's shape, and the cache for `instancenorm_backward`.

    Example:
        >>> x = np.array([1.0, 3.0]).reshape(1, 1, 1, 2)
        >>> instancenorm_forward(x, np.ones(1), np.zeros(1), eps=0.0)[0].ravel().tolist()
        [-1.0, 1.0]

    Reference:
        Ulyanov, Vedaldi and Lempitsky, Instance normalization, 2016, https://arxiv.org/abs/1607.08022
    """
    y, cache = groupnorm_forward(x, gamma, beta, x.shape[1], eps=eps)
    return y, InstanceNormCache(cache)


def instancenorm_backward(dy: Array, cache: InstanceNormCache) -> tuple[Array, Array, Array]:
    """Propagate a gradient through instance norm.

    ``dgamma = sum dy x_hat`` and ``dbeta = sum dy`` over examples and pixels; with ``e = gamma dy`` and means
    over the pixels ``dx = (e - mean(e) - x_hat mean(e x_hat)) / sqrt(var + eps)``

    Args:
        dy: x's shape, gradient of the loss by ``y``.
        cache: from `instancenorm_forward`.

    Returns:
        ``dx`` of x's shape, ``dgamma`` ``(C,)``, ``dbeta`` ``(C,)``.

    Example:
        >>> x = np.array([1.0, 3.0]).reshape(1, 1, 1, 2)
        >>> y, cache = instancenorm_forward(x, np.ones(1), np.zeros(1), eps=0.0)
        >>> dx, dgamma, dbeta = instancenorm_backward(x, cache)
        >>> dx.ravel().tolist(), dgamma.item(), dbeta.item()
        ([0.0, 0.0], 2.0, 4.0)
    """
    return groupnorm_backward(dy, cache.groups)
