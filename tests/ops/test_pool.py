"""Pooling: overlapping windows, ties, NaN, large windows, memory layouts, instruction sets, threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnn import _runtime, channels_last, reference, threads
from fastnn import functional as F

WINDOWS = [
    ((2, 3, 6, 4), {"kernel_size": 2}),
    ((2, 37, 7, 8), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ((2, 5, 7, 6), {"kernel_size": (4, 2), "stride": (1, 3), "padding": (2, 0)}),
    ((1, 130, 5, 5), {"kernel_size": 2}),
    ((2, 1, 9, 9), {"kernel_size": 2, "stride": 4}),
    ((1, 2, 18, 19), {"kernel_size": 17, "stride": 1}),
    ((0, 3, 4, 4), {"kernel_size": 2}),
]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("isa", _runtime.available_isas())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("shape", "window"), WINDOWS)
def test_maximum_is_exact(shape: Any, window: Any, dtype: Any, isa: str, rng: np.random.Generator) -> None:
    x = rng.integers(-3, 4, size=shape).astype(dtype)  # many ties
    with _runtime.isa_override(isa):
        y, cache = F.maxpool2d_forward(x, **window)
        dy = rng.integers(-3, 4, size=y.shape).astype(dtype)
        dx = F.maxpool2d_backward(dy, cache)
    expected, reference_cache = reference.maxpool2d_forward(x, **window)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(cache.winner, reference_cache.winner)
    np.testing.assert_array_equal(dx, reference.maxpool2d_backward(dy, reference_cache))


@pytest.mark.parametrize("isa", _runtime.available_isas())
@pytest.mark.parametrize("count_include_pad", [True, False])
@pytest.mark.parametrize(("shape", "window"), WINDOWS)
def test_average(
    shape: Any, window: Any, count_include_pad: bool, isa: str, rng: np.random.Generator
) -> None:
    x = rng.normal(size=shape)
    with _runtime.isa_override(isa):
        y, cache = F.avgpool2d_forward(x, **window, count_include_pad=count_include_pad)
        dy = rng.normal(size=y.shape)
        dx = F.avgpool2d_backward(dy, cache)
    expected, reference_cache = reference.avgpool2d_forward(x, **window, count_include_pad=count_include_pad)
    np.testing.assert_allclose(y, expected, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(dx, reference.avgpool2d_backward(dy, reference_cache), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("isa", _runtime.available_isas())
def test_nan_and_infinity(isa: str) -> None:
    cells = [
        ([1, np.nan, 5, np.nan], 1),
        ([np.nan, np.inf, 0, 0], 0),
        ([-np.inf] * 4, 0),
        ([0, 1, np.inf, np.nan], 3),
        ([-0.0, 0.0, 0.0, -0.0], 0),
    ]
    x = np.array([c for c, _ in cells]).reshape(5, 1, 2, 2).transpose(1, 0, 2, 3).repeat(4, axis=1)
    with _runtime.isa_override(isa):
        y, cache = F.maxpool2d_forward(x, 2)
    np.testing.assert_array_equal(cache.winner.ravel(), np.repeat([w for _, w in cells], 4))
    np.testing.assert_array_equal(y.ravel(), np.repeat([np.nan, np.nan, -np.inf, np.nan, 0], 4))


def test_global_average(rng: np.random.Generator) -> None:
    x = rng.normal(size=(3, 70, 5, 4))
    y, cache = F.global_avgpool2d_forward(x)
    np.testing.assert_allclose(y, x.mean(axis=(2, 3), keepdims=True), atol=1e-14)
    np.testing.assert_allclose(F.global_avgpool2d_backward(y, cache), np.broadcast_to(y / 20, x.shape))


def test_layouts(rng: np.random.Generator) -> None:
    x = rng.normal(size=(4, 6, 8, 10))
    y, cache = F.maxpool2d_forward(x, 3, stride=2, padding=1)
    dy = rng.normal(size=y.shape)
    dx = F.maxpool2d_backward(dy, cache)
    wide = channels_last(np.concatenate([x, x], axis=1))
    for view in (channels_last(x), wide[:, :6], x[:, :, ::-1].copy()[:, :, ::-1], np.asfortranarray(x)):
        again, cache = F.maxpool2d_forward(view, 3, stride=2, padding=1)
        np.testing.assert_array_equal(again, y)
        np.testing.assert_array_equal(F.maxpool2d_backward(channels_last(dy), cache), dx)
        assert again.strides == channels_last(again).strides


def test_same_bits_for_any_number_of_threads(rng: np.random.Generator) -> None:
    x = rng.normal(size=(6, 32, 33, 33)).astype(np.float32)
    results = []
    for n in (1, 2, 3):
        with threads(n), _runtime.rendezvous():
            y, cache = F.maxpool2d_forward(x, 3, stride=2, padding=1)
            a, avg_cache = F.avgpool2d_forward(x, 3, stride=2, padding=1)
            gradients = F.maxpool2d_backward(a, cache), F.avgpool2d_backward(y, avg_cache)
            assert _runtime.last_worker_count() == n
        results.append(b"".join(v.tobytes() for v in (y, a, *gradients)))
    assert results[0] == results[1] == results[2]
