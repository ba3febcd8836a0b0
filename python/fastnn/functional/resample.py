"""Images whose pixels are those of other images, moved: padding and upsampling."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from fastnn import _core
from fastnn.functional._args import Array, check_dtype, size_pair

IntOrPair: TypeAlias = int | tuple[int, int]
Margins: TypeAlias = int | tuple[int, int, int, int]


class Pad2dCache(NamedTuple):
    """What :func:`pad2d_backward` needs: the settings alone."""

    x_shape: tuple[int, ...]
    dtype: np.dtype[Any]
    padding: tuple[int, int, int, int]
    mode: str


def pad2d_forward(
    x: Array, padding: Margins, *, mode: Literal["zeros", "reflect"] = "zeros"
) -> tuple[Array, Pad2dCache]:
    """Put margins round images.

    ``y[n,c,i,j] = x[n,c, i - top, j - left]`` inside the image; outside it is 0, or with
    ``mode="reflect"`` the pixel as far inside of the outermost one as (i, j) is outside of it.

    Args:
        x: ``(N, C, H, W)``.
        padding: integer, or (left, right, top, bottom) as in PyTorch; to reflect, less than W and H.
        mode: ``"zeros"`` or ``"reflect"``.

    Returns:
        ``y`` ``(N, C, H + top + bottom, W + left + right)``, and the cache for :func:`pad2d_backward`.

    Raises:
        ValueError: a margin is out of range, or shape or dtype do not fit.

    Example:
        >>> import numpy as np
        >>> x = np.arange(3.0).reshape(1, 1, 1, 3)
        >>> pad2d_forward(x, (2, 1, 0, 0))[0].ravel().tolist()
        [0.0, 0.0, 0.0, 1.0, 2.0, 0.0]
        >>> pad2d_forward(x, (2, 1, 0, 0), mode="reflect")[0].ravel().tolist()
        [2.0, 1.0, 0.0, 1.0, 2.0, 1.0]
    """
    margins = _margins("pad2d_forward", padding)
    return _core.pad2d_forward(x, margins, mode), Pad2dCache(x.shape, x.dtype, margins, mode)


def pad2d_backward(dy: Array, cache: Pad2dCache) -> Array:
    """Cut the margins off a gradient; reflected pixels add theirs to the pixel that they show.

    Args:
        dy: y's shape, gradient of the loss by ``y``.
        cache: from :func:`pad2d_forward`.

    Returns:
        ``dx`` ``(N, C, H, W)``.

    Raises:
        ValueError: ``dy`` does not fit the forward call.

    Example:
        >>> import numpy as np
        >>> y, cache = pad2d_forward(np.ones((1, 1, 1, 3)), (2, 1, 0, 0), mode="reflect")
        >>> pad2d_backward(np.ones_like(y), cache).ravel().tolist()
        [1.0, 3.0, 2.0]
    """
    check_dtype("pad2d_backward", dy, cache.dtype)
    return _core.pad2d_backward(dy, cache.x_shape, cache.padding, cache.mode)


class Upsample2dCache(NamedTuple):
    """What :func:`upsample2d_backward` needs: the sizes alone."""

    x_shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale_factor: tuple[int, int]


def upsample2d_forward(x: Array, scale_factor: IntOrPair) -> tuple[Array, Upsample2dCache]:
    """Repeat every pixel: upsampling to the nearest neighbour.

    ``y[n,c,i,j] = x[n,c, floor(i/SH), floor(j/SW)]``

    Args:
        x: ``(N, C, H, W)``.
        scale_factor: integer or (SH, SW), how often a pixel stands in y along each axis.

    Returns:
        ``y`` ``(N, C, SH*H, SW*W)``, and the cache for :func:`upsample2d_backward`.

    Raises:
        ValueError: a factor is less than 1, or shape or dtype do not fit.

    Example:
        >>> import numpy as np
        >>> upsample2d_forward(np.array([[[[1.0, 2.0]]]]), 2)[0][0, 0].tolist()
        [[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]
    """
    scale = size_pair("upsample2d_forward", "scale_factor", scale_factor)
    return _core.upsample2d_forward(x, scale), Upsample2dCache(x.shape, x.dtype, scale)


def upsample2d_backward(dy: Array, cache: Upsample2dCache) -> Array:
    """Add up the gradients of every pixel's copies.

    Args:
        dy: ``(N, C, SH*H, SW*W)``, gradient of the loss by ``y``.
        cache: from :func:`upsample2d_forward`.

    Returns:
        ``dx`` ``(N, C, H, W)``.

    Raises:
        ValueError: ``dy`` does not fit the forward call.

    Example:
        >>> import numpy as np
        >>> y, cache = upsample2d_forward(np.ones((1, 1, 1, 2)), (1, 2))
        >>> upsample2d_backward(np.array([[[[1.0, 2.0, 3.0, 4.0]]]]), cache).ravel().tolist()
        [3.0, 7.0]
    """
    check_dtype("upsample2d_backward", dy, cache.dtype)
    return _core.upsample2d_backward(dy, cache.x_shape, cache.scale_factor)


def _margins(op: str, padding: Margins) -> tuple[int, int, int, int]:
    """Four integers from one or four."""
    four = padding if isinstance(padding, tuple | list) else (padding,) * 4
    if len(four) != 4 or not all(isinstance(v, int | np.integer) and not isinstance(v, bool) for v in four):
        raise ValueError(f"[{op}] padding: expected an integer or four of them, got {padding!r}")
    left, right, top, bottom = (int(v) for v in four)
    return left, right, top, bottom
