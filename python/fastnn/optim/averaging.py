"""Averages of parameters over the course of training, for prediction."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from fastnn import _arguments as check
from fastnn.optim._base import Array


class ParameterAverage:
    """Keep an average of parameters, and put it in their place for a while.

    With a decay it is exponential (EMA), ``a = decay*a + (1-decay)*w``, and starts from the first parameters
    that it sees; without one it is Polyak's plain mean of all that it has seen. Running statistics of batch
    norm are no parameters and stay as they are.

    Args:
        decay: memory of the average, in [0, 1); None for the plain mean.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> params = {"w": np.array([0.0])}
        >>> average = ParameterAverage(decay=None)
        >>> for value in (1.0, 2.0, 6.0):
        ...     params["w"][:] = value
        ...     average.update(params)
        >>> with average.swapped_into(params):
        ...     params["w"].item()
        3.0
        >>> params["w"].item()
        6.0

    Reference:
        Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992,
        https://doi.org/10.1137/0330046
    """

    def __init__(self, decay: float | None = 0.999) -> None:
        self.decay = (
            None if decay is None else check.number("ParameterAverage", "decay", decay, high=1.0, below=True)
        )
        self.updates = 0
        self._averages: Mapping[str, Array] = {}

    def update(self, params: Mapping[str, Array]) -> None:
        """Take the parameters as they are now into the average; after every step, as a rule."""
        self.updates += 1
        if self.updates == 1:
            self._averages = copy.deepcopy(params)
            return
        fresh = 1.0 / self.updates if self.decay is None else 1.0 - self.decay
        for average, value in _pairs(self._averages, params):
            change = value - average
            change *= average.dtype.type(fresh)
            average += change

    @property
    def averages(self) -> dict[str, Array]:
        """Copies of the averages by name.

        Raises:
            ValueError: there was no `update` yet.
        """
        self._require_update()
        return {name: value.copy() for name, value in self._averages.items()}

    @contextmanager
    def swapped_into(self, params: Mapping[str, Array]) -> Iterator[None]:
        """Let ``params`` hold the averages inside a ``with``, and their own values again after it.

        Raises:
            ValueError: no update yet, or other parameters than those followed.
        """
        self._require_update()
        own = [value.copy() for _, value in _pairs(self._averages, params)]
        self.copy_into(params)
        try:
            yield
        finally:
            for (_, value), kept in zip(_pairs(self._averages, params), own, strict=True):
                value[...] = kept

    def copy_into(self, params: Mapping[str, Array]) -> None:
        """Write the averages over ``params``.

        Raises:
            ValueError: no update yet, or other parameters than those followed.
        """
        self._require_update()
        for average, value in _pairs(self._averages, params):
            value[...] = average

    def state_dict(self) -> dict[str, Any]:
        """Return the number of updates and copies of the averages."""
        return {"updates": self.updates, "averages": {n: a.copy() for n, a in self._averages.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.updates = int(state["updates"])
        self._averages = {name: np.array(value) for name, value in state["averages"].items()}

    def _require_update(self) -> None:
        if not self.updates:
            raise ValueError("[ParameterAverage] update: expected at least one before its use, got none")


def _pairs(averages: Any, params: Any) -> list[tuple[Array, Array]]:
    """Return the averages beside their parameters: as one buffer each where both have one, else by name."""
    if hasattr(averages, "flat") and hasattr(params, "flat") and list(averages) == list(params):
        return [(averages.flat, params.flat)]
    return [(average, params[name]) for name, average in averages.items()]
