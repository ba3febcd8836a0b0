"""A data set in parts, as the readers of files return it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from fastnn.data.container import Array, ArrayDataset, checked_inputs, checked_targets, shape_and_type, take

__all__ = ["Splits"]


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
            X = checked_inputs("Splits", f"X_{part}", X)
            y = checked_targets("Splits", f"y_{part}", y)
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
            X_train=take(self.X_train, kept),
            y_train=self.y_train[kept],
            X_val=take(self.X_train, held),
            y_val=self.y_train[held],
        )

    def __repr__(self) -> str:
        parts = {"training": self.X_train, "validation": self.X_val, "test": self.X_test}
        counts = " + ".join(f"{len(X)} {name}" for name, X in parts.items() if X is not None)
        answers = f"{len(self.classes)} classes" if self.classes else f"targets {self.y_train.dtype}"
        return f"Splits({counts} examples of {shape_and_type(self.X_train)}, {answers})"

    def as_dict(self) -> Mapping[str, Array]:
        """Return the parts that there are under the course's names ``X_train``, ``y_train``, ``X_val``, …"""
        names = ("X_train", "y_train", "X_val", "y_val", "X_test", "y_test")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}
