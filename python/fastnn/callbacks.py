"""Callbacks: code that a `Solver` calls while it trains.

A callback sees the run through the few attributes of `Run`, may read and write the model's parameters, and
may end the run with ``run.stop(reason)``. One that remembers something across epochs keeps it in
`state_dict`, so that a resumed run goes on as if nothing had happened.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from fastnn import _arguments as check
from fastnn.history import History
from fastnn.io import save_tensors
from fastnn.schedules import Mode


class Run(Protocol):
    """What a callback may look at.

    Attributes:
        model: the model in training.
        optimizer: its optimizer.
        history: the record so far; in `Callback.on_epoch_end` its last epoch is the one that has just ended.
        epochs: length of the whole run in epochs.
        steps_per_epoch: updates of one epoch.
        step: updates done so far.
        loss: loss of the last step.
    """

    model: Any
    optimizer: Any
    history: History
    epochs: int
    steps_per_epoch: int
    step: int
    loss: float

    def stop(self, reason: str) -> None:
        """End the run after the current step or epoch."""

    def averaged(self) -> AbstractContextManager[None]:
        """Let the model hold the averaged parameters inside a ``with``, if the run keeps any."""


class Callback:
    """Base of the callbacks; every method does nothing until a subclass says otherwise.

    Example:
        >>> class Shout(Callback):
        ...     def on_epoch_end(self, run):
        ...         print("epoch", int(run.history.epoch[-1]), "done")
    """

    def on_train_begin(self, run: Run) -> None:
        """Called before the first step, after a checkpoint was read if there is one."""

    def on_epoch_begin(self, run: Run) -> None:
        """Called before the first step of an epoch."""

    def on_step_end(self, run: Run) -> None:
        """Called after every update."""

    def on_epoch_end(self, run: Run) -> None:
        """Called after an epoch was measured and recorded."""

    def on_train_end(self, run: Run) -> None:
        """Called once, however the run ends, when the best weights are back in the model."""

    def state_dict(self) -> dict[str, Any]:
        """Return what the callback remembers: arrays and plain values."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""


class EarlyStopping(Callback):
    """End the run when a metric has not improved for ``patience`` epochs in a row.

    Args:
        metric: name of an epoch column of the history.
        mode: ``"min"`` if smaller is better, ``"max"`` if larger is.
        patience: epochs without improvement after which the run ends, >= 1.
        min_delta: an improvement must be larger than this.

    Raises:
        ValueError: an argument out of range; in training, no such metric.

    Example:
        >>> stopping = EarlyStopping("val_accuracy", mode="max", patience=3)
    """

    def __init__(self, metric: str, mode: Mode = "min", *, patience: int = 5, min_delta: float = 0.0) -> None:
        self.metric = metric
        self.mode = check.choice("EarlyStopping", "mode", mode, ("min", "max"))
        self.patience = check.integer("EarlyStopping", "patience", patience)
        self.min_delta = check.number("EarlyStopping", "min_delta", min_delta)
        self._best = math.inf
        self._waited = 0

    def on_epoch_end(self, run: Run) -> None:
        value = check.metric("EarlyStopping", self.metric, run.history.epochs[-1])
        cost = value if self.mode == "min" else -value
        if cost < self._best - self.min_delta:
            self._best, self._waited = cost, 0
            return
        self._waited += 1
        if self._waited >= self.patience:
            run.stop(f"{self.metric} has not improved for {self.patience} epochs")

    def state_dict(self) -> dict[str, Any]:
        return {"best": self._best, "waited": self._waited}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._best, self._waited = float(state["best"]), int(state["waited"])


