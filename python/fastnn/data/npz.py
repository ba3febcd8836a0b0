"""Data sets in NumPy's own archive, without its pickles."""

from __future__ import annotations

import math
import os
import zipfile
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from fastnn.data.container import Array
from fastnn.data.files import MAX_DEFLATE_RATIO, open_plain, read_exactly
from fastnn.data.splits import Splits

__all__ = ["load_npz"]

_KEYS = ("X_train", "y_train", "X_val", "y_val", "X_test", "y_test")
_MAX_HEADER = 10_000


def load_npz(path: str | os.PathLike[str]) -> Splits:
    """Load the arrays ``X_train, y_train[, X_val, y_val][, X_test, y_test]`` of an ``.npz`` file.

    uint8, float32 and float64 inputs stay what they are; other integers, booleans and float16 become float32,
    unscaled. Other arrays in the file are ignored.

    Args:
        path: written by ``numpy.savez`` or ``numpy.savez_compressed``. Images are (N, C, H, W); labels are
            integers (N,) from 0, float targets (N, ...) mean regression.

    Returns:
        The splits; classes are ``"0"`` to the largest label of any part, none for regression.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: one line: not an archive, truncated, pickled objects, sizes that the file cannot hold,
            a part with inputs or targets only, NaN, a negative label.

    Example:
        >>> import tempfile, os
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = os.path.join(folder, "data.npz")
        ...     np.savez(file, X_train=np.eye(3, dtype=np.float32), y_train=np.arange(3))
        ...     load_npz(file).classes
        ('0', '1', '2')
    """
    path = Path(path)
    with open_plain("load_npz", path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                names = set(archive.namelist())
                arrays = {key: _read_member(path, archive, key) for key in _KEYS if f"{key}.npy" in names}
        except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError) as error:
            # zipfile ends in an OSError where a broken directory sends it to a place outside the file.
            reason = f"{error!s:.80}"  # zipfile quotes names of any length
            raise ValueError(f"[load_npz] {path}: expected an .npz archive, got: {reason}") from error
    for key in ("X_train", "y_train"):
        if key not in arrays:
            raise ValueError(f"[load_npz] {path}: expected an array {key}, got none")
    labels = [
        value for key, value in arrays.items() if key[0] == "y" and value.dtype.kind in "bui" and value.size
    ]
    classes = tuple(str(label) for label in range(_largest(path, labels) + 1))
    try:
        return Splits(
            **{key: _as_input(value) if key[0] == "X" else value for key, value in arrays.items()},
            classes=classes,
        )
    except ValueError as error:
        raise ValueError(f"[load_npz] {path}: {str(error).removeprefix('[Splits] ')}") from error


def _largest(path: Path, labels: list[Array]) -> int:
    """Return the largest label; a huge one is a mistake, not a class."""
    largest = max((int(value.max()) for value in labels), default=-1)
    if largest >= 1_000_000:
        raise ValueError(f"[load_npz] {path}: expected labels below 1000000, got {largest}")
    return largest


def _as_input(X: Array) -> Array:
    """Return X in one of the types that are trained on."""
    return X if X.dtype in (np.uint8, np.float32, np.float64) else X.astype(np.float32)


def _read_member(path: Path, archive: zipfile.ZipFile, key: str) -> Array:
    """Read one array, after its header, its size and the size of the archive have agreed."""
    info = archive.getinfo(f"{key}.npy")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(
            f"[load_npz] {path}: {key}: expected plain or deflated data, got another compression"
        )
    if info.file_size > MAX_DEFLATE_RATIO * path.stat().st_size:
        raise ValueError(
            f"[load_npz] {path}: {key}: expected data that the file can hold, got {info.file_size} bytes"
        )
    with archive.open(info) as file:
        try:
            version = np.lib.format.read_magic(file)
            if version == (1, 0):
                shape, fortran, dtype = np.lib.format.read_array_header_1_0(file, _MAX_HEADER)
            elif version == (2, 0):
                shape, fortran, dtype = np.lib.format.read_array_header_2_0(file, _MAX_HEADER)
            else:
                raise ValueError(f"format version {version}")
        except Exception as error:  # NumPy parses the header as Python: a broken one ends in many ways
            raise ValueError(
                f"[load_npz] {path}: {key}: expected an .npy header, got a broken one"
            ) from error
        if dtype.kind not in "buif":
            raise ValueError(
                f"[load_npz] {path}: {key}: expected numbers, got {dtype} (pickles are never read)"
            )
        size = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or file.tell() + size != info.file_size:
            raise ValueError(
                f"[load_npz] {path}: {key}: expected {info.file_size - file.tell()} bytes of data, "
                f"got shape {shape} of {dtype}"
            )
        flat = read_exactly("load_npz", path, cast(BinaryIO, file), size).view(dtype)
    return flat.reshape(shape, order="F" if fortran else "C").astype(dtype.newbyteorder("="), copy=False)
