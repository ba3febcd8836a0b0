"""Preprocessing: fitted on the training part alone, applied to any.

Each class is a map ``(x - mean) / std`` that differs in what it takes for the two, so a minibatch loader can
do it in the pass that gathers the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

__all__ = ["Affine", "MinMax", "Scale", "Standardise", "ZeroCentre", "from_state_dict"]

Array = np.ndarray[Any, Any]
_BLOCK = 1024  # rows that stand in float64 at a time while statistics are taken


class Affine:
    """The map ``y = (x - mean) / std``; its subclasses say where ``mean`` and ``std`` come from.

    ``mean`` and ``std`` are float64 and broadcast against one example; None until ``fit``.
    """

    mean: Array | None = None
    std: Array | None = None
    _kinds: ClassVar[dict[str, type[Affine]]] = {}

    def __init_subclass__(cls) -> None:
        Affine._kinds[cls.__name__] = cls

    def fit(self, X: Array) -> Affine:
        """Take what is needed from the training inputs X (N, ...) and return self."""
        raise NotImplementedError

    def transform(self, X: Array) -> Array:
        """Return ``(X - mean) / std``: float64 for float64 X (N, ...), else float32. Never writes into X."""
        mean, std = self.tables(X.shape[1:], np.float64 if X.dtype == np.float64 else np.float32)
        result: Array = (X.astype(mean.dtype) - mean) / std
        return result

    def tables(self, shape: tuple[int, ...], dtype: np.typing.DTypeLike) -> tuple[Array, Array]:
        """Return ``mean`` and ``std`` for examples of the given shape, spread over it, in the given dtype.

        Raises:
            ValueError: it is not fitted, or examples of that shape do not fit.
        """
        op = type(self).__name__
        if self.mean is None or self.std is None:
            raise ValueError(f"[{op}] expected a call of fit before transform, got none")
        try:
            spread = [np.broadcast_to(value.astype(dtype), shape) for value in (self.mean, self.std)]
        except ValueError as error:
            expected = np.broadcast_shapes(self.mean.shape, self.std.shape)
            raise ValueError(f"[{op}] X: expected examples fitting {expected}, got {shape}") from error
        return spread[0], spread[1]

    def state_dict(self) -> dict[str, Any]:
        """Return the name of the class, ``mean`` and ``std``: enough for ``from_state_dict``."""
        return {"kind": type(self).__name__, "mean": self.mean, "std": self.std}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what ``state_dict`` of the same class returned.

        Raises:
            ValueError: the state of another thing.
        """
        op = type(self).__name__
        if state.get("kind") != op:
            raise ValueError(f"[{op}] state: expected one of kind {op}, got {state.get('kind')!r}")
        for name in ("mean", "std"):
            if state.get(name) is not None and not isinstance(state[name], np.ndarray):
                raise ValueError(f"[{op}] state: {name}: expected an array, got {type(state[name]).__name__}")
        self.mean, self.std = state.get("mean"), state.get("std")


def from_state_dict(state: Mapping[str, Any]) -> Affine:
    """Return the preprocessing that ``state_dict`` described.

    Raises:
        ValueError: the state of no step.

    Example:
        >>> step = Standardise().fit(np.array([[1.0], [3.0]]))
        >>> from_state_dict(step.state_dict()).transform(np.array([[5.0]])).tolist()
        [[3.0]]
    """
    kind = state.get("kind")
    if kind not in Affine._kinds:
        raise ValueError(f"[from_state_dict] kind: expected one of {sorted(Affine._kinds)}, got {kind!r}")
    result = Affine._kinds[kind]()
    result.load_state_dict(state)
    return result


class Scale(Affine):
    """Divide by a constant: ``y = x / divisor``, which takes uint8 images to 0 ... 1.

    Args:
        divisor: a finite number, not 0.

    Raises:
        ValueError: ``divisor`` is 0 or not finite.

    Example:
        >>> Scale().fit(np.empty((0, 1))).transform(np.array([[0, 51, 255]], np.uint8)).tolist()
        [[0.0, 0.20000000298023224, 1.0]]
    """

    def __init__(self, divisor: float = 255.0) -> None:
        if not np.isfinite(divisor) or divisor == 0:
            raise ValueError(f"[Scale] divisor: expected a finite number other than 0, got {divisor}")
        self.mean, self.std = np.zeros(()), np.array(float(divisor))

    def fit(self, X: Array) -> Scale:
        """Return self: nothing depends on the data."""
        return self


