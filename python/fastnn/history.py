"""What happened in a run: one record for every step and one for every epoch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastnn import _arguments as check

FloatArray = NDArray[np.float64]


class History:
    """The record of a training run.

    Every column is an attribute and a float64 array. Per epoch there are ``epoch`` (from 1), ``step``,
    ``lr``, ``train_loss`` (mean over the epoch's batches, regularizer included), ``train_accuracy`` or
    ``train_r2`` (on a sample of the training set), ``seconds`` since the start, and with validation data
    ``val_accuracy`` or ``val_r2``; a model with a ``loss_function`` adds ``val_loss``, without regularizer.
    Per step there are ``step_loss`` and ``step_lr``.

    Attributes:
        epochs: one mapping of column to number for every epoch.
        stop_reason: why the run ended before its last epoch, or None.

    Example:
        >>> history = History()
        >>> history.add_step(loss=0.7, lr=0.1)
        >>> history.add_epoch({"epoch": 1, "train_loss": 0.7, "val_accuracy": 0.9})
        >>> history.val_accuracy, history.step_loss
        (array([0.9]), array([0.7]))
    """

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []
        self.stop_reason: str | None = None
        self._losses: list[float] = []
        self._rates: list[float] = []

    def add_step(self, *, loss: float, lr: float) -> None:
        """Record one update."""
        self._losses.append(float(loss))
        self._rates.append(float(lr))

    def add_epoch(self, record: Mapping[str, float]) -> None:
        """Record one epoch."""
        self.epochs.append({name: float(value) for name, value in record.items()})

    @property
    def step_loss(self) -> FloatArray:
        """Loss of every step."""
        return np.array(self._losses, np.float64)

    @property
    def step_lr(self) -> FloatArray:
        """Learning rate of every step."""
        return np.array(self._rates, np.float64)

    @property
    def columns(self) -> list[str]:
        """Names of the epoch columns, in order of first appearance."""
        return list(dict.fromkeys(name for record in self.epochs for name in record))

    def __getattr__(self, name: str) -> FloatArray:
        """Return an epoch column; NaN where an epoch lacks it."""
        if name.startswith("_") or name == "epochs" or name not in self.columns:
            raise AttributeError(f"History has no column {name!r}")
        return np.array([record.get(name, np.nan) for record in self.epochs], np.float64)

    def to_csv(self, path: str | os.PathLike[str], rows: Literal["epoch", "step"] = "epoch") -> None:
        """Write one line per epoch, or per step, under a line of column names.

        Args:
            path: the file; an older one is replaced whole.
            rows: ``"epoch"`` or ``"step"``.

        Raises:
            ValueError: ``rows`` is neither.
            OSError: the file cannot be written.
        """
        import csv
        import io

        from fastnn.io import atomic_write

        check.choice("History.to_csv", "rows", rows, ("epoch", "step"))
        text = io.StringIO()
        if rows == "epoch":
            table = csv.DictWriter(text, self.columns, restval="", lineterminator="\n")
            table.writeheader()
            table.writerows({name: f"{value:.10g}" for name, value in row.items()} for row in self.epochs)
        else:
            lines = csv.writer(text, lineterminator="\n")
            lines.writerow(["step", "loss", "lr"])
            lines.writerows(
                (step, f"{loss:.10g}", f"{lr:.10g}")
                for step, (loss, lr) in enumerate(zip(self._losses, self._rates, strict=True), 1)
            )
        atomic_write(path, text.getvalue().encode())

    def state_dict(self) -> dict[str, Any]:
        """Return everything, as arrays and plain values."""
        return {
            "epochs": [dict(record) for record in self.epochs],
            "step_loss": self.step_loss,
            "step_lr": self.step_lr,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.epochs = [dict(record) for record in state["epochs"]]
        self._losses = np.asarray(state["step_loss"]).tolist()
        self._rates = np.asarray(state["step_lr"]).tolist()

    def __repr__(self) -> str:
        if not self.epochs:
            return f"History({len(self._losses)} steps)"
        last = ", ".join(f"{name}={value:.4g}" for name, value in self.epochs[-1].items())
        return f"History({len(self.epochs)} epochs; {last})"
