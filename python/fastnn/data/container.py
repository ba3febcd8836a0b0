"""What a data set is to the rest of the package: something with a length that hands out rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

__all__ = ["ArrayDataset", "Dataset", "Splits"]

Array = np.ndarray[Any, Any]
_OWN_TYPES = (np.uint8, np.float32, np.float64)


@runtime_checkable
class Dataset(Protocol):
    """Rows by number. Anything with these two methods can be trained on; a row may come from anywhere."""

    def __len__(self) -> int:
        """Return the number of examples."""
        ...

    def batch(self, indices: Array) -> tuple[Array, Array]:
        """Return the examples ``indices`` (n,) int64, as ``X`` (n, ...) and ``y`` (n, ...)."""
        ...


class ArrayDataset:
    """A data set that stands in memory as two arrays.

    Args:
        X: (N, ...) uint8, float32 or float64. Images are (N, C, H, W), 0-255 where they are uint8.
        y: (N,) integer labels (kept as int64), or (N, ...) float targets.

    Raises:
        ValueError: other types, different lengths.

    Example:
        >>> data = ArrayDataset(np.eye(4), np.arange(4))
        >>> X, y = data.batch(np.array([2, 0]))
        >>> len(data), X.tolist(), y.tolist()
        (4, [[0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]], [2, 0])
    """

    def __init__(self, X: Array, y: Array) -> None:
        self.X = _checked_inputs("ArrayDataset", "X", X)
        self.y = _checked_targets("ArrayDataset", "y", y)
        if len(self.X) != len(self.y):
            raise ValueError(f"[ArrayDataset] y: expected {len(self.X)} rows as in X, got {len(self.y)}")

    def __len__(self) -> int:
        return len(self.X)

    def __repr__(self) -> str:
        return f"ArrayDataset({len(self)} examples of {_shape_and_type(self.X)})"

    def batch(self, indices: Array) -> tuple[Array, Array]:
        """Return copies of the examples ``indices`` (n,), as ``X`` (n, ...) and ``y`` (n, ...)."""
        return _take(self.X, indices), self.y[indices]


@dataclass(frozen=True, eq=False, repr=False)
class Splits:
    """A data set in its training, validation and test parts; the last two may be missing.

    Args:
        X_train, X_val, X_test: (N, ...) uint8, float32 or float64; images (N, C, H, W), as they came from the
            file, unscaled.
        y_train, y_val, y_test: (N,) int64 labels below ``len(classes)``, or (N, ...) float targets.
        classes: the name of each label; empty for regression.

    Raises:
        ValueError: one line: parts of different shape, a label that is no class, a value that is not finite.

    Example:
        >>> splits = Splits(np.eye(4), np.array([0, 1, 0, 1]), classes=("even", "odd"))
        >>> len(splits.train), splits.val
        (4, None)
        >>> splits.hold_out(1)
        Splits(3 training + 1 validation examples of shape (4,), float64, 2 classes)
    """

    X_train: Array
    y_train: Array
    X_val: Array | None = None
    y_val: Array | None = None
    X_test: Array | None = None
    y_test: Array | None = None
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for part in ("train", "val", "test"):
            X, y = getattr(self, f"X_{part}"), getattr(self, f"y_{part}")
            if X is None and y is None:
                continue
            if X is None or y is None:
                raise ValueError(f"[Splits] {part}: expected both X_{part} and y_{part}, got one of them")
            X = _checked_inputs("Splits", f"X_{part}", X)
            y = _checked_targets("Splits", f"y_{part}", y)
            object.__setattr__(self, f"X_{part}", X)
            object.__setattr__(self, f"y_{part}", y)
            self._check_part(part, X, y)

    def _check_part(self, part: str, X: Array, y: Array) -> None:
        if len(X) != len(y):
            raise ValueError(f"[Splits] y_{part}: expected {len(X)} rows as in X_{part}, got {len(y)}")
        if X.shape[1:] != self.X_train.shape[1:]:
            expected = self.X_train.shape[1:]
            raise ValueError(f"[Splits] X_{part}: expected examples of shape {expected}, got {X.shape[1:]}")
        if y.dtype.kind != self.y_train.dtype.kind or y.shape[1:] != self.y_train.shape[1:]:
            expected = (self.y_train.dtype.name, self.y_train.shape[1:])
            raise ValueError(
                f"[Splits] y_{part}: expected targets {expected}, got {(y.dtype.name, y.shape[1:])}"
            )
        if X.dtype.kind == "f" and not np.isfinite(X).all():
            raise ValueError(f"[Splits] X_{part}: expected finite values, got NaN or infinity")
        if y.dtype.kind == "i" and len(y) and not 0 <= y.min() <= y.max() < len(self.classes):
            bad = y.min() if y.min() < 0 else y.max()
            raise ValueError(f"[Splits] y_{part}: expected labels 0 to {len(self.classes) - 1}, got {bad}")
        if y.dtype.kind == "f" and not np.isfinite(y).all():
            raise ValueError(f"[Splits] y_{part}: expected finite targets, got NaN or infinity")

    @property
    def train(self) -> ArrayDataset:
        """The training part."""
        return ArrayDataset(self.X_train, self.y_train)

    @property
    def val(self) -> ArrayDataset | None:
        """The validation part, if there is one."""
        return None if self.X_val is None or self.y_val is None else ArrayDataset(self.X_val, self.y_val)

    @property
    def test(self) -> ArrayDataset | None:
        """The test part, if there is one."""
        return None if self.X_test is None or self.y_test is None else ArrayDataset(self.X_test, self.y_test)

    def hold_out(self, count: int, *, seed: int = 0) -> Splits:
        """Return these splits with ``count`` training examples, drawn from ``seed``, as the validation part.

        The choice depends on the seed and on nothing else: ``RandomState`` draws the same on every NumPy.

        Raises:
            ValueError: ``count`` leaves no training example, or none to hold out.
        """
        if not 0 < count < len(self.X_train):
            raise ValueError(f"[hold_out] count: expected 1 to {len(self.X_train) - 1}, got {count}")
        order = np.random.RandomState(seed).permutation(len(self.X_train))
        held, kept = np.sort(order[:count]), np.sort(order[count:])
        return replace(
            self,
            X_train=_take(self.X_train, kept),
            y_train=self.y_train[kept],
            X_val=_take(self.X_train, held),
            y_val=self.y_train[held],
        )

    def __repr__(self) -> str:
        parts = {"training": self.X_train, "validation": self.X_val, "test": self.X_test}
        counts = " + ".join(f"{len(X)} {name}" for name, X in parts.items() if X is not None)
        answers = f"{len(self.classes)} classes" if self.classes else f"targets {self.y_train.dtype}"
        return f"Splits({counts} examples of {_shape_and_type(self.X_train)}, {answers})"

    def as_dict(self) -> Mapping[str, Array]:
        """Return the parts that there are under the course's names ``X_train``, ``y_train``, ``X_val``, …"""
        names = ("X_train", "y_train", "X_val", "y_val", "X_test", "y_test")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


