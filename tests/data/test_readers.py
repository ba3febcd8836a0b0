"""Data files come back as they were written, and every broken one is refused with one line."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastnn.data import Splits, load, load_cifar10, load_digits, load_idx, load_npz

Array = np.ndarray[Any, Any]
IDX = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
]
CIFAR = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]


def refused(read: Callable[[Any], object], path: Path, kind: type[Exception] = ValueError) -> str:
    with pytest.raises(kind) as error:
        read(path)
    text = str(error.value)
    assert text.startswith("[")
    assert "\n" not in text
    assert len(text) < 250 + len(str(path))
    return text


# ---- idx


def idx_bytes(array: Array) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def idx_arrays() -> list[Array]:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (count, 5, 4), np.uint8) for count in (6, 3)]
    return [images[0], np.arange(6, dtype=np.uint8) % 3, images[1], np.arange(3, dtype=np.uint8)]


@pytest.fixture
def idx_folder(tmp_path: Path) -> Path:
    for name, array in zip(IDX, idx_arrays(), strict=True):
        (tmp_path / name).write_bytes(idx_bytes(array))
    return tmp_path


@pytest.mark.parametrize("rename", [str, lambda name: name.replace("-idx", ".idx")])
@pytest.mark.parametrize("compress", [False, True])
def test_idx_round_trip(tmp_path: Path, compress: bool, rename: Callable[[str], str]) -> None:
    arrays = idx_arrays()
    for name, array in zip(IDX, arrays, strict=True):
        content = idx_bytes(array)
        path = tmp_path / (rename(name) + ".gz" * compress)
        path.write_bytes(gzip.compress(content) if compress else content)
    splits = load(tmp_path)
    assert splits.X_train.dtype == np.uint8
    np.testing.assert_array_equal(splits.X_train[:, 0], arrays[0])
    np.testing.assert_array_equal(splits.y_train, arrays[1])
    assert splits.X_test is not None
    np.testing.assert_array_equal(splits.X_test[:, 0], arrays[2])
    assert splits.y_train.dtype == np.int64
    assert splits.classes == ("0", "1", "2")
    assert splits.X_val is None


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("name", IDX)
def test_idx_truncated_anywhere(idx_folder: Path, name: str, compress: bool) -> None:
    content = (idx_folder / name).read_bytes()
    content = gzip.compress(content) if compress else content
    for size in range(len(content)):
        (idx_folder / name).write_bytes(content[:size])
        assert name in refused(load_idx, idx_folder)


@pytest.mark.parametrize("name", IDX)
def test_idx_missing(idx_folder: Path, name: str) -> None:
    (idx_folder / name).unlink()
    assert name in refused(load_idx, idx_folder, FileNotFoundError)


@pytest.mark.parametrize("position", range(4))
def test_idx_wrong_magic(idx_folder: Path, position: int) -> None:
    content = bytearray((idx_folder / IDX[0]).read_bytes())
    content[position] ^= 2
    (idx_folder / IDX[0]).write_bytes(content)
    assert "magic number 0x00000803" in refused(load_idx, idx_folder)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize(
    "shape", [(2**32 - 1,) * 3, (2**31, 28, 28), (0, 5, 4), (6, 0, 4), (7, 5, 4), (5, 5, 4)]
)
def test_idx_wrong_sizes(idx_folder: Path, shape: tuple[int, ...], compress: bool) -> None:
    content = bytes([0, 0, 8, 3]) + np.array(shape, ">u4").tobytes() + bytes(6 * 5 * 4)
    (idx_folder / IDX[0]).write_bytes(gzip.compress(content) if compress else content)
    refused(load_idx, idx_folder)


def test_idx_gzip_bomb_is_not_unpacked(idx_folder: Path) -> None:
    whole = gzip.compress(idx_bytes(np.zeros((6, 5, 4), np.uint8)) + bytes(1 << 26))
    (idx_folder / IDX[0]).write_bytes(whole)
    assert "expected the end of the file" in refused(load_idx, idx_folder)


def test_idx_broken_gzip(idx_folder: Path) -> None:
    content = bytearray(gzip.compress((idx_folder / IDX[0]).read_bytes()))
    content[-5] ^= 0xFF  # the checksum
    (idx_folder / IDX[0]).write_bytes(content)
    assert "whole compressed data" in refused(load_idx, idx_folder)


def test_idx_counts_and_labels_must_agree(idx_folder: Path) -> None:
    (idx_folder / IDX[1]).write_bytes(idx_bytes(np.zeros(5, np.uint8)))
    assert "expected 6 labels, got 5" in refused(load_idx, idx_folder)
    (idx_folder / IDX[1]).write_bytes(idx_bytes(np.zeros(6, np.uint8)))
    assert "test labels" in refused(load_idx, idx_folder)


# ---- CIFAR-10


def cifar_arrays() -> list[tuple[Array, list[int]]]:
    rng = np.random.default_rng(1)
    return [(rng.integers(0, 256, (4, 3072), np.uint8), rng.integers(0, 10, 4).tolist()) for _ in CIFAR]


def python2_pickle(data: Array, labels: list[int]) -> bytes:
    """Write the opcodes that Python 2 and an old NumPy wrote, text as byte strings."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    rows = struct.pack("<H", len(data))
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n"
        + (b"cnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R")
        + (b"(K\x01M" + rows + b"M\x00\x0c\x86")
        + (b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R")
        + (b"(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb")
        + (b"\x89T" + struct.pack("<I", data.size) + data.tobytes() + b"tb")
    )
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + text(b"labels") + numbers + b"u."


