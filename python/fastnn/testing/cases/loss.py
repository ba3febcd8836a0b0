"""Rows of softmax and of its loss."""

from __future__ import annotations

from typing import Any

from fastnn.testing.cases._case import BadCall, Function, OpCase, Pair, Problem, never


def _loss(n: int, c: int, *, weighted: bool = False) -> Problem:
    shapes = {"scores": (n, c), "labels": (n,)}
    return Problem({**shapes, "weights": (n,)} if weighted else shapes)


def _loss_torch(torch: Any, scores: Any, labels: Any, weights: Any = None) -> Any:
    losses = torch.nn.functional.cross_entropy(scores, labels, reduction="none")
    return losses.mean() if weights is None else (losses * weights).sum() / weights.sum()


ROWS: tuple[OpCase, ...] = (
    Function(
        name="softmax",
        problems=[Problem({"x": (5, 7)}), Problem({"x": (6, 35)}), Problem({"x": (1, 1)})],
        wide=Problem({"x": (4096, 40)}),
        tails=[lambda n: Problem({"x": (3, n)})],
        bench=[Problem({"x": (128, 10)}), Problem({"x": (128, 1000)})],
        reduction=lambda problem: {"y": problem.shapes["x"][1]},
        units=8,
        exact=never,
        batched=("x",),
        bad_calls=[BadCall("x", x=lambda good: good["x"][:, :0])],
        torch=lambda torch, x: torch.softmax(x, dim=1),
    ),
    Pair(
        name="softmax_cross_entropy",
        problems=[_loss(5, 7), _loss(6, 35, weighted=True), _loss(1, 1), _loss(33, 10)],
        wide=_loss(4096, 40),
        tails=[lambda n: _loss(3, n), lambda n: _loss(n, 3, weighted=True)],
        bench=[_loss(128, 10), _loss(128, 1000)],
        output=lambda problem: (),
        gradients=("dscores",),
        reduction=lambda problem: {
            "y": sum(problem.shapes["scores"]),
            "dscores": problem.shapes["scores"][1],
        },
        units=8,
        exact=never,
        fills={
            "labels": lambda rng, problem: rng.integers(
                0, problem.shapes["scores"][1], problem.shapes["labels"]
            ),
            "weights": lambda rng, problem: rng.uniform(0.5, 2, problem.shapes["weights"]),
        },
        batched=("scores", "labels", "weights"),
        bad_calls=[
            BadCall("labels", labels=lambda good: good["labels"] + 7),
            BadCall("labels", labels=lambda good: good["labels"] - 7),
            BadCall("labels", labels=lambda good: good["labels"][1:]),
            BadCall("labels", "float", labels=lambda good: good["labels"] + 0.5),
            BadCall("weights", weights=lambda good: good["scores"][1:, 0]),
            BadCall("weights", weights=lambda good: good["scores"][:, 0] * 0),
            BadCall("weights", weights=lambda good: -abs(good["scores"][:, 0])),
        ],
        torch=_loss_torch,
    ),
)
