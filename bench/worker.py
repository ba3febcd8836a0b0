"""The process that measures: one thread count, one way of allocating memory."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

import fastnn
from bench import kernels, overhead, predict, process, steps
from bench.harness import FULL, QUICK, Comparison, Effort, Entry, Probe, WrongResult, compare

LEVELS = ("kernels", "steps", "predict", "process")


def entries(levels: tuple[str, ...], effort: Effort, threads: int) -> Iterator[Entry]:
    """All lines of the chosen levels."""
    if "kernels" in levels:
        yield from kernels.entries(effort)
    if "steps" in levels:
        yield from steps.entries(effort)
        yield from overhead.entries(effort)
    if "predict" in levels:
        yield from predict.entries(effort, threads)
    if "process" in levels:
        yield from process.entries(effort, threads)


def line(result: Comparison) -> str:
    """Return a result as a line of progress."""
    ratios = f"{result.ratio():6.2f} {result.ratio_of_minima():6.2f}" if result.rivals else " " * 13
    return f"{ratios}  {result.name:46} {np.median(result.net()):9.4f} {result.unit}  {result.best_rival()}"


def measure(levels: tuple[str, ...], only: str, threads: int, malloc: str, *, quick: bool) -> dict[str, Any]:
    """Measure what is asked for, line by line, and return the record of this process.

    An entry that cannot be built, or whose result is wrong, is left out with a line that says why.
    """
    torch.set_num_threads(threads)
    fastnn.set_num_threads(threads)
    effort = QUICK if quick else FULL
    probe = Probe(threads)
    run: dict[str, Any] = {
        "threads": threads,
        "malloc": malloc,
        "quick": quick,
        "comparisons": [],
        "left_out": {},
    }
    for entry in entries(levels, effort, threads):
        if (quick and not entry.quick and not only) or not re.search(only, entry.name):
            continue
        torch._dynamo.reset()
        try:
            built = entry.build()
            result = built if isinstance(built, Comparison) else compare(entry, built, effort, probe)
        except Exception as error:
            kind = "wrong" if isinstance(error, WrongResult) else "left out"
            run["left_out"][entry.name] = f"{kind}: {type(error).__name__}: {str(error).splitlines()[0]}"
            print(f"  {entry.name}: {run['left_out'][entry.name]}", file=sys.stderr, flush=True)
            continue
        run["comparisons"].append(result.record())
        print(line(result), file=sys.stderr, flush=True)
    return run


if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    json.dump(measure(tuple(options.pop("levels")), **options), sys.stdout)