def python3_pickle(protocol: int) -> Callable[[Array, list[int]], bytes]:
    return lambda data, labels: pickle.dumps({b"data": data, b"labels": labels}, protocol)


def binary_batch(data: Array, labels: list[int]) -> bytes:
    return np.column_stack([np.array(labels, np.uint8), data]).tobytes()


WRITERS = {"python 2": python2_pickle, "2": python3_pickle(2), "4": python3_pickle(4), "binary": binary_batch}


def write_cifar(folder: Path, writer: str = "python 2") -> Path:
    for name, (data, labels) in zip(CIFAR, cifar_arrays(), strict=True):
        (folder / (name + ".bin" * (writer == "binary"))).write_bytes(WRITERS[writer](data, labels))
    return folder


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("writer", WRITERS)
def test_cifar_round_trip(tmp_path: Path, writer: str, nested: bool) -> None:
    inner = tmp_path / f"cifar-10-batches-{'bin' if writer == 'binary' else 'py'}" if nested else tmp_path
    inner.mkdir(exist_ok=True)
    write_cifar(inner, writer)
    splits = load(tmp_path)
    batches = cifar_arrays()
    assert splits.X_train.shape == (20, 3, 32, 32)
    assert splits.X_train.dtype == np.uint8
    assert splits.X_train.transpose(0, 2, 3, 1).flags.c_contiguous
    expected = np.concatenate([data for data, _ in batches[:5]]).reshape(20, 3, 32, 32)
    np.testing.assert_array_equal(splits.X_train, expected)
    assert splits.y_train.tolist() == [label for _, labels in batches[:5] for label in labels]
    assert splits.X_test is not None
    np.testing.assert_array_equal(splits.X_test, batches[5][0].reshape(4, 3, 32, 32))
    assert splits.classes[0] == "airplane"


