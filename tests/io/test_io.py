"""Files are written whole or not at all, come back bit for bit, and are refused with one line when broken."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from fastnn.io import atomic_write, flatten_state, load_tensors, save_tensors, unflatten_state

DTYPES = ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]
DTYPES += ["float16", "float32", "float64"]


def one_line(error: pytest.ExceptionInfo[Any]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith("[")
    return text


def full_disk(_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    tensors = {"0.weight": np.arange(6.0).reshape(2, 3), "0.bias": np.ones(3, np.float32)}
    save_tensors(path, tensors, {"a": "b"})
    return path


def test_atomic_write_takes_bytes_or_a_writer_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    atomic_write(path, b"one")
    atomic_write(path, lambda file: file.write(b"two"))
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_write_follows_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    atomic_write(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failed_write_keeps_the_old_file(
    saved: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    before = saved.read_bytes()
    monkeypatch.setattr(os, failing, lambda *_: full_disk(0))
    with pytest.raises(OSError) as error:
        save_tensors(saved, {"w": np.zeros(100)})
    assert error.value.errno == errno.ENOSPC
    assert str(saved) in one_line(error)
    assert "No space left" in one_line(error)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError])
def test_a_writer_that_raises_keeps_the_old_file(saved: Path, failure: type[BaseException]) -> None:
    before = saved.read_bytes()

    def write(file: Any) -> None:
        file.write(b"half")
        raise failure

    with pytest.raises(failure):
        atomic_write(saved, write)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_a_real_size_limit_keeps_the_old_file(saved: Path) -> None:
    resource = pytest.importorskip("resource")
    signal = pytest.importorskip("signal")
    before = saved.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        with pytest.raises(OSError, match="File too large"):
            save_tensors(saved, {"w": np.zeros(1000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_a_missing_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        atomic_write(tmp_path / "none" / "file", b"")
    assert "none" in one_line(error)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0, 4), (3,), (2, 3, 4)])
def test_tensors_come_back_bit_for_bit(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    bits = np.random.default_rng(0).integers(0, 256, (*shape, np.dtype(dtype).itemsize), np.uint8)
    array = (bits % 2 if dtype == "bool" else bits).view(dtype)[..., 0]
    save_tensors(tmp_path / "t", {"x": array})
    result = load_tensors(tmp_path / "t")[0]["x"]
    assert result.dtype == array.dtype
    assert result.shape == array.shape
    assert result.tobytes() == array.tobytes()
    assert result.flags.writeable
    assert result.flags.owndata


def test_any_strides_and_byte_order(tmp_path: Path) -> None:
    base = np.arange(120.0).reshape(2, 3, 4, 5)
    views = {
        "channels_last": base.transpose(0, 3, 1, 2),
        "negative": base[:, ::-1],
        "broadcast": np.broadcast_to(base[0, 0, 0], (3, 5)),
        "big_endian": base.astype(">f8"),
    }
    save_tensors(tmp_path / "t", views)
    loaded, _ = load_tensors(tmp_path / "t")
    for name, view in views.items():
        np.testing.assert_array_equal(loaded[name], view)
        assert loaded[name].dtype == np.float64


def test_the_same_tensors_make_the_same_bytes(tmp_path: Path) -> None:
    metadata = {name: name for name in "abcdefgh"}
    for name, entries in (("1", metadata), ("2", dict(reversed(metadata.items())))):
        save_tensors(tmp_path / name, {"x": np.ones(3), "y": np.zeros(2)}, entries)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
    assert load_tensors(tmp_path / "1")[1] == metadata


@pytest.mark.parametrize("value", [[1.0], 3, np.array(["a"]), np.array([None]), np.zeros(2, complex)])
def test_only_plain_arrays_are_saved(tmp_path: Path, value: Any) -> None:
    with pytest.raises(TypeError) as error:
        save_tensors(tmp_path / "t", {"x": value})
    assert "x: expected an array" in one_line(error)
    assert not list(tmp_path.iterdir())


def test_every_truncation_is_refused(saved: Path) -> None:
    whole = saved.read_bytes()
    for size in range(len(whole)):
        saved.write_bytes(whole[:size])
        with pytest.raises(ValueError) as error:
            load_tensors(saved)
        assert str(saved) in one_line(error)


def test_every_changed_header_byte_is_refused_or_harmless(saved: Path) -> None:
    whole = saved.read_bytes()
    header = 8 + struct.unpack("<Q", whole[:8])[0]
    for position in range(header):
        for flip in (0x01, 0x80):
            broken = bytearray(whole)
            broken[position] ^= flip
            saved.write_bytes(bytes(broken))
            with contextlib.suppress(ValueError):
                tensors, _ = load_tensors(saved)
                assert sum(array.nbytes for array in tensors.values()) <= len(whole)


@pytest.mark.parametrize(
    "content",
    [
        b"not a tensor file",
        b"",
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 2) + b"{}",
        b"\x80\x04cos\nsystem\n(S'false'\ntR.",
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(ValueError) as error:
        load_tensors(tmp_path / "t")
    one_line(error)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F64", "shape": [2**40], "data_offsets": [0, 2**43]},
        {"dtype": "F64", "shape": [2**62, 2**62], "data_offsets": [0, 8]},
        {"dtype": "F64", "shape": [-1], "data_offsets": [0, 8]},
        {"dtype": "F64", "shape": [1], "data_offsets": [8, 0]},
        {"dtype": "object", "shape": [1], "data_offsets": [0, 8]},
    ],
)
def test_hostile_sizes_are_refused(tmp_path: Path, entry: dict[str, Any]) -> None:
    header = json.dumps({"x": entry}).encode()
    (tmp_path / "t").write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    with pytest.raises(ValueError) as error:
        load_tensors(tmp_path / "t", marked=False)
    one_line(error)


def test_another_programs_file_loads_only_when_asked(tmp_path: Path) -> None:
    save_file({"w": np.ones(2)}, tmp_path / "t", {"format": "pt"})
    with pytest.raises(ValueError, match="another program"):
        load_tensors(tmp_path / "t")
    tensors, metadata = load_tensors(tmp_path / "t", marked=False)
    assert tensors["w"].tolist() == [1.0, 1.0]
    assert metadata == {"format": "pt"}


@pytest.mark.parametrize(
    "marker", ["", "[]", "{}", '{"format": 2, "metadata": {}}', '{"format": 1, "metadata": 3}']
)
def test_a_later_or_broken_format_is_refused(tmp_path: Path, marker: str) -> None:
    save_file({"w": np.ones(2)}, tmp_path / "t", {"fastnn": marker})
    with pytest.raises(ValueError, match="format 1"):
        load_tensors(tmp_path / "t")


@pytest.mark.parametrize(
    ("shapes", "text"),
    [
        ({"0.weight": (2, 3)}, "expected no tensor 0.bias"),
        ({"0.weight": (3, 2), "0.bias": (3,)}, r"0.weight: expected shape \(3, 2\), got \(2, 3\)"),
        ({"0.weight": (2, 3), "0.bias": (3,), "1.bias": (1,)}, "expected a tensor 1.bias"),
    ],
)
def test_other_shapes_are_refused(saved: Path, shapes: dict[str, tuple[int, ...]], text: str) -> None:
    with pytest.raises(ValueError, match=text) as error:
        load_tensors(saved, shapes=shapes)
    one_line(error)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        load_tensors(tmp_path / "none")
    one_line(error)
    with pytest.raises((OSError, ValueError)) as other:
        load_tensors(tmp_path)
    one_line(other)


def assert_same(a: Any, b: Any) -> None:
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, (np.ndarray, np.generic)):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        assert a.tobytes() == b.tobytes()
    else:
        assert repr(a) == repr(b)


def test_a_nested_state_comes_back_bit_for_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    rng.random(3)
    state = {
        "solver": {"epoch": 3, "step": 1234, "best": 0.1 + 0.2, "worst": float("inf"), "none": float("nan")},
        "optimizer": {"m": {"0.weight": rng.random((3, 4)), "0.bias": np.float32([1e-45, -0.0, np.nan])}},
        "rng": rng.bit_generator.state,
        "philox": np.random.Philox(5).state,
        "history": [{"loss": 0.5, "name": 'a\n"b"', "done": True, "nothing": None}, {}, []],
        "betas": (0.9, (0.999,), []),
        "scalar": np.float32(0.1),
        "count": np.array(5),
        "flag": np.bool_(True),
        "huge": 2**200,
    }
    save_tensors(tmp_path / "checkpoint", *flatten_state(state))
    assert_same(unflatten_state(*load_tensors(tmp_path / "checkpoint")), state)
    again = np.random.default_rng(0)
    again.bit_generator.state = unflatten_state(*flatten_state(state))["rng"]
    assert again.random() == rng.random()


def test_names_that_would_collide_stay_apart() -> None:
    state = {"a/b": np.zeros(1), "a": {"b": np.ones(1)}}
    tensors, metadata = flatten_state(state)
    assert len(tensors) == 2
    assert_same(unflatten_state(tensors, metadata), state)


@pytest.mark.parametrize(
    "state", [{1: 2}, {"f": print}, {"b": b"bytes"}, {"s": {1, 2}}, [1], {"c": np.zeros(1, complex)}]
)
def test_what_cannot_be_saved_is_refused(state: Any) -> None:
    with pytest.raises(TypeError) as error:
        flatten_state(state)
    one_line(error)


def test_reserved_keys_are_refused() -> None:
    with pytest.raises(ValueError, match="beginning with"):
        flatten_state({"a": {"$array": 1}})


@pytest.mark.parametrize(
    "metadata",
    [{}, {"state": "{"}, {"state": "[]"}, {"state": '{"a": {"$array": "x"}}'}, {"state": "[" * 10**5}],
)
def test_broken_descriptions_are_refused(metadata: dict[str, str]) -> None:
    with pytest.raises(ValueError) as error:
        unflatten_state({}, metadata)
    one_line(error)
