"""The idx files of MNIST and its relatives (Fashion-MNIST, KMNIST, EMNIST), plain or compressed with gzip."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from fastnn.data.files import expect_end, find_file, open_plain_or_gzip, read_exactly
from fastnn.data.splits import Splits

__all__ = ["has_idx", "load_idx"]

_UNSIGNED_BYTE = 0x08


def load_idx(folder: str | os.PathLike[str]) -> Splits:
    """Load the four idx files of a folder: ``train-`` and ``t10k-``, images and labels, ``.gz`` or not.

    Args:
        folder: holds ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and
            ``t10k-labels-idx1-ubyte``; a dot instead of the last but one dash and a ``.gz`` are fine.

    Returns:
        Images (N, 1, H, W) uint8, labels (N,) int64, no validation part, classes ``"0"`` to the largest
        training label.

    Raises:
        FileNotFoundError: one of the files is missing.
        ValueError: one line: wrong magic number, truncated, too long, broken gzip, counts that differ, a test
            label that no training example has.

    Reference: Y. LeCun, C. Cortes, C. Burges, The MNIST database, 1998, http://yann.lecun.com/exdb/mnist
    """
    folder = Path(folder)
    parts = {}
    for part, prefix in (("train", "train"), ("test", "t10k")):
        images = _read_idx(find_file("load_idx", folder, _names(prefix, "images", 3)), ndim=3)
        labels_path = find_file("load_idx", folder, _names(prefix, "labels", 1))
        labels = _read_idx(labels_path, ndim=1)
        if len(images) != len(labels):
            raise ValueError(f"[load_idx] {labels_path}: expected {len(images)} labels, got {len(labels)}")
        parts[f"X_{part}"], parts[f"y_{part}"] = images[:, None], labels.astype(np.int64)
    classes = tuple(str(label) for label in range(int(parts["y_train"].max()) + 1))
    if parts["y_test"].max() >= len(classes):
        raise ValueError(
            f"[load_idx] {folder}: expected test labels up to {len(classes) - 1} as in training, "
            f"got {parts['y_test'].max()}"
        )
    return Splits(**parts, classes=classes)


def has_idx(folder: Path) -> bool:
    """Return whether a folder looks as if it held idx files."""
    return any(
        (folder / name).is_file() for prefix in ("train", "t10k") for name in _names(prefix, "images", 3)
    )


def _names(prefix: str, what: str, ndim: int) -> list[str]:
    plain = [f"{prefix}-{what}-idx{ndim}-ubyte", f"{prefix}-{what}.idx{ndim}-ubyte"]
    return plain + [f"{name}.gz" for name in plain]


def _read_idx(path: Path, *, ndim: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Read one file: two zero bytes, a type, the rank, the sizes as big-endian int32, the values."""
    file, bound = open_plain_or_gzip("load_idx", path)
    with file:
        magic = read_exactly("load_idx", path, file, 4).tolist()
        if magic != [0, 0, _UNSIGNED_BYTE, ndim]:
            expected, got = bytes([0, 0, _UNSIGNED_BYTE, ndim]).hex(), bytes(magic).hex()
            raise ValueError(f"[load_idx] {path}: expected magic number 0x{expected}, got 0x{got}")
        shape = read_exactly("load_idx", path, file, 4 * ndim).view(">u4").tolist()
        count = math.prod(shape)
        if count == 0:
            raise ValueError(f"[load_idx] {path}: expected values, got the empty shape {tuple(shape)}")
        if 4 + 4 * ndim + count > bound:
            raise ValueError(
                f"[load_idx] {path}: expected at most {bound} bytes, as the file can hold, got {tuple(shape)}"
            )
        values = read_exactly("load_idx", path, file, count)
        expect_end("load_idx", path, file)
    result: np.ndarray[Any, np.dtype[np.uint8]] = values.reshape(shape)
    return result