class ZeroCentre(Affine):
    """Subtract the mean of each feature over the training rows: ``y = x - X.mean(axis=0)``.

    For images this is the mean image (of every channel and pixel), as in AlexNet, or, as in VGG, the mean of
    each channel.

    Args:
        per_channel: of images (N, C, H, W), subtract a channel's mean over all rows and pixels.

    Example:
        >>> ZeroCentre().fit(np.array([[1.0, 10.0], [3.0, 10.0]])).transform(np.array([[2.0, 11.0]])).tolist()
        [[0.0, 1.0]]

    Reference:
        CS231n, Neural Networks Part 2, https://cs231n.github.io/neural-networks-2
    """

    def __init__(self, *, per_channel: bool = False) -> None:
        self.per_channel = bool(per_channel)

    def fit(self, X: Array) -> ZeroCentre:
        """Take the mean of each feature, or channel, of X (N, ...) and return self.

        Raises:
            ValueError: X is no batch of numbers.
        """
        _check_rows("ZeroCentre", X)
        axes = _axes(X) if self.per_channel else 0
        self.mean, self.std = X.mean(axis=axes, dtype=np.float64, keepdims=True)[0], np.ones(())
        return self


class MinMax(Affine):
    """Take the training part's range to [-1, 1]: ``y = 2 (x - min) / (max - min) - 1``.

    The extremes are per channel for images (N, C, H, W), else per feature. What lies outside them later lands
    outside [-1, 1], and a constant feature becomes 0.

    Example:
        >>> MinMax().fit(np.array([[0.0, 7.0], [4.0, 7.0]])).transform(np.array([[1.0, 7.0]])).tolist()
        [[-0.5, 0.0]]

    Reference:
        CS231n, Neural Networks Part 2, https://cs231n.github.io/neural-networks-2
    """

    def fit(self, X: Array) -> MinMax:
        """Take the least and the greatest value of X (N, ...) and return self.

        Raises:
            ValueError: X is no batch of numbers.
        """
        _check_rows("MinMax", X)
        low, high = (pick(X, axis=_axes(X), keepdims=True)[0].astype(np.float64) for pick in (np.min, np.max))
        self.mean, self.std = low / 2 + high / 2, np.where(low == high, 1.0, high / 2 - low / 2)
        return self


class Standardise(Affine):
    """Take mean 0 and standard deviation 1: ``y = (x - mean) / std``.

    The statistics are per channel for images (N, C, H, W), else per feature; the variance is biased (divided
    by the count), there is no eps, and where ``std`` is 0, a constant feature, 1 takes its place.

    Example:
        >>> Standardise().fit(np.array([[1.0, 7.0], [3.0, 7.0]])).transform(np.array([[5.0, 7.0]])).tolist()
        [[3.0, 0.0]]
    """

    def fit(self, X: Array) -> Standardise:
        """Take mean and standard deviation of X (N, ...) and return self.

        Raises:
            ValueError: X is no batch of numbers.
        """
        _check_rows("Standardise", X)
        axes = _axes(X)
        # Between the extremes, as a sum's rounding must not make a constant feature vary about its mean.
        low, high = X.min(axis=axes, keepdims=True), X.max(axis=axes, keepdims=True)
        mean = X.mean(axis=axes, dtype=np.float64, keepdims=True).clip(low, high)
        squares = np.zeros_like(mean)
        for start in range(0, len(X), _BLOCK):
            squares += np.square(X[start : start + _BLOCK] - mean).sum(axis=axes, keepdims=True)
        std = np.sqrt(squares / (X.size // mean.size))
        self.mean, self.std = mean[0], np.where(std == 0, 1.0, std)[0]
        return self


def _axes(X: Array) -> tuple[int, ...]:
    """Return the axes that a statistic per channel of images, or per feature of rows, runs over."""
    return (0, 2, 3) if X.ndim == 4 else (0,)


def _check_rows(op: str, X: Array) -> None:
    if not isinstance(X, np.ndarray) or X.dtype.kind not in "uif" or X.ndim < 2 or len(X) == 0:
        got = f"{X.dtype} {X.shape}" if isinstance(X, np.ndarray) else type(X).__name__
        raise ValueError(f"[{op}] X: expected numbers of shape (N, ...) with N >= 1, got {got}")