def _shape_and_type(X: Array) -> str:
    return f"shape {X.shape[1:]}, {X.dtype}"


def _take(X: Array, rows: Array) -> Array:
    """Return rows of X; images keep the channels-last memory they may stand in, which indexing loses."""
    return X.transpose(0, 2, 3, 1)[rows].transpose(0, 3, 1, 2) if X.ndim == 4 else X[rows]


def _checked_inputs(op: str, name: str, X: Array) -> Array:
    if not isinstance(X, np.ndarray) or X.dtype not in _OWN_TYPES:
        raise ValueError(f"[{op}] {name}: expected uint8, float32 or float64, got {_kind(X)}")
    if X.ndim < 2 or 0 in X.shape[1:]:
        raise ValueError(f"[{op}] {name}: expected shape (N, ...) with non-empty examples, got {X.shape}")
    return X.astype(X.dtype.newbyteorder("="), copy=False)


def _checked_targets(op: str, name: str, y: Array) -> Array:
    if not isinstance(y, np.ndarray) or y.dtype.kind not in "biuf":
        raise ValueError(f"[{op}] {name}: expected integer labels or float targets, got {_kind(y)}")
    if y.dtype.kind == "f":
        if y.ndim < 1:
            raise ValueError(f"[{op}] {name}: expected targets (N, ...), got shape {y.shape}")
        return y.astype(np.float64 if y.dtype.itemsize == 8 else np.float32, copy=False)
    if y.ndim != 1:
        raise ValueError(f"[{op}] {name}: expected labels of shape (N,), got {y.shape}")
    if y.dtype.kind == "u" and len(y) and y.max() > np.iinfo(np.int64).max:
        raise ValueError(f"[{op}] {name}: expected labels that are small integers, got {y.max()}")
    return y.astype(np.int64, copy=False)


def _kind(value: object) -> str:
    return str(value.dtype) if isinstance(value, np.ndarray) else type(value).__name__
