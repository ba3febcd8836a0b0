"""One learned number for a whole tensor: what is left of normalisation in nets that do without it."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import init
from ..keys import Key
from .layer import Array, Grads, Layer


class Shift(Layer):
    """Add one learned number, ``y = x + bias``.

    Parameters: ``bias`` (1,), 0 at first.

    Example:
        >>> import numpy as np
        >>> Shift()(np.ones((1, 2))).tolist()
        [[1.0, 1.0]]

    Reference:
        Zhang et al., Fixup initialization: residual learning without normalization, 2019,
        https://arxiv.org/abs/1901.09321
    """

    uses_key = False

    def __init__(self) -> None:
        super().__init__()
        self.add_param("bias", (1,), init.zeros)

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map any shape to the same shape."""
        return x + self.params["bias"], None

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx, which is dy; add the sum of dy."""
        grads = self.grads if grads is None else grads
        grads["bias"] += dy.sum(dtype=np.float64)
        return dy


class Scale(Layer):
    """Multiply by one learned number, ``y = weight * x``.

    Parameters: ``weight`` (1,), 1 at first.

    Example:
        >>> import numpy as np
        >>> Scale()(np.ones((1, 2))).tolist()
        [[1.0, 1.0]]

    Reference:
        Zhang et al., Fixup initialization: residual learning without normalization, 2019,
        https://arxiv.org/abs/1901.09321
    """

    uses_key = False

    def __init__(self) -> None:
        super().__init__()
        self.add_param("weight", (1,), init.ones)

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map any shape to the same shape."""
        return x * self.params["weight"], x

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx of the input's shape; add the sum of ``dy * x``."""
        grads = self.grads if grads is None else grads
        grads["weight"] += (dy * cache).sum(dtype=np.float64)
        return dy * self.params["weight"]
