"""Rows of the units of several pieces."""

from __future__ import annotations

import math
from typing import Any

from fastnn.testing.cases._case import BadCall, OpCase, Pair, Problem, Shape


def _prelu(x: Shape, slopes: int = 1) -> Problem:
    return Problem({"x": x, "slope": (slopes,)})


def _prelu_reduction(problem: Problem) -> dict[str, int]:
    return {"dslope": math.prod(problem.shapes["x"]) // problem.shapes["slope"][0]}


def _maxout(x: Shape, pieces: int) -> Problem:
    return Problem({"x": x}, {"pieces": pieces})


def _maxout_output(problem: Problem) -> Shape:
    n, c, *image = problem.shapes["x"]
    return n, c // problem.settings["pieces"], *image


def _maxout_torch(torch: Any, x: Any, pieces: int) -> Any:
    return x.unflatten(1, (pieces, -1)).amax(1)


ROWS: tuple[OpCase, ...] = (
    Pair(
        name="prelu",
        problems=[
            _prelu((3, 4, 5, 2)),
            _prelu((3, 4, 5, 2), 4),
            _prelu((70, 35), 35),
            _prelu((70, 35)),
            _prelu((37,)),
        ],
        wide=_prelu((64, 32, 16, 16), 32),
        tails=[lambda n: _prelu((n,)), lambda n: _prelu((3, n, 2, 2), n), lambda n: _prelu((2, 64 + n))],
        bench=[_prelu((128, 64, 32, 32), 64)],
        gradients=("dx", "dslope"),
        reduction=_prelu_reduction,
        any_rank=True,
        batched=("x",),
        bad_calls=[
            BadCall("slope", slope=lambda good: good["x"][0, :2, 0, 0]),
            BadCall("dy", dy=lambda good: good["dy"][1:]),
        ],
        torch=lambda torch, x, slope: torch.nn.functional.prelu(x, slope),
    ),
    Pair(
        name="maxout",
        problems=[_maxout((3, 6, 5, 2), 3), _maxout((5, 70), 2), _maxout((4, 3), 1), _maxout((4, 5), 5)],
        wide=_maxout((64, 64, 16, 16), 2),
        tails=[lambda n: _maxout((3, 2 * n), 2), lambda n: _maxout((2, 3 * n, 2, 2), 3)],
        bench=[_maxout((128, 128, 32, 32), 2)],
        output=_maxout_output,
        batched=("x",),
        bad_calls=[
            BadCall("pieces", "0", pieces=0),
            BadCall("pieces", "2.5", pieces=2.5),
            BadCall("pieces", "4", pieces=4),
            BadCall("dy", dy=lambda good: good["dy"][1:]),
        ],
        torch=_maxout_torch,
    ),
)
