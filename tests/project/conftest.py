"""The tests of this folder look at the source tree; they mean nothing beside an installed wheel alone."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    assert (ROOT / "csrc").is_dir(), "tests/project needs the source tree"
    return ROOT
