"""Convolutions that take along passes of the batch norms around them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import _core, _runtime
from fastnn import functional as F
from fastnn.functional.conv import _conv2d_backward, _conv2d_forward
from fastnn.functional.norm import BatchNormBehind, _batchnorm_backward, _batchnorm_forward

# Shape of x, filters, kernel, stride, dilation, groups: pieces of several images and of parts of one; sums in
# several runs; phases; slices; so many images that depthwise layers take the norm behind them along.
CASES: dict[str, tuple[tuple[int, int, int, int], int, int, int, int, int]] = {
    "pointwise": ((3, 19, 5, 7), 33, 1, 1, 1, 1),
    "pointwise, many pieces": ((2, 70, 33, 31), 9, 1, 1, 1, 1),
    "pointwise, pieces that share a sum": ((2, 300, 31, 32), 9, 1, 1, 1, 1),
    "pointwise, long sums": ((2, 530, 5, 4), 520, 1, 1, 1, 1),
    "depthwise": ((9, 17, 6, 5), 17, 3, 1, 1, 17),
    "depthwise, large images": ((2, 35, 40, 41), 35, 3, 1, 1, 35),
    "depthwise, low images": ((9, 20, 2, 6), 20, 3, 1, 1, 20),
    "depthwise, strided": ((3, 20, 9, 8), 20, 3, 2, 1, 20),
    "depthwise, pairs of rows": ((2, 32, 7, 9), 32, 3, 1, 1, 32),
    "depthwise, many images": ((17, 32, 7, 9), 32, 3, 1, 1, 32),
    "depthwise, many images, strided": ((16, 20, 9, 8), 20, 3, 2, 1, 20),
    "depthwise, many images, dilated": ((16, 16, 9, 8), 16, 3, 1, 2, 16),
    "depthwise, strided over pixels": ((2, 5, 9, 8), 5, 1, 2, 1, 5),
    "depthwise, dilated": ((2, 6, 12, 9), 6, 3, 1, 2, 6),
    "depthwise, wide filters": ((2, 6, 12, 9), 6, 5, 1, 1, 6),
    "small groups": ((2, 12, 7, 6), 12, 3, 1, 1, 6),
}
# Those that apply the norm before them to the pixels that they read.
APPLYING = [case for case in CASES if case != "small groups"]


def problem(case: str, relu: bool, joined: bool, dtype: Any = np.float64) -> tuple[Any, Any, Any, Any]:
    """Return dy, the cache of the convolution, that of the norm before it, and a residual of dx."""
    shape, filters, kernel, stride, dilation, groups = CASES[case]
    rng = np.random.default_rng(3)
    before, residual = (rng.normal(size=shape).astype(dtype) for _ in range(2))
    gamma, beta = rng.uniform(0.5, 1.5, size=(2, shape[1])).astype(dtype)
    # Integers, whose sums are exact in any order.
    added, w = (
        rng.integers(-3, 4, sizes).astype(dtype)
        for sizes in (shape, (filters, shape[1] // groups, kernel, kernel))
    )
    x, norm = _batchnorm_forward(
        fastnn.channels_last(before),
        gamma,
        beta,
        activation="relu" if relu else None,
        residual=residual if joined else None,
    )
    padding = kernel // 2 * dilation
    y, cache = F.conv2d_forward(x, w, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return rng.integers(-3, 4, y.shape).astype(dtype), cache, norm, added


@pytest.mark.parametrize("isa", _runtime.available_isas())
@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_sums_are_those_of_the_norm_alone(case: str, relu: bool, joined: bool, isa: str) -> None:
    with _runtime.isa_override(isa):
        dy, cache, norm, added = problem(case, relu, joined)
        whole, dw, _, none = _conv2d_backward(dy, cache, dx_residual=added)
        assert none is None
        assert whole is not None
        expected = _batchnorm_backward(whole, norm)
        dx, dw_beside, _, sums = _conv2d_backward(dy, cache, dx_residual=added, norm=norm)
        assert dx is not None
        assert sums is not None
        np.testing.assert_array_equal(dx, np.where((cache.x > 0) | (not relu), whole, 0))
        np.testing.assert_allclose(dw_beside, dw, rtol=1e-9, atol=1e-10)
        results = _batchnorm_backward(dx, norm, sums=sums)
    assert results[3 if joined else 0] is dx
    for mine, theirs in zip(results, expected, strict=True):
        if theirs is None:
            assert mine is None
        else:
            np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-10)


def forward(case: str, x: Any, w: Any, bias: Any = None, **options: Any) -> tuple[Any, Any, Any]:
    _, _, kernel, stride, dilation, groups = CASES[case]
    padding = kernel // 2 * dilation
    settings = (stride, stride), (padding, padding), (dilation, dilation), groups
    return _conv2d_forward(x, w, bias, *settings, statistics=True, **options)


@pytest.mark.parametrize("isa", _runtime.available_isas())
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("case", APPLYING)
def test_the_norm_before_is_applied_to_pixels_as_they_are_read(case: str, relu: bool, isa: str) -> None:
    with _runtime.isa_override(isa):
        dy, cache, norm, added = problem(case, relu, False)
        assert _core.conv2d_takes_input_norm(norm.x, cache.w, cache.options)
        bias = np.linspace(-1, 1, dy.shape[1])
        y, _, statistics = forward(case, cache.x, cache.w, bias)
        for x in (norm.x, np.ascontiguousarray(norm.x)):
            mine, deferred, taken = forward(case, x, cache.w, bias, input_norm=norm)
            np.testing.assert_allclose(mine, y, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(taken, statistics, rtol=1e-12, atol=1e-12)
            for need_dx, told in ((True, norm), (True, None), (False, None)):
                expected = _conv2d_backward(
                    dy, cache._replace(has_bias=True), need_dx=need_dx, dx_residual=added, norm=told
                )
                found = _conv2d_backward(dy, deferred, need_dx=need_dx, dx_residual=added, norm=told)
                for got, wanted in zip(found, expected, strict=True):
                    if wanted is None:
                        assert got is None
                    else:
                        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("isa", _runtime.available_isas())
@pytest.mark.parametrize("case", APPLYING)
def test_a_norm_rounds_alike_wherever_it_is_applied(case: str, isa: str) -> None:
    shape, _, kernel, _, _, groups = CASES[case]
    rng = np.random.default_rng(5)
    x = fastnn.channels_last((rng.normal(size=shape) + 1e3).astype(np.float32))
    gamma, beta = rng.normal(size=(2, shape[1])).astype(np.float32)
    w = np.zeros((shape[1], shape[1] // groups, kernel, kernel), np.float32)
    channels = np.arange(shape[1])  # the filters that change nothing
    w[channels, channels % w.shape[1], kernel // 2, kernel // 2] = 1
    with _runtime.isa_override(isa):
        before, norm = _batchnorm_forward(x, gamma, beta, activation="relu")
        expected, _, _ = forward(case, before, w)
        y, _, _ = forward(case, x, w, input_norm=norm)
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("isa", _runtime.available_isas())
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_the_norm_behind_comes_along(case: str, bias: bool, isa: str) -> None:
    with _runtime.isa_override(isa):
        dy, cache, norm, added = problem(case, True, False)
        cache = cache._replace(has_bias=bias)
        y = 2 + 3 * np.random.default_rng(4).normal(size=dy.shape)
        gamma, beta = np.linspace(0.5, 1.5, dy.shape[1]), np.linspace(-1, 1, dy.shape[1])
        _, behind = _batchnorm_forward(y, gamma, beta, activation="relu")
        products = dy * (y - behind.mean[:, None, None])
        sums = np.stack([dy.sum((0, 2, 3)), products.sum((0, 2, 3))])
        between, *expected = _batchnorm_backward(dy.copy(), behind, sums=sums)
        expected[2:] = _conv2d_backward(between, cache, dx_residual=added, norm=norm)
        results: list[Any] = [np.empty_like(gamma), np.empty_like(beta)]
        taken = BatchNormBehind(behind, sums, *results)
        for mine in (dy.copy(), fastnn.channels_last(dy).copy(order="K")):
            found = _conv2d_backward(mine, cache, dx_residual=added, norm=norm, behind=taken)
            for got, wanted in zip([*results, *found], expected, strict=True):
                if wanted is None:
                    assert got is None
                else:
                    np.testing.assert_allclose(got, wanted, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_sums_are_the_same_for_any_number_of_threads(case: str) -> None:
    dy, cache, norm, _ = problem(case, True, False, np.float32)
    ones = np.ones(dy.shape[1], np.float32)
    _, behind = _batchnorm_forward(dy + 1, ones, ones)
    results: list[Any] = []
    for n in (1, 3):
        with fastnn.threads(n), _runtime.rendezvous():
            taken = BatchNormBehind(behind, np.ones((2, ones.size)), np.empty_like(ones), np.empty_like(ones))
            results.append(_conv2d_backward(dy.copy(), cache, norm=norm, behind=taken))
            results[-1] += taken[2:]
            if case in APPLYING:
                y, deferred, statistics = forward(case, norm.x, cache.w, input_norm=norm)
                results[-1] += (y, statistics, *_conv2d_backward(dy, deferred, need_dx=False)[1:2])
    for one, three in zip(*results, strict=True):
        np.testing.assert_array_equal(one, three)


def test_an_empty_batch_sums_up_to_zero() -> None:
    for case in ("pointwise", "depthwise"):
        dy, cache, norm, _ = problem(case, True, False)
        none = np.zeros((0, *norm.x.shape[1:]))
        dx, _, _, sums = _conv2d_backward(dy[:0], cache._replace(x=none), norm=norm._replace(x=none))
        assert dx is not None
        assert dx.shape == none.shape
        np.testing.assert_array_equal(sums, np.zeros((2, norm.x.shape[1])))
        if case in APPLYING:
            options = cache.options, False, False, norm._replace(x=none).arguments
            assert _core.conv2d_forward(none, cache.w, None, *options)[0].size == 0
