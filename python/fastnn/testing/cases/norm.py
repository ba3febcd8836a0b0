"""Row of batch normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.testing.cases._case import BadCall, OpCase, Pair, Problem, Shape, never


def _batchnorm(x: Shape, *, inference: bool = False, **settings: Any) -> Problem:
    c = (x[1],)
    shapes = {"x": x, "gamma": c, "beta": c}
    return Problem({**shapes, "mean": c, "var": c} if inference else shapes, settings)


def _values_a_channel(problem: Problem) -> int:
    n, _, *image = problem.shapes["x"]
    return n * int(np.prod(image))


def _batchnorm_reduction(problem: Problem) -> dict[str, int]:
    count = _values_a_channel(problem)
    return {"dx": count, "dgamma": count, "dbeta": count, "mean": count, "var": count}


def _batchnorm_torch(
    torch: Any, x: Any, gamma: Any, beta: Any, *, mean: Any = None, var: Any = None, eps: float = 1e-5,
    activation: str | None = None,
) -> Any:  # fmt: skip
    y = torch.nn.functional.batch_norm(x, mean, var, gamma, beta, training=mean is None, eps=eps)
    return torch.relu(y) if activation else y


ROWS: tuple[OpCase, ...] = (
    Pair(
        name="batchnorm",
        problems=[
            _batchnorm((3, 4, 5, 3)),
            _batchnorm((3, 4, 5, 3), activation="relu"),
            _batchnorm((2, 18, 3, 3), inference=True),
            _batchnorm((2, 18, 3, 3), inference=True, activation="relu"),
            _batchnorm((9, 5)),
            _batchnorm((40, 35), activation="relu", eps=1e-2),
            _batchnorm((4, 3), inference=True),
        ],
        wide=_batchnorm((24, 24, 16, 16), activation="relu"),
        tails=[
            lambda n: _batchnorm((3, n, 2, 3), activation="relu"),
            lambda n: _batchnorm((4, n)),
            lambda n: _batchnorm((3, n), inference=True),
            lambda n: _batchnorm((1, 2, 2, n + 2)),
        ],
        bench=[_batchnorm((128, c, s, s), activation="relu") for c, s in ((16, 32), (32, 16), (64, 8))],
        gradients=("dx", "dgamma", "dbeta"),
        exposes=("mean", "var"),
        reduction=_batchnorm_reduction,
        units=16,  # a root, a quotient and a difference of near equals
        exact=never,
        fills={"var": lambda rng, problem: rng.uniform(0.5, 2, problem.shapes["var"])},
        batched=("x",),
        bad_calls=[
            BadCall("gamma", r"\(3,\)", gamma=lambda good: good["gamma"][1:]),
            BadCall("beta", r"\(3,\)", beta=lambda good: good["beta"][1:]),
            BadCall("mean|var|mean, var", mean=lambda good: good["gamma"]),
            BadCall("eps", "nan", eps=float("nan")),
            BadCall("eps", "-1", eps=-1.0),
            BadCall("activation", "'tanh'", activation="tanh"),
            BadCall("x", x=lambda good: good["x"][:1, :, :1, :1], dy=lambda good: good["dy"][:1, :, :1, :1]),
            BadCall("dy", dy=lambda good: good["dy"][1:]),
        ],
        torch=_batchnorm_torch,
    ),
)
