"""A run that kills itself: ``killed_run.py MODEL FOLDER KILL``, started by test_checkpoint.py.

KILL is ``never``, ``step:K`` (after the K-th update of this process, before its checkpoint) or ``write:K``
(while the K-th checkpoint of this process stands under its temporary name).
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import numpy as np
from solver_models import NoisyTwoLayer, blobs

from fastnn import nn
from fastnn.callbacks import Callback, EarlyStopping
from fastnn.model import Model
from fastnn.optim import SGD, Adam, ParameterAverage
from fastnn.schedules import Chain, Cosine, LinearWarmup, ReduceOnPlateau
from fastnn.solver import Solver

EPOCHS, STEPS = 4, 24


def kill_me() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class KillAfter(Callback):
    def __init__(self, updates: int) -> None:
        self.left = updates

    def on_step_end(self, run: Any) -> None:
        self.left -= 1
        if self.left == 0:
            kill_me()


def kill_in_write(number: int) -> None:
    replace, left = os.replace, number

    def replace_or_die(source: Any, target: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            kill_me()
        replace(source, target)

    os.replace = replace_or_die  # type: ignore[assignment]


def make_solver(kind: str, folder: str | None, callbacks: list[Callback], **options: Any) -> Solver:
    """Return a run with everything in it that has a state."""
    settings: dict[str, Any] = {"epochs": EPOCHS, "batch_size": 10, "accumulate": 2, "seed": 5, **options}
    settings |= {} if folder is None else {"checkpoint_dir": folder, "checkpoint_every": 4, "resume": True}
    plateau = ReduceOnPlateau("val_accuracy", "max", patience=0, factor=0.7)
    schedule = Chain(LinearWarmup(6, 0.2), Cosine(), plateau)
    model: Any
    average = None if kind == "handwritten" else ParameterAverage(0.8)
    np.random.seed(7)  # noqa: NPY002 (hand-written models draw from it)
    if kind == "handwritten":
        model, optimizer = NoisyTwoLayer(), Adam(0.02)
        train, val = blobs(110, seed=1), blobs(60, seed=2)
    else:
        layers = [nn.Linear(6, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Dropout(0.3), nn.Linear(24, 3)]
        model, optimizer = Model(nn.Sequential(*layers), seed=3), SGD(0.1, momentum=0.9, nesterov=True)
        train, val = blobs(110, seed=1, dtype=np.float32), blobs(60, seed=2, dtype=np.float32)
        settings["sample_weights"] = np.linspace(0.5, 1.5, 110)
    return Solver(
        model, train, validation_data=val, optimizer=optimizer, schedule=schedule, average=average,
        callbacks=[EarlyStopping("val_accuracy", "max", patience=3), *callbacks], **settings,
    )  # fmt: skip


def main(kind: str, folder: str, kill: str) -> None:
    what, _, number = kill.partition(":")
    if what == "write":
        kill_in_write(int(number))
    make_solver(kind, folder, [KillAfter(int(number) if what == "step" else -1)]).train()


if __name__ == "__main__":
    main(*sys.argv[1:])
