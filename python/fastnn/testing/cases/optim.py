"""Rows of the optimizer updates."""

from __future__ import annotations

from typing import Any

from fastnn.testing.cases._case import BadCall, OpCase, Problem, Shape, Update, never


def _sgd(shape: Shape, **settings: Any) -> Problem:
    """Return a step whose rate is a power of two, so that integers stay exact."""
    shapes = {"param": shape, "grad": shape}
    if "momentum" in settings:
        return Problem({**shapes, "velocity": shape}, {"lr": 0.5, **settings})
    return Problem(shapes, {"velocity": None, "lr": 0.5, **settings})


def _sgd_torch(torch: Any, param: Any, grad: Any, velocity: Any, **settings: Any) -> dict[str, Any]:
    optimizer = torch.optim.SGD([param], **settings)
    if velocity is not None:
        optimizer.state[param]["momentum_buffer"] = velocity
    param.grad = grad
    optimizer.step()
    return {"param": param} if velocity is None else {"param": param, "velocity": velocity}


def _adam(shape: Shape, step: int = 3, **settings: Any) -> Problem:
    shapes = {"param": shape, "grad": shape, "m": shape, "v": shape}
    return Problem(shapes, {"step": step, "lr": 0.1, **settings})


def _adam_torch(
    torch: Any, param: Any, grad: Any, m: Any, v: Any, *, step: int, decoupled: bool = False, **settings: Any
) -> dict[str, Any]:
    kind = torch.optim.AdamW if decoupled else torch.optim.Adam
    optimizer = kind([param], **{"weight_decay": 0.0, **settings})
    optimizer.state[param] = {"step": torch.tensor(step - 1.0), "exp_avg": m, "exp_avg_sq": v}
    param.grad = grad
    optimizer.step()
    return {"param": param, "m": m, "v": v}


ROWS: tuple[OpCase, ...] = (
    Update(
        name="sgd",
        written=("param", "velocity"),
        problems=[
            _sgd((5, 7), momentum=0.5),
            _sgd((37,)),
            _sgd((37,), weight_decay=0.25),
            _sgd((3, 4, 5), momentum=0.5, nesterov=True, weight_decay=0.25),
        ],
        wide=_sgd((2**18,), momentum=0.5),
        tails=[lambda n: _sgd((n,), momentum=0.5, nesterov=True), lambda n: _sgd((n,))],
        bench=[_sgd((270_000,), momentum=0.9), _sgd((10_000_000,), momentum=0.9)],
        bad_calls=[
            BadCall("grad", grad=lambda good: good["grad"][1:]),
            BadCall("velocity", velocity=lambda good: good["velocity"][1:]),
            BadCall("velocity", "None", velocity=None),
            BadCall("lr", "nan", lr=float("nan")),
            BadCall("momentum", "inf", momentum=float("inf")),
            BadCall("weight_decay", "nan", weight_decay=float("nan")),
        ],
        torch=_sgd_torch,
    ),
    Update(
        name="adam",
        written=("param", "m", "v"),
        problems=[
            _adam((5, 7)),
            _adam((37,), 1, betas=(0.8, 0.99), eps=1e-3),
            _adam((3, 4, 5), weight_decay=0.1),
            _adam((37,), 100, weight_decay=0.1, decoupled=True),
        ],
        wide=_adam((2**18,)),
        tails=[lambda n: _adam((n,)), lambda n: _adam((n,), weight_decay=0.1, decoupled=True)],
        bench=[_adam((270_000,)), _adam((10_000_000,))],
        units=16,
        exact=never,
        fills={"v": lambda rng, problem: rng.uniform(0.5, 2, problem.shapes["v"])},
        bad_calls=[
            BadCall("grad", grad=lambda good: good["grad"][1:]),
            BadCall("m", m=lambda good: good["m"][1:]),
            BadCall("v", v=lambda good: good["v"][1:]),
            BadCall("step", "0", step=0),
            BadCall("lr", "inf", lr=float("inf")),
            BadCall("betas", betas=(0.9, 1.0)),
            BadCall("eps", "nan", eps=float("nan")),
        ],
        torch=_adam_torch,
    ),
)
