"""Augmentation: random changes of training examples.

There are two kinds. A *move* does not touch pixels: it says from random words how each image moves, and the
loader moves it in the pass that gathers the minibatch, after preprocessing. A *change* takes the minibatch
that this pass left, and a key that names its random numbers, and returns another one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np

from fastnn._arguments import integer, number
from fastnn.keys import Key

__all__ = [
    "Augmentation",
    "Change",
    "ColourOffset",
    "Cutout",
    "Jitter",
    "Mixup",
    "Move",
    "RandomCrop",
    "RandomHorizontalFlip",
    "cutout",
    "draw_moves",
    "jitter",
    "mixup",
]

Array = np.ndarray[Any, Any]
WORDS = 4  # random 64-bit words that an image gets: row, column, mirror, one spare
_DY, _DX, _MIRROR = range(3)


class Move(Protocol):
    """How images move, as a function of random words."""

    def draw(self, words: Array, moves: Array) -> None:
        """Write into moves (n, 3) int64, with columns dy, dx, mirrored, from words (n, 4) uint64."""
        ...


class Change(Protocol):
    """What becomes of a minibatch, as a function of a key: any callable will do."""

    def __call__(self, X: Array, y: Array, key: Key) -> tuple[Array, Array]:
        """Return the changed inputs (n, ...) and targets (n, ...); those given stay as they are."""
        ...


Augmentation: TypeAlias = Move | Change


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


def draw_moves(augmentations: Iterable[Move], words: Array) -> Array:
    """Return the moves (n, 3) int64 (dy, dx, mirrored) that the augmentations make of words (n, 4) uint64."""
    moves = np.zeros((len(words), 3), np.int64)
    for augmentation in augmentations:
        augmentation.draw(words, moves)
    return moves


@dataclass(frozen=True)
class Cutout:
    """Blank a square of each image, for the loader; see `cutout`.

    Args:
        size: side of the square in pixels, at least 1.

    Raises:
        ValueError: ``size`` is no integer >= 1.

    Example:
        >>> X, y = Cutout(2)(np.ones((3, 1, 8, 8)), np.arange(3), Key.from_seed(0))
        >>> X.min(axis=(1, 2, 3)).tolist(), y.tolist()
        ([0.0, 0.0, 0.0], [0, 1, 2])
    """

    size: int = 8

    def __post_init__(self) -> None:
        integer("Cutout", "size", self.size)

    def __call__(self, X: Array, y: Array, key: Key) -> tuple[Array, Array]:
        """Return the blanked images (n, C, H, W), and the targets as they are."""
        return cutout(X, self.size, key), y


def cutout(X: Array, size: int, key: Key) -> Array:
    """Return images with a square of zeros in each, at a random place.

    ``out[n, c, h, w] = 0`` where ``0 <= h - top[n] < size`` and ``0 <= w - left[n] < size``, with
    ``top[n] = row[n] - size // 2`` for a row uniform in 0 ... H - 1, ``left`` likewise. Any pixel may be the
    centre, so at an edge part of the square is outside, and what is blanked is smaller. Zeros are the mean
    colour if the images were centred before, as in the paper; images of 0 ... 255 get a black square.

    Args:
        X: (n, C, H, W) any dtype; it is not written into.
        size: side of the square in pixels, at least 1; 16 on CIFAR-10's 32x32 and 8 on CIFAR-100's did best.
        key: names the squares; that of image n depends on (key, ``key.example + n``) alone.

    Returns:
        (n, C, H, W), in the memory order of X.

    Raises:
        ValueError: X are no images, or ``size`` is no integer >= 1.

    Example:
        >>> cutout(np.ones((1, 1, 4, 4)), 2, Key.from_seed(2))[0, 0].tolist()
        [[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]]

    Reference:
        DeVries and Taylor, Improved regularization of convolutional neural networks with cutout, 2017,
        https://arxiv.org/abs/1708.04552
    """
    size = integer("cutout", "size", size)
    if X.ndim != 4 or 0 in X.shape[2:]:
        raise ValueError(f"[cutout] X: expected images (n, C, H, W), got shape {X.shape}")
    words = _words(key, len(X))

    def covered(extent: int, words: Array) -> Array:
        """Return which of the rows (or columns) lie in the square of each image, (n, extent)."""
        first = (words % np.uint64(extent)).astype(np.int64)[:, None] - size // 2
        places = np.arange(extent)
        within: Array = (places >= first) & (places < first + size)
        return within

    square = covered(X.shape[2], words[:, 0])[:, :, None] & covered(X.shape[3], words[:, 1])[:, None, :]
    out: Array = X.copy(order="K")
    out.transpose(0, 2, 3, 1)[square] = 0
    return out


@dataclass(frozen=True)
class Jitter:
    """Change brightness and contrast of each image a little, for the loader; see `jitter`.

    Args:
        brightness: the largest shift, >= 0.
        contrast: the largest change of the factor, 0 to 1.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> X, y = Jitter()(np.zeros((2, 3, 4, 4)), np.arange(2), Key.from_seed(0))
        >>> bool((np.abs(X) <= 0.2).all()), y.tolist()
        (True, [0, 1])
    """

    brightness: float = 0.2
    contrast: float = 0.2

    def __post_init__(self) -> None:
        number("Jitter", "brightness", self.brightness)
        number("Jitter", "contrast", self.contrast, high=1.0)

    def __call__(self, X: Array, y: Array, key: Key) -> tuple[Array, Array]:
        """Return the changed images (n, C, H, W), and the targets as they are."""
        return jitter(X, self.brightness, self.contrast, key), y


def jitter(X: Array, brightness: float, contrast: float, key: Key) -> Array:
    """Change brightness and contrast of each image by random amounts.

    ``out[n] = m[n] + c[n] (x[n] - m[n]) + b[n]`` with the image's mean m over all channels and pixels, c
    uniform in ``1 - contrast ... 1 + contrast`` and b uniform in ``-brightness ... brightness``. The shift is
    in the units of X: of a standard deviation after standardising, of the whole range after scaling to
    0 ... 1. Nothing is clipped.

    Args:
        X: (n, C, H, W) float32 or float64; it is not written into.
        brightness: >= 0.
        contrast: 0 to 1.
        key: names the amounts; those of image n depend on (key, ``key.example + n``) alone.

    Returns:
        (n, C, H, W), in the memory order of X.

    Raises:
        ValueError: X are no images of floats, or an amount is out of range.

    Example:
        >>> jitter(np.array([[[[1.0, 3.0]]]]), 0.0, 1.0, Key.from_seed(0)).mean().item()
        2.0

    Reference:
        Howard, Some improvements on deep convolutional neural network based image classification, 2013,
        https://arxiv.org/abs/1312.5402
    """
    brightness = number("jitter", "brightness", brightness)
    contrast = number("jitter", "contrast", contrast, high=1.0)
    _check_images("jitter", X)
    words = _words(key, len(X))
    factor = 1 + contrast * (2 * _uniform(words[:, 0]) - 1)
    means = X.transpose(0, 2, 3, 1).reshape(len(X), -1).mean(axis=1, dtype=np.float64)
    shift = brightness * (2 * _uniform(words[:, 1]) - 1) + (1 - factor) * means
    out: Array = X * _each(factor, X)
    out += _each(shift, X)
    return out


class ColourOffset:
    """Shift the colour of each image along the directions in which colours vary.

    ``out[n, :, h, w] = x[n, :, h, w] + P (s * a[n])`` with the principal axes P (C, C) of the training part's
    pixels as vectors of C channels, their standard deviations s (C,) along these, and a normal with mean 0
    and deviation ``std``, drawn for each image. So the light changes and objects keep their identity. The
    paper writes the variances in the place of s, which makes the size of the shift depend on the unit.

    Args:
        std: size of the shift in standard deviations of the pixels, >= 0.

    Raises:
        ValueError: ``std`` is no finite number >= 0.

    Example:
        >>> X = np.random.default_rng(0).random((8, 3, 4, 4))
        >>> out, y = ColourOffset().fit(X)(X, np.arange(8), Key.from_seed(0))
        >>> bool(np.ptp(out - X, axis=(2, 3)).max() < 1e-12), bool((out != X).all())
        (True, True)

    Reference:
        Krizhevsky et al., ImageNet classification with deep convolutional neural networks, 2012, section 4.1,
        https://papers.nips.cc/paper/4824
    """

    def __init__(self, std: float = 0.1) -> None:
        self.std = number("ColourOffset", "std", std)
        self._axes: Array | None = None

    def fit(self, X: Array) -> ColourOffset:
        """Take the axes from training images X (N, C, H, W), preprocessed as for training, and return self.

        Raises:
            ValueError: X are no images of floats with 1 to 4 channels.
        """
        _check_images("ColourOffset", X)
        if not 1 <= X.shape[1] <= WORDS or X.size == 0:
            raise ValueError(
                f"[ColourOffset] X: expected images of 1 to {WORDS} channels, got shape {X.shape}"
            )
        pixels = X.astype(np.float64).transpose(1, 0, 2, 3).reshape(X.shape[1], -1)
        variances, axes = np.linalg.eigh(np.cov(pixels, bias=True).reshape(len(pixels), -1))
        self._axes = axes * np.sqrt(variances.clip(min=0))
        return self

    def __call__(self, X: Array, y: Array, key: Key) -> tuple[Array, Array]:
        """Return the shifted images (n, C, H, W), and the targets as they are.

        Raises:
            ValueError: it is not fitted, or X are no images with as many channels.
        """
        if self._axes is None:
            raise ValueError("[ColourOffset] expected a call of fit before, got none")
        _check_images("ColourOffset", X)
        channels = len(self._axes)
        if X.shape[1] != channels:
            raise ValueError(f"[ColourOffset] X: expected {channels} channels, got {X.shape[1]}")
        amounts = self.std * _normal(_words(key, len(X)))[:, :channels]
        offsets = (amounts[:, None, :] * self._axes).sum(axis=2)  # a sum of its own for each image
        return X + offsets.astype(X.dtype)[:, :, None, None], y


@dataclass(frozen=True)
class Mixup:
    """Mix each example with another of its minibatch, for the loader; see `mixup`.

    The loss must take what it makes of the targets: softmax cross-entropy takes probabilities, the hinge does
    not. Metrics are measured on examples that are not mixed.

    Args:
        alpha: of the Beta distribution of the shares, > 0.
        classes: number of classes, where targets are integer labels.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> X, y = Mixup(0.4, classes=2)(np.eye(2), np.array([0, 1]), Key.from_seed(0))
        >>> bool((X == y).all())
        True
    """

    alpha: float = 0.2
    classes: int | None = None

    def __post_init__(self) -> None:
        number("Mixup", "alpha", self.alpha, above=True)
        if self.classes is not None:
            integer("Mixup", "classes", self.classes)

    def __call__(self, X: Array, y: Array, key: Key) -> tuple[Array, Array]:
        """Return the mixed inputs (n, ...) and targets."""
        return mixup(X, y, self.alpha, key, classes=self.classes)


def mixup(X: Array, y: Array, alpha: float, key: Key, *, classes: int | None = None) -> tuple[Array, Array]:
    """Mix each example of a minibatch with another one, targets and all.

    ``out[n] = lam[n] x[n] + (1 - lam[n]) x[j[n]]`` and the same for y, with a share ``lam[n]`` drawn from
    ``Beta(alpha, alpha)`` for each example and j a random order of the minibatch. The paper's code draws one
    share for the whole minibatch. With a small alpha most shares are near 0 or 1.

    Args:
        X: (n, ...) float32 or float64; it is not written into.
        y: (n,) integer labels, which become probabilities first, or (n, ...) float targets.
        alpha: > 0; the paper took 0.2 to 0.4 on ImageNet and 1, a uniform share, on CIFAR-10.
        key: names shares and order; the share of example n depends on (key, ``key.example + n``) alone.
        classes: number of classes, where y are labels.

    Returns:
        The mixed X, and y: (n, classes) in the dtype of X for labels, else in the shape and dtype given.

    Raises:
        ValueError: X or y are none such, ``alpha`` is out of range, or labels are not in 0 ... classes - 1.

    Example:
        >>> X, y = mixup(np.eye(3), np.array([0, 1, 2]), 1.0, Key.from_seed(0), classes=3)
        >>> y.sum(axis=1).round(12).tolist(), bool((X == y).all())
        ([1.0, 1.0, 1.0], True)

    Reference:
        Zhang et al., mixup: beyond empirical risk minimization, 2018, https://arxiv.org/abs/1710.09412
    """
    alpha = number("mixup", "alpha", alpha, above=True)
    if X.ndim < 2 or X.dtype.kind != "f":
        raise ValueError(f"[mixup] X: expected floats of shape (n, ...), got {X.dtype} {X.shape}")
    if len(y) != len(X):
        raise ValueError(f"[mixup] y: expected {len(X)} targets as in X, got {len(y)}")
    if y.dtype.kind != "f":
        y = _probabilities(y, classes, X.dtype)
    words = _words(key, len(X))
    others = 1.0 - _symmetric_beta(alpha, _uniform(words[:, 0]), _uniform(words[:, 1]))
    order = np.argsort(words[:, 2], kind="stable")
    return _mixed(X, order, others), _mixed(y, order, others)


def _mixed(values: Array, order: Array, others: Array) -> Array:
    """Return ``v[n] + others[n] (v[order[n]] - v[n])``."""
    # Images are gathered pixel by pixel: indexing would lose the channels-last memory they stand in.
    images = values.ndim == 4
    mixed: Array = values.transpose(0, 2, 3, 1)[order].transpose(0, 3, 1, 2) if images else values[order]
    mixed -= values
    mixed *= _each(others, values)
    mixed += values
    return mixed


def _probabilities(labels: Array, classes: int | None, dtype: np.dtype[Any]) -> Array:
    """Return labels (n,) as rows (n, classes) with a one in each."""
    if classes is None:
        raise ValueError("[mixup] classes: expected their number, as y are integer labels, got None")
    classes = integer("mixup", "classes", classes)
    if labels.ndim != 1 or (len(labels) and not 0 <= labels.min() <= labels.max() < classes):
        raise ValueError(f"[mixup] y: expected labels (n,) in 0 to {classes - 1}, got others")
    result = np.zeros((len(labels), classes), dtype)
    result[np.arange(len(labels)), labels] = 1
    return result


def _check_images(op: str, X: Array) -> None:
    if X.ndim != 4 or X.dtype.kind != "f":
        raise ValueError(f"[{op}] X: expected floats of shape (n, C, H, W), got {X.dtype} {X.shape}")


def _each(numbers: Array, values: Array) -> Array:
    """Return numbers (n,) in the type of values (n, ...), to be broadcast against them."""
    return numbers.astype(values.dtype).reshape(-1, *[1] * (values.ndim - 1))


def _words(key: Key, count: int) -> Array:
    """Return random words (count, WORDS) uint64; a row depends on the key and the example's number alone."""
    place = np.array([key.example, 0, 0, 0], np.uint64)  # of a counter that makes four words at each value
    stream = np.random.Philox(key=np.array([key.bits, 0], np.uint64), counter=place)
    words: Array = stream.random_raw(WORDS * count).reshape(count, WORDS)
    return words


