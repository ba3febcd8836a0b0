"""Files: written whole or not at all, and read with suspicion.

Tensors stand in safetensors files, so nothing here reads or writes a pickle. A checkpoint is one such file:
the arrays of a nested state become its tensors, and the rest of the tree stands in its metadata as JSON.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as _encode

__all__ = ["atomic_write", "flatten_state", "load_tensors", "save_tensors", "unflatten_state"]

_MARKER = "fastnn"
_FORMAT = 1
_STATE = "state"
_KINDS = "?bBhHiIlLqQefd"  # what NumPy and safetensors have in common


def atomic_write(path: str | os.PathLike[str], content: bytes | Callable[[BinaryIO], object]) -> None:
    """Write a file so that a reader, now or after a crash, sees the old content or the new, never a part.

    The bytes go to a temporary name in the same folder, are flushed to the disk, and the file is renamed. A
    symbolic link is followed. On any failure the old file is as it was and the temporary one is gone.

    Args:
        path: the file; its folder must exist.
        content: the bytes, or a function that writes them into the open binary file it is given.

    Raises:
        OSError: one line that names the file, with ``errno`` set (full disk, unwritable folder).

    Example:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     atomic_write(pathlib.Path(folder, "note.txt"), b"hello")
        ...     pathlib.Path(folder, "note.txt").read_text()
        'hello'
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        try:
            with open(temporary, "wb") as file:
                if callable(content):
                    content(file)
                else:
                    file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)
    except OSError as error:
        failure = type(error)(f"[atomic_write] {os.fspath(path)}: cannot write: {error.strerror or error}")
        failure.errno = error.errno
        raise failure from error


def _sync_folder(folder: Path) -> None:
    """Make a rename durable; the name itself is in the folder, not in the file."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def save_tensors(
    path: str | os.PathLike[str],
    tensors: Mapping[str, np.ndarray[Any, Any]],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Save named arrays as one safetensors file, atomically and bit for bit.

    Values and shapes are kept, memory order is not: every tensor is stored C-contiguous and little-endian.

    Args:
        path: the file; its folder must exist.
        tensors: arrays of booleans, integers or float16/32/64, any shape and strides.
        metadata: strings to keep beside them. They stand in the header's one entry ``fastnn``, which marks
            the file as ours and keeps its bytes reproducible (safetensors orders several entries at random).

    Raises:
        TypeError: a value is no array of such a dtype.
        OSError: the file cannot be written; an older one is then as it was.

    Example:
        >>> import tempfile, os
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = os.path.join(folder, "model.safetensors")
        ...     save_tensors(file, {"0.weight": np.eye(2)}, {"net": "tiny"})
        ...     tensors, metadata = load_tensors(file)
        >>> tensors["0.weight"].tolist(), metadata
        ([[1.0, 0.0], [0.0, 1.0]], {'net': 'tiny'})

    Reference: the safetensors format, https://huggingface.co/docs/safetensors
    """
    plain = {name: _plain_array("save_tensors", name, value) for name, value in tensors.items()}
    header = json.dumps({"format": _FORMAT, "metadata": dict(metadata or {})}, sort_keys=True)
    atomic_write(path, _encode(plain, {_MARKER: header}))


def _plain_array(op: str, name: str, value: object) -> np.ndarray[Any, Any]:
    if not isinstance(value, np.ndarray) or value.dtype.char not in _KINDS:
        kind = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
        raise TypeError(f"[{op}] {name}: expected an array of booleans, integers or floats, got {kind}")
    return np.asarray(value, dtype=value.dtype.newbyteorder("="), order="C")


def load_tensors(
    path: str | os.PathLike[str],
    *,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    marked: bool = True,
) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, str]]:
    """Load the arrays and the metadata of a safetensors file.

    Args:
        path: the file.
        shapes: the names and shapes that must stand in it, no more and no fewer; None accepts any.
        marked: refuse a file that ``save_tensors`` did not write; False admits those of other programs.

    Returns:
        The arrays by name (fresh, writable, C-contiguous) and the metadata as given to ``save_tensors``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: not a safetensors file, truncated, another program's, or other names and shapes.
    """
    try:
        with safe_open(os.fspath(path), framework="numpy") as file:
            header = file.metadata() or {}
            if marked and _MARKER not in header:
                raise ValueError(
                    f"[load_tensors] {path}: expected a file saved by fastnn, got another program's"
                )
            metadata = _read_marker(path, header[_MARKER]) if _MARKER in header else dict(header)
            names = sorted(file.keys())
            if shapes is not None:
                _check_shapes(path, {name: tuple(file.get_slice(name).get_shape()) for name in names}, shapes)
            tensors = {name: np.array(file.get_tensor(name)) for name in names}
    except (SafetensorError, TypeError, AttributeError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"[load_tensors] {path}: expected a safetensors file, got: {reason}") from error
    except FileNotFoundError as error:
        raise FileNotFoundError(f"[load_tensors] {path}: no such file") from error
    except OSError as error:
        reason = "it is a folder" if os.path.isdir(path) else error.strerror or str(error)
        raise type(error)(f"[load_tensors] {path}: cannot read: {reason}") from error
    return tensors, metadata


