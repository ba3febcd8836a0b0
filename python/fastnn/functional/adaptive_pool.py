"""Pooling to a given size: windows as equal as they can be."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastnn import _core
from fastnn.functional._args import Array, check_dtype, size_pair

IntOrPair: TypeAlias = int | tuple[int, int]


class AdaptiveAvgPool2dCache(NamedTuple):
    """What :func:`adaptive_avgpool2d_backward` needs: the sizes alone."""

    x_shape: tuple[int, ...]
    dtype: np.dtype[Any]
    output_size: tuple[int, int]


def adaptive_avgpool2d_forward(x: Array, output_size: IntOrPair) -> tuple[Array, AdaptiveAvgPool2dCache]:
    """Take the mean of as many windows as wanted, as equal as they can be.

    ``y[n,c,i,j] = mean of x[n,c,h,w]`` over ``floor(i*H/OH) <= h < ceil((i+1)*H/OH)`` and likewise ``w``

    Neighbouring windows share a row or column where OH does not divide H, and pixels are repeated where it
    exceeds H.

    Args:
        x: ``(N, C, H, W)``.
        output_size: integer or (OH, OW).

    Returns:
        ``y`` ``(N, C, OH, OW)``, and the cache for :func:`adaptive_avgpool2d_backward`.

    Raises:
        ValueError: a size is less than 1, or shape or dtype do not fit.

    Example:
        >>> import numpy as np
        >>> y, cache = adaptive_avgpool2d_forward(np.arange(5.0).reshape(1, 1, 1, 5), (1, 2))
        >>> y.ravel().tolist()
        [1.0, 3.0]
    """
    size = size_pair("adaptive_avgpool2d_forward", "output_size", output_size)
    y = _core.adaptive_avgpool2d_forward(x, size)
    return y, AdaptiveAvgPool2dCache(x.shape, x.dtype, size)


def adaptive_avgpool2d_backward(dy: Array, cache: AdaptiveAvgPool2dCache) -> Array:
    """Spread every output's gradient evenly over its window.

    Args:
        dy: ``(N, C, OH, OW)``, gradient of the loss by ``y``.
        cache: from :func:`adaptive_avgpool2d_forward`.

    Returns:
        ``dx`` ``(N, C, H, W)``.

    Raises:
        ValueError: ``dy`` does not fit the forward call.

    Example:
        >>> import numpy as np
        >>> y, cache = adaptive_avgpool2d_forward(np.ones((1, 1, 1, 4)), (1, 2))
        >>> adaptive_avgpool2d_backward(np.array([[[[2.0, 4.0]]]]), cache).ravel().tolist()
        [1.0, 1.0, 2.0, 2.0]
    """
    check_dtype("adaptive_avgpool2d_backward", dy, cache.dtype)
    return _core.adaptive_avgpool2d_backward(dy, cache.x_shape, cache.output_size)


class AdaptiveMaxPool2dCache(NamedTuple):
    """What :func:`adaptive_maxpool2d_backward` needs; ``winner`` numbers the pixel that won."""

    winner: NDArray[Any]
    x_shape: tuple[int, ...]
    dtype: np.dtype[Any]
    output_size: tuple[int, int]


def adaptive_maxpool2d_forward(x: Array, output_size: IntOrPair) -> tuple[Array, AdaptiveMaxPool2dCache]:
    """Take the maximum of as many windows as wanted, as equal as they can be.

    ``y[n,c,i,j] = max of x[n,c,h,w]`` over ``floor(i*H/OH) <= h < ceil((i+1)*H/OH)`` and likewise ``w``

    Of equal maxima the first in row-major order wins; NaN is greater than any number.

    Args:
        x: ``(N, C, H, W)``.
        output_size: integer or (OH, OW).

    Returns:
        ``y`` ``(N, C, OH, OW)``, and the cache for :func:`adaptive_maxpool2d_backward`.

    Raises:
        ValueError: a size is less than 1, or shape or dtype do not fit.

    Example:
        >>> import numpy as np
        >>> y, cache = adaptive_maxpool2d_forward(np.arange(5.0).reshape(1, 1, 1, 5), (1, 2))
        >>> y.ravel().tolist()
        [2.0, 4.0]
    """
    size = size_pair("adaptive_maxpool2d_forward", "output_size", output_size)
    y, winner = _core.adaptive_maxpool2d_forward(x, size)
    return y, AdaptiveMaxPool2dCache(winner, x.shape, x.dtype, size)


def adaptive_maxpool2d_backward(dy: Array, cache: AdaptiveMaxPool2dCache) -> Array:
    """Send every output's gradient to the pixel that was its maximum.

    Args:
        dy: ``(N, C, OH, OW)``, gradient of the loss by ``y``.
        cache: from :func:`adaptive_maxpool2d_forward`.

    Returns:
        ``dx`` ``(N, C, H, W)``; a pixel that won several windows has the sum.

    Raises:
        ValueError: ``dy`` does not fit the forward call.

    Example:
        >>> import numpy as np
        >>> y, cache = adaptive_maxpool2d_forward(np.array([[[[1.0, 2.0, 0.0]]]]), (1, 2))
        >>> adaptive_maxpool2d_backward(np.ones_like(y), cache).ravel().tolist()
        [0.0, 2.0, 0.0]
    """
    winner, x_shape, dtype, size = cache
    check_dtype("adaptive_maxpool2d_backward", dy, dtype)
    return _core.adaptive_maxpool2d_backward(dy, winner, x_shape, size)
