"""Containers: names, shared layers, fusion, watching, hand-written layers, and what they leave out."""

from __future__ import annotations

import ast
import copy
import inspect
import pickle
import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fastnn import nn
from fastnn.keys import Key
from fastnn.testing.gradcheck import numerical_gradient, relative_error

X = np.random.default_rng(0).normal(size=(4, 2, 6, 6))


class Scale:
    """A layer as a user writes it: no base class, no need_dx, parameters of its own."""

    def __init__(self, factor: float = 2.0) -> None:
        self.params = {"factor": np.array([factor])}

    def forward(self, x: Any, *, train: bool = False, key: Any = None) -> tuple[Any, Any]:
        return self.params["factor"] * x, x

    def backward(self, dy: Any, cache: Any, grads: Any = None) -> Any:
        grads["factor"] += (dy * cache).sum()
        return self.params["factor"] * dy


def conv_net(fuse: bool = True) -> nn.Sequential:
    body = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 3, 3, padding=1), fuse=fuse)
    return nn.Sequential(
        *(nn.Conv2d(2, 3, 3, padding=1, bias=False), nn.BatchNorm2d(3), nn.ReLU()),
        *(nn.Residual(body), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(27, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 2)),
        fuse=fuse,
    ).astype(np.float64)


def gradients(net: nn.Layer, x: Any = X, seed: int = 1) -> tuple[Any, Any, dict[str, Any]]:
    net.zero_grads()
    y, cache = net.forward(x, train=True, key=Key(seed))
    dx = net.backward(np.cos(np.arange(y.size)).reshape(y.shape).astype(y.dtype), cache)
    return y, dx, {name: grad.copy() for name, grad in net.grads.items()}


def test_names_are_torch_s() -> None:
    assert list(conv_net().params)[:6] == [
        *("0.weight", "1.weight", "1.bias"),
        *("3.body.0.weight", "3.body.0.bias", "3.body.2.weight"),
    ]
    assert "3.body.0.running_var" in conv_net().buffers


def test_plan_names_the_fused_runs() -> None:
    net = conv_net()
    assert net.plan() == [
        "0 Conv2d + 1 BatchNorm2d + 2 ReLU",
        *("3 Residual", "4 MaxPool2d", "5 Flatten"),
        "6 Linear + 7 BatchNorm1d + 8 ReLU",
        "9 Linear",
    ]
    body = net.layer("3.body")
    assert isinstance(body, nn.Sequential)
    assert body.plan() == ["0 BatchNorm2d + 1 ReLU", "2 Conv2d"]
    assert len(conv_net(fuse=False).plan()) == 10


def test_fused_runs_really_run_fused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a ReLU of its own")

    monkeypatch.setattr(nn.ReLU, "forward", refuse)
    conv_net().forward(X, train=True)
    with pytest.raises(AssertionError, match="of its own"):
        conv_net(fuse=False).forward(X, train=True)


def block_net(fuse: bool = True) -> nn.Sequential:
    """Residual blocks that end in batch norm, with and without ReLU, shortcut and products without one."""
    layers: list[nn.Layer] = [nn.Conv2d(2, 3, 3, padding=1), nn.ReLU()]
    for width, stride, activation in ((3, 1, "relu"), (4, 2, "relu"), (4, 1, None)):
        before = 4 if activation is None else 3
        body = (nn.Conv2d(before, width, 3, stride=stride, padding=1), nn.ReLU(), nn.Conv2d(width, width, 1))
        shortcut = nn.Sequential(nn.Conv2d(before, width, 1, stride=stride), nn.BatchNorm2d(width), fuse=fuse)
        layers.append(
            nn.Residual(
                nn.Sequential(*body, nn.BatchNorm2d(width), fuse=fuse),
                shortcut if stride > 1 else None,
                "relu" if activation else None,
            )
        )
    layers += [nn.Flatten(), nn.Linear(36, 6), nn.BatchNorm1d(6), nn.Linear(6, 5), nn.ReLU()]
    return nn.Sequential(*layers, fuse=fuse).astype(np.float64)


