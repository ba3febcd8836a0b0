"""Rows of pooling: sliding, adaptive, global and fractional windows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

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
    mode = {"ceil_mode": problem.settings.get("ceil_mode", False)}
    sizes = (
        reference.pool2d_output_size(x[2 + i], k[i], stride=s[i], padding=p[i], **mode) for i in range(2)
    )
    return (*x[:2], *sizes)


def _cells(problem: Problem) -> int:
    (kh, kw), _, _ = _pool_settings(problem)
    return kh * kw


def _halves_exactly(problem: Problem) -> bool:
    """Whether the division is by a power of two everywhere."""
    cells = _cells(problem)
    settings = problem.settings
    whole = settings.get("count_include_pad", True) and not settings.get("ceil_mode", False)
    return whole and cells & (cells - 1) == 0


_PROBLEMS = [
    _pool((2, 3, 6, 4), 2),
    _pool((2, 3, 7, 8), 3, stride=2, padding=1),
    _pool((2, 5, 7, 6), (4, 2), stride=(1, 3), padding=(2, 0)),
    _pool((1, 18, 5, 5), 2),  # a row and a column left over
    _pool((2, 3, 5, 6), 2, ceil_mode=True),
    _pool((2, 3, 6, 8), 3, stride=2, padding=1, ceil_mode=True),
    _pool((1, 4, 7, 5), (3, 2), stride=(3, 2), padding=(1, 1), ceil_mode=True),  # none begins behind
    _pool((2, 2, 2, 5), 3, stride=2, ceil_mode=True),  # higher than the image
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
    BadCall("kernel_size", kernel_size=1 << 40, padding=1 << 39),
    BadCall("kernel_size", kernel_size=1 << 30, stride=1 << 30),
    BadCall("stride", stride=1 << 40, ceil_mode=True),
    BadCall("stride", "0", stride=0),
    BadCall("padding", "-1", padding=-1),
    BadCall("padding", padding=2),
    BadCall("x", x=lambda good: good["x"][:, :0]),
    BadCall("dy", dy=lambda good: good["dy"][:, :, 1:]),
]


def _adaptive(x: Shape, output_size: Any) -> Problem:
    return Problem({"x": x}, {"output_size": output_size})


def _adaptive_output(problem: Problem) -> Shape:
    size = problem.settings["output_size"]
    return (*problem.shapes["x"][:2], *((size, size) if isinstance(size, int) else size))


def _adaptive_cells(problem: Problem) -> list[int]:
    """Return the largest number of rows and columns of a window."""
    output, x = _adaptive_output(problem), problem.shapes["x"]
    return [-(-x[i] // output[i]) + (x[i] % output[i] > 1) for i in (2, 3)]


def _adaptive_exact(problem: Problem) -> bool:
    x, y = problem.shapes["x"], _adaptive_output(problem)
    whole = x[2] % y[2] == 0 and x[3] % y[3] == 0
    return whole and (x[2] // y[2] * (x[3] // y[3])).bit_count() == 1


_ADAPTIVE: dict[str, Any] = {
    "problems": [
        _adaptive((2, 3, 6, 8), (3, 2)),
        _adaptive((2, 5, 7, 5), (3, 4)),  # neighbours share rows and columns
        _adaptive((1, 18, 3, 4), 5),  # larger than the image
        _adaptive((2, 4, 5, 6), 1),
    ],
    "wide": _adaptive((16, 32, 24, 24), 10),
    "tails": [lambda n: _adaptive((2, n, 4, 4), 2), lambda n: _adaptive((1, 2, 3, n + 1), 2)],
    "bench": [_adaptive((128, 64, 32, 32), 7)],
    "output": _adaptive_output,
    "batched": ("x",),
    "bad_calls": [
        BadCall("output_size", "0", output_size=0),
        BadCall("output_size", output_size=1 << 30),
        BadCall("output_size", r"\(1, 2, 3\)", output_size=(1, 2, 3)),
        BadCall("x", x=lambda good: good["x"][:, :0]),
        BadCall("dy", dy=lambda good: good["dy"][:, :, 1:]),
    ],
}


def _fractional(x: Shape, oh: int, ow: int) -> Problem:
    return Problem({"x": x, "rows": (x[0], oh, 2), "cols": (x[0], ow, 2)})


def _draw_regions(name: str, axis: int) -> Any:
    """Return how to draw the regions of one axis: images take turns with disjoint and overlapping ones."""

    def draw(rng: np.random.Generator, problem: Problem) -> Any:
        size, (images, outputs, _) = problem.shapes["x"][axis], problem.shapes[name]
        samples = rng.random(images)
        regions = reference.fractional_regions(size, outputs, samples)
        if outputs < size:
            regions[1::2] = reference.fractional_regions(size, outputs, samples, kernel_size=2)[1::2]
        return regions

    return draw


def _fractional_torch(torch: Any, x: Any, rows: Any, cols: Any) -> Any:
    """Take the maxima one by one; torch's own function is compared in the tests of pooling."""
    images = [
        torch.stack(
            [
                torch.stack([x[n, :, top:bottom, left:right].amax((1, 2)) for left, right in cols[n]], -1)
                for top, bottom in rows[n]
            ],
            -2,
        )
        for n in range(len(x))
    ]
    return torch.stack(images)


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
        problems=[
            *_PROBLEMS,
            _pool((2, 3, 7, 8), 3, stride=2, padding=1, count_include_pad=False),
            _pool((2, 3, 6, 8), 3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
        ],
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
    Pair(
        name="adaptive_avgpool2d",
        **_ADAPTIVE,
        reduction=lambda problem: dict.fromkeys(("y", "dx"), math.prod(_adaptive_cells(problem))),
        exact=_adaptive_exact,
        torch=lambda torch, x, output_size: torch.nn.functional.adaptive_avg_pool2d(x, output_size),
    ),
    Pair(
        name="adaptive_maxpool2d",
        **_ADAPTIVE,
        torch=lambda torch, x, output_size: torch.nn.functional.adaptive_max_pool2d(x, output_size),
    ),
    Pair(
        name="fractional_maxpool2d",
        problems=[
            _fractional((3, 4, 7, 6), 5, 4),
            _fractional((2, 18, 5, 9), 3, 8),
            _fractional((1, 3, 4, 4), 4, 1),
        ],
        wide=_fractional((16, 32, 24, 24), 17, 17),
        tails=[
            lambda n: _fractional((2, n, 5, 4), 3, 3),
            lambda n: _fractional((2, 2, 3, n + 1), 2, (n + 2) // 2),
        ],
        bench=[_fractional((128, 64, 32, 32), 22, 22)],
        output=lambda problem: (
            *problem.shapes["x"][:2],
            problem.shapes["rows"][1],
            problem.shapes["cols"][1],
        ),
        fills={"rows": _draw_regions("rows", 2), "cols": _draw_regions("cols", 3)},
        batched=("x", "rows", "cols"),
        bad_calls=[
            BadCall("rows", rows=lambda good: good["rows"][1:]),
            BadCall("rows", rows=lambda good: good["rows"][:, ::-1]),
            BadCall("cols", cols=lambda good: good["cols"] + 6),
            BadCall("cols", cols=lambda good: good["cols"] - 1),
            BadCall("cols", cols=lambda good: good["cols"][..., ::-1]),
            BadCall("cols", "float64", cols=lambda good: good["cols"] * 1.0),
            BadCall("x", x=lambda good: good["x"][:, :0]),
            BadCall("dy", dy=lambda good: good["dy"][:, :, 1:]),
        ],
        torch=_fractional_torch,
    ),
)
