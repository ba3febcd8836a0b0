"""Prediction as one compiled call: the model's scores, whatever the net, the batch and the memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nets, nn
from fastnn.functional._plan import new_plan
from fastnn.inference import Predictor, _Writer
from fastnn.model import Model

TOLERANCE = {np.float32: 2e-5, np.float64: 1e-12}


def disturbed(model: Model) -> Model:
    """Give every batch norm statistics and parameters of its own, so that folding has something to do."""
    rng = np.random.default_rng(0)
    state = model.state_dict()
    for name, value in state.items():
        if name.endswith("running_var") or (name.endswith("weight") and value.ndim == 1):
            value[...] = rng.uniform(0.5, 2.0, value.shape)
        elif value.ndim == 1:
            value[...] = rng.normal(size=value.shape) / 4
    model.load_state_dict(state)
    return model


def residual_first() -> Model:
    body = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 3, 1))
    rows = nn.Residual(nn.Sequential(nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 12)))
    pooled = nn.Residual(nn.Sequential(nn.BatchNorm2d(3)), nn.Conv2d(3, 3, 1), "relu")
    layers = (nn.Residual(body, activation="relu"), pooled, nn.AvgPool2d(3), nn.Flatten(), rows)
    return Model(nn.Sequential(*layers, nn.BatchNorm1d(12), nn.ReLU()), "mse", input_shape=(3, 6, 6))


def unfused_ends() -> Model:
    layers = (nn.Standardise(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.BatchNorm1d(18), nn.Dropout())
    return Model(nn.Sequential(*layers, nn.Linear(18, 3)), input_shape=(2, 6, 6))


def not_planned() -> Model:
    """Vanilla dropout has no step, nor has a residual block that ends in pooling."""
    block = nn.Residual(nn.Sequential(nn.Conv2d(2, 2, 1), nn.MaxPool2d(1)))
    layers = (nn.Conv2d(2, 2, 1), nn.Dropout(0.5, inverted=False), block, nn.Flatten(), nn.Linear(32, 3))
    return Model(nn.Sequential(*layers), input_shape=(2, 4, 4))


def convolution_family() -> Model:
    """Even kernels keep the size, pooling rounds up, and some layers have no step."""
    layers = (
        *(nn.Conv2d(2, 4, 2, padding="same", dilation=3), nn.BatchNorm2d(4), nn.ReLU()),
        *(nn.MaxPool2d(2, ceil_mode=True), nn.ConvTranspose2d(4, 3, 3, 2), nn.Conv2d(3, 3, 1)),
        *(nn.AvgPool2d(3, 2, 1, ceil_mode=True), nn.AvgPool2d(2, 2, 1, True, False)),
        *(nn.ReflectionPad2d(1), nn.Conv2d(3, 4, 3), nn.FractionalMaxPool2d(2, 2), nn.Upsample(2)),
        *(nn.AdaptiveAvgPool2d((3, 1)), nn.Flatten(), nn.Linear(12, 3)),
    )
    return Model(nn.Sequential(*layers), input_shape=(2, 9, 11))


def halving() -> Model:
    """Channels enough for Winograd's algorithm, with stride 1 and 2."""
    layers = (nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, stride=2, padding=1))
    return Model(nn.Sequential(*layers, nn.Flatten(), nn.Linear(4096, 3)), input_shape=(32, 16, 16))


def narrowing() -> Model:
    """Few channels in the middle: Winograd's thin form adds the shortcut."""
    body = nn.Sequential(nn.Conv2d(32, 4, 1), nn.ReLU(), nn.Conv2d(4, 32, 3, padding=1))
    layers = (nn.Residual(body, activation="relu"), nn.Flatten(), nn.Linear(32 * 12 * 13, 3))
    return Model(nn.Sequential(*layers), input_shape=(32, 12, 13))


