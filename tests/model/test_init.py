"""Initialisers: what they draw, against their distributions, and what twenty layers make of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from fastnn import Model, init, nn

RNG = np.random.default_rng(0)
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


def normal(std: float, mean: float = 0.0) -> Callable[[float], float]:
    return lambda v: (1 + math.erf((v - mean) / std / math.sqrt(2))) / 2


def uniform(low: float, high: float) -> Callable[[float], float]:
    return lambda v: (v - low) / (high - low)


FANS = {"fan_in": 270, "fan_out": 360, "fan_avg": 315}
WALK = math.sqrt(2 / 270) * math.exp(1.2 / 267.6)
DISTRIBUTIONS: dict[str, tuple[init.Initializer, Callable[[float], float]]] = {
    "normal": (init.normal, normal(0.01)),
    "normal, settings": (partial(init.normal, mean=-2.0, std=3.0), normal(3.0, -2.0)),
    "uniform": (init.uniform, uniform(-0.01, 0.01)),
    "uniform, settings": (partial(init.uniform, low=1.0, high=5.0), uniform(1.0, 5.0)),
    "random walk": (init.random_walk, normal(WALK)),
    "random walk, linear": (
        partial(init.random_walk, activation="linear"),
        normal(math.exp(1 / 540) / math.sqrt(270)),
    ),
}
for mode, fan in FANS.items():
    for kind, usual in (("kaiming", math.sqrt(2)), ("xavier", 1.0)):
        for gain in (usual, 1.3):
            std = gain / math.sqrt(fan)
            options: Any = {"mode": mode} | ({} if gain == usual else {"gain": gain})
            draws = (partial(getattr(init, f"{kind}_{shape}"), **options) for shape in ("normal", "uniform"))
            bound = std * math.sqrt(3)
            for draw, distribution in zip(draws, (normal(std), uniform(-bound, bound)), strict=True):
                DISTRIBUTIONS[f"{draw.func.__name__} {options}"] = draw, distribution


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distributions(name: str) -> None:
    draw, distribution = DISTRIBUTIONS[name]
    # 1.95 has a chance of 0.001.
    assert kolmogorov_smirnov(draw((40, 30, 3, 3), init.generator(5, "weight")), distribution) < 1.95


def test_orthogonal_is_drawn_evenly() -> None:
    """The first column of a rotation or reflection of the plane is the cosine of an even angle."""
    corners = [init.orthogonal((2, 2), init.generator(seed, "weight"))[0, 0] for seed in range(2000)]
    assert kolmogorov_smirnov(np.array(corners), lambda v: 1 - math.acos(v) / math.pi) < 1.95
    determinants = [np.linalg.det(init.orthogonal((3, 3), init.generator(s, "weight"))) for s in range(400)]
    assert abs(np.mean(np.array(determinants) > 0) - 0.5) < 0.1


def test_what_is_not_random() -> None:
    rng = init.generator(0, "bias")
    for draw, value in (
        (init.zeros, 0.0),
        (init.ones, 1.0),
        (init.relu_bias, 0.01),
        (partial(init.constant, value=-3.0), -3.0),
    ):
        assert draw((4, 5), rng).tolist() == [[value] * 5] * 4


def test_a_model_takes_initialisers_for_weights_and_for_biases() -> None:
    block = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(3, 2))
    model = Model(block)
    model.initialize(1, weight=partial(init.constant, value=2.0), bias=init.relu_bias)
    assert (model.params["0.weight"] == 2).all()
    assert (model.params["4.weight"] == 2).all()
    for name in ("0.bias", "4.bias"):
        np.testing.assert_allclose(model.params[name], 0.01)
    assert (model.params["1.weight"] == 1).all()
    assert not model.params["1.bias"].any()


def test_units_of_a_constant_weight_stay_alike() -> None:
    model = Model(nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)))
    model.initialize(weight=partial(init.constant, value=0.1))
    for _ in range(3):
        model.params.flat[:] -= 0.1 * model.loss(RNG.normal(size=(8, 5)), np.arange(8) % 3)[1].flat
    first = model.params["0.weight"]
    assert (first == first[:1]).all()
    assert (first != 0.1).any()


# What becomes of the scale in twenty layers, forwards and backwards: kept, lost or blown up.
DEPTH, WIDTH = 20, 256
KEEPERS: dict[str, tuple[init.Initializer, type[nn.Layer] | None]] = {
    "kaiming normal": (init.kaiming_normal, nn.ReLU),
    "kaiming uniform": (init.kaiming_uniform, nn.ReLU),
    "kaiming, fan_out": (partial(init.kaiming_normal, mode="fan_out"), nn.ReLU),
    "kaiming, leaky": (partial(init.kaiming_normal, gain=init.gain("leaky_relu")), nn.LeakyReLU),
    "random walk": (init.random_walk, nn.ReLU),
    "xavier normal": (init.xavier_normal, None),
    "xavier uniform, fan_avg": (partial(init.xavier_uniform, mode="fan_avg"), None),
    "orthogonal": (init.orthogonal, None),
    "orthogonal, relu": (partial(init.orthogonal, gain=math.sqrt(2)), nn.ReLU),
}


def scales(draw: init.Initializer, activation: type[nn.Layer] | None) -> tuple[float, float]:
    """Return mean squares of the output and of the input's gradient, over those that went in."""
    layers: list[nn.Layer] = []
    for _ in range(DEPTH):
        layers += [nn.Linear(WIDTH, WIDTH), *([] if activation is None else [activation()])]
    model = Model(nn.Sequential(*layers), "mse", dtype=np.float64)
    model.initialize(0, weight=draw)
    x, dy = RNG.normal(size=(2, 200, WIDTH))
    y, cache = model.forward(x, train=True)
    dx = model.backward(dy, cache)
    return float(np.square(y).mean() / np.square(x).mean()), float(
        np.square(dx).mean() / np.square(dy).mean()
    )


@pytest.mark.parametrize("name", KEEPERS)
def test_scale_survives_20_layers(name: str) -> None:
    for ratio in scales(*KEEPERS[name]):
        assert 0.3 < ratio < 3


@pytest.mark.parametrize(
    ("draw", "activation", "low", "high"),
    [
        (init.normal, nn.ReLU, 0.0, 1e-20),
        (init.xavier_normal, nn.ReLU, 0.0, 1e-4),
        (partial(init.normal, std=1.0), nn.ReLU, 1e20, math.inf),
        (partial(init.kaiming_normal, gain=2.0), nn.ReLU, 1e4, math.inf),
    ],
)
def test_other_scales_do_not(draw: Any, activation: Any, low: float, high: float) -> None:
    for ratio in scales(draw, activation):
        assert low <= ratio <= high
