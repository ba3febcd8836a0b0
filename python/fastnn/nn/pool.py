"""Pooling layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import functional as F
from .._arguments import number, pair
from ..keys import Key
from .conv import IntOrPair, compact
from .layer import Array, Grads, Layer


class _Pool2d(Layer):
    """Window, stride and padding of both poolings; without a stride, windows touch."""

    def __init__(
        self,
        kernel_size: IntOrPair,
        stride: IntOrPair | None = None,
        padding: IntOrPair = 0,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        op = type(self).__name__
        self.kernel_size = pair(op, "kernel_size", kernel_size, low=1)
        self.stride = self.kernel_size if stride is None else pair(op, "stride", stride, low=1)
        self.padding = pair(op, "padding", padding, low=0)
        self.ceil_mode = bool(ceil_mode)

    def config(self) -> dict[str, Any]:
        return {
            "kernel_size": compact(self.kernel_size),
            "stride": compact(self.stride),
            "padding": compact(self.padding),
            "ceil_mode": self.ceil_mode,
        }


class MaxPool2d(_Pool2d):
    """Take the maximum of every window; of equal ones the first in row-major order gets the gradient.

    The output is ``floor((W + 2*padding - kernel_size) / stride) + 1`` wide; padding never wins.

    Args:
        kernel_size: integer or (KH, KW).
        stride: integer or pair; by default the kernel size.
        padding: integer or pair, at most half the kernel.
        ceil_mode: whether to round the output's size up: a last window may hang over.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> import numpy as np
        >>> MaxPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4)).tolist()
        [[[[5.0, 7.0], [13.0, 15.0]]]]

    Reference:
        Ranzato et al., Unsupervised learning of invariant feature hierarchies, 2007,
        https://doi.org/10.1109/CVPR.2007.383157
    """

    uses_key = False

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map x (N, C, H, W) to (N, C, OH, OW)."""
        return F.maxpool2d_forward(
            x, self.kernel_size, stride=self.stride, padding=self.padding, ceil_mode=self.ceil_mode
        )

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx (N, C, H, W)."""
        return F.maxpool2d_backward(dy, cache)


class AvgPool2d(_Pool2d):
    """Take the mean of every window.

    Args:
        kernel_size: integer or (KH, KW).
        stride: integer or pair; by default the kernel size.
        padding: integer or pair, at most half the kernel.
        ceil_mode: whether to round the output's size up: a last window may hang over.
        count_include_pad: whether padding counts as zeros (PyTorch's default) or not at all; what hangs over
            beyond it never does.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> import numpy as np
        >>> AvgPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4)).tolist()
        [[[[2.5, 4.5], [10.5, 12.5]]]]

    Reference:
        LeCun et al., Gradient-based learning applied to document recognition, 1998,
        https://doi.org/10.1109/5.726791
    """

    uses_key = False

    def __init__(
        self,
        kernel_size: IntOrPair,
        stride: IntOrPair | None = None,
        padding: IntOrPair = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode)
        self.count_include_pad = bool(count_include_pad)

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map x (N, C, H, W) to (N, C, OH, OW)."""
        return F.avgpool2d_forward(
            x,
            self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            ceil_mode=self.ceil_mode,
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


class _AdaptivePool2d(Layer):
    """The size of the output, whatever that of the input."""

    def __init__(self, output_size: IntOrPair) -> None:
        super().__init__()
        self.output_size = pair(type(self).__name__, "output_size", output_size, low=1)

    def config(self) -> dict[str, Any]:
        return {"output_size": compact(self.output_size)}


class AdaptiveAvgPool2d(_AdaptivePool2d):
    """Take the mean of OH x OW windows that are as equal as they can be, for images of any size.

    Window i goes from ``floor(i*H/OH)`` to before ``ceil((i + 1)*H/OH)``.

    Args:
        output_size: integer or (OH, OW).

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> import numpy as np
        >>> AdaptiveAvgPool2d((1, 2))(np.arange(5.0).reshape(1, 1, 1, 5)).tolist()
        [[[[1.0, 3.0]]]]

    Reference:
        He et al., Spatial pyramid pooling in deep convolutional networks, 2014,
        https://arxiv.org/abs/1406.4729
    """

    uses_key = False

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map x (N, C, H, W) to (N, C, OH, OW)."""
        return F.adaptive_avgpool2d_forward(x, self.output_size)

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx (N, C, H, W)."""
        return F.adaptive_avgpool2d_backward(dy, cache)


class AdaptiveMaxPool2d(_AdaptivePool2d):
    """Take the maximum of OH x OW windows that are as equal as they can be, for images of any size.

    Window i goes from ``floor(i*H/OH)`` to before ``ceil((i + 1)*H/OH)``. Of equal maxima the first in
    row-major order gets the gradient.

    Args:
        output_size: integer or (OH, OW).

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> import numpy as np
        >>> AdaptiveMaxPool2d((1, 2))(np.arange(5.0).reshape(1, 1, 1, 5)).tolist()
        [[[[2.0, 4.0]]]]

    Reference:
        He et al., Spatial pyramid pooling in deep convolutional networks, 2014,
        https://arxiv.org/abs/1406.4729
    """

    uses_key = False

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map x (N, C, H, W) to (N, C, OH, OW)."""
        return F.adaptive_maxpool2d_forward(x, self.output_size)

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx (N, C, H, W)."""
        return F.adaptive_maxpool2d_backward(dy, cache)


class FractionalMaxPool2d(Layer):
    """Shrink images by a factor that is no integer: the maximum of regions that are nearly equal.

    Which regions are longer is drawn from the key for every example, the same for all its channels; see
    `functional.fractional_regions`. Without a key, as in prediction, the sample is 1/2 on both axes; the
    paper averages several draws, which Monte-Carlo prediction does. PyTorch draws for each channel.

    Args:
        kernel_size: integer or (KH, KW), the size of every region, so that they may overlap; by default
            regions are disjoint.
        output_size: integer or (OH, OW).
        output_ratio: output by input size, number or pair in (0, 1]; exactly one of the two is needed.

    Raises:
        ValueError: an argument out of range, or both or neither of ``output_size`` and ``output_ratio``.

    Example:
        >>> import numpy as np
        >>> FractionalMaxPool2d(output_ratio=0.7)(np.ones((1, 1, 10, 10))).shape
        (1, 1, 7, 7)

    Reference:
        Graham, Fractional max-pooling, 2014, https://arxiv.org/abs/1412.6071
    """

    def __init__(
        self,
        kernel_size: IntOrPair | None = None,
        output_size: IntOrPair | None = None,
        output_ratio: float | tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        op = "FractionalMaxPool2d"
        if (output_size is None) == (output_ratio is None):
            raise ValueError(
                f"[{op}] output_size: expected it or output_ratio, got {'both' if output_size else 'neither'}"
            )
        self.kernel_size = None if kernel_size is None else pair(op, "kernel_size", kernel_size, low=1)
        self.output_size = None if output_size is None else pair(op, "output_size", output_size, low=1)
        self.output_ratio: tuple[float, float] | None = None
        if output_ratio is not None:
            both = output_ratio if isinstance(output_ratio, (tuple, list)) else (output_ratio, output_ratio)
            if len(both) != 2:
                raise ValueError(f"[{op}] output_ratio: expected a number or a pair, got {output_ratio!r}")
            h, w = (number(op, "output_ratio", ratio, above=True, high=1.0) for ratio in both)
            self.output_ratio = h, w

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map x (N, C, H, W) to (N, C, OH, OW).

        Raises:
            ValueError: x is of another rank, or training without a key.
        """
        if x.ndim != 4:
            raise ValueError(f"[FractionalMaxPool2d] x: expected shape (N, C, H, W), got {x.shape}")
        if key is None and train:
            raise ValueError("[FractionalMaxPool2d] key: expected a fastnn.Key in training, got None")
        samples = np.full((len(x), 2), 0.5) if key is None else _samples(key, len(x))
        return F.fractional_maxpool2d_forward(
            x, self._regions(x, 0, samples[:, 0]), self._regions(x, 1, samples[:, 1])
        )

    def _regions(self, x: Array, axis: int, samples: Array) -> Array:
        size = x.shape[2 + axis]
        outputs = max(1, int(size * self.output_ratio[axis])) if self.output_ratio else 0
        if self.output_size is not None:
            outputs = self.output_size[axis]
        kernel = None if self.kernel_size is None else self.kernel_size[axis]
        return F.fractional_regions(size, outputs, samples, kernel_size=kernel)

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx (N, C, H, W)."""
        return F.fractional_maxpool2d_backward(dy, cache)

    def config(self) -> dict[str, Any]:
        return {
            "kernel_size": None if self.kernel_size is None else compact(self.kernel_size),
            "output_size": None if self.output_size is None else compact(self.output_size),
            "output_ratio": None if self.output_ratio is None else list(self.output_ratio),
        }


def _samples(key: Key, examples: int) -> Array:
    """Draw two numbers in [0, 1) for each example, a function of key and example alone."""
    # One counter of Philox gives four words; each example has one.
    words = np.random.Philox(key=key.bits, counter=key.example % 2**64).random_raw(4 * examples)
    # 24 bits: products with sizes stay exact enough that no two regions begin together.
    drawn: Array = (words.reshape(examples, 4)[:, :2] >> np.uint64(40)) * 2.0**-24
    return drawn
