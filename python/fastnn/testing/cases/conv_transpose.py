"""The row of the transposed convolution."""

from __future__ import annotations

import math
from typing import Any

from fastnn.testing.cases._case import BadCall, OpCase, Pair, Problem, Shape


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _up(x: Shape, w: Shape, *, bias: bool = True, algo: str = "direct", **settings: Any) -> Problem:
    filters = w[1] * settings.get("groups", 1)
    shapes = {"x": x, "w": w, **({"b": (filters,)} if bias else {})}
    return Problem(shapes, {"algo": algo, **settings})


def _output(problem: Problem) -> Shape:
    x, w = problem.shapes["x"], problem.shapes["w"]
    names = (("stride", 1), ("padding", 0), ("output_padding", 0), ("dilation", 1))
    s, p, more, d = (_pair(problem.settings.get(name, default)) for name, default in names)
    sizes = ((x[2 + i] - 1) * s[i] - 2 * p[i] + d[i] * (w[2 + i] - 1) + more[i] + 1 for i in range(2))
    return (x[0], w[1] * problem.settings.get("groups", 1), *sizes)


def _reduction(problem: Problem) -> dict[str, int]:
    (n, c, h, width), (_, fg, kh, kw) = problem.shapes["x"], problem.shapes["w"]
    y = _output(problem)
    groups = problem.settings.get("groups", 1)
    return {"y": c // groups * kh * kw, "dx": fg * kh * kw, "dw": n * h * width, "db": n * y[2] * y[3]}


def _torch(torch: Any, x: Any, w: Any, b: Any = None, *, algo: str, **settings: Any) -> Any:
    return torch.nn.functional.conv_transpose2d(x, w, b, **settings)


ROWS: tuple[OpCase, ...] = (
    Pair(
        name="conv_transpose2d",
        problems=[
            _up((3, 4, 3, 5), (4, 6, 3, 3), padding=1),
            _up((2, 3, 4, 3), (3, 5, 3, 2), stride=(2, 3), padding=(1, 0), output_padding=(1, 2)),
            _up((2, 3, 4, 3), (3, 5, 3, 2), bias=False, stride=2, dilation=(1, 2), output_padding=(0, 1)),
            _up((2, 6, 3, 4), (6, 2, 4, 4), groups=2, stride=2, padding=1),
            _up((2, 5, 4, 3), (5, 1, 3, 3), groups=5, stride=2, padding=1, output_padding=1),  # depthwise
            _up((2, 18, 3, 3), (18, 7, 1, 1)),
            _up((2, 3, 2, 2), (3, 4, 2, 2), stride=4, output_padding=3),  # pixels that nothing reaches
            _up((2, 6, 3, 4), (6, 2, 3, 3), groups=2, stride=2, padding=1, algo="im2col"),
        ],
        wide=_up((8, 32, 12, 12), (32, 16, 4, 4), stride=2, padding=1),
        tails=[
            lambda n: _up((2, 3, 3, 4), (3, n, 3, 3), padding=1),
            lambda n: _up((2, n, 3, 4), (n, 3, 2, 2), stride=2),
            lambda n: _up((1, 2, 2, n), (2, 3, 1, 3), stride=2, padding=(0, 1)),
        ],
        bench=[
            _up((32, 64, 16, 16), (64, 32, 4, 4), bias=False, stride=2, padding=1, algo="auto"),
            _up((32, 64, 16, 16), (64, 64, 3, 3), bias=False, padding=1, algo="auto"),
        ],
        output=_output,
        gradients=("dx", "dw", "db"),
        # Winograd's transforms multiply by fractions.
        exact=lambda problem: problem.settings["algo"] in ("direct", "im2col"),
        units=8,  # and double the error of a plain sum
        reduction=_reduction,
        flops=lambda problem: 6 * math.prod(problem.shapes["x"]) * math.prod(problem.shapes["w"][1:]),
        batched=("x",),
        bad_calls=[
            BadCall("w", r"\(3, 6, 3, 3\)", w=lambda good: good["w"][1:]),
            BadCall("b", r"\(5,\)", b=lambda good: good["b"][1:]),
            BadCall("dy", dy=lambda good: good["dy"][:, :, 1:]),
            BadCall("stride", "0", stride=0),
            BadCall("padding", "-1", padding=-1),
            BadCall("padding", r"\(4, 4\)", padding=4),
            BadCall("output_padding", r"\(1, 1\)", output_padding=1),
            BadCall("output_padding", "-1", output_padding=-1),
            BadCall("dilation", "0", dilation=0),
            BadCall("groups", "3", groups=3),
            BadCall("algo", "'magic'", algo="magic"),
            BadCall("x", x=lambda good: good["x"][:, :, :0]),
        ],
        torch=_torch,
    ),
)