class Command:
    """A pickle of this runs a command when it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.system, ("touch hacked",)


HOSTILE = {
    "reduce, protocol 0": pickle.dumps(Command(), 0),
    "reduce, protocol 2": pickle.dumps(Command(), 2),
    "reduce, protocol 4": pickle.dumps(Command(), 4),
    "hidden in the data": pickle.dumps({b"data": Command(), b"labels": [1]}, 2),
    "inst": b"(S'touch hacked'\nios\nsystem\n.",
    "obj": b"(cos\nsystem\nS'touch hacked'\no.",
    "eval": b'cbuiltins\neval\n(S\'open("hacked","w")\'\ntR.',
    "import of a module": b"cantigravity\nfly\n.",
    "dotted name": b"\x80\x04\x8c\x05numpy\x8c\x15dtype.__init__.__func__\x93.",
    "another numpy name": b"cnumpy\nload\n(S'x'\ntR.",
    "extension": b"\x80\x02\x82\x01.",
    "persistent": b"Pname\n.",
    "state on a class": b"cnumpy\ndtype\n}S'x'\nI1\nsb.",
    "slots on a class": b"cnumpy\nndarray\nN}S'__init__'\nI1\ns\x86b.",
    "other dtype": b"cnumpy\ndtype\n(S'O8'\nI0\nI1\ntR.",
    "huge memo index": b"\x80\x02Nr\xff\xff\xff\xff.",
    "huge bytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x.",
    "huge frame": b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"N.",
    "deep": b"(" * 10**6 + b".",
    "nested lists": b"]" * 10**5 + b"a" * (10**5 - 1) + b".",
    "not a dict": pickle.dumps([1, 2]),
    "empty": b"",
    "text": b"hello",
    "unhashable key": b"\x80\x02}]Ns.",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_cifar_hostile_pickles_do_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    modules = set(sys.modules)
    write_cifar(tmp_path)
    (tmp_path / "data_batch_3").write_bytes(content)
    assert "data_batch_3" in refused(load_cifar10, tmp_path)
    assert not (tmp_path / "hacked").exists()
    assert "antigravity" not in set(sys.modules) - modules
    write_cifar(tmp_path)
    load_cifar10(tmp_path)  # and it has changed nothing for the next file


def test_cifar_truncated_pickle(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    content = (tmp_path / "test_batch").read_bytes()
    for size in [*range(200), *range(200, len(content), 997), len(content) - 1]:
        (tmp_path / "test_batch").write_bytes(content[:size])
        assert "test_batch" in refused(load_cifar10, tmp_path)


@pytest.mark.parametrize(
    ("data", "labels"),
    [
        (np.zeros((4, 3072), np.uint8), [0, 1, 2]),
        (np.zeros((4, 3072), np.uint8), [0, 1, 2, 10]),
        (np.zeros((4, 3072), np.uint8), [0, 1, 2, -1]),
        (np.zeros((4, 3072), np.uint8), [0, 1, 2, 3.0]),
        (np.zeros((4, 3071), np.uint8), [0, 1, 2, 3]),
        (np.zeros((4, 3072), np.float32), [0, 1, 2, 3]),
        (np.zeros((0, 3072), np.uint8), []),
        (np.zeros(3072, np.uint8), [0]),
        ([[0] * 3072], [0]),
    ],
)
def test_cifar_wrong_content(tmp_path: Path, data: Any, labels: Any) -> None:
    write_cifar(tmp_path)
    (tmp_path / "data_batch_2").write_bytes(pickle.dumps({b"data": data, b"labels": labels}, 2))
    assert "data_batch_2" in refused(load_cifar10, tmp_path)


@pytest.mark.parametrize(
    "change", [lambda b: b[:-1], lambda b: b + b"x", lambda b: b"\x0a" + b[1:], lambda b: b""]
)
def test_cifar_wrong_binary(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    path = write_cifar(tmp_path, "binary") / "data_batch_4.bin"
    path.write_bytes(change(path.read_bytes()))
    assert "data_batch_4.bin" in refused(load_cifar10, tmp_path)


def test_cifar_missing_batch(tmp_path: Path) -> None:
    assert "data_batch_1" in refused(load_cifar10, tmp_path, FileNotFoundError)
    (write_cifar(tmp_path) / "data_batch_5").unlink()
    assert "data_batch_5" in refused(load_cifar10, tmp_path, FileNotFoundError)


# ---- npz


def npz_arrays() -> dict[str, Array]:
    rng = np.random.default_rng(2)
    return {
        "X_train": rng.random((6, 3, 4, 5), np.float32),
        "y_train": np.array([0, 1, 2, 0, 1, 2]),
        "X_val": rng.random((2, 3, 4, 5), np.float32),
        "y_val": np.array([3, 0]),
    }


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_round_trip(tmp_path: Path, save: Callable[..., None]) -> None:
    arrays = npz_arrays()
    save(tmp_path / "data.npz", **arrays, other=np.array([None]))
    splits = load(tmp_path / "data.npz")
    for name, array in splits.as_dict().items():
        np.testing.assert_array_equal(array, arrays[name])
        assert array.dtype == arrays[name].dtype
    assert splits.classes == ("0", "1", "2", "3")
    assert splits.X_test is None


@pytest.mark.parametrize(
    ("dtype", "result"),
    [("u1", "u1"), ("f4", "f4"), ("f8", "f8"), (">f4", "f4"), ("f2", "f4"), ("i8", "f4"), ("?", "f4")],
)
def test_npz_types(tmp_path: Path, dtype: str, result: str) -> None:
    X = np.asfortranarray(np.arange(12).reshape(4, 3) % 2).astype(dtype)
    np.savez(tmp_path / "data.npz", X_train=X, y_train=np.array([True, False, True, True]))
    splits = load_npz(tmp_path / "data.npz")
    assert splits.X_train.dtype == np.dtype(result)
    np.testing.assert_array_equal(splits.X_train, X.astype(result))
    assert splits.y_train.tolist() == [1, 0, 1, 1]


def test_npz_regression(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", X_train=np.ones((4, 2)), y_train=np.ones((4, 3)))
    splits = load_npz(tmp_path / "data.npz")
    assert splits.y_train.shape == (4, 3)
    assert splits.classes == ()


WRONG: dict[str, dict[str, Any]] = {
    "expected an array y_train": {"y_train": None},
    "expected an array X_train": {"X_train": None, "X_val": None, "y_val": None},
    "val: expected both": {"y_val": None},
    "y_train: expected 6 rows": {"y_train": np.zeros(5, int)},
    r"y_train: expected labels 0 to 3, got -1": {"y_train": np.array([0, 1, 2, 0, 1, -1])},
    "labels below 1000000": {"y_train": np.array([0, 1, 2, 0, 1, 2**40])},
    r"y_train: expected labels of shape \(N,\)": {"y_train": np.zeros((6, 1), int)},
    "X_train: expected finite": {"X_train": np.full((6, 3, 4, 5), np.nan)},
    "X_val: expected finite": {"X_val": np.full((2, 3, 4, 5), np.inf)},
    "y_train: expected finite": {"y_train": np.full(6, np.nan), "y_val": np.zeros(2)},
    "y_val: expected targets": {"y_val": np.zeros(2)},
    "X_val: expected examples of shape": {"X_val": np.zeros((2, 3, 5, 4))},
    "X_train: expected shape": {"X_train": np.zeros(6)},
    "non-empty examples": {"X_train": np.zeros((6, 0))},
    "X_train: expected numbers, got object": {"X_train": np.array([None] * 6)},
    "y_train: expected numbers, got <U1": {"y_train": np.array(list("abcdef"))},
    "X_train: expected numbers, got complex": {"X_train": np.zeros((6, 2), complex)},
}


@pytest.mark.parametrize(("text", "change"), WRONG.items(), ids=range(len(WRONG)))
def test_npz_wrong_content(tmp_path: Path, text: str, change: dict[str, Any]) -> None:
    arrays = {name: array for name, array in {**npz_arrays(), **change}.items() if array is not None}
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(ValueError, match=text):
        load_npz(tmp_path / "data.npz")
    assert "data.npz" in refused(load_npz, tmp_path / "data.npz")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_truncated_anywhere(tmp_path: Path, save: Callable[..., None]) -> None:
    path = tmp_path / "data.npz"
    save(path, X_train=np.ones((2, 2)), y_train=np.arange(2))
    content = path.read_bytes()
    for size in range(0, len(content), 3):
        path.write_bytes(content[:size])
        refused(load_npz, path)


def test_npz_any_changed_byte_is_refused_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez_compressed(path, X_train=np.ones((2, 2)), y_train=np.arange(2))
    content = path.read_bytes()
    for position in range(len(content)):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0x41]) + content[position + 1 :])
        try:
            load_npz(path)
        except ValueError:
            refused(load_npz, path)


def npz_with(path: Path, X_train: bytes, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write an archive whose X_train.npy has the bytes given."""
    labels = io.BytesIO()
    np.save(labels, np.arange(2))
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("X_train.npy", X_train)
        archive.writestr("y_train.npy", labels.getvalue())
    return path


