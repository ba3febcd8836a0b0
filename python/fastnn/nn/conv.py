"""Convolutional layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, TypeAlias

from .. import functional as F
from .. import init
from .._arguments import choice, integer, pair
from ..functional.conv import (
    Padding1d,
    Padding2d,
    _conv1d_backward,
    _conv2d_backward,
    _conv2d_forward,
    _conv2d_takes_input_norm,
)
from ..functional.conv_transpose import _conv_transpose2d_backward
from ..keys import Key
from .layer import Array, Grads, Layer
from .parameters import add_gradients, blank

IntOrPair: TypeAlias = int | tuple[int, int]


def compact(value: tuple[int, int]) -> int | list[int]:
    """Return a pair as a configuration shows it: one integer if both are equal."""
    return value[0] if value[0] == value[1] else list(value)


def _divides(op: str, groups: int, in_channels: int, out_channels: int) -> int:
    """Return the number of groups, which must divide both numbers of channels."""
    count = integer(op, "groups", groups)
    if in_channels % count or out_channels % count:
        expected = f"a divisor of in_channels={in_channels} and out_channels={out_channels}"
        raise ValueError(f"[{op}] groups: expected {expected}, got {groups}")
    return count


def _same(op: str, padding: str, stride: tuple[int, ...]) -> Literal["same"]:
    """Return the one padding that has a name, if it has a meaning."""
    choice(op, "padding", padding, ("same",))
    if max(stride) > 1:
        raise ValueError(f'[{op}] stride: expected 1 with padding "same", got {stride}')
    return "same"


def _backward(
    backward: Callable[..., tuple[Any, ...]],
    layer: Layer,
    dy: Array,
    cache: Any,
    grads: Grads | None,
    need_dx: bool,
) -> Array | None:
    """Return dx of a convolution; add dw and db, which a backward pass writes over blank gradients."""
    grads = layer.grads if grads is None else grads
    train = layer.trainable
    fresh = blank(grads) if train else {}
    into = fresh.get("weight"), fresh.get("bias")
    dx: Array | None
    dx, dw, db = backward(dy, cache, need_dx=need_dx, need_dw=train, dw=into[0], db=into[1])
    if dw is not None and not fresh:
        add_gradients(grads, dw, db)
    return dx


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
        padding: zeros on every side, integer or pair; or ``"same"``, which keeps the images' size. It needs
            stride 1, and puts the odd zero of an even kernel behind the image, both as PyTorch.
        dilation: distance between kernel cells, integer or pair.
        groups: divides C and F.
        bias: whether to add ``b``; batch norm after it makes it idle.

    Parameters are ``weight`` (F, C/groups, KH, KW), Kaiming normal, and ``bias`` (F,), zero.

    Raises:
        ValueError: an argument out of range, or groups that do not divide the channels, or ``"same"`` with a
            stride.

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
        padding: Padding2d = 0,
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
        self.padding: tuple[int, int] | Literal["same"]
        self.padding = (
            _same(op, padding, self.stride)
            if isinstance(padding, str)
            else pair(op, "padding", padding, low=0)
        )
        self.dilation = pair(op, "dilation", dilation, low=1)
        self.groups = _divides(op, groups, self.in_channels, self.out_channels)
        self.bias = bool(bias)
        shape = (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        self.add_param("weight", shape, init.kaiming_normal)
        if self.bias:
            self.add_param("bias", (self.out_channels,), init.zeros)

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map x (N, C, H, W) to (N, F, OH, OW)."""
        y, cache, _ = self.forward_fused(x)
        return y, cache

    def takes_input_norm(self, x: Array) -> bool:
        """Return whether this layer can apply a batch norm that stands before it while it reads x."""
        weight = self.params["weight"]
        return _conv2d_takes_input_norm(x, weight, self.stride, self.padding, self.dilation, self.groups)

    def forward_fused(
        self,
        x: Array,
        *,
        activation: Literal["relu"] | None = None,
        statistics: bool = False,
        input_norm: Any = None,
    ) -> tuple[Array, Any, Array | None]:
        """Return output, cache, and for a batch norm that follows mean and variance of the output, (2, F).

        ``input_norm`` is the cache of a deferred batch norm: x is its input.
        """
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
            input_norm=input_norm,
        )

    def backward(
        self, dy: Array, cache: Any, grads: Grads | None = None, *, need_dx: bool = True
    ) -> Array | None:
        """Return dx (N, C, H, W), or None without ``need_dx``; add dw and db unless frozen."""
        return self.backward_fused(dy, cache, grads, need_dx=need_dx)[0]

    def backward_fused(
        self,
        dy: Array,
        cache: Any,
        grads: Grads | None = None,
        *,
        need_dx: bool = True,
        residual: Array | None = None,
        norm: Any = None,
        behind: Any = None,
    ) -> tuple[Array | None, Array | None]:
        """Return dx, to which the residual is added, and what the norm can use of it.

        ``norm`` is the cache of a batch norm whose output this layer's input was. The second result, if not
        None, are its ``sums``, and dx is already masked by its ReLU. ``behind`` is a `BatchNormBehind`.
        """
        # `_backward` in place: one call less in every step of a layer.
        grads = self.grads if grads is None else grads
        train = self.trainable
        fresh = blank(grads) if train else {}
        dx, dw, db, sums = _conv2d_backward(
            dy,
            cache,
            need_dx=need_dx,
            need_dw=train,
            dw=fresh.get("weight"),
            db=fresh.get("bias"),
            dx_residual=residual,
            norm=norm,
            behind=behind,
        )
        if dw is not None and not fresh:
            add_gradients(grads, dw, db)
        return dx, sums

    def config(self) -> dict[str, Any]:
        return {
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
            "kernel_size": compact(self.kernel_size),
            "stride": compact(self.stride),
            "padding": self.padding if isinstance(self.padding, str) else compact(self.padding),
            "dilation": compact(self.dilation),
            "groups": self.groups,
            "bias": self.bias,
        }

    def multiply_adds(self, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> int:
        return math.prod(out_shape) * math.prod(self.params["weight"].shape[1:])


class Conv1d(Layer):
    """Convolve signals with learned filters.

    ``y[n,f,i] = b[f] + sum_{c,k} w[f,c,k] xpad[n,c, S*i + D*k]`` with stride S and dilation D. The output is
    ``floor((L + 2*padding - D*(K - 1) - 1) / S) + 1`` long.

    Args:
        in_channels: C.
        out_channels: number of filters F.
        kernel_size: K.
        stride: step between places.
        padding: zeros on both sides, or ``"same"`` as in `Conv2d`.
        dilation: distance between kernel cells.
        groups: divides C and F.
        bias: whether to add ``b``.

    Parameters are ``weight`` (F, C/groups, K), Kaiming normal, and ``bias`` (F,), zero.

    Raises:
        ValueError: an argument out of range, or groups that do not divide the channels, or ``"same"`` with a
            stride.

    Example:
        >>> import numpy as np
        >>> Conv1d(3, 8, 5, padding="same")(np.ones((1, 3, 100), np.float32)).shape
        (1, 8, 100)

    Reference:
        Waibel et al., Phoneme recognition using time-delay neural networks, 1989,
        https://doi.org/10.1109/29.21701
    """

    uses_key = False
    can_skip_dx = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: Padding1d = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        op = "Conv1d"
        self.in_channels = integer(op, "in_channels", in_channels)
        self.out_channels = integer(op, "out_channels", out_channels)
        self.kernel_size = integer(op, "kernel_size", kernel_size)
        self.stride = integer(op, "stride", stride)
        self.padding: Padding1d
        self.padding = (
            _same(op, padding, (self.stride,))
            if isinstance(padding, str)
            else integer(op, "padding", padding, low=0)
        )
        self.dilation = integer(op, "dilation", dilation)
        self.groups = _divides(op, groups, self.in_channels, self.out_channels)
        self.bias = bool(bias)
        shape = (self.out_channels, self.in_channels // self.groups, self.kernel_size)
        self.add_param("weight", shape, init.kaiming_normal)
        if self.bias:
            self.add_param("bias", (self.out_channels,), init.zeros)

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map x (N, C, L) to (N, F, OL)."""
        return F.conv1d_forward(
            x,
            self.params["weight"],
            self.params.get("bias"),
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )

    def backward(
        self, dy: Array, cache: Any, grads: Grads | None = None, *, need_dx: bool = True
    ) -> Array | None:
        """Return dx (N, C, L), or None without ``need_dx``; add dw and db."""
        return _backward(_conv1d_backward, self, dy, cache, grads, need_dx)

    def config(self) -> dict[str, Any]:
        return {
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
            "kernel_size": self.kernel_size,
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "groups": self.groups,
            "bias": self.bias,
        }

    def multiply_adds(self, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> int:
        return math.prod(out_shape) * math.prod(self.params["weight"].shape[1:])


class ConvTranspose2d(Layer):
    """Enlarge images with learned filters: the transpose of a convolution, also called deconvolution.

    Every pixel of x paints its multiple of the filters into y, ``stride`` pixels from where its neighbour
    does. The output is ``(W - 1)*stride - 2*padding + dilation*(KW - 1) + output_padding + 1`` wide.

    Args:
        in_channels: C.
        out_channels: number of filters F.
        kernel_size: integer or (KH, KW).
        stride: integer or pair.
        padding: rows and columns cut off the output on every side, integer or pair.
        output_padding: rows and columns more at the bottom and right, less than ``stride``.
        groups: divides C and F.
        bias: whether to add ``b``.
        dilation: distance between kernel cells, integer or pair; last, as in PyTorch.

    Parameters are ``weight`` (C, F/groups, KH, KW), normal with variance ``2 SH SW / (C/groups KH KW)``, and
    ``bias`` (F,), zero. That is Kaiming's rule for the number of terms in an output; PyTorch counts the
    second axis and all cells instead.

    Raises:
        ValueError: an argument out of range, or groups that do not divide the channels.

    Example:
        >>> import numpy as np
        >>> ConvTranspose2d(8, 3, 4, stride=2, padding=1)(np.ones((1, 8, 16, 16), np.float32)).shape
        (1, 3, 32, 32)

    Reference:
        Zeiler et al., Deconvolutional networks, 2010, https://doi.org/10.1109/CVPR.2010.5539957
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
        output_padding: IntOrPair = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: IntOrPair = 1,
    ) -> None:
        super().__init__()
        op = "ConvTranspose2d"
        self.in_channels = integer(op, "in_channels", in_channels)
        self.out_channels = integer(op, "out_channels", out_channels)
        self.kernel_size = pair(op, "kernel_size", kernel_size, low=1)
        self.stride = pair(op, "stride", stride, low=1)
        self.padding = pair(op, "padding", padding, low=0)
        self.output_padding = pair(op, "output_padding", output_padding, low=0)
        self.groups = _divides(op, groups, self.in_channels, self.out_channels)
        self.bias = bool(bias)
        self.dilation = pair(op, "dilation", dilation, low=1)
        shape = (self.in_channels, self.out_channels // self.groups, *self.kernel_size)
        terms = shape[0] // self.groups * math.prod(self.kernel_size) / math.prod(self.stride)
        self.add_param("weight", shape, partial(init.normal, std=math.sqrt(2 / terms)))
        if self.bias:
            self.add_param("bias", (self.out_channels,), init.zeros)

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map x (N, C, H, W) to (N, F, OH, OW)."""
        return F.conv_transpose2d_forward(
            x,
            self.params["weight"],
            self.params.get("bias"),
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
            dilation=self.dilation,
            groups=self.groups,
        )

    def backward(
        self, dy: Array, cache: Any, grads: Grads | None = None, *, need_dx: bool = True
    ) -> Array | None:
        """Return dx (N, C, H, W), or None without ``need_dx``; add dw and db."""
        return _backward(_conv_transpose2d_backward, self, dy, cache, grads, need_dx)

    def config(self) -> dict[str, Any]:
        return {
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
            "kernel_size": compact(self.kernel_size),
            "stride": compact(self.stride),
            "padding": compact(self.padding),
            "output_padding": compact(self.output_padding),
            "groups": self.groups,
            "bias": self.bias,
            "dilation": compact(self.dilation),
        }

    def multiply_adds(self, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> int:
        return math.prod(in_shape) * math.prod(self.params["weight"].shape[1:])
