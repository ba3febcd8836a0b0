"""``fastnn find-lr``: which learning rate suits a net, its data and an optimizer."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from fastnn.cli.building import prepare
from fastnn.cli.settings import Settings
from fastnn.lr_finder import LRCurve, find_lr

_console = Console(highlight=False, soft_wrap=True)
_BAR = 30  # characters for the highest loss


def find(
    settings: Settings, *, start: float, end: float, steps: int, picture: Path | None, words: list[str]
) -> None:
    """Print the loss over the learning rate and a rate to train with; nothing is trained or written else.

    Args:
        settings: of the run that the rate is for.
        start: first rate.
        end: rate of the last step.
        steps: how many.
        picture: a .png file for the curve.
        words: the options that `fastnn train` needs for this run.

    Raises:
        ValueError: data, net and settings do not fit, or no rate lowers the loss.
    """
    settings, splits, model = prepare(settings)
    _console.print(
        f"{settings.net} on {settings.data}: {model.params.flat.size} parameters, "
        f"{len(splits.train)} training examples, {settings.optimizer}"
    )
    with _progress(steps) as show:
        curve = find_lr(
            model, splits, optimizer=settings.make_optimizer(), start=start, end=end, steps=steps,
            batch_size=settings.batch_size, seed=settings.seed, on_step=show,
        )  # fmt: skip
    if picture is not None:
        curve.plot(picture, title=f"{settings.net} on {settings.data}, {settings.optimizer}")
    _print_curve(curve)
    if curve.lowest == curve.rates[0]:
        raise ValueError(f"--start: expected a rate that lowers the loss, got {start:g}; try a smaller one")
    _console.print(
        curve.stop_reason or f"the loss had not exploded at rate {end:g}; --end takes a larger one"
    )
    _console.print(f"suggested learning rate {curve.suggestion:.2g}, a tenth of where the loss was lowest")
    _console.print(f"train with it: fastnn train {shlex.join(words)} --lr {curve.suggestion:.2g}")
    if picture is not None:
        _console.print(f"wrote {picture}")


@contextmanager
def _progress(steps: int) -> Iterator[Callable[[int, float, float], None]]:
    """Yield a function that shows a step on the terminal, if standard error is one."""
    console = Console(stderr=True)
    columns = (TextColumn("rate {task.fields[rate]}"), BarColumn(bar_width=None), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=steps, rate="-")

        def show(step: int, rate: float, loss: float) -> None:
            progress.update(task, completed=step, rate=f"{rate:.1e}")

        yield show


def _print_curve(curve: LRCurve) -> None:
    """Print the smoothed loss at every half power of ten, as a number and as a bar."""
    halves = np.floor(2 * np.log10(curve.rates) + 1e-9)
    shown = [i for i in range(len(halves)) if i == 0 or halves[i] != halves[i - 1]]
    highest = float(curve.smoothed[shown].max())
    _console.print("   rate       loss")
    for i in shown:
        loss = float(curve.smoothed[i])
        bar = "█" * round(_BAR * loss / highest) if highest > 0 else ""
        _console.print(f"{curve.rates[i]:7.1e} {loss:10.4g}  {bar}")