def test_products_take_the_statistics_and_norms_the_residual(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastnn.nn import norm

    calls, forward = [], norm._batchnorm_forward

    def record(*args: Any, **options: Any) -> Any:
        calls.append((options["statistics"] is not None, options["residual"] is not None))
        return forward(*args, **options)

    monkeypatch.setattr(norm, "_batchnorm_forward", record)
    block_net().forward(X, train=True)
    assert calls == [(True, True), (True, False), (True, True), (True, True), (True, False)]
    calls.clear()
    block_net(fuse=False).forward(X, train=True)
    assert calls == [(False, False)] * 5


def test_convolutions_add_the_gradient_of_the_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastnn.nn import conv

    added, backward = [], conv._conv2d_backward

    def record(*args: Any, **options: Any) -> Any:
        added.append(options["dx_residual"] is not None)
        return backward(*args, **options)

    monkeypatch.setattr(conv, "_conv2d_backward", record)
    gradients(block_net())
    assert added == [False, True, False, False, False, False, True, False]
    added.clear()
    gradients(block_net(fuse=False))
    assert not any(added)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fused_gradients_are_the_same_bits_for_any_number_of_threads(dtype: Any, threads: int) -> None:
    import fastnn

    x = np.random.default_rng(2).normal(size=(64, 2, 6, 6)).astype(dtype)
    with fastnn.threads(2):
        expected = gradients(block_net().astype(dtype), x)
    with fastnn.threads(threads):
        y, dx, grads = gradients(block_net().astype(dtype), x)
    np.testing.assert_array_equal(y, expected[0])
    np.testing.assert_array_equal(dx, expected[1])
    for name, grad in grads.items():
        np.testing.assert_array_equal(grad, expected[2][name])


def test_gradients_of_fused_blocks() -> None:
    net = block_net()
    _, dx, grads = gradients(net)

    def scores(_: Any) -> Any:
        return net.forward(X, train=True)[0]

    y = scores(X)
    dy = np.cos(np.arange(y.size)).reshape(y.shape)
    for name in ("0.weight", "2.body.3.weight", "3.shortcut.0.weight", "3.body.2.weight", "6.weight"):
        assert relative_error(grads[name], numerical_gradient(scores, net.params[name], dy)) < 1e-5, name
    assert relative_error(dx, numerical_gradient(scores, X, dy)) < 1e-5


def test_a_watched_block_runs_unfused() -> None:
    net, seen = block_net(), []
    expected = gradients(block_net())
    net.watch(lambda path, y, dy: seen.append((path, dy is None)), ["2.body", "3.body.3", "4.body.3"])
    y, dx, grads = gradients(net)
    assert len(seen) == 6
    np.testing.assert_allclose(y, expected[0], rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(dx, expected[1], rtol=1e-9, atol=1e-11)
    for name, grad in grads.items():
        np.testing.assert_allclose(grad, expected[2][name], rtol=1e-9, atol=1e-10)


def pooled_net(fuse: bool = True) -> nn.Sequential:
    first = (nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Conv2d(4, 3, 1), nn.ReLU())
    layers = (*first, nn.MaxPool2d(1), nn.ReLU(), nn.MaxPool2d(3), nn.Flatten(), nn.Linear(3, 2))
    return nn.Sequential(*layers, fuse=fuse).astype(np.float64)


def test_pooling_before_the_mask_gives_the_same_bits() -> None:
    fused, plain = pooled_net(), pooled_net(fuse=False)
    assert fused.plan()[:2] == [
        "0 Conv2d + 1 ReLU + 2 MaxPool2d",
        "3 Conv2d + 4 ReLU + 5 MaxPool2d",
    ]
    (y, dx, grads), (expected_y, expected_dx, expected_grads) = gradients(fused), gradients(plain)
    np.testing.assert_array_equal(y, expected_y)
    np.testing.assert_array_equal(dx, expected_dx)
    for name, grad in grads.items():
        np.testing.assert_array_equal(grad, expected_grads[name])


@pytest.mark.parametrize("build", [conv_net, block_net])
def test_fusion_does_not_change_the_numbers(build: Any) -> None:
    fused, plain = build(), build(fuse=False)
    for (y1, dx1, g1), (y2, dx2, g2) in [(gradients(fused), gradients(plain))]:
        np.testing.assert_allclose(y1, y2, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(dx1, dx2, rtol=1e-10, atol=1e-12)
        for name in g1:
            np.testing.assert_allclose(g1[name], g2[name], rtol=1e-10, atol=1e-11)
    for name, value in fused.buffers.items():
        np.testing.assert_allclose(value, plain.buffers[name], rtol=1e-12)
    np.testing.assert_allclose(fused(X), plain(X), rtol=1e-12, atol=1e-12)


def test_a_subclass_is_never_fused() -> None:
    class Leaky(nn.ReLU):
        pass

    assert len(nn.Sequential(nn.BatchNorm1d(3), Leaky()).plan()) == 2


def test_a_layer_that_stands_twice() -> None:
    shared = nn.Linear(4, 4)
    net = nn.Sequential(shared, nn.ReLU(), nn.Residual(nn.Sequential(shared, nn.ReLU()))).astype(np.float64)
    assert list(net.params) == ["0.weight", "0.bias"]
    assert net[0] is net.layer("2.body.0")
    x = np.random.default_rng(3).normal(size=(3, 4))
    y, _, grads = gradients(net, x)
    dy = np.cos(np.arange(y.size)).reshape(y.shape)
    for name, value in net.params.items():
        assert relative_error(grads[name], numerical_gradient(lambda _: net(x), value, dy)) < 1e-6
    given = {name: np.zeros_like(value) for name, value in net.params.items()}
    net.backward(dy, net.forward(x)[1], given)
    for name in given:
        np.testing.assert_allclose(given[name], grads[name], rtol=1e-12)


def test_the_same_dropout_twice_draws_two_masks() -> None:
    drop = nn.Dropout(0.5)
    net = nn.Sequential(drop, drop)
    y, _ = net.forward(np.ones((50, 40)), train=True, key=Key(1))
    assert 0.2 < np.mean(y != 0) < 0.3
    assert set(np.unique(y)) == {0.0, 4.0}


def test_a_hand_written_layer_trains() -> None:
    scale = Scale()
    net = nn.Sequential(nn.Linear(3, 4).astype(np.float64), scale, nn.ReLU(), scale)
    x = np.random.default_rng(5).normal(size=(4, 3))
    y, dx, grads = gradients(net, x)
    dy = np.cos(np.arange(y.size)).reshape(y.shape)
    assert list(grads) == ["0.weight", "0.bias", "1.factor"]
    assert relative_error(dx, numerical_gradient(lambda _: net(x), x, dy)) < 1e-6
    expected = numerical_gradient(lambda _: net(x), net.params["1.factor"], dy)
    assert relative_error(grads["1.factor"], expected) < 1e-6


def test_what_is_no_layer_is_refused() -> None:
    with pytest.raises(TypeError) as caught:
        nn.Sequential(nn.Linear(2, 2), np.tanh)
    assert str(caught.value) == "[Sequential] layer: expected an object with forward and backward, got ufunc"
    with pytest.raises(TypeError, match="got the class ReLU"):
        nn.Sequential(nn.ReLU)


def test_a_watcher_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^\[watch\] watcher: expected a callable, got int$"):
        nn.Sequential(nn.ReLU()).watch(3)  # type: ignore[arg-type]


def test_watchers_see_activations_and_gradients() -> None:
    net, seen = conv_net(), []
    expected = gradients(conv_net())
    stop = net.watch(lambda path, y, dy: seen.append((path, y, dy)), ["1", "3.body.1", "3"])
    assert net.plan()[:3] == ["0 Conv2d", "1 BatchNorm2d", "2 ReLU"]
    y, dx, grads = gradients(net)
    np.testing.assert_allclose(y, expected[0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dx, expected[1], rtol=1e-10, atol=1e-12)
    assert [(path, dy is None) for path, _, dy in seen] == [
        *(("1", True), ("3.body.1", True), ("3", True)),
        *(("3", False), ("3.body.1", False), ("1", False)),
    ]
    for path, activation, gradient in seen:
        assert activation.shape == (4, 3, 6, 6), path
        assert gradient is None or gradient.shape == activation.shape
    assert seen[1][1].min() >= 0
    # The gradient at a layer's output is what its bias adds up.
    np.testing.assert_allclose(seen[-1][2].sum(axis=(0, 2, 3)), grads["1.bias"], rtol=1e-10)
    stop()
    assert net.plan()[0] == "0 Conv2d + 1 BatchNorm2d + 2 ReLU"
    seen.clear()
    gradients(net)
    assert not seen


def test_a_watcher_of_the_first_layer_gets_its_gradient_without_dx() -> None:
    net, seen = nn.Sequential(nn.Flatten(), nn.Linear(72, 2).astype(np.float64)), []
    net.watch(lambda path, y, dy: seen.append((path, dy is None)))
    y, cache = net.forward(X)
    net.backward(y, cache, need_dx=False)
    assert seen == [("0", True), ("1", True), ("1", False), ("0", False)]


def test_two_watchers_and_either_order_of_leaving() -> None:
    net, seen = nn.Sequential(nn.ReLU()), []
    first = net.watch(lambda *_: seen.append("first"))
    second = net.watch(lambda *_: seen.append("second"), ["0"])
    net(X)
    first()
    net(X)
    second()
    second()
    net(X)
    assert seen == ["first", "second", "second"]


@pytest.mark.parametrize("path", ["0", "3", "3.body", "6"])
def test_a_watcher_may_leave_while_it_watches(path: str) -> None:
    layers = list(conv_net().children.values())
    net, seen = nn.Sequential(*layers[:6], nn.Sequential(*layers[6:])), []
    expected = gradients(net)

    def once(*_: Any) -> None:
        seen.append(path)
        stop()

    stop = net.watch(once, [path])
    for found, wanted in zip(gradients(net)[:2], expected[:2], strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)
    assert seen == [path]


def test_an_unknown_path_is_refused() -> None:
    for path in ("10", "3.head", "0.weight", ""):
        with pytest.raises(ValueError, match=r"^\[\w+\] layer: expected a path below it, got '"):
            conv_net().watch(print, [path])


def test_copies_leave_watchers_behind() -> None:
    net, seen = conv_net(), []
    net.watch(lambda *_: seen.append(1))
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(twin(X), net.astype(np.float64)(X))
        seen.clear()
        twin(X)
        assert not seen
        assert twin.plan() == conv_net().plan()


def test_keys_go_to_those_who_look_at_them() -> None:
    seen: list[Key | None] = []

    class Noisy(nn.Linear):
        def forward(self, x: Any, *, train: bool = False, key: Key | None = None) -> tuple[Any, Any]:
            seen.append(key)
            return super().forward(x, train=train, key=key)

    assert Noisy.uses_key
    assert not nn.Linear.uses_key
    net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(Noisy(2, 2)), nn.Residual(nn.Linear(2, 2)))
    key = Key.from_seed(1)
    net.forward(np.ones((3, 2), np.float32), train=True, key=key)
    assert seen == [key.fold(1).fold(0)]
    assert not net[2].uses_key


def kinds_of_layers() -> list[type[nn.Layer]]:
    kinds = [getattr(nn, name) for name in nn.__all__]
    return [k for k in kinds if isinstance(k, type) and issubclass(k, nn.Layer) and k is not nn.Layer]


@pytest.mark.parametrize("kind", [k for k in kinds_of_layers() if not issubclass(k, nn.Container)])
def test_a_layer_says_whether_it_looks_at_keys(kind: type[nn.Layer]) -> None:
    body = ast.walk(ast.parse(textwrap.dedent(inspect.getsource(kind.forward))))
    assert kind.uses_key == any(isinstance(node, ast.Name) and node.id == "key" for node in body)


def test_nothing_runs_below_the_first_trainable_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2), fuse=False)
    net[0].trainable = False
    y, cache = net.forward(np.ones((2, 3), np.float32), train=True)

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("ran for nothing")

    monkeypatch.setattr(nn.ReLU, "backward", refuse)
    assert net.backward(y, cache, need_dx=False) is None
    assert net.grads["2.weight"].any()
    with pytest.raises(AssertionError, match="for nothing"):
        net.backward(y, cache)


@pytest.mark.parametrize("kind", kinds_of_layers())
def test_a_layer_says_whether_it_can_skip_dx(kind: type[nn.Layer]) -> None:
    assert kind.can_skip_dx == ("need_dx" in inspect.signature(kind.backward).parameters)


def test_another_backward_need_not_skip_dx() -> None:
    class Doubled(nn.Linear):
        def backward(self, dy: Any, cache: Any, grads: Any = None) -> Any:  # type: ignore[override]
            return super().backward(2 * dy, cache, grads)

    class Wrapped(nn.Container):
        def forward(self, x: Any, *, train: bool = False, key: Key | None = None) -> tuple[Any, Any]:
            return self._forward_child("0", x, train, key)

        def backward(self, dy: Any, cache: Any, grads: Any = None) -> Any:
            return self._backward_child("0", dy, cache, grads)

    for first in (Doubled(2, 3), Wrapped({"0": nn.Linear(2, 3)})):
        net = nn.Sequential(first, nn.ReLU())
        y, cache = net.forward(np.ones((3, 2), np.float32), train=True)
        assert net.backward(np.ones_like(y), cache, need_dx=False) is None
        assert not first.can_skip_dx


def test_walk_visits_parts_before_the_whole() -> None:
    net = conv_net()
    visits = list(net.walk(X))
    assert [path for path, *_ in visits][3:7] == ["3.body.0", "3.body.1", "3.body.2", "3.body"]
    np.testing.assert_allclose(visits[-1][3], net(X), rtol=1e-12, atol=1e-12)


def test_keys_name_the_path() -> None:
    def masked(net: nn.Layer) -> Any:
        return net.forward(np.ones((4, 64)), train=True, key=Key(1))[0]

    plain = masked(nn.Sequential(nn.Dropout()))
    assert (plain != masked(nn.Sequential(nn.ReLU(), nn.Dropout()))).any()
    assert (plain != masked(nn.Sequential(nn.Sequential(nn.Dropout())))).any()


def test_config_rebuilds_a_net() -> None:
    shared = nn.Linear(4, 4, bias=False)
    net = nn.Sequential(
        *(nn.Conv2d(2, 4, (3, 1), stride=(1, 2), groups=2), nn.BatchNorm2d(4, 1e-3, 0.2), nn.ReLU()),
        *(nn.AvgPool2d(2, 1, 0, False), nn.MaxPool2d(2), nn.Dropout(0.2, inverted=False)),
        *(nn.GlobalAvgPool2d(), nn.Flatten(), shared, nn.Residual(shared, nn.Linear(4, 4), "relu")),
        nn.Residual(nn.ReLU()),
        *(nn.Conv1d(2, 3, 4, padding="same"), nn.ConvTranspose2d(4, 2, (3, 1), 2, 1, 1, 2, False, (1, 2))),
        *(nn.MaxPool2d(2, ceil_mode=True), nn.AdaptiveAvgPool2d(3), nn.AdaptiveMaxPool2d((2, 1))),
        *(nn.FractionalMaxPool2d((2, 3), 4), nn.FractionalMaxPool2d(output_ratio=(0.5, 0.7))),
        *(nn.ZeroPad2d(2), nn.ReflectionPad2d((1, 0, 2, 0)), nn.Upsample((1, 2))),
        nn.Conv2d(2, 3, 2, padding="same"),
        fuse=False,
    )
    config = nn.to_config(net)
    twin = nn.from_config(config)
    assert isinstance(twin, nn.Sequential)
    assert nn.to_config(twin) == config
    assert repr(twin) == repr(net)
    assert twin.fuse is False
    assert twin[8] is twin.layer("9.body")
    assert list(twin.params) == list(net.params)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"type": "Same", "as": 4},
        {"type": "Sequential", "layers": 3, "fuse": True},
    ],
)
def test_a_strange_config_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^\[from_config\] config: expected the description of a net, got "):
        nn.from_config(config)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"type": "Layer2"}, "[from_config] type: expected a layer of fastnn.nn, got 'Layer2'"),
        ({"type": "to_config"}, "[from_config] type: expected a layer of fastnn.nn, got 'to_config'"),
        (
            {"type": "Linear", "wrong": 1},
            "[from_config] Linear: expected arguments of (in_features, out_features, bias), "
            "got missing a required argument: 'in_features'",
        ),
        (
            {"type": "ReLU", "slope": 0.1},
            "[from_config] ReLU: expected arguments of (), got an unexpected keyword argument 'slope'",
        ),
    ],
)
def test_a_misspelt_layer_or_argument_is_named(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        nn.from_config(config)
    assert str(caught.value) == message


MISFITS: dict[str, tuple[Callable[[], nn.Sequential], str]] = {
    "alone": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(3, 4)), "1"),
    "product": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(3, 4), nn.ReLU()), "1"),
    "norm": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(16, 4), nn.BatchNorm1d(5), nn.ReLU()), "2"),
    "reader": (
        lambda: nn.Sequential(nn.BatchNorm2d(1), nn.ReLU(), nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)),
        "2",
    ),
    "pool": (lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(9)), "2"),
    "nested": (
        lambda: nn.Sequential(
            nn.Flatten(),
            nn.Residual(nn.Sequential(nn.ReLU(), nn.Parallel(nn.Linear(16, 16), nn.Linear(4, 16)))),
        ),
        "1.body.1.1",
    ),
    "joined": (
        lambda: nn.Sequential(
            nn.Flatten(), nn.Residual(nn.Sequential(nn.ReLU(), nn.Linear(4, 16), nn.BatchNorm1d(16)))
        ),
        "1.body.1",
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_an_error_names_its_layer(name: str) -> None:
    build, path = MISFITS[name]
    with pytest.raises(ValueError) as caught:
        build()(np.ones((2, 1, 4, 4), np.float32))
    text = str(caught.value)
    assert text.endswith(f" (in layer {path})")
    assert text.count("in layer") == 1
    assert "\n" not in text


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("train", [True, False])
def test_a_misfit_of_body_and_shortcut_is_refused_in_one_way(fuse: bool, train: bool) -> None:
    body = nn.Sequential(
        nn.Linear(16, 16), nn.BatchNorm1d(16), nn.Linear(16, 3), nn.BatchNorm1d(3), fuse=fuse
    )
    net = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Residual(body, activation="relu"), fuse=fuse))
    with pytest.raises(ValueError) as caught:
        net.forward(np.ones((2, 1, 4, 4), np.float32), train=train)
    line = "[Residual] shortcut: expected the body's shape (2, 3), got (2, 16) (in layer 1.0)"
    assert str(caught.value) == line


def test_parts_stay_as_they_were_planned() -> None:
    net: Any = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
    for copied in (net, copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        with pytest.raises(TypeError, match="item assignment"):
            copied.children["1"] = nn.Tanh()
        with pytest.raises(AttributeError):
            copied.children = {}
        with pytest.raises(AttributeError):
            copied.fuse = False
        assert copied.plan() == ["0 Linear + 1 ReLU"]


def test_long_nets_are_printed_a_layer_a_line() -> None:
    net = nn.Sequential(nn.Linear(4, 8), nn.Residual(nn.Linear(8, 8), activation="relu"))
    assert repr(net).splitlines() == [
        "Sequential(",
        "  Linear(in_features=4, out_features=8, bias=True),",
        "  Residual(Linear(in_features=8, out_features=8, bias=True), activation='relu'),",
        ")",
    ]
    assert repr(nn.Sequential(nn.ReLU(), nn.Flatten())) == "Sequential(ReLU(), Flatten())"