def npy_header(text: str, version: bytes = b"\x01\x00") -> bytes:
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text.encode()


HEADER = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }\n"


@pytest.mark.parametrize(
    "content",
    [
        npy_header(HEADER % ("<f8", (2**40, 2))) + bytes(32),
        npy_header(HEADER % ("<f8", (2**62, 2**62))) + bytes(32),
        npy_header(HEADER % ("<f8", (-2, -2))) + bytes(32),
        npy_header(HEADER % ("<f8", (2, 2))) + bytes(31),
        npy_header(HEADER % ("<f8", (2, 2))) + bytes(33),
        npy_header(HEADER % ("<f8", (2, 2)), b"\x03\x00") + bytes(32),
        npy_header(HEADER % ("|O", (2, 2))) + pickle.dumps(Command()),
        npy_header("__import__('os').system('touch hacked')") + bytes(32),
        npy_header("(" * 5000 + "\n") + bytes(32),
        npy_header(" " * 60000) + bytes(32),
        b"\x93NUMPY",
        b"",
    ],
)
def test_npz_hostile_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.chdir(tmp_path)
    assert "X_train" in refused(load_npz, npz_with(tmp_path / "data.npz", content))
    assert not (tmp_path / "hacked").exists()


def test_npz_other_compressions_are_refused(tmp_path: Path) -> None:
    np.save(buffer := io.BytesIO(), np.ones((2, 2)))
    path = npz_with(tmp_path / "data.npz", buffer.getvalue(), zipfile.ZIP_BZIP2)
    assert "compression" in refused(load_npz, path)


