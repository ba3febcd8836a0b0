"""Reading files that may be truncated, mislabelled or hostile: sizes are checked before memory is taken."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

__all__ = [
    "MAX_DEFLATE_RATIO",
    "expect_end",
    "find_file",
    "open_plain",
    "open_plain_or_gzip",
    "read_bytes",
    "read_exactly",
]

# Deflate codes at most 258 bytes in two bits, so no stream grows by more than about 1032 (zlib's notes).
MAX_DEFLATE_RATIO = 1032


def find_file(op: str, folder: Path, names: list[str]) -> Path:
    """Return the first of ``names`` that is a file in ``folder``.

    Raises:
        FileNotFoundError: there is none.
    """
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"[{op}] {folder}: expected a file {names[0]}, got none")


def read_bytes(op: str, path: Path, limit: int) -> bytes:
    """Return the content of a file of at most ``limit`` bytes.

    Raises:
        ValueError: it is larger.
        OSError: it cannot be read.
    """
    try:
        size = path.stat().st_size
        if size > limit:
            raise ValueError(f"[{op}] {path}: expected at most {limit} bytes, got {size}")
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(op, path, error) from error


def open_plain(op: str, path: Path) -> BinaryIO:
    """Open a file for reading bytes.

    Raises:
        OSError: it cannot be read.
    """
    try:
        return path.open("rb")
    except OSError as error:
        raise _unreadable(op, path, error) from error


def open_plain_or_gzip(op: str, path: Path) -> tuple[BinaryIO, int]:
    """Open a file, decompressing it if it begins as gzip does, with a bound on the bytes it can hold."""
    with open_plain(op, path) as file:
        size = os.fstat(file.fileno()).st_size
        is_gzip = file.read(2) == b"\x1f\x8b"
    if is_gzip:
        return cast(BinaryIO, gzip.open(path, "rb")), size * MAX_DEFLATE_RATIO
    return open_plain(op, path), size


def read_exactly(op: str, path: Path, file: BinaryIO, count: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return the next ``count`` bytes of ``file``; a shorter or broken stream is refused.

    The caller has bounded ``count``; pages of the result that the stream never reaches are never touched.

    Raises:
        ValueError: it ends before, or is broken.
        OSError: it cannot be read.
    """
    result = np.empty(count, np.uint8)
    view = result.data
    done = 0
    with _decompressing(op, path):
        while done < count:
            got = file.readinto(view[done : done + (1 << 20)])  # type: ignore[attr-defined]
            if not got:
                raise ValueError(f"[{op}] {path}: expected {count} bytes here, got {done}: truncated")
            done += got
    return result


def expect_end(op: str, path: Path, file: BinaryIO) -> None:
    """Refuse a file that goes on; at most one further byte is unpacked. Checks gzip's checksum too.

    Raises:
        ValueError: it goes on, or is broken.
        OSError: it cannot be read.
    """
    with _decompressing(op, path):
        if file.read(1):
            raise ValueError(f"[{op}] {path}: expected the end of the file after its values, got more")


@contextmanager
def _decompressing(op: str, path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"[{op}] {path}: expected whole compressed data, got: {error}") from error
    except OSError as error:
        raise _unreadable(op, path, error) from error


def _unreadable(op: str, path: Path, error: OSError) -> OSError:
    failure = type(error)(f"[{op}] {path}: cannot read: {error.strerror or error}")
    failure.errno = error.errno
    return failure
