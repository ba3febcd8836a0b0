"""Layer, group and instance norm: large means, far values, memory layouts, how they relate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from fastnn import _runtime, channels_last, reference
from fastnn import functional as F

NORMS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "layernorm": ((6, 2000), (2000,), {}),
    "groupnorm": ((2, 6, 24, 24), (6,), {"num_groups": 3}),
    "instancenorm": ((2, 6, 24, 24), (6,), {}),
}


@pytest.fixture(params=_runtime.available_isas())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    with _runtime.isa_override(request.param):
        yield request.param


def run(ops: Any, name: str, x: Any, dy: Any, gamma: Any, beta: Any, settings: Any) -> tuple[Any, ...]:
    y, cache = getattr(ops, f"{name}_forward")(x, gamma, beta, eps=0.0, **settings)
    return (y, *getattr(ops, f"{name}_backward")(dy, cache))


@pytest.mark.parametrize(("mean", "sigma"), [(0.0, 1.0), (1e3, 1.0), (1e4, 0.1)])
@pytest.mark.parametrize("name", NORMS)
def test_float32_survives_a_large_mean(name: str, mean: float, sigma: float, isa: str) -> None:
    shape, row, settings = NORMS[name]
    rng = np.random.default_rng(0)
    x = (mean + sigma * rng.normal(size=shape)).astype(np.float32)
    dy = rng.normal(size=shape).astype(np.float32)
    gamma, beta = np.ones(row, np.float32), np.zeros(row, np.float32)
    results = run(F, name, x, dy, gamma, beta, settings)
    exact = [a.astype(np.float64) for a in (x, dy, gamma, beta)]
    truth = run(reference, name, *exact, settings)
    for result, expected, allowed in zip(results, truth, (4e-6, 1e-5 / sigma, 1e-3, 1e-3), strict=True):
        np.testing.assert_allclose(result, expected, atol=allowed, rtol=1e-5)


@pytest.mark.parametrize("name", NORMS)
def test_one_far_value_does_not_spoil_the_variance(name: str, isa: str) -> None:
    shape, row, settings = NORMS[name]
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    x.flat[0] = 1e4
    y, _ = getattr(F, f"{name}_forward")(x, np.ones(row, np.float32), np.zeros(row, np.float32), **settings)
    wide = x.astype(np.float64), np.ones(row), np.zeros(row)
    truth, _ = getattr(reference, f"{name}_forward")(*wide, **settings)
    np.testing.assert_allclose(y, truth, rtol=1e-4, atol=1e-6)


def test_instance_norm_is_group_norm_of_single_channels() -> None:
    x, gamma, beta = np.random.default_rng(0).normal(size=(2, 6, 5, 5)), np.arange(6.0), np.ones(6)
    y, _ = F.instancenorm_forward(x, gamma, beta)
    np.testing.assert_array_equal(y, F.groupnorm_forward(x, gamma, beta, 6)[0])
    np.testing.assert_allclose(
        F.groupnorm_forward(x, np.ones(6), np.zeros(6), 1)[0],
        F.layernorm_forward(x, np.ones(x.shape[1:]), np.zeros(x.shape[1:]))[0],
        atol=1e-12,
    )


def test_layer_norm_of_images_keeps_their_memory() -> None:
    rng = np.random.default_rng(0)
    x, gamma, beta = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(3, 4, 5)), rng.normal(size=(3, 4, 5))
    dy = rng.normal(size=x.shape)
    y, cache = F.layernorm_forward(x, gamma, beta)
    last, last_cache = F.layernorm_forward(channels_last(x), gamma, beta)
    assert y.flags.c_contiguous
    assert last.transpose(0, 2, 3, 1).flags.c_contiguous
    np.testing.assert_allclose(last, y, atol=1e-12)
    gradients = F.layernorm_backward(dy, cache), F.layernorm_backward(channels_last(dy), last_cache)
    for mine, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-12)


def test_an_empty_batch_has_no_rows() -> None:
    gamma, beta = np.ones(4, np.float32), np.zeros(4, np.float32)
    x = np.zeros((0, 4), np.float32)
    for forward, backward, settings in (
        (F.layernorm_forward, F.layernorm_backward, {}),
        (F.groupnorm_forward, F.groupnorm_backward, {"num_groups": 2}),
    ):
        y, cache = forward(x, gamma, beta, **settings)  # type: ignore[operator]
        dx, dgamma, dbeta = backward(y, cache)  # type: ignore[operator]
        assert y.shape == dx.shape == (0, 4)
        assert not dgamma.any()
        assert not dbeta.any()
