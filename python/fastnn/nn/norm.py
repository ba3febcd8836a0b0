"""Batch normalisation, and population statistics for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from .. import init
from .._arguments import integer, number
from ..functional.norm import BatchNormBehind, _batchnorm_backward, _batchnorm_forward
from ..keys import Key
from .layer import Array, Grads, Layer
from .parameters import blank


class _BatchNorm(Layer):
    """What both ranks share; the mean and variance of a channel run over all axes but the second."""

    uses_key = False
    ndim: int

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1) -> None:
        super().__init__()
        op = type(self).__name__
        self.num_features = integer(op, "num_features", num_features)
        self.eps = number(op, "eps", eps)
        self.momentum = None if momentum is None else number(op, "momentum", momentum, high=1.0)
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
        statistics: Array | None = None,
        residual: Array | None = None,
        deferred: bool = False,
    ) -> tuple[Array, Any]:
        """Normalise x, add a residual and cut negative values off, in one pass.

        Args:
            x: input.
            train: whether to use the batch's statistics.
            key: idle.
            activation: ``"relu"`` or None.
            statistics: (2, C), the batch's mean and biased variance, where whoever made x took them already.
            residual: of x's shape, added before the activation.
            deferred: whether that is left to the convolution that reads y, which is x then.

        Raises:
            ValueError: x is of another rank.
        """
        if x.ndim != self.ndim:
            axes = {2: "(N, C)", 4: "(N, C, H, W)"}[self.ndim]
            raise ValueError(f"[{type(self).__name__}] x: expected shape {axes}, got {x.shape}")
        own = train and self.trainable
        buffers = self.buffers
        mean, var = buffers["running_mean"], buffers["running_var"]
        return _batchnorm_forward(
            x,
            self.params["weight"],
            self.params["bias"],
            mean=None if own else mean,
            var=None if own else var,
            statistics=statistics,
            eps=self.eps,
            activation=activation,
            residual=residual,
            deferred=deferred,
            running=(self.momentum, mean, var, buffers["num_batches_tracked"]) if own else None,
        )

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx; add dgamma and dbeta."""
        return self.backward_fused(dy, cache, grads)[0]

    def backward_fused(
        self, dy: Array, cache: Any, grads: Grads | None = None, *, sums: Array | None = None
    ) -> tuple[Array, Array | None]:
        """Return dx and the residual's gradient, None without one; add dgamma and dbeta.

        ``sums`` come from the convolution that made dy, which is then written over.
        """
        grads = self.grads if grads is None else grads
        fresh = blank(grads)
        dx, dgamma, dbeta, dresidual = _batchnorm_backward(
            dy, cache, dgamma=fresh.get("weight"), dbeta=fresh.get("bias"), sums=sums
        )
        if not fresh:
            grads["weight"] += dgamma
            grads["bias"] += dbeta
        return dx, dresidual

    def backward_behind(
        self, cache: Any, grads: Grads | None, sums: Array, backward: Callable[..., tuple[Any, Any]]
    ) -> tuple[Any, Any]:
        """Have the convolution before it take the norm along, by its ``backward``; add dgamma and dbeta."""
        grads = self.grads if grads is None else grads
        fresh = blank(grads)
        dgamma, dbeta = (fresh[n] if fresh else np.empty_like(self.params[n]) for n in ("weight", "bias"))
        result = backward(behind=BatchNormBehind(cache, sums, dgamma, dbeta))
        if not fresh:
            grads["weight"] += dgamma
            grads["bias"] += dbeta
        return result

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
        momentum: weight of the new batch, as in PyTorch (the course's momentum is one minus this); None
            averages all batches alike.

    Parameters are ``weight`` (gamma, ones) and ``bias`` (beta, zeros), both (C,).

    Raises:
        ValueError: an argument out of range, or inputs of another shape.

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
        momentum: weight of the new batch, as in PyTorch (the course's momentum is one minus this); None
            averages all batches alike.

    Raises:
        ValueError: an argument out of range, or inputs of another shape.

    Example:
        >>> BatchNorm2d(3)(np.ones((2, 3, 4, 4), np.float32)).shape
        (2, 3, 4, 4)

    Reference:
        Ioffe and Szegedy, Batch normalization, 2015, https://arxiv.org/abs/1502.03167
    """

    ndim = 4


def recompute_statistics(net: Layer, X: Array, *, batch_size: int = 100, key: Key | None = None) -> None:
    """Set the running statistics of every batch norm to those of the training set, with the present weights.

    The running averages of training lag behind the weights. This resets them, runs ``X`` through the net in
    training mode, and averages the statistics of all batches alike, the variance unbiased. Parameters stay.

    Args:
        net: layer or container; a model's is ``model.net``.
        X: training inputs, the batch on the first axis.
        batch_size: large enough that a batch's variance is a good estimate; a last batch of one is left out.
        key: names the randomness of dropout and its like.

    Raises:
        ValueError: ``batch_size`` is less than 2.

    Example:
        >>> norm = BatchNorm1d(1)
        >>> recompute_statistics(norm, np.array([[1.0], [3.0]], np.float32))
        >>> norm.buffers["running_mean"].item(), norm.buffers["running_var"].item()
        (2.0, 2.0)

    Reference:
        Ioffe and Szegedy, Batch normalization, 2015, section 3.1, https://arxiv.org/abs/1502.03167
    """
    batch_size = integer("recompute_statistics", "batch_size", batch_size, low=2)
    norms = [layer for _, layer in net.leaves() if isinstance(layer, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    key = Key.from_seed(0) if key is None else key
    for norm in norms:
        norm.momentum = None
        norm.buffers["running_mean"][...] = 0
        norm.buffers["running_var"][...] = 1
        norm.buffers["num_batches_tracked"][...] = 0
    try:
        for start in range(0, len(X), batch_size):
            batch = X[start : start + batch_size]
            if len(batch) > 1:
                net.forward(batch, train=True, key=key.at(start))
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
