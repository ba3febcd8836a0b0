"""Dropout, whose mask is a pure function of a key and of logical positions."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from fastnn import _core
from fastnn._arguments import number
from fastnn.functional._args import Array, check_dtype
from fastnn.keys import Key

_MASK64 = (1 << 64) - 1


class DropoutCache(NamedTuple):
    """What :func:`dropout_backward` needs: no mask, but what the mask is a function of."""

    drop_prob: float
    key: Key
    inverted: bool
    dtype: np.dtype[Any]


def dropout_forward(
    x: Array, drop_prob: float = 0.5, *, key: Key, inverted: bool = True
) -> tuple[Array, DropoutCache]:
    """Set every element to zero with probability ``drop_prob``.

    ``y = x * kept / (1 - drop_prob)``; with ``inverted=False`` without the division.

    The mask depends on ``key``, on the example's number ``key.example + n`` and on the element's logical
    index within its example, never on threads, memory order or how the batch was cut. The chance is rounded
    to a multiple of 1/65536; the scale is not.

    Args:
        x: ``(N, ...)``, one to four axes.
        drop_prob: chance of a zero, in [0, 1).
        key: names the random stream.
        inverted: whether survivors are scaled up here, so that prediction is the identity.

    Returns:
        ``y`` of x's shape, and the cache for :func:`dropout_backward`.

    Raises:
        ValueError: ``drop_prob`` is not in [0, 1), or dtype or number of axes do not fit.

    Example:
        >>> import numpy as np
        >>> y, cache = dropout_forward(np.ones((1, 8)), 0.5, key=Key(1))
        >>> sorted(set(y.ravel().tolist()))
        [0.0, 2.0]

    Reference:
        Srivastava et al., "Dropout", 2014, https://jmlr.org/papers/v15/srivastava14a.html
    """
    drop_prob = number("dropout_forward", "drop_prob", drop_prob, high=1.0, below=True)
    y = _core.dropout_forward(x, *_stream(drop_prob, key, inverted))
    return y, DropoutCache(drop_prob, key, inverted, y.dtype)


def dropout_backward(dy: Array, cache: DropoutCache) -> Array:
    """Pass the gradient on through the elements that stayed, with the forward pass's scale.

    Args:
        dy: x's shape, gradient of the loss by ``y``.
        cache: from :func:`dropout_forward`; the mask is drawn again.

    Returns:
        ``dx`` of x's shape.

    Raises:
        ValueError: dtype or number of axes of ``dy`` do not fit.

    Example:
        >>> import numpy as np
        >>> y, cache = dropout_forward(np.ones((1, 8)), key=Key(1))
        >>> bool((dropout_backward(np.ones((1, 8)), cache) == y).all())
        True
    """
    drop_prob, key, inverted, dtype = cache
    check_dtype("dropout_backward", dy, dtype)
    return _core.dropout_backward(dy, *_stream(drop_prob, key, inverted))


def _stream(drop_prob: float, key: Key, inverted: bool) -> tuple[int, int, int, float]:
    """What the kernel takes: the key's two words, the threshold of the 16-bit uniforms, the scale."""
    threshold = math.floor(drop_prob * 65536 + 0.5)
    scale = 1 / (1 - drop_prob) if inverted else 1.0
    return key.bits & _MASK64, key.example & _MASK64, threshold, scale
