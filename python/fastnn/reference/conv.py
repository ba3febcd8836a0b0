"""Convolution (cross-correlation, as every framework has it), and its unfolded form."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from fastnn.reference._geometry import Array, IntOrPair, Pair, crop, output_size, pad, pair, require, taps

Padding2d: TypeAlias = IntOrPair | Literal["same"]
Padding1d: TypeAlias = int | Literal["same"]


def conv2d_output_size(
    size: int, kernel: int, *, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    """Return how many places a kernel has along one axis.

    ``floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1``

    Args:
        size: extent of the input in pixels.
        kernel: extent of the kernel in cells.
        stride: step between places.
        padding: zeros added on each side.
        dilation: distance in pixels between neighbouring kernel cells.

    Raises:
        ValueError: if there is no place, or a setting is out of range.

    Example:
        >>> conv2d_output_size(32, 3, stride=2, padding=1)
        16
    """
    op = "conv2d_output_size"
    for name, value, least in (("size", size, 1), ("kernel", kernel, 1), ("stride", stride, 1)):
        require(value >= least, op, name, f"an integer >= {least}", value)
    require(padding >= 0, op, "padding", "an integer >= 0", padding)
    require(dilation >= 1, op, "dilation", "an integer >= 1", dilation)
    return output_size(op, size, kernel, stride, padding, dilation)


class _Window(NamedTuple):
    """A kernel's settings as pairs, and the output extent that they give."""

    kernel: Pair
    stride: Pair
    padding: Pair
    overhang: Pair  # zeros behind the image beyond those before it
    dilation: Pair
    output: Pair

    @classmethod
    def over(
        cls, op: str, image: Pair, kernel: Pair, stride: IntOrPair, padding: Padding2d, dilation: IntOrPair
    ) -> _Window:
        s = pair(op, "stride", stride, least=1)
        d = pair(op, "dilation", dilation, least=1)
        if isinstance(padding, str):
            require(padding == "same", op, "padding", 'integers or "same"', repr(padding))
            require(s == (1, 1), op, "stride", '1 with padding "same"', stride)
            zeros = [d[i] * (kernel[i] - 1) for i in range(2)]
            p, more = (zeros[0] // 2, zeros[1] // 2), (zeros[0] % 2, zeros[1] % 2)
            return cls(kernel, s, p, more, d, image)
        p = pair(op, "padding", padding, least=0)
        oh, ow = (output_size(op, image[i], kernel[i], s[i], p[i], d[i]) for i in range(2))
        return cls(kernel, s, p, (0, 0), d, (oh, ow))


class Conv2dCache(NamedTuple):
    """What `conv2d_backward` needs: the inputs and the settings."""

    x: Array
    w: Array
    has_bias: bool
    stride: IntOrPair
    padding: Padding2d
    dilation: IntOrPair
    groups: int


def conv2d_forward(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: IntOrPair = 1,
    padding: Padding2d = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    algo: str = "auto",
) -> tuple[Array, Conv2dCache]:
    """Convolve images with filters.

    ``y[n,f,i,j] = b[f] + sum_{c,kh,kw} w[f,c,kh,kw] xpad[n,c,i*stride + kh*dilation,j*stride + kw*dilation]``

    Filters and channels are cut into ``groups`` equal runs; filters of a run see only the channels of theirs.

    Args:
        x: (N, C, H, W).
        w: (F, C/groups, KH, KW).
        b: (F,) or None.
        stride: integer or (vertical, horizontal).
        padding: zeros on each side, integer or pair; or ``"same"``, which gives y the size of x at stride 1:
            ``dilation * (K - 1)`` zeros in all, of which the larger half comes behind the image.
        dilation: distance between kernel cells, integer or pair.
        groups: number of groups; divides C and F.
        algo: how a kernel computes it; there is one way here, so it means nothing.

    Returns:
        y of shape (N, F, OH, OW), see `conv2d_output_size`, and the cache for `conv2d_backward`.

    Raises:
        ValueError: if shapes do not fit or the kernel exceeds the padded input.

    Example:
        >>> y, cache = conv2d_forward(np.ones((1, 1, 4, 4)), np.ones((2, 1, 3, 3)), padding=1)
        >>> y[0, 0].tolist()[0]
        [4.0, 6.0, 6.0, 4.0]

    Reference:
        LeCun et al., Gradient-based learning applied to document recognition, 1998,
        https://doi.org/10.1109/5.726791
    """
    op = "conv2d_forward"
    (n, c, h, width), (f, cg, kh, kw) = x.shape, w.shape
    require(groups >= 1 and c % groups == 0, op, "groups", f"a divisor of C={c}", groups)
    require(f % groups == 0, op, "groups", f"a divisor of F={f}", groups)
    fits = cg == c // groups
    require(fits, op, "w", f"shape (F, {c // groups}, KH, KW) for C={c}, groups={groups}", w.shape)
    window = _Window.over(op, (h, width), (kh, kw), stride, padding, dilation)

    # G: group, c and f: channel and filter within the group.
    xg = pad(x, window.padding, overhang=window.overhang)
    wg = w.reshape(groups, f // groups, cg, kh, kw)
    y = np.zeros((n, groups, f // groups, *window.output), x.dtype)
    for i, j, where in taps(window.kernel, window.output, window.stride, window.dilation):
        seen = xg[where].reshape(n, groups, cg, *window.output)
        y += np.einsum("nGchw,Gfc->nGfhw", seen, wg[..., i, j])
    y = y.reshape(n, f, *window.output)
    if b is not None:
        y += b[:, None, None]
    return y, Conv2dCache(x, w, b is not None, stride, padding, dilation, groups)


def conv2d_backward(
    dy: Array, cache: Conv2dCache, *, need_dx: bool = True, need_dw: bool = True
) -> tuple[Array | None, Array | None, Array | None]:
    """Propagate a gradient through a convolution.

    Every term ``w * xpad`` of the forward sum sends ``dy * w`` to its pixel and ``dy * xpad`` to its weight;
    ``db[f] = sum_{n,i,j} dy[n,f,i,j]``.

    Args:
        dy: (N, F, OH, OW), gradient of the loss with respect to y.
        cache: from `conv2d_forward`.
        need_dx: False skips dx, which the first layer of a net has no use for.
        need_dw: False skips dw and db, which a frozen layer has no use for.

    Returns:
        dx (N, C, H, W), dw (F, C/groups, KH, KW) and db (F,); None for what is skipped, and for db without
        bias.

    Example:
        >>> y, cache = conv2d_forward(np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3)), np.zeros(1))
        >>> dx, dw, db = conv2d_backward(np.full((1, 1, 1, 1), 2.0), cache)
        >>> dx[0, 0, 0].tolist(), db.tolist()
        ([2.0, 2.0, 2.0], [2.0])
    """
    x, w, has_bias, stride, padding, dilation, groups = cache
    (n, c, h, width), (f, cg, kh, kw) = x.shape, w.shape
    window = _Window.over("conv2d_backward", (h, width), (kh, kw), stride, padding, dilation)

    xpad = pad(x, window.padding, overhang=window.overhang)
    dxpad = np.zeros_like(xpad)
    wg = w.reshape(groups, f // groups, cg, kh, kw)
    dwg = np.zeros(wg.shape, w.dtype)
    dyg = dy.reshape(n, groups, f // groups, *window.output)
    for i, j, where in taps(window.kernel, window.output, window.stride, window.dilation):
        seen = xpad[where].reshape(n, groups, cg, *window.output)
        dwg[..., i, j] = np.einsum("nGfhw,nGchw->Gfc", dyg, seen)
        dxpad[where] += np.einsum("nGfhw,Gfc->nGchw", dyg, wg[..., i, j]).reshape(n, c, *window.output)
    dx = crop(dxpad, window.padding, x.shape) if need_dx else None
    db = dy.sum(axis=(0, 2, 3)) if has_bias and need_dw else None
    return dx, dwg.reshape(w.shape) if need_dw else None, db


class Conv1dCache(NamedTuple):
    """What `conv1d_backward` needs: the cache of the image's convolution."""

    image: Conv2dCache


def conv1d_forward(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: int = 1,
    padding: Padding1d = 0,
    dilation: int = 1,
    groups: int = 1,
) -> tuple[Array, Conv1dCache]:
    """Convolve signals with filters: those are images and filters of one row.

    ``y[n,f,i] = b[f] + sum_{c,k} w[f,c,k] xpad[n,c, i*stride + k*dilation]``

    Args:
        x: (N, C, L).
        w: (F, C/groups, K).
        b: (F,) or None.
        stride: step between places.
        padding: zeros on each side, or ``"same"`` as in `conv2d_forward`.
        dilation: distance between kernel cells.
        groups: number of groups; divides C and F.

    Returns:
        y of shape (N, F, OL), see `conv2d_output_size`, and the cache for `conv1d_backward`.

    Raises:
        ValueError: if shapes do not fit or the kernel exceeds the padded input.

    Example:
        >>> y, cache = conv1d_forward(np.arange(5.0).reshape(1, 1, 5), np.array([[[1.0, 0.0, -1.0]]]))
        >>> y[0, 0].tolist()
        [-2.0, -2.0, -2.0]

    Reference:
        Waibel et al., Phoneme recognition using time-delay neural networks, 1989,
        https://doi.org/10.1109/29.21701
    """
    y, cache = conv2d_forward(
        x[:, :, None],
        w[:, :, None],
        b,
        stride=(1, stride),
        padding=padding if isinstance(padding, str) else (0, padding),
        dilation=(1, dilation),
        groups=groups,
    )
    return y[:, :, 0], Conv1dCache(cache)


def conv1d_backward(
    dy: Array, cache: Conv1dCache, *, need_dx: bool = True, need_dw: bool = True
) -> tuple[Array | None, Array | None, Array | None]:
    """Propagate a gradient through a one-dimensional convolution.

    Args:
        dy: (N, F, OL), gradient of the loss with respect to y.
        cache: from `conv1d_forward`.
        need_dx: False skips dx, which the first layer of a net has no use for.
        need_dw: False skips dw and db, which a frozen layer has no use for.

    Returns:
        dx (N, C, L), dw (F, C/groups, K) and db (F,); None for what is skipped, and for db without bias.

    Example:
        >>> y, cache = conv1d_forward(np.ones((1, 1, 3)), np.ones((1, 1, 3)), np.zeros(1))
        >>> dx, dw, db = conv1d_backward(np.full((1, 1, 1), 2.0), cache)
        >>> dx[0, 0].tolist(), db.tolist()
        ([2.0, 2.0, 2.0], [2.0])
    """
    dx, dw, db = conv2d_backward(dy[:, :, None], cache.image, need_dx=need_dx, need_dw=need_dw)
    return None if dx is None else dx[:, :, 0], None if dw is None else dw[:, :, 0], db


def im2col(
    x: Array,
    kernel_size: IntOrPair,
    *,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
) -> Array:
    """Write the patch under every place of a kernel into a column, so that convolution becomes a product.

    ``cols[n, (c*KH + kh)*KW + kw, i*OW + j] = xpad[n, c, i*stride + kh*dilation, j*stride + kw*dilation]``

    Args:
        x: (N, C, H, W).
        kernel_size: integer or (KH, KW).
        stride: integer or pair.
        padding: zeros on each side, integer or pair.
        dilation: integer or pair.

    Returns:
        (N, C*KH*KW, OH*OW), as ``torch.nn.functional.unfold``.

    Raises:
        ValueError: if the kernel exceeds the padded input.

    Example:
        >>> im2col(np.arange(9.0).reshape(1, 1, 3, 3), 2)[0, 0].tolist()
        [0.0, 1.0, 3.0, 4.0]
    """
    n, c, h, width = x.shape
    kernel = pair("im2col", "kernel_size", kernel_size, least=1)
    window = _Window.over("im2col", (h, width), kernel, stride, padding, dilation)
    xpad = pad(x, window.padding)
    cols = np.empty((n, c, *kernel, *window.output), x.dtype)
    for i, j, where in taps(kernel, window.output, window.stride, window.dilation):
        cols[:, :, i, j] = xpad[where]
    return cols.reshape(n, c * kernel[0] * kernel[1], window.output[0] * window.output[1])


def col2im(
    cols: Array,
    x_shape: tuple[int, int, int, int],
    kernel_size: IntOrPair,
    *,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
) -> Array:
    """Add every column back to the patch that it came from: the transpose, not the inverse, of `im2col`.

    ``xpad[n, c, i*stride + kh*dilation, j*stride + kw*dilation] += cols[n, (c*KH + kh)*KW + kw, i*OW + j]``

    Args:
        cols: (N, C*KH*KW, OH*OW).
        x_shape: (N, C, H, W) of the images.
        kernel_size: integer or (KH, KW).
        stride: integer or pair.
        padding: zeros on each side, integer or pair.
        dilation: integer or pair.

    Returns:
        (N, C, H, W).

    Raises:
        ValueError: if ``cols`` is not of the shape that `im2col` gives for these settings.

    Example:
        >>> col2im(np.ones((1, 4, 4)), (1, 1, 3, 3), 2)[0, 0].tolist()
        [[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]
    """
    n, c, h, width = x_shape
    kernel = pair("col2im", "kernel_size", kernel_size, least=1)
    window = _Window.over("col2im", (h, width), kernel, stride, padding, dilation)
    shape = (n, c * kernel[0] * kernel[1], window.output[0] * window.output[1])
    require(cols.shape == shape, "col2im", "cols", f"shape {shape}", cols.shape)
    patches = cols.reshape(n, c, *kernel, *window.output)
    xpad = pad(np.zeros(x_shape, cols.dtype), window.padding)
    for i, j, where in taps(kernel, window.output, window.stride, window.dilation):
        xpad[where] += patches[:, :, i, j]
    return crop(xpad, window.padding, x_shape)
