"""Layers that only change shapes."""

from __future__ import annotations

import math
from typing import Any

from .._runtime import c_order
from ..keys import Key
from .layer import Array, Grads, Layer


class Flatten(Layer):
    """Turn each example into one row, (N, C, H, W) to (N, C*H*W), in C, H, W order whatever the memory's.

    Example:
        >>> import numpy as np
        >>> Flatten()(np.ones((5, 3, 2, 2))).shape
        (5, 12)
    """

    uses_key = False

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map (N, ...) to (N, features)."""
        return c_order(x).reshape(len(x), math.prod(x.shape[1:])), x.shape

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx of the input's shape."""
        dx: Array = dy.reshape(cache)
        return dx