class ModelCheckpoint(Callback):
    """Save the model, not the run, after every epoch that improves a metric.

    The file is what ``model.save(path)`` writes, or the bare parameters of a model without that method; of
    a run that averages parameters, with the averages. To
    go on with an interrupted run, give the `Solver` a ``checkpoint_dir`` instead.

    Args:
        path: the file; it is always whole, the last good one or the new one.
        metric: name of an epoch column; None saves after every epoch.
        mode: ``"min"`` if smaller is better, ``"max"`` if larger is.

    Raises:
        ValueError: an unknown ``mode``; in training, no such metric.

    Example:
        >>> keep_best = ModelCheckpoint("best.safetensors", "val_accuracy", mode="max")
    """

    def __init__(self, path: str | os.PathLike[str], metric: str | None = None, mode: Mode = "min") -> None:
        self.path = Path(path)
        self.metric = metric
        self.mode = check.choice("ModelCheckpoint", "mode", mode, ("min", "max"))
        self._best = math.inf

    def on_epoch_end(self, run: Run) -> None:
        if self.metric is not None:
            value = check.metric("ModelCheckpoint", self.metric, run.history.epochs[-1])
            cost = value if self.mode == "min" else -value
            if not cost < self._best:
                return
            self._best = cost
        with run.averaged():
            if hasattr(run.model, "save"):
                run.model.save(self.path)
            else:
                save_tensors(self.path, dict(run.model.params))

    def state_dict(self) -> dict[str, Any]:
        return {"best": self._best}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._best = float(state["best"])


class HistoryWriter(Callback):
    """Keep the history as a .csv file, rewritten whole after every epoch and at the end.

    Args:
        path: the file, one line per epoch.

    Example:
        >>> writer = HistoryWriter("history.csv")
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def on_epoch_end(self, run: Run) -> None:
        run.history.to_csv(self.path)

    def on_train_end(self, run: Run) -> None:
        run.history.to_csv(self.path)


class ProgressBar(Callback):
    """One line on the terminal: epoch, loss, accuracy, time left.

    Where the output is no terminal it prints one plain line per epoch.

    Args:
        console: a `rich.console.Console`; by default one on standard error.

    Example:
        >>> bar = ProgressBar()
    """

    _SMOOTHING = 0.95

    def __init__(self, console: Any = None) -> None:
        self._console = console
        self._progress: Any = None
        self._smooth_loss = math.nan

    def on_train_begin(self, run: Run) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._console = self._console or Console(stderr=True)
        self._smooth_loss = math.nan
        if not self._console.is_terminal:
            return
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(bar_width=None),
            TextColumn("loss {task.fields[loss]}{task.fields[metrics]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
        )
        total = run.epochs * run.steps_per_epoch
        self._task = self._progress.add_task(
            "", total=total, completed=run.step, epoch=0, epochs=run.epochs, loss="-", metrics=""
        )
        self._progress.start()
        self._show(run)

    def on_step_end(self, run: Run) -> None:
        if self._progress is None:
            return
        first = math.isnan(self._smooth_loss)
        keep = 0.0 if first else self._SMOOTHING
        self._smooth_loss = (1 - keep) * run.loss + (keep * self._smooth_loss if keep else 0.0)
        epoch = min((run.step - 1) // run.steps_per_epoch + 1, run.epochs)
        self._progress.update(self._task, completed=run.step, epoch=epoch, loss=f"{self._smooth_loss:.4f}")

    def on_epoch_end(self, run: Run) -> None:
        if self._progress is not None:
            self._show(run)
            return
        record = run.history.epochs[-1]
        print_line = f"epoch {int(record['epoch'])}/{run.epochs}  loss {record['train_loss']:.4f}"
        self._console.print(
            f"{print_line}{_metrics(record)}  {record['seconds']:.1f} s", highlight=False, soft_wrap=True
        )

    def on_train_end(self, run: Run) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _show(self, run: Run) -> None:
        if run.history.epochs:
            self._progress.update(self._task, metrics=_metrics(run.history.epochs[-1]))


_LABELS = {
    "train_accuracy": "train accuracy",
    "val_accuracy": "validation accuracy",
    "train_r2": "train R2",
    "val_r2": "validation R2",
}


def _metrics(record: Mapping[str, float]) -> str:
    return "".join(f"  {label} {record[name]:.4f}" for name, label in _LABELS.items() if name in record)
