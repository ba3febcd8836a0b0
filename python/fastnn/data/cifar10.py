"""CIFAR-10 from its pickled ("python") or its binary batches."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fastnn.data.container import Array
from fastnn.data.files import find_file, read_bytes
from fastnn.data.splits import Splits

__all__ = ["CIFAR10_CLASSES", "find_cifar10", "load_cifar10"]

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
_PIXELS = 3 * 32 * 32
_MAX_BYTES = 1 << 28  # a batch has 31 MB


def load_cifar10(folder: str | os.PathLike[str]) -> Splits:
    """Load CIFAR-10: five training batches and a test batch.

    The pickled batches are read by an unpickler that knows arrays of bytes and nothing else: no name of the
    file is ever imported, whatever it says.

    Args:
        folder: ``cifar-10-batches-py`` or ``cifar-10-batches-bin`` as unpacked, or the folder round it.

    Returns:
        Images (N, 3, 32, 32) uint8 as views of channels-last memory, labels (N,) int64, no validation part.

    Raises:
        FileNotFoundError: a batch is missing.
        ValueError: one line: truncated, not a batch, a hostile pickle, a label above 9, counts that differ.

    Reference: A. Krizhevsky, Learning multiple layers of features from tiny images, 2009,
    https://www.cs.toronto.edu/~kriz/cifar.html
    """
    found = find_cifar10(Path(folder))
    if found is None:
        raise FileNotFoundError(
            f"[load_cifar10] {folder}: expected data_batch_1 or data_batch_1.bin, got neither"
        )
    root, suffix = found
    read: Callable[[Path], tuple[Array, Array]] = _read_binary if suffix else _read_pickled
    batches = [read(find_file("load_cifar10", root, [name + suffix])) for name in (*_BATCHES, "test_batch")]
    X_train, y_train = _join(batches[:-1])
    X_test, y_test = _join(batches[-1:])
    return Splits(X_train, y_train, X_test=X_test, y_test=y_test, classes=CIFAR10_CLASSES)


def find_cifar10(folder: Path) -> tuple[Path, str] | None:
    """Return the folder that holds the batches, and their suffix; None if there are none."""
    for name, suffix in (("cifar-10-batches-py", ""), ("cifar-10-batches-bin", ".bin")):
        for root in (folder, folder / name):
            if (root / f"data_batch_1{suffix}").is_file():
                return root, suffix
    return None


def _join(batches: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Put batches together in channels-last memory, which loader and kernels want: arranged once."""
    labels = np.concatenate([labels for _, labels in batches])
    images = np.empty((len(labels), 32, 32, 3), np.uint8)
    planes = [pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1) for pixels, _ in batches]
    return np.concatenate(planes, out=images).transpose(0, 3, 1, 2), labels


def _checked(path: Path, pixels: Array, labels: Array) -> tuple[Array, Array]:
    if len(labels) == 0:
        raise ValueError(f"[load_cifar10] {path}: expected images, got none")
    if pixels.shape != (len(labels), _PIXELS):
        raise ValueError(
            f"[load_cifar10] {path}: expected pixels ({len(labels)}, {_PIXELS}), got {pixels.shape}"
        )
    if labels.min() < 0 or labels.max() > 9:
        bad = labels.min() if labels.min() < 0 else labels.max()
        raise ValueError(f"[load_cifar10] {path}: expected labels 0 to 9, got {bad}")
    return pixels, labels


def _read_binary(path: Path) -> tuple[Array, Array]:
    """Read records of one label byte and 3072 pixel bytes."""
    content = np.frombuffer(read_bytes("load_cifar10", path, _MAX_BYTES), np.uint8)
    if len(content) == 0 or len(content) % (1 + _PIXELS):
        raise ValueError(
            f"[load_cifar10] {path}: expected records of {1 + _PIXELS} bytes, got {len(content)} bytes"
        )
    records = content.reshape(-1, 1 + _PIXELS)
    return _checked(path, records[:, 1:], records[:, 0].astype(np.int64))


