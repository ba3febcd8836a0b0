"""A model as the `Solver` uses it: ``params``, ``loss(X, y=None)``, and what else it offers."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import metrics

Array = NDArray[Any]


class ModelPort:
    """Losses, gradients, scores and state of any model that follows the protocol.

    Used where the model offers them: ``loss(..., weights=)`` for sample weights; the counters ``step`` and
    ``example``, so that random layers draw by example however a batch is cut; ``state_dict`` and
    ``load_state_dict`` for what is not among the parameters, such as running statistics; and
    ``loss_function(scores, y)`` for the loss on held-out data.

    Args:
        op: who uses the model, for error texts.
        model: the object.

    Raises:
        TypeError: the object does not follow the protocol.
    """

    def __init__(self, op: str, model: Any) -> None:
        params = getattr(model, "params", None)
        if not isinstance(params, Mapping) or not params or not callable(getattr(model, "loss", None)):
            raise TypeError(
                f"[{op}] model: expected an object with a mapping `params` and a method `loss(X, y=None)`, "
                f"got {type(model).__name__}"
            )
        for name, value in params.items():
            if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
                got = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
                raise TypeError(f"[{op}] model.params[{name!r}]: expected an array of floats, got {got}")
        self.op, self.model = op, model
        self.dtype: np.dtype[Any] = next(iter(params.values())).dtype
        self.takes_weights = "weights" in inspect.signature(model.loss).parameters
        self._counts = hasattr(model, "step") and hasattr(model, "example")

    def loss_and_grads(
        self, X: Array, y: Array, weights: Array | None, piece: int
    ) -> tuple[float, Mapping[str, Array]]:
        """Return loss and gradients of a batch, computed in pieces of at most ``piece`` examples.

        A piece counts by its share of the batch's examples, or of the batch's weight.
        """
        if len(X) <= piece:
            return self._loss(X, y, weights)
        mass = np.ones(len(X)) if weights is None else weights
        total = float(mass.sum(dtype=np.float64))
        step, value, sums = self.counter, 0.0, _WeightedSum()
        for start in range(0, len(X), piece):
            part = slice(start, start + piece)
            share = float(mass[part].sum(dtype=np.float64)) / total
            if share == 0.0:
                continue
            self._count(step, start)
            part_value, grads = self._loss(X[part], y[part], None if weights is None else weights[part])
            value += share * part_value
            sums.add(grads, share)
        self._count(step + 1, 0)
        return value, sums.result()

    def _count(self, step: int, example: int) -> None:
        """Tell the model where it is, so that random layers draw by example however a batch is cut."""
        if self._counts:
            self.model.step, self.model.example = step, example

    def _loss(self, X: Array, y: Array, weights: Array | None) -> tuple[float, Mapping[str, Array]]:
        options = {} if weights is None else {"weights": weights}
        result = self.model.loss(X, y, **options)
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(
                f"[{self.op}] model.loss(X, y): expected a pair (loss, grads), got {type(result).__name__}"
            )
        value, grads = result
        return float(value), grads if hasattr(grads, "flat") else self._cast(grads)

    def _cast(self, grads: Mapping[str, Array]) -> dict[str, Array]:
        """Give hand-written gradients their parameters' dtype; one float64 factor is easily missed."""
        params = self.model.params
        return {name: np.asarray(g, params[name].dtype) if name in params else g for name, g in grads.items()}

    @property
    def counter(self) -> int:
        """Number of the model's next step, part of the key of its randomness; 0 if it does not count."""
        return int(self.model.step) if self._counts else 0

    @counter.setter
    def counter(self, value: int) -> None:
        if self._counts:
            self.model.step = value

    def scores(self, batches: Iterator[Array]) -> Array:
        """Return the model's scores in prediction mode, all batches in one array."""
        return np.concatenate([np.asarray(self.model.loss(X)) for X in batches])

    def state(self) -> dict[str, Array]:
        """Return copies of the parameters, and of all else that the model itself saves."""
        offered = self.model.state_dict() if hasattr(self.model, "state_dict") else self.model.params
        return {name: np.array(value) for name, value in offered.items()}

    def measure(self, scores: Array, y: Array) -> dict[str, float]:
        """Return the metric of the task, higher is better, and the model's loss where it can tell it."""
        task, loss = getattr(self.model, "task", None), getattr(self.model, "loss_function", None)
        if task == "binary":
            result = {"accuracy": metrics.binary_accuracy(scores, y)}
        elif task == "classification" or (y.dtype.kind != "f" and scores.ndim == 2 and scores.shape[1] > 1):
            result = {"accuracy": metrics.accuracy(scores, y, getattr(loss, "ignore_index", None))}
        else:
            result = {"r2": metrics.r2(scores, y)}
        if callable(loss):
            result["loss"] = float(loss(scores, y)[0])
        return result

    def restore(self, state: Mapping[str, Array]) -> None:
        """Write a saved state back, in place."""
        if hasattr(self.model, "load_state_dict"):
            self.model.load_state_dict(state)
            return
        for name, value in state.items():
            self.model.params[name][...] = value


class _WeightedSum:
    """Sum of gradients, each times its share; through the flat buffer where there is one."""

    def __init__(self) -> None:
        self._flat: Array | None = None
        self._named: dict[str, Array] = {}
        self._last: Mapping[str, Array] = {}

    def add(self, grads: Mapping[str, Array], share: float) -> None:
        self._last = grads
        if hasattr(grads, "flat"):
            scaled = share * grads.flat
            self._flat = scaled if self._flat is None else self._flat + scaled
            return
        for name, grad in grads.items():
            scaled = share * grad
            self._named[name] = self._named[name] + scaled if name in self._named else scaled

    def result(self) -> Mapping[str, Array]:
        """Return the sum; it stands in the model's own gradient buffer, which the next loss overwrites."""
        if self._flat is None:
            return self._named
        self._last.flat[...] = self._flat  # type: ignore[attr-defined]
        return self._last
