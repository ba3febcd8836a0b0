"""Convolution: what the table of operations does not say. Memory, algorithms, statistics, extreme shapes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import pytest

import fastnn
from fastnn import _core, _runtime, reference
from fastnn import functional as F
from fastnn.functional.norm import _batchnorm_forward

RNG = np.random.default_rng(0)

# x shape, w shape, settings: phases without taps, unreached input, kernels wider than the image, one of each;
# few filters on a wide row, whose pixels are taken several at a time, with some left over.
CORNERS: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 4, 4), (4, 3, 2, 2), {"stride": 7, "padding": 1, "dilation": 3}),
    ((2, 3, 11, 10), (5, 3, 3, 3), {"stride": 3, "dilation": 2, "padding": 4}),
    ((2, 3, 11, 10), (5, 3, 4, 4), {"stride": 4, "dilation": 2, "padding": 3}),
    ((2, 3, 11, 10), (5, 3, 2, 2), {"stride": 3}),
    ((1, 2, 5, 5), (3, 2, 1, 1), {"padding": 2}),
    ((2, 6, 6, 6), (3, 2, 3, 3), {"groups": 3, "padding": 1, "stride": 2}),
    ((2, 20, 7, 19), (20, 1, 3, 3), {"groups": 20, "padding": 1}),
    ((2, 20, 7, 19), (20, 1, 5, 3), {"groups": 20, "padding": (3, 0), "stride": (2, 3)}),
    ((3, 32, 7, 21), (32, 1, 3, 3), {"groups": 32, "padding": 1}),  # pairs of rows, and one more
    ((1, 16, 6, 4), (32, 1, 3, 3), {"groups": 16, "padding": (0, 2)}),
    ((3, 16, 7, 9), (16, 1, 3, 3), {"groups": 16, "padding": 1}),  # with the rows above and below: tiles of
    ((3, 16, 7, 16), (16, 1, 3, 3), {"groups": 16, "padding": 1}),  # 4 to 8 pixels
    ((1, 1, 1, 1), (1, 1, 1, 1), {}),
    ((2, 2, 3, 40), (40, 2, 1, 3), {"padding": (2, 1), "stride": (1, 2)}),
    ((5, 33, 24, 24), (40, 33, 1, 1), {}),  # long sums over pixels, in parts
    ((3, 2, 5, 29), (3, 2, 2, 5), {"padding": (0, 2)}),
    ((2, 3, 7, 41), (4, 3, 3, 5), {"padding": 2, "stride": (1, 2)}),
    ((2, 4, 6, 40), (5, 4, 2, 3), {"padding": 1, "dilation": (1, 2)}),
    ((4, 128, 9, 7), (8, 64, 1, 1), {"groups": 2, "stride": 2}),  # pixels set apart by a cache line
    ((3, 20, 1, 9), (20, 1, 3, 3), {"groups": 20, "padding": 1}),
    ((9, 20, 2, 6), (20, 1, 3, 3), {"groups": 20, "padding": 1}),  # as many taps, not the same
    ((2, 6, 9, 14), (6, 1, 3, 5), {"groups": 6, "padding": (1, 4), "dilation": (1, 2)}),
]


def integers(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    return RNG.integers(-3, 4, shape).astype(np.float32)


@pytest.fixture(params=_runtime.available_isas())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    with _runtime.isa_override(request.param):
        yield request.param


@pytest.mark.parametrize("algo", ["auto", "direct", "im2col"])
@pytest.mark.parametrize(("x_shape", "w_shape", "settings"), CORNERS)
def test_corner_shapes_equal_the_reference(
    isa: str, algo: str, x_shape: tuple[int, ...], w_shape: tuple[int, ...], settings: dict[str, Any]
) -> None:
    x, w, b = integers(x_shape), integers(w_shape), integers(w_shape[:1])
    expected, reference_cache = reference.conv2d_forward(x, w, b, **settings)
    y, cache = F.conv2d_forward(x, w, b, algo=algo, **settings)
    np.testing.assert_array_equal(y, expected)
    dy = integers(y.shape)
    gradients = F.conv2d_backward(dy, cache)
    for mine, theirs in zip(gradients, reference.conv2d_backward(dy, reference_cache), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("groups", [1, 4, 64])
def test_memory_does_not_grow_with_the_patches(groups: int) -> None:
    """Scratch stays below the patches of one image, however many there are."""
    n, c, size = 16, 64, 32
    x = fastnn.channels_last(RNG.normal(size=(n, c, size, size)).astype(np.float32))
    w = RNG.normal(size=(c, c // groups, 5, 5)).astype(np.float32)
    patches_of_an_image = c * 25 * size * size * x.itemsize
    results = 2 * x.nbytes  # y and dx
    with fastnn.threads(2):
        _runtime.reset_peak_bytes()
        before = _runtime.peak_bytes()
        y, cache = F.conv2d_forward(x, w, padding=2, groups=groups)
        F.conv2d_backward(y, cache)
    partial_sums = 16 * w.nbytes
    assert _runtime.peak_bytes() - before < results + min(partial_sums, 12 << 20) + patches_of_an_image // 2


def test_results_are_channels_last() -> None:
    y, cache = F.conv2d_forward(integers((2, 3, 5, 6)), integers((4, 3, 3, 3)), padding=1)
    dx, dw, _ = F.conv2d_backward(y, cache)
    assert dx is not None
    for image in (y, dx):
        assert image.transpose(0, 2, 3, 1).flags.c_contiguous
    assert dw.flags.c_contiguous


def test_the_first_layer_needs_no_dx() -> None:
    y, cache = F.conv2d_forward(integers((2, 3, 5, 6)), integers((4, 3, 3, 3)))
    dx, dw, db = F.conv2d_backward(y, cache, need_dx=False)
    assert dx is None
    assert db is None
    np.testing.assert_array_equal(dw, F.conv2d_backward(y, cache)[1])


@pytest.mark.parametrize(
    ("algo", "c", "f", "groups", "kernel", "stride"),
    [
        (algo, *layer, 1)
        for algo in ("direct", "im2col")
        for layer in [(8, 20, 1, 3), (8, 20, 1, 1), (8, 16, 2, 3), (8, 8, 8, 3), (5, 20, 5, 3)]
    ]
    # Few filters, some, and many beside few tiles.
    + [("winograd", 8, filters, 1, 3, stride) for filters in (5, 40, 200) for stride in (1, 2)],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_statistics_of_the_output(
    algo: str, c: int, f: int, groups: int, kernel: int, stride: int, threads: int
) -> None:
    """Good where raw sums of squares are not: mean 1e3, sigma 1."""
    x = RNG.normal(size=(8, c, 9, 11)).astype(np.float32)
    w = RNG.normal(size=(f, c // groups, kernel, kernel)).astype(np.float32)
    w /= np.sqrt(w[0].size)
    b = np.full(f, 1e3, np.float32)
    with fastnn.threads(threads):
        options = _core.ConvOptions("conv2d_forward", (stride, stride), (0, 0), (1, 1), groups, algo)
        y, (mean, var) = _core.conv2d_forward(x, w, b, options, stats=True)
    exact = y.astype(np.float64)
    np.testing.assert_allclose(mean, exact.mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(var, exact.var((0, 2, 3)), rtol=1e-3)


# Small images, whose padding meets many taps. Rows of a tile are pixels of a row, or, with images and terms
# enough, one pixel of several images.
SMALL = [
    # images, channels, filters, size, kernel, settings
    *((n, 40, 24, (size, size), 3, {"padding": 1}) for n in (1, 17) for size in range(1, 10)),
    *((9, 20, 40, (5, 4), kernel, {"padding": pad}) for kernel in (2, 5) for pad in (2, 3, 7)),
    *((9, 33, 35, (6, 13), 3, {"padding": pad, "dilation": pad}) for pad in (2, 5, 14)),
    *((n, 36, 20, (7, 9), 5, {"padding": (2, 3), "stride": 2}) for n in (2, 15)),
    (16, 64, 12, (4, 3), 4, {"padding": (3, 1), "stride": (1, 3), "dilation": (2, 1)}),
    (30, 96, 34, (3, 5), 3, {"padding": 1, "groups": 2}),
    (3, 8, 8, (6, 16), 7, {"padding": 3}),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "c", "f", "size", "kernel", "settings"), SMALL)
def test_small_images_equal_the_reference(
    isa: str,
    dtype: type[np.floating[Any]],
    n: int,
    c: int,
    f: int,
    size: tuple[int, int],
    kernel: int,
    settings: dict[str, Any],
) -> None:
    x, b = integers((n, c, *size)).astype(dtype), integers((f,)).astype(dtype)
    w = integers((f, c // settings.get("groups", 1), kernel, kernel)).astype(dtype)
    expected, reference_cache = reference.conv2d_forward(x, w, b, **settings)
    dy = integers(expected.shape).astype(dtype)
    gradients = reference.conv2d_backward(dy, reference_cache)
    for threads in (1, 3):
        with fastnn.threads(threads):
            y, cache = F.conv2d_forward(x, w, b, algo="direct", **settings)
            np.testing.assert_array_equal(y, expected)
            for mine, theirs in zip(F.conv2d_backward(dy, cache), gradients, strict=True):
                np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("n", "size"), [(1, 4), (17, 4), (17, 8), (23, 4)])
def test_small_images_take_part_in_epilogues(isa: str, n: int, size: int, threads: int) -> None:
    """Outputs that the last column of taps does not meet are finished too, each once."""
    x, b = integers((n, 40, size, size)), integers((70,))
    w = integers((70, 40, 3, 3))
    options = _core.ConvOptions("conv2d_forward", (1, 1), (1, 1), (1, 1), 1, "direct")
    expected, _ = reference.conv2d_forward(x, w, b, padding=1)
    with fastnn.threads(threads):
        y, (mean, var) = _core.conv2d_forward(x, w, b, options, stats=True)
        cut, _ = _core.conv2d_forward(x, w, b, options, False, True)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(cut, np.maximum(expected, 0))
    np.testing.assert_allclose(mean, expected.mean((0, 2, 3)), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(var, expected.var((0, 2, 3)), rtol=1e-4)


@pytest.mark.parametrize("n", [1, 17])
def test_weights_meet_no_padding_of_small_images(isa: str, n: int) -> None:
    """An infinite weight leaves outputs alone that meet it in the padding only."""
    x, w = np.ones((n, 40, 4, 4), np.float32), np.ones((40, 40, 3, 3), np.float32)
    w[1, 7, 0, 0] = np.inf
    y, cache = F.conv2d_forward(x, w, padding=1, algo="direct")
    assert np.isfinite(np.delete(y, 1, axis=1)).all()
    assert np.isfinite(y[:, 1, 0]).all()
    assert np.isfinite(y[:, 1, :, 0]).all()
    assert np.isposinf(y[:, 1, 1:, 1:]).all()
    dx, _, _ = F.conv2d_backward(np.ones_like(y), cache)
    assert dx is not None
    assert np.isfinite(np.delete(dx, 7, axis=1)).all()
    assert np.isposinf(dx[:, 7, :3, :3]).all()
    assert np.isfinite(dx[:, 7, 3]).all()
    assert np.isfinite(dx[:, 7, :, 3]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_no_weight_is_skipped(bad: float) -> None:
    x = np.ones((1, 2, 5, 5), np.float32)
    x[0, 1, 2, 2] = bad
    y, _ = F.conv2d_forward(x, np.zeros((3, 2, 3, 3), np.float32))
    assert np.isnan(y).all()  # every place of the kernel covers the middle, and 0 times it is not a number


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_pixels_taken_together_keep_what_is_not_finite(isa: str, bad: float) -> None:
    """It reaches every output that the definition says, and the plain form reaches no other."""
    x, w = np.ones((1, 2, 6, 32), np.float32), np.ones((3, 2, 5, 5), np.float32)
    x[0, 1, 2, 9] = bad
    reached = ~np.isfinite(reference.conv2d_forward(x, w, padding=2)[0])
    assert reached.any()
    assert not reached.all()
    assert not np.isfinite(F.conv2d_forward(x, w, padding=2)[0][reached]).any()
    plain, _ = F.conv2d_forward(x, w, padding=2, algo="direct")
    np.testing.assert_array_equal(~np.isfinite(plain), reached)


@pytest.mark.parametrize(("groups", "channels", "stride"), [(1, 19, 2), (19, 19, 2), (32, 32, 1)])
def test_thread_counts_give_equal_bits(groups: int, channels: int, stride: int) -> None:
    x = RNG.normal(size=(7, channels, 13, 17)).astype(np.float32)
    w = RNG.normal(size=(2 * channels, channels // groups, 3, 3)).astype(np.float32)
    b = RNG.normal(size=2 * channels).astype(np.float32)
    results = []
    for n in (1, 2, 3):
        with fastnn.threads(n), _runtime.rendezvous():
            y, cache = F.conv2d_forward(x, w, b, padding=1, stride=stride, groups=groups)
            results.append((y, *F.conv2d_backward(y, cache)))
            assert _runtime.last_worker_count() == n
    for other in results[1:]:
        for first, second in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(first, second)


def test_sizes_beyond_memory_are_refused() -> None:
    x, w = integers((1, 1, 4, 4)), integers((1, 1, 3, 3))
    with pytest.raises(ValueError, match=r"\[conv2d_forward\] padding: expected .* got"):
        F.conv2d_forward(x, w, padding=1 << 40)
    with pytest.raises((ValueError, MemoryError)):
        F.conv2d_forward(x, w, padding=1 << 30)


def test_a_filter_of_other_channels_is_refused_in_one_line() -> None:
    with pytest.raises(ValueError) as error:
        F.conv2d_forward(integers((1, 3, 8, 8)), integers((16, 4, 3, 3)))
    text = "[conv2d_forward] w: expected shape (F, 3, KH, KW) for C=3, got (16, 4, 3, 3)"
    assert str(error.value) == text


def test_the_algorithm_of_a_shape_can_be_asked_for() -> None:
    x = RNG.normal(size=(8, 64, 16, 16)).astype(np.float32)
    w = RNG.normal(size=(64, 64, 3, 3)).astype(np.float32)
    seen = set()
    for stride, dtype in ((1, np.float32), (2, np.float32), (3, np.float32), (1, np.float64)):
        algo = fastnn.conv_algo(x.shape, w.shape, stride=stride, padding=1, dtype=dtype)
        arrays = x.astype(dtype), w.astype(dtype)
        y, _ = F.conv2d_forward(*arrays, stride=stride, padding=1)
        expected, _ = F.conv2d_forward(*arrays, stride=stride, padding=1, algo=algo)
        np.testing.assert_array_equal(y, expected)
        seen.add(algo)
    assert seen == {"winograd", "direct"}
    with pytest.raises(ValueError, match=r"^\[conv_algo\] kernel_size: expected an extent of at most"):
        fastnn.conv_algo((1, 1, 2, 2), (1, 1, 3, 3))


@pytest.mark.parametrize("algo", ["direct", "im2col", "winograd"])
def test_frozen_filters_cost_nothing(algo: str) -> None:
    x, w = RNG.normal(size=(2, 3, 6, 6)).astype(np.float32), RNG.normal(size=(4, 3, 3, 3)).astype(np.float32)
    y, cache = F.conv2d_forward(x, w, np.zeros(4, np.float32), padding=1, algo=algo)
    dx, dw, db = F.conv2d_backward(y, cache, need_dw=False)
    assert dw is None
    assert db is None
    np.testing.assert_array_equal(dx, F.conv2d_backward(y, cache)[0])
    assert F.conv2d_backward(y, cache, need_dx=False, need_dw=False) == (None, None, None)


def test_the_algorithm_can_be_chosen_for_all() -> None:
    x = fastnn.channels_last(RNG.normal(size=(4, 32, 32, 32)).astype(np.float32))
    w = RNG.normal(size=(32, 32, 3, 3)).astype(np.float32)
    winograd, _ = F.conv2d_forward(x, w, padding=1, algo="winograd")
    try:
        for algo in ("direct", "im2col"):
            fastnn.set_conv_algo(algo)
            assert fastnn.show_config()["conv_algo"] == algo
            y, cache = F.conv2d_forward(x, w, padding=1)
            expected, _ = F.conv2d_forward(x, w, padding=1, algo=algo)
            np.testing.assert_array_equal(y, expected)
            assert not np.array_equal(y, winograd)
            assert cache.options.algo == algo
            kept, _ = F.conv2d_forward(x, w, padding=1, algo="winograd")
            np.testing.assert_array_equal(kept, winograd)
    finally:
        fastnn.set_conv_algo("auto")
    with pytest.raises(ValueError, match=r"^\[set_conv_algo\] algo: expected one of .*, got 'winograd'$"):
        fastnn.set_conv_algo("winograd")


@pytest.mark.parametrize("algo", ["auto", "direct", "im2col"])
@pytest.mark.parametrize(
    ("x_shape", "w_shape", "settings"),
    [
        *CORNERS,
        ((2, 32, 8, 9), (32, 32, 3, 3), {"padding": 1}),
        ((3, 20, 7, 7), (24, 20, 1, 1), {}),
        ((2, 3, 9, 11), (16, 3, 5, 5), {"padding": 2, "stride": 2}),
        ((2, 18, 9, 11), (20, 18, 3, 3), {"padding": 1, "stride": 2}),
        ((4, 12, 1, 1), (3, 12, 4, 4), {"padding": 2, "stride": 3}),  # phases of one pixel
        ((17, 40, 4, 5), (40, 40, 3, 3), {"padding": 1}),  # tiles along images
        ((17, 40, 7, 6), (96, 40, 3, 3), {"padding": 1, "stride": 2}),
        ((3, 16, 4, 1), (1, 16, 1, 3), {"padding": (0, 1), "stride": (1, 2)}),
    ],
)
def test_dx_takes_a_residual(
    algo: str, x_shape: tuple[int, ...], w_shape: tuple[int, ...], settings: dict[str, Any]
) -> None:
    from fastnn.functional.conv import _conv2d_backward

    x, w, residual = integers(x_shape), integers(w_shape), integers(x_shape)
    y, cache = F.conv2d_forward(x, w, algo=algo, **settings)
    dy = integers(y.shape)
    expected, expected_dw, _ = F.conv2d_backward(dy, cache)
    for added in (residual, fastnn.channels_last(residual), residual[::-1, :, ::-1]):
        before = added.copy()
        dx, dw, *_ = _conv2d_backward(dy, cache, dx_residual=added)
        np.testing.assert_allclose(dx, expected + added, rtol=1e-5, atol=1e-4)
        np.testing.assert_array_equal(dw, expected_dw)
        np.testing.assert_array_equal(added, before)
    with pytest.raises(ValueError, match=r"^\[conv2d_backward\] dx_residual: expected shape "):
        _conv2d_backward(dy, cache, dx_residual=np.zeros((9, 9), np.float32))


# x shape, filters, padding: edges only and pixels inside, lanes left over, more filters than tiles, one group
# of tiles and several.
@pytest.mark.parametrize(
    ("x_shape", "filters", "padding"),
    [
        ((2, 3, 5, 6), 4, 1),
        ((2, 17, 8, 8), 20, (0, 2)),
        ((1, 33, 4, 4), 40, 1),
        ((3, 16, 17, 18), 16, 1),
        ((65, 4, 16, 16), 5, 1),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ["relu", None])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_norm_is_applied_to_pixels_as_they_are_read(
    isa: str,
    x_shape: tuple[int, ...],
    filters: int,
    padding: Any,
    dtype: Any,
    activation: Literal["relu"] | None,
    stride: int,
) -> None:
    # A large mean: the same roundings, so the same bits, as if the norm had run by itself.
    x = fastnn.channels_last((RNG.normal(size=x_shape) + 1e3).astype(dtype))
    gamma, beta = RNG.normal(size=(2, x_shape[1])).astype(dtype)
    w = RNG.normal(size=(filters, x_shape[1], 3, 3)).astype(dtype)
    pads = padding if isinstance(padding, tuple) else (padding, padding)
    options = _core.ConvOptions("conv2d_forward", (stride, stride), pads, (1, 1), 1, "winograd")
    assert _core.conv2d_takes_input_norm(x, w, options)
    before, norm = _batchnorm_forward(x, gamma, beta, activation=activation)
    same, deferred = _batchnorm_forward(x, gamma, beta, activation=activation, deferred=True)
    assert same is x
    np.testing.assert_array_equal(deferred.statistics, norm.statistics)
    expected, _ = _core.conv2d_forward(before, w, None, options)
    y, _ = _core.conv2d_forward(x, w, None, options, input_norm=norm.arguments)
    np.testing.assert_array_equal(y, expected)
    dy = RNG.normal(size=y.shape).astype(dtype)
    dx, dw, *_ = _core.conv2d_backward(dy, x, w, options, False, True, True, input_norm=norm.arguments)
    truths = _core.conv2d_backward(dy, before, w, options, False, True, True)
    np.testing.assert_array_equal(dx, truths[0])
    if stride == 1 and x_shape[1] <= 4:  # without a norm the dw of few channels has a form of its own
        limit = 3e-6 if dtype == np.float32 else 1e-14
        assert np.linalg.norm(dw - truths[1]) <= limit * np.linalg.norm(truths[1])
    else:
        np.testing.assert_array_equal(dw, truths[1])


# 3x3 filters, several of a channel, pixels that are strided over, and padding.
@pytest.mark.parametrize(
    ("w_shape", "stride", "padding", "groups"),
    [
        ((4, 3, 3, 3), 1, 1, 1),
        ((6, 1, 3, 3), 1, 1, 3),
        ((3, 3, 1, 1), 2, 0, 1),
        ((3, 3, 1, 1), 1, 1, 1),
    ],
)
def test_an_input_norm_needs_a_convolution_that_takes_it(
    w_shape: tuple[int, ...], stride: int, padding: int, groups: int
) -> None:
    x, w = integers((2, 3, 6, 6)), integers(w_shape)
    _, norm = _batchnorm_forward(x, np.ones(3, np.float32), np.zeros(3, np.float32), deferred=True)
    settings = (stride, stride), (padding, padding), (1, 1), groups
    options = _core.ConvOptions("conv2d_forward", *settings, "direct")
    assert not _core.conv2d_takes_input_norm(x, w, options)
    with pytest.raises(
        ValueError, match=r"^\[conv2d_forward\] input_norm: expected .*, got x of shape \(2, 3, 6, 6\)$"
    ):
        _core.conv2d_forward(x, w, None, options, input_norm=norm.arguments)


def assert_close(actual: Any, expected: Any, scale: float = 1e-10) -> None:
    np.testing.assert_allclose(actual, expected.detach().numpy(), rtol=scale, atol=scale)


def test_transposed_convolution_is_torchs_over_many_settings() -> None:
    torch = pytest.importorskip("torch")
    for _ in range(60):
        groups, stride = int(RNG.integers(1, 4)), RNG.integers(1, 4, 2)
        dilation, kernel, padding = RNG.integers(1, 3, 2), RNG.integers(1, 5, 2), RNG.integers(0, 3, 2)
        extra = RNG.integers(0, stride)
        pairs = {"stride": stride, "padding": padding, "output_padding": extra, "dilation": dilation}
        settings: Any = {name: tuple(value.tolist()) for name, value in pairs.items()} | {"groups": groups}
        x = RNG.normal(size=(2, groups * int(RNG.integers(1, 4)), *RNG.integers(1, 6, 2)))
        w = RNG.normal(size=(x.shape[1], int(RNG.integers(1, 4)), *kernel))
        b = RNG.normal(size=groups * w.shape[1])
        tensors = [torch.tensor(a, requires_grad=True) for a in (x, w, b)]
        try:
            expected = torch.nn.functional.conv_transpose2d(*tensors, **settings)
        except RuntimeError:
            with pytest.raises(ValueError, match=r"^\[conv_transpose2d_forward\] padding: expected .*, got"):
                F.conv_transpose2d_forward(x, w, b, **settings)
            continue
        y, cache = F.conv_transpose2d_forward(x, w, b, **settings)
        dy = RNG.normal(size=y.shape)
        expected.backward(torch.tensor(dy))
        assert_close(y, expected)
        for gradient, tensor in zip(F.conv_transpose2d_backward(dy, cache), tensors, strict=True):
            np.testing.assert_allclose(gradient, tensor.grad, rtol=1e-10, atol=1e-10)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_same_padding_is_torchs_over_many_kernels() -> None:
    torch = pytest.importorskip("torch")
    for kernel in itertools.product((1, 2, 3, 4), (1, 2, 5)):
        for dilation in ((1, 1), (2, 3)):
            x, w = RNG.normal(size=(2, 3, 5, 4)), RNG.normal(size=(4, 3, *kernel))
            tensors = [torch.tensor(a, requires_grad=True) for a in (x, w)]
            expected = torch.nn.functional.conv2d(*tensors, padding="same", dilation=dilation)
            dy = RNG.normal(size=x.shape)[:, :1].repeat(4, axis=1)
            expected.backward(torch.tensor(dy))
            for algo in ("direct", "im2col"):
                y, cache = F.conv2d_forward(x, w, padding="same", dilation=dilation, algo=algo)
                assert_close(y, expected)
                for gradient, tensor in zip(F.conv2d_backward(dy, cache), tensors, strict=False):
                    np.testing.assert_allclose(gradient, tensor.grad, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_transposed_convolution_has_the_algorithms_of_convolution(stride: int) -> None:
    x, w, b = integers((2, 32, 8, 9)), integers((32, 32, 3, 3)), integers((32,))
    exact, exact_cache = F.conv_transpose2d_forward(x, w, b, stride=stride, padding=1, algo="direct")
    dy = integers(exact.shape)
    expected = F.conv_transpose2d_backward(dy, exact_cache)
    for algo in ("winograd", "im2col"):
        y, cache = F.conv_transpose2d_forward(x, w, b, stride=stride, padding=1, algo=algo)
        np.testing.assert_allclose(y, exact, rtol=1e-4, atol=1e-3)
        for gradient, truth in zip(F.conv_transpose2d_backward(dy, cache), expected, strict=True):
            np.testing.assert_allclose(gradient, truth, rtol=1e-4, atol=5e-3)
