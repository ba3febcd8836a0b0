"""What stands in the repository: no machine's paths, no generated sources, and a README that works."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
README_BLOCKS = PYTHON_BLOCK.findall((Path(__file__).resolve().parents[2] / "README.md").read_text())
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


def test_the_first_example_is_short() -> None:
    assert len(README_BLOCKS[0].strip().splitlines()) <= 12


@pytest.mark.parametrize("number", range(len(README_BLOCKS)))
def test_readme_example_runs(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(README_BLOCKS[number], f"README.md, example {number + 1}", "exec"), {"__name__": "readme"})
