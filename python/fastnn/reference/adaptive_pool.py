"""Pooling to a given size: windows as equal as they can be."""

from __future__ import annotations

from typing import NamedTuple

from fastnn.reference._geometry import Array, IntOrPair, Pair, pair
from fastnn.reference._regions import Region, max_backward, max_forward, mean_backward, mean_forward


def _windows(size: int, count: int) -> list[Region]:
    """Return ``count`` windows from ``floor(i*size/count)`` to before ``ceil((i+1)*size/count)``."""
    return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def _grid(x_shape: tuple[int, ...], size: Pair) -> list[tuple[list[Region], list[Region]]]:
    """Return rows and columns of the windows of every image."""
    return [(_windows(x_shape[2], size[0]), _windows(x_shape[3], size[1]))] * x_shape[0]


class AdaptiveAvgPool2dCache(NamedTuple):
    """What `adaptive_avgpool2d_backward` needs: the sizes alone."""

    x_shape: tuple[int, ...]
    output_size: Pair


def adaptive_avgpool2d_forward(x: Array, output_size: IntOrPair) -> tuple[Array, AdaptiveAvgPool2dCache]:
    """Take the mean of as many windows as wanted, as equal as they can be.

    ``y[n,c,i,j] = mean of x[n,c,h,w]`` over ``floor(i*H/OH) <= h < ceil((i+1)*H/OH)`` and likewise ``w``

    Args:
        x: (N, C, H, W).
        output_size: integer or (OH, OW).

    Returns:
        y (N, C, OH, OW), and the cache for `adaptive_avgpool2d_backward`.

    Raises:
        ValueError: if a size is less than 1.

    Example:
        >>> import numpy as np
        >>> y, cache = adaptive_avgpool2d_forward(np.arange(5.0).reshape(1, 1, 1, 5), (1, 2))
        >>> y.ravel().tolist()
        [1.0, 3.0]
    """
    size = pair("adaptive_avgpool2d_forward", "output_size", output_size, least=1)
    return mean_forward(x, _grid(x.shape, size), size), AdaptiveAvgPool2dCache(x.shape, size)


def adaptive_avgpool2d_backward(dy: Array, cache: AdaptiveAvgPool2dCache) -> Array:
    """Spread every output's gradient evenly over its window.

    Args:
        dy: (N, C, OH, OW), gradient of the loss with respect to y.
        cache: from `adaptive_avgpool2d_forward`.

    Returns:
        dx (N, C, H, W).

    Example:
        >>> import numpy as np
        >>> y, cache = adaptive_avgpool2d_forward(np.ones((1, 1, 1, 4)), (1, 2))
        >>> adaptive_avgpool2d_backward(np.array([[[[2.0, 4.0]]]]), cache).ravel().tolist()
        [1.0, 1.0, 2.0, 2.0]
    """
    return mean_backward(dy, cache.x_shape, _grid(cache.x_shape, cache.output_size))


class AdaptiveMaxPool2dCache(NamedTuple):
    """What `adaptive_maxpool2d_backward` needs; ``winner`` numbers the pixel of each window that won."""

    winner: Array
    x_shape: tuple[int, ...]
    output_size: Pair


def adaptive_maxpool2d_forward(x: Array, output_size: IntOrPair) -> tuple[Array, AdaptiveMaxPool2dCache]:
    """Take the maximum of as many windows as wanted, as equal as they can be.

    ``y[n,c,i,j] = max of x[n,c,h,w]`` over ``floor(i*H/OH) <= h < ceil((i+1)*H/OH)`` and likewise ``w``

    Of equal maxima the first in row-major order wins; NaN is greater than any number.

    Args:
        x: (N, C, H, W).
        output_size: integer or (OH, OW).

    Returns:
        y (N, C, OH, OW), and the cache for `adaptive_maxpool2d_backward`.

    Raises:
        ValueError: if a size is less than 1.

    Example:
        >>> import numpy as np
        >>> y, cache = adaptive_maxpool2d_forward(np.arange(5.0).reshape(1, 1, 1, 5), (1, 2))
        >>> y.ravel().tolist()
        [2.0, 4.0]
    """
    size = pair("adaptive_maxpool2d_forward", "output_size", output_size, least=1)
    y, winner = max_forward(x, _grid(x.shape, size), size)
    return y, AdaptiveMaxPool2dCache(winner, x.shape, size)


def adaptive_maxpool2d_backward(dy: Array, cache: AdaptiveMaxPool2dCache) -> Array:
    """Send every output's gradient to the pixel that was its maximum.

    Args:
        dy: (N, C, OH, OW), gradient of the loss with respect to y.
        cache: from `adaptive_maxpool2d_forward`.

    Returns:
        dx (N, C, H, W); a pixel that won several windows has the sum.

    Example:
        >>> import numpy as np
        >>> y, cache = adaptive_maxpool2d_forward(np.array([[[[1.0, 2.0, 0.0]]]]), (1, 2))
        >>> adaptive_maxpool2d_backward(np.ones_like(y), cache).ravel().tolist()
        [0.0, 2.0, 0.0]
    """
    return max_backward(dy, cache.winner, cache.x_shape, _grid(cache.x_shape, cache.output_size))
