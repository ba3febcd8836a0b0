"""A run that averages parameters: measured, kept and saved with the averages, trained without them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from solver_models import TwoLayer, blobs

from fastnn import nn
from fastnn.callbacks import Callback, ModelCheckpoint
from fastnn.io import load_tensors
from fastnn.model import Model
from fastnn.optim import SGD, ParameterAverage
from fastnn.solver import Solver


class Record(Callback):
    """Keep what the parameters are after every step, and what the averages are after every epoch."""

    def __init__(self) -> None:
        self.steps: list[dict[str, Any]] = []
        self.averages: list[dict[str, Any]] = []

    def on_step_end(self, run: Any) -> None:
        self.steps.append({name: value.copy() for name, value in run.model.params.items()})

    def on_epoch_end(self, run: Any) -> None:
        with run.averaged():
            self.averages.append({name: value.copy() for name, value in run.model.params.items()})


def model(kind: str) -> Any:
    if kind == "handwritten":
        return TwoLayer()
    return Model(nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3)), dtype=np.float64, seed=3)


def run(kind: str, average: ParameterAverage | None, *callbacks: Callback, **options: Any) -> Solver:
    solver = Solver(
        model(kind), blobs(120, seed=1), optimizer=SGD(0.2), epochs=3, batch_size=20, average=average,
        callbacks=callbacks, **options,
    )  # fmt: skip
    solver.train()
    return solver


@pytest.mark.parametrize("kind", ["handwritten", "model"])
@pytest.mark.parametrize("decay", [None, 0.9])
def test_the_run_is_as_ever_and_leaves_the_averages(kind: str, decay: float | None) -> None:
    seen, plain = Record(), Record()
    solver = run(kind, ParameterAverage(decay), seen)
    assert run(kind, None, plain).history.step_loss.tolist() == solver.history.step_loss.tolist()
    for ours, theirs in zip(seen.steps, plain.steps, strict=True):
        for name, value in ours.items():
            np.testing.assert_array_equal(value, theirs[name])
    expected = seen.steps[0]
    for count, params in enumerate(seen.steps[1:], 2):
        fresh = 1 / count if decay is None else 1 - decay
        expected = {name: (1 - fresh) * value + fresh * params[name] for name, value in expected.items()}
    for name, value in expected.items():
        np.testing.assert_allclose(solver.model.params[name], value, rtol=1e-10)
        np.testing.assert_array_equal(solver.model.params[name], seen.averages[-1][name])
    for name, value in plain.averages[-1].items():
        np.testing.assert_array_equal(value, plain.steps[-1][name])


@pytest.mark.parametrize("kind", ["handwritten", "model"])
def test_it_is_measured_and_saved_with_the_averages(kind: str, tmp_path: Path) -> None:
    X, y = blobs(90, seed=2)
    seen, saved = Record(), ModelCheckpoint(tmp_path / "last.safetensors")
    solver = run(kind, ParameterAverage(0.9), seen, saved, validation_data=(X, y))
    for accuracy, averages in zip(solver.history.val_accuracy, seen.averages, strict=True):
        measured = model(kind)
        for name, value in averages.items():
            measured.params[name][...] = value
        assert accuracy == np.mean(measured.loss(X).argmax(axis=1) == y)
    best = seen.averages[int(np.argmax(solver.history.val_accuracy))]
    for name, value in best.items():
        np.testing.assert_array_equal(solver.model.params[name], value)
        np.testing.assert_array_equal(
            load_tensors(tmp_path / "last.safetensors")[0][name], seen.averages[-1][name]
        )


def test_another_average_does_not_go_on_with_a_run(tmp_path: Path) -> None:
    run("model", ParameterAverage(0.9), checkpoint_dir=tmp_path)
    with pytest.raises(ValueError, match=r"of a run with average decay 0.9, got None"):
        run("model", None, checkpoint_dir=tmp_path, resume=True)


def test_what_is_no_average_is_refused() -> None:
    with pytest.raises(
        TypeError, match=r"^\[Solver\] average: expected a ParameterAverage or None, got float$"
    ):
        Solver(model("model"), blobs(20), average=0.9)  # type: ignore[arg-type]
