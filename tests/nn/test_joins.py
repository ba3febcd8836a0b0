"""Layers side by side: sums and concatenations against PyTorch, gradients, keys, names, files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import Model, nn
from fastnn.keys import Key
from fastnn.testing.gradcheck import numerical_gradient, relative_error

X = np.random.default_rng(0).normal(size=(4, 3, 6, 5))


def conv_bn(before: int, width: int, size: int, fuse: bool = True) -> nn.Sequential:
    conv = nn.Conv2d(before, width, size, padding=size // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(width), nn.ReLU(), fuse=fuse)


def inception(fuse: bool = True) -> nn.Concat:
    """Return 1x1, 1x1 then 3x3, pooled 1x1, and the input itself: 3 channels become 2 + 4 + 2 + 3."""
    deep = nn.Sequential(conv_bn(3, 2, 1, fuse), conv_bn(2, 4, 3, fuse), fuse=fuse)
    pooled = nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(3, 2, 1), fuse=fuse)
    return nn.Concat(conv_bn(3, 2, 1, fuse), deep, pooled, nn.Sequential())


def branched(fuse: bool = True) -> nn.Sequential:
    """Return a net with sums and concatenations of images and of rows, nested, with identities."""
    norm = nn.Sequential(nn.Conv2d(11, 5, 3, bias=False), nn.BatchNorm2d(5), fuse=fuse)
    rows = nn.Sequential(nn.Linear(10, 4), nn.ReLU(), fuse=fuse)
    return nn.Sequential(
        *(nn.Conv2d(3, 3, 1), inception(fuse), nn.Parallel(nn.Conv2d(11, 5, 3), norm, norm), nn.ReLU()),
        *(nn.Concat(nn.GlobalAvgPool2d(), nn.MaxPool2d((4, 3))), nn.Flatten()),
        nn.Parallel(rows, nn.Linear(10, 4), nn.Concat(nn.Linear(10, 1), nn.Linear(10, 3))),
        *(nn.Concat(nn.Linear(4, 2), nn.Sequential()), nn.Parallel(nn.Sequential()), nn.Linear(6, 3)),
        fuse=fuse,
    ).astype(np.float64)


def gradients(net: nn.Layer, x: Any = X) -> tuple[Any, Any, dict[str, Any]]:
    net.zero_grads()
    y, cache = net.forward(x, train=True, key=Key(1))
    dx = net.backward(np.cos(np.arange(y.size)).reshape(y.shape).astype(y.dtype), cache)
    return y, dx, {name: grad.copy() for name, grad in net.grads.items()}


def test_names_are_those_of_a_module_list() -> None:
    net = branched()
    assert list(net.params)[2:6] == ["1.0.0.weight", "1.0.1.weight", "1.0.1.bias", "1.1.0.0.weight"]
    assert "2.1.1.running_var" in net.buffers
    assert net.aliases["2.2.0.weight"] == "2.1.0.weight"
    assert net.layer("6.2.1") is net.layer("6").layer("2").layer("1")  # type: ignore[attr-defined]


def test_values_and_gradients_are_torch_s() -> None:
    torch = pytest.importorskip("torch")
    t = torch.nn

    class Sum(t.ModuleList):
        def forward(self, x: Any) -> Any:
            return sum(branch(x) for branch in self)

    class Cat(t.ModuleList):
        def forward(self, x: Any) -> Any:
            return torch.cat([branch(x) for branch in self], 1)

    def block(before: int, width: int, size: int) -> Any:
        conv = t.Conv2d(before, width, size, padding=size // 2, bias=False)
        return t.Sequential(conv, t.BatchNorm2d(width), t.ReLU())

    pooled = t.Sequential(t.MaxPool2d(3, 1, 1), t.Conv2d(3, 2, 1))
    theirs = t.Sequential(
        t.Conv2d(3, 3, 1),
        Cat([block(3, 2, 1), t.Sequential(block(3, 2, 1), block(2, 4, 3)), pooled, t.Sequential()]),
        Sum([t.Conv2d(11, 5, 3), t.Sequential(t.Conv2d(11, 5, 3), t.BatchNorm2d(5))]),
        t.ReLU(),
        Cat([t.AdaptiveAvgPool2d(1), t.MaxPool2d((4, 3))]),
        t.Flatten(),
        Sum([t.Sequential(t.Linear(10, 4), t.ReLU()), t.Linear(10, 4)]),
        t.Linear(4, 2),
    ).double()
    net = nn.Sequential(
        *(nn.Conv2d(3, 3, 1), inception()),
        nn.Parallel(nn.Conv2d(11, 5, 3), nn.Sequential(nn.Conv2d(11, 5, 3), nn.BatchNorm2d(5))),
        *(nn.ReLU(), nn.Concat(nn.GlobalAvgPool2d(), nn.MaxPool2d((4, 3))), nn.Flatten()),
        *(nn.Parallel(nn.Sequential(nn.Linear(10, 4), nn.ReLU()), nn.Linear(10, 4)), nn.Linear(4, 2)),
    )
    model = Model(net, dtype=np.float64)
    model.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    x = torch.tensor(X, requires_grad=True)
    expected = theirs(x)
    dy = np.cos(np.arange(8.0)).reshape(4, 2)
    expected.backward(torch.tensor(dy))
    y, cache = model.forward(X, train=True)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(model.backward(dy, cache), x.grad.numpy(), rtol=1e-9, atol=1e-12)
    for name, value in theirs.named_parameters():
        np.testing.assert_allclose(model.grads[name], value.grad.numpy(), rtol=1e-9, atol=1e-11, err_msg=name)


def test_gradients() -> None:
    net = branched()
    _, dx, grads = gradients(net)

    def scores(_: Any) -> Any:
        return net.forward(X, train=True)[0]

    dy = np.cos(np.arange(12)).reshape(4, 3)
    for name, value in net.params.items():
        if value.size < 80:
            assert relative_error(grads[name], numerical_gradient(scores, value, dy)) < 1e-5, name
    assert relative_error(dx, numerical_gradient(scores, X, dy)) < 1e-5


def test_branches_run_fused_inside() -> None:
    fused, plain = branched(), branched(fuse=False)
    inner = fused.layer("1.1.1")
    assert isinstance(inner, nn.Sequential)
    assert inner.plan() == ["0 Conv2d + 1 BatchNorm2d + 2 ReLU"]
    (y, dx, grads), (expected, expected_dx, expected_grads) = gradients(fused), gradients(plain)
    np.testing.assert_allclose(y, expected, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(dx, expected_dx, rtol=1e-9, atol=1e-11)
    for name, grad in grads.items():
        np.testing.assert_allclose(grad, expected_grads[name], rtol=1e-9, atol=1e-10, err_msg=name)


def test_images_stay_channels_last() -> None:
    y = nn.Concat(nn.Conv2d(3, 8, 3), nn.Conv2d(3, 4, 3))(X.astype(np.float32))
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous
    y = nn.Parallel(nn.Conv2d(3, 8, 3), nn.Conv2d(3, 8, 3))(X.astype(np.float32))
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous


def test_inputs_and_gradients_are_not_written() -> None:
    for net in (nn.Parallel, nn.Concat):
        joined = net(nn.Sequential(), nn.ReLU(), nn.Sequential(), nn.Dropout())
        x, dy = X.copy(), np.ones((4, 3 if net is nn.Parallel else 12, 6, 5))
        for array in (x, dy):
            array.flags.writeable = False
        _, cache = joined.forward(x, train=True, key=Key(1))
        joined.backward(dy, cache)


def test_keys_name_the_branch() -> None:
    y, _ = nn.Concat(nn.Dropout(), nn.Dropout()).forward(np.ones((4, 64)), train=True, key=Key(1))
    assert (y[:, :64] != y[:, 64:]).any()


def test_nothing_runs_where_no_gradient_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    net = nn.Parallel(nn.ReLU(), nn.Linear(3, 3))
    y, cache = net.forward(np.ones((2, 3), np.float32), train=True)

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("ran for nothing")

    monkeypatch.setattr(nn.ReLU, "backward", refuse)
    assert net.backward(y, cache, need_dx=False) is None
    assert net.grads["1.weight"].any()
    with pytest.raises(AssertionError, match="for nothing"):
        net.backward(y, cache)


class Halve:
    """A layer as a user writes it: no base class, no need_dx."""

    def __init__(self) -> None:
        self.params = {"factor": np.array([0.5])}

    def forward(self, x: Any, *, train: bool = False, key: Any = None) -> tuple[Any, Any]:
        return self.params["factor"] * x, x

    def backward(self, dy: Any, cache: Any, grads: Any = None) -> Any:
        grads["factor"] += (dy * cache).sum()
        return self.params["factor"] * dy


@pytest.mark.parametrize("join", [nn.Parallel, nn.Concat])
def test_hand_written_branches(join: Any) -> None:
    model = Model(nn.Sequential(join(Halve(), nn.Tanh(), Halve())), "mse", dtype=np.float64)
    x, dy = np.random.default_rng(2).normal(size=(2, 4, 3))
    dy = dy if join is nn.Parallel else np.concatenate([dy, dy, dy], axis=1)
    y, cache = model.forward(x, train=True)
    pieces = [x / 2, np.tanh(x), x / 2]
    np.testing.assert_allclose(y, sum(pieces) if join is nn.Parallel else np.concatenate(pieces, axis=1))
    dx = model.backward(dy, cache)
    assert relative_error(dx, numerical_gradient(lambda _: model.forward(x, train=True)[0], x, dy)) < 1e-7
    np.testing.assert_allclose(model.grads["0.0.factor"], (dy[:, :3] * x).sum())


def test_no_examples() -> None:
    net = branched()
    y, cache = net.forward(X[:0])
    assert y.shape == (0, 3)
    assert net.backward(y, cache).shape == (0, 3, 6, 5)


def test_watchers_see_branches() -> None:
    net, seen = branched(), []
    expected = gradients(branched())
    net.watch(lambda path, y, dy: seen.append((path, dy is None)), ["1.1", "6.0", "1"])
    _, dx, _ = gradients(net)
    np.testing.assert_allclose(dx, expected[1], rtol=1e-9, atol=1e-12)
    assert [path for path, forward in seen if forward] == ["1.1", "1", "6.0"]
    assert [path for path, forward in seen if not forward] == ["6.0", "1", "1.1"]


def test_walk_sees_every_layer_once_and_a_summary_counts_it() -> None:
    model = Model(nn.Sequential(inception(), nn.Flatten()), input_shape=(3, 6, 5))
    summary = model.summary()
    assert [row.path for row in summary.rows][-3:] == ["0.2.0", "0.2.1", "1"]
    assert summary.params == 3 * 2 + 4 + (3 * 2 + 4 + 18 * 4 + 8) + 3 * 2 + 2
    assert summary.multiply_adds == 30 * (6 + 6 + 72 + 6)
    assert model.features(X, "0").shape == (4, 11, 6, 5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_model_trains_saves_and_predicts_as_one_call(dtype: Any, tmp_path: Path) -> None:
    model = Model(branched(), dtype=dtype, input_shape=(3, 6, 5))
    optimizer = fastnn.optim.SGD(0.05)
    losses = [model.train_step(X, [0, 1, 2, 0], optimizer) for _ in range(20)]
    assert losses[-1] < 0.5 * losses[0]
    expected = model.predict_scores(X)
    tolerance = 2e-5 if dtype is np.float32 else 1e-12
    np.testing.assert_allclose(model.for_inference()(X), expected, rtol=tolerance, atol=tolerance)
    model.save(tmp_path / "model.safetensors")
    loaded = Model.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict_scores(X), expected)
    assert repr(loaded.net) == repr(model.net)


def test_sums_are_planned_and_concatenations_join_plans() -> None:
    rows = nn.Parallel(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), nn.Linear(4, 4), nn.Linear(4, 4))
    shortcut = nn.Parallel(nn.Sequential(), nn.Linear(4, 4))
    planned = Model(nn.Sequential(nn.Linear(4, 4), rows, shortcut, nn.ReLU(), nn.Linear(4, 2)))
    x = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    predictor = planned.for_inference()
    assert len(predictor.stages) == 1
    np.testing.assert_allclose(predictor(x), planned.predict_scores(x), rtol=1e-5, atol=1e-6)
    closed = Model(nn.Parallel(nn.ReLU(), nn.Tanh()))
    np.testing.assert_allclose(closed.for_inference()(x), np.maximum(x, 0) + np.tanh(x), rtol=1e-5, atol=1e-6)
    between = Model(nn.Sequential(nn.Linear(4, 4), nn.Concat(nn.Linear(4, 2), nn.ReLU()), nn.Linear(6, 2)))
    predictor = between.for_inference()
    assert len(predictor.stages) == 3
    np.testing.assert_allclose(predictor(x), between.predict_scores(x), rtol=1e-5, atol=1e-6)


def test_config_is_what_a_toml_file_says() -> None:
    branches = [{"type": "Linear", "in_features": 2, "out_features": 3}, {"type": "Sequential", "layers": []}]
    net = nn.from_config({"type": "Sequential", "layers": [{"type": "Concat", "branches": branches}]})
    assert repr(net) == "Sequential(Concat(Linear(in_features=2, out_features=3, bias=True), Sequential()))"
    assert repr(nn.from_config(nn.to_config(net))) == repr(net)


@pytest.mark.parametrize(
    ("run", "line"),
    [
        (lambda: nn.Parallel(), "[Parallel] branches: expected at least one, got none"),
        (lambda: nn.Concat(), "[Concat] branches: expected at least one, got none"),
        (
            lambda: nn.Parallel(nn.Linear(3, 3), nn.Linear(3, 2))(np.ones((2, 3), np.float32)),
            "[Parallel] branch 1: expected the first's shape (2, 3), got (2, 2)",
        ),
        (
            lambda: nn.Concat(nn.Sequential(), nn.MaxPool2d(2))(X),
            "[Concat] branch 1: expected shape (4, C, 6, 5), got (4, 3, 3, 2)",
        ),
        (
            lambda: nn.from_config({"type": "Concat"}),
            "[from_config] config: expected the description of a net, got 'branches'",
        ),
    ],
)
def test_refusals_are_one_line(run: Any, line: str) -> None:
    with pytest.raises(ValueError) as caught:
        run()
    assert str(caught.value) == line
