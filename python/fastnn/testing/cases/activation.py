"""Rows of the pointwise nonlinearities."""

from __future__ import annotations

from fastnn.testing.cases._case import BadCall, OpCase, Pair, Problem

ROWS: tuple[OpCase, ...] = (
    Pair(
        name="relu",
        problems=[Problem({"x": (3, 4, 5, 2)}), Problem({"x": (5, 7)}), Problem({"x": (37,)})],
        wide=Problem({"x": (64, 32, 16, 16)}),
        tails=[lambda n: Problem({"x": (n,)}), lambda n: Problem({"x": (2, n, 2, 3)})],
        bench=[Problem({"x": (128, 64, 32, 32)})],
        any_rank=True,
        batched=("x",),
        bad_calls=[BadCall("dy", dy=lambda good: good["dy"][1:])],
        torch=lambda torch, x: torch.relu(x),
    ),
)
