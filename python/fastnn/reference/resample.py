"""Images whose pixels are those of other images, moved: padding and upsampling."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from fastnn.reference._geometry import Array, IntOrPair, Pair, pair, require

Margins: TypeAlias = int | tuple[int, int, int, int]


class Pad2dCache(NamedTuple):
    """What `pad2d_backward` needs: the settings alone."""

    x_shape: tuple[int, ...]
    padding: tuple[int, int, int, int]
    mode: str


def pad2d_forward(
    x: Array, padding: Margins, *, mode: Literal["zeros", "reflect"] = "zeros"
) -> tuple[Array, Pad2dCache]:
    """Put margins round images.

    ``y[n,c,i,j] = x[n,c, i - top, j - left]`` inside the image; outside it is 0, or with
    ``mode="reflect"`` the pixel as far inside of the outermost one as (i, j) is outside of it.

    Args:
        x: (N, C, H, W).
        padding: integer, or (left, right, top, bottom) as in PyTorch; to reflect, less than W and H.
        mode: ``"zeros"`` or ``"reflect"``.

    Returns:
        y (N, C, H + top + bottom, W + left + right), and the cache for `pad2d_backward`.

    Raises:
        ValueError: if a margin is out of range.

    Example:
        >>> pad2d_forward(np.arange(3.0).reshape(1, 1, 1, 3), (2, 1, 0, 0), mode="reflect")[0].tolist()
        [[[[2.0, 1.0, 0.0, 1.0, 2.0, 1.0]]]]
    """
    left, right, top, bottom = (padding,) * 4 if isinstance(padding, int) else padding
    fits = min(left, right, top, bottom) >= 0
    if mode == "reflect":
        fits = fits and max(top, bottom) < x.shape[2] and max(left, right) < x.shape[3]
    require(fits, "pad2d_forward", "padding", "margins >= 0, and less than the image to reflect it", padding)
    how = {"zeros": "constant", "reflect": "reflect"}
    require(mode in how, "pad2d_forward", "mode", "zeros or reflect", mode)
    y: Array = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), mode=how[mode])  # type: ignore[call-overload]
    return y, Pad2dCache(x.shape, (left, right, top, bottom), mode)


def pad2d_backward(dy: Array, cache: Pad2dCache) -> Array:
    """Cut the margins off a gradient; reflected pixels add theirs to the pixel that they show.

    Args:
        dy: y's shape, gradient of the loss with respect to y.
        cache: from `pad2d_forward`.

    Returns:
        dx (N, C, H, W).

    Example:
        >>> y, cache = pad2d_forward(np.ones((1, 1, 1, 3)), (2, 1, 0, 0), mode="reflect")
        >>> pad2d_backward(np.ones_like(y), cache).ravel().tolist()
        [1.0, 3.0, 2.0]
    """
    x_shape, (left, right, top, bottom), mode = cache
    dx = np.zeros(x_shape, dy.dtype)
    h, w = x_shape[2:]
    for i in range(-top, h + bottom):
        for j in range(-left, w + right):
            inside = 0 <= i < h and 0 <= j < w
            if inside or mode == "reflect":
                dx[:, :, _mirrored(i, h), _mirrored(j, w)] += dy[:, :, top + i, left + j]
    return dx


def _mirrored(position: int, size: int) -> int:
    """Return the position inside that one outside shows."""
    inside = abs(position)
    return inside if inside < size else 2 * (size - 1) - inside


class Upsample2dCache(NamedTuple):
    """What `upsample2d_backward` needs: the sizes alone."""

    x_shape: tuple[int, ...]
    scale_factor: Pair


def upsample2d_forward(x: Array, scale_factor: IntOrPair) -> tuple[Array, Upsample2dCache]:
    """Repeat every pixel: upsampling to the nearest neighbour.

    ``y[n,c,i,j] = x[n,c, floor(i/SH), floor(j/SW)]``

    Args:
        x: (N, C, H, W).
        scale_factor: integer or (SH, SW), how often a pixel stands in y along each axis.

    Returns:
        y (N, C, SH*H, SW*W), and the cache for `upsample2d_backward`.

    Raises:
        ValueError: if a factor is less than 1.

    Example:
        >>> upsample2d_forward(np.array([[[[1.0, 2.0]]]]), 2)[0][0, 0].tolist()
        [[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]
    """
    scale = pair("upsample2d_forward", "scale_factor", scale_factor, least=1)
    y: Array = x.repeat(scale[0], axis=2).repeat(scale[1], axis=3)
    return y, Upsample2dCache(x.shape, scale)


def upsample2d_backward(dy: Array, cache: Upsample2dCache) -> Array:
    """Add up the gradients of every pixel's copies.

    Args:
        dy: (N, C, SH*H, SW*W), gradient of the loss with respect to y.
        cache: from `upsample2d_forward`.

    Returns:
        dx (N, C, H, W).

    Example:
        >>> y, cache = upsample2d_forward(np.ones((1, 1, 1, 2)), (1, 2))
        >>> upsample2d_backward(np.array([[[[1.0, 2.0, 3.0, 4.0]]]]), cache).ravel().tolist()
        [3.0, 7.0]
    """
    (n, c, h, w), (sh, sw) = cache
    dx: Array = dy.reshape(n, c, h, sh, w, sw).sum(axis=(3, 5))
    return dx
