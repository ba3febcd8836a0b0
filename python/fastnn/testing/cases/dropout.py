"""Rows of dropout, whose mask is compared bit for bit, and of noise, at any number of axes."""

from __future__ import annotations

from typing import Any

from fastnn.keys import Key
from fastnn.testing.cases._case import BadCall, Function, OpCase, Pair, Problem, Shape, never

_KEY = Key.from_seed(1, step=2).at(2**40 + 3)


def _dropout(x: Shape, drop_prob: float = 0.5, **settings: Any) -> Problem:
    return Problem({"x": x}, {"drop_prob": drop_prob, "key": _KEY, **settings})


def _noise(x: Shape, std: float = 0.5) -> Problem:
    return Problem({"x": x}, {"std": std, "key": _KEY})


ROWS: tuple[OpCase, ...] = (
    Pair(
        name="dropout",
        problems=[
            _dropout((3, 4, 5, 2)),
            _dropout((5, 19), 0.3),
            _dropout((2, 3, 7), 0.9, inverted=False),
            _dropout((9,), 0.25),
            _dropout((3, 18, 2, 2), 0.0),
            _dropout((3, 19, 5, 2), 0.4, group="channel"),
            _dropout((4, 5, 3), group="channel"),
            _dropout((4, 9), group="channel", inverted=False),
            _dropout((9, 3, 4, 5), 0.4, group="example"),
            _dropout((9,), group="example"),
        ],
        wide=_dropout((64, 32, 16, 16)),
        tails=[
            lambda n: _dropout((3, n)),
            lambda n: _dropout((2, n, 3, 1)),
            lambda n: _dropout((1, 2, 2, n)),
            lambda n: _dropout((2, n, 3, 1), group="channel"),
            lambda n: _dropout((2, 3, n), group="channel"),
            lambda n: _dropout((5, n), group="example"),
        ],
        bench=[_dropout((128, 64, 32, 32)), _dropout((128, 512))],
        any_rank=True,
        batched=("x",),
        bad_calls=[
            BadCall("drop_prob", "1.0", drop_prob=1.0),
            BadCall("drop_prob", "-0.1", drop_prob=-0.1),
            BadCall("drop_prob", "nan", drop_prob=float("nan")),
            BadCall("group", "pixel", group="pixel"),
        ],
    ),
    Function(
        name="gaussian_noise",
        problems=[_noise((3, 4, 5, 2)), _noise((5, 19), 0.1), _noise((2, 3, 7), 3.0), _noise((9,), 0.0)],
        wide=_noise((64, 32, 16, 16)),
        tails=[lambda n: _noise((3, n)), lambda n: _noise((2, n, 3, 1)), lambda n: _noise((1, 2, 2, n))],
        bench=[_noise((128, 64, 32, 32)), _noise((128, 512))],
        exact=never,
        # A logarithm of 2 ulp, halved by the root; a cosine whose angle is off by an epsilon; two products.
        units=8.0,
        any_rank=True,
        batched=("x",),
        bad_calls=[BadCall("std", "-0.1", std=-0.1), BadCall("std", "inf", std=float("inf"))],
    ),
)
