"""What stands in the repository: no machine's paths, no generated sources."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

MACHINE_PATH = re.compile(r"(?<![\w.~])/(?:root|home|work|opt|Users)/\w")


def tracked(root: Path) -> list[Path]:
    try:
        listing = subprocess.run(["git", "ls-files"], cwd=root, check=True, capture_output=True, text=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [root / line for line in listing.stdout.splitlines() if (root / line).is_file()]


def test_no_machine_paths(root: Path) -> None:
    found = [
        f"{path.relative_to(root)}:{number}: {line.strip()}"
        for path in tracked(root)
        if path.suffix not in {".png", ".npz", ".gz", ".safetensors"}
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if MACHINE_PATH.search(line)
    ]
    assert not found


def test_no_built_file_is_tracked(root: Path) -> None:
    built = {".so", ".o", ".a", ".whl", ".pyc", ".c"}
    assert not [path for path in tracked(root) if path.suffix in built]
