"""Convolutional layer."""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias

from .. import init
from .._arguments import integer
from ..functional.conv import _conv2d_backward, _conv2d_forward
from ..keys import Key
from .layer import Array, Grads, Layer
from .parameters import blank

IntOrPair: TypeAlias = int | tuple[int, int]


def pair(op: str, name: str, value: Any, *, low: int) -> tuple[int, int]:
    """Return an integer or a pair of them as (vertical, horizontal), each at least ``low``."""
    values = value if isinstance(value, (tuple, list)) else (value, value)
    if len(values) != 2:
        raise ValueError(f"[{op}] {name}: expected an integer or a pair of integers, got {value!r}")
    return integer(op, name, values[0], low=low), integer(op, name, values[1], low=low)


def compact(value: tuple[int, int]) -> int | list[int]:
    """Return a pair as a configuration shows it: one integer if both are equal."""
    return value[0] if value[0] == value[1] else list(value)


class Conv2d(Layer):
    """Convolve images with learned filters.

    ``y[n,f,i,j] = b[f] + sum_{c,kh,kw} w[f,c,kh,kw] xpad[n, c, S*i + D*kh, S*j + D*kw]``
    with stride S and dilation D. The output is ``floor((W + 2*padding - D*(KW - 1) - 1) / S) + 1`` wide.
    Filters and channels are cut into ``groups`` equal runs, and filters see only the channels of their run;
    ``groups=in_channels`` is depthwise convolution.

    Args:
        in_channels: C.
        out_channels: number of filters F.
        kernel_size: integer or (KH, KW).
        stride: step between places, integer or pair.
        padding: zeros on every side, integer or pair.
        dilation: distance between kernel cells, integer or pair.
        groups: divides C and F.
        bias: whether to add ``b``; batch norm after it makes it idle.

    Parameters are ``weight`` (F, C/groups, KH, KW), Kaiming normal, and ``bias`` (F,), zero.

    Example:
        >>> import numpy as np
        >>> Conv2d(3, 8, 5, stride=2, padding=2)(np.ones((1, 3, 32, 32), np.float32)).shape
        (1, 8, 16, 16)

    Reference:
        LeCun et al., Gradient-based learning applied to document recognition, 1998,
        https://doi.org/10.1109/5.726791
    """

    uses_key = False
    can_skip_dx = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrPair,
        stride: IntOrPair = 1,
        padding: IntOrPair = 0,
        dilation: IntOrPair = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        op = "Conv2d"
        self.in_channels = integer(op, "in_channels", in_channels)
        self.out_channels = integer(op, "out_channels", out_channels)
        self.kernel_size = pair(op, "kernel_size", kernel_size, low=1)
        self.stride = pair(op, "stride", stride, low=1)
        self.padding = pair(op, "padding", padding, low=0)
        self.dilation = pair(op, "dilation", dilation, low=1)
        self.groups = integer(op, "groups", groups)
        if self.in_channels % self.groups or self.out_channels % self.groups:
            expected = f"a divisor of in_channels={in_channels} and out_channels={out_channels}"
            raise ValueError(f"[{op}] groups: expected {expected}, got {groups}")
        self.bias = bool(bias)
        shape = (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        self.add_param("weight", shape, init.kaiming_normal)
        if self.bias:
            self.add_param("bias", (self.out_channels,), init.zeros)

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map x (N, C, H, W) to (N, F, OH, OW)."""
        y, cache, _ = self.forward_fused(x)
        return y, cache

    def forward_fused(
        self, x: Array, *, activation: Literal["relu"] | None = None, statistics: bool = False
    ) -> tuple[Array, Any, Array | None]:
        """Return output, cache, and for a batch norm that follows mean and variance of the output, (2, F)."""
        return _conv2d_forward(
            x,
            self.params["weight"],
            self.params.get("bias"),
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
            activation=activation,
            statistics=statistics,
        )

    def backward(
        self, dy: Array, cache: Any, grads: Grads | None = None, *, need_dx: bool = True
    ) -> Array | None:
        """Return dx (N, C, H, W), or None without ``need_dx``; add dw and db unless frozen."""
        return self.backward_fused(dy, cache, grads, need_dx=need_dx)

    def backward_fused(
        self,
        dy: Array,
        cache: Any,
        grads: Grads | None = None,
        *,
        need_dx: bool = True,
        residual: Array | None = None,
    ) -> Array | None:
        """Like `backward`; the residual is added to dx."""
        grads = self.grads if grads is None else grads
        fresh = blank(grads) if self.trainable else {}
        dx, dw, db = _conv2d_backward(
            dy,
            cache,
            need_dx=need_dx,
            need_dw=self.trainable,
            dw=fresh.get("weight"),
            db=fresh.get("bias"),
            dx_residual=residual,
        )
        if dw is not None and not fresh:
            grads["weight"] += dw
            if db is not None:
                grads["bias"] += db
        return dx

    def config(self) -> dict[str, Any]:
        return {
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
            "kernel_size": compact(self.kernel_size),
            "stride": compact(self.stride),
            "padding": compact(self.padding),
            "dilation": compact(self.dilation),
            "groups": self.groups,
            "bias": self.bias,
        }

    def multiply_adds(self, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> int:
        return math.prod(out_shape) * math.prod(self.params["weight"].shape[1:])