def grouped() -> Model:
    """Groups that run along lanes: one channel each, several filters of one channel, two channels."""
    layers = (
        *(nn.Conv2d(6, 6, 3, padding=1, groups=6), nn.BatchNorm2d(6), nn.ReLU()),
        *(nn.Conv2d(6, 12, 5, stride=2, padding=2, groups=6), nn.Conv2d(12, 12, 3, groups=6)),
    )
    return Model(nn.Sequential(*layers, nn.Flatten(), nn.Linear(72, 3)), input_shape=(6, 9, 7))


NETS = {
    "halving": halving,
    "narrowing": narrowing,
    "grouped": grouped,
    "convolution_family": convolution_family,
    "mlp": lambda: nets.mlp(20, (16, 16)),
    "lenet": nets.lenet,
    "convnet": nets.convnet,
    "vgg_small": lambda: nets.vgg_small(channels=(4, 8)),
    "resnet8": lambda: nets.resnet8((3, 12, 12)),
    "residual_first": residual_first,
    "unfused_ends": unfused_ends,
    "not_planned": not_planned,
    "linear": lambda: Model(nn.Linear(4, 3), input_shape=(4,)),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NETS)
def test_scores_are_the_model_s(name: str, dtype: Any) -> None:
    model = disturbed(NETS[name]()).astype(dtype)
    assert model.input_shape is not None
    X = np.random.default_rng(1).normal(size=(5, *model.input_shape)).astype(dtype)
    expected = model.predict_scores(X)
    predictor = model.for_inference()
    for x in (X, X[::-1][::-1], fastnn.channels_last(X) if X.ndim == 4 else np.asfortranarray(X)):
        got = predictor(x)
        assert got.dtype == dtype
        error = np.abs(got - expected).max() / np.abs(expected).max()
        assert error < TOLERANCE[dtype]
    np.testing.assert_array_equal(predictor(X[2:3]).shape, expected[2:3].shape)
    np.testing.assert_allclose(predictor(X[2:3]), expected[2:3], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["mlp", "lenet", "resnet8", "residual_first"])
def test_a_net_of_ours_is_one_call(name: str) -> None:
    assert len(NETS[name]().for_inference().stages) == 1


def test_other_nonlinearities_are_steps_too() -> None:
    functions = (
        *(nn.Sigmoid(), nn.Tanh(), nn.LeakyReLU(0.2), nn.ELU(0.7), nn.SELU(), nn.GELU(), nn.GELU("tanh")),
        *(nn.SiLU(), nn.Softplus(2.0, 15.0), nn.ELU(0.7, learned=True)),
    )
    for dtype in (np.float32, np.float64):
        layers = [layer for function in functions for layer in (nn.Linear(5, 5), function)]
        model = Model(nn.Sequential(*layers), "mse", dtype=dtype)
        model.params["19.alpha"] = [1.5]
        X = 3 * np.random.default_rng(5).normal(size=(6, 5)).astype(dtype)
        predictor = model.for_inference()
        assert len(predictor.stages) == 1
        np.testing.assert_allclose(predictor(X), model.predict(X), rtol=100 * TOLERANCE[dtype])


def test_calls_of_several_shapes_take_turns() -> None:
    model = disturbed(residual_first())
    predictor = model.for_inference()
    rng = np.random.default_rng(6)
    for n in (3, 1, 7, 1, 3):
        X = rng.normal(size=(n, 3, 6, 6)).astype(np.float32)
        np.testing.assert_allclose(predictor(X), model.predict_scores(X), rtol=1e-3, atol=1e-5)


def test_images_of_several_sizes_take_turns() -> None:
    """Sizes differ in the algorithm of a convolution, and algorithms in the form of filters that is kept."""
    layers = (nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 40, 3, padding=1), nn.ReLU())
    model = Model(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(40, 3)))
    predictor = model.for_inference()
    rng = np.random.default_rng(6)
    chosen = set()
    for size in (5, 24, 2, 5, 11, 24):
        X = rng.normal(size=(2, 3, size, size)).astype(np.float32)
        chosen.add(fastnn.conv_algo(X.shape, (64, 3, 3, 3), padding=1))
        np.testing.assert_allclose(predictor(X), model.predict_scores(X), rtol=1e-3, atol=1e-5)
    assert chosen == {"direct", "winograd"}


