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


@pytest.mark.parametrize("overlapping", [False, True])
def test_fractional_regions(overlapping: bool, rng: np.random.Generator) -> None:
    """They are the reference's, cover the axis in order, and have the lengths either side of alpha."""
    for size, outputs in ((9, 7), (24, 17), (25, 13), (10, 10), (7, 1), (40, 11)):
        kernel = 2 if overlapping else None
        if overlapping and outputs > size - 1:
            continue
        samples = np.append(rng.random(50), [0.0, 1 - 2.0**-24])
        regions = F.fractional_regions(size, outputs, samples, kernel_size=kernel)
        expected = reference.fractional_regions(size, outputs, samples, kernel_size=kernel)
        np.testing.assert_array_equal(regions, expected)
        begin, end = regions[..., 0], regions[..., 1]
        assert (end[:, -1] == size).all()
        assert (np.diff(begin) >= 1).all()
        if overlapping:
            assert (end - begin == 2).all()
        else:
            np.testing.assert_array_equal(begin[:, 1:], end[:, :-1])
            assert (begin[:, 0] == 0).all()
            assert set(np.unique(end - begin)) <= {size // outputs, -(-size // outputs)}


def test_fractional_pooling_is_torchs(rng: np.random.Generator) -> None:
    """Torch draws regions for each channel; with the same numbers for all of them it has ours."""
    torch = pytest.importorskip("torch")
    for shape, kernel, output in (((3, 4, 11, 9), (2, 3), (7, 5)), ((2, 2, 8, 8), (2, 2), (1, 6))):
        x, samples = rng.normal(size=shape), rng.random((shape[0], 2))
        rows = F.fractional_regions(shape[2], output[0], samples[:, 1], kernel_size=kernel[0])
        cols = F.fractional_regions(shape[3], output[1], samples[:, 0], kernel_size=kernel[1])
        y, cache = F.fractional_maxpool2d_forward(x, rows, cols)
        tensor = torch.tensor(x, requires_grad=True)
        drawn = torch.tensor(np.repeat(samples[:, None], shape[1], axis=1))
        theirs = torch.nn.functional.fractional_max_pool2d(tensor, kernel, output, _random_samples=drawn)
        dy = rng.normal(size=y.shape)
        theirs.backward(torch.tensor(dy))
        np.testing.assert_array_equal(y, theirs.detach())
        np.testing.assert_allclose(F.fractional_maxpool2d_backward(dy, cache), tensor.grad, atol=1e-14)


@pytest.mark.parametrize(
    ("samples", "outputs", "line"),
    [
        ([1.0], 3, r"[fractional_regions] samples: expected numbers >= 0 and < 1, got [1.0]"),
        ([np.nan], 3, r"[fractional_regions] samples: expected numbers >= 0 and < 1, got [nan]"),
        ([0.5], 6, r"[fractional_regions] outputs: expected at most 5, got 6"),
    ],
)
def test_impossible_regions_are_refused(samples: list[float], outputs: int, line: str) -> None:
    with pytest.raises(ValueError) as caught:
        F.fractional_regions(5, outputs, samples)
    assert str(caught.value) == line


def test_sliding_pools_are_torchs_over_many_settings(rng: np.random.Generator) -> None:
    """Sizes, kernels, strides and paddings that end before, at and behind the image, rounded either way."""
    torch = pytest.importorskip("torch")
    for _ in range(300):
        size, kernel, stride = rng.integers(1, 10, 2), rng.integers(1, 5, 2), rng.integers(1, 5, 2)
        padding = rng.integers(0, kernel // 2 + 1)
        settings = {
            "kernel_size": tuple(kernel.tolist()),
            "stride": tuple(stride.tolist()),
            "padding": tuple(padding.tolist()),
            "ceil_mode": bool(rng.integers(2)),
        }
        counted = {**settings, "count_include_pad": bool(rng.integers(2))}
        x = rng.normal(size=(2, 3, *size))
        tensor = torch.tensor(x)
        try:
            expected = torch.nn.functional.max_pool2d(tensor, **settings)
        except RuntimeError:
            with pytest.raises(ValueError):
                F.maxpool2d_forward(x, **settings)
            continue
        np.testing.assert_array_equal(F.maxpool2d_forward(x, **settings)[0], expected)
        mean = torch.nn.functional.avg_pool2d(tensor, **counted)
        np.testing.assert_allclose(F.avgpool2d_forward(x, **counted)[0], mean, atol=1e-14)


def test_adaptive_pools_are_torchs_over_many_sizes(rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    for _ in range(100):
        shape, output = (2, 3, *rng.integers(1, 12, 2)), tuple(rng.integers(1, 12, 2).tolist())
        x = rng.normal(size=shape)
        largest, cache = F.adaptive_maxpool2d_forward(x, output)
        mean, mean_cache = F.adaptive_avgpool2d_forward(x, output)
        dy = rng.normal(size=mean.shape)
        for y, dx, pool in (
            (largest, F.adaptive_maxpool2d_backward(dy, cache), torch.nn.functional.adaptive_max_pool2d),
            (mean, F.adaptive_avgpool2d_backward(dy, mean_cache), torch.nn.functional.adaptive_avg_pool2d),
        ):
            tensor = torch.tensor(x, requires_grad=True)
            theirs = pool(tensor, output)
            theirs.backward(torch.tensor(dy))
            np.testing.assert_allclose(y, theirs.detach(), atol=1e-14)
            np.testing.assert_allclose(dx, tensor.grad, atol=1e-13)