def _read_pickled(path: Path) -> tuple[Array, Array]:
    """Read a pickled dict with ``data`` (n, 3072) uint8 and ``labels``, a list of n integers."""
    content = read_bytes("load_cifar10", path, _MAX_BYTES)
    try:
        batch = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except _Refused as error:
        raise ValueError(
            f"[load_cifar10] {path}: expected a batch of plain arrays, got a pickle that {error}"
        ) from error
    except (Exception, RecursionError, MemoryError) as error:
        # A broken pickle can end in nearly any exception; none of them means more than this.
        raise ValueError(f"[load_cifar10] {path}: expected a pickled batch, got a broken one") from error
    entries = {_text(key): value for key, value in batch.items()} if isinstance(batch, dict) else {}
    pixels, labels = entries.get("data"), entries.get("labels")
    if not isinstance(pixels, _ByteArray) or not isinstance(labels, list):
        raise ValueError(f"[load_cifar10] {path}: expected entries 'data' and 'labels', got other content")
    if not all(type(label) is int and 0 <= label <= 9 for label in labels):
        raise ValueError(f"[load_cifar10] {path}: expected integer labels 0 to 9, got others")
    return _checked(path, pixels.to_numpy(path), np.array(labels, np.int64))


def _text(key: object) -> object:
    return key.decode("latin1") if isinstance(key, bytes) else key


class _Refused(Exception):
    """The pickle names something that a batch of plain arrays has no use for."""


class _StandIn:
    """What a name in the pickle becomes. A state can be set on instances only, and only as the class says."""

    def __setstate__(self, state: object) -> None:
        pass


class _ArrayType(_StandIn):
    """Stands in for ``numpy.ndarray``, which appears only as an argument."""


class _ByteType(_StandIn):
    """Stands in for ``numpy.dtype``, of unsigned bytes only."""

    def __init__(self, name: object, *_: object) -> None:
        if _text(name) != "u1":
            raise _Refused("holds an array of another type than uint8")


class _ByteArray(_StandIn):
    """Stands in for ``_reconstruct``, which makes the empty array that the state then fills."""

    def __init__(self, *_: object) -> None:
        self.state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state

    def to_numpy(self, path: Path) -> Array:
        """Return the array, if the state is a version, a shape, uint8, an order and as many bytes."""
        match self.state:
            case (_, (int() as rows, int() as columns), _ByteType(), order, bytes() as data):
                if rows >= 0 and columns >= 0 and rows * columns == len(data):
                    return np.frombuffer(data, np.uint8).reshape((rows, columns), order="F" if order else "C")
        raise ValueError(f"[load_cifar10] {path}: expected a table of bytes under 'data', got another state")


class _Latin1(_StandIn):
    """Stands in for ``_codecs.encode``: how Python 3 writes bytes for readers that know only text."""

    def __new__(cls, text: object, encoding: object) -> bytes:  # type: ignore[misc]
        if not isinstance(text, str) or _text(encoding) != "latin1":
            raise _Refused("encodes text in another way than latin1")
        return text.encode("latin1")


_ADMITTED = {
    ("numpy.core.multiarray", "_reconstruct"): _ByteArray,
    ("numpy._core.multiarray", "_reconstruct"): _ByteArray,
    ("numpy", "ndarray"): _ArrayType,
    ("numpy", "dtype"): _ByteType,
    ("_codecs", "encode"): _Latin1,
}


# The unpickler written in Python: the one in C grows its memo to any index that the file names.
class _Unpickler(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> type[_StandIn]:
        """Return the stand-in of an admitted name; import nothing."""
        if (module, name) not in _ADMITTED:
            raise _Refused(f"asks for {module!r}.{name!r}"[:120])
        return _ADMITTED[module, name]

    def get_extension(self, code: int) -> None:
        """Refuse names by number, which would come from a registry of the process."""
        raise _Refused(f"asks for extension {code}")

    def persistent_load(self, pid: object) -> None:
        """Refuse names of objects outside the pickle."""
        raise _Refused("asks for an object outside the file")
