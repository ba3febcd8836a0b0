"""Callbacks: when they are called, what they can do, and the ready ones."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from solver_models import Counter, TwoLayer, blobs

from fastnn.callbacks import Callback, EarlyStopping, HistoryWriter, ModelCheckpoint, ProgressBar
from fastnn.history import History
from fastnn.io import load_tensors
from fastnn.optim import SGD
from fastnn.solver import Solver

EVENTS = ["on_train_begin", "on_epoch_begin", "on_step_end", "on_epoch_end", "on_train_end"]


class Recorder(Callback):
    def __init__(self) -> None:
        self.events: list[tuple[str, int, int]] = []

    def __getattribute__(self, name: str) -> Any:
        if name in EVENTS:
            return lambda run: self.events.append((name, run.step, len(run.history.epochs)))
        return super().__getattribute__(name)


def counting_run(best: float, epochs: int = 8, **options: Any) -> tuple[Counter, Solver]:
    """One step an epoch; the accuracy peaks when ``best`` steps are done."""
    model = Counter(best)
    data = (np.zeros((20, 1)), np.zeros(20, int))
    solver = Solver(
        model, data, validation_data=data, optimizer=SGD(1.0), epochs=epochs, batch_size=20, **options
    )
    return model, solver


def test_events_come_in_order() -> None:
    recorder = Recorder()
    Solver(TwoLayer(), blobs(20), epochs=2, batch_size=10, callbacks=[recorder]).train()
    assert recorder.events == [
        ("on_train_begin", 0, 0),
        ("on_epoch_begin", 0, 0),
        ("on_step_end", 1, 0),
        ("on_step_end", 2, 0),
        ("on_epoch_end", 2, 1),
        ("on_epoch_begin", 2, 1),
        ("on_step_end", 3, 1),
        ("on_step_end", 4, 1),
        ("on_epoch_end", 4, 2),
        ("on_train_end", 4, 2),
    ]


def test_the_best_weights_are_back_at_the_end_even_after_an_error() -> None:
    seen = []

    class Fails(Callback):
        def on_epoch_end(self, run: Any) -> None:
            if run.step == 5:
                raise RuntimeError("mine")

        def on_train_end(self, run: Any) -> None:
            seen.append(run.model.params["n"].tolist())

    model, solver = counting_run(best=2, callbacks=[Fails()])
    with pytest.raises(RuntimeError, match="mine"):
        solver.train()
    assert seen == [[2.0]]
    assert model.params["n"].tolist() == [2.0]


@pytest.mark.parametrize(("event", "steps"), [("on_step_end", 3), ("on_epoch_end", 4)])
def test_a_callback_can_stop_the_run(event: str, steps: int) -> None:
    class Stops(Callback):
        def stop_at_three(self, run: Any) -> None:
            if run.step >= 3:
                run.stop("enough")

    stops = Stops()
    setattr(stops, event, stops.stop_at_three)
    history = Solver(TwoLayer(), blobs(20), epochs=9, batch_size=10, callbacks=[stops]).train()
    assert len(history.step_loss) == steps
    assert history.stop_reason == "enough"


def test_early_stopping_waits_as_long_as_it_was_told() -> None:
    model, solver = counting_run(
        best=3, epochs=50, callbacks=[EarlyStopping("val_accuracy", "max", patience=4)]
    )
    history = solver.train()
    assert len(history.epochs) == 3 + 4
    assert history.stop_reason == "val_accuracy has not improved for 4 epochs"
    assert model.params["n"].tolist() == [float(history.val_accuracy.argmax() + 1)]


@pytest.mark.parametrize("mode", ["min", "max"])
def test_early_stopping_counts_only_real_improvement(mode: Any) -> None:
    sign = 1.0 if mode == "min" else -1.0
    values = [sign * v for v in (5.0, 4.0, 3.95, 3.92, 3.0, 2.99, 2.98)]
    stopping = EarlyStopping("m", mode, patience=2, min_delta=0.1)
    stops = []

    class Run:
        history = History()

        def stop(self, reason: str) -> None:
            stops.append(len(self.history.epochs))

    for value in values:
        Run.history.add_epoch({"m": value})
        stopping.on_epoch_end(Run())  # type: ignore[arg-type]
    assert stops == [4, 7]


def test_model_checkpoint_saves_what_improves(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    _, solver = counting_run(best=0, callbacks=[ModelCheckpoint(path, "val_accuracy", "max")])
    history = solver.train()
    tensors, _ = load_tensors(path)
    assert tensors["n"].tolist() == [float(history.val_accuracy.argmax() + 1)]
    _, solver = counting_run(best=0, callbacks=[ModelCheckpoint(path)])
    solver.train()
    assert load_tensors(path)[0]["n"].tolist() == [8.0]


def test_model_checkpoint_prefers_the_models_own_format(tmp_path: Path) -> None:
    saved = []
    model, solver = counting_run(best=0, epochs=2, callbacks=[ModelCheckpoint(tmp_path / "m")])
    model.save = saved.append  # type: ignore[attr-defined]
    solver.train()
    assert saved == [tmp_path / "m"] * 2


def test_history_writer_leaves_a_table(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    _, solver = counting_run(best=3, epochs=3, callbacks=[HistoryWriter(path)])
    history = solver.train()
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "step", "lr", "train_accuracy", "train_loss", "val_accuracy", "seconds"]
    assert [float(row["val_accuracy"]) for row in rows] == history.val_accuracy.tolist()
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]


def test_history_columns_and_tables(tmp_path: Path) -> None:
    history = History()
    history.add_step(loss=0.5, lr=0.1)
    history.add_epoch({"epoch": 1, "a": 2.0})
    history.add_epoch({"epoch": 2, "b": 3.0})
    assert history.columns == ["epoch", "a", "b"]
    np.testing.assert_array_equal(history.a, [2.0, np.nan])
    with pytest.raises(AttributeError, match="no column 'c'"):
        _ = history.c
    history.to_csv(tmp_path / "epochs.csv")
    assert (tmp_path / "epochs.csv").read_text() == "epoch,a,b\n1,2,\n2,,3\n"
    history.to_csv(tmp_path / "steps.csv", rows="step")
    assert (tmp_path / "steps.csv").read_text() == "step,loss,lr\n1,0.5,0.1\n"
    other = History()
    other.load_state_dict(history.state_dict())
    assert other.epochs == history.epochs
    assert other.step_loss.tolist() == [0.5]
    assert repr(other) == "History(2 epochs; epoch=2, b=3)"
    with pytest.raises(
        ValueError, match=r"\[History.to_csv\] rows: expected one of 'epoch', 'step', got 'all'"
    ):
        history.to_csv(tmp_path / "x", rows="all")  # type: ignore[arg-type]


def test_the_progress_bar_shows_loss_accuracy_and_time_left() -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=160)
    _, solver = counting_run(best=3, callbacks=[ProgressBar(console)])
    solver.train()
    shown = text.getvalue()
    for part in ("epoch 8/8", "loss 1.0000", "validation accuracy 0.75", "left"):
        assert part in shown


def test_without_a_terminal_there_is_one_plain_line_per_epoch() -> None:
    text = io.StringIO()
    _, solver = counting_run(best=3, epochs=2, callbacks=[ProgressBar(Console(file=text))])
    solver.train()
    lines = text.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(
        "epoch 1/2  loss 1.0000  train accuracy 0.9000  validation accuracy 0.9000  0."
    )


def test_importing_the_solver_loads_neither_rich_nor_matplotlib() -> None:
    code = (
        "import sys, fastnn.solver, fastnn.plot; "
        "sys.exit(any(name in sys.modules for name in ('rich', 'matplotlib', 'typer')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: EarlyStopping("a", patience=0),
            r"\[EarlyStopping\] patience: expected an integer >= 1, got 0",
        ),
        (lambda: EarlyStopping("a", "up"), r"\[EarlyStopping\] mode: expected one of 'min', 'max'"),  # type: ignore[arg-type]
        (
            lambda: EarlyStopping("a", min_delta=-1),
            r"\[EarlyStopping\] min_delta: expected a finite number >= 0",
        ),
        (
            lambda: counting_run(2, callbacks=[EarlyStopping("x")])[1].train(),
            r"\[EarlyStopping\] metric: expected one",
        ),
    ],
)
def test_refusals(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
