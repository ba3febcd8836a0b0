"""Row of dropout: its mask is compared bit for bit, at any number of axes."""

from __future__ import annotations

from typing import Any

from fastnn.keys import Key
from fastnn.testing.cases._case import BadCall, OpCase, Pair, Problem, Shape

_KEY = Key.from_seed(1, step=2).at(2**40 + 3)


def _dropout(x: Shape, drop_prob: float = 0.5, **settings: Any) -> Problem:
    return Problem({"x": x}, {"drop_prob": drop_prob, "key": _KEY, **settings})


ROWS: tuple[OpCase, ...] = (
    Pair(
        name="dropout",
        problems=[
            _dropout((3, 4, 5, 2)),
            _dropout((5, 19), 0.3),
            _dropout((2, 3, 7), 0.9, inverted=False),
            _dropout((9,), 0.25),
            _dropout((3, 18, 2, 2), 0.0),
        ],
        wide=_dropout((64, 32, 16, 16)),
        tails=[
            lambda n: _dropout((3, n)),
            lambda n: _dropout((2, n, 3, 1)),
            lambda n: _dropout((1, 2, 2, n)),
        ],
        bench=[_dropout((128, 64, 32, 32)), _dropout((128, 512))],
        any_rank=True,
        batched=("x",),
        bad_calls=[
            BadCall("drop_prob", "1.0", drop_prob=1.0),
            BadCall("drop_prob", "-0.1", drop_prob=-0.1),
            BadCall("drop_prob", "nan", drop_prob=float("nan")),
        ],
    ),
)
