"""Chains of batch norms and convolutions: who makes the dy of a norm sums up what the norm needs of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import _runtime, nn
from fastnn.nn.container import Link
from fastnn.testing.gradcheck import numerical_gradient, relative_error

X = np.random.default_rng(0).normal(size=(3, 2, 7, 6))


@pytest.fixture(autouse=True)
def _winograd(monkeypatch: pytest.MonkeyPatch) -> None:
    """The algorithm that sums up, which automatic choice takes for neither float64 nor few channels."""
    monkeypatch.setattr(_runtime, "_conv_algo", "winograd")


def conv_norm(before: int, width: int, *rest: nn.Layer) -> list[nn.Layer]:
    return [nn.Conv2d(before, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), *rest]


def block(width: int, fuse: bool, activation: Any, shortcut: Any = None) -> nn.Residual:
    body = (*conv_norm(width, width, nn.ReLU()), *conv_norm(width, width))
    return nn.Residual(nn.Sequential(*body, fuse=fuse), shortcut, activation)


def chain(fuse: bool = True) -> nn.Sequential:
    """Return runs, blocks with ReLU, without it and with a projection, a nested run, a norm at the end."""
    inner = nn.Sequential(*conv_norm(3, 3), fuse=fuse)
    projection = nn.Sequential(*conv_norm(3, 3), fuse=fuse)
    return nn.Sequential(
        *conv_norm(2, 3, nn.ReLU()),
        *(block(3, fuse, "relu"), block(3, fuse, None), block(3, fuse, "relu", projection), inner),
        *(nn.Residual(nn.Sequential(*conv_norm(3, 3), fuse=fuse), None, "relu"), block(3, fuse, "relu")),
        *conv_norm(3, 4, nn.ReLU()),
        fuse=fuse,
    ).astype(np.float64)


def gradients(net: nn.Layer, x: Any = X) -> tuple[Any, Any, dict[str, Any]]:
    net.zero_grads()
    y, cache = net.forward(x, train=True)
    dy = np.cos(np.arange(y.size)).reshape(y.shape).astype(y.dtype)
    before = dy.copy()
    dx = net.backward(dy, cache)
    np.testing.assert_array_equal(dy, before)
    return y, dx, {name: grad.copy() for name, grad in net.grads.items()}


def assert_same(results: Any, expected: Any) -> None:
    np.testing.assert_allclose(results[0], expected[0], rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(results[1], expected[1], rtol=1e-8, atol=1e-10)
    for name, grad in results[2].items():
        np.testing.assert_allclose(grad, expected[2][name], rtol=1e-8, atol=1e-9, err_msg=name)


def test_sums_arrive_and_gradients_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastnn.nn import norm

    given, backward = [], norm._batchnorm_backward

    def record(*args: Any, **options: Any) -> Any:
        given.append(options["sums"] is not None)
        return backward(*args, **options)

    monkeypatch.setattr(norm, "_batchnorm_backward", record)

    behind = nn.BatchNorm2d.backward_behind

    def record_behind(self: nn.BatchNorm2d, *args: Any) -> Any:
        given.append(True)
        return behind(self, *args)

    monkeypatch.setattr(nn.BatchNorm2d, "backward_behind", record_behind)
    fused = gradients(chain())
    # From the end. Not told: the last norm, whose dy is the caller's; those before and beside the paths of a
    # block that are added in another place.
    runs = {"9": [False], "8": [True, True], "7": [True], "6": [False], "5": [True, True, False]}
    runs |= {"4": [False, True], "3": [True, True], "0": [True]}
    assert given == [sums for run in runs.values() for sums in run]
    given.clear()
    assert_same(fused, gradients(chain(fuse=False)))
    assert not any(given)


def test_gradients_are_those_of_differences() -> None:
    net = chain()
    _, dx, grads = gradients(net)

    def scores(_: Any) -> Any:
        return net.forward(X, train=True)[0]

    y = scores(X)
    dy = np.cos(np.arange(y.size)).reshape(y.shape)
    for name in (
        "0.weight",
        "1.bias",
        "3.body.1.weight",
        "3.body.4.bias",
        "5.body.3.weight",
        "8.body.1.bias",
    ):
        assert relative_error(grads[name], numerical_gradient(scores, net.params[name], dy)) < 1e-5, name
    assert relative_error(dx, numerical_gradient(scores, X, dy)) < 1e-5


def test_a_watcher_sees_the_whole_gradient() -> None:
    seen: dict[bool, dict[str, Any]] = {True: {}, False: {}}
    for fuse in seen:
        net = chain(fuse)

        def watch(path: str, _: Any, dy: Any, fuse: bool = fuse) -> None:
            if dy is not None:
                seen[fuse][path] = dy

        net.watch(watch, ["1", "3", "4.body", "8"])
        gradients(net)
    assert len(seen[True]) == 4
    for path, dy in seen[True].items():
        np.testing.assert_allclose(dy, seen[False][path], rtol=1e-8, atol=1e-10, err_msg=path)


def test_norms_in_prediction_mode_take_sums_too() -> None:
    results = []
    for fuse in (True, False):
        net = chain(fuse)
        for _, layer in net.leaves():
            if isinstance(layer, nn.BatchNorm2d):
                layer.trainable = layer is not net.layer("1")
        results.append(gradients(net))
    assert_same(*results)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_same_bits_for_any_number_of_threads(threads: int) -> None:
    x = np.random.default_rng(2).normal(size=(33, 2, 6, 6)).astype(np.float32)
    with fastnn.threads(2):
        expected = gradients(chain().astype(np.float32), x)
    with fastnn.threads(threads):
        y, dx, grads = gradients(chain().astype(np.float32), x)
    np.testing.assert_array_equal(y, expected[0])
    np.testing.assert_array_equal(dx, expected[1])
    for name, grad in grads.items():
        np.testing.assert_array_equal(grad, expected[2][name])


def test_separable_convolutions_sum_up_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_runtime, "_conv_algo", "auto")

    def net(fuse: bool) -> nn.Sequential:
        def depthwise(stride: int) -> list[nn.Layer]:
            conv = nn.Conv2d(4, 4, 3, stride=stride, padding=1, groups=4, bias=False)
            return [conv, nn.BatchNorm2d(4), nn.ReLU()]

        def pointwise(before: int) -> list[nn.Layer]:
            return [nn.Conv2d(before, 4, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU()]

        layers = (*pointwise(2), *depthwise(1), *pointwise(4), *depthwise(2), *pointwise(4))
        return nn.Sequential(*layers, fuse=fuse).astype(np.float64)

    assert_same(gradients(net(True)), gradients(net(False)))
    _, cache = net(True).forward(X, train=True)
    readers = [step.product.input_norm for _, step in cache]
    assert readers[0] is None
    assert all(reader is below.norm for reader, (_, below) in zip(readers[1:], cache[:-1], strict=True))


# Kernel, groups, widths and algorithm of convolutions that apply the norm before them.
@pytest.mark.parametrize(
    ("kernel", "groups", "widths", "algo"),
    [(3, 1, (3, 4, 3), "winograd"), (1, 1, (3, 4, 3), "auto"), (3, 2, (2, 2, 2), "auto")],
)
def test_a_norm_between_convolutions_is_never_written(
    kernel: int, groups: int, widths: tuple[int, ...], algo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_runtime, "_conv_algo", algo)

    def net(fuse: bool = True, kernel: int = kernel, groups: int = groups) -> nn.Sequential:
        def run(before: int, width: int, *rest: nn.Layer) -> list[nn.Layer]:
            conv = nn.Conv2d(before, width, kernel, padding=kernel // 2, groups=groups, bias=False)
            return [conv, nn.BatchNorm2d(width), *rest]

        a, b, c = widths
        layers = (*run(2, a, nn.ReLU()), *run(a, b, nn.ReLU()), *run(b, c))
        return nn.Sequential(*layers, fuse=fuse).astype(np.float64)

    for train in (True, False):
        y, cache = net().forward(X, train=train)
        kept = [step.norm for _, step in cache]
        readers = [step.product.input_norm for _, step in cache]
        assert readers[0] is None
        assert all(reader is norm for reader, norm in zip(readers[1:], kept[:-1], strict=True))
        assert all(step.product.x is norm.x for (_, step), norm in zip(cache[1:], kept[:-1], strict=True))
        np.testing.assert_allclose(y, net(False).forward(X, train=train)[0], rtol=1e-12, atol=1e-12)
    assert_same(gradients(net()), gradients(net(False)))
    # Frozen below, so that only the last convolution's dw is made from what the norm was given.
    frozen = []
    for fuse in (True, False):
        net_ = net(fuse)
        for name in "01234":
            net_.layer(name).trainable = False
        net_.zero_grads()
        scores, cache = net_.forward(X, train=True)
        net_.backward(np.cos(scores), cache, need_dx=False)
        frozen.append({name: grad.copy() for name, grad in net_.grads.items()})
    for name, grad in frozen[0].items():
        np.testing.assert_allclose(grad, frozen[1][name], rtol=1e-8, atol=1e-10, err_msg=name)
    # A watched layer's output is written, and so is one that a direct sum reads.
    watched = net()
    watched.watch(lambda *_: None, ["2"])
    assert watched.forward(X, train=True)[1][2][1].product.input_norm is None
    monkeypatch.setattr(_runtime, "_conv_algo", "direct")
    assert all(
        step.product.input_norm is None for _, step in net(kernel=3, groups=1).forward(X, train=True)[1]
    )


def test_a_spent_cache_goes_as_it_is_used() -> None:
    x = np.random.default_rng(3).normal(size=(8, 2, 32, 32))
    net = chain()
    y, cache = net.forward(x, train=True)
    dy, peaks, results = np.cos(y), [], []
    for spend in (False, False, True):  # one that is not spent serves again
        net.zero_grads()
        _runtime.reset_peak_bytes()
        before = _runtime.peak_bytes()
        dx, _ = net.backward_chained(dy, cache, None, Link(spend=spend))
        peaks.append(_runtime.peak_bytes() - before)
        results.append((y, dx, {name: grad.copy() for name, grad in net.grads.items()}))
    assert cache == []
    assert peaks[2] < peaks[1] - x.nbytes
    for other in results[1:]:
        np.testing.assert_array_equal(other[1], results[0][1])
        for name, grad in other[2].items():
            np.testing.assert_array_equal(grad, results[0][2][name])
