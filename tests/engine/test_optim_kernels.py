"""sgd_update and adam_update beyond what the table of cases asks: memory, bad numbers, joins and splits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from fastnn import _runtime
from fastnn import functional as F
from fastnn import reference as ref

RNG = np.random.default_rng(0)
OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("sgd", {"lr": 0.1}),
    ("sgd", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    ("sgd", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("adam", {"lr": 0.1, "step": 3}),
    ("adam", {"lr": 0.1, "step": 1, "weight_decay": 0.1}),
    (
        "adam",
        {"lr": 0.1, "step": 1000, "weight_decay": 0.1, "decoupled": True, "betas": (0.8, 0.99), "eps": 1e-3},
    ),
]
IDS = [f"{name} {options}" for name, options in OPTIONS]


def draw(name: str, options: dict[str, Any], shape: Any, dtype: Any) -> list[Any]:
    """Return param, grad and the state arrays of an update."""
    arrays = [RNG.normal(size=shape).astype(dtype) for _ in range(3 if name == "sgd" else 4)]
    arrays[-1][...] = np.abs(arrays[-1])  # Adam's second moment
    return [*arrays[:2], None] if name == "sgd" and "momentum" not in options else arrays


def update(ops: Any, name: str, arrays: list[Any], options: dict[str, Any]) -> None:
    getattr(ops, f"{name}_update")(*arrays, **options)


@pytest.fixture(params=_runtime.available_isas())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    with _runtime.isa_override(request.param):
        yield request.param


@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=IDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_to_the_reference(name: str, options: dict[str, Any], dtype: Any, isa: str) -> None:
    for size in (0, 1, 3, 17, 33, 20_000):
        arrays = draw(name, options, size, dtype)
        expected = [a if a is None else a.astype(np.float64) for a in arrays]
        update(F, name, arrays, options)
        update(ref, name, expected, options)
        for mine, theirs in zip(arrays, expected, strict=True):
            if mine is not None:
                np.testing.assert_allclose(mine, theirs, rtol=0, atol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=IDS)
@pytest.mark.parametrize("threads", [1, 3])
def test_joined_arrays_give_the_same_bits(name: str, options: dict[str, Any], threads: int) -> None:
    shapes = [(40_000,), (3, 5, 7), (1,), (200, 301), (2, 1, 3, 2, 5, 1)]
    parts = [draw(name, options, shape, np.float32) for shape in shapes]
    joined = [
        None if p[0] is None else np.concatenate([a.ravel() for a in p]) for p in zip(*parts, strict=True)
    ]
    with _runtime.threads(threads), _runtime.rendezvous():
        update(F, name, joined, options)
        assert _runtime.last_worker_count() == threads
    for part in parts:
        update(F, name, part, options)
    for whole, pieces in zip(joined, zip(*parts, strict=True), strict=True):
        if whole is not None:
            assert whole.tobytes() == b"".join(p.tobytes() for p in pieces)


@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=IDS)
def test_what_is_written_must_be_writable_contiguous_and_alone(name: str, options: dict[str, Any]) -> None:
    for i, arg in enumerate(["param", None, "velocity|m", "v"]):
        arrays = draw(name, options, (6, 4), np.float32)
        if arg is None or i >= len(arrays) or arrays[i] is None:
            continue
        before = [a if a is None else a.copy() for a in arrays]
        locked = arrays[i].copy()
        locked.flags.writeable = False
        larger = np.zeros((6, 8), np.float32)
        for bad, complaint in [
            (locked, "read-only"),
            (larger[:, ::2], "not"),
            (arrays[1], "overlaps"),
            (arrays[i].astype(np.float64), "float"),
        ]:
            with pytest.raises(ValueError, match=rf"^\[{name}_update\] \w+: expected .*{complaint}"):
                update(F, name, [*arrays[:i], bad, *arrays[i + 1 :]], options)
        for mine, old in zip(arrays, before, strict=True):
            np.testing.assert_array_equal(mine, old)


def test_grad_of_any_strides_is_only_read() -> None:
    grad = RNG.normal(size=(8, 6))[::-2, ::3]
    grad.flags.writeable = False
    param, expected = np.ones((4, 2)), np.ones((4, 2))
    F.sgd_update(param, grad, None, lr=0.5)
    ref.sgd_update(expected, grad, None, lr=0.5)
    np.testing.assert_array_equal(param, expected)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, "fast", None])
@pytest.mark.parametrize("arg", ["lr", "momentum", "weight_decay", "eps", "betas"])
def test_impossible_numbers_are_refused(arg: str, value: Any) -> None:
    x, g, v = np.ones(3), np.ones(3), np.ones(3)
    names = ["adam"] if arg in ("eps", "betas") else ["sgd"] if arg == "momentum" else ["sgd", "adam"]
    for name in names:
        settings = {"lr": 0.1, arg: (value, 0.9) if arg == "betas" else value}
        arrays = [x, g, v] if name == "sgd" else [x, g, v, np.ones(3)]
        step = {} if name == "sgd" else {"step": 1}
        with pytest.raises(ValueError, match=rf"^\[{name}_update\] {arg}: expected .+, got [^\n]+$"):
            update(F, name, arrays, {**settings, **step})
    assert (x == 1).all()


@pytest.mark.parametrize("step", [0, -1, 1.5, None])
def test_steps_count_from_one(step: Any) -> None:
    arrays = [np.ones(3) for _ in range(4)]
    with pytest.raises(ValueError, match=r"^\[adam_update\] step: expected an integer >= 1, got "):
        F.adam_update(*arrays, step=step, lr=0.1)


def test_infinities_and_nan_propagate() -> None:
    grad = np.array([np.nan, np.inf, 1.0])
    param, m, v = np.ones(3), np.zeros(3), np.zeros(3)
    F.adam_update(param, grad, m, v, step=1, lr=0.1)
    assert np.isnan(param).tolist() == [True, True, False]
    param = np.ones(3)
    F.sgd_update(param, grad, None, lr=0.1)
    assert np.isnan(param[0])
    assert param[1] == -np.inf
