"""Our kernels alone, over the sizes that their rows of `fastnn.testing.cases` name, with pytest-benchmark.

``pytest bench/test_kernels.py --benchmark-enable``; speeds stand in the extra columns of the saved record.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import functional
from fastnn.testing.cases import CASES, OpCase, Problem

SIZES = [
    pytest.param(case, problem, id=f"{case} {problem}")
    for case in CASES
    for problem in case.bench
    if all(hasattr(functional, function) for function in case.functions)
]


@pytest.mark.parametrize(("case", "problem"), SIZES)
def test_kernel(case: OpCase, problem: Problem, benchmark: Any) -> None:
    arguments = case.arguments(problem, "float32")
    for name in ("x", "dy"):  # as one operation hands images to the next
        if np.ndim(arguments.get(name)) == 4:
            arguments[name] = fastnn.channels_last(arguments[name])
    results = benchmark(case.run, functional, arguments)
    benchmark.group = case.name
    if benchmark.stats is None:  # benchmarks are switched off: it ran once
        return
    seconds = benchmark.stats.stats.median
    benchmark.extra_info["gbps"] = case.traffic(arguments, results) / seconds / 1e9
    if case.flops is not None:
        benchmark.extra_info["gflops"] = case.flops(problem) / seconds / 1e9
