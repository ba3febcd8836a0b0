"""``fastnn predict`` and ``fastnn evaluate``: what a saved model says about data."""

from __future__ import annotations

import csv
import io
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import data
from fastnn.io import atomic_write, load_tensors
from fastnn.model import Model

Array = NDArray[Any]


def predict(model_file: Path, source: str, out: Path | None = None) -> None:
    """Write ``index,class,probability`` or ``index,number…`` of each example to a file or the terminal.

    Args:
        model_file: written by ``fastnn train``.
        source: a data set, whose test part is taken, an ``.npz`` with an array ``X``, or an ``.npy``.
        out: a .csv file.

    Raises:
        ValueError: the model or the data are broken or do not fit each other.
    """
    model = Model.load(model_file)
    rows = _rows(model, _classes(model_file), _inputs(source))
    if out is None:
        csv.writer(sys.stdout, lineterminator="\n").writerows(rows)
        return
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    atomic_write(out, text.getvalue().encode())


def evaluate(model_file: Path, source: str) -> None:
    """Print loss and accuracy (or mean absolute error) on the test part of a data set.

    Raises:
        ValueError: the model or the data are broken or do not fit each other.
    """
    model = Model.load(model_file)
    name, part = _held_out(data.load(source))
    y = part.y[:, None] if part.y.dtype.kind == "f" and part.y.ndim == 1 else part.y
    measured = model.evaluate(part.X, y)
    results = "  ".join(f"{key} {value:.4f}" for key, value in measured.items())
    print(f"{results}  on the {len(part)} {name} examples of {source}")


def _classes(model_file: Path) -> list[str]:
    """Return the names of the classes; a model saved from Python has none."""
    try:
        classes = json.loads(load_tensors(model_file)[1].get("classes", "[]"))
    except ValueError:
        classes = None
    if not isinstance(classes, list):
        raise ValueError(f"{model_file}: expected a list of classes, got another thing")
    return [str(name) for name in classes]


def _held_out(splits: data.Splits) -> tuple[str, data.ArrayDataset]:
    """Return the part that a trained model has seen least of, and what it is called."""
    if splits.test is not None:
        return "test", splits.test
    if splits.val is not None:
        return "validation", splits.val
    return "training", splits.train


def _inputs(source: str) -> Array:
    """Return examples (N, ...); unlabelled ones may stand in an ``.npy``, or as ``X`` in an ``.npz``."""
    path = Path(source)
    if path.suffix not in (".npy", ".npz") or not path.is_file():
        return _held_out(data.load(source))[1].X
    try:
        with path.open("rb") as file:  # NumPy forgets to close a broken archive that it has opened itself
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded
            with loaded:
                if "X" in loaded:
                    inputs: Array = loaded["X"]
                    return inputs
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: expected arrays of numbers, got: {error}") from None
    return _held_out(data.load(source))[1].X


def _rows(model: Model, classes: list[str], X: Array) -> Iterator[tuple[Any, ...]]:
    if model.task != "classification":
        binary = model.task == "binary"
        numbers = model.predict_proba(X) if binary else model.predict_scores(X)
        outputs = numbers.reshape(len(numbers), -1)
        yield ("index", *(f"{'probability' if binary else 'value'}{i}" for i in range(outputs.shape[1])))
        yield from ((i, *(f"{value:.6g}" for value in row)) for i, row in enumerate(outputs))
        return
    probabilities = model.predict_proba(X)
    if not classes:
        classes = [str(label) for label in range(probabilities.shape[1])]
    yield ("index", "class", "probability")
    for i, (label, probability) in enumerate(
        zip(probabilities.argmax(axis=1), probabilities.max(axis=1), strict=True)
    ):
        yield (i, classes[label], f"{probability:.4f}")
