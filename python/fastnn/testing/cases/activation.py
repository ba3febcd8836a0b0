"""Rows of the pointwise nonlinearities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastnn.testing.cases._case import BadCall, OpCase, Pair, Problem, always, never


def _pointwise(
    name: str,
    torch: Callable[..., Any],
    *,
    settings: Sequence[dict[str, Any]] = (),
    bad_calls: Sequence[BadCall] = (),
    exact: Callable[[Problem], bool] = never,
) -> Pair:
    """A function of every number by itself; ``settings`` are tried beside the default."""
    return Pair(
        name=name,
        problems=[
            Problem({"x": (3, 4, 5, 2)}),
            Problem({"x": (5, 7)}),
            Problem({"x": (37,)}),
            *(Problem({"x": (3, 4, 5, 2)}, setting) for setting in settings),
        ],
        wide=Problem({"x": (64, 32, 16, 16)}),
        tails=[lambda n: Problem({"x": (n,)}), lambda n: Problem({"x": (2, n, 2, 3)})],
        bench=[Problem({"x": (128, 64, 32, 32)})],
        units=8,  # an exponential, a quotient and two products
        exact=exact,
        any_rank=True,
        batched=("x",),
        bad_calls=[BadCall("dy", dy=lambda good: good["dy"][1:]), *bad_calls],
        torch=torch,
    )


ROWS: tuple[OpCase, ...] = (
    _pointwise("relu", lambda torch, x: torch.relu(x), exact=always),
    _pointwise("sigmoid", lambda torch, x: torch.sigmoid(x)),
    _pointwise("tanh", lambda torch, x: torch.tanh(x)),
    _pointwise(
        "leaky_relu",
        lambda torch, x, **settings: torch.nn.functional.leaky_relu(x, **settings),
        settings=[{"negative_slope": 0.1}, {"negative_slope": -0.5}],
        bad_calls=[BadCall("negative_slope", "nan", negative_slope=float("nan"))],
        exact=always,
    ),
    _pointwise(
        "elu",
        lambda torch, x, **settings: torch.nn.functional.elu(x, **settings),
        settings=[{"alpha": 0.5}],
        bad_calls=[BadCall("alpha", "inf", alpha=float("inf"))],
    ),
    _pointwise("selu", lambda torch, x: torch.nn.functional.selu(x)),
    _pointwise(
        "gelu",
        lambda torch, x, **settings: torch.nn.functional.gelu(x, **settings),
        settings=[{"approximate": "tanh"}],
        bad_calls=[BadCall("approximate", "'erf'", approximate="erf")],
    ),
    _pointwise("silu", lambda torch, x: torch.nn.functional.silu(x)),
    _pointwise(
        "softplus",
        lambda torch, x, **settings: torch.nn.functional.softplus(x, **settings),
        settings=[{"beta": 2.0, "threshold": 3.0}, {"beta": 0.5}],
        bad_calls=[
            BadCall("beta", "0", beta=0.0),
            BadCall("threshold", "nan", threshold=float("nan")),
        ],
    ),
)