def _uniform(words: Array) -> Array:
    """Return numbers between 0 and 1, both excluded, of 53 bits each."""
    result: Array = ((words >> np.uint64(11)) + 0.5) * 2.0**-53
    return result


def _normal(words: Array) -> Array:
    """Return four standard normal numbers for each four words, by Box and Muller's method."""
    uniform = _uniform(words)
    radius, angle = np.sqrt(-2 * np.log(uniform[:, ::2])), 2 * np.pi * uniform[:, 1::2]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _symmetric_beta(alpha: float, u: Array, v: Array) -> Array:
    """Return draws from Beta(alpha, alpha), one for each pair of uniform numbers.

    ``(1 + t / sqrt(1 + t^2)) / 2`` with ``t = sqrt(u^(-1/alpha) - 1) cos(2 pi v)``, by which t is Student's
    variate over the root of its 2 alpha degrees of freedom. Nothing is rejected, so two words are enough.

    Reference:
        Bailey, Polar generation of random variates with the t-distribution, 1994,
        https://doi.org/10.1090/S0025-5718-1994-1219702-8
    """
    with np.errstate(over="ignore", divide="ignore"):  # t may be infinite or 0: draws of 0, 1/2 and 1
        t = np.sqrt(np.expm1(-np.log(u) / alpha)) * np.cos(2 * np.pi * v)
        result: Array = 0.5 + 0.5 * np.sign(t) / np.sqrt(1 + 1 / np.square(t))
    return result
