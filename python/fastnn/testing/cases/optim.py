"""Rows of the optimizer updates."""

from __future__ import annotations

import math
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


def _state(kind: str, shape: Shape, *names: str, **settings: Any) -> Problem:
    """Return a step of an optimizer with these state arrays; None for those that it may lack."""
    shapes = dict.fromkeys(("param", "grad", *names), shape)
    absent = dict.fromkeys(set(_STATES[kind]) - set(names))
    return Problem(shapes, {**absent, "lr": 0.1, **settings})


_STATES = {
    "adagrad": ("total",),
    "rmsprop": ("square", "mean", "velocity"),
    "adadelta": ("square", "change"),
    "nadam": ("m", "v"),
}
# What PyTorch calls them.
_TORCH_STATES = {
    "total": "sum",
    "square": "square_avg",
    "mean": "grad_avg",
    "velocity": "momentum_buffer",
    "change": "acc_delta",
    "m": "exp_avg",
    "v": "exp_avg_sq",
}


def _adaptive_torch(kind: str, extra: Any = None) -> Any:
    """Return a step of the optimizer ``kind`` of PyTorch; ``extra`` makes more options and state."""

    def run(torch: Any, param: Any, grad: Any, **arguments: Any) -> dict[str, Any]:
        states = {n: arguments.pop(n) for n in _STATES[kind.lower()] if n in arguments}
        states = {n: a for n, a in states.items() if a is not None}
        options, memory = extra(torch, states, arguments) if extra else (arguments, {})
        optimizer = getattr(torch.optim, kind)([param], **options)
        memory = {"step": torch.tensor(2.0), **memory}
        optimizer.state[param] = {**memory, **{_TORCH_STATES[n]: a for n, a in states.items()}}
        param.grad = grad
        optimizer.step()
        return {"param": param, **states}

    return run


def _rmsprop_extra(torch: Any, states: Any, arguments: Any) -> Any:
    return {**arguments, "centered": "mean" in states}, {}


def _nadam_extra(torch: Any, states: Any, arguments: Any) -> Any:
    options = dict(arguments)
    step, decay = options.pop("step"), options.get("momentum_decay", 4e-3)
    options["decoupled_weight_decay"] = options.pop("decoupled", False)
    beta1 = options.get("betas", (0.9, 0.999))[0]
    product = math.prod(beta1 * (1 - 0.5 * 0.96 ** (t * decay)) for t in range(1, step))
    return options, {
        "step": torch.tensor(step - 1.0),
        "mu_product": torch.tensor(product, dtype=torch.float64),
    }


def _rmsprop(shape: Shape, *names: str, **settings: Any) -> Problem:
    return _state("rmsprop", shape, "square", *names, **settings)


