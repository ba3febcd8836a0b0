"""Convolution (cross-correlation, as every framework has it), and its unfolded form."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastnn import _core, _runtime
from fastnn._arguments import integer
from fastnn.functional._args import Array, size_pair
from fastnn.functional.norm import BatchNormBehind, BatchNormCache

IntOrPair: TypeAlias = int | tuple[int, int]
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
        ValueError: there is no place, or a setting is out of range.

    Example:
        >>> conv2d_output_size(32, 3, stride=2, padding=1)
        16
    """
    op = "conv2d_output_size"
    size, kernel = integer(op, "size", size), integer(op, "kernel", kernel)
    stride, dilation = integer(op, "stride", stride), integer(op, "dilation", dilation)
    padding = integer(op, "padding", padding, low=0)
    extent, padded = dilation * (kernel - 1) + 1, size + 2 * padding
    if extent > padded:
        raise ValueError(
            f"[{op}] kernel: expected an extent of at most the padded input, {padded}, got {extent}"
        )
    return (padded - extent) // stride + 1


class Conv2dCache(NamedTuple):
    """What :func:`conv2d_backward` needs: the inputs and the options.

    With an ``input_norm`` x is what that batch norm was given, and its output was never written.
    """

    x: Array
    w: Array
    has_bias: bool
    options: _core.ConvOptions
    input_norm: BatchNormCache | None = None