def test_folding_leaves_no_step_for_batch_norm_and_relu(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []

    class Spy:
        def __getattr__(self, name: str) -> Any:
            return lambda x, *_, **__: steps.append(name) or len(steps)

    model = nets.resnet8((3, 12, 12))
    layers = [model.net.layer(str(i)) for i in range(len(model.net.children))]
    _Writer(Spy(), model.dtype).write(layers, 0)
    assert steps == ["conv2d"] * 9 + ["global_avgpool2d", "linear"]


@pytest.mark.parametrize("batch", [1, 64])
def test_bits_are_the_same_for_any_number_of_threads(batch: int) -> None:
    model = disturbed(nets.resnet8())
    X = np.random.default_rng(2).normal(size=(batch, 3, 32, 32)).astype(np.float32)
    predictor = model.for_inference()
    with fastnn.threads(1):
        expected = predictor(X)
    for threads in (2, 3):
        with fastnn.threads(threads):
            for _ in range(64 // batch):  # workers join single images when they are awake
                np.testing.assert_array_equal(predictor(X), expected)


def test_python_threads_predict_at_once() -> None:
    predictor = disturbed(nets.resnet8()).for_inference()
    images = np.random.default_rng(3).normal(size=(8, 1, 3, 32, 32)).astype(np.float32)
    with fastnn.threads(1):
        expected = [predictor(X) for X in images]
    with fastnn.threads(2), ThreadPoolExecutor(4) as callers:
        for _ in range(10):
            np.testing.assert_array_equal(list(callers.map(predictor, images)), expected)


def test_it_holds_copies() -> None:
    model = disturbed(nets.lenet())
    X = np.ones((2, 1, 28, 28), np.float32)
    predictor = model.for_inference()
    expected = predictor(X).copy()
    model.params.flat[:] = 0
    np.testing.assert_array_equal(predictor(X), expected)
    assert not model.for_inference()(X).any()


def test_a_hand_written_layer_runs_between_plans() -> None:
    class Halve:
        def forward(self, x: Any, *, train: bool = False, key: Any = None) -> tuple[Any, Any]:
            return x / 2, None

        def backward(self, dy: Any, cache: Any, grads: Any = None) -> Any:
            return dy / 2

    model = Model(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), Halve(), nn.Linear(4, 2)))
    predictor = model.for_inference()
    X = np.random.default_rng(3).normal(size=(6, 4)).astype(np.float32)
    assert len(predictor.stages) == 3
    np.testing.assert_allclose(predictor(X), model.predict_scores(X), rtol=1e-5, atol=1e-6)


def test_predictions_are_the_model_s() -> None:
    model = disturbed(nets.lenet())
    X = np.random.default_rng(4).normal(size=(7, 1, 28, 28))
    predictor = model.for_inference()
    np.testing.assert_array_equal(predictor.predict(X, batch_size=3), model.predict(X))
    np.testing.assert_allclose(predictor.predict_proba(X), model.predict_proba(X), rtol=1e-4, atol=1e-6)
    assert predictor.predict(X[:0]).shape == (0,)
    regression = residual_first()
    rows = np.ones((2, 3, 6, 6))
    np.testing.assert_allclose(regression.for_inference().predict(rows), regression.predict(rows), rtol=1e-4)
    with pytest.raises(ValueError, match=r"^\[predict_proba\] model: expected one of classification"):
        regression.for_inference().predict_proba(rows)
    binary = Model(nn.Linear(4, 2), "binary_cross_entropy")
    rows = np.random.default_rng(5).normal(size=(6, 4))
    np.testing.assert_array_equal(binary.for_inference().predict(rows), binary.predict(rows))
    np.testing.assert_allclose(
        binary.for_inference().predict_proba(rows), binary.predict_proba(rows), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("name", "shape", "text"),
    [
        ("mlp", (2, 19), "to 20 features, got 19"),
        ("mlp", (20,), "a batch, got"),
        ("mlp", (2, 5, 4), "rank 3"),
        ("lenet", (2, 3, 28, 28), "1 channels, got 3"),
        ("lenet", (2, 28, 28), "rank 3"),
        ("lenet", (2, 1, 32, 32), "400 features, got 576"),
        ("lenet", (2, 1, 0, 28), "no zero dimension"),
        ("unfused_ends", (2, 2, 1, 1), "as large as the pooling windows"),
    ],
)
def test_an_input_that_does_not_fit_is_refused(name: str, shape: tuple[int, ...], text: str) -> None:
    with pytest.raises(ValueError, match=rf"^\[predict\] X: .*{text}"):
        NETS[name]().for_inference()(np.ones(shape, np.float32))


