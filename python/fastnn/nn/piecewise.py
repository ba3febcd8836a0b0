"""Units of several pieces: PReLU and maxout."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from .. import functional as F
from .._arguments import integer, number
from ..init import constant
from ..keys import Key
from .layer import Array, Grads, Layer


class PReLU(Layer):
    """Shrink negative values by a learned slope: ``y = x if x > 0 else weight x``.

    Do not decay the slope: a regulariser that pulls it to 0 turns the unit back into a ReLU.

    Args:
        num_parameters: 1 for one slope, or the number of channels C of x (N, C) or (N, C, H, W).
        init: first value of every slope.

    Parameter is ``weight``, (num_parameters,).

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> import numpy as np
        >>> PReLU()(np.array([[-1.0, 2.0]], np.float32)).tolist()
        [[-0.25, 2.0]]

    Reference:
        He et al., Delving deep into rectifiers, 2015, https://arxiv.org/abs/1502.01852
    """

    uses_key = False

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        super().__init__()
        self.num_parameters = integer("PReLU", "num_parameters", num_parameters)
        self.init = number("PReLU", "init", init, low=-math.inf)
        self.add_param("weight", (self.num_parameters,), partial(constant, value=self.init))

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map any shape to the same shape; with one slope a channel (N, C) or (N, C, H, W)."""
        return F.prelu_forward(x, self.params["weight"])

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx; add the slopes' gradient."""
        grads = self.grads if grads is None else grads
        dx, dslope = F.prelu_backward(dy, cache)
        grads["weight"] += dslope
        return dx

    def config(self) -> dict[str, Any]:
        return {"num_parameters": self.num_parameters, "init": self.init}


class Maxout(Layer):
    """Take the greatest of several pieces: ``y[n, c] = max over j of x[n, j C + c]``.

    A maxout layer of C units is ``Sequential(Linear(in_features, pieces * C), Maxout(pieces))``.

    Args:
        pieces: number of pieces, often called k; a divisor of x's channels.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> import numpy as np
        >>> Maxout(2)(np.array([[1.0, 5.0, 3.0, 4.0]])).tolist()
        [[3.0, 5.0]]

    Reference:
        Goodfellow et al., Maxout networks, 2013, https://arxiv.org/abs/1302.4389
    """

    uses_key = False

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = integer("Maxout", "pieces", pieces)

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map (N, pieces*C) or (N, pieces*C, H, W) to (N, C) or (N, C, H, W)."""
        return F.maxout_forward(x, self.pieces)

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx of the input's shape."""
        return F.maxout_backward(dy, cache)

    def config(self) -> dict[str, Any]:
        return {"pieces": self.pieces}
