"""Rows of padding and upsampling."""

from __future__ import annotations

from typing import Any

from fastnn.testing.cases._case import BadCall, OpCase, Pair, Problem, Shape


def _pad(x: Shape, padding: Any, mode: str = "zeros") -> Problem:
    return Problem({"x": x}, {"padding": padding, "mode": mode})


def _padded(problem: Problem) -> Shape:
    padding, (n, c, h, w) = problem.settings["padding"], problem.shapes["x"]
    left, right, top, bottom = (padding,) * 4 if isinstance(padding, int) else padding
    return n, c, h + top + bottom, w + left + right


def _pad_torch(torch: Any, x: Any, *, padding: Any, mode: str) -> Any:
    four = (padding,) * 4 if isinstance(padding, int) else padding
    return torch.nn.functional.pad(x, four, mode="constant" if mode == "zeros" else mode)


def _upsample(x: Shape, scale_factor: Any) -> Problem:
    return Problem({"x": x}, {"scale_factor": scale_factor})


def _scale(problem: Problem) -> tuple[int, int]:
    factor = problem.settings["scale_factor"]
    return (factor, factor) if isinstance(factor, int) else factor


def _upsampled(problem: Problem) -> Shape:
    (n, c, h, w), (sh, sw) = problem.shapes["x"], _scale(problem)
    return n, c, sh * h, sw * w


ROWS: tuple[OpCase, ...] = (
    Pair(
        name="pad2d",
        problems=[
            _pad((2, 3, 4, 5), 1),
            _pad((2, 18, 3, 4), (0, 2, 3, 1)),
            _pad((1, 2, 1, 1), (5, 0, 0, 2)),
            _pad((2, 3, 4, 5), 1, "reflect"),
            _pad((2, 18, 3, 4), (3, 2, 0, 1), "reflect"),
            _pad((1, 2, 3, 2), (1, 1, 2, 2), "reflect"),
        ],
        wide=_pad((16, 32, 24, 24), 2, "reflect"),
        tails=[
            lambda n: _pad((2, n, 3, 2), (1, 0, 2, 1)),
            lambda n: _pad((1, n, 2, 3), (2, 1, 0, 1), "reflect"),
        ],
        bench=[_pad((128, 64, 32, 32), 2), _pad((128, 64, 32, 32), 2, "reflect")],
        output=_padded,
        reduction=lambda problem: {"dx": 9},
        batched=("x",),
        bad_calls=[
            BadCall("padding", "-1", padding=-1),
            BadCall("padding", r"\(1, 2\)", padding=(1, 2)),
            BadCall("padding", r"\(0, 5, 0, 0\)", padding=(0, 5, 0, 0), mode="reflect"),
            BadCall("padding", r"\(0, 0, 4, 0\)", padding=(0, 0, 4, 0), mode="reflect"),
            BadCall("mode", "'edge'", mode="edge"),
            BadCall("x", x=lambda good: good["x"][:, :0]),
            BadCall("dy", dy=lambda good: good["dy"][:, :, 1:]),
        ],
        torch=_pad_torch,
    ),
    Pair(
        name="upsample2d",
        problems=[_upsample((2, 3, 4, 5), 2), _upsample((2, 18, 3, 2), (3, 1)), _upsample((1, 2, 3, 3), 1)],
        wide=_upsample((16, 32, 16, 16), 2),
        tails=[lambda n: _upsample((2, n, 2, 3), (2, 3))],
        bench=[_upsample((128, 64, 16, 16), 2)],
        output=_upsampled,
        reduction=lambda problem: {"dx": _scale(problem)[0] * _scale(problem)[1]},
        batched=("x",),
        bad_calls=[
            BadCall("scale_factor", "0", scale_factor=0),
            BadCall("scale_factor", "1.5", scale_factor=1.5),
            BadCall("x", x=lambda good: good["x"][:, :0]),
            BadCall("dy", dy=lambda good: good["dy"][:, :, 1:]),
        ],
        torch=lambda torch, x, scale_factor: torch.nn.functional.interpolate(
            x, scale_factor=scale_factor, mode="nearest"
        ),
    ),
)
