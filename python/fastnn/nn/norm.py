"""Batch normalisation."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from .. import functional as F
from .. import init
from .._arguments import integer, number
from ..keys import Key
from .layer import Array, Grads, Layer


class _BatchNorm(Layer):
    """What both ranks share; the mean and variance of a channel run over all axes but the second."""

    ndim: int

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        op = type(self).__name__
        self.num_features = integer(op, "num_features", num_features)
        self.eps = number(op, "eps", eps)
        self.momentum = number(op, "momentum", momentum, high=1.0)
        self.add_param("weight", (self.num_features,), init.ones)
        self.add_param("bias", (self.num_features,), init.zeros)
        self.buffers = {
            "running_mean": np.zeros(self.num_features, np.float32),
            "running_var": np.ones(self.num_features, np.float32),
            "num_batches_tracked": np.zeros((), np.int64),
        }

    def forward(
        self,
        x: Array,
        *,
        train: bool = False,
        key: Key | None = None,
        activation: Literal["relu"] | None = None,
    ) -> tuple[Array, Any]:
        """Normalise x; with ``activation="relu"`` cut negative values off in the same pass."""
        if x.ndim != self.ndim:
            axes = {2: "(N, C)", 4: "(N, C, H, W)"}[self.ndim]
            raise ValueError(f"[{type(self).__name__}] x: expected shape {axes}, got {x.shape}")
        gamma, beta = self.params["weight"], self.params["bias"]
        if not (train and self.trainable):
            mean, var = self.buffers["running_mean"], self.buffers["running_var"]
            return F.batchnorm_forward(
                x, gamma, beta, mean=mean, var=var, eps=self.eps, activation=activation
            )
        y, cache = F.batchnorm_forward(x, gamma, beta, eps=self.eps, activation=activation)
        self._track(cache.mean, cache.var, x.size // x.shape[1])
        return y, cache

    def _track(self, mean: Array, var: Array, count: int) -> None:
        """Move the running statistics, in place, towards those of a batch of ``count`` values a channel."""
        unbiased = var * (count / (count - 1))
        for name, batch in (("running_mean", mean), ("running_var", unbiased)):
            running = self.buffers[name]
            running *= 1 - self.momentum
            running += self.momentum * batch
        self.buffers["num_batches_tracked"] += 1

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx; add dgamma and dbeta."""
        grads = self.grads if grads is None else grads
        dx, dgamma, dbeta = F.batchnorm_backward(dy, cache)
        grads["weight"] += dgamma
        grads["bias"] += dbeta
        return dx

    def config(self) -> dict[str, Any]:
        return {"num_features": self.num_features, "eps": self.eps, "momentum": self.momentum}


class BatchNorm1d(_BatchNorm):
    """Normalise every feature over the batch: ``y = gamma * (x - mean) / sqrt(var + eps) + beta``.

    Training uses the batch's mean and biased variance, and moves the running ones,
    ``running = (1 - momentum) * running + momentum * batch``, the variance unbiased; prediction uses those.
    They are the one state that a forward pass changes. If all its parameters are frozen, the layer acts as in
    prediction while the rest trains.

    Args:
        num_features: C.
        eps: added to the variance, inside the root.
        momentum: weight of the new batch, as in PyTorch (the course's momentum is one minus this).

    Parameters are ``weight`` (gamma, ones) and ``bias`` (beta, zeros), both (C,).

    Example:
        >>> y, _ = BatchNorm1d(1).forward(np.array([[1.0], [3.0]], np.float32), train=True)
        >>> y.round(3).tolist()
        [[-1.0], [1.0]]

    Reference:
        Ioffe and Szegedy, Batch normalization, 2015, https://arxiv.org/abs/1502.03167
    """

    ndim = 2


class BatchNorm2d(_BatchNorm):
    """Normalise every channel over batch and pixels: ``y = gamma * (x - mean) / sqrt(var + eps) + beta``.

    Statistics, arguments and parameters are those of `BatchNorm1d`, with one mean and variance a channel.

    Args:
        num_features: C of x (N, C, H, W).
        eps: added to the variance, inside the root.
        momentum: weight of the new batch, as in PyTorch (the course's momentum is one minus this).

    Example:
        >>> BatchNorm2d(3)(np.ones((2, 3, 4, 4), np.float32)).shape
        (2, 3, 4, 4)

    Reference:
        Ioffe and Szegedy, Batch normalization, 2015, https://arxiv.org/abs/1502.03167
    """

    ndim = 4
