"""Batch normalisation over rows of features or over images, with the ReLU and the residual that follow it."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn import _core
from fastnn._arguments import number
from fastnn.functional._args import Array, relu_flag


class BatchNormCache(NamedTuple):
    """What :func:`batchnorm_backward` needs; neither the normalised values nor a mask are among it.

    ``statistics`` holds mean and biased variance, (2, C), in float64: rounding the mean to float32 would cost
    the normalised values of a channel with a large mean their accuracy.
    """

    x: Array
    gamma: Array
    beta: Array
    statistics: NDArray[np.float64]
    eps: float
    activation: Literal["relu"] | None
    training: bool
    residual: Array | None

    @property
    def arguments(self) -> tuple[object, ...]:
        """What a convolution beside this norm is told of it."""
        relu = self.activation == "relu"
        return self.x, self.gamma, self.beta, self.statistics, self.eps, relu, self.residual

    @property
    def mean(self) -> Array:
        """Mean of every channel, (C,), in x's dtype."""
        mean: Array = self.statistics[0].astype(self.x.dtype)
        return mean

    @property
    def var(self) -> Array:
        """Biased variance of every channel, (C,), in x's dtype."""
        var: Array = self.statistics[1].astype(self.x.dtype)
        return var


class BatchNormBehind(NamedTuple):
    """A batch norm without residual whose backward pass the convolution before it takes along.

    ``sums`` are those that `_batchnorm_backward` takes; ``dgamma`` and ``dbeta`` are where to write.
    """

    cache: BatchNormCache
    sums: NDArray[np.float64]
    dgamma: Array
    dbeta: Array


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
    constants.

    Args:
        x: ``(N, C)`` or ``(N, C, H, W)``.
        gamma: ``(C,)``, scale.
        beta: ``(C,)``, shift.
        mean: ``(C,)`` or None.
        var: ``(C,)`` or None, biased.
        eps: added to the variance.
        activation: ``"relu"`` or None.

    Returns:
        ``y`` of x's shape, and the cache, whose ``mean`` and ``var`` are for the running averages.

    Raises:
        ValueError: only one statistic is given, a training batch has fewer than two values a channel, or
            shapes or dtypes do not fit.

    Example:
        >>> import numpy as np
        >>> y, cache = batchnorm_forward(np.array([[1.0], [3.0]]), np.ones(1), np.zeros(1), eps=0.0)
        >>> y.ravel().tolist(), cache.mean.item(), cache.var.item()
        ([-1.0, 1.0], 2.0, 1.0)

    Reference:
        Ioffe and Szegedy, "Batch normalization", 2015, https://arxiv.org/abs/1502.03167
    """
    op = "batchnorm_forward"
    if (mean is None) != (var is None):
        raise ValueError(f"[{op}] mean, var: expected both or neither, got one of them")
    relu_flag(op, activation)
    eps = number(op, "eps", eps)
    return _batchnorm_forward(x, gamma, beta, mean=mean, var=var, eps=eps, activation=activation)


def batchnorm_backward(dy: Array, cache: BatchNormCache) -> tuple[Array, Array, Array]:
    """Gradients of batch normalisation.

    ``dgamma = sum dy x_hat``, ``dbeta = sum dy``,
    ``dx = gamma / sqrt(var + eps) * (dy - mean(dy) - x_hat mean(dy x_hat))``

    The two means come from the batch's statistics depending on x; with given statistics they are absent. With
    ``activation="relu"`` dy first becomes zero wherever ``gamma x_hat + beta <= 0``.

    Args:
        dy: x's shape, gradient of the loss by ``y``.
        cache: from :func:`batchnorm_forward`.

    Returns:
        ``dx`` of x's shape, ``dgamma`` ``(C,)``, ``dbeta`` ``(C,)``.

    Raises:
        ValueError: ``dy`` does not fit the forward call.

    Example:
        >>> import numpy as np
        >>> y, cache = batchnorm_forward(np.array([[1.0], [3.0]]), np.ones(1), np.zeros(1), eps=0.0)
        >>> dx, dgamma, dbeta = batchnorm_backward(np.array([[1.0], [2.0]]), cache)
        >>> dx.ravel().tolist(), dgamma.item(), dbeta.item()
        ([0.0, 0.0], 1.0, 3.0)
    """
    dx, dgamma, dbeta, _ = _batchnorm_backward(dy, cache)
    return dx, dgamma, dbeta


def _batchnorm_forward(
    x: Array,
    gamma: Array,
    beta: Array,
    *,
    mean: Array | None = None,
    var: Array | None = None,
    statistics: NDArray[np.float64] | None = None,
    eps: float = 1e-5,
    activation: Literal["relu"] | None = None,
    residual: Array | None = None,
    deferred: bool = False,
    running: tuple[float | None, Array, Array, NDArray[np.int64]] | None = None,
) -> tuple[Array, BatchNormCache]:
    """Like `batchnorm_forward`, for fused runs of layers, without its checks of settings.

    ``statistics`` (2, C) are x's own mean and biased variance, if whoever made x has taken them already.
    ``residual``, of x's shape, is added before the activation. A ``deferred`` norm leaves all that to the
    convolution that reads its output, by its ``input_norm``: y is x.

    ``running``, in training, is a momentum, and the statistics that move towards the batch's, in place:
    ``running = (1 - momentum) running + momentum batch``, the variance made unbiased first, and the number of
    batches, which is counted. Without a momentum it is one by that number: all batches count alike.
    """
    relu = activation == "relu"
    y, used = _core.batchnorm_forward(
        x, gamma, beta, mean, var, statistics, eps, relu, residual, deferred, running
    )
    # What the class's own constructor does, which is a function in Python.
    kept = x, gamma, beta, used, eps, activation, mean is None, residual
    cache = tuple.__new__(BatchNormCache, kept)
    return x if deferred else y, cache


def _batchnorm_backward(
    dy: Array,
    cache: BatchNormCache,
    *,
    dgamma: Array | None = None,
    dbeta: Array | None = None,
    sums: NDArray[np.float64] | None = None,
) -> tuple[Array, Array, Array, Array | None]:
    """Like `batchnorm_backward`; the fourth result is the residual's gradient, None without one.

    ``dgamma`` and ``dbeta`` are where to write the gradients of those names. ``sums`` are those that
    `_conv2d_backward` took for this norm; dy, which it made, is then written over.
    """
    x, gamma, beta, statistics, eps, activation, training, residual = cache
    relu = activation == "relu"
    return _core.batchnorm_backward(
        dy, x, gamma, beta, statistics, eps, relu, residual, training, dgamma, dbeta, sums
    )
