"""``fastnn train``: from settings to a folder with a trained model and the record of its training."""

from __future__ import annotations

import importlib.util
import json
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console

from fastnn import data
from fastnn.callbacks import HistoryWriter, ProgressBar
from fastnn.cli.building import prepare
from fastnn.cli.settings import Settings
from fastnn.history import History
from fastnn.model import Model
from fastnn.solver import Solver

CONFIG, MODEL, HISTORY, CURVES = "config.toml", "model.safetensors", "history.csv", "curves.png"
CHECKPOINT = "checkpoint.safetensors"

_console = Console(highlight=False, soft_wrap=True)


def start(settings: Settings, folder: Path, *, overwrite: bool = False) -> None:
    """Train a new net, and leave the model, the history, the curves and the settings in ``folder``.

    Nothing is written before data, net and settings have been found to fit.

    Raises:
        ValueError: they do not, or ``folder`` holds a run already and is not to be replaced.
        KeyboardInterrupt: after Ctrl-C, with the checkpoint kept.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--out: expected a folder, got the file {folder}")
    older = [folder / name for name in (CONFIG, CHECKPOINT, MODEL, HISTORY, CURVES)]
    if not overwrite and any(path.exists() for path in older):
        raise ValueError(f"{folder}: holds a run already; --resume goes on with it, --overwrite replaces it")
    settings, splits, model = prepare(settings)
    folder.mkdir(parents=True, exist_ok=True)
    with _set_aside(older, folder):
        settings.save(folder / CONFIG)
        _train(settings, splits, model, folder)


@contextmanager
def _set_aside(files: list[Path], folder: Path) -> Iterator[None]:
    """Keep the files of an older run until the new one has a checkpoint; if it ends before, put them back."""
    older = [path for path in files if path.exists()]
    if not older:
        yield
        return
    with tempfile.TemporaryDirectory(prefix=".replaced-", dir=folder) as aside:
        for path in older:
            path.rename(Path(aside, path.name))
        try:
            yield
        finally:
            if not (folder / CHECKPOINT).exists():
                for path in files:
                    path.unlink(missing_ok=True)
                for path in older:
                    Path(aside, path.name).rename(path)


def resume(folder: Path) -> None:
    """Go on with the run in ``folder`` from its last checkpoint; it ends as if it had never stopped.

    Raises:
        ValueError: there is no run, or its data or net have changed.
        KeyboardInterrupt: after Ctrl-C, with the checkpoint kept.
    """
    _train(*prepare(Settings.load(folder / CONFIG)), folder)


def _train(settings: Settings, splits: data.Splits, model: Model, folder: Path) -> None:
    examples = " + ".join(
        f"{len(part)} {name}"
        for name, part in (("training", splits.train), ("validation", splits.val), ("test", splits.test))
        if part is not None
    )
    _console.print(
        f"{settings.net} on {settings.data}: {model.params.flat.size} parameters, {examples} examples"
    )
    solver = Solver(
        model,
        splits,
        optimizer=settings.make_optimizer(),
        schedule=settings.make_schedule(),
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        seed=settings.seed,
        checkpoint_dir=folder,
        resume=True,
        callbacks=[ProgressBar(), HistoryWriter(folder / HISTORY)],
    )
    try:
        with np.errstate(all="ignore"):  # a loss that is not finite ends the run, with a line of its own
            history = solver.train()
    except KeyboardInterrupt:
        command = f"fastnn train --out {shlex.quote(str(folder))} --resume"
        _console.print(f"stopped after step {solver.step}; go on with: {command}")
        raise
    model.save(folder / MODEL, {"classes": json.dumps(splits.classes)})
    _report(splits, model, history, folder)


def _report(splits: data.Splits, model: Model, history: History, folder: Path) -> None:
    written = [MODEL, HISTORY, CONFIG]
    if importlib.util.find_spec("matplotlib") is None:
        _console.print(f"no {CURVES}: matplotlib is not installed; pip install 'fastnn[plot]'")
    else:
        from fastnn import plot

        plot.curves(history, folder / CURVES)
        written.append(CURVES)
    if splits.test is not None:
        measured = model.evaluate(splits.X_test, splits.y_test)
        results = ", ".join(f"test {name} {value:.4f}" for name, value in reversed(measured.items()))
        _console.print(f"{results} on {len(splits.test)} examples")
    _console.print(f"wrote {', '.join(written)} in {folder}")
