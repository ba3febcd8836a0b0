"""Names for randomness: a key decides a random mask, whatever the threads, memory layout or batch split."""

from __future__ import annotations

import functools
from typing import NamedTuple

_MASK64 = (1 << 64) - 1


def _splitmix64(z: int) -> int:
    """Finaliser of SplitMix64 (Steele, Lea and Flood, 2014): every input bit reaches all 64 output bits."""
    z = (z + 0x9E3779B97F4A7C15) & _MASK64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK64
    return z ^ (z >> 31)


def hash_bits(text: str, size: int) -> int:
    """Return the BLAKE2b hash of a text as a number of ``size`` bytes."""
    import hashlib  # loads OpenSSL, for which not every program has a use

    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=size).digest(), "little")


@functools.lru_cache(maxsize=4096, typed=True)
def _hash64(name: str | int) -> int:
    return hash_bits(repr(name), 8)


class Key(NamedTuple):
    """The name of one stream of random numbers.

    A model derives a key per step and folds the call path into it; a random op then draws number ``e`` of
    example ``n`` from the counter ``(example + n, e)``. So a mask depends on nothing but its key and its
    logical position.

    Args:
        bits: 64-bit stream identity.
        example: index, within the step, of the first row of the batch at hand.

    Example:
        >>> key = Key.from_seed(0, step=3)
        >>> key.fold("dropout") == key.fold("dropout"), key.fold("a") == key.fold("b")
        (True, False)
    """

    bits: int
    example: int = 0

    @classmethod
    def from_seed(cls, seed: int, step: int = 0) -> Key:
        """Return the key of training step ``step`` of the run named ``seed``."""
        return cls(_splitmix64(_splitmix64(seed & _MASK64) ^ (step & _MASK64)))

    def fold(self, name: str | int) -> Key:
        """Return the key of the part called ``name``; distinct names give independent streams."""
        return Key(_splitmix64(self.bits ^ _hash64(name)), self.example)

    def at(self, example: int) -> Key:
        """Return this key for a batch whose first row is example number ``example`` of the step."""
        return Key(self.bits, example)
