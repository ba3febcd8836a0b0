"""Pointwise activations over the whole range of float32, against float64: ulp, saturation, special values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from fastnn import _runtime, reference
from fastnn import functional as F

# Greatest error in units of the last place.
ULP = {
    "sigmoid": 4.0,
    "tanh": 4.0,
    "leaky_relu": 1.0,
    "elu": 4.0,
    "selu": 4.0,
    "gelu": 4.0,
    "gelu_tanh": 4.0,
    "silu": 4.0,
    "softplus": 4.0,
}


@pytest.fixture(params=_runtime.available_isas())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    with _runtime.isa_override(request.param):
        yield request.param


def call(ops: Any, name: str, x: Any) -> tuple[Any, Any]:
    """Return y and dx for a gradient of ones."""
    op, settings = ("gelu", {"approximate": "tanh"}) if name == "gelu_tanh" else (name, {})
    y, cache = getattr(ops, f"{op}_forward")(x, **settings)
    return y, getattr(ops, f"{op}_backward")(np.ones_like(x), cache)


def whole_range() -> Any:
    """Return every 2^13th float32 of either sign, and dense draws where functions bend."""
    bits = np.arange(0, 0x7F800000, 1 << 13, dtype=np.uint32)
    positive = bits.view(np.float32)
    dense = np.random.default_rng(0).uniform(-120, 120, 200_000).astype(np.float32)
    return np.concatenate([positive, -positive, dense, dense / 16])


@pytest.mark.parametrize("name", ULP)
def test_forward_in_ulp(name: str, isa: str) -> None:
    x = whole_range()
    y, _ = call(F, name, x)
    with np.errstate(over="ignore"):
        truth, _ = call(reference, name, x.astype(np.float64))
        rounded = truth.astype(np.float32)
    finite = np.isfinite(rounded)
    np.testing.assert_array_equal(y[~finite], rounded[~finite])
    # x times a subnormal number has the absolute error of the latter, |x| < 128 times over.
    magnitude = np.maximum(np.abs(rounded[finite]), 128 * np.finfo(np.float32).tiny)
    error = np.abs(y[finite] - truth[finite]) / np.spacing(magnitude).astype(np.float64)
    worst = int(error.argmax())
    assert error[worst] <= ULP[name], f"{error[worst]:.2f} ulp at {x[finite][worst]}"


@pytest.mark.parametrize("name", ULP)
def test_results_stay_near_float64(name: str, isa: str) -> None:
    x = whole_range()
    x = x[np.abs(x) <= 1e4]
    y, dx = call(F, name, x)
    truth, slope = call(reference, name, x.astype(np.float64))
    np.testing.assert_allclose(y, truth, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(dx, slope, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ULP)
def test_stable_far_out(name: str, dtype: Any, isa: str) -> None:
    largest = float(np.finfo(dtype).max)
    x = np.array([1e4, -1e4, largest / 4, -largest / 4, 0.0, -0.0], dtype)
    y, dx = call(F, name, x)
    assert np.isfinite(y).all()
    assert np.isfinite(dx).all()
    right, left = {"sigmoid": (1, 0), "tanh": (1, -1)}.get(name, (1e4, y[1]))
    scale = 1.0507009873554805 if name == "selu" else 1.0
    np.testing.assert_allclose(y[:2], [right * scale, left], rtol=1e-6)
    saturates = name in ("sigmoid", "tanh")
    np.testing.assert_allclose(dx[0], 0 if saturates else scale, rtol=1e-6)
    np.testing.assert_allclose(dx[1], 0.01 if name == "leaky_relu" else 0, rtol=1e-6)


@pytest.mark.parametrize("name", ULP)
def test_nan_stays_nan(name: str, isa: str) -> None:
    for n in (1, 19):
        y, dx = call(F, name, np.full(n, np.nan, np.float32))
        assert np.isnan(y).all()
        assert np.isnan(dx).all() or name == "leaky_relu"
