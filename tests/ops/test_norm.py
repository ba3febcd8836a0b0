"""Batch normalisation: large means, the residual, memory layouts, instruction sets, threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnn import _runtime, channels_last, reference, threads
from fastnn import functional as F
from fastnn.functional import norm

SHAPES = [
    (3, 4, 5, 3),
    (9, 5),
    (40, 35),
    (2, 18, 3, 3),
    (2, 64, 9, 7),
    (5, 100, 6, 6),
    (70, 16),
    (1, 1, 2, 1),
]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def drawn(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any = np.float64) -> list[Any]:
    c = shape[1]
    x, dy = rng.normal(size=(2, *shape)) * 2 + 1
    gamma, beta = rng.uniform(0.5, 1.5, size=(2, c))
    return [a.astype(dtype) for a in (x, dy, gamma, beta)]


def run(ops: Any, x: Any, dy: Any, gamma: Any, beta: Any, **settings: Any) -> tuple[Any, ...]:
    y, cache = ops.batchnorm_forward(x, gamma, beta, **settings)
    return (y, cache.mean, cache.var, *ops.batchnorm_backward(dy, cache))


@pytest.mark.parametrize("isa", _runtime.available_isas())
@pytest.mark.parametrize("activation", [None, "relu"])
@pytest.mark.parametrize("shape", SHAPES)
def test_agrees_with_the_reference(shape: Any, activation: Any, isa: str, rng: np.random.Generator) -> None:
    arguments = drawn(rng, shape)
    mean, var = rng.normal(size=shape[1]), rng.uniform(0.5, 2, size=shape[1])
    with _runtime.isa_override(isa):
        for settings in ({}, {"mean": mean, "var": var, "eps": 1e-2}):
            results = run(F, *arguments, activation=activation, **settings)
            expected = run(reference, *arguments, activation=activation, **settings)
            for result, truth in zip(results, expected, strict=True):
                np.testing.assert_allclose(result, truth, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("isa", _runtime.available_isas())
@pytest.mark.parametrize(("mean", "sigma"), [(1e3, 1.0), (1e4, 0.1), (0.0, 1.0)])
def test_float32_survives_a_large_mean(mean: float, sigma: float, isa: str, rng: np.random.Generator) -> None:
    x = (mean + sigma * rng.normal(size=(16, 6, 24, 24))).astype(np.float32)
    dy = rng.normal(size=x.shape).astype(np.float32)
    ones, zeros = np.ones(6, np.float32), np.zeros(6, np.float32)
    with _runtime.isa_override(isa):
        y, cache = F.batchnorm_forward(x, ones, zeros, eps=0.0)
        dx, dgamma, dbeta = F.batchnorm_backward(dy, cache)
    exact = [a.astype(np.float64) for a in (x, dy, ones, zeros)]
    truth = run(reference, *exact, eps=0.0)
    np.testing.assert_allclose(cache.statistics[1], truth[2], rtol=1e-6)
    np.testing.assert_allclose(y, truth[0], atol=3e-6)
    np.testing.assert_allclose(dx, truth[3], rtol=1e-5, atol=1e-5 / sigma)
    np.testing.assert_allclose(dgamma, truth[4], atol=1e-3)
    np.testing.assert_allclose(dbeta, truth[5], atol=1e-3)


def test_one_far_value_does_not_spoil_the_variance(rng: np.random.Generator) -> None:
    x = rng.normal(size=(4096, 3)).astype(np.float32)
    x[0] = 1e6
    _, cache = F.batchnorm_forward(x, np.ones(3, np.float32), np.zeros(3, np.float32))
    np.testing.assert_allclose(cache.statistics[1], x.astype(np.float64).var(axis=0), rtol=1e-5)


@pytest.mark.parametrize("isa", _runtime.available_isas())
@pytest.mark.parametrize("activation", [None, "relu"])
def test_residual(isa: str, activation: Any, rng: np.random.Generator) -> None:
    x, dy, gamma, beta = drawn(rng, (4, 21, 5, 6))
    residual = rng.normal(size=x.shape)
    with _runtime.isa_override(isa):
        y, cache = norm._batchnorm_forward(x, gamma, beta, activation=activation, residual=residual)
        dx, dgamma, dbeta, dresidual = norm._batchnorm_backward(dy, cache)
    plain, plain_cache = reference.batchnorm_forward(x, gamma, beta)
    total = plain + residual
    np.testing.assert_allclose(y, np.maximum(total, 0) if activation else total, atol=1e-12)
    expected = np.where(total > 0, dy, 0) if activation else dy
    assert dresidual is not None
    np.testing.assert_array_equal(dresidual, expected)
    for result, truth in zip(
        (dx, dgamma, dbeta), reference.batchnorm_backward(expected, plain_cache), strict=True
    ):
        np.testing.assert_allclose(result, truth, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("isa", _runtime.available_isas())
@pytest.mark.parametrize("channels", [64, 68, 72])  # rows of whole cache lines, and not
def test_results_that_go_past_the_caches(channels: int, isa: str, rng: np.random.Generator) -> None:
    x, dy, gamma, beta = drawn(rng, (17, channels, 32, 32))
    residual = rng.normal(size=x.shape)
    found: list[tuple[Any, ...]] = []
    for n in (1, 2):
        with _runtime.isa_override(isa), threads(n):
            y, cache = norm._batchnorm_forward(x, gamma, beta, activation="relu", residual=residual)
            gradients = norm._batchnorm_backward(dy, cache)
            positive, relu_cache = F.relu_forward(x)
            found.append((y, *gradients, positive, F.relu_backward(dy, relu_cache)))
    plain, plain_cache = reference.batchnorm_forward(x, gamma, beta)
    masked = np.where(plain + residual > 0, dy, 0)
    truths = (
        np.maximum(plain + residual, 0),
        *reference.batchnorm_backward(masked, plain_cache),
        masked,
        np.maximum(x, 0),
        np.where(x > 0, dy, 0),
    )
    for result, again, truth in zip(*found, truths, strict=True):
        np.testing.assert_array_equal(result, again)
        np.testing.assert_allclose(result, truth, rtol=1e-10, atol=1e-11)


def test_given_statistics_of_the_batch_give_the_training_gradient(rng: np.random.Generator) -> None:
    x, dy, gamma, beta = drawn(rng, (4, 7, 5, 6))
    y, cache = F.batchnorm_forward(x, gamma, beta)
    again, given = norm._batchnorm_forward(x, gamma, beta, statistics=cache.statistics)
    np.testing.assert_array_equal(again, y)
    np.testing.assert_array_equal(F.batchnorm_backward(dy, given)[0], F.batchnorm_backward(dy, cache)[0])


def test_layouts(rng: np.random.Generator) -> None:
    x, dy, gamma, beta = drawn(rng, (6, 10, 7, 4))
    expected = run(F, x, dy, gamma, beta)
    wide = np.zeros((6, 20, 7, 4)).transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2)
    wide[:, :10] = x
    for view in (channels_last(x), wide[:, :10], np.asfortranarray(x), x[::-1].copy()[::-1]):
        for result, truth in zip(
            run(F, view, channels_last(dy), gamma[::-1].copy()[::-1], beta), expected, strict=True
        ):
            np.testing.assert_array_equal(result, truth)
    rows = rng.normal(size=(12, 9))
    for view in (rows, rows.T.copy().T, rows[::-1].copy()[::-1]):
        y, _ = F.batchnorm_forward(view, np.ones(9), np.zeros(9))
        np.testing.assert_array_equal(y, F.batchnorm_forward(rows, np.ones(9), np.zeros(9))[0])
        assert y.flags.c_contiguous


def test_same_bits_for_any_number_of_threads(rng: np.random.Generator) -> None:
    x, dy, gamma, beta = drawn(rng, (16, 24, 32, 32), np.float32)
    results = []
    for n in (1, 2, 3):
        with threads(n), _runtime.rendezvous():
            results.append(b"".join(a.tobytes() for a in run(F, x, dy, gamma, beta, activation="relu")))
            assert _runtime.last_worker_count() == n
    assert results[0] == results[1] == results[2]


def test_an_empty_batch_is_for_inference_only() -> None:
    x, c = np.zeros((0, 3, 4, 4)), np.ones(3)
    y, cache = F.batchnorm_forward(x, c, c, mean=c, var=c)
    assert y.shape == x.shape
    assert [g.shape for g in F.batchnorm_backward(y, cache)] == [x.shape, (3,), (3,)]
    with pytest.raises(ValueError, match=r"^\[batchnorm_forward\] x: expected at least 2 values a channel"):
        F.batchnorm_forward(x, c, c)


def test_nan_stays_in_its_channel() -> None:
    x = np.arange(24.0).reshape(6, 4)
    x[2, 1] = np.nan
    y, _ = F.batchnorm_forward(x, np.ones(4), np.zeros(4), activation="relu")
    assert np.isnan(y[:, 1]).all()
    assert np.isfinite(y[:, [0, 2, 3]]).all()
