"""The training loop: minibatches, updates, validation, the best weights, checkpoints."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import fastnn
from fastnn import _arguments as check
from fastnn._model_port import ModelPort
from fastnn.data import ArrayDataset, Dataset, Loader
from fastnn.data.arguments import as_augmentations, as_datasets
from fastnn.history import History as History
from fastnn.optim import Adam, Optimizer, ParameterAverage, clip_grad_norm, clip_grad_value
from fastnn.schedules import Progress, RateFunction, Schedule

if TYPE_CHECKING:
    from fastnn._checkpoint import CheckpointFile

Array = NDArray[Any]
Data = Dataset | tuple[Array, Array]


class DivergedError(FloatingPointError):
    """The loss became NaN or infinite; the message says when and what to try."""


class Solver:
    """Train a model on minibatches, measure it after every epoch, and leave its best weights in it.

    The model is any object with a mapping ``params`` of arrays and a method ``loss(X, y=None)``, which
    returns ``(loss, grads)`` when it is given ``y`` and scores when it is not. Integer targets mean
    classification (the metric is accuracy, over the greatest score), float targets regression (R2); a model
    with a ``task`` says so itself, and its probabilities as targets have the greatest one for a label.

    One update sees ``batch_size * accumulate`` examples, in ``accumulate`` calls of ``loss`` whose gradients
    are averaged by their share of examples (or of weight): the update of the big batch, in the memory of the
    small one. Layers that mix examples, as batch normalisation does, see the small ones.

    Args:
        model: see above; used where offered: ``loss(..., weights=)``, ``state_dict``/``load_state_dict``, the
            counters ``step`` and ``example``, and ``loss_function(scores, y)`` for the validation loss.
        data: ``(X, y)``, a `fastnn.data.Dataset`, `fastnn.data.Splits`, or a mapping with ``X_train``,
            ``y_train`` and, if there is validation data, ``X_val``, ``y_val``.
        validation_data: ``(X, y)`` or a data set, where ``data`` does not bring its own.
        optimizer: by default ``Adam()``.
        schedule: a function of ``(base_lr, progress)``, see `fastnn.schedules`; by default the rate is left
            alone.
        epochs: passes over the training data.
        batch_size: examples in one call of ``loss``.
        drop_last: leave out an epoch's last update if it would see fewer examples than the others.
        accumulate: calls of ``loss`` per update.
        sample_weights: (N,) weights >= 0 of the training examples; the model's loss must take ``weights``.
        preprocess: a fitted `fastnn.preprocess` step, for training and validation data. The model does not
            keep it: give what it predicts on to ``transform`` first, or let the net begin with
            `fastnn.nn.Standardise`, which is saved with it.
        augment: `fastnn.augment` steps, for training data; the metrics are measured without them.
        callbacks: `fastnn.callbacks`, called in this order.
        seed: names the order of the examples and their augmentation.
        checkpoint_dir: folder for ``checkpoint.safetensors``, written after every epoch and when Ctrl-C ends
            the run; None writes none.
        checkpoint_every: write it after every so many updates, too.
        resume: go on from the checkpoint in ``checkpoint_dir``, if there is one; the run then ends with the
            same bits as if it had never stopped.
        clip_norm: shrink the gradients of an update together to this norm at most, see
            `fastnn.optim.clip_grad_norm`.
        clip_value: cut every element of them to this size at most.
        average: follows the parameters from update to update, stands in their place whenever the model is
            measured, and is what the run leaves in the model.
        train_samples: how many training examples the training metric is measured on after an epoch.

    Attributes:
        history: the record, also while the run goes on or after it failed.

    Raises:
        TypeError: the model does not follow the protocol.
        ValueError: an argument out of range, in one line.

    Example:
        >>> from fastnn.optim import SGD
        >>> class Line:
        ...     def __init__(self):
        ...         self.params = {"w": np.zeros((1, 1))}
        ...     def loss(self, X, y=None):
        ...         scores = X @ self.params["w"]
        ...         if y is None:
        ...             return scores
        ...         error = scores - y
        ...         return np.mean(error**2), {"w": 2 * X.T @ error / len(X)}
        >>> X = np.linspace(-1, 1, 64)[:, None]
        >>> model = Line()
        >>> history = Solver(model, (X, 3 * X), optimizer=SGD(0.5), epochs=20, batch_size=16).train()
        >>> model.params["w"].round(3).tolist(), round(float(history.train_r2[-1]), 3)
        ([[3.0]], 1.0)
    """

    def __init__(
        self,
        model: Any,
        data: Data | fastnn.data.Splits | Mapping[str, Array],
        *,
        validation_data: Data | None = None,
        optimizer: Optimizer | None = None,
        schedule: RateFunction | None = None,
        epochs: int = 10,
        batch_size: int = 64,
        drop_last: bool = False,
        accumulate: int = 1,
        sample_weights: ArrayLike | None = None,
        preprocess: Any = None,
        augment: Sequence[Any] = (),
        callbacks: Sequence[fastnn.callbacks.Callback] = (),
        seed: int = 0,
        checkpoint_dir: str | os.PathLike[str] | None = None,
        checkpoint_every: int | None = None,
        resume: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        average: ParameterAverage | None = None,
        train_samples: int = 1000,
    ) -> None:
        self.model = model
        self.optimizer = (
            Adam() if optimizer is None else check.offering("Solver", "optimizer", optimizer, "step", "lr")
        )
        self.schedule = (
            None if schedule is None else check.offering("Solver", "schedule", schedule, "__call__")
        )
        self.epochs = check.integer("Solver", "epochs", epochs)
        if not isinstance(average, ParameterAverage | None):
            got = type(average).__name__
            raise TypeError(f"[Solver] average: expected a ParameterAverage or None, got {got}")
        self._average = average
        self.callbacks = _all_offering("callbacks", callbacks, "on_train_begin", "on_train_end")
        self.history = History()
        self.step = 0
        self.loss = math.nan
        self._port = ModelPort("Solver", model)
        self._piece = check.integer("Solver", "batch_size", batch_size)
        train, validation = as_datasets("Solver", data, validation_data)
        batch = self._piece * check.integer("Solver", "accumulate", accumulate)
        seed = check.integer("Solver", "seed", seed, low=0)
        augment = as_augmentations("Solver", augment)
        if preprocess is not None:
            check.offering("Solver", "preprocess", preprocess, "tables")
        options = {"preprocess": preprocess, "dtype": self._port.dtype}
        self._loader = Loader(train, batch, drop_last=drop_last, seed=seed, augment=augment, **options)
        self.steps_per_epoch = len(self._loader)
        self._weights = self._checked_weights(sample_weights, len(train))
        if self._weights is not None and any(isinstance(step, fastnn.augment.Mixup) for step in augment):
            raise ValueError("[Solver] sample_weights: expected None beside Mixup, got weights")
        sampled = _sample(train, check.integer("Solver", "train_samples", train_samples))
        self._train_sample = Loader(sampled, self._piece, shuffle=False, **options)
        self._validation = (
            None if validation is None else Loader(validation, self._piece, shuffle=False, **options)
        )
        self._base_lr = self.optimizer.lr
        self._best: dict[str, Any] | None = None
        self._epoch_loss = self._epoch_mass = 0.0
        self._earlier_seconds = 0.0
        self._interrupted = self._started = False
        self._resume = bool(resume)
        self._clip_norm, self._clip_value = (
            None if bound is None else check.number("Solver", name, bound, above=True)
            for name, bound in (("clip_norm", clip_norm), ("clip_value", clip_value))
        )
        self._every = (
            None
            if checkpoint_every is None
            else check.integer("Solver", "checkpoint_every", checkpoint_every)
        )
        self._checkpoint: CheckpointFile | None = None
        if checkpoint_dir is not None:
            setup = {
                "examples": len(train),
                "batch size": self._piece,
                "accumulate": accumulate,
                "drop_last": bool(drop_last),
                "seed": seed,
                "optimizer": type(self.optimizer).__name__,
                "average": None if average is None else f"decay {average.decay}",
                "parameters": {name: list(value.shape) for name, value in model.params.items()},
            }
            from fastnn._checkpoint import CheckpointFile

            self._checkpoint = CheckpointFile(checkpoint_dir, setup)
        elif resume or checkpoint_every is not None:
            raise ValueError(
                "[Solver] checkpoint_dir: expected a folder with resume or checkpoint_every, got None"
            )

    def train(self) -> History:
        """Run to the end, and return the history.

        However the run ends, the weights (and statistics) that did best on the validation data are then in
        the model. A Ctrl-C ends it after the step at hand, with the checkpoint written; a second one at once.

        Raises:
            DivergedError: the loss became NaN or infinite.
            KeyboardInterrupt: after Ctrl-C.
            RuntimeError: it has been called before.
            ValueError: there is a checkpoint already and ``resume`` is off, or it is another run's.
        """
        if self._started:
            raise RuntimeError(
                "[Solver.train] expected one call per Solver, got a second one; make a new Solver"
            )
        self._started = True
        self._load_checkpoint()
        self._start_time = time.perf_counter()
        try:
            with self._deferred_interrupt():
                self._call("on_train_begin")
                self._loop()
        finally:
            self.optimizer.lr = self._base_lr
            if self._best is not None:
                self._port.restore(self._best["model"])
            elif self._average is not None and self._average.updates:
                self._average.copy_into(self.model.params)
            self._call("on_train_end")
        if self._interrupted:
            self.history.stop_reason = f"interrupted after step {self.step}"
            where = f"; go on from {self._checkpoint.path} with resume=True" if self._checkpoint else ""
            raise KeyboardInterrupt(self.history.stop_reason + where)
        return self.history

    def stop(self, reason: str) -> None:
        """End the run after the step or epoch at hand; for callbacks."""
        self.history.stop_reason = reason

    def averaged(self) -> AbstractContextManager[None]:
        """Let the model hold the averaged parameters inside a ``with``, if the run keeps any."""
        if self._average is None or not self._average.updates:
            return nullcontext()
        return self._average.swapped_into(self.model.params)

    def _loop(self) -> None:
        total = self.epochs * self.steps_per_epoch
        while self.step < total and not self._stopping():
            epoch, done = divmod(self.step, self.steps_per_epoch)
            if done == 0:
                self._call("on_epoch_begin")
            for X, y, indices in self._loader.batches(epoch, done):
                self._update(X, y, None if self._weights is None else self._weights[indices])
                self._call("on_step_end")
                epoch_ended = self.step % self.steps_per_epoch == 0
                if epoch_ended:
                    self._end_epoch()
                due = epoch_ended or (self._every is not None and self.step % self._every == 0)
                stopping = self._stopping()
                if due or stopping:
                    self._save_checkpoint()
                if stopping:
                    break

    def _stopping(self) -> bool:
        return self._interrupted or self.history.stop_reason is not None

    def _update(self, X: Array, y: Array, weights: Array | None) -> None:
        if self.schedule is not None:
            total = self.epochs * self.steps_per_epoch
            rate = self.schedule(self._base_lr, Progress(self.step, total, self.steps_per_epoch))
            self.optimizer.lr = check.number("Solver", "schedule", rate)
        mass = float(len(X)) if weights is None else float(weights.sum(dtype=np.float64))
        if mass == 0.0:
            raise ValueError("[Solver] sample_weights: expected a positive sum in every batch, got 0")
        self.loss, grads = self._port.loss_and_grads(X, y, weights, self._piece)
        if not math.isfinite(self.loss):
            epoch = self.step // self.steps_per_epoch + 1
            advice = "try a smaller learning rate" if np.isfinite(X).all() else "X holds NaN or infinity"
            self.history.stop_reason = (
                f"[Solver] loss: expected a finite number, got {self.loss} at step {self.step + 1} "
                f"(epoch {epoch}, learning rate {self.optimizer.lr:g}); {advice}"
            )
            raise DivergedError(self.history.stop_reason)
        if self._clip_value is not None:
            clip_grad_value(grads, self._clip_value)
        if self._clip_norm is not None:
            clip_grad_norm(grads, self._clip_norm)
        self.optimizer.step(self.model.params, grads)
        if self._average is not None:
            self._average.update(self.model.params)
        self.step += 1
        self._epoch_loss += self.loss * mass
        self._epoch_mass += mass
        self.history.add_step(loss=self.loss, lr=self.optimizer.lr)

    def _end_epoch(self) -> None:
        record = {
            "epoch": self.step // self.steps_per_epoch,
            "step": self.step,
            "lr": self.optimizer.lr,
        }
        with self.averaged():
            record |= self._measure("train", self._train_sample)
            record["train_loss"] = self._epoch_loss / self._epoch_mass
            self._epoch_loss = self._epoch_mass = 0.0
            if self._validation is not None:
                measured = self._measure("val", self._validation)
                record |= measured
                score = next(iter(measured.values()))
                if self._best is None or score > self._best["score"]:
                    self._best = {"score": score, "model": self._port.state()}
        record["seconds"] = self._seconds()
        self.history.add_epoch(record)
        if isinstance(self.schedule, Schedule):
            self.schedule.observe(record)
        self._call("on_epoch_end")

    def _measure(self, part: str, loader: Loader) -> dict[str, float]:
        """Return the figures of one part of the data, the metric first."""
        targets: list[Array] = []

        def inputs() -> Iterator[Array]:
            for X, y, _ in loader.batches():
                targets.append(y)
                yield X

        measured = self._port.measure(self._port.scores(inputs()), np.concatenate(targets))
        return {f"{part}_{name}": value for name, value in measured.items()}

    def _seconds(self) -> float:
        return self._earlier_seconds + time.perf_counter() - self._start_time

    def _call(self, event: str) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(self)

    def _checked_weights(self, weights: ArrayLike | None, examples: int) -> Array | None:
        if weights is None:
            return None
        if not self._port.takes_weights:
            raise ValueError(
                "[Solver] sample_weights: expected a model whose loss takes `weights`, got one without"
            )
        try:
            array = np.asarray(weights, self._port.dtype)
        except (TypeError, ValueError):
            raise ValueError("[Solver] sample_weights: expected numbers, got other things") from None
        if array.shape != (examples,):
            raise ValueError(f"[Solver] sample_weights: expected shape ({examples},), got {array.shape}")
        if not (np.isfinite(array).all() and (array >= 0).all()):
            raise ValueError("[Solver] sample_weights: expected finite numbers >= 0, got others")
        return array

    @contextmanager
    def _deferred_interrupt(self) -> Iterator[None]:
        """Turn the first Ctrl-C into a flag that is read between steps; the second acts as ever."""
        import signal
        import threading

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        previous = signal.getsignal(signal.SIGINT)

        def note(number: int, frame: FrameType | None) -> None:
            self._interrupted = True
            signal.signal(signal.SIGINT, previous)

        signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, previous)

    def _save_checkpoint(self) -> None:
        if self._checkpoint is None:
            return
        self._checkpoint.save(
            {
                "step": self.step,
                "epoch_loss": self._epoch_loss,
                "epoch_mass": self._epoch_mass,
                "seconds": self._seconds(),
                "base_lr": self._base_lr,
                "model": self._port.state(),
                "model_counter": self._port.counter,
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict() if isinstance(self.schedule, Schedule) else {},
                "average": None if self._average is None else self._average.state_dict(),
                "callbacks": [callback.state_dict() for callback in self.callbacks],
                "history": self.history.state_dict(),
                "stop_reason": self.history.stop_reason,
                "best": self._best,
            }
        )

    def _load_checkpoint(self) -> None:
        if self._checkpoint is None or not self._checkpoint.exists():
            return
        if not self._resume:
            raise ValueError(
                "[Solver] checkpoint_dir: expected a folder without a checkpoint, or resume=True, "
                f"got {self._checkpoint.path}"
            )
        state = self._checkpoint.load()
        if len(state["callbacks"]) != len(self.callbacks):
            raise ValueError(
                f"[Solver] resume: expected {len(state['callbacks'])} callbacks as in the checkpoint, "
                f"got {len(self.callbacks)}"
            )
        self._port.restore(state["model"])
        self._port.counter = state["model_counter"]
        self.optimizer.load_state_dict(state["optimizer"])
        if isinstance(self.schedule, Schedule):
            self.schedule.load_state_dict(state["schedule"])
        if self._average is not None:
            self._average.load_state_dict(state["average"])
        for callback, remembered in zip(self.callbacks, state["callbacks"], strict=True):
            callback.load_state_dict(remembered)
        self.history.load_state_dict(state["history"])
        self.history.stop_reason = state["stop_reason"]
        self._best = state["best"]
        self.step = state["step"]
        self._base_lr = state["base_lr"]
        self._epoch_loss, self._epoch_mass = state["epoch_loss"], state["epoch_mass"]
        self._earlier_seconds = state["seconds"]


def _all_offering(name: str, values: Any, *attributes: str) -> list[Any]:
    """Return the members of a sequence, each with the given attributes."""
    if not isinstance(values, Sequence):
        raise TypeError(f"[Solver] {name}: expected a sequence, got {type(values).__name__}")
    return [check.offering("Solver", name, value, *attributes) for value in values]


def _sample(data: Dataset, count: int) -> Dataset:
    """Return ``count`` examples spread evenly over the data set, or all of it if that is fewer."""
    if count >= len(data):
        return data
    return ArrayDataset(*data.batch(np.arange(count, dtype=np.int64) * len(data) // count))