def _positive(name: str) -> Any:
    return lambda rng, problem: rng.uniform(0.5, 2, problem.shapes[name])


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
    Update(
        name="adagrad",
        written=("param", "total"),
        problems=[
            _state("adagrad", (5, 7), "total"),
            _state("adagrad", (37,), "total", eps=1e-3, weight_decay=0.1),
        ],
        wide=_state("adagrad", (2**18,), "total"),
        tails=[lambda n: _state("adagrad", (n,), "total", weight_decay=0.1)],
        bench=[_state("adagrad", (270_000,), "total")],
        units=8,
        exact=never,
        fills={"total": _positive("total")},
        bad_calls=[
            BadCall("grad", grad=lambda good: good["grad"][1:]),
            BadCall("total", total=lambda good: good["total"][1:]),
            BadCall("lr", "nan", lr=float("nan")),
            BadCall("eps", "-1", eps=-1),
            BadCall("weight_decay", "inf", weight_decay=float("inf")),
        ],
        torch=_adaptive_torch("Adagrad"),
    ),
    Update(
        name="rmsprop",
        written=("param", "square", "mean", "velocity"),
        problems=[
            _rmsprop((5, 7)),
            _rmsprop((37,), alpha=0.8, eps=1e-3, weight_decay=0.1),
            _rmsprop((3, 4, 5), "velocity", momentum=0.9),
            _rmsprop((37,), "mean", alpha=0.9),
            _rmsprop((37,), "mean", "velocity", momentum=0.5, weight_decay=0.1),
        ],
        wide=_rmsprop((2**18,), "mean", "velocity", momentum=0.9),
        tails=[
            lambda n: _rmsprop((n,)),
            lambda n: _rmsprop((n,), "mean"),
            lambda n: _rmsprop((n,), "velocity", momentum=0.9),
            lambda n: _rmsprop((n,), "mean", "velocity", momentum=0.9),
        ],
        bench=[_rmsprop((270_000,))],
        units=16,
        exact=never,
        # Averages of squares that no average gradient exceeds.
        fills={
            "square": lambda rng, problem: rng.uniform(4, 8, problem.shapes["square"]),
            "mean": lambda rng, problem: rng.uniform(-1, 1, problem.shapes["mean"]),
        },
        bad_calls=[
            BadCall("grad", grad=lambda good: good["grad"][1:]),
            BadCall("square", square=lambda good: good["square"][1:]),
            BadCall("mean", mean=lambda good: good["square"][1:]),
            BadCall("velocity", "None", momentum=0.5),
            BadCall("alpha", "1.5", alpha=1.5),
            BadCall("momentum", "nan", momentum=float("nan")),
        ],
        torch=_adaptive_torch("RMSprop", _rmsprop_extra),
    ),
    Update(
        name="adadelta",
        written=("param", "square", "change"),
        problems=[
            _state("adadelta", (5, 7), "square", "change"),
            _state("adadelta", (37,), "square", "change", rho=0.7, eps=1e-3, weight_decay=0.1),
        ],
        wide=_state("adadelta", (2**18,), "square", "change"),
        tails=[lambda n: _state("adadelta", (n,), "square", "change", weight_decay=0.1)],
        bench=[_state("adadelta", (270_000,), "square", "change")],
        units=16,
        exact=never,
        fills={"square": _positive("square"), "change": _positive("change")},
        bad_calls=[
            BadCall("grad", grad=lambda good: good["grad"][1:]),
            BadCall("square", square=lambda good: good["square"][1:]),
            BadCall("change", change=lambda good: good["change"][1:]),
            BadCall("rho", "-0.1", rho=-0.1),
            BadCall("eps", "nan", eps=float("nan")),
        ],
        torch=_adaptive_torch("Adadelta"),
    ),
    Update(
        name="nadam",
        written=("param", "m", "v"),
        problems=[
            _state("nadam", (5, 7), "m", "v", step=3),
            _state("nadam", (37,), "m", "v", step=1, betas=(0.8, 0.99), eps=1e-3, momentum_decay=0.1),
            _state("nadam", (3, 4, 5), "m", "v", step=20, weight_decay=0.1),
            _state("nadam", (37,), "m", "v", step=7, weight_decay=0.1, decoupled=True),
        ],
        wide=_state("nadam", (2**18,), "m", "v", step=3),
        tails=[
            lambda n: _state("nadam", (n,), "m", "v", step=3),
            lambda n: _state("nadam", (n,), "m", "v", step=3, weight_decay=0.1, decoupled=True),
        ],
        bench=[_state("nadam", (270_000,), "m", "v", step=3)],
        units=16,
        exact=never,
        fills={"v": _positive("v")},
        bad_calls=[
            BadCall("grad", grad=lambda good: good["grad"][1:]),
            BadCall("m", m=lambda good: good["m"][1:]),
            BadCall("step", "0", step=0),
            BadCall("betas", betas=(1.0, 0.9)),
            BadCall("momentum_decay", "-1", momentum_decay=-1),
        ],
        torch=_adaptive_torch("NAdam", _nadam_extra),
    ),
)
