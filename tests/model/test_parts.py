"""Regularizers and metrics on their own, and every docstring's example."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import fastnn.nn
from fastnn import metrics, regularizers
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
