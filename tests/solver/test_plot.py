"""The picture of a run."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from fastnn.history import History
from fastnn.plot import curves


def some_history(metric: str, validation: bool = True) -> History:
    history = History()
    for step in range(60):
        history.add_step(loss=np.exp(-step / 20), lr=0.1 - 0.001 * step)
        if step % 20 == 19:
            record = {"epoch": step // 20 + 1, "step": step + 1, "train_loss": 0.5, f"train_{metric}": 0.8}
            history.add_epoch({**record, f"val_{metric}": 0.7} if validation else record)
    return history


@pytest.mark.parametrize("metric", ["accuracy", "r2"])
@pytest.mark.parametrize("validation", [True, False])
def test_a_png_is_left(tmp_path: Path, metric: str, validation: bool) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "curves.png"
    curves(some_history(metric, validation), path, title="digits")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size > 10_000


def test_a_run_without_a_whole_epoch_can_be_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    history = History()
    history.add_step(loss=-1.0, lr=0.1)
    curves(history, tmp_path / "curves.png")


def test_an_empty_history_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\[curves\] history: expected at least one step"):
        curves(History(), tmp_path / "curves.png")


def test_missing_matplotlib_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'fastnn\[plot\]'"):
        curves(some_history("accuracy"), tmp_path / "curves.png")
