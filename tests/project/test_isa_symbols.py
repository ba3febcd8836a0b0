"""What the linker may mix up: a function compiled for AVX-512 must answer for no other instruction set."""

from __future__ import annotations

import subprocess
from collections import defaultdict
from pathlib import Path

VECTOR_ISAS = ("avx2", "avx512", "neon")
WEAK = set("WVu")


def isa_of(path: Path) -> str:
    """Return the instruction set that an object file was compiled for, by its name ``<op>_<isa>.cc.o``."""
    suffix = path.name.removesuffix(".cc.o").rpartition("_")[2]
    return suffix if suffix in VECTOR_ISAS else "baseline"


def newest_build(root: Path) -> list[Path]:
    """Return the object files of the last ordinary build."""
    builds: dict[Path, list[Path]] = defaultdict(list)
    for path in (root / "build").glob("*/CMakeFiles/**/*.cc.o"):
        builds[root / "build" / path.relative_to(root / "build").parts[0]].append(path)
    for special in ("sanitize", "arm64"):
        builds.pop(root / "build" / special, None)
    assert builds, "no build found: run make build"
    return builds[max(builds, key=lambda build: build.stat().st_mtime)]


def weak_symbols(path: Path) -> set[str]:
    listing = subprocess.run(
        ["nm", "--defined-only", path], check=True, capture_output=True, text=True
    ).stdout
    fields = (line.split() for line in listing.splitlines())
    return {field[2] for field in fields if len(field) == 3 and field[1] in WEAK}


def test_no_weak_symbol_is_shared_between_instruction_sets(root: Path) -> None:
    homes: dict[str, dict[str, str]] = defaultdict(dict)
    for path in newest_build(root):
        for symbol in weak_symbols(path):
            homes[symbol][isa_of(path)] = path.name
    assert {"avx2", "neon"} & {isa for home in homes.values() for isa in home}
    shared = {symbol: sorted(home.values()) for symbol, home in homes.items() if len(home) > 1}
    assert not shared
