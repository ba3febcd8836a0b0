"""Maximum, average and global average pooling."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from fastnn.reference._geometry import Array, IntOrPair, Pair, crop, output_size, pad, pair, require, taps


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
        ValueError: if no window fits, or a setting is out of range.

    Example:
        >>> pool2d_output_size(5, 2), pool2d_output_size(5, 2, ceil_mode=True)
        (2, 3)
    """
    op = "pool2d_output_size"
    stride = kernel if stride is None else stride
    for name, value in (("size", size), ("kernel", kernel), ("stride", stride)):
        require(value >= 1, op, name, "an integer >= 1", value)
    require(0 <= padding <= kernel // 2, op, "padding", f"0 to half the kernel, {kernel // 2}", padding)
    if not ceil_mode:
        return output_size(op, size, kernel, stride, padding)
    outputs = math.ceil((size + 2 * padding - kernel) / stride) + 1
    require(outputs >= 1, op, "kernel", f"less than a stride more than {size + 2 * padding}", kernel)
    return outputs - 1 if (outputs - 1) * stride >= size + padding else outputs


class _Window(NamedTuple):
    """A pooling window's settings as pairs, and the output extent that they give."""

    kernel: Pair
    stride: Pair
    padding: Pair
    overhang: Pair  # of the last window, over image and padding
    output: Pair

    @classmethod
    def over(
        cls,
        op: str,
        x_shape: tuple[int, ...],
        kernel_size: IntOrPair,
        stride: IntOrPair | None,
        padding: IntOrPair,
        ceil_mode: bool,
    ) -> _Window:
        k = pair(op, "kernel_size", kernel_size, least=1)
        s = k if stride is None else pair(op, "stride", stride, least=1)
        p = pair(op, "padding", padding, least=0)
        # A wider margin would make windows that see no pixel at all.
        half = (k[0] // 2, k[1] // 2)
        require(p[0] <= half[0] and p[1] <= half[1], op, "padding", f"at most half the kernel, {half}", p)
        size = x_shape[2:]
        oh, ow = (
            pool2d_output_size(size[i], k[i], stride=s[i], padding=p[i], ceil_mode=ceil_mode)
            for i in range(2)
        )
        ends = ((oh - 1) * s[0] + k[0], (ow - 1) * s[1] + k[1])
        over = (max(0, ends[0] - size[0] - 2 * p[0]), max(0, ends[1] - size[1] - 2 * p[1]))
        return cls(k, s, p, over, (oh, ow))


class MaxPool2dCache(NamedTuple):
    """What `maxpool2d_backward` needs; ``winner`` (N, C, OH, OW) numbers the kernel cell that won."""

    winner: Array
    x_shape: tuple[int, ...]
    kernel_size: IntOrPair
    stride: IntOrPair | None
    padding: IntOrPair
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
        x: (N, C, H, W).
        kernel_size: integer or (KH, KW).
        stride: integer or pair; None means ``kernel_size``.
        padding: cells on each side that never win, at most half the kernel.
        ceil_mode: whether a last window may hang over the image and its padding.

    Returns:
        y of shape (N, C, OH, OW), see `pool2d_output_size`, and the cache for `maxpool2d_backward`.

    Raises:
        ValueError: if no window fits or a setting is out of range.

    Example:
        >>> y, cache = maxpool2d_forward(np.arange(16.0).reshape(1, 1, 4, 4), 2)
        >>> y[0, 0].tolist()
        [[5.0, 7.0], [13.0, 15.0]]
    """
    window = _Window.over("maxpool2d_forward", x.shape, kernel_size, stride, padding, ceil_mode)
    xpad = pad(x, window.padding, overhang=window.overhang)
    inside = pad(np.ones((1, 1, *x.shape[2:]), bool), window.padding, overhang=window.overhang)
    y = np.full((*x.shape[:2], *window.output), -np.inf, x.dtype)
    winner = np.full(y.shape, -1)
    for tap, (_, _, where) in enumerate(taps(window.kernel, window.output, window.stride)):
        seen = xpad[where]
        beats = (seen > y) | (winner < 0) | (np.isnan(seen) & ~np.isnan(y))
        wins = inside[where] & beats
        y = np.where(wins, seen, y)
        winner = np.where(wins, tap, winner)
    return y, MaxPool2dCache(winner, x.shape, kernel_size, stride, padding, ceil_mode)


def maxpool2d_backward(dy: Array, cache: MaxPool2dCache) -> Array:
    """Send every output's gradient to the cell that was its maximum.

    Args:
        dy: (N, C, OH, OW), gradient of the loss with respect to y.
        cache: from `maxpool2d_forward`.

    Returns:
        dx (N, C, H, W); a cell that won several windows has the sum.

    Example:
        >>> y, cache = maxpool2d_forward(np.array([[[[1.0, 2.0], [2.0, 0.0]]]]), 2)
        >>> maxpool2d_backward(np.ones_like(y), cache)[0, 0].tolist()
        [[0.0, 1.0], [0.0, 0.0]]
    """
    winner, x_shape, kernel_size, stride, padding, ceil_mode = cache
    window = _Window.over("maxpool2d_backward", x_shape, kernel_size, stride, padding, ceil_mode)
    dxpad = pad(np.zeros(x_shape, dy.dtype), window.padding, overhang=window.overhang)
    for tap, (_, _, where) in enumerate(taps(window.kernel, window.output, window.stride)):
        dxpad[where] += np.where(winner == tap, dy, np.zeros_like(dy))
    return crop(dxpad, window.padding, x_shape)


class AvgPool2dCache(NamedTuple):
    """What `avgpool2d_backward` needs: the settings alone."""

    x_shape: tuple[int, ...]
    kernel_size: IntOrPair
    stride: IntOrPair | None
    padding: IntOrPair
    ceil_mode: bool
    count_include_pad: bool


def _cells(window: _Window, x_shape: tuple[int, ...], count_include_pad: bool, dtype: Any) -> Array:
    """Return how many cells the mean of each window divides by, of shape (1, 1, OH, OW)."""
    ones = np.ones((1, 1, *x_shape[2:]), dtype)
    inside = pad(ones, window.padding, value=float(count_include_pad), overhang=window.overhang)
    cells = np.zeros((1, 1, *window.output), dtype)
    for _, _, where in taps(window.kernel, window.output, window.stride):
        cells += inside[where]
    return cells


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
        x: (N, C, H, W).
        kernel_size: integer or (KH, KW).
        stride: integer or pair; None means ``kernel_size``.
        padding: zeros on each side, at most half the kernel.
        ceil_mode: whether a last window may hang over the image and its padding; what does, counts for
            nothing.
        count_include_pad: whether ``cells`` counts zeros of the padding, or only pixels.

    Returns:
        y of shape (N, C, OH, OW), see `pool2d_output_size`, and the cache for `avgpool2d_backward`.

    Raises:
        ValueError: if no window fits or a setting is out of range.

    Example:
        >>> y, cache = avgpool2d_forward(np.ones((1, 1, 2, 2)), 2, padding=1)
        >>> y[0, 0].tolist()
        [[0.25, 0.25], [0.25, 0.25]]
    """
    window = _Window.over("avgpool2d_forward", x.shape, kernel_size, stride, padding, ceil_mode)
    xpad = pad(x, window.padding, overhang=window.overhang)
    total = np.zeros((*x.shape[:2], *window.output), x.dtype)
    for _, _, where in taps(window.kernel, window.output, window.stride):
        total += xpad[where]
    y: Array = total / _cells(window, x.shape, count_include_pad, x.dtype)
    return y, AvgPool2dCache(x.shape, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avgpool2d_backward(dy: Array, cache: AvgPool2dCache) -> Array:
    """Spread every output's gradient evenly over its window.

    Args:
        dy: (N, C, OH, OW), gradient of the loss with respect to y.
        cache: from `avgpool2d_forward`.

    Returns:
        dx (N, C, H, W).

    Example:
        >>> y, cache = avgpool2d_forward(np.ones((1, 1, 2, 2)), 2)
        >>> avgpool2d_backward(np.ones_like(y), cache)[0, 0].tolist()
        [[0.25, 0.25], [0.25, 0.25]]
    """
    x_shape, kernel_size, stride, padding, ceil_mode, count_include_pad = cache
    window = _Window.over("avgpool2d_backward", x_shape, kernel_size, stride, padding, ceil_mode)
    share = dy / _cells(window, x_shape, count_include_pad, dy.dtype)
    dxpad = pad(np.zeros(x_shape, dy.dtype), window.padding, overhang=window.overhang)
    for _, _, where in taps(window.kernel, window.output, window.stride):
        dxpad[where] += share
    return crop(dxpad, window.padding, x_shape)


class GlobalAvgPool2dCache(NamedTuple):
    """What `global_avgpool2d_backward` needs: the shape of the images."""

    x_shape: tuple[int, ...]


def global_avgpool2d_forward(x: Array) -> tuple[Array, GlobalAvgPool2dCache]:
    """Take the mean of every channel over the whole image.

    ``y[n,c,0,0] = 1/(H W) sum_{h,w} x[n,c,h,w]``

    Args:
        x: (N, C, H, W).

    Returns:
        y of shape (N, C, 1, 1), and the cache for `global_avgpool2d_backward`.

    Example:
        >>> y, cache = global_avgpool2d_forward(np.arange(4.0).reshape(1, 1, 2, 2))
        >>> y.tolist()
        [[[[1.5]]]]

    Reference:
        Lin, Chen and Yan, Network in network, 2013, https://arxiv.org/abs/1312.4400
    """
    y: Array = x.mean(axis=(2, 3), keepdims=True)
    return y, GlobalAvgPool2dCache(x.shape)


def global_avgpool2d_backward(dy: Array, cache: GlobalAvgPool2dCache) -> Array:
    """Spread every channel's gradient evenly over the image.

    Args:
        dy: (N, C, 1, 1), gradient of the loss with respect to y.
        cache: from `global_avgpool2d_forward`.

    Returns:
        dx (N, C, H, W).

    Example:
        >>> y, cache = global_avgpool2d_forward(np.ones((1, 1, 2, 2)))
        >>> global_avgpool2d_backward(np.ones_like(y), cache).ravel().tolist()
        [0.25, 0.25, 0.25, 0.25]
    """
    h, w = cache.x_shape[2:]
    dx: Array = np.broadcast_to(dy / (h * w), cache.x_shape).copy()
    return dx
