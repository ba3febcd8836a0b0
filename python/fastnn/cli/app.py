"""The commands and their options. What they do stands in the modules beside this one."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

import fastnn
from fastnn._arguments import integer, number
from fastnn.cli import finding, prediction, training
from fastnn.cli.settings import OPTIMIZERS, SCHEDULES, Settings
from fastnn.losses import LOSSES
from fastnn.nets import NETS

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

# Typer gives no name to the class of all mistakes on the command line; it is the parent of this one.
_UsageError: Any = typer.BadParameter.__mro__[1]

BAD_INPUT = 2
DATA_HELP = "'digits', a folder of MNIST-style idx files or of CIFAR-10 batches, or an .npz file"

# Options that several commands take.
DataOption = Annotated[str, typer.Option(help=DATA_HELP)]
NetOption = Annotated[str, typer.Option(help=f"{', '.join(NETS)}, or a .toml file.")]
LossOption = Annotated[
    str | None, typer.Option(help=f"{', '.join(LOSSES)}; by default softmax for classes and mse for numbers.")
]
BatchSizeOption = Annotated[int, typer.Option(help="Examples a step.")]
OptimizerOption = Annotated[
    str | None,
    typer.Option(help=f"{', '.join(OPTIMIZERS)}; by default nesterov, for float targets adam."),
]
WeightDecayOption = Annotated[float, typer.Option(help="Added as weight_decay * w to every gradient.")]
SeedOption = Annotated[int, typer.Option(help="Names the run's randomness.")]
ThreadsOption = Annotated[int | None, typer.Option(help="By default all cores this process may use.")]


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print it and exit.")] = False,
) -> None:
    """Train small neural networks on the CPU, and predict with them."""
    if version:
        typer.echo(fastnn.__version__)
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command(short_help="Train a net.")
def train(
    context: typer.Context,
    data: DataOption = "",
    net: NetOption = "convnet",
    loss: LossOption = None,
    epochs: Annotated[int, typer.Option(help="Passes over the training data.")] = 20,
    batch_size: BatchSizeOption = 64,
    optimizer: OptimizerOption = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate; by default the optimizer's own.")] = None,
    weight_decay: WeightDecayOption = 5e-4,
    schedule: Annotated[str, typer.Option(help=", ".join(SCHEDULES) + ".")] = "one-cycle",
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    out: Annotated[str | None, typer.Option(help="Folder of the run; by default runs/DATA-NET.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in --out.")] = False,
) -> None:
    """Train a net: leaves model.safetensors, history.csv, curves.png and config.toml in --out."""
    if threads is not None:
        fastnn.set_num_threads(threads)
    if resume:
        given = [name for name in context.params if _given(context, name)]
        training.resume(_resumable(_place(out), given))
        return
    if not data:
        raise ValueError(f"--data: expected {DATA_HELP}")
    settings = Settings(data, net, epochs, batch_size, optimizer, lr, weight_decay, schedule, seed, loss)
    training.start(settings, _place(out) or settings.default_folder(), overwrite=overwrite)


def _place(out: str | None, option: str = "--out") -> Path | None:
    """Return --out as a path; an empty one would mean the current folder, which is never what was meant."""
    if out is not None and not out.strip():
        raise ValueError(f"{option}: expected a name, got {out!r}")
    return None if out is None else Path(out)


def _given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _resumable(out: Path | None, given: Sequence[str]) -> Path:
    extra = sorted(set(given) - {"out", "resume", "threads"})
    if extra:
        raise ValueError(
            f"--resume: goes on with the settings of the run, so leave out --{extra[0].replace('_', '-')}"
        )
    if out is None:
        raise ValueError("--resume: expected --out with the folder of the run")
    return out


@app.command(short_help="Find a learning rate.")
def find_lr(
    context: typer.Context,
    data: DataOption = "",
    net: NetOption = "convnet",
    loss: LossOption = None,
    batch_size: BatchSizeOption = 64,
    optimizer: OptimizerOption = None,
    weight_decay: WeightDecayOption = 5e-4,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    start: Annotated[float, typer.Option(help="Learning rate of the first step.")] = 1e-7,
    end: Annotated[float, typer.Option(help="Learning rate of the last step.")] = 10.0,
    steps: Annotated[int, typer.Option(help="Steps in between.")] = 100,
    plot: Annotated[str | None, typer.Option(help="Draw the curve into this .png file.")] = None,
) -> None:
    """Train for some steps at a growing rate until the loss explodes, and suggest a rate for `train`."""
    if not data:
        raise ValueError(f"--data: expected {DATA_HELP}")
    if threads is not None:
        fastnn.set_num_threads(threads)
    number("fastnn", "--start", start, above=True)
    number("fastnn", "--end", end, low=start, above=True)
    integer("fastnn", "--steps", steps, low=2)
    settings = Settings(
        data, net, batch_size=batch_size, optimizer=optimizer, weight_decay=weight_decay, seed=seed, loss=loss
    )
    shared = ("data", "net", "loss", "batch_size", "optimizer", "weight_decay", "seed", "threads")
    given = [name for name in shared if _given(context, name)]
    words = [word for name in given for word in (f"--{name.replace('_', '-')}", str(context.params[name]))]
    finding.find(settings, start=start, end=end, steps=steps, picture=_place(plot, "--plot"), words=words)


@app.command(short_help="Predict with a trained net.")
def predict(
    model: Annotated[Path, typer.Argument(help="A model.safetensors that `fastnn train` left.")],
    data: Annotated[str, typer.Argument(help=DATA_HELP + "; or an .npy file of examples")],
    out: Annotated[str | None, typer.Option(help="Write a .csv there instead of printing.")] = None,
    threads: ThreadsOption = None,
) -> None:
    """Predict with a trained net: one line for each example of the test part of DATA."""
    if threads is not None:
        fastnn.set_num_threads(threads)
    prediction.predict(model, data, _place(out))


@app.command(short_help="Measure a trained net on a data set.")
def evaluate(
    model: Annotated[Path, typer.Argument(help="A model.safetensors that `fastnn train` left.")],
    data: Annotated[str, typer.Argument(help=DATA_HELP)],
    threads: ThreadsOption = None,
) -> None:
    """Print the loss and the accuracy of a trained net on the test part of DATA."""
    if threads is not None:
        fastnn.set_num_threads(threads)
    prediction.evaluate(model, data)


@app.command(short_help="Show version, instruction set and threads.")
def info() -> None:
    """Print the version, the instruction set, the threads and the kernels in use."""
    width = shutil.get_terminal_size().columns
    for name, value in fastnn.show_config().items():
        words = ", ".join(value) if isinstance(value, (list, dict)) else str(value)
        typer.echo(textwrap.fill(f"{name:16}{words}", width, subsequent_indent=" " * 16))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; bad input prints one line.

    Raises:
        KeyboardInterrupt: after Ctrl-C.
    """
    try:
        status = app(args=arguments, prog_name="fastnn", standalone_mode=False)
    except _UsageError as error:
        return _refuse(error.format_message())
    except BrokenPipeError:  # as in `fastnn predict ... | head`; nothing more can be written
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _refuse(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except (ValueError, ImportError, FloatingPointError, MemoryError) as error:
        return _refuse(str(error) or "out of memory")
    except typer.Abort:
        raise KeyboardInterrupt from None
    return status or 0


def _refuse(message: str) -> int:
    print("error:", " ".join(message.split()), file=sys.stderr)
    return BAD_INPUT
