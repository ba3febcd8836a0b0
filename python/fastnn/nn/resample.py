"""Layers that move pixels: padding and upsampling."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, TypeAlias

from .. import functional as F
from .._arguments import choice, integer, pair
from ..keys import Key
from .conv import IntOrPair, compact
from .layer import Array, Grads, Layer

Margins: TypeAlias = int | tuple[int, int, int, int]


class _Pad2d(Layer):
    """Margins round images, (left, right, top, bottom)."""

    uses_key = False
    mode: ClassVar[Literal["zeros", "reflect"]]

    def __init__(self, padding: Margins) -> None:
        super().__init__()
        op = type(self).__name__
        four = padding if isinstance(padding, (tuple, list)) else (padding,) * 4
        if len(four) != 4:
            raise ValueError(f"[{op}] padding: expected an integer or four of them, got {padding!r}")
        left, right, top, bottom = (integer(op, "padding", margin, low=0) for margin in four)
        self.padding = left, right, top, bottom

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map x (N, C, H, W) to (N, C, H + top + bottom, W + left + right)."""
        return F.pad2d_forward(x, self.padding, mode=self.mode)

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx (N, C, H, W)."""
        return F.pad2d_backward(dy, cache)

    def config(self) -> dict[str, Any]:
        equal = len(set(self.padding)) == 1
        return {"padding": self.padding[0] if equal else list(self.padding)}


class ZeroPad2d(_Pad2d):
    """Put zeros round images.

    Args:
        padding: integer, or (left, right, top, bottom) as in PyTorch.

    Raises:
        ValueError: ``padding`` is neither one integer >= 0 nor four.

    Example:
        >>> import numpy as np
        >>> ZeroPad2d((1, 2, 0, 0))(np.ones((1, 1, 1, 2))).tolist()
        [[[[0.0, 1.0, 1.0, 0.0, 0.0]]]]
    """

    mode = "zeros"


class ReflectionPad2d(_Pad2d):
    """Continue images mirrored in their outermost pixels, which are not repeated.

    Args:
        padding: integer, or (left, right, top, bottom) as in PyTorch; less than the images' size.

    Raises:
        ValueError: ``padding`` is neither one integer >= 0 nor four.

    Example:
        >>> import numpy as np
        >>> ReflectionPad2d((2, 1, 0, 0))(np.array([[[[1.0, 2.0, 3.0]]]])).tolist()
        [[[[3.0, 2.0, 1.0, 2.0, 3.0, 2.0]]]]
    """

    mode = "reflect"


class Upsample(Layer):
    """Enlarge images: every pixel becomes a rectangle of its value.

    ``y[n,c,i,j] = x[n,c, floor(i/SH), floor(j/SW)]``

    Args:
        scale_factor: integer or (SH, SW).
        mode: ``"nearest"``, the only one.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> import numpy as np
        >>> Upsample(2)(np.array([[[[1.0, 2.0]]]])).tolist()
        [[[[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]]]
    """

    uses_key = False

    def __init__(self, scale_factor: IntOrPair, mode: Literal["nearest"] = "nearest") -> None:
        super().__init__()
        self.scale_factor = pair("Upsample", "scale_factor", scale_factor, low=1)
        self.mode = choice("Upsample", "mode", mode, ("nearest",))

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map x (N, C, H, W) to (N, C, SH*H, SW*W)."""
        return F.upsample2d_forward(x, self.scale_factor)

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx (N, C, H, W)."""
        return F.upsample2d_backward(dy, cache)

    def config(self) -> dict[str, Any]:
        return {"scale_factor": compact(self.scale_factor), "mode": self.mode}
