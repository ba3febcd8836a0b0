"""Who may include whom in the C++: base <- simd <- ops/<x> <- pyext, read off the ``#include`` lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.MULTILINE)
SUFFIXES = {".h", ".cc", ".cpp", ".cu", ".inc"}
RANKS = {"base": 0, "simd": 1, "ops": 2, "cuda": 2, "plan": 3}
ISAS = ("scalar", "avx2", "avx512", "neon")
PYEXT_RANK = 4


def native_sources(root: Path) -> Iterator[Path]:
    for folder in ("csrc", "pyext"):
        yield from (path for path in sorted((root / folder).rglob("*")) if path.suffix in SUFFIXES)


def includes(root: Path, path: Path) -> Iterator[tuple[str, Path | None]]:
    """Yield (name, file of ours or None) for each ``#include`` of a file."""
    for quote, name in INCLUDE.findall(path.read_text()):
        candidates = (root / "csrc" / name, path.parent / name)
        found = next((c.resolve() for c in candidates if quote == '"' and c.is_file()), None)
        yield name, found


def rank(root: Path, path: Path) -> int:
    if (root / "pyext") in path.parents:
        return PYEXT_RANK
    return RANKS[path.relative_to(root / "csrc" / "fastnn").parts[0]]


def op_folder(root: Path, path: Path) -> str | None:
    parts = path.relative_to(root).parts
    return parts[3] if parts[:3] == ("csrc", "fastnn", "ops") and len(parts) > 4 else None


def reached(root: Path, path: Path) -> tuple[set[Path], set[str]]:
    """Return all files of ours and all system headers that a file includes, directly or not."""
    ours: set[Path] = set()
    system: set[str] = set()
    pending = [path]
    while pending:
        for name, found in includes(root, pending.pop()):
            if found is None:
                system.add(name)
            elif found not in ours:
                ours.add(found)
                pending.append(found)
    return ours, system


def test_there_is_something_to_check(root: Path) -> None:
    assert {rank(root, path) for path in native_sources(root)} >= {0, 1, 2, PYEXT_RANK}


def test_arrows_never_turn_back(root: Path) -> None:
    wrong = [
        f"{path.relative_to(root)} includes {name}"
        for path in native_sources(root)
        for name, found in includes(root, path)
        if found is not None and rank(root, found) > rank(root, path)
    ]
    assert not wrong


def test_quoted_includes_are_ours(root: Path) -> None:
    missing = [
        f"{path.relative_to(root)}: {name}"
        for path in native_sources(root)
        for quote, name in INCLUDE.findall(path.read_text())
        if quote == '"' and not (root / "csrc" / name).is_file() and not (path.parent / name).is_file()
    ]
    assert not missing


def test_an_op_sees_another_only_through_its_public_headers(root: Path) -> None:
    """Those are the operation itself, its micro-kernel's interface, and for references the reference."""
    wrong = []
    for path in native_sources(root):
        own = op_folder(root, path)
        suffixes = ("", "_kernel", "_ref") if path.stem.endswith("_ref") else ("", "_kernel")
        for name, found in includes(root, path):
            other = op_folder(root, found) if found is not None else None
            public = {f"fastnn/ops/{other}/{other}{suffix}.h" for suffix in suffixes}
            if other is not None and other != own and name not in public:
                wrong.append(f"{path.relative_to(root)} includes {name}")
    assert not wrong


@pytest.mark.parametrize("isa", ISAS)
def test_isa_files_reach_nothing_that_the_linker_could_share(root: Path, isa: str) -> None:
    """A C++ header compiled for AVX-512 leaves inline functions that the linker may pick for all callers."""
    wrong = []
    files = sorted((root / "csrc" / "fastnn" / "ops").glob(f"*/*_{isa}.cc"))
    assert files
    for path in files:
        ours, system = reached(root, path)
        wrong += [f"{path.name} reaches <{name}>" for name in system if not name.endswith(".h")]
        for header in ours:
            name = header.relative_to(root / "csrc" / "fastnn").as_posix()
            interface = name == "base/arch.h" or name.endswith("_kernel.h")
            other_isa = header.stem in set(ISAS) - {isa}
            vectors = name.startswith("simd/") and not other_isa
            if not (interface or vectors or op_folder(root, header) == op_folder(root, path)):
                wrong.append(f"{path.name} reaches {header.relative_to(root)}")
    assert not wrong


def test_the_engine_knows_nothing_of_python(root: Path) -> None:
    wrong = [
        f"{path.relative_to(root)} includes {name}"
        for path in native_sources(root)
        if rank(root, path) < PYEXT_RANK
        for name, _ in includes(root, path)
        if name.startswith(("Python", "pybind11", "numpy"))
    ]
    assert not wrong


def test_threads_are_started_in_one_place(root: Path) -> None:
    users = {
        path.relative_to(root).as_posix()
        for path in native_sources(root)
        for name, _ in includes(root, path)
        if name in {"omp.h", "thread", "future"}
    }
    assert all(user.startswith("csrc/fastnn/base/parallel") for user in users), users


def test_every_operation_has_a_reference_that_the_self_test_runs(root: Path) -> None:
    """Winograd is another way to compute conv2d, compared with its reference; a probe computes nothing."""
    ops = {path.name for path in (root / "csrc" / "fastnn" / "ops").iterdir() if path.is_dir()}
    seen: set[Path] = set()
    for path in sorted((root / "tests" / "engine").glob("*.cc")):
        seen |= reached(root, path)[0]
    tested = {path.parent.name for path in seen if path.name == f"{path.parent.name}_ref.h"}
    assert ops - tested == {"winograd", "probe"}
