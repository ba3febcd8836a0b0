"""Fully connected layer."""

from __future__ import annotations

from typing import Any, Literal

from .. import functional as F
from .. import init
from .._arguments import integer
from ..functional.linear import _linear_backward, _linear_forward
from ..keys import Key
from .layer import Array, Grads, Layer
from .parameters import add_gradients, blank


class Linear(Layer):
    """Multiply rows of features by a weight matrix: ``y = x w^T + b``.

    Args:
        in_features: length of an input row.
        out_features: length of an output row.
        bias: whether to add ``b``.

    Parameters are ``weight`` (out_features, in_features), Kaiming normal, and ``bias`` (out_features,), zero.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> import numpy as np
        >>> Linear(3, 2)(np.ones((5, 3), np.float32)).shape
        (5, 2)
    """

    uses_key = False
    can_skip_dx = True

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        self.in_features = integer("Linear", "in_features", in_features)
        self.out_features = integer("Linear", "out_features", out_features)
        self.bias = bool(bias)
        self.add_param("weight", (self.out_features, self.in_features), init.kaiming_normal)
        if self.bias:
            self.add_param("bias", (self.out_features,), init.zeros)

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map x (N, in_features) to (N, out_features)."""
        return F.linear_forward(x, self.params["weight"], self.params.get("bias"))

    def forward_fused(
        self, x: Array, *, activation: Literal["relu"] | None = None, statistics: bool = False
    ) -> tuple[Array, Any, Array | None]:
        """Return output, cache, and for a batch norm that follows mean and variance of the output, (2, F)."""
        return _linear_forward(
            x, self.params["weight"], self.params.get("bias"), activation=activation, statistics=statistics
        )

    def backward(
        self, dy: Array, cache: Any, grads: Grads | None = None, *, need_dx: bool = True
    ) -> Array | None:
        """Return dx (N, in_features), or None without ``need_dx``; add dw and db unless frozen."""
        grads = self.grads if grads is None else grads
        fresh = blank(grads) if self.trainable else {}
        dx, dw, db = _linear_backward(
            dy, cache, need_dx=need_dx, need_dw=self.trainable, dw=fresh.get("weight"), db=fresh.get("bias")
        )
        if dw is not None and not fresh:
            add_gradients(grads, dw, db)
        return dx

    def config(self) -> dict[str, Any]:
        return {"in_features": self.in_features, "out_features": self.out_features, "bias": self.bias}

    def multiply_adds(self, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> int:
        return self.in_features * self.out_features
