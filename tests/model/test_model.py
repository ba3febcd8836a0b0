"""Model: gradients, flat buffers, steps and keys, prediction, freezing, copies, state and bad input."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from fastnn import init, losses, metrics, nn, regularizers
from fastnn.model import Model
from fastnn.nn import linear
from fastnn.testing.gradcheck import numerical_gradient, relative_error

LOSS_NAMES = str([*losses.LOSSES])[1:-1]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 2, 6, 6))
Y = np.array([0, 2, 1, 1, 0, 2])


def layers() -> list[nn.Layer]:
    block = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1, bias=False), nn.BatchNorm2d(3))
    return [
        *(nn.Conv2d(2, 3, 3, padding=1, bias=False), nn.BatchNorm2d(3), nn.ReLU()),
        *(nn.Residual(block, activation="relu"), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Dropout(0.3), nn.Linear(27, 3)),
    ]


def small(**options: Any) -> Model:
    return Model(nn.Sequential(*layers()), **{"dtype": np.float64, **options})


class Descent:
    """Plain gradient descent, as an optimizer of the protocol."""

    def step(self, params: Any, grads: Any) -> None:
        params.flat -= 0.1 * grads.flat


@pytest.mark.parametrize("loss", ["softmax", "mse"])
@pytest.mark.parametrize(
    "regularizer",
    [None, regularizers.L2(0.3), regularizers.L1(0.2), regularizers.ElasticNet(0.1, 0.4)],
    ids=repr,
)
@pytest.mark.parametrize("weights", [None, np.array([1, 0, 2, 0.5, 1, 3])], ids=["even", "weighted"])
def test_gradients_of_a_whole_net(loss: str, regularizer: Any, weights: Any) -> None:
    model = small(loss=loss, regularizer=regularizer, seed=4)
    y = Y if loss == "softmax" else RNG.normal(size=(6, 3))

    def value(_: Any = None) -> float:
        model.step = 0
        return model.loss(X, y, weights)[0]

    value()
    grads = {name: grad.copy() for name, grad in model.grads.items()}
    for name, param in model.params.items():
        assert relative_error(grads[name], numerical_gradient(value, param)) < 1e-6, name


@pytest.mark.parametrize("fuse", [True, False])
def test_gradients_of_products_with_biases(fuse: bool) -> None:
    """Without a batch norm after it a bias counts; its gradient goes straight into the flat buffer."""
    products = [
        nn.Conv2d(2, 4, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, groups=2),
        nn.Flatten(),
    ]
    net = nn.Sequential(*products, nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3), fuse=fuse)
    model = Model(net, seed=2, dtype=np.float64)
    for name, param in model.params.items():
        if name.endswith("bias"):
            param[...] = RNG.normal(size=param.shape)
    grads = {name: grad.copy() for name, grad in model.loss(X, Y)[1].items()}
    for name, param in model.params.items():
        expected = numerical_gradient(lambda _: model.loss(X, Y)[0], param)
        assert relative_error(grads[name], expected) < 1e-6, name


def test_dx_of_a_whole_net() -> None:
    model, x = small(), X.copy()
    scores, cache = model.forward(x, train=True)
    dscores = RNG.normal(size=scores.shape)
    dx = model.backward(dscores, cache)

    def run(_: Any) -> Any:
        return model.forward(x, train=True)[0]

    assert relative_error(dx, numerical_gradient(run, x, dscores)) < 1e-6


def test_gradients_are_overwritten_by_loss_and_accumulated_by_backward() -> None:
    model = small()
    first = model.loss(X, Y)[1].flat.copy()
    model.step = 0
    np.testing.assert_array_equal(model.loss(X, Y)[1].flat, first)
    model.step = 0
    scores, cache = model.forward(X, train=True)
    _, dscores = losses.SoftmaxCrossEntropy()(scores, Y)
    model.backward(dscores, cache)
    np.testing.assert_allclose(model.grads.flat, 2 * first, rtol=1e-12)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(5, 4), (5,)),
        (nn.BatchNorm1d(4), (4,)),
        (nn.Conv1d(2, 3, 3), (2, 5)),
        (nn.Conv2d(2, 3, 3), (2, 4, 5)),
        (nn.ConvTranspose2d(2, 3, 2), (2, 2, 3)),
        (nn.DropConnectLinear(5, 4), (5,)),
        (nn.GroupNorm(1, 2), (2, 3, 3)),
        (nn.PReLU(), (4,)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Layer) else "",
)
def test_nothing_is_left_of_gradients_of_the_step_before(layer: nn.Layer, shape: tuple[int, ...]) -> None:
    inputs = RNG.normal(size=(3, *shape))
    features = int(np.prod(layer.forward(np.ones((3, *shape), np.float32))[0].shape[1:]))
    model = Model(nn.Sequential(layer, nn.Flatten(), nn.Linear(features, 2)), dtype=np.float64)
    labels = np.array([0, 1, 0])
    first = model.loss(inputs, labels)[1].flat.copy()
    assert first.any()
    model.step = 0
    model.grads.flat[:] = np.nan
    np.testing.assert_array_equal(model.loss(inputs, labels)[1].flat, first)


def test_all_parameters_are_views_of_one_buffer() -> None:
    model = small()
    assert model.params.flat.size == sum(p.size for p in model.params.values())
    assert list(model.params) == list(model.grads) == list(model.net.params)
    for name, value in model.net.params.items():
        assert np.shares_memory(value, model.params.flat)
        assert np.shares_memory(model.net.grads[name], model.grads.flat)
    model.params.flat[:] = 3
    assert (model.net[7].params["weight"] == 3).all()
    model.params["7.weight"] = np.zeros((3, 27))
    model.net[7].params["bias"] = np.ones(3)
    assert np.shares_memory(model.net[7].params["bias"], model.params.flat)
    assert not model.net(X)[:, 0].any() or (model.net(X) == 1).all()
    with pytest.raises(
        ValueError, match=r"^\[parameters\] 7.weight: expected shape \(3, 27\), got \(27, 3\)$"
    ):
        model.params["7.weight"] = np.zeros((27, 3))
    with pytest.raises(KeyError, match=r"'8.weight' is not one of 0.weight"):
        model.params["8.weight"] = np.zeros(3)
    twos = {name: np.full_like(value, 2) for name, value in model.params.items()}
    model.params.update(twos)
    assert (model.params.flat == 2).all()
    model.params |= {"7.bias": np.ones(3)}
    assert model.net[7].params["bias"].tolist() == [1, 1, 1]
    for remove in (model.params.clear, model.params.popitem, lambda: model.params.pop("7.bias")):
        with pytest.raises(TypeError, match=r"^\[parameters\] [\w.]+: expected to stay where it is"):
            remove()
    assert list(model.params) == list(twos)


def test_weights_stand_first_in_the_buffer() -> None:
    model = small(regularizer=regularizers.L2(1.0))
    weights = [p for p in model.params.values() if p.ndim >= 2]
    head = model.params.flat[: sum(w.size for w in weights)]
    assert all(np.shares_memory(w, head) for w in weights)
    with_penalty = model.loss(X, Y)[0]
    model.regularizer, model.step = None, 0
    expected = 0.5 * sum(float((w**2).sum()) for w in weights)
    assert with_penalty - model.loss(X, Y)[0] == pytest.approx(expected, rel=1e-12)


def test_a_norm_over_images_has_no_weights() -> None:
    """Its scale and shift have as many axes as a filter."""

    def make(penalty: Any) -> Model:
        net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.LayerNorm((2, 4, 4)), nn.Flatten(), nn.Linear(32, 3))
        return Model(net, regularizer=penalty, dtype=np.float64)

    X, y = RNG.normal(size=(4, 1, 6, 6)), [0, 1, 2, 0]
    bare, decayed = make(None), make(regularizers.L2(10.0))
    (_, plain), (_, pulled) = bare.loss(X, y), decayed.loss(X, y)
    for name in ("1.weight", "1.bias"):
        np.testing.assert_array_equal(plain[name], pulled[name])
    np.testing.assert_allclose(pulled["0.weight"], plain["0.weight"] + 10 * bare.params["0.weight"])
    bare.initialize(1, weight=partial(init.normal, std=0.1), bias=partial(init.constant, value=3.0))
    assert (bare.params["1.weight"] == 1).all()
    assert not bare.params["1.bias"].any()
    assert (bare.params["0.bias"] == 3).all()


def test_first_loss_of_a_softmax_is_ln_c() -> None:
    model = Model(nn.Linear(4, 10), seed=0)
    model.params.flat[:] = 0
    assert model.loss(np.ones((3, 4)), [1, 2, 3])[0] == pytest.approx(np.log(10), rel=1e-6)


def test_an_optimizer_class_is_refused_before_anything_runs() -> None:
    model = small()
    before = {name: value.copy() for name, value in model.state_dict().items()}
    with pytest.raises(
        TypeError, match=r"\[train_step\] optimizer: expected an object with step, got the class"
    ):
        model.train_step(X, Y, Descent)  # type: ignore[arg-type]
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_training_lowers_the_loss_and_gives_the_same_bits_again() -> None:
    first, second = small(dtype=np.float32), small(dtype=np.float32)
    values = [first.train_step(X, Y, Descent()) for _ in range(20)]
    assert values[-1] < 0.3 * values[0]
    assert [second.train_step(X, Y, Descent()) for _ in range(20)] == values
    np.testing.assert_array_equal(first.params.flat, second.params.flat)


def test_steps_name_the_masks() -> None:
    model = small()
    first, second = (model.loss(X, Y)[0] for _ in range(2))
    assert model.step == 2
    assert first != second
    model.step = 1
    assert model.loss(X, Y)[0] == pytest.approx(second, rel=1e-12)
    with pytest.raises(ValueError):
        model.loss(X, Y + 7)
    assert model.step == 2
    assert small(seed=1).loss(X, Y)[0] != first


def test_pieces_of_a_batch_draw_the_masks_of_the_whole() -> None:
    model = Model(nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(72, 3)), dtype=np.float64)
    for step in (1, 2):
        whole, grads = model.loss(X, Y)
        expected = grads.flat.copy()
        model.step = step - 1
        total = np.zeros_like(expected)
        value = 0.0
        for start in (0, 2, 4):
            model.step, model.example = step - 1, start
            part, grads = model.loss(X[start : start + 2], Y[start : start + 2])
            value += part / 3
            total += grads.flat / 3
        assert model.step == step
        model.example = 0
        assert value == pytest.approx(whole, rel=1e-12)
        np.testing.assert_allclose(total, expected, rtol=1e-10, atol=1e-15)


def test_initial_values_depend_on_seed_and_name_alone() -> None:
    alone = Model(nn.Sequential(nn.ReLU(), nn.Linear(4, 5)), seed=3)
    beside = Model(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 5), nn.Linear(5, 2)), seed=3)
    np.testing.assert_array_equal(alone.params["1.weight"], beside.params["1.weight"])
    other = Model(nn.Sequential(nn.ReLU(), nn.Linear(4, 5)), seed=4)
    assert (other.params["1.weight"] != alone.params["1.weight"]).any()
    kept = nn.Linear(4, 5)
    before = kept.params["weight"].copy()
    np.testing.assert_array_equal(Model(kept, seed=None).params["weight"], before)
    alone.initialize(0, weight=partial(init.constant, value=2.0))
    assert (alone.params["1.weight"] == 2).all()
    assert not alone.params["1.bias"].any()


def test_prediction_is_the_same_for_any_batch_size() -> None:
    model = small()
    model.train_step(X, Y, Descent())
    scores = model.loss(X)
    for size in (1, 4, 100):
        np.testing.assert_allclose(model.predict_scores(X, batch_size=size), scores, rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(model.predict(X), scores.argmax(axis=1))
    proba = model.predict_proba(X, batch_size=5)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    np.testing.assert_allclose(np.log(proba[:, 1] / proba[:, 0]), scores[:, 1] - scores[:, 0])
    result = model.evaluate(X, Y, batch_size=4)
    assert result["accuracy"] == metrics.accuracy(scores, Y) == np.mean(model.predict(X) == Y)
    assert result["loss"] == pytest.approx(losses.SoftmaxCrossEntropy()(scores, Y)[0])


def test_prediction_of_nothing() -> None:
    model = small()
    assert model.predict(X[:0]).shape == (0,)
    assert model.predict_proba(X[:0]).shape == (0, 3)
    assert model.features(X[:0], "4").shape == (0, 3, 3, 3)


def test_regression() -> None:
    model = Model(nn.Linear(3, 1), "mse", dtype=np.float64)
    x = RNG.normal(size=(50, 3))
    y = x @ [1.0, -2.0, 0.5] + 3
    for _ in range(300):
        model.train_step(x, y, Descent())
    np.testing.assert_allclose(model.params["weight"], [[1.0, -2.0, 0.5]], rtol=1e-6)
    assert model.predict(x).shape == (50, 1)
    assert model.evaluate(x, y)["mae"] < 1e-6
    with pytest.raises(ValueError, match=r"^\[predict_proba\] model: expected one of classification"):
        model.predict_proba(x)


def test_features_are_what_the_layer_gives() -> None:
    model = small()
    seen: dict[str, Any] = {}
    model.net.watch(lambda path, y, _: seen.update({path: y}), ["2", "3.body.0", "3", "5"])
    model.loss(X)
    for path, expected in seen.items():
        np.testing.assert_allclose(model.features(X, path, batch_size=4), expected, rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(model.features(X, 5), model.features(X, "5"))


def test_a_hand_written_loss_and_layer() -> None:
    class Square:
        def __init__(self) -> None:
            self.params = {"scale": np.ones(3)}

        def forward(self, x: Any, *, train: bool = False, key: Any = None) -> Any:
            return self.params["scale"] * x**2, x

        def backward(self, dy: Any, cache: Any, grads: Any = None) -> Any:
            grads["scale"] += (dy * cache**2).sum(axis=0)
            return 2 * self.params["scale"] * cache * dy

    def loss(scores: Any, y: Any, weights: Any = None) -> Any:
        return float(((scores - y) ** 4).sum()), 4 * (scores - y) ** 3

    x, y = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))
    for net in (Square(), nn.Sequential(nn.Linear(3, 3), Square())):
        model = Model(net, loss, dtype=np.float64)
        grads = {name: grad.copy() for name, grad in model.loss(x, y)[1].items()}
        for name, param in model.params.items():
            expected = numerical_gradient(lambda _, m=model: m.loss(x, y)[0], param)
            assert relative_error(grads[name], expected) < 1e-6
        assert set(model.evaluate(x, y)) == {"loss"}


def test_freezing() -> None:
    model = small()
    total = model.params.flat.size
    model.freeze("0", "1", "3")
    before = model.state_dict()
    grads = model.loss(X, Y)[1]
    assert model.params.frozen == {n for n in model.params if not n.startswith("7.")}
    assert {name for name, grad in grads.items() if grad.any()} == {"7.weight", "7.bias"}
    assert sum(s.stop - s.start for s in model.params.trainable_slices()) == 3 * 27 + 3
    assert sum(s.stop - s.start for s in model.params.frozen_slices()) == total - 3 * 27 - 3
    model.train_step(X, Y, Descent())
    after = model.state_dict()
    assert {name for name in after if (after[name] != before[name]).any()} == {"7.weight", "7.bias"}
    for twin in (model.clone(), model.astype(np.float32), pickle.loads(pickle.dumps(model))):
        assert twin.params.frozen == model.params.frozen
        assert not twin.net[0].trainable
    model.unfreeze("3.body.1.bias")
    assert model.loss(X, Y)[1]["3.body.1.bias"].any()
    model.unfreeze()
    assert model.params.trainable_slices() == (slice(0, total),)
    assert model.loss(X, Y)[1]["0.weight"].any()
    model.freeze()
    assert not model.loss(X, Y)[1].flat.any()
    for wrong in ("9", "7.wei", ""):
        with pytest.raises(ValueError, match=r"^\[Model\] prefix: expected the path of a parameter or layer"):
            model.freeze(wrong)


def test_a_frozen_layer_computes_no_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)))
    rows, labels = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32), np.arange(6) % 2
    expected = {name: grad.copy() for name, grad in model.loss(rows, labels)[1].items()}
    wanted: list[bool] = []

    def spy(*arrays: Any, need_dw: bool, **options: Any) -> Any:
        wanted.append(need_dw)
        return backward(*arrays, need_dw=need_dw, **options)

    backward = linear._linear_backward
    monkeypatch.setattr(linear, "_linear_backward", spy)
    model.freeze("2")
    grads = model.loss(rows, labels)[1]
    assert wanted == [True, False, True]
    for name, grad in grads.items():
        np.testing.assert_array_equal(grad, 0 if name.startswith("2.") else expected[name])


@pytest.mark.parametrize("duplicate", [Model.clone, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_share_nothing_and_go_on_alike(duplicate: Callable[[Model], Model]) -> None:
    model = small(regularizer=regularizers.L2(0.1))
    model.train_step(X, Y, Descent())
    twin = duplicate(model)
    assert twin.params.flat is not model.params.flat
    assert np.shares_memory(twin.net[7].params["weight"], twin.params.flat)
    before = model.state_dict()
    value = twin.train_step(X, Y, Descent())
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert model.train_step(X, Y, Descent()) == value
    for name, array in twin.state_dict().items():
        np.testing.assert_array_equal(array, model.state_dict()[name])


def test_astype() -> None:
    model = small(dtype=np.float32)
    model.train_step(X, Y, Descent())
    wide = model.astype(np.float64)
    assert model.dtype == model.params.flat.dtype == np.float32
    assert wide.params.flat.dtype == wide.net.buffers["1.running_mean"].dtype == np.float64
    assert wide.net.buffers["1.num_batches_tracked"].dtype == np.int64
    assert wide.loss(X).dtype == np.float64
    np.testing.assert_allclose(wide.loss(X), model.loss(X), rtol=1e-4, atol=1e-5)


def test_inputs_are_cast_and_not_scaled() -> None:
    model = Model(nn.Linear(3, 2), dtype=np.float32)
    x = np.array([[1, 200, 255]], np.uint8)
    expected = model.loss(x.astype(np.float32))
    for kind in (np.uint8, np.int64, np.float64, ">f4"):
        np.testing.assert_array_equal(model.loss(x.astype(kind)), expected)
    np.testing.assert_array_equal(model.loss(x.tolist()), expected)


def test_sample_weights() -> None:
    model = Model(nn.Linear(72, 3), dtype=np.float64)
    x = X.reshape(6, 72)
    value, grads = model.loss(x, Y, weights=[2, 0, 0, 1, 0, 0])
    expected = grads.flat.copy()
    again, grads = model.loss(x[[0, 0, 3]], Y[[0, 0, 3]])
    assert value == pytest.approx(again, rel=1e-12)
    np.testing.assert_allclose(grads.flat, expected, rtol=1e-10, atol=1e-14)


def test_summary_counts() -> None:
    model = small()
    with pytest.raises(ValueError, match=r"^\[Model\] input_shape: expected the shape of one example"):
        model.summary()
    model.loss(X)
    summary = model.summary()
    assert summary.params == model.params.flat.size
    assert summary.multiply_adds == 36 * 3 * 2 * 9 + 36 * 3 * 3 * 9 + 81
    assert summary.parameter_bytes == model.params.flat.nbytes
    assert [row.path for row in summary.rows][3:5] == ["3.body.0", "3.body.1"]
    assert summary.rows[0].out_shape == (3, 6, 6)
    assert "Conv2d" in str(summary)


def test_a_shared_layer_is_counted_and_saved_once() -> None:
    shared = nn.Linear(3, 3)
    model = Model(nn.Sequential(shared, nn.ReLU(), shared))
    assert list(model.state_dict()) == ["0.weight", "0.bias"]
    assert model.summary((3,)).params == 12
    assert model.summary((3,)).multiply_adds == 18
    state = {f"{i}.{n}": a for i in (0, 2) for n, a in shared.params.items()}
    model.load_state_dict(state)


def test_state_of_torch_and_back() -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(
        *(torch.nn.Conv2d(2, 3, 3, padding=1), torch.nn.BatchNorm2d(3), torch.nn.ReLU()),
        *(torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(27, 3)),
    ).double()
    mine = Model(
        nn.Sequential(
            *(nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU()),
            *(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 3)),
        ),
        dtype=np.float64,
    )
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1)
    mine.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    for _ in range(20):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(theirs(torch.tensor(X)), torch.tensor(Y))
        loss.backward()
        optimizer.step()
        assert mine.train_step(X, Y, Descent()) == pytest.approx(loss.item(), rel=1e-9)
    state = mine.state_dict()
    assert list(state) == list(theirs.state_dict())
    for name, tensor in theirs.state_dict().items():
        assert state[name].shape == tuple(tensor.shape)
        np.testing.assert_allclose(state[name], tensor, rtol=1e-8, atol=1e-10)
    theirs.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
    np.testing.assert_allclose(theirs.eval()(torch.tensor(X)).detach(), mine.loss(X), rtol=1e-10)


def test_a_state_that_does_not_fit_changes_nothing() -> None:
    model = small()
    good = model.state_dict()
    before = model.params.flat.copy()
    cases = [
        (
            {**good, "8.weight": good["7.weight"]},
            r"state: expected the model's names, got unknown \['8.weight'\]",
        ),
        ({"7.bias": good["7.bias"]}, r"state: expected the model's names, got missing \['0.weight', "),
        ({**good, "7.weight": good["7.weight"].T}, r"7.weight: expected shape \(3, 27\), got \(27, 3\)"),
        ({**good, "7.bias": np.array(["a", "b", "c"])}, r"7.bias: expected numbers, got <U1"),
    ]
    for state, line in cases:
        state["0.weight"] = good["0.weight"] + 1 if "0.weight" in state else 0
        if isinstance(state["0.weight"], int):
            del state["0.weight"]
        with pytest.raises(ValueError, match=rf"^\[load_state_dict\] {line}"):
            model.load_state_dict(state)
        np.testing.assert_array_equal(model.params.flat, before)
    model.load_state_dict({"7.bias": [1, 2, 3], "9.weight": 0}, strict=False)
    assert model.params["7.bias"].tolist() == [1, 2, 3]
    model.load_state_dict({n: a for n, a in good.items() if "num_batches" not in n})


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda m: m.loss(X[0, 0, 0]), "[Model] X: expected shape (N, ...), a batch, got (6,)"),
        (lambda m: m.loss(X.astype(complex)), "[Model] X: expected real numbers, got complex128"),
        (lambda m: m.loss([["a"]]), "[Model] X: expected real numbers, got <U1"),
        (lambda m: m.loss([[1], [1, 2]]), "[Model] X: expected an array, got rows of different shapes"),
        (lambda m: m.loss(X, Y[:3]), "[softmax] y: expected 6 integer labels, got shape (3,)"),
        (lambda m: m.loss(X, Y + 1), "[softmax] y: expected labels 0 to 2, got 3"),
        (lambda m: m.loss(X, Y - 1), "[softmax] y: expected labels 0 to 2, got -1"),
        (lambda m: m.loss(X, Y.astype(float)), "[softmax] y: expected integer labels, got float64"),
        (lambda m: m.loss(X, Y * np.nan), "[softmax] y: expected integer labels, got NaN"),
        (
            lambda m: m.loss(X, Y, [1, 2]),
            "[softmax] weights: expected 6 numbers, got int64 of shape (2,)",
        ),
        (
            lambda m: m.loss(X, Y, np.full(6, -1)),
            "[softmax] weights: expected finite numbers >= 0 with a positive sum, got others",
        ),
        (lambda m: m.predict(X, batch_size=0), "[Model] batch_size: expected an integer >= 1, got 0"),
        (lambda m: m.features(X, "12"), "[Sequential] layer: expected a path below it, got '12'"),
        (lambda m: m.astype("f2"), "[Model] dtype: expected float32 or float64, got 'f2'"),
        (lambda m: Model(m.net, "sofmax"), f"[losses] loss: expected one of {LOSS_NAMES}, got 'sofmax'"),
        (lambda m: m.load_state_dict(None), "[load_state_dict] state: expected a mapping, got NoneType"),
        (lambda m: m.initialize(weight="he"), "[Model] weight: expected an initialiser, got str"),
        (lambda m: Model(m.net, seed=-1), "[Model] seed: expected an integer >= 0, got -1"),
    ],
)  # fmt: skip
def test_refusals_are_one_line(call: Callable[[Model], Any], line: str) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        call(small())
    assert str(caught.value) == line


class Tied:
    """A hand-written layer that goes back through the weights of another one."""

    def __init__(self, linear: nn.Linear) -> None:
        self.linear, self.params = linear, {}

    def forward(self, x: Any, *, train: bool = False, key: Any = None) -> tuple[Any, Any]:
        return x @ self.linear.params["weight"], x

    def backward(self, dy: Any, cache: Any, grads: Any = None) -> Any:
        self.linear.grads["weight"] += cache.T @ dy
        return dy @ self.linear.params["weight"].T


def test_gradients_do_not_depend_on_what_lay_there() -> None:
    X = np.random.default_rng(0).normal(size=(6, 2, 4, 4))
    y = np.arange(6) % 3
    shared = nn.Linear(8, 8)
    net = nn.Sequential(
        *(nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(shared, nn.ReLU(), shared, nn.Linear(8, 8), nn.Residual(nn.Linear(8, 8)), nn.Linear(8, 3)),
    )
    model = Model(net, dtype=np.float64)
    expected = {name: grad.copy() for name, grad in model.loss(X, y)[1].items()}
    model.grads.flat[:] = np.nan
    for name, grad in model.loss(X, y)[1].items():
        np.testing.assert_array_equal(grad, expected[name])
    scores, cache = model.forward(X, train=True)
    _, dscores = model.loss_function(scores, y)
    model.backward(dscores, cache)
    for name, grad in model.grads.items():
        np.testing.assert_allclose(grad, 2 * expected[name], rtol=1e-9, atol=1e-12)


def test_a_tied_layer_adds_to_the_gradients_of_the_other() -> None:
    linear = nn.Linear(4, 4)
    model = Model(nn.Sequential(linear, Tied(linear), nn.Linear(4, 3)), dtype=np.float64)
    X, y = np.random.default_rng(1).normal(size=(5, 4)), np.array([0, 1, 2, 0, 1])
    weight = model.params["0.weight"]
    expected = numerical_gradient(lambda _: np.asarray(model.loss(X, y)[0]), weight, np.ones(()))
    model.grads.flat[:] = np.nan
    assert relative_error(model.loss(X, y)[1]["0.weight"], expected) < 1e-6