@pytest.mark.parametrize("features", [1, 5])
def test_a_norm_of_another_width_is_refused(features: int) -> None:
    model = Model(nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(features)))
    with pytest.raises(ValueError, match=rf"^\[for_inference\] norm: .*=8, got {features}$"):
        model.for_inference()


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [nn.Conv2d(2, 3, 1), nn.Linear(48, 5)],
        lambda: [nn.BatchNorm2d(2), nn.ReLU(), nn.Linear(32, 5)],
        lambda: [nn.Tanh(), nn.Linear(32, 5)],
        lambda: [nn.Linear(32, 5)],
    ],
)
def test_images_reach_a_linear_layer_only_through_flatten(layers: Any) -> None:
    X = np.ones((2, 2, 4, 4), np.float32)
    model = Model(nn.Sequential(*layers()))
    for refusing in (model.predict, model.for_inference()):
        with pytest.raises(ValueError, match=r"expected (a shape that leads to \(N, features\)|shape)"):
            refusing(X)
    *images, linear = layers()
    flat = Model(nn.Sequential(*images, nn.Flatten(), linear))
    np.testing.assert_allclose(flat.for_inference()(X), flat.loss(X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("norm", "shape"), [(nn.BatchNorm1d, (2, 3, 4, 4)), (nn.BatchNorm2d, (2, 3))])
def test_a_norm_refuses_an_input_of_another_rank(norm: Any, shape: tuple[int, ...]) -> None:
    model = Model(nn.Sequential(nn.ReLU(), norm(3)))
    for refusing in (model.predict, model.for_inference()):
        with pytest.raises(ValueError, match=r"expected .*\(N, C"):
            refusing(np.ones(shape, np.float32))


def test_a_plan_s_input_is_not_taken_for_images_of_a_step() -> None:
    with pytest.raises(
        ValueError, match=r"^\[Plan.linear\] x: expected images that a step made, got the input$"
    ):
        new_plan(np.dtype(np.float32)).linear(0, np.ones((3, 4), np.float32), None, True, -1, False)


def test_features_that_no_images_have_are_refused() -> None:
    model = Model(nn.Sequential(nn.Conv2d(2, 3, 1), nn.Flatten(), nn.Linear(10, 5)))
    with pytest.raises(
        ValueError, match=r"^\[for_inference\] in_features: .* the 3 channels before it, got 10$"
    ):
        model.for_inference()


def test_a_norm_of_another_rank_is_refused() -> None:
    model = Model(nn.Sequential(nn.Linear(4, 8), nn.BatchNorm2d(8)))
    with pytest.raises(ValueError, match=r"^\[for_inference\] norm: expected BatchNorm1d, got BatchNorm2d$"):
        model.for_inference()


def test_what_is_no_number_is_refused() -> None:
    predictor: Predictor = NETS["linear"]().for_inference()
    with pytest.raises(ValueError, match=r"^\[predict\] X: expected real numbers, got <U"):
        predictor(np.array([["a"] * 4]))
