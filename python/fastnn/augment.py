"""Augmentation: random changes of training images that keep their label.

An augmentation does not touch pixels. It says from random words how each image moves; the loader moves it in
the pass that gathers the minibatch, after preprocessing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

__all__ = ["Augmentation", "RandomCrop", "RandomHorizontalFlip", "draw_moves"]

Array = np.ndarray[Any, Any]
WORDS = 4  # random 64-bit words that an image gets: row, column, mirror, one spare
_DY, _DX, _MIRROR = range(3)


class Augmentation(Protocol):
    """How images move, as a function of random words."""

    def draw(self, words: Array, moves: Array) -> None:
        """Write into moves (n, 3) int64, with columns dy, dx, mirrored, from words (n, 4) uint64."""
        ...


@dataclass(frozen=True)
class RandomCrop:
    """Pad each side with zeros and cut a window of the old size from a random place.

    ``y[h, w] = x[h + dy, w + dx]`` with dy and dx uniform in -padding ... padding. Zeros are the mean colour
    if the images were centred before, as in the reference.

    Args:
        padding: pixels on each side, at least 0 and at most the image's size.

    Raises:
        ValueError: ``padding`` is no integer >= 0.

    Example:
        >>> RandomCrop(2)
        RandomCrop(padding=2)

    Reference:
        K. He et al., Deep residual learning, 2015, section 4.2, https://arxiv.org/abs/1512.03385
    """

    padding: int = 4

    def __post_init__(self) -> None:
        if not isinstance(self.padding, int) or self.padding < 0:
            raise ValueError(f"[RandomCrop] padding: expected an integer of at least 0, got {self.padding!r}")

    def draw(self, words: Array, moves: Array) -> None:
        """Write the shifts; the bias of the remainder is below 2**-50."""
        places = np.uint64(2 * self.padding + 1)
        moves[:, _DY : _DX + 1] = (words[:, _DY : _DX + 1] % places).astype(np.int64) - self.padding


@dataclass(frozen=True)
class RandomHorizontalFlip:
    """Mirror an image left to right with a given probability.

    Args:
        prob: the chance of a mirrored image, 0 ... 1.

    Raises:
        ValueError: ``prob`` outside [0, 1].

    Example:
        >>> draw_moves([RandomHorizontalFlip(1.0)], np.zeros((1, WORDS), np.uint64)).tolist()
        [[0, 0, 1]]

    Reference:
        Krizhevsky et al., ImageNet classification with deep convolutional neural networks, 2012, section 4.1,
        https://papers.nips.cc/paper/4824
    """

    prob: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.prob <= 1:
            raise ValueError(f"[RandomHorizontalFlip] prob: expected 0 to 1, got {self.prob!r}")

    def draw(self, words: Array, moves: Array) -> None:
        """Write the decisions: a uniform number of 53 bits below ``prob``."""
        moves[:, _MIRROR] = (words[:, _MIRROR] >> np.uint64(11)) * 2.0**-53 < self.prob


def draw_moves(augmentations: Iterable[Augmentation], words: Array) -> Array:
    """Return the moves (n, 3) int64 (dy, dx, mirrored) that the augmentations make of words (n, 4) uint64."""
    moves = np.zeros((len(words), 3), np.int64)
    for augmentation in augmentations:
        augmentation.draw(words, moves)
    return moves
