"""Rows of the norms that treat every example by itself."""

from __future__ import annotations

import math
from typing import Any

from fastnn.testing.cases._case import BadCall, OpCase, Pair, Problem, Shape, never


def _norm(x: Shape, row: Shape | None = None, **settings: Any) -> Problem:
    gamma = (x[1],) if row is None else row
    return Problem({"x": x, "gamma": gamma, "beta": gamma}, settings)


def _group(x: Shape, num_groups: int, **settings: Any) -> Problem:
    return _norm(x, num_groups=num_groups, **settings)


def _reduction(problem: Problem) -> dict[str, int]:
    values = math.prod(problem.shapes["x"])
    return {"dx": values, "dgamma": values, "dbeta": values}


COMMON: dict[str, Any] = {
    "gradients": ("dx", "dgamma", "dbeta"),
    "reduction": _reduction,
    "units": 16,  # a root, a quotient and a difference of near equals
    "exact": never,
    "batched": ("x",),
}
BAD_CALLS = [
    BadCall("gamma", gamma=lambda good: good["gamma"][1:]),
    BadCall("beta|gamma", beta=lambda good: good["beta"][1:]),
    BadCall("eps", "nan", eps=float("nan")),
    BadCall("eps", "-1", eps=-1.0),
    BadCall("dy", dy=lambda good: good["dy"][1:]),
]

ROWS: tuple[OpCase, ...] = (
    Pair(
        name="layernorm",
        problems=[
            _norm((5, 7), (7,)),
            _norm((3, 4, 6), (6,), eps=1e-2),
            _norm((3, 4, 6), (4, 6)),
            _norm((2, 3, 4, 5), (3, 4, 5)),
            _norm((70, 35), (35,)),
            _norm((9,), (9,)),
        ],
        wide=_norm((512, 300), (300,)),
        tails=[lambda n: _norm((3, n + 4), (n + 4,)), lambda n: _norm((2, n, 2, 3), (n, 2, 3))],
        bench=[_norm((128, 512), (512,)), _norm((32, 64, 32, 32), (64, 32, 32))],
        any_rank=True,
        bad_calls=BAD_CALLS,
        torch=lambda torch, x, gamma, beta, eps=1e-5: torch.nn.functional.layer_norm(
            x, gamma.shape, gamma, beta, eps
        ),
        **{**COMMON, "batched": ()},
    ),
    Pair(
        name="groupnorm",
        problems=[
            _group((3, 4, 5, 3), 2),
            _group((2, 6, 3, 3), 1, eps=1e-2),
            _group((2, 6, 3, 3), 6),
            _group((9, 12), 3),
            _group((2, 36, 7, 9), 4),
        ],
        wide=_group((24, 24, 16, 16), 4),
        tails=[lambda n: _group((2, 2 * n, 2, 3), 2), lambda n: _group((1, 4, 2, n + 2), 2)],
        bench=[_group((128, 64, 16, 16), 8)],
        bad_calls=[
            *BAD_CALLS,
            BadCall("num_groups", "3", num_groups=3),
            BadCall("num_groups", "0", num_groups=0),
        ],
        torch=lambda torch, x, gamma, beta, num_groups, eps=1e-5: torch.nn.functional.group_norm(
            x, num_groups, gamma, beta, eps
        ),
        **COMMON,
    ),
    Pair(
        name="instancenorm",
        problems=[_norm((3, 4, 5, 3)), _norm((2, 18, 3, 3), eps=1e-2), _norm((2, 33, 7, 9))],
        wide=_norm((24, 24, 16, 16)),
        tails=[lambda n: _norm((2, n, 2, 3)), lambda n: _norm((1, 2, 2, n + 2))],
        bench=[_norm((128, 64, 16, 16))],
        bad_calls=BAD_CALLS,
        torch=lambda torch, x, gamma, beta, eps=1e-5: torch.nn.functional.instance_norm(
            x, weight=gamma, bias=beta, eps=eps
        ),
        **COMMON,
    ),
)
