"""Winograd convolution: error bounds, threads, instruction sets, layouts, and when it is chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import _runtime, reference
from fastnn import functional as F
from fastnn.testing.gradcheck import relative_error
from fastnn.testing.layouts import LAYOUTS

Array = np.ndarray[Any, Any]

# x, filters, padding: whole tiles and cut ones of both sizes, one channel, more than a register of channels.
SHAPES = [
    ((2, 5, 9, 6), 7, 1),
    ((3, 33, 8, 8), 40, (1, 0)),
    ((1, 64, 14, 14), 64, 2),
    ((2, 1, 3, 3), 1, 0),
    ((2, 17, 7, 7), 3, 1),
    ((1, 130, 5, 4), 70, (0, 2)),
    # The thin form: one to four channels, strips of a long row, several bands of an image.
    ((1, 1, 5, 9), 20, 2),
    ((3, 2, 13, 6), 17, (1, 2)),
    ((2, 3, 37, 30), 33, 1),
    ((1, 4, 9, 139), 6, (0, 1)),
    ((17, 2, 8, 16), 16, 1),  # its dw in many parts
]
# NUMERICS.md: relative L2 error to float64, all three passes.
LIMIT = {"float32": 3e-6, "float64": 1e-14}


def passes(
    x: Array, w: Array, b: Array, dy: Array | None, padding: Any, algo: str, stride: int = 1
) -> tuple[Array, ...]:
    y, cache = F.conv2d_forward(x, w, b, stride=stride, padding=padding, algo=algo)
    dx, dw, db = F.conv2d_backward(np.ones_like(y) if dy is None else dy, cache)
    assert dx is not None
    assert db is not None
    return y, dx, dw, db


def problem(
    shape: tuple[int, ...], filters: int, padding: Any, dtype: Any, stride: int = 1
) -> tuple[Array, ...]:
    rng = np.random.default_rng(len(shape) + filters)
    x, w = rng.standard_normal(shape), rng.standard_normal((filters, shape[1], 3, 3))
    b = rng.standard_normal(filters)
    y, _ = reference.conv2d_forward(x, w, b, stride=stride, padding=padding)
    return tuple(a.astype(dtype) for a in (x, w, b, rng.standard_normal(y.shape)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("isa", _runtime.available_isas())
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("shape", "filters", "padding"), SHAPES)
def test_error_is_bounded_in_all_passes(
    shape: tuple[int, ...], filters: int, padding: Any, stride: int, isa: str, dtype: str
) -> None:
    x, w, b, dy = problem(shape, filters, padding, dtype, stride)
    with _runtime.isa_override(isa):
        results = passes(x, w, b, dy, padding, "winograd", stride)
    wide = [a.astype(np.float64) for a in (x, w, b, dy)]
    y, cache = reference.conv2d_forward(*wide[:3], stride=stride, padding=padding)
    truth = (y, *reference.conv2d_backward(wide[3], cache))
    for name, mine, true in zip(("y", "dx", "dw", "db"), results, truth, strict=True):
        assert true is not None
        error = np.linalg.norm(mine - true) / np.linalg.norm(true)
        assert error <= LIMIT[dtype], f"{name}: {error:.2e}"


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("shape", [(9, 20, 16, 16), (6, 96, 16, 16), (4, 128, 4, 4), (9, 4, 48, 48)])
def test_any_number_of_threads_gives_the_same_bits(shape: tuple[int, ...], stride: int) -> None:
    shape = (*shape[:2], shape[2] * stride, shape[3] * stride)
    x, w, b, dy = problem(shape, shape[1], 1, np.float32, stride)
    results = []
    for threads in (1, 2, 3):
        with fastnn.threads(threads), _runtime.rendezvous():
            results.append(passes(x, w, b, dy, 1, "winograd", stride))
            assert _runtime.last_worker_count() == threads
    for other in results[1:]:
        for mine, theirs in zip(results[0], other, strict=True):
            assert np.array_equal(mine, theirs)


@pytest.mark.parametrize("isa", _runtime.available_isas())
@pytest.mark.parametrize("channels", [16, 20])
@pytest.mark.parametrize("stride", [1, 2])
def test_images_have_the_same_bits_alone_and_in_a_batch_that_leaves_the_cache(
    stride: int, channels: int, isa: str
) -> None:
    x, w, b, _ = problem((5, channels, 32, 30), channels, 1, np.float32, stride)
    with _runtime.isa_override(isa):
        together, _ = F.conv2d_forward(x, w, b, stride=stride, padding=1, algo="winograd")
        for i in range(len(x)):
            alone, _ = F.conv2d_forward(x[i : i + 1], w, b, stride=stride, padding=1, algo="winograd")
            assert np.array_equal(alone, together[i : i + 1])


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_memory_layout_does_not_matter(layout: str, channels: int, stride: int) -> None:
    x, w, b, dy = problem((2, channels, 9, 14), 9, 1, np.float32, stride)
    x, w, dy = (LAYOUTS[layout](a) for a in (x, w, dy))
    results = passes(x, w, b, dy, 1, "winograd", stride)
    expected = passes(x.copy("C"), w.copy("C"), b, dy.copy("C"), 1, "winograd", stride)
    for mine, theirs in zip(results, expected, strict=True):
        assert np.array_equal(mine, theirs)


@pytest.mark.parametrize("stride", [1, 2])
def test_an_empty_batch(stride: int) -> None:
    x, w, b = (np.ones(shape, np.float32) for shape in ((0, 4, 8, 8), (3, 4, 3, 3), (3,)))
    y, dx, dw, db = passes(x, w, b, None, 1, "winograd", stride)
    assert y.shape == (0, 3, 8 // stride, 8 // stride)
    assert dx.shape == (0, 4, 8, 8)
    assert not dw.any()
    assert not db.any()


@pytest.mark.parametrize(
    ("w", "settings"),
    [
        ((4, 3, 5, 5), {}),
        ((4, 3, 3, 3), {"stride": 3}),
        ((4, 3, 3, 3), {"stride": (2, 1)}),
        ((4, 3, 3, 3), {"dilation": 2}),
        ((4, 3, 3, 3), {"padding": 3}),
        ((3, 1, 3, 3), {"groups": 3}),
    ],
)
def test_another_geometry_is_refused(w: tuple[int, ...], settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\[conv2d_forward\] algo: expected 3x3 filters.*"):
        F.conv2d_forward(np.ones((1, 3, 8, 8)), np.ones(w), algo="winograd", **settings)


def same_bits(a: Array, b: Array) -> bool:
    return bool(np.array_equal(a, b))


@pytest.mark.parametrize("stride", [1, 2])
def test_auto_takes_winograd_for_many_channels_and_direct_for_few(stride: int) -> None:
    for channels, expected in ((64, "winograd"), (1, "direct")):
        x, w, b, dy = problem((8, channels, 16, 16), 64, 1, np.float32, stride)
        auto = passes(x, w, b, dy, 1, "auto", stride)
        wanted = passes(x, w, b, dy, 1, expected, stride)
        other = passes(x, w, b, dy, 1, "direct" if expected == "winograd" else "winograd", stride)
        same = [same_bits(p, q) for p, q in zip(auto, wanted, strict=True)]
        same[1] |= channels == 1  # dx of one channel takes several pixels at a time
        assert all(same)
        assert not same_bits(auto[0], other[0])


def test_few_channels_gain_forward_and_in_dw_but_not_in_dx() -> None:
    from fastnn import _core

    x, w, b, dy = problem((8, 3, 32, 32), 64, 1, np.float32)
    auto, direct, winograd = (passes(x, w, b, dy, 1, algo) for algo in ("auto", "direct", "winograd"))
    assert fastnn.conv_algo(x.shape, w.shape, padding=1) == "winograd"
    assert same_bits(auto[0], winograd[0])
    assert not same_bits(auto[0], direct[0])
    assert not same_bits(auto[1], winograd[1])
    wide_registers = _core.active_isa() == "avx512"
    assert same_bits(auto[2], winograd[2]) == wide_registers
    assert same_bits(auto[2], direct[2]) != wide_registers


@pytest.mark.parametrize(
    ("shape", "filters"), [((8, 3, 32, 32), 8), ((40, 3, 3, 3), 16), ((40, 4, 5, 5), 16)]
)
def test_dw_of_few_filters_or_narrow_images_stays_direct(shape: tuple[int, ...], filters: int) -> None:
    x, w, b, dy = problem(shape, filters, 1, np.float32)
    auto, winograd = (passes(x, w, b, dy, 1, algo) for algo in ("auto", "winograd"))
    assert not same_bits(auto[2], winograd[2])


@pytest.mark.parametrize("isa", _runtime.available_isas())
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_dw_of_few_channels(layout: str, channels: int, isa: str) -> None:
    x, w, b, dy = problem((3, channels, 23, 91), 37, 1, np.float64)
    x, dy = (LAYOUTS[layout](a) for a in (x, dy))
    with _runtime.isa_override(isa):
        _, cache = F.conv2d_forward(x, w, b, padding=1, algo="winograd")
        dx, dw, db = F.conv2d_backward(dy, cache, need_dx=False)
        _, cache = F.conv2d_forward(x, w, padding=1, algo="winograd")
        _, alone, none = F.conv2d_backward(dy, cache)
    _, truth, sums = reference.conv2d_backward(dy, reference.conv2d_forward(x, w, b, padding=1)[1])
    assert dx is None
    assert none is None
    assert dw is not None
    assert alone is not None
    assert db is not None
    assert relative_error(dw, truth) < 1e-12
    assert relative_error(db, sums) < 1e-12
    assert same_bits(dw, alone)


@pytest.mark.parametrize("isa", _runtime.available_isas())
@pytest.mark.parametrize(("shape", "filters"), [((2, 3, 37, 30), 33), ((1, 4, 9, 75), 6)])
def test_statistics_of_few_channels(shape: tuple[int, ...], filters: int, isa: str) -> None:
    from fastnn import _core

    x, w, b, _ = problem(shape, filters, 1, np.float64)
    options = _core.ConvOptions("conv2d_forward", (1, 1), (1, 1), (1, 1), 1, "winograd")
    with _runtime.isa_override(isa):
        y, taken = _core.conv2d_forward(x, w, b, options, True, True)
    truth, _ = reference.conv2d_forward(x, w, b, padding=1)
    truth = np.maximum(truth, 0)
    np.testing.assert_allclose(y, truth, rtol=1e-11, atol=1e-11)
    assert taken is not None
    np.testing.assert_allclose(taken[0], truth.mean((0, 2, 3)), rtol=1e-11)
    np.testing.assert_allclose(taken[1], truth.var((0, 2, 3)), rtol=1e-11)


def test_float64_stays_direct() -> None:
    x, w, b, dy = problem((2, 64, 16, 16), 64, 1, np.float64)
    assert same_bits(passes(x, w, b, dy, 1, "auto")[0], passes(x, w, b, dy, 1, "direct")[0])


def test_nan_and_infinity_propagate() -> None:
    x, w, b, _ = problem((1, 4, 8, 8), 5, 1, np.float32)
    for bad in (np.nan, np.inf):
        x[0, 2, 3, 3] = bad
        y, _ = F.conv2d_forward(x, w, b, padding=1, algo="winograd")
        assert not np.isfinite(y[0, :, 3, 3]).any()


@pytest.mark.parametrize("stride", [1, 2])
def test_gradient_is_that_of_the_float64_direct_form(stride: int) -> None:
    x, w, b, dy = problem((2, 3, 7, 6), 4, 1, np.float64, stride)
    for mine, theirs in zip(
        passes(x, w, b, dy, 1, "winograd", stride), passes(x, w, b, dy, 1, "direct", stride), strict=True
    ):
        assert relative_error(mine, theirs) < 1e-12


@pytest.mark.parametrize("isa", _runtime.available_isas())
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("layout", ["channels-last", "C order"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("shape", "filters", "padding"), SHAPES)
def test_backward_sums_up_for_a_norm(
    shape: tuple[int, ...], filters: int, padding: Any, stride: int, layout: str, relu: bool, isa: str
) -> None:
    from fastnn.functional.conv import _conv2d_backward
    from fastnn.functional.norm import _batchnorm_backward, _batchnorm_forward

    _, w, b, dy = problem(shape, filters, padding, np.float64, stride)
    rng = np.random.default_rng(5)
    before, added, joined = rng.normal(size=(3, *shape))
    if layout == "channels-last":
        before = fastnn.channels_last(before)
    gamma, beta = rng.uniform(0.5, 1.5, size=(2, shape[1]))
    with _runtime.isa_override(isa):
        x, norm = _batchnorm_forward(
            before, gamma, beta, activation="relu" if relu else None, residual=joined
        )
        _, cache = F.conv2d_forward(x, w, b, stride=stride, padding=padding, algo="winograd")
        whole, _, _, none = _conv2d_backward(dy, cache, dx_residual=added)
        assert none is None
        assert whole is not None
        expected = _batchnorm_backward(whole, norm)
        dx, _, _, sums = _conv2d_backward(dy, cache, dx_residual=added, norm=norm)
        assert dx is not None
        assert sums is not None
        np.testing.assert_array_equal(dx, np.where((x > 0) | (not relu), whole, 0))
        results = _batchnorm_backward(dx, norm, sums=sums)
    assert results[3] is dx
    for mine, theirs in zip(results, expected, strict=True):
        assert mine is not None
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-10)


def test_a_norm_is_told_only_where_it_pays() -> None:
    from fastnn.functional.conv import _conv2d_backward
    from fastnn.functional.norm import _batchnorm_backward

    x, w, b, dy = problem((2, 6, 8, 8), 9, 1, np.float64)
    y, norm = F.batchnorm_forward(x, np.ones(6), np.zeros(6), activation="relu")
    _, cache = F.conv2d_forward(y, w, b, padding=1, algo="direct")
    assert _conv2d_backward(dy, cache, norm=norm)[3] is None
    _, cache = F.conv2d_forward(y, w, b, padding=1, algo="winograd")
    dx, _, _, sums = _conv2d_backward(dy, cache, norm=norm)
    assert dx is not None
    assert sums is not None
    # Without a residual nobody else needs the gradient: dx of the norm takes its place.
    assert _batchnorm_backward(dx, norm, sums=sums)[0] is dx
    with pytest.raises(ValueError, match=r"^\[conv2d_backward\] norm_x: expected shape "):
        _conv2d_backward(dy, cache, norm=norm._replace(x=x[:, :, 1:]))
    with pytest.raises(ValueError, match=r"^\[batchnorm_backward\] sums: expected shape \(2, C\)"):
        _batchnorm_backward(dx, norm, sums=sums[:, 1:])
