"""Losses, regularizers, initialisers and metrics on their own, and every docstring's example."""

from __future__ import annotations

import doctest
import importlib
import math
import pkgutil
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import fastnn.nn
from fastnn import init, metrics, regularizers
from fastnn.testing.gradcheck import numerical_gradient, relative_error

RNG = np.random.default_rng(0)
MODULES = [
    *("fastnn.init", "fastnn.losses", "fastnn.regularizers", "fastnn.metrics", "fastnn.model", "fastnn.nets"),
    *("fastnn._prediction", "fastnn.inference"),
    *(f"fastnn.nn.{module.name}" for module in pkgutil.iter_modules(fastnn.nn.__path__)),
]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize(
    "penalty", [regularizers.L2(0.3), regularizers.L1(0.2), regularizers.ElasticNet(0.1, 0.4)], ids=repr
)
def test_regularizer_gradients(penalty: regularizers.Regularizer) -> None:
    w = RNG.normal(size=(3, 4))
    w[abs(w) < 1e-3] = 0.1
    assert relative_error(penalty(w)[1], numerical_gradient(lambda v: penalty(v)[0], w)) < 1e-7
    assert penalty(w.astype(np.float32))[1].dtype == np.float32
    twin = regularizers.from_config(regularizers.to_config(penalty))
    assert repr(twin) == repr(penalty)


def test_a_negative_penalty_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^\[L2\] strength: expected a finite number >= 0, got -1$"):
        regularizers.L2(-1)


SHAPE = (64, 32, 5, 5)  # fan_in 800, fan_out 1600


@pytest.mark.parametrize(
    ("draw", "std"),
    [
        (init.kaiming_normal, math.sqrt(2 / 800)),
        (init.kaiming_uniform, math.sqrt(2 / 800)),
        (init.xavier_normal, math.sqrt(1 / 800)),
        (init.xavier_uniform, math.sqrt(1 / 800)),
        (partial(init.xavier_normal, mode="fan_avg"), math.sqrt(1 / 1200)),
        (partial(init.kaiming_normal, mode="fan_out", gain=1.0), math.sqrt(1 / 1600)),
        (partial(init.normal, std=0.3), 0.3),
        (partial(init.uniform, low=-3.0, high=3.0), math.sqrt(3)),
    ],
)
def test_spread_of_initial_values(draw: init.Initializer, std: float) -> None:
    values = draw(SHAPE, init.generator(1, "weight"))
    # Standard errors of the two estimates, five of them.
    assert abs(values.mean()) < 5 * std / math.sqrt(values.size)
    assert abs(values.std() / std - 1) < 5 / math.sqrt(2 * values.size)
    uniform = "uniform" in getattr(draw, "func", draw).__name__
    assert bool(np.abs(values).max() <= math.sqrt(3) * std * (1 + 1e-12)) is uniform


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (
            lambda rng: init.kaiming_normal((3,), rng),
            "[fans] shape: expected at least two axes (out, in, ...), got (3,)",
        ),
        (
            lambda rng: init.kaiming_normal((3, 3), rng, mode="fan"),  # type: ignore[arg-type]
            "[init] mode: expected one of 'fan_in', 'fan_avg', 'fan_out', got 'fan'",
        ),
        (lambda rng: init.normal((3,), rng, std=-1), "[normal] std: expected a finite number >= 0, got -1"),
        (
            lambda rng: init.uniform((3,), rng, low=1, high=0),
            "[uniform] high: expected at least low=1, got 0",
        ),
    ],
)
def test_initialisers_refuse(call: Callable[[np.random.Generator], Any], line: str) -> None:
    with pytest.raises(ValueError) as caught:
        call(init.generator(0, "weight"))
    assert str(caught.value) == line


def test_metrics_break_ties_as_argmax_does() -> None:
    scores = RNG.integers(0, 3, size=(200, 4)).astype(float)
    y = RNG.integers(0, 4, size=200)
    assert metrics.accuracy(scores, y) == np.mean(scores.argmax(axis=1) == y)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :2]
    assert metrics.top_k_accuracy(scores, y, k=2) == np.mean((order == y[:, None]).any(axis=1))
    assert metrics.top_k_accuracy(scores, y, k=4) == 1
    assert np.trace(metrics.confusion_matrix(scores, y)) == round(200 * metrics.accuracy(scores, y))
    assert metrics.accuracy(np.full((2, 3), np.nan), [0, 1]) == 0


def test_metrics_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match=r"y: expected at least one example, got none$"):
        metrics.accuracy(np.zeros((0, 3)), np.zeros(0, int))
    with pytest.raises(ValueError, match=r"^\[r2\] y: expected targets that differ, got equal ones$"):
        metrics.r2([1.0, 2.0], [3.0, 3.0])


def test_gains_are_torch_s() -> None:
    torch = pytest.importorskip("torch")
    for name in ("linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        assert init.gain(name) == pytest.approx(torch.nn.init.calculate_gain(name), rel=1e-12)


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4), (4, 3, 2, 2), (32, 2, 3, 3)])
def test_orthogonal(shape: Any) -> None:
    w = init.orthogonal(shape, init.generator(2, "weight"), gain=3.0).reshape(shape[0], -1)
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(gram, 9 * np.eye(len(gram)), atol=1e-12)


def kolmogorov_smirnov(values: Any, distribution: Callable[[float], float]) -> float:
    """Return the greatest distance of the empirical distribution, in units of its spread."""
    ordered = np.sort(values.ravel())
    expected = np.array([distribution(v) for v in ordered])
    steps = np.arange(len(ordered) + 1) / len(ordered)
    distance = max(np.abs(expected - steps[:-1]).max(), np.abs(expected - steps[1:]).max())
    return float(distance * math.sqrt(len(ordered)))


@pytest.mark.parametrize("name", ["kaiming", "xavier"])
@pytest.mark.parametrize("mode", ["fan_in", "fan_avg", "fan_out"])
def test_distributions(name: str, mode: Any) -> None:
    shape, gain = (40, 30, 3, 3), 1.3
    fan = {"fan_in": 270, "fan_out": 360, "fan_avg": 315}[mode]
    std = gain / math.sqrt(fan)
    rng = init.generator(5, "weight")
    normal = getattr(init, f"{name}_normal")(shape, rng, mode=mode, gain=gain)
    uniform = getattr(init, f"{name}_uniform")(shape, rng, mode=mode, gain=gain)
    # 1.95 has a chance of 0.001.
    assert kolmogorov_smirnov(normal, lambda v: (1 + math.erf(v / std / math.sqrt(2))) / 2) < 1.95
    bound = std * math.sqrt(3)
    assert kolmogorov_smirnov(uniform, lambda v: (v + bound) / (2 * bound)) < 1.95


@pytest.mark.parametrize(
    ("draw", "activation"),
    [
        (init.kaiming_normal, "relu"),
        (init.kaiming_uniform, "relu"),
        (init.random_walk, "relu"),
        (init.xavier_normal, "linear"),
        (init.orthogonal, "linear"),
    ],
)
def test_scale_survives_20_layers(draw: Any, activation: str) -> None:
    x = RNG.normal(size=(200, 512))
    start = np.square(x).mean()
    for layer in range(20):
        x = x @ draw((512, 512), init.generator(0, f"{layer}.weight")).T
        if activation == "relu":
            x = np.maximum(x, 0)
    spread = np.square(x).mean()
    assert 0.4 < spread / start < 2.5
