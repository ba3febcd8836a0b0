"""Transposed convolution, which makes images larger where a convolution makes them smaller."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from fastnn import _core, _runtime
from fastnn.functional._args import Array, size_pair

IntOrPair: TypeAlias = int | tuple[int, int]


class ConvTranspose2dCache(NamedTuple):
    """What :func:`conv_transpose2d_backward` needs: the inputs and the settings."""

    x: Array
    w: Array
    has_bias: bool
    stride: tuple[int, int]
    padding: tuple[int, int]
    output_padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    algo: str


def conv_transpose2d_forward(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    output_padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    algo: str = "auto",
) -> tuple[Array, ConvTranspose2dCache]:
    """Apply the transpose of a convolution.

    ``y[n,f,p,q] = b[f] + sum x[n,c,i,j] w[c,f,kh,kw]`` over all terms with
    ``p = i*stride - padding + kh*dilation`` and likewise ``q``

    It is what a convolution with these settings does to a gradient on its way back: each pixel of x paints
    its multiple of the filters into y. It does not undo the convolution, though it is often called
    deconvolution.

    Args:
        x: ``(N, C, H, W)``, any strides; fastest with channels last.
        w: ``(C, F/groups, KH, KW)``: inputs first, other than in :func:`conv2d_forward`.
        b: ``(F,)`` or None.
        stride: step in y between neighbouring pixels of x, integer or pair.
        padding: rows and columns cut off ``y`` on each side, integer or pair.
        output_padding: rows and columns more at the bottom and right, less than ``stride``: which of the
            sizes is meant that a strided convolution maps to that of x.
        dilation: distance between kernel cells, integer or pair.
        groups: number of groups; divides C and F.
        algo: as in :func:`conv2d_forward`.

    Returns:
        ``y`` ``(N, F, OH, OW)``, channels last in memory, with
        ``OH = (H - 1)*stride - 2*padding + dilation*(KH - 1) + output_padding + 1``; and the cache for
        :func:`conv_transpose2d_backward`.

    Raises:
        ValueError: shapes or dtypes do not fit, or nothing is left of y.

    Example:
        >>> import numpy as np
        >>> x = np.array([[[[1.0, 2.0]]]])
        >>> y, cache = conv_transpose2d_forward(x, np.ones((1, 1, 1, 3)), stride=2)
        >>> y[0, 0, 0].tolist()
        [1.0, 1.0, 3.0, 2.0, 2.0]

    Reference:
        Zeiler et al., "Deconvolutional networks", 2010, https://doi.org/10.1109/CVPR.2010.5539957
    """
    op = "conv_transpose2d_forward"
    window = (
        size_pair(op, "stride", stride),
        size_pair(op, "padding", padding),
        size_pair(op, "output_padding", output_padding),
        size_pair(op, "dilation", dilation),
    )
    algo = _runtime.default_conv_algo() if algo == "auto" else algo
    y = _core.conv_transpose2d_forward(x, w, b, *window, groups, algo)
    return y, ConvTranspose2dCache(x, w, b is not None, *window, groups, algo)


def conv_transpose2d_backward(
    dy: Array, cache: ConvTranspose2dCache, *, need_dx: bool = True, need_dw: bool = True
) -> tuple[Array | None, Array | None, Array | None]:
    """Gradients of a transposed convolution.

    ``dx`` is the convolution of ``dy`` with ``w``; every term ``x * w`` of the forward sum sends ``x * dy``
    to its weight; ``db[f] = sum_{n,p,q} dy[n,f,p,q]``.

    Args:
        dy: ``(N, F, OH, OW)``, gradient of the loss by ``y``.
        cache: from :func:`conv_transpose2d_forward`.
        need_dx: whether ``dx`` is wanted; the first layer of a net has no use for it.
        need_dw: whether ``dw`` and ``db`` are wanted; a layer that is frozen has no use for them.

    Returns:
        ``dx`` ``(N, C, H, W)``, ``dw`` ``(C, F/groups, KH, KW)``, ``db`` ``(F,)``; None for what is not
        wanted, and for ``db`` without bias. All overwrite: whoever accumulates adds them up.

    Raises:
        ValueError: ``dy`` does not fit the forward call.

    Example:
        >>> import numpy as np
        >>> y, cache = conv_transpose2d_forward(np.ones((1, 1, 1, 2)), np.ones((1, 1, 1, 2)), stride=2)
        >>> dx, dw, db = conv_transpose2d_backward(np.array([[[[1.0, 2.0, 3.0, 4.0]]]]), cache)
        >>> dx[0, 0, 0].tolist(), dw[0, 0, 0].tolist()
        ([3.0, 7.0], [4.0, 6.0])
    """
    return _conv_transpose2d_backward(dy, cache, need_dx=need_dx, need_dw=need_dw)


def _conv_transpose2d_backward(
    dy: Array,
    cache: ConvTranspose2dCache,
    *,
    need_dx: bool = True,
    need_dw: bool = True,
    dw: Array | None = None,
    db: Array | None = None,
) -> tuple[Array | None, Array | None, Array | None]:
    """Like `conv_transpose2d_backward`; ``dw`` and ``db`` are where to write the gradients of those names."""
    x, w, has_bias, stride, padding, output_padding, dilation, groups, algo = cache
    settings = stride, padding, output_padding, dilation, groups, algo
    return _core.conv_transpose2d_backward(dy, x, w, *settings, has_bias, need_dx, need_dw, dw, db)
