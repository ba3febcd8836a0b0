"""What a layer costs in a training step beyond arithmetic: nets whose tensors hold a number or two."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from bench import steps
from bench.harness import Comparison, Effort, Entry, Run
from bench.rivals import draw
from fastnn import nn
from fastnn.model import Model

SHALLOW, DEEP = 2, 12
CALLS = 10  # of each net in turn


class Stack(NamedTuple):
    """A few layers that a net repeats, and the shape of its batch."""

    name: str
    layers: Callable[[], list[nn.Layer]]
    shape: tuple[int, ...]

    def model(self, repeats: int) -> Model:
        """Return a net that repeats the layers so often, with two classes."""
        images = [nn.Flatten()] if len(self.shape) > 2 else []
        body = [layer for _ in range(repeats) for layer in self.layers()]
        return Model(nn.Sequential(*body, *images, nn.Linear(1, 2)))


STACKS = (
    Stack("linear", lambda: [nn.Linear(1, 1)], (1, 1)),
    Stack("linear, relu", lambda: [nn.Linear(1, 1), nn.ReLU()], (1, 1)),
    Stack("linear, tanh, dropout", lambda: [nn.Linear(1, 1), nn.Tanh(), nn.Dropout(0.5)], (1, 1)),
    Stack("conv", lambda: [nn.Conv2d(1, 1, 3, padding=1)], (1, 1, 1, 1)),
    Stack(
        "conv, norm, relu",
        lambda: [nn.Conv2d(1, 1, 3, padding=1, bias=False), nn.BatchNorm2d(1), nn.ReLU()],
        (2, 1, 1, 1),
    ),
    Stack(
        "conv, relu, pool",
        lambda: [nn.Conv2d(1, 1, 3, padding=1), nn.ReLU(), nn.MaxPool2d(1)],
        (1, 1, 1, 1),
    ),
    Stack(
        "residual block",
        lambda: [
            nn.Residual(
                nn.Sequential(
                    *(nn.Conv2d(1, 1, 3, padding=1, bias=False), nn.BatchNorm2d(1), nn.ReLU()),
                    *(nn.Conv2d(1, 1, 3, padding=1, bias=False), nn.BatchNorm2d(1)),
                ),
                activation="relu",
            )
        ],
        (2, 1, 1, 1),
    ),
)


def _count(model: Model) -> int:
    assert isinstance(model.net, nn.Container)
    return len(model.net.leaves())


def _ms(step: Run) -> float:
    begin = time.perf_counter()
    for _ in range(CALLS):
        step()
    return 1e3 * (time.perf_counter() - begin) / CALLS


def a_layer(stack: Stack, effort: Effort) -> Comparison:
    """Measure how much longer a step of a deeper net takes, by layer, forward and backward together.

    Turns are short, to fit between two disturbances, and follow one another as long as the effort's time
    allows: without a pause, after which Python would be slow for a while.
    """
    X, y = draw(*stack.shape), np.zeros(stack.shape[0], np.int64)
    shallow, deep = stack.model(SHALLOW), stack.model(DEEP)
    layers = _count(deep) - _count(shallow)

    turns = [steps.our_step(model, X, y) for model in (shallow, deep)]
    # A difference keeps the noise of both ends, so both are the least of all rounds.
    less = more = math.inf
    end = time.perf_counter() + effort.seconds
    while time.perf_counter() < end or not math.isfinite(more):
        less, more = (min(least, _ms(turn)) for least, turn in zip((less, more), turns, strict=True))
    us = 1e3 * (more - less) / layers
    return Comparison(
        f"overhead {stack.name}", "overhead", [us], {}, unit="us", note="a layer, forward and backward"
    )


def entries(effort: Effort) -> Iterator[Entry]:
    """All lines of this level."""
    for stack in STACKS:
        yield Entry(f"overhead {stack.name}", "overhead", partial(a_layer, stack, effort))
