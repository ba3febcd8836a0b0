"""What a data set is to the rest of the package: something with a length that hands out rows."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np

__all__ = ["ArrayDataset", "Dataset"]

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
        self.X = checked_inputs("ArrayDataset", "X", X)
        self.y = checked_targets("ArrayDataset", "y", y)
        if len(self.X) != len(self.y):
            raise ValueError(f"[ArrayDataset] y: expected {len(self.X)} rows as in X, got {len(self.y)}")

    def __len__(self) -> int:
        return len(self.X)

    def __repr__(self) -> str:
        return f"ArrayDataset({len(self)} examples of {shape_and_type(self.X)})"

    def batch(self, indices: Array) -> tuple[Array, Array]:
        """Return copies of the examples ``indices`` (n,), as ``X`` (n, ...) and ``y`` (n, ...)."""
        return take(self.X, indices), self.y[indices]


def shape_and_type(X: Array) -> str:
    """Return what an example is, for a text."""
    return f"shape {X.shape[1:]}, {X.dtype}"


def take(X: Array, rows: Array) -> Array:
    """Return rows of X; images keep the channels-last memory they may stand in, which indexing loses."""
    return X.transpose(0, 2, 3, 1)[rows].transpose(0, 3, 1, 2) if X.ndim == 4 else X[rows]


def checked_inputs(op: str, name: str, X: Array) -> Array:
    """Return inputs in native byte order.

    Raises:
        ValueError: they are no array of examples, or of another type than data sets have.
    """
    if not isinstance(X, np.ndarray) or X.dtype not in _OWN_TYPES:
        raise ValueError(f"[{op}] {name}: expected uint8, float32 or float64, got {_kind(X)}")
    if X.ndim < 2 or 0 in X.shape[1:]:
        raise ValueError(f"[{op}] {name}: expected shape (N, ...) with non-empty examples, got {X.shape}")
    return X.astype(X.dtype.newbyteorder("="), copy=False)


def checked_targets(op: str, name: str, y: Array) -> Array:
    """Return targets as int64 or floats in native byte order.

    Raises:
        ValueError: they are neither labels nor numbers, or of a shape that targets do not have.
    """
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
