"""Dropout and noise, pure functions of a key and of logical positions."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from fastnn.keys import Key
from fastnn.reference._geometry import Array, require


class DropoutCache(NamedTuple):
    """What `dropout_backward` needs: no mask, but what the mask is a function of."""

    drop_prob: float
    key: Key
    inverted: bool
    group: str


def _philox4x32_7(counter: tuple[Array, Array, Array, Array], key: tuple[int, int]) -> tuple[Array, ...]:
    """Encipher 128-bit counters, as four arrays of 32-bit words held in uint64, in seven rounds.

    One round multiplies words 0 and 2 by odd constants and mixes the high halves with the other words
    and the key.

    Reference:
        Salmon et al., Parallel random numbers: as easy as 1, 2, 3, 2011, https://doi.org/10.1145/2063384.2063405
    """
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(7):
        p0, p1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1 = (p1 >> half) ^ c1 ^ np.uint64(k0), p1 & low
        c2, c3 = (p0 >> half) ^ c3 ^ np.uint64(k1), p0 & low
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0, c1, c2, c3


def _words(n: int, blocks: int, key: Key) -> Array:
    """Return (n, 4 * blocks) 32-bit words: row i belongs to example ``key.example + i``."""
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    block = np.arange(blocks, dtype=np.uint64)[None, :]
    example = np.array([(key.example + i) % 2**64 for i in range(n)], np.uint64)[:, None]
    block, example = np.broadcast_arrays(block, example)
    counter = (block & low, block >> half, example & low, example >> half)
    words = np.stack(_philox4x32_7(counter, (key.bits & 0xFFFFFFFF, key.bits >> 32)), axis=-1)
    return words.reshape(n, 4 * blocks)


def _uniforms(n: int, size: int, key: Key) -> Array:
    """Return (n, size) integers uniform in 0 ... 65535: of every word the low half, then the high one."""
    words = _words(n, -(-size // 8), key)
    halves = np.stack([words & np.uint64(0xFFFF), words >> np.uint64(16)], axis=-1)
    return halves.reshape(n, 2 * words.shape[1])[:, :size]


def _placed(numbers: Array, shape: tuple[int, ...]) -> Array:
    """Give each element its number: (N, size) to ``shape``.

    Elements of an example are counted in C order; those of an image (C, H, W) in the order H, W, C, whatever
    its memory looks like.
    """
    if len(shape) == 4:
        n, c, h, w = shape
        numbers = numbers.reshape(n, h, w, c).transpose(0, 3, 1, 2)
    placed: Array = numbers.reshape(shape)
    return placed


def _kept(shape: tuple[int, ...], drop_prob: float, key: Key, group: str) -> Array:
    """Return the boolean mask of elements that stay: their uniform is at least ``round(65536 drop_prob)``."""
    drawn = shape[: {"element": len(shape), "channel": 2, "example": 1}[group]]
    u = _placed(_uniforms(drawn[0], int(np.prod(drawn[1:], dtype=np.int64)), key), drawn)
    u = u.reshape(*drawn, *(1,) * (len(shape) - len(drawn)))
    kept: Array = np.broadcast_to(u >= int(np.floor(drop_prob * 65536 + 0.5)), shape)
    return kept


def _scaled(x: Array, cache: DropoutCache) -> Array:
    scale = 1 / (1 - cache.drop_prob) if cache.inverted else 1.0
    return np.where(
        _kept(x.shape, cache.drop_prob, cache.key, cache.group), x * x.dtype.type(scale), np.zeros_like(x)
    )


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
        x: (N, ...), at least one axis.
        drop_prob: chance of a zero, in [0, 1).
        key: names the random stream.
        inverted: whether survivors are scaled up here, so that prediction is the identity.
        group: what shares one chance: every ``"element"`` has its own, a ``"channel"`` (axis 1) lives or dies
            whole, as in spatial dropout, or an ``"example"`` (axis 0), as in stochastic depth.

    Returns:
        y of x's shape, and the cache for `dropout_backward`.

    Raises:
        ValueError: if ``drop_prob`` is not in [0, 1).

    Example:
        >>> y, cache = dropout_forward(np.ones((1, 8)), 0.5, key=Key(1))
        >>> sorted(set(y.ravel().tolist()))
        [0.0, 2.0]

    Reference:
        Srivastava et al., Dropout, 2014, https://jmlr.org/papers/v15/srivastava14a.html
    """
    require(0 <= drop_prob < 1, "dropout_forward", "drop_prob", "a number in [0, 1)", drop_prob)
    groups = "element", "channel", "example"
    require(group in groups, "dropout_forward", "group", f"one of {groups}", group)
    cache = DropoutCache(drop_prob, key, inverted, group)
    return _scaled(x, cache), cache


def dropout_backward(dy: Array, cache: DropoutCache) -> Array:
    """Pass the gradient on through the elements that stayed, with the forward pass's scale.

    Args:
        dy: x's shape, gradient of the loss with respect to y.
        cache: from `dropout_forward`; the mask is drawn again.

    Returns:
        dx of x's shape.

    Example:
        >>> y, cache = dropout_forward(np.ones((1, 8)), key=Key(1))
        >>> bool((dropout_backward(np.ones((1, 8)), cache) == y).all())
        True
    """
    return _scaled(dy, cache)


def gaussian_noise(x: Array, std: float = 0.1, *, key: Key) -> Array:
    """Add normal noise: ``y = x + std * normal``, the gradient with respect to x being that of y.

    The number of an element depends on ``key``, on the example's number ``key.example + n`` and on the
    element's logical index within its example, as a dropout mask does. Four numbers come of one block of
    Philox4x32, in pairs: ``radius = sqrt(-2 log u)``, times cosine and sine of a random angle.

    Args:
        x: (N, ...), at least one axis.
        std: of the noise, >= 0.
        key: names the random stream.

    Returns:
        y of x's shape.

    Raises:
        ValueError: if ``std`` is negative or not finite.

    Example:
        >>> y = gaussian_noise(np.zeros((1, 10_000)), 2.0, key=Key(1))
        >>> bool(abs(y.mean()) < 0.1 and abs(y.std() - 2) < 0.1)
        True

    Reference:
        Box and Muller, A note on the generation of random normal deviates, 1958,
        https://doi.org/10.1214/aoms/1177706645
    """
    require(0 <= std < np.inf, "gaussian_noise", "std", "a finite number >= 0", std)
    n, size = x.shape[0], int(np.prod(x.shape[1:], dtype=np.int64))
    # Signed words as fractions: above 0 they are u itself, below it u - 1, which is more exact than u near 1.
    fractions = (_words(n, -(-size // 4), key).astype(np.uint32).view(np.int32) + 0.5) * 2.0**-32
    v, angle = fractions[:, 0::2], 2 * np.pi * fractions[:, 1::2]
    log_u = np.where(v > 0, np.log(np.maximum(v, 2.0**-33)), np.log1p(np.minimum(v, 0)))
    pairs = np.sqrt(-2 * log_u)[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    normal = _placed(pairs.reshape(n, 2 * v.shape[1])[:, :size], x.shape)
    y: Array = (x + std * normal).astype(x.dtype)
    return y
