"""The learning-rate finder: a short run whose rate grows until the loss explodes."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastnn
from fastnn import _arguments as check
from fastnn._model_port import ModelPort
from fastnn.data import Batch, Dataset, Loader
from fastnn.data.arguments import as_augmentations, as_datasets
from fastnn.optim import Adam, Optimizer

__all__ = ["LRCurve", "find_lr"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LRCurve:
    """The loss of a run over its growing learning rate.

    Args:
        rates: (n,) learning rate of every step.
        losses: (n,) loss of every step, before its update.
        smoothed: (n,) moving average of the losses.
        stop_reason: why the run ended before its last rate, or None.

    Example:
        >>> rates = np.array([0.001, 0.01, 0.1, 1.0])
        >>> curve = LRCurve(rates, np.array([2.3, 2.0, 1.5, 9.0]), np.array([2.3, 2.0, 1.5, 9.0]))
        >>> curve.lowest, round(curve.suggestion, 9)
        (0.1, 0.01)
    """

    rates: FloatArray
    losses: FloatArray
    smoothed: FloatArray
    stop_reason: str | None = None

    @property
    def lowest(self) -> float:
        """The rate at the lowest smoothed loss: the edge beyond which training gets worse."""
        return float(self.rates[np.argmin(self.smoothed)])

    @property
    def suggestion(self) -> float:
        """A rate to train with: a tenth of `lowest`, where the loss still fell fast and nothing shook."""
        return self.lowest / 10

    def plot(self, path: str | os.PathLike[str], *, title: str | None = None) -> None:
        """Draw the loss over the rate, with the suggestion marked, as a PNG picture.

        Args:
            path: the file; an older one is replaced whole.
            title: printed above.

        Raises:
            ModuleNotFoundError: matplotlib is not installed; the line names the extra.
            OSError: the file cannot be written.
        """
        from fastnn.io import atomic_write
        from fastnn.plot import _label_plainly, _matplotlib

        figure = _matplotlib().Figure(figsize=(8, 5), layout="constrained")
        panel = figure.subplots()
        panel.plot(self.rates, self.losses, color="tab:blue", alpha=0.3, linewidth=0.8, label="every step")
        panel.plot(self.rates, self.smoothed, color="tab:blue", label="moving average")
        panel.axvline(self.lowest, color="tab:gray", linestyle=":", label=f"lowest: {self.lowest:.2g}")
        panel.axvline(self.suggestion, color="tab:orange", label=f"suggestion: {self.suggestion:.2g}")
        panel.set_xscale("log")
        if (self.losses > 0).all():
            panel.set_yscale("log")
            _label_plainly(panel)
        panel.set_xlabel("learning rate")
        panel.set_ylabel("training loss")
        panel.legend()
        if title:
            figure.suptitle(title)
        atomic_write(path, lambda file: figure.savefig(file, format="png", dpi=120))

    def __repr__(self) -> str:
        return f"LRCurve({len(self.rates)} steps; suggestion={self.suggestion:.2g}, lowest={self.lowest:.2g})"


def find_lr(
    model: Any,
    data: Dataset | tuple[Any, Any] | fastnn.data.Splits | Mapping[str, Any],
    *,
    optimizer: Optimizer | None = None,
    start: float = 1e-7,
    end: float = 10.0,
    steps: int = 100,
    batch_size: int = 64,
    smoothing: float = 0.9,
    stop_factor: float = 4.0,
    preprocess: Any = None,
    augment: Sequence[Any] = (),
    seed: int = 0,
    on_step: Callable[[int, float, float], object] | None = None,
) -> LRCurve:
    """Train for some steps at rates that grow from ``start`` to ``end``, and return the losses met.

    Step i of n runs at ``start (end / start)^(i / (n - 1))``. Too small a rate leaves the loss as it is, a
    good one lowers it, too large a one makes it explode, where the run ends. The curve's ``suggestion`` is a
    rate to train with, also as the highest one of a schedule.

    The run trains a deep copy of model and optimizer. Theirs stay as they are to the bit: parameters, running
    statistics, the optimizer's averages and step counts, counters of random steps; so does NumPy's global
    generator, which hand-written layers draw from. This holds however the run ends, Ctrl-C included.

    Args:
        model: any object with a mapping ``params`` of arrays and a method ``loss(X, y)`` that returns
            ``(loss, grads)``, as for `fastnn.Solver`.
        data: ``(X, y)``, a `fastnn.data.Dataset`, `fastnn.data.Splits` (of which the training part is
            taken), or a mapping with ``X_train`` and ``y_train``. Where it ends, the run begins anew with it.
        optimizer: the one that is to train the model, fresh or not; by default ``Adam()``.
        start: first rate, > 0.
        end: rate of the last step, > ``start``.
        steps: how many, >= 2; twelve per power of ten tell enough.
        batch_size: examples in a step, all of them if there are fewer. Other sizes want other rates.
        smoothing: share of the past in the moving average of the loss, in [0, 1); its bias towards 0 is
            divided out.
        stop_factor: end the run when the smoothed loss exceeds the lowest one by this factor, > 1.
        preprocess: a fitted `fastnn.preprocess` step.
        augment: `fastnn.augment` steps.
        seed: names the order of the examples and their augmentation.
        on_step: called with (number of steps done, rate, loss) after every step.

    Returns:
        The curve. A step whose loss was no longer finite is not part of it.

    Raises:
        TypeError: the model does not follow the protocol or cannot be copied.
        ValueError: an argument out of range, or the first loss is not finite.

    Example:
        >>> from fastnn import Model, nn
        >>> from fastnn.optim import SGD
        >>> X = np.random.default_rng(0).normal(size=(256, 4)).astype(np.float32)
        >>> model = Model(nn.Linear(4, 1), "mse")
        >>> curve = find_lr(model, (X, X[:, :1]), optimizer=SGD(0.1), start=1e-4)
        >>> bool(0.01 < curve.suggestion < 0.5), curve.stop_reason is None
        (True, False)

    Reference:
        Smith, Cyclical learning rates for training neural networks, 2017, section 3.3,
        https://arxiv.org/abs/1506.01186
    """
    start = check.number("find_lr", "start", start, above=True)
    end = check.number("find_lr", "end", end, low=start, above=True)
    steps = check.integer("find_lr", "steps", steps, low=2)
    smoothing = check.number("find_lr", "smoothing", smoothing, high=1.0, below=True)
    stop_factor = check.number("find_lr", "stop_factor", stop_factor, low=1.0, above=True)
    batch_size = check.integer("find_lr", "batch_size", batch_size)
    optimizer = (
        Adam() if optimizer is None else check.offering("find_lr", "optimizer", optimizer, "step", "lr")
    )
    port = ModelPort("find_lr", model)
    dataset = as_datasets("find_lr", data)[0]
    loader = Loader(
        dataset,
        batch_size,
        drop_last=len(dataset) > batch_size,
        seed=check.integer("find_lr", "seed", seed, low=0),
        preprocess=preprocess,
        augment=as_augmentations("find_lr", augment),
        dtype=port.dtype,
    )
    twin, optimizer = _copies(model, optimizer)
    port = ModelPort("find_lr", twin)
    rates = start * (end / start) ** (np.arange(steps) / (steps - 1))
    losses: list[float] = []
    smoothed: list[float] = []
    average = 0.0
    reason = None
    with _numpy_generator_restored(), np.errstate(all="ignore"):  # an overflow is what the run is after
        for rate, batch in zip(rates.tolist(), _endless(loader), strict=False):
            optimizer.lr = rate
            loss, grads = port.loss_and_grads(batch.X, batch.y, None, batch_size)
            if not math.isfinite(loss):
                reason = f"the loss became {loss} at rate {rate:.2g}"
                break
            average = smoothing * average + (1 - smoothing) * loss
            losses.append(loss)
            smoothed.append(average / (1 - smoothing ** len(losses)))
            if on_step is not None:
                on_step(len(losses), rate, loss)
            if smoothed[-1] > stop_factor * min(smoothed):
                reason = (
                    f"the loss grew to {smoothed[-1] / min(smoothed):.1f} times its lowest at rate {rate:.2g}"
                )
                break
            optimizer.step(twin.params, grads)
    if not losses:
        raise ValueError(f"[find_lr] loss: expected a finite number at the first step, got {loss}")
    return LRCurve(rates[: len(losses)], np.array(losses), np.array(smoothed), reason)


def _endless(loader: Loader) -> Iterator[Batch]:
    for epoch in count():
        yield from loader.batches(epoch)


@contextmanager
def _numpy_generator_restored() -> Iterator[None]:
    state = np.random.get_state()  # noqa: NPY002 (theirs, not ours)
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


def _copies(model: Any, optimizer: Optimizer) -> tuple[Any, Optimizer]:
    """Return deep copies; parameters that are views of one buffer of the model's are so in its copy, too."""
    memo: dict[int, Any] = {}
    for value in model.params.values():
        owner = value.base
        if isinstance(owner, np.ndarray):
            twin = memo.setdefault(id(owner), owner.copy(order="K"))
            place = value.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
            memo[id(value)] = np.ndarray(
                value.shape, value.dtype, twin.ravel(order="K"), place, value.strides
            )
    try:
        twins: tuple[Any, Optimizer] = copy.deepcopy((model, optimizer), memo)
    except TypeError as error:
        raise TypeError(f"[find_lr] model: expected what copy.deepcopy can copy, got: {error}") from None
    return twins
