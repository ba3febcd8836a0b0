"""Regularizers and metrics on their own."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest

from fastnn import Model, metrics, nn, regularizers
from fastnn.testing.gradcheck import numerical_gradient, relative_error

RNG = np.random.default_rng(0)


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


CHOSEN = {
    "*.weight": regularizers.ElasticNet(0.1, 0.4),
    "1.*": regularizers.L2(0.3),
    "0.bias": regularizers.L1(1.0),
}


def test_penalties_on_chosen_parameters() -> None:
    """The loss and its gradient hold each penalty once for every parameter that its pattern fits."""
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2, bias=False))
    plain = Model(net, seed=1, dtype=np.float64)
    plain.params.flat[:] = RNG.uniform(0.1, 1, plain.params.flat.size) * RNG.choice([-1, 1])
    model = Model(copy.deepcopy(net), seed=None, dtype=np.float64, regularizer=regularizers.ByName(CHOSEN))
    X, y = RNG.normal(size=(6, 3)), RNG.integers(0, 2, 6)
    value, grads = model.loss(X, y)
    expected, plain_grads = plain.loss(X, y)
    by_hand = {
        "0.weight": ["*.weight"],
        "0.bias": ["0.bias"],
        "1.weight": ["*.weight", "1.*"],
        "1.bias": ["1.*"],
        "2.weight": ["*.weight"],
    }
    for name, patterns in by_hand.items():
        penalties = [CHOSEN[pattern](plain.params[name]) for pattern in patterns]
        expected += sum(penalty for penalty, _ in penalties)
        slope = plain_grads[name] + sum(dw for _, dw in penalties)
        np.testing.assert_allclose(grads[name], slope, rtol=1e-12, atol=1e-15)
    assert value == pytest.approx(expected, rel=1e-12)


def test_chosen_penalties_are_saved(tmp_path: Path) -> None:
    model = Model(nn.Linear(3, 2), regularizer=regularizers.ByName({"w*": regularizers.L1(0.5)}))
    model.save(tmp_path / "model.safetensors")
    twin = Model.load(tmp_path / "model.safetensors")
    X, y = np.ones((2, 3)), [0, 1]
    assert twin.loss(X, y)[0] == model.loss(X, y)[0]
    assert repr(twin.regularizer) == "ByName({'w*': L1(strength=0.5)})"


def test_a_pattern_that_fits_nothing_is_refused() -> None:
    model = Model(nn.Linear(3, 2), regularizer=regularizers.ByName({"x*": regularizers.L1(0.5)}))
    with pytest.raises(ValueError, match=r"^\[ByName\] pattern: expected one for weight, bias, got 'x\*'$"):
        model.loss(np.ones((2, 3)), [0, 1])
    with pytest.raises(
        TypeError, match=r"^\[ByName\] 'w': expected a penalty such as L2\(1e-4\), got float$"
    ):
        regularizers.ByName({"w": 0.1})  # type: ignore[dict-item]


def test_a_negative_penalty_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^\[L2\] strength: expected a finite number >= 0, got -1$"):
        regularizers.L2(-1)


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
