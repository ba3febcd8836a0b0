"""Dropout and noise, pure functions of a key and of logical positions."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np

from fastnn import _core
from fastnn._arguments import choice, number
from fastnn.functional._args import Array, check_dtype
from fastnn.keys import Key

_MASK64 = (1 << 64) - 1
_GROUPS = ("element", "channel", "example")  # as the kernel counts them


class DropoutCache(NamedTuple):
    """What :func:`dropout_backward` needs: no mask, but what the mask is a function of."""

    drop_prob: float
    key: Key
    inverted: bool
    group: str
    dtype: np.dtype[Any]


def dropout_forward(
    x: Array,
    drop_prob: float = 0.5,
    *,
    key: Key,
    inverted: bool = True,
    group: Literal["element", "channel", "example"] = "element",
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
        group: what shares one chance: every ``"element"`` has its own, a ``"channel"`` (axis 1) lives or dies
            whole, as in spatial dropout, or an ``"example"`` (axis 0), as in stochastic depth.

    Returns:
        ``y`` of x's shape, and the cache for :func:`dropout_backward`.

    Raises:
        ValueError: ``drop_prob`` is not in [0, 1), there is no such ``group``, or dtype or number of axes do
            not fit.

    Example:
        >>> import numpy as np
        >>> y, cache = dropout_forward(np.ones((1, 8)), 0.5, key=Key(1))
        >>> sorted(set(y.ravel().tolist()))
        [0.0, 2.0]

    Reference:
        Srivastava et al., "Dropout", 2014, https://jmlr.org/papers/v15/srivastava14a.html
    """
    drop_prob = number("dropout_forward", "drop_prob", drop_prob, high=1.0, below=True)
    choice("dropout_forward", "group", group, _GROUPS)
    y = _core.dropout_forward(x, *_stream(drop_prob, key, inverted, group))
    return y, DropoutCache(drop_prob, key, inverted, group, y.dtype)


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
    drop_prob, key, inverted, group, dtype = cache
    check_dtype("dropout_backward", dy, dtype)
    return _core.dropout_backward(dy, *_stream(drop_prob, key, inverted, group))


def _stream(drop_prob: float, key: Key, inverted: bool, group: str) -> tuple[int, int, int, float, int]:
    """What the kernel takes: the key's two words, the threshold of the 16-bit uniforms, scale and group."""
    threshold = math.floor(drop_prob * 65536 + 0.5)
    scale = 1 / (1 - drop_prob) if inverted else 1.0
    return key.bits & _MASK64, key.example & _MASK64, threshold, scale, _GROUPS.index(group)


def gaussian_noise(x: Array, std: float = 0.1, *, key: Key) -> Array:
    """Add normal noise: ``y = x + std * normal``, the gradient with respect to x being that of y.

    The number of an element depends on ``key``, on the example's number ``key.example + n`` and on the
    element's logical index within its example, as a dropout mask does. Four numbers come of one block of
    Philox4x32, in pairs: ``radius = sqrt(-2 log u)``, times cosine and sine of a random angle.

    Args:
        x: ``(N, ...)``, one to four axes.
        std: of the noise, >= 0.
        key: names the random stream.

    Returns:
        ``y`` of x's shape.

    Raises:
        ValueError: ``std`` is negative or not finite, or dtype or number of axes do not fit.

    Example:
        >>> import numpy as np
        >>> y = gaussian_noise(np.zeros((1, 10_000)), 2.0, key=Key(1))
        >>> bool(abs(y.mean()) < 0.1 and abs(y.std() - 2) < 0.1)
        True

    Reference:
        Box and Muller, A note on the generation of random normal deviates, 1958,
        https://doi.org/10.1214/aoms/1177706645
    """
    std = number("gaussian_noise", "std", std)
    return _core.gaussian_noise(x, key.bits & _MASK64, key.example & _MASK64, std)
