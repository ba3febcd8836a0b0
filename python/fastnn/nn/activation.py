"""Pointwise nonlinearities."""

from __future__ import annotations

from typing import Any

from .. import functional as F
from ..keys import Key
from .layer import Array, Grads, Layer


class ReLU(Layer):
    """Cut negative values off: ``y = max(x, 0)``; the derivative at 0 is 0.

    Example:
        >>> import numpy as np
        >>> ReLU()(np.array([[-1.0, 2.0]])).tolist()
        [[0.0, 2.0]]
    """

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map any shape to the same shape."""
        return F.relu_forward(x)

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx of the input's shape."""
        return F.relu_backward(dy, cache)