def _read_marker(path: str | os.PathLike[str], marker: str) -> dict[str, str]:
    try:
        header = json.loads(marker)
        if header["format"] == _FORMAT:
            return {str(key): str(value) for key, value in header["metadata"].items()}
        found = f"format {header['format']!r}"
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        found = "a broken header"
    raise ValueError(f"[load_tensors] {path}: expected fastnn's format {_FORMAT}, got {found}")


def _check_shapes(
    path: str | os.PathLike[str],
    found: Mapping[str, tuple[int, ...]],
    expected: Mapping[str, tuple[int, ...]],
) -> None:
    for name, shape in expected.items():
        if name not in found:
            raise ValueError(f"[load_tensors] {path}: expected a tensor {name} of shape {shape}, got none")
        if found[name] != tuple(shape):
            raise ValueError(
                f"[load_tensors] {path}: {name}: expected shape {tuple(shape)}, got {found[name]}"
            )
    for name in found:
        if name not in expected:
            raise ValueError(
                f"[load_tensors] {path}: expected no tensor {name}, got one of shape {found[name]}"
            )


def flatten_state(state: Mapping[str, Any]) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, str]]:
    """Split a nested state into tensors and JSON metadata, as ``save_tensors`` takes them.

    The state may nest dicts (with string keys), lists and tuples, and hold arrays, NumPy scalars, strings,
    None, booleans, floats and integers of any size (as random generators have). ``unflatten_state`` gives all
    of it back bit for bit, types included. An array is named by its path: ``optimizer/velocity/0.weight``.

    Args:
        state: the tree.

    Returns:
        The arrays by path, and a metadata dict whose one entry ``state`` describes the tree.

    Raises:
        TypeError: something that is none of these.
        ValueError: a key beginning with ``$``, which the description uses itself.

    Example:
        >>> tensors, metadata = flatten_state({"step": 3, "velocity": {"w": np.zeros(2)}})
        >>> sorted(tensors), metadata["state"]
        (['velocity/w'], '{"step": 3, "velocity": {"w": {"$array": "velocity/w"}}}')
        >>> unflatten_state(tensors, metadata)
        {'step': 3, 'velocity': {'w': array([0., 0.])}}
    """
    tensors: dict[str, np.ndarray[Any, Any]] = {}

    def store(kind: str, path: str, value: np.ndarray[Any, Any]) -> dict[str, str]:
        name = path if path not in tensors else f"{path}#{len(tensors)}"
        tensors[name] = _plain_array("flatten_state", path, value)
        return {kind: name}

    def encode(value: Any, path: str) -> Any:
        if isinstance(value, np.ndarray):
            return store("$array", path, value)
        if isinstance(value, np.generic) and not isinstance(value, (np.str_, np.bytes_)):
            return store("$scalar", path, np.asarray(value))
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, Mapping):
            _check_keys(path, value)
            return {key: encode(item, f"{path}/{key}" if path else key) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            items = [encode(item, f"{path}/{index}") for index, item in enumerate(value)]
            return {"$tuple": items} if isinstance(value, tuple) else items
        raise TypeError(
            f"[flatten_state] {path}: expected arrays and JSON values, got {type(value).__name__}"
        )

    if not isinstance(state, Mapping):
        raise TypeError(f"[flatten_state] state: expected a mapping, got {type(state).__name__}")
    return tensors, {_STATE: json.dumps(encode(state, ""))}


def _check_keys(path: str, mapping: Mapping[Any, Any]) -> None:
    for key in mapping:
        if not isinstance(key, str):
            raise TypeError(f"[flatten_state] {path or 'state'}: expected string keys, got {key!r}")
        if key.startswith("$"):
            raise ValueError(
                f"[flatten_state] {path or 'state'}: expected keys not beginning with $, got {key}"
            )


def unflatten_state(
    tensors: Mapping[str, np.ndarray[Any, Any]], metadata: Mapping[str, str]
) -> dict[str, Any]:
    """Return the state that ``flatten_state`` split.

    Args:
        tensors: the arrays by path.
        metadata: with the entry ``state``; other entries are ignored.

    Returns:
        The nested state.

    Raises:
        ValueError: no description of a state, a broken one, or one of other tensors.
    """

    def decode(value: Any) -> Any:
        if isinstance(value, list):
            return [decode(item) for item in value]
        if not isinstance(value, dict):
            return value
        if value.keys() == {"$array"}:
            return tensors[value["$array"]]
        if value.keys() == {"$scalar"}:
            return tensors[value["$scalar"]][()]
        if value.keys() == {"$tuple"}:
            return tuple(decode(item) for item in value["$tuple"])
        return {key: decode(item) for key, item in value.items()}

    if _STATE not in metadata:
        raise ValueError("[unflatten_state] metadata: expected an entry 'state', got none: not a checkpoint")
    try:
        state = decode(json.loads(metadata[_STATE]))
    except KeyError as error:
        raise ValueError(f"[unflatten_state] tensors: expected one named {error}, got none") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError("[unflatten_state] state: expected a described state, got broken JSON") from error
    if not isinstance(state, dict):
        raise ValueError(f"[unflatten_state] state: expected a mapping, got {type(state).__name__}")
    return state