def test_npz_that_claims_more_than_it_can_hold(tmp_path: Path) -> None:
    np.save(buffer := io.BytesIO(), np.ones((2, 2)))
    path = npz_with(tmp_path / "data.npz", buffer.getvalue(), zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = struct.pack("<I", 2**31)  # the uncompressed size
    path.write_bytes(content)
    assert "the file can hold" in refused(load_npz, path)


# ---- any


def test_load_says_what_it_knows(tmp_path: Path) -> None:
    assert "digits" in refused(load, tmp_path / "none", FileNotFoundError)
    assert "idx files or CIFAR-10" in refused(load, tmp_path)
    (tmp_path / "data.csv").write_bytes(b"1,2")
    assert ".npz" in refused(load, tmp_path / "data.csv")
    refused(load_npz, tmp_path / "none.npz", FileNotFoundError)


def test_digits_are_a_fixed_split_without_overlap() -> None:
    splits = load_digits()
    parts = [part for part in (splits.train, splits.val, splits.test) if part is not None]
    assert [len(part) for part in parts] == [1257, 180, 360]
    assert splits.X_train.shape[1:] == (1, 8, 8)
    assert splits.X_train.dtype == np.float32
    assert splits.X_train.max() == 16
    assert splits.y_train[:10].tolist() == load("digits").y_train[:10].tolist()
    rows = np.concatenate([part.X.reshape(len(part), -1) for part in parts])
    assert len(np.unique(rows, axis=0)) == 1797
    assert all(len(np.unique(part.y)) == 10 for part in parts)


def test_digits_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"fastnn\[demo\]"):
        load_digits()


def test_hold_out_partitions_the_training_part() -> None:
    X, y = np.arange(40.0).reshape(10, 1, 2, 2), np.arange(10)
    splits = Splits(X, y, classes=tuple("0123456789"))
    held = splits.hold_out(3, seed=1)
    assert held.y_val is not None
    assert sorted([*held.y_train, *held.y_val]) == list(range(10))
    assert held.X_val is not None
    np.testing.assert_array_equal(held.X_val, X[held.y_val])
    again = splits.hold_out(3, seed=1).y_val
    assert again is not None
    assert again.tolist() == held.y_val.tolist()
    for count in (0, 10):
        with pytest.raises(ValueError, match="count"):
            splits.hold_out(count)
