"""Transposed convolution, which makes images larger where a convolution makes them smaller."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastnn.reference._geometry import Array, IntOrPair, Pair, pair, require, taps


class ConvTranspose2dCache(NamedTuple):
    """What `conv_transpose2d_backward` needs: the inputs and the settings."""

    x: Array
    w: Array
    has_bias: bool
    stride: Pair
    padding: Pair
    output_padding: Pair
    dilation: Pair
    groups: int


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

    Args:
        x: (N, C, H, W).
        w: (C, F/groups, KH, KW): inputs first, other than in `conv2d_forward`.
        b: (F,) or None.
        stride: step in y between neighbouring pixels of x, integer or pair.
        padding: rows and columns cut off y on each side, integer or pair.
        output_padding: rows and columns more at the bottom and right, less than ``stride``.
        dilation: distance between kernel cells, integer or pair.
        groups: number of groups; divides C and F.
        algo: how a kernel computes it; there is one way here, so it means nothing.

    Returns:
        y (N, F, OH, OW) with ``OH = (H - 1)*stride - 2*padding + dilation*(KH - 1) + output_padding + 1``,
        and the cache for `conv_transpose2d_backward`.

    Raises:
        ValueError: if shapes do not fit or nothing is left of y.

    Example:
        >>> x = np.array([[[[1.0, 2.0]]]])
        >>> conv_transpose2d_forward(x, np.ones((1, 1, 1, 3)), stride=2)[0].ravel().tolist()
        [1.0, 1.0, 3.0, 2.0, 2.0]

    Reference:
        Zeiler et al., Deconvolutional networks, 2010, https://doi.org/10.1109/CVPR.2010.5539957
    """
    op = "conv_transpose2d_forward"
    s, p = pair(op, "stride", stride, least=1), pair(op, "padding", padding, least=0)
    d = pair(op, "dilation", dilation, least=1)
    extra = pair(op, "output_padding", output_padding, least=0)
    require(extra[0] < s[0] and extra[1] < s[1], op, "output_padding", "less than the stride", extra)
    (n, c, h, width), (cw, fg, kh, kw) = x.shape, w.shape
    require(groups >= 1 and c % groups == 0, op, "groups", f"a divisor of C={c}", groups)
    require(cw == c, op, "w", f"shape ({c}, F/groups, KH, KW) for C={c}", w.shape)

    # Painted with the rows and columns that padding cuts off.
    full = [(x.shape[2 + k] - 1) * s[k] + d[k] * (w.shape[2 + k] - 1) + 1 + extra[k] for k in range(2)]
    require(min(full[0] - 2 * p[0], full[1] - 2 * p[1]) >= 1, op, "padding", "so little that y has pixels", p)
    y = np.zeros((n, groups * fg, *full), x.dtype)
    xg = x.reshape(n, groups, c // groups, h, width)
    wg = w.reshape(groups, c // groups, fg, kh, kw)
    for i, j, where in taps((kh, kw), (h, width), s, d):
        y[where] += np.einsum("nGchw,Gcf->nGfhw", xg, wg[..., i, j]).reshape(n, groups * fg, h, width)
    y = y[:, :, p[0] : full[0] - p[0], p[1] : full[1] - p[1]]
    if b is not None:
        y += b[:, None, None]
    return y, ConvTranspose2dCache(x, w, b is not None, s, p, extra, d, groups)


def conv_transpose2d_backward(
    dy: Array, cache: ConvTranspose2dCache, *, need_dx: bool = True, need_dw: bool = True
) -> tuple[Array | None, Array | None, Array | None]:
    """Propagate a gradient through a transposed convolution.

    ``dx`` is the convolution of ``dy`` with ``w``; every term ``x * w`` of the forward sum sends ``x * dy``
    to its weight; ``db[f] = sum_{n,p,q} dy[n,f,p,q]``.

    Args:
        dy: (N, F, OH, OW), gradient of the loss with respect to y.
        cache: from `conv_transpose2d_forward`.
        need_dx: False skips dx, which the first layer of a net has no use for.
        need_dw: False skips dw and db, which a frozen layer has no use for.

    Returns:
        dx (N, C, H, W), dw (C, F/groups, KH, KW) and db (F,); None for what is skipped, and for db without
        bias.

    Example:
        >>> y, cache = conv_transpose2d_forward(np.ones((1, 1, 1, 2)), np.ones((1, 1, 1, 2)), stride=2)
        >>> dx, dw, db = conv_transpose2d_backward(np.array([[[[1.0, 2.0, 3.0, 4.0]]]]), cache)
        >>> dx[0, 0, 0].tolist(), dw[0, 0, 0].tolist()
        ([3.0, 7.0], [4.0, 6.0])
    """
    x, w, has_bias, s, p, _, d, groups = cache
    (n, c, h, width), (_, fg, kh, kw) = x.shape, w.shape
    full = np.pad(dy, ((0, 0), (0, 0), (p[0], p[0]), (p[1], p[1])))
    xg = x.reshape(n, groups, c // groups, h, width)
    wg = w.reshape(groups, c // groups, fg, kh, kw)
    dxg, dwg = np.zeros_like(xg), np.zeros_like(wg)
    for i, j, where in taps((kh, kw), (h, width), s, d):
        seen = full[where].reshape(n, groups, fg, h, width)
        dxg += np.einsum("nGfhw,Gcf->nGchw", seen, wg[..., i, j])
        dwg[..., i, j] = np.einsum("nGchw,nGfhw->Gcf", xg, seen)
    dx = dxg.reshape(x.shape) if need_dx else None
    db = dy.sum(axis=(0, 2, 3)) if has_bias and need_dw else None
    return dx, dwg.reshape(w.shape) if need_dw else None, db
