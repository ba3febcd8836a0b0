"""A command line in an empty folder, and a problem that a small net solves in a moment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from small_problem import SMALL_NET, Run

import fastnn
from fastnn.cli import main


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Run]:
    """Return a function that runs a command and returns exit status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    threads = fastnn.get_num_threads()

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    yield call
    fastnn.set_num_threads(threads)


@pytest.fixture
def problem(tmp_path: Path) -> list[str]:
    """Write data of three classes, raw 0 to 255, and a net; return the arguments of a short run with them."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 240)
    images = np.clip(rng.normal(60 * labels[:, None] + 40, 12, (240, 16)), 0, 255).astype(np.uint8)
    X = images.reshape(-1, 1, 4, 4)
    parts = {"X_train": X[:180], "y_train": labels[:180], "X_test": X[180:], "y_test": labels[180:]}
    np.savez(tmp_path / "data.npz", **parts)
    (tmp_path / "net.toml").write_text(SMALL_NET)
    return ["--data", "data.npz", "--net", "net.toml", "--epochs", "4", "--batch-size", "20"]


@pytest.fixture
def trained(run: Run, problem: list[str]) -> Path:
    """Return the folder of a finished run."""
    assert run("train", *problem, "--out", "run")[0] == 0
    return Path("run")
