"""What decides a training run, and the ``config.toml`` that keeps it."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastnn import optim, schedules
from fastnn._arguments import choice, integer, number
from fastnn.io import atomic_write
from fastnn.losses import LOSSES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# name: (class, arguments, usual learning rate)
OPTIMIZERS: dict[str, tuple[Any, dict[str, Any], float]] = {
    "sgd": (optim.SGD, {}, 0.1),
    "momentum": (optim.SGD, {"momentum": 0.9}, 0.05),
    "nesterov": (optim.SGD, {"momentum": 0.9, "nesterov": True}, 0.05),
    "adagrad": (optim.Adagrad, {}, 1e-2),
    "rmsprop": (optim.RMSprop, {}, 1e-3),
    "adadelta": (optim.Adadelta, {}, 1.0),
    "adam": (optim.Adam, {}, 1e-3),
    "adamw": (optim.AdamW, {}, 1e-3),
    "nadam": (optim.NAdam, {}, 1e-3),
}


def _over(make: Callable[[int], schedules.RateFunction]) -> schedules.RateFunction:
    """Return the schedule that ``make`` gives for the number of steps of the whole run."""
    return lambda lr, progress: make(progress.total_steps)(lr, progress)


def _cyclic(lr: float, progress: schedules.Progress) -> float:
    return schedules.Cyclic(lr, -(-progress.total_steps // 8))(lr / 10, progress)


# name: what makes it for a run of so many epochs, --lr being the highest rate that it reaches
SCHEDULES: dict[str, Callable[[int], schedules.RateFunction]] = {
    "constant": lambda epochs: schedules.Constant(),
    # A tenth of the rate after each third of the run.
    "step": lambda epochs: schedules.Step(max(1, epochs // 3)),
    # A tenth after half of the run, and again after three quarters.
    "multi-step": lambda epochs: schedules.MultiStep(sorted({epochs // 2, 3 * epochs // 4} - {0})),
    # Down to a hundredth.
    "exponential": lambda epochs: _over(lambda n: schedules.Exponential(0.01 ** (1 / n), by="step")),
    # Down to a tenth.
    "inverse-time": lambda epochs: _over(lambda n: schedules.InverseTime(9 / n, by="step")),
    "polynomial": lambda epochs: schedules.Polynomial(),
    "cosine": lambda epochs: schedules.Cosine(),
    # Three descents, each twice as long as the one before.
    "warm-restarts": lambda epochs: _over(lambda n: schedules.WarmRestarts(-(-n // 7), 2)),
    # Four times from a tenth of the rate up and down again.
    "cyclic": lambda epochs: _cyclic,
    "one-cycle": lambda epochs: schedules.OneCycle(),
    # From a tenth of the rate up to it in the first tenth of the run.
    "warm-up": lambda epochs: _over(lambda n: schedules.LinearWarmup(max(1, n // 10), 0.1)),
    # A tenth when the training loss has not fallen for a tenth of the run.
    "plateau": lambda epochs: schedules.ReduceOnPlateau(patience=max(1, epochs // 10)),
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """The choices of one run; with the code and the machine's instruction set they decide every bit of it."""

    data: str
    net: str = "convnet"
    epochs: int = 20
    batch_size: int = 64
    optimizer: str | None = None  # by default that of the targets, see `for_targets`
    lr: float | None = None
    weight_decay: float = 5e-4
    schedule: str = "one-cycle"
    seed: int = 0
    loss: str | None = None  # by default the one that the targets suggest
    layers: list[dict[str, Any]] | None = None  # of a net that was described in a file

    def __post_init__(self) -> None:
        integer("fastnn", "--epochs", self.epochs)
        integer("fastnn", "--batch-size", self.batch_size)
        if self.optimizer is not None:
            choice("fastnn", "--optimizer", self.optimizer, tuple(OPTIMIZERS))
        choice("fastnn", "--schedule", self.schedule, tuple(SCHEDULES))
        if self.loss is not None:
            choice("fastnn", "--loss", self.loss, tuple(LOSSES))
        number("fastnn", "--weight-decay", self.weight_decay)
        number("fastnn", "--lr", 1.0 if self.lr is None else self.lr, above=True)
        integer("fastnn", "--seed", self.seed, low=0)

    def default_folder(self) -> Path:
        """Return the folder of a run that names none: ``runs/DATA-NET``."""
        return Path("runs", f"{Path(os.path.abspath(self.data)).stem}-{Path(self.net).stem}")

    def for_targets(self, *, regression: bool) -> Settings:
        """Return the settings with an optimizer: where none is named, one whose usual rate is safe.

        Momentum's rate suits the bounded gradients of cross-entropy; those of a squared error grow with the
        targets, and Adam's steps do not.
        """
        usual = "adam" if regression else "nesterov"
        return dataclasses.replace(self, optimizer=self.optimizer or usual)

    def make_optimizer(self) -> optim.Optimizer:
        """Return a fresh optimizer."""
        assert self.optimizer is not None
        kind, arguments, usual_rate = OPTIMIZERS[self.optimizer]
        rate = usual_rate if self.lr is None else self.lr
        made: optim.Optimizer = kind(rate, weight_decay=self.weight_decay, **arguments)
        return made

    def make_schedule(self) -> schedules.RateFunction:
        """Return a fresh schedule."""
        return SCHEDULES[self.schedule](self.epochs)

    def save(self, path: Path) -> None:
        """Write a ``config.toml``."""
        import tomli_w

        known = {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
        atomic_write(path, tomli_w.dumps(known).encode())

    @classmethod
    def load(cls, path: Path) -> Settings:
        """Read a ``config.toml``.

        Raises:
            ValueError: there is none, or it is not one that `save` wrote.
        """
        values = read_toml(path)
        fields = {field.name for field in dataclasses.fields(cls)}
        if "data" not in values or not values.keys() <= fields:
            raise ValueError(f"{path}: expected the settings of a run, got {', '.join(values) or 'none'}")
        return cls(**values)


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file.

    Raises:
        ValueError: there is none, or it is no TOML.
    """
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected TOML, got: {error}") from None
    return content
