"""What is aimed at: the first bar, to be passed everywhere, and the goal."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from bench.harness import Comparison

Measure: TypeAlias = Callable[[Comparison], float]


def against(modes: str = "") -> Measure:
    """Return the ratio of the best rival among ``modes`` (a regular expression) to us."""
    return lambda comparison: comparison.claim(modes)


def amount(comparison: Comparison) -> float:
    """Return what was measured itself."""
    return float(np.median(comparison.net()))


def fraction_of_peak(comparison: Comparison) -> float:
    """Return the speed as a part of the FMA probe's."""
    return comparison.of_peak


@dataclass(frozen=True)
class Target:
    """One row of the table.

    Args:
        what: in words.
        groups: of comparisons, a regular expression that matches the whole name.
        bar: to be passed first; None if there is none.
        goal: None if there is none.
        measure: of one comparison.
        names: which comparisons of the groups, a regular expression.
        mean: whether the geometric mean counts; otherwise every single one.
        most: whether smaller is better.
        unit: of the numbers.
    """

    what: str
    groups: str
    bar: float | None
    goal: float | None
    measure: Measure = Comparison.claim
    names: str = ""
    mean: bool = False
    most: bool = False
    unit: str = ""

    def covers(self, comparison: Comparison) -> bool:
        """Return whether a comparison counts for this row."""
        return bool(re.fullmatch(self.groups, comparison.group) and re.search(self.names, comparison.name))

    def values(self, comparisons: Sequence[Comparison]) -> dict[str, float]:
        """Return name to value: the less flattering one where something was measured twice."""
        found: dict[str, float] = {}
        for comparison in filter(self.covers, comparisons):
            value = self.measure(comparison)
            if not math.isnan(value):
                known = found.get(comparison.name, value)
                found[comparison.name] = max(known, value) if self.most else min(known, value)
        return found

    def reached(self, values: dict[str, float]) -> float:
        """Return the number that must pass: the mean, or that of the worst case."""
        if self.mean:
            return geometric_mean(list(values.values()))
        return max(values.values()) if self.most else min(values.values())

    def verdict(self, value: float) -> str:
        """Return how far it got."""

        def passes(limit: float | None) -> bool:
            return limit is None or (value <= limit if self.most else value >= limit)

        if not passes(self.bar):
            return "below the bar"
        if self.goal is None:
            return "bar met"
        return "goal met" if passes(self.goal) else ("bar met" if self.bar is not None else "goal not met")


def geometric_mean(values: Sequence[float]) -> float:
    """Return the geometric mean of positive numbers."""
    return math.exp(sum(math.log(value) for value in values) / len(values))


EAGER = r"^torch (?!.*compiled)"
CONV = "conv (?!3x3 direct).*"
MAIN_STEPS = r"step (mlp-128|lenet-64|course-50|resnet20-128|vgg-64)$"

TARGETS = (
    Target("GEMM, MLP and square shapes", "gemm", 0.9, 1.0),
    Target("GEMM 512^3, part of the FMA probe", "gemm", None, 0.93, fraction_of_peak, "512x512x512"),
    Target("skinny GEMM against NumPy", "gemm skinny", 1.5, 3.0, against("numpy")),
    Target("skinny GEMM against MKL in PyTorch", "gemm skinny", 1.5, 1.5, against("torch")),
    Target("convolution, every shape and pass", CONV, 0.9, 1.0),
    Target("convolution, geometric mean", CONV, 1.3, 2.0, mean=True),
    Target("convolution 3x3 stride 1, C and F >= 32", "conv 3x3", 1.3, 1.8),
    Target("the same without Winograd", "conv 3x3 direct", 0.9, 1.0),
    Target("convolution, first layers", "conv first layer", 1.3, 2.0),
    Target("convolution, strided backward-data", "conv strided dx", 2.0, 4.0),
    Target("batch norm (+ReLU) against NCHW", "batch norm", 3.0, 6.0, against("nchw")),
    Target("batch norm (+ReLU) against channels-last", "batch norm", 1.5, 3.0, against("channels-last")),
    Target(
        "batch norm and ReLU after a convolution, an element",
        "fused batch norm",
        None,
        0.25,
        amount,
        most=True,
        unit=" ns",
    ),
    Target("max pooling against NCHW", "max pooling", 3.0, 8.0, against("nchw")),
    Target("max pooling against channels-last", "max pooling", 1.0, 1.5, against("channels-last")),
    Target("dropout", "dropout", 8.0, 15.0),
    Target("optimizer against PyTorch's default", "optimizer", 2.0, 4.0, against("default")),
    Target("optimizer against PyTorch's fused", "optimizer", 1.0, 1.3, against("fused")),
    Target("training step against eager", "step", 1.5, None, against(EAGER), MAIN_STEPS),
    Target("training step against the best mode", "step", None, 2.0, names=MAIN_STEPS),
    Target(
        "training steps, geometric mean against eager",
        "step",
        None,
        3.0,
        against(EAGER),
        MAIN_STEPS,
        mean=True,
    ),
    Target("step, a layer's cost beyond arithmetic", "overhead", None, 5.0, amount, most=True, unit=" us"),
    Target(
        "batch-1 predict against ONNX Runtime", "predict 1", 1.0, 2.0, against("onnx"), "mlp64|lenet|resnet8"
    ),
    Target("import, beyond NumPy's own", "import", 50.0, 20.0, amount, most=True, unit=" ms"),
    Target("wheel", "wheel", 5.0, 3.0, amount, most=True, unit=" MB"),
    Target("peak memory of ResNet-20, PyTorch's by ours", "memory", 1.25, 2.0),
    Target("loader, part of a LeNet epoch", "loader", None, 3.0, amount, most=True, unit=" %"),
    Target("slow-down beside a busy process", "neighbour", 2.5, 2.0, amount, most=True),
)
