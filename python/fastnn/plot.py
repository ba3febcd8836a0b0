"""Pictures of a run; they need the extra ``plot``."""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.history import History
from fastnn.io import atomic_write


def curves(history: History, path: str | os.PathLike[str], *, title: str | None = None) -> None:
    """Draw the loss of every step, the metric of every epoch and the learning rate, as one PNG picture.

    The loss stands on a logarithmic axis, with its running mean over a twentieth of the run. The best epoch
    on the validation data is marked.

    Args:
        history: of a run of at least one step.
        path: the file; an older one is replaced whole.
        title: printed above.

    Raises:
        ModuleNotFoundError: matplotlib is not installed; the line names the extra.
        ValueError: the history is empty.
        OSError: the file cannot be written.

    Example:
        >>> import tempfile, os
        >>> history = History()
        >>> for step in range(10):
        ...     history.add_step(loss=1 / (1 + step), lr=0.1)
        >>> history.add_epoch({"epoch": 1, "step": 10, "train_accuracy": 0.5, "val_accuracy": 0.4})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     curves(history, os.path.join(folder, "curves.png"))
    """
    loss = history.step_loss
    if len(loss) == 0:
        raise ValueError("[curves] history: expected at least one step, got none")
    figure = _matplotlib().Figure(figsize=(10, 6), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True)
    _draw_loss(panels[0, 0], loss)
    _draw_metric(panels[0, 1], history)
    _draw_epoch_loss(panels[1, 0], history)
    _draw_rate(panels[1, 1], history.step_lr)
    for panel in panels[1]:
        panel.set_xlabel("step")
    if title:
        figure.suptitle(title)
    atomic_write(path, lambda file: figure.savefig(file, format="png", dpi=120))


def _matplotlib() -> ModuleType:
    """Import the part of matplotlib that needs no display and no global state."""
    try:
        import matplotlib.figure
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "[plot] matplotlib: expected it to be installed, got none; pip install 'fastnn[plot]'"
        ) from error
    return matplotlib.figure


def _draw_loss(panel: Any, loss: NDArray[np.float64]) -> None:
    steps = np.arange(1, len(loss) + 1)
    panel.plot(steps, loss, color="tab:blue", alpha=0.3, linewidth=0.8)
    window = max(1, len(loss) // 20)
    sums = np.cumsum(np.concatenate([[0.0], loss]))
    panel.plot(steps[window - 1 :], (sums[window:] - sums[:-window]) / window, color="tab:blue")
    if (loss > 0).all():
        panel.set_yscale("log")
        _label_plainly(panel)
    panel.set_ylabel("training loss per step")


def _label_plainly(panel: Any) -> None:
    """Write the labels of a logarithmic axis as 0.2 and 5, not as powers; beyond a decade only 1, 2, 5."""

    def label(value: float, _: int) -> str:
        low, high = panel.get_ylim()
        return f"{value:g}" if high < 10 * low or f"{value:e}"[0] in "125" else ""

    panel.yaxis.set_major_formatter(label)
    panel.yaxis.set_minor_formatter(label)


def _draw_epoch_loss(panel: Any, history: History) -> None:
    panel.set_ylabel("loss per epoch")
    _draw_columns(panel, history, {"train_loss": "training", "val_loss": "validation"})


def _draw_metric(panel: Any, history: History) -> None:
    name = "r2" if {"train_r2", "val_r2"} & set(history.columns) else "accuracy"
    panel.set_ylabel("R2" if name == "r2" else "accuracy")
    _draw_columns(panel, history, {f"train_{name}": "training", f"val_{name}": "validation"})
    if f"val_{name}" in history.columns:
        values = getattr(history, f"val_{name}")
        best = int(np.nanargmax(values))
        panel.plot(
            history.step[best], values[best], "o", color="tab:orange", label=f"best: {values[best]:.4f}"
        )
        panel.legend()


def _draw_columns(panel: Any, history: History, columns: dict[str, str]) -> None:
    drawn = False
    for (name, label), color in zip(columns.items(), ("tab:blue", "tab:orange"), strict=True):
        if name in history.columns:
            panel.plot(history.step, getattr(history, name), ".-", color=color, label=label)
            drawn = True
    if drawn:
        panel.legend()


def _draw_rate(panel: Any, rate: NDArray[np.float64]) -> None:
    panel.plot(np.arange(1, len(rate) + 1), rate, color="tab:green")
    panel.set_ylabel("learning rate")
