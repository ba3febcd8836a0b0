"""Rows of softmax and of its loss."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastnn.testing.cases._case import BadCall, Function, OpCase, Pair, Problem, never


def _loss(n: int, c: int, *arrays: str, soft: bool = False, **settings: Any) -> Problem:
    """Return n scores of c classes, with these further arrays and settings."""
    shapes = {"scores": (n, c), "labels": (n, c) if soft else (n,)}
    sizes = {"weights": (n,), "class_weights": (c,)}
    return Problem({**shapes, **{name: sizes[name] for name in arrays}}, settings)


def _labels(rng: Any, problem: Problem) -> Any:
    """Return integer labels, or probabilities where the problem wants (N, C)."""
    n, c = problem.shapes["scores"]
    if problem.shapes["labels"] == (n, c):
        return rng.dirichlet(np.ones(c), n)
    return rng.integers(0, c, n)


def _weights(name: str) -> Any:
    return lambda rng, problem: rng.uniform(0.5, 2, problem.shapes[name])


def _weighted_mean(losses: Any, weights: Any) -> Any:
    return losses.mean() if weights is None else (losses * weights).sum() / weights.sum()


def _loss_torch(
    torch: Any,
    scores: Any,
    labels: Any,
    weights: Any = None,
    class_weights: Any = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
) -> Any:
    def loss(reduction: str) -> Any:
        return torch.nn.functional.cross_entropy(
            scores,
            labels,
            class_weights,
            reduction=reduction,
            label_smoothing=label_smoothing,
            ignore_index=-100 if ignore_index is None else ignore_index,
        )

    return loss("mean") if weights is None else _weighted_mean(loss("none"), weights)


def _hinge_torch(torch: Any, scores: Any, labels: Any, weights: Any = None, margin: float = 1.0) -> Any:
    loss = torch.nn.functional.multi_margin_loss
    losses = scores.shape[1] * loss(scores, labels, margin=margin, reduction="none")
    return _weighted_mean(losses, weights)


def _pointwise_torch(name: str) -> Any:
    def run(torch: Any, scores: Any, targets: Any, weights: Any = None, **settings: Any) -> Any:
        losses = getattr(torch.nn.functional, name)(scores, targets, reduction="none", **settings)
        return _weighted_mean(losses.reshape(len(losses), -1).mean(dim=1), weights)

    return run


def _pointwise(name: str, torch_name: str, units: float, *more: Problem, **row: Any) -> Pair:
    """Return the row of a loss of scores and targets of one shape."""

    def problem(*shape: int, weighted: bool = False, **settings: Any) -> Problem:
        shapes = {"scores": shape, "targets": shape}
        return Problem({**shapes, "weights": shape[:1]} if weighted else shapes, settings)

    return Pair(
        name=name,
        problems=[problem(5, 7), problem(2, 3, 4, 5, weighted=True), problem(6, weighted=True), *more],
        wide=problem(64, 2048),
        tails=[lambda n: problem(n, 1, weighted=True), lambda n: problem(3, n)],
        bench=[problem(128, 784)],
        output=lambda problem: (),
        gradients=("dscores",),
        # The terms of a block are summed in the dtype at hand.
        reduction=lambda problem: {"y": math.prod(problem.shapes["scores"])},
        units=units,
        exact=never,
        # Off the grid of the scores, so that no difference stands at a kink.
        fills={
            "targets": lambda rng, problem: rng.uniform(-1, 1, problem.shapes["targets"]),
            "weights": _weights("weights"),
        },
        batched=("scores", "targets", "weights"),
        bad_calls=[
            BadCall("targets", targets=lambda good: good["targets"][1:]),
            BadCall("targets", targets=lambda good: good["targets"][:, 1:]),
            BadCall("weights", weights=lambda good: good["scores"][1:, 0]),
            BadCall("weights", weights=lambda good: good["scores"][:, 0] * 0),
            BadCall("weights", weights=lambda good: -abs(good["scores"][:, 0])),
            BadCall("scores", scores=lambda good: good["scores"][:, :0]),
        ],
        torch=_pointwise_torch(torch_name),
        **row,
    )


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
        problems=[
            _loss(5, 7),
            _loss(6, 35, "weights"),
            _loss(1, 1),
            _loss(33, 10),
            _loss(33, 10, ignore_index=3),
            _loss(33, 10, "class_weights"),
            _loss(33, 10, "weights", label_smoothing=0.1),
            _loss(33, 10, "class_weights", label_smoothing=0.2, ignore_index=3),
            _loss(6, 35, soft=True),
            _loss(33, 10, "class_weights", soft=True, label_smoothing=0.3),
            _loss(6, 35, "weights", soft=True),
        ],
        wide=_loss(4096, 40, label_smoothing=0.1),
        tails=[
            lambda n: _loss(3, n),
            lambda n: _loss(n, 3, "weights"),
            lambda n: _loss(3, n, "class_weights", label_smoothing=0.1),
            lambda n: _loss(3, n, soft=True),
        ],
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
            "labels": _labels,
            "weights": _weights("weights"),
            "class_weights": _weights("class_weights"),
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
            BadCall("class_weights", class_weights=lambda good: good["scores"][0, 1:]),
            BadCall("class_weights", class_weights=lambda good: -abs(good["scores"][0])),
            BadCall("label_smoothing", "1.5", label_smoothing=1.5),
            BadCall("labels", labels=lambda good: good["scores"][:, 1:]),
            BadCall("labels", labels=lambda good: good["labels"] * 0 + 3, ignore_index=3),
            BadCall("ignore_index", labels=lambda good: abs(good["scores"]), ignore_index=3),
        ],
        torch=_loss_torch,
    ),
    Pair(
        name="hinge",
        problems=[_loss(5, 7), _loss(6, 35, "weights"), _loss(1, 1), _loss(33, 10, margin=0.5)],
        wide=_loss(8192, 40),
        tails=[lambda n: _loss(3, n), lambda n: _loss(n, 3, "weights")],
        bench=[_loss(128, 10), _loss(128, 1000)],
        output=lambda problem: (),
        gradients=("dscores",),
        reduction=lambda problem: {
            "y": sum(problem.shapes["scores"]),
            "dscores": problem.shapes["scores"][1],
        },
        exact=never,
        fills={"labels": _labels, "weights": _weights("weights")},
        batched=("scores", "labels", "weights"),
        bad_calls=[
            BadCall("labels", labels=lambda good: good["labels"] + 7),
            BadCall("labels", labels=lambda good: good["labels"] - 7),
            BadCall("labels", labels=lambda good: good["labels"][1:]),
            BadCall("labels", "float", labels=lambda good: good["labels"] + 0.5),
            BadCall("weights", weights=lambda good: good["scores"][1:, 0]),
            BadCall("weights", weights=lambda good: good["scores"][:, 0] * 0),
            BadCall("margin", "0", margin=0),
        ],
        torch=_hinge_torch,
    ),
    _pointwise("mse", "mse_loss", 4),
    _pointwise("l1", "l1_loss", 4),
    _pointwise(
        "huber",
        "huber_loss",
        4,
        Problem({"scores": (5, 7), "targets": (5, 7)}, {"delta": 0.3}),
        Problem({"scores": (5, 7), "targets": (5, 7), "weights": (5,)}, {"delta": 2.5}),
    ),
    _pointwise("binary_cross_entropy", "binary_cross_entropy_with_logits", 8),
)
