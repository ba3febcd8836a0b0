"""Norms that treat every example by itself: layer, group and instance norm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import functional as F
from .. import init
from .._arguments import integer, number
from ..keys import Key
from .layer import Array, Grads, Layer


class _ExampleNorm(Layer):
    """What the three share: scale and shift, which may be absent, and gradients that go there."""

    has_weights = False

    def __init__(self, shape: tuple[int, ...], eps: float, affine: bool, bias: bool = True) -> None:
        super().__init__()
        self.eps = number(type(self).__name__, "eps", eps)
        self._shape = shape
        if affine:
            self.add_param("weight", shape, init.ones)
        if affine and bias:
            self.add_param("bias", shape, init.zeros)

    def _scale_and_shift(self, x: Array) -> tuple[Array, Array]:
        """Return gamma and beta, ones and zeros where the layer has none."""
        gamma = self.params["weight"] if "weight" in self.params else np.ones(self._shape, x.dtype)
        beta = self.params["bias"] if "bias" in self.params else np.zeros(self._shape, x.dtype)
        return gamma, beta

    def _add(self, gradients: tuple[Array, Array, Array], grads: Grads | None) -> Array:
        """Add dgamma and dbeta where there are such parameters; return dx."""
        dx, dgamma, dbeta = gradients
        grads = self.grads if grads is None else grads
        for name, gradient in (("weight", dgamma), ("bias", dbeta)):
            if name in self.params:
                grads[name] += gradient
        return dx


class LayerNorm(_ExampleNorm):
    """Normalise the last axes of every row: ``y = gamma * (x - mean) / sqrt(var + eps) + beta``.

    Mean and biased variance are those of the row, in training and prediction alike.

    Args:
        normalized_shape: sizes of the last axes; an integer stands for one axis.
        eps: added to the variance, inside the root.
        elementwise_affine: whether gamma and beta are there to be learned.
        bias: whether beta is.

    Parameters are ``weight`` (gamma, ones) and ``bias`` (beta, zeros), of ``normalized_shape``.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> LayerNorm(2)(np.array([[1.0, 3.0]], np.float32)).round(3).tolist()
        [[-1.0, 1.0]]

    Reference:
        Ba, Kiros and Hinton, Layer normalization, 2016, https://arxiv.org/abs/1607.06450
    """

    uses_key = False

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        sizes = normalized_shape if isinstance(normalized_shape, Sequence) else (normalized_shape,)
        self.normalized_shape = tuple(integer("LayerNorm", "normalized_shape", n) for n in sizes)
        self.elementwise_affine, self.bias = elementwise_affine, bias
        super().__init__(self.normalized_shape, eps, elementwise_affine, bias)

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Normalise x, whose last axes are ``normalized_shape``."""
        return F.layernorm_forward(x, *self._scale_and_shift(x), eps=self.eps)

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx; add dgamma and dbeta."""
        return self._add(F.layernorm_backward(dy, cache), grads)

    def config(self) -> dict[str, Any]:
        return {
            "normalized_shape": list(self.normalized_shape),
            "eps": self.eps,
            "elementwise_affine": self.elementwise_affine,
            "bias": self.bias,
        }


class GroupNorm(_ExampleNorm):
    """Normalise groups of channels of every example: ``y = gamma * (x - mean) / sqrt(var + eps) + beta``.

    Mean and biased variance are those of the group's channels and pixels, in training and prediction alike.

    Args:
        num_groups: divisor of ``num_channels``.
        num_channels: C of x (N, C) or (N, C, H, W).
        eps: added to the variance, inside the root.
        affine: whether gamma and beta are there to be learned.

    Parameters are ``weight`` (gamma, ones) and ``bias`` (beta, zeros), both (C,).

    Raises:
        ValueError: an argument out of range, or groups that do not divide the channels.

    Example:
        >>> GroupNorm(1, 2)(np.array([[1.0, 3.0]], np.float32)).round(3).tolist()
        [[-1.0, 1.0]]

    Reference:
        Wu and He, Group normalization, 2018, https://arxiv.org/abs/1803.08494
    """

    uses_key = False

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True) -> None:
        self.num_groups = integer("GroupNorm", "num_groups", num_groups)
        self.num_channels = integer("GroupNorm", "num_channels", num_channels)
        if self.num_channels % self.num_groups:
            expected = f"a divisor of num_channels={num_channels}"
            raise ValueError(f"[GroupNorm] num_groups: expected {expected}, got {num_groups}")
        self.affine = affine
        super().__init__((self.num_channels,), eps, affine)

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Normalise x (N, C) or (N, C, H, W)."""
        return F.groupnorm_forward(x, *self._scale_and_shift(x), self.num_groups, eps=self.eps)

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx; add dgamma and dbeta."""
        return self._add(F.groupnorm_backward(dy, cache), grads)

    def config(self) -> dict[str, Any]:
        return {
            "num_groups": self.num_groups,
            "num_channels": self.num_channels,
            "eps": self.eps,
            "affine": self.affine,
        }


class InstanceNorm2d(_ExampleNorm):
    """Normalise every channel of every image over its pixels: ``y = (x - mean) / sqrt(var + eps)``.

    Mean and biased variance are those of the channel's pixels, in training and prediction alike.

    Args:
        num_features: C of x (N, C, H, W).
        eps: added to the variance, inside the root.
        affine: whether y is scaled by gamma and shifted by beta; by default not, as in PyTorch.

    Parameters, with ``affine``, are ``weight`` (gamma, ones) and ``bias`` (beta, zeros), both (C,).

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> InstanceNorm2d(1)(np.array([1.0, 3.0], np.float32).reshape(1, 1, 1, 2)).round(3).ravel().tolist()
        [-1.0, 1.0]

    Reference:
        Ulyanov, Vedaldi and Lempitsky, Instance normalization, 2016, https://arxiv.org/abs/1607.08022
    """

    uses_key = False

    def __init__(self, num_features: int, eps: float = 1e-5, *, affine: bool = False) -> None:
        self.num_features = integer("InstanceNorm2d", "num_features", num_features)
        self.affine = affine
        super().__init__((self.num_features,), eps, affine)

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Normalise x (N, C, H, W).

        Raises:
            ValueError: x is of another rank.
        """
        if x.ndim != 4:
            raise ValueError(f"[InstanceNorm2d] x: expected shape (N, C, H, W), got {x.shape}")
        return F.instancenorm_forward(x, *self._scale_and_shift(x), eps=self.eps)

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx; add dgamma and dbeta where they are learned."""
        return self._add(F.instancenorm_backward(dy, cache), grads)

    def config(self) -> dict[str, Any]:
        return {"num_features": self.num_features, "eps": self.eps, "affine": self.affine}
