"""Maximum, average and global average pooling."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastnn import _core
from fastnn._arguments import integer
from fastnn.functional._args import Array, check_dtype, size_pair

IntOrPair: TypeAlias = int | tuple[int, int]
Window: TypeAlias = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


def pool2d_output_size(
    size: int, kernel: int, *, stride: int | None = None, padding: int = 0, ceil_mode: bool = False
) -> int:
    """Return how many windows fit along one axis.

    ``floor((size + 2 padding - kernel) / stride) + 1``; with ``ceil_mode`` rounded up, less one if the last
    window would begin behind the image.

    Args:
        size: extent of the input in pixels.
        kernel: extent of the window.
        stride: step between windows; None means ``kernel``.
        padding: cells added on each side, at most half the kernel.
        ceil_mode: whether a last window may hang over.

    Raises:
        ValueError: no window fits, or a setting is out of range.

    Example:
        >>> pool2d_output_size(5, 2), pool2d_output_size(5, 3, stride=2, padding=1)
        (2, 3)
        >>> pool2d_output_size(5, 2, ceil_mode=True)
        3
    """
    op = "pool2d_output_size"
    size, kernel = integer(op, "size", size), integer(op, "kernel", kernel)
    stride = kernel if stride is None else integer(op, "stride", stride)
    padding = integer(op, "padding", padding, low=0)
    if padding > kernel // 2:
        raise ValueError(f"[{op}] padding: expected 0 to half the kernel, {kernel // 2}, got {padding}")
    room = size + 2 * padding - kernel
    steps = -(-room // stride) if ceil_mode else room // stride
    if steps < 0:
        raise ValueError(
            f"[{op}] kernel: expected at most the padded input, {size + 2 * padding}, got {kernel}"
        )
    return steps + 1 if steps * stride < size + padding else steps


def _window(op: str, kernel_size: IntOrPair, stride: IntOrPair | None, padding: IntOrPair) -> Window:
    """Kernel, stride and padding as pairs."""
    kernel = size_pair(op, "kernel_size", kernel_size)
    step = kernel if stride is None else size_pair(op, "stride", stride)
    return kernel, step, size_pair(op, "padding", padding)


class MaxPool2dCache(NamedTuple):
    """What :func:`maxpool2d_backward` needs.

    ``winner`` (N, C, OH, OW) numbers the pixel of its window that won: in bytes, a sixteenth of x for 2 x 2
    windows. So x itself is not kept.
    """

    winner: NDArray[Any]
    x_shape: tuple[int, ...]
    dtype: np.dtype[Any]
    window: Window
    ceil_mode: bool


def maxpool2d_forward(
    x: Array,
    kernel_size: IntOrPair,
    *,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    ceil_mode: bool = False,
) -> tuple[Array, MaxPool2dCache]:
    """Take the maximum of every window.

    ``y[n,c,i,j] = max_{kh,kw} x[n,c, i*stride - padding + kh, j*stride - padding + kw]`` over pixels.

    Of equal maxima the first in row-major order wins; NaN is greater than any number.

    Args:
        x: ``(N, C, H, W)``.
        kernel_size: integer or (KH, KW).
        stride: integer or pair; None means ``kernel_size``.
        padding: cells on each side that never win, at most half the kernel.
        ceil_mode: whether a last window may hang over the image and its padding, so that no pixel is left
            out.

    Returns:
        ``y`` of shape ``(N, C, OH, OW)``, see :func:`pool2d_output_size`, and the cache for
        :func:`maxpool2d_backward`.

    Raises:
        ValueError: no window fits, a setting is out of range, or shape or dtype do not fit.

    Example:
        >>> import numpy as np
        >>> y, cache = maxpool2d_forward(np.arange(16.0).reshape(1, 1, 4, 4), 2)
        >>> y[0, 0].tolist()
        [[5.0, 7.0], [13.0, 15.0]]
    """
    window = _window("maxpool2d_forward", kernel_size, stride, padding)
    y, winner = _core.maxpool2d_forward(x, *window, ceil_mode)
    return y, MaxPool2dCache(winner, x.shape, x.dtype, window, ceil_mode)


def maxpool2d_backward(dy: Array, cache: MaxPool2dCache) -> Array:
    """Send every output's gradient to the cell that was its maximum.

    Args:
        dy: ``(N, C, OH, OW)``, gradient of the loss by ``y``.
        cache: from :func:`maxpool2d_forward`.

    Returns:
        ``dx`` ``(N, C, H, W)``; a cell that won several windows has the sum.

    Raises:
        ValueError: ``dy`` does not fit the forward call.

    Example:
        >>> import numpy as np
        >>> y, cache = maxpool2d_forward(np.array([[[[1.0, 2.0], [2.0, 0.0]]]]), 2)
        >>> maxpool2d_backward(np.ones_like(y), cache)[0, 0].tolist()
        [[0.0, 1.0], [0.0, 0.0]]
    """
    winner, x_shape, dtype, window, ceil_mode = cache
    check_dtype("maxpool2d_backward", dy, dtype)
    return _core.maxpool2d_backward(dy, winner, x_shape, *window, ceil_mode)


class AvgPool2dCache(NamedTuple):
    """What :func:`avgpool2d_backward` needs: the settings alone."""

    x_shape: tuple[int, ...]
    dtype: np.dtype[Any]
    window: Window
    ceil_mode: bool
    count_include_pad: bool


def avgpool2d_forward(
    x: Array,
    kernel_size: IntOrPair,
    *,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> tuple[Array, AvgPool2dCache]:
    """Take the mean of every window.

    ``y[n,c,i,j] = 1/cells sum_{kh,kw} xpad[n,c, i*stride + kh, j*stride + kw]``

    Args:
        x: ``(N, C, H, W)``.
        kernel_size: integer or (KH, KW).
        stride: integer or pair; None means ``kernel_size``.
        padding: zeros on each side, at most half the kernel.
        ceil_mode: whether a last window may hang over the image and its padding, so that no pixel is left
            out; what hangs over counts for nothing.
        count_include_pad: whether ``cells`` counts zeros of the padding, or only pixels.

    Returns:
        ``y`` of shape ``(N, C, OH, OW)``, see :func:`pool2d_output_size`, and the cache for
        :func:`avgpool2d_backward`.

    Raises:
        ValueError: no window fits, a setting is out of range, or shape or dtype do not fit.

    Example:
        >>> import numpy as np
        >>> y, cache = avgpool2d_forward(np.ones((1, 1, 2, 2)), 2, padding=1)
        >>> y[0, 0].tolist()
        [[0.25, 0.25], [0.25, 0.25]]
    """
    window = _window("avgpool2d_forward", kernel_size, stride, padding)
    y = _core.avgpool2d_forward(x, *window, ceil_mode, count_include_pad)
    return y, AvgPool2dCache(x.shape, x.dtype, window, ceil_mode, count_include_pad)


def avgpool2d_backward(dy: Array, cache: AvgPool2dCache) -> Array:
    """Spread every output's gradient evenly over its window.

    Args:
        dy: ``(N, C, OH, OW)``, gradient of the loss by ``y``.
        cache: from :func:`avgpool2d_forward`.

    Returns:
        ``dx`` ``(N, C, H, W)``.

    Raises:
        ValueError: ``dy`` does not fit the forward call.

    Example:
        >>> import numpy as np
        >>> y, cache = avgpool2d_forward(np.ones((1, 1, 2, 2)), 2)
        >>> avgpool2d_backward(np.ones_like(y), cache)[0, 0].tolist()
        [[0.25, 0.25], [0.25, 0.25]]
    """
    x_shape, dtype, window, ceil_mode, count_include_pad = cache
    check_dtype("avgpool2d_backward", dy, dtype)
    return _core.avgpool2d_backward(dy, x_shape, *window, ceil_mode, count_include_pad)


class GlobalAvgPool2dCache(NamedTuple):
    """What :func:`global_avgpool2d_backward` needs: the shape of the images."""

    x_shape: tuple[int, ...]
    dtype: np.dtype[Any]


def global_avgpool2d_forward(x: Array) -> tuple[Array, GlobalAvgPool2dCache]:
    """Take the mean of every channel over the whole image.

    ``y[n,c,0,0] = 1/(H W) sum_{h,w} x[n,c,h,w]``

    Args:
        x: ``(N, C, H, W)``.

    Returns:
        ``y`` of shape ``(N, C, 1, 1)``, and the cache for :func:`global_avgpool2d_backward`.

    Raises:
        ValueError: shape or dtype do not fit.

    Example:
        >>> import numpy as np
        >>> y, cache = global_avgpool2d_forward(np.arange(4.0).reshape(1, 1, 2, 2))
        >>> y.tolist()
        [[[[1.5]]]]

    Reference:
        Lin, Chen and Yan, "Network in network", 2013, https://arxiv.org/abs/1312.4400
    """
    return _core.global_avgpool2d_forward(x), GlobalAvgPool2dCache(x.shape, x.dtype)


def global_avgpool2d_backward(dy: Array, cache: GlobalAvgPool2dCache) -> Array:
    """Spread every channel's gradient evenly over the image.

    Args:
        dy: ``(N, C, 1, 1)``, gradient of the loss by ``y``.
        cache: from :func:`global_avgpool2d_forward`.

    Returns:
        ``dx`` ``(N, C, H, W)``.

    Raises:
        ValueError: ``dy`` does not fit the forward call.

    Example:
        >>> import numpy as np
        >>> y, cache = global_avgpool2d_forward(np.ones((1, 1, 2, 2)))
        >>> global_avgpool2d_backward(np.ones_like(y), cache).ravel().tolist()
        [0.25, 0.25, 0.25, 0.25]
    """
    check_dtype("global_avgpool2d_backward", dy, cache.dtype)
    return _core.global_avgpool2d_backward(dy, cache.x_shape)
