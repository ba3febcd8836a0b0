"""Rows of maximum, average and global average pooling."""

from __future__ import annotations

from typing import Any

from fastnn import reference
from fastnn.testing.cases._case import BadCall, OpCase, Pair, Problem, Shape


def _pool(x: Shape, kernel_size: Any, **settings: Any) -> Problem:
    return Problem({"x": x}, {"kernel_size": kernel_size, **settings})


def _pool_settings(problem: Problem) -> list[tuple[int, int]]:
    """Return kernel, stride and padding as pairs."""
    kernel = problem.settings["kernel_size"]
    values = (kernel, problem.settings.get("stride", kernel), problem.settings.get("padding", 0))
    return [(v, v) if isinstance(v, int) else v for v in values]


def _pool_output(problem: Problem) -> Shape:
    x = problem.shapes["x"]
    k, s, p = _pool_settings(problem)
    sizes = (reference.pool2d_output_size(x[2 + i], k[i], stride=s[i], padding=p[i]) for i in range(2))
    return (*x[:2], *sizes)


def _cells(problem: Problem) -> int:
    (kh, kw), _, _ = _pool_settings(problem)
    return kh * kw


def _halves_exactly(problem: Problem) -> bool:
    """Whether the division is by a power of two everywhere."""
    cells = _cells(problem)
    return cells & (cells - 1) == 0 and problem.settings.get("count_include_pad", True)


_PROBLEMS = [
    _pool((2, 3, 6, 4), 2),
    _pool((2, 3, 7, 8), 3, stride=2, padding=1),
    _pool((2, 5, 7, 6), (4, 2), stride=(1, 3), padding=(2, 0)),
    _pool((1, 18, 5, 5), 2),  # a row and a column left over
]
_TAILS = [
    lambda n: _pool((2, n, 4, 5), 2),
    lambda n: _pool((1, 2, 3, n + 1), 2, stride=1, padding=1),
    lambda n: _pool((1, n, 4, 3), 3, stride=2, padding=1),
]
_WIDE = _pool((16, 32, 24, 24), 2)
_BENCH = [_pool((128, 64, 32, 32), 2), _pool((128, 64, 32, 32), 3, stride=2, padding=1)]
_BAD_CALLS = [
    BadCall("kernel_size", kernel_size=9),
    BadCall("kernel_size", "0", kernel_size=0),
    BadCall("stride", "0", stride=0),
    BadCall("padding", "-1", padding=-1),
    BadCall("padding", padding=2),
    BadCall("x", x=lambda good: good["x"][:, :0]),
    BadCall("dy", dy=lambda good: good["dy"][:, :, 1:]),
]

ROWS: tuple[OpCase, ...] = (
    Pair(
        name="maxpool2d",
        problems=_PROBLEMS,
        wide=_WIDE,
        tails=_TAILS,
        bench=_BENCH,
        output=_pool_output,
        batched=("x",),
        bad_calls=_BAD_CALLS,
        torch=lambda torch, x, **settings: torch.nn.functional.max_pool2d(x, **settings),
    ),
    Pair(
        name="avgpool2d",
        problems=[*_PROBLEMS, _pool((2, 3, 7, 8), 3, stride=2, padding=1, count_include_pad=False)],
        wide=_WIDE,
        tails=_TAILS,
        bench=_BENCH,
        output=_pool_output,
        reduction=lambda problem: {"y": _cells(problem), "dx": _cells(problem)},
        exact=_halves_exactly,
        batched=("x",),
        bad_calls=_BAD_CALLS,
        torch=lambda torch, x, **settings: torch.nn.functional.avg_pool2d(x, **settings),
    ),
    Pair(
        name="global_avgpool2d",
        problems=[Problem({"x": (3, 5, 4, 2)}), Problem({"x": (2, 35, 3, 3)}), Problem({"x": (1, 1, 1, 1)})],
        wide=Problem({"x": (32, 64, 12, 12)}),
        tails=[lambda n: Problem({"x": (2, n, 2, 2)}), lambda n: Problem({"x": (2, 3, 1, n)})],
        bench=[Problem({"x": (128, 64, 8, 8)})],
        output=lambda problem: (*problem.shapes["x"][:2], 1, 1),
        reduction=lambda problem: {"y": problem.shapes["x"][2] * problem.shapes["x"][3]},
        exact=lambda problem: (problem.shapes["x"][2] * problem.shapes["x"][3]).bit_count() == 1,
        batched=("x",),
        bad_calls=[
            BadCall("x", x=lambda good: good["x"][:, :, :0]),
            BadCall("dy", dy=lambda good: good["dy"][1:]),
        ],
        torch=lambda torch, x: torch.nn.functional.adaptive_avg_pool2d(x, 1),
    ),
)