# Checked and converted once, not on every call.
_options = lru_cache(maxsize=4096)(_core.ConvOptions)


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
    Filters are not mirrored: what courses and frameworks call convolution is a cross-correlation.

    Args:
        x: ``(N, C, H, W)``, any strides; fastest with channels last, see :func:`fastnn.channels_last`.
        w: ``(F, C/groups, KH, KW)``.
        b: ``(F,)`` or None.
        stride: integer or (vertical, horizontal).
        padding: zeros on each side, integer or pair; or ``"same"``, which gives ``y`` the size of ``x``:
            ``dilation * (K - 1)`` zeros in all, of which the larger half comes behind the image. It needs
            stride 1, as in PyTorch; other frameworks then make ``ceil(W / stride)`` columns.
        dilation: distance between kernel cells, integer or pair.
        groups: number of groups; divides C and F.
        algo: ``"direct"`` gathers a band of rows at a time and writes no matrix of patches; ``"im2col"``
            writes it and multiplies; ``"winograd"`` needs 3x3 filters at stride 1 or 2; ``"auto"`` takes the
            fastest for the shape, or what :func:`fastnn.set_conv_algo` says. Backward follows. A NaN or
            infinity stays within its terms of the sums under ``"direct"``, else it may reach outputs beside.

    Returns:
        ``y`` ``(N, F, OH, OW)``, channels last in memory, see :func:`conv2d_output_size`; and the cache for
        :func:`conv2d_backward`.

    Raises:
        ValueError: shapes or dtypes do not fit, or the kernel exceeds the padded input.

    Example:
        >>> import numpy as np
        >>> y, cache = conv2d_forward(np.ones((1, 1, 4, 4)), np.ones((2, 1, 3, 3)), padding=1)
        >>> y[0, 0].tolist()[0]
        [4.0, 6.0, 6.0, 4.0]

    Reference:
        LeCun et al., "Gradient-based learning applied to document recognition", 1998,
        https://doi.org/10.1109/5.726791
    """
    op = "conv2d_forward"
    steps = (
        size_pair(op, "stride", stride),
        padding if isinstance(padding, str) else size_pair(op, "padding", padding),
        size_pair(op, "dilation", dilation),
    )
    groups = integer(op, "groups", groups)
    options = _options(op, *steps, groups, _runtime.default_conv_algo() if algo == "auto" else algo)
    y, _ = _core.conv2d_forward(x, w, b, options)
    return y, Conv2dCache(x, w, b is not None, options)


def conv2d_backward(
    dy: Array, cache: Conv2dCache, *, need_dx: bool = True, need_dw: bool = True
) -> tuple[Array | None, Array | None, Array | None]:
    """Gradients of a convolution.

    Every term ``w * xpad`` of the forward sum sends ``dy * w`` to its pixel and ``dy * xpad`` to its weight;
    ``db[f] = sum_{n,i,j} dy[n,f,i,j]``.

    Args:
        dy: ``(N, F, OH, OW)``, gradient of the loss by ``y``.
        cache: from :func:`conv2d_forward`.
        need_dx: whether ``dx`` is wanted; the first layer of a net has no use for it.
        need_dw: whether ``dw`` and ``db`` are wanted; a layer that is frozen has no use for them.

    Returns:
        ``dx`` ``(N, C, H, W)``, ``dw`` ``(F, C/groups, KH, KW)``, ``db`` ``(F,)``; None for what is not
        wanted, and for ``db`` without bias. All overwrite: whoever accumulates adds them up.

    Raises:
        ValueError: ``dy`` does not fit the forward call.

    Example:
        >>> import numpy as np
        >>> y, cache = conv2d_forward(np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3)), np.zeros(1))
        >>> dx, dw, db = conv2d_backward(np.full((1, 1, 1, 1), 2.0), cache)
        >>> dx[0, 0, 0].tolist(), db.tolist()
        ([2.0, 2.0, 2.0], [2.0])
    """
    return _conv2d_backward(dy, cache, need_dx=need_dx, need_dw=need_dw)[:3]


def _conv2d_forward(
    x: Array,
    w: Array,
    b: Array | None,
    stride: tuple[int, int],
    padding: tuple[int, int] | Literal["same"],
    dilation: tuple[int, int],
    groups: int,
    *,
    activation: Literal["relu"] | None = None,
    statistics: bool = False,
    input_norm: BatchNormCache | None = None,
) -> tuple[Array, Conv2dCache, NDArray[np.float64] | None]:
    """Like `conv2d_forward`, for fused runs of layers.

    The third result is, where ``statistics`` asks for it, mean and biased variance of every channel of y,
    (2, F), taken while y was in registers. ``input_norm`` is of a batch norm that left x as it was: the
    convolution applies it while it reads x. Only where `_conv2d_takes_input_norm`.
    """
    options = _options("conv2d_forward", stride, padding, dilation, groups, _runtime.default_conv_algo())
    before = None if input_norm is None else input_norm.arguments
    y, taken = _core.conv2d_forward(x, w, b, options, statistics, activation == "relu", before)
    # What the class's own constructor does, which is a function in Python.
    cache = tuple.__new__(Conv2dCache, (x, w, b is not None, options, input_norm))
    return y, cache, taken


def _conv2d_takes_input_norm(
    x: Array,
    w: Array,
    stride: tuple[int, int],
    padding: tuple[int, int] | Literal["same"],
    dilation: tuple[int, int],
    groups: int,
) -> bool:
    """Return whether all passes of this convolution can apply a batch norm to x while they read it."""
    options = _options("conv2d_forward", stride, padding, dilation, groups, _runtime.default_conv_algo())
    return _core.conv2d_takes_input_norm(x, w, options)


def _conv2d_backward(
    dy: Array,
    cache: Conv2dCache,
    *,
    need_dx: bool = True,
    need_dw: bool = True,
    dw: Array | None = None,
    db: Array | None = None,
    dx_residual: Array | None = None,
    norm: BatchNormCache | None = None,
    behind: BatchNormBehind | None = None,
) -> tuple[Array | None, Array | None, Array | None, NDArray[np.float64] | None]:
    """Like `conv2d_backward`; ``dw`` and ``db`` are where to write the gradients of those names.

    ``dx_residual``, of dx's shape, is added to dx. ``norm`` is of the batch norm whose output x was: where
    the kernel can, it masks dx by that norm's ReLU, and the fourth result, else None, are the ``sums`` that
    `_batchnorm_backward` takes. ``behind`` is of the batch norm that took y: dy is then the masked gradient
    of its output, and may be written over.
    """
    x, w, has_bias, options, input_norm = cache
    into = need_dx, need_dw, dw, db, dx_residual
    before = None if norm is None else norm.arguments
    applied = None if input_norm is None else input_norm.arguments
    after: tuple[object, ...] | None = None
    if behind is not None:
        cached, sums, dgamma, dbeta = behind
        after = *cached.arguments, cached.training, sums, dgamma, dbeta
    return _core.conv2d_backward(dy, x, w, options, has_bias, *into, before, after, applied)


class Conv1dCache(NamedTuple):
    """What :func:`conv1d_backward` needs: the inputs and the settings."""

    x: Array
    w: Array
    has_bias: bool
    options: _core.ConvOptions


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
    """Convolve signals with filters.

    ``y[n,f,i] = b[f] + sum_{c,k} w[f,c,k] xpad[n,c, i*stride + k*dilation]``

    A signal is an image of one row, so this is :func:`conv2d_forward` on views of the same memory;
    :func:`fastnn.set_conv_algo` decides the algorithm.

    Args:
        x: ``(N, C, L)``, any strides; fastest with channels last in memory.
        w: ``(F, C/groups, K)``.
        b: ``(F,)`` or None.
        stride: step between places.
        padding: zeros on each side, or ``"same"`` as in :func:`conv2d_forward`.
        dilation: distance between kernel cells.
        groups: number of groups; divides C and F.

    Returns:
        ``y`` ``(N, F, OL)``, channels last in memory, see :func:`conv2d_output_size`; and the cache for
        :func:`conv1d_backward`.

    Raises:
        ValueError: shapes or dtypes do not fit, or the kernel exceeds the padded input.

    Example:
        >>> import numpy as np
        >>> y, cache = conv1d_forward(np.arange(5.0).reshape(1, 1, 5), np.array([[[1.0, 0.0, -1.0]]]))
        >>> y[0, 0].tolist()
        [-2.0, -2.0, -2.0]

    Reference:
        Waibel et al., "Phoneme recognition using time-delay neural networks", 1989,
        https://doi.org/10.1109/29.21701
    """
    op = "conv1d_forward"
    stride, dilation = integer(op, "stride", stride), integer(op, "dilation", dilation)
    along = padding if isinstance(padding, str) else (0, integer(op, "padding", padding, low=0))
    options = _options(op, (1, stride), along, (1, dilation), groups, _runtime.default_conv_algo())
    y, _ = _core.conv1d_forward(x, w, b, options)
    return y[:, :, 0], Conv1dCache(x, w, b is not None, options)


def conv1d_backward(
    dy: Array, cache: Conv1dCache, *, need_dx: bool = True, need_dw: bool = True
) -> tuple[Array | None, Array | None, Array | None]:
    """Gradients of a one-dimensional convolution.

    Every term ``w * xpad`` of the forward sum sends ``dy * w`` to its element and ``dy * xpad`` to its
    weight; ``db[f] = sum_{n,i} dy[n,f,i]``.

    Args:
        dy: ``(N, F, OL)``, gradient of the loss by ``y``.
        cache: from :func:`conv1d_forward`.
        need_dx: whether ``dx`` is wanted; the first layer of a net has no use for it.
        need_dw: whether ``dw`` and ``db`` are wanted; a layer that is frozen has no use for them.

    Returns:
        ``dx`` ``(N, C, L)``, ``dw`` ``(F, C/groups, K)``, ``db`` ``(F,)``; None for what is not wanted, and
        for ``db`` without bias. All overwrite.

    Raises:
        ValueError: ``dy`` does not fit the forward call.

    Example:
        >>> import numpy as np
        >>> y, cache = conv1d_forward(np.ones((1, 1, 3)), np.ones((1, 1, 3)), np.zeros(1))
        >>> dx, dw, db = conv1d_backward(np.full((1, 1, 1), 2.0), cache)
        >>> dx[0, 0].tolist(), db.tolist()
        ([2.0, 2.0, 2.0], [2.0])
    """
    return _conv1d_backward(dy, cache, need_dx=need_dx, need_dw=need_dw)


def _conv1d_backward(
    dy: Array,
    cache: Conv1dCache,
    *,
    need_dx: bool = True,
    need_dw: bool = True,
    dw: Array | None = None,
    db: Array | None = None,
) -> tuple[Array | None, Array | None, Array | None]:
    """Like `conv1d_backward`; ``dw`` and ``db`` are where to write the gradients of those names."""
    x, w, has_bias, options = cache
    rows = None if dw is None else dw[:, :, None]
    dx, dw, db, _ = _core.conv1d_backward(dy, x, w, options, has_bias, need_dx, need_dw, rows, db)
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
        x: ``(N, C, H, W)``.
        kernel_size: integer or (KH, KW).
        stride: integer or pair.
        padding: zeros on each side, integer or pair.
        dilation: integer or pair.

    Returns:
        ``(N, C*KH*KW, OH*OW)``, as ``torch.nn.functional.unfold``.

    Raises:
        ValueError: the kernel exceeds the padded input.

    Example:
        >>> import numpy as np
        >>> im2col(np.arange(9.0).reshape(1, 1, 3, 3), 2)[0, 0].tolist()
        [0.0, 1.0, 3.0, 4.0]
    """
    return _core.im2col(x, *_window("im2col", kernel_size, stride, padding, dilation))


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
        cols: ``(N, C*KH*KW, OH*OW)``.
        x_shape: ``(N, C, H, W)`` of the images.
        kernel_size: integer or (KH, KW).
        stride: integer or pair.
        padding: zeros on each side, integer or pair.
        dilation: integer or pair.

    Returns:
        ``(N, C, H, W)``, channels last in memory.

    Raises:
        ValueError: ``cols`` is not of the shape that `im2col` gives for these settings.

    Example:
        >>> import numpy as np
        >>> col2im(np.ones((1, 4, 4)), (1, 1, 3, 3), 2)[0, 0].tolist()
        [[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]
    """
    window = _window("col2im", kernel_size, stride, padding, dilation)
    sizes = [integer("col2im", "x_shape", size, low=0) for size in x_shape]
    return _core.col2im(cols, sizes, *window)


def _window(
    op: str, kernel_size: IntOrPair, stride: IntOrPair, padding: IntOrPair, dilation: IntOrPair
) -> tuple[tuple[int, int], ...]:
    """All settings of a window as pairs."""
    return (
        size_pair(op, "kernel_size", kernel_size),
        size_pair(op, "stride", stride),
        size_pair(op, "padding", padding),
        size_pair(op, "dilation", dilation),
    )
