"""Pooling layers."""

from __future__ import annotations

from typing import Any

from .. import functional as F
from ..keys import Key
from .conv import IntOrPair, compact, pair
from .layer import Array, Grads, Layer


class _Pool2d(Layer):
    """Window, stride and padding of both poolings; without a stride, windows touch."""

    def __init__(
        self, kernel_size: IntOrPair, stride: IntOrPair | None = None, padding: IntOrPair = 0
    ) -> None:
        super().__init__()
        op = type(self).__name__
        self.kernel_size = pair(op, "kernel_size", kernel_size, low=1)
        self.stride = self.kernel_size if stride is None else pair(op, "stride", stride, low=1)
        self.padding = pair(op, "padding", padding, low=0)

    def config(self) -> dict[str, Any]:
        return {
            "kernel_size": compact(self.kernel_size),
            "stride": compact(self.stride),
            "padding": compact(self.padding),
        }


class MaxPool2d(_Pool2d):
    """Take the maximum of every window; of equal ones the first in row-major order gets the gradient.

    The output is ``floor((W + 2*padding - kernel_size) / stride) + 1`` wide; padding never wins.

    Args:
        kernel_size: integer or (KH, KW).
        stride: integer or pair; by default the kernel size.
        padding: integer or pair, at most half the kernel.

    Example:
        >>> import numpy as np
        >>> MaxPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4)).tolist()
        [[[[5.0, 7.0], [13.0, 15.0]]]]
    """

    uses_key = False

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map x (N, C, H, W) to (N, C, OH, OW)."""
        return F.maxpool2d_forward(x, self.kernel_size, stride=self.stride, padding=self.padding)

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx (N, C, H, W)."""
        return F.maxpool2d_backward(dy, cache)


class AvgPool2d(_Pool2d):
    """Take the mean of every window.

    Args:
        kernel_size: integer or (KH, KW).
        stride: integer or pair; by default the kernel size.
        padding: integer or pair, at most half the kernel.
        count_include_pad: whether padding counts as zeros (PyTorch's default) or not at all.

    Example:
        >>> import numpy as np
        >>> AvgPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4)).tolist()
        [[[[2.5, 4.5], [10.5, 12.5]]]]
    """

    uses_key = False

    def __init__(
        self,
        kernel_size: IntOrPair,
        stride: IntOrPair | None = None,
        padding: IntOrPair = 0,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding)
        self.count_include_pad = bool(count_include_pad)

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map x (N, C, H, W) to (N, C, OH, OW)."""
        return F.avgpool2d_forward(
            x,
            self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            count_include_pad=self.count_include_pad,
        )

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx (N, C, H, W)."""
        return F.avgpool2d_backward(dy, cache)

    def config(self) -> dict[str, Any]:
        return super().config() | {"count_include_pad": self.count_include_pad}


class GlobalAvgPool2d(Layer):
    """Take the mean of every channel: (N, C, H, W) to (N, C, 1, 1), PyTorch's ``AdaptiveAvgPool2d(1)``.

    Example:
        >>> import numpy as np
        >>> GlobalAvgPool2d()(np.arange(4.0).reshape(1, 1, 2, 2)).tolist()
        [[[[1.5]]]]

    Reference:
        Lin, Chen and Yan, Network in network, 2013, https://arxiv.org/abs/1312.4400
    """

    uses_key = False

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map x (N, C, H, W) to (N, C, 1, 1)."""
        return F.global_avgpool2d_forward(x)

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx (N, C, H, W)."""
        return F.global_avgpool2d_backward(dy, cache)
