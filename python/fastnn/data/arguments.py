"""What a caller may hand over as data: arrays, data sets, files that were read, a course's dictionary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastnn import _arguments as check
from fastnn.data.container import ArrayDataset, Dataset


def as_datasets(op: str, data: Any, validation: Any = None) -> tuple[Dataset, Dataset | None]:
    """Return training and validation data as data sets, the latter from ``data`` if it brings its own.

    Args:
        op: whose arguments they are, for error texts.
        data: ``(X, y)``, a `Dataset`, `Splits`, or a mapping with ``X_train``, ``y_train`` and perhaps
            ``X_val``, ``y_val``.
        validation: ``(X, y)``, a `Dataset` or None.

    Raises:
        TypeError: they are another kind of object.
        ValueError: they hold no examples, or what does not belong together.
    """
    own: Any = None
    if isinstance(data, Mapping):
        if "X_train" not in data or "y_train" not in data:
            raise ValueError(
                f"[{op}] data: expected X_train and y_train, got {', '.join(map(str, data)) or 'nothing'}"
            )
        own = (data["X_val"], data["y_val"]) if "X_val" in data and "y_val" in data else None
        data = (data["X_train"], data["y_train"])
    # Arrays first: who has no files to read needs nothing of `Splits`.
    elif not isinstance(data, (tuple, list, Dataset)):
        from fastnn.data.splits import Splits

        if isinstance(data, Splits):
            data, own = data.train, data.val
    if validation is None:
        validation = own
    train = _as_dataset(op, "data", data)
    return train, None if validation is None else _as_dataset(op, "validation_data", validation)


def as_augmentations(op: str, augment: Any) -> tuple[Any, ...]:
    """Return the `fastnn.augment` steps of a sequence: those that can draw moves, and callables.

    Raises:
        TypeError: it is no sequence, or holds other things.
    """
    if not isinstance(augment, Sequence):
        raise TypeError(f"[{op}] augment: expected a sequence, got {type(augment).__name__}")
    for step in augment:
        check.offering(op, "augment", step, "draw" if hasattr(step, "draw") else "__call__")
    return tuple(augment)


def _as_dataset(op: str, name: str, data: Any) -> Dataset:
    if isinstance(data, (tuple, list)) and len(data) == 2:
        try:
            X, y = np.asarray(data[0]), np.asarray(data[1])
        except ValueError:
            raise ValueError(f"[{op}] {name}: expected arrays, got rows of different shapes") from None
        data = ArrayDataset(X, y)
    if isinstance(data, Dataset):
        if len(data) == 0:
            raise ValueError(f"[{op}] {name}: expected examples, got none")
        return data
    raise TypeError(f"[{op}] {name}: expected (X, y), a data set or a mapping, got {type(data).__name__}")
