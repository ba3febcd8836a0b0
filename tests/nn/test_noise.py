"""Random layers: means, gradients, keys, and Monte-Carlo prediction."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from fastnn import Model, _runtime, channels_last, nn, threads
from fastnn.keys import Key
from fastnn.testing.gradcheck import numerical_gradient, relative_error

RNG = np.random.default_rng(0)
LAYERS: list[tuple[Any, tuple[int, ...]]] = [
    (lambda: nn.Dropout(0.4), (3, 2, 4, 5)),
    (lambda: nn.Dropout(0.4, inverted=False), (3, 2, 4, 5)),
    (lambda: nn.SpatialDropout(0.4), (3, 2, 4, 5)),
    (lambda: nn.StochasticDepth(0.4), (3, 2, 4, 5)),
    (lambda: nn.GaussianNoise(0.3), (3, 2, 4, 5)),
    (lambda: nn.DropConnectLinear(6, 4, drop_prob=0.4), (3, 6)),
    (lambda: nn.DropConnectConv2d(4, 6, 3, padding=(1, 2), groups=2, drop_prob=0.4), (3, 4, 5, 6)),
]


@pytest.mark.parametrize(("make", "shape"), LAYERS)
def test_gradients_under_one_key(make: Any, shape: Any) -> None:
    layer, key = make().astype(np.float64), Key.from_seed(3)
    x = RNG.normal(size=shape)
    y, cache = layer.forward(x, train=True, key=key)
    dy = RNG.normal(size=y.shape)
    dx = layer.backward(dy, cache)
    expected = numerical_gradient(lambda v: float((layer.forward(v, train=True, key=key)[0] * dy).sum()), x)
    assert relative_error(dx, expected) < 1e-7
    for name, value in layer.params.items():

        def loss(v: Any, name: str = name) -> float:
            layer.params[name] = v
            return float((layer.forward(x, train=True, key=key)[0] * dy).sum())

        assert relative_error(layer.grads[name], numerical_gradient(loss, value)) < 1e-7


@pytest.mark.parametrize(("make", "shape"), LAYERS)
def test_the_mean_is_the_prediction(make: Any, shape: Any) -> None:
    layer, x = make().astype(np.float64), RNG.normal(size=shape)
    draws = np.stack([layer.forward(x, train=True, key=Key.from_seed(i))[0] for i in range(3000)])
    error = draws.std(axis=0) / np.sqrt(len(draws)) + 1e-12
    assert np.abs(draws.mean(axis=0) - layer(x)).max() < 6 * error.max()
    assert draws.std() > 0


@pytest.mark.parametrize(("make", "shape"), LAYERS)
def test_batches_may_be_cut(make: Any, shape: Any) -> None:
    layer, x, key = make().astype(np.float64), RNG.normal(size=shape), Key.from_seed(5)
    whole = layer.forward(x, train=True, key=key)[0]
    parts = [layer.forward(x[i : i + 1], train=True, key=key.at(i))[0] for i in range(len(x))]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-12)


@pytest.mark.parametrize(("make", "shape"), LAYERS)
def test_training_needs_a_key(make: Any, shape: Any) -> None:
    with pytest.raises(ValueError, match=r"key: expected a fastnn.Key in training, got None"):
        make().forward(np.ones(shape, np.float32), train=True)


def test_what_is_zeroed_together() -> None:
    x, key = np.ones((64, 8, 3, 3)), Key.from_seed(0)
    channels = nn.SpatialDropout(0.5).forward(x, train=True, key=key)[0].reshape(64 * 8, 9)
    examples = nn.StochasticDepth(0.5).forward(x, train=True, key=key)[0].reshape(64, 72)
    for groups in (channels, examples):
        assert (groups == groups[:, :1]).all()
        assert set(groups[:, 0]) == {0.0, 2.0}


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: nn.DropConnectLinear(2, 2, drop_prob=0.5), (3, 2)),
        (lambda: nn.DropConnectConv2d(1, 1, 2, drop_prob=0.5), (3, 1, 3, 4)),
        (lambda: nn.Dropout(0.5), (1, 4)),
        (lambda: nn.Dropout(0.5, inverted=False), (1, 4)),
        (lambda: nn.SpatialDropout(0.5), (1, 4, 2, 3)),
        (lambda: nn.StochasticDepth(0.5), (4, 2, 1, 3)),
    ],
)
def test_the_mean_over_all_masks_is_the_prediction(make: Any, shape: Any) -> None:
    """Four chances make 16 masks, all equally likely: each is drawn at last, and counted once."""
    layer, x = make().astype(np.float64), RNG.normal(size=shape)
    outputs = {}
    for seed in range(400):
        y = layer.forward(x, train=True, key=Key.from_seed(seed))[0]
        outputs.setdefault(y.round(9).tobytes(), y)
    assert len(outputs) == 16
    np.testing.assert_allclose(np.mean(list(outputs.values()), axis=0), layer(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: nn.Dropout(0.4), (64, 32, 16, 16)),
        (lambda: nn.SpatialDropout(0.4), (64, 32, 16, 16)),
        (lambda: nn.StochasticDepth(0.4), (64, 32, 16, 16)),
        (lambda: nn.GaussianNoise(0.3), (64, 32, 16, 16)),
        (lambda: nn.DropConnectLinear(512, 512), (64, 512)),
        (lambda: nn.DropConnectConv2d(16, 16, 3), (16, 16, 16, 16)),
    ],
)
def test_draws_do_not_depend_on_threads(make: Any, shape: Any) -> None:
    layer, x, key = make(), RNG.normal(size=shape).astype(np.float32), Key.from_seed(5)
    results = []
    for n in (1, 2, 3):
        with threads(n), _runtime.rendezvous():
            _runtime.last_worker_count()
            y, cache = layer.forward(x, train=True, key=key)
            assert _runtime.last_worker_count() == n
            results.append((y.tobytes(), layer.backward(np.ones_like(y), cache).tobytes()))
    assert results[0] == results[1] == results[2]


def test_noise_is_the_same_in_both_dtypes_and_layouts() -> None:
    key, zeros = Key.from_seed(2), np.zeros((3, 5, 6, 7))
    wide = nn.GaussianNoise(1.0).forward(zeros, train=True, key=key)[0]
    narrow = nn.GaussianNoise(1.0).forward(channels_last(zeros.astype(np.float32)), train=True, key=key)[0]
    np.testing.assert_allclose(narrow, wide, rtol=0, atol=1e-6)


def test_noise_is_normal() -> None:
    noise = nn.GaussianNoise(2.0).forward(np.zeros((50, 1001)), train=True, key=Key.from_seed(0))[0] / 2
    assert abs(noise.mean()) < 5 / np.sqrt(noise.size)
    assert abs(noise.std() - 1) < 5 / np.sqrt(2 * noise.size)
    assert abs((noise**4).mean() - 3) < 5 * np.sqrt(96 / noise.size)
    # Kolmogorov-Smirnov, at a chance of 1e-6 of a false alarm.
    places = np.sort(noise.ravel())
    below = np.array([0.5 * (1 + math.erf(z / math.sqrt(2))) for z in places.tolist()])
    steps = np.arange(noise.size + 1) / noise.size
    distance = max(np.abs(below - steps[1:]).max(), np.abs(below - steps[:-1]).max())
    assert distance < math.sqrt(-0.5 * math.log(1e-6 / 2) / noise.size)
    neighbours = np.corrcoef(noise.ravel()[:-1], noise.ravel()[1:])[0, 1]
    assert abs(neighbours) < 5 / np.sqrt(noise.size)


def test_monte_carlo_prediction() -> None:
    net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 3))
    model, X = Model(net), RNG.normal(size=(10, 4))
    averaged = model.predict_proba(X, samples=50)
    np.testing.assert_allclose(averaged.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(model.predict_proba(X, samples=50, batch_size=3), averaged, rtol=1e-5)
    assert np.abs(averaged - model.predict_proba(X)).max() > 1e-4
    single = model.predict_proba(X, samples=1)
    assert np.abs(single - averaged).max() > 1e-3


RANDOM: dict[str, list[nn.Layer]] = {
    "dropout": [nn.Dropout(0.5)],
    "vanilla dropout": [nn.Dropout(0.5, inverted=False)],
    "spatial dropout": [nn.SpatialDropout(0.5)],
    "noise": [nn.GaussianNoise(1.0)],
    "DropConnect": [nn.DropConnectConv2d(2, 2, 1)],
    "stochastic depth": [nn.Residual(nn.Sequential(nn.Conv2d(2, 2, 1), nn.StochasticDepth(0.5)))],
    "fractional pooling": [nn.FractionalMaxPool2d(output_size=3)],
}


@pytest.mark.parametrize("loss", ["softmax", "binary_cross_entropy", "mse"])
@pytest.mark.parametrize("name", RANDOM)
def test_answers_of_many_random_predictions(name: str, loss: str) -> None:
    pooled = 3 if name == "fractional pooling" else 5
    net = nn.Sequential(*RANDOM[name], nn.Flatten(), nn.Linear(2 * pooled**2, 3))
    model, X = Model(net, loss, dtype=np.float64), RNG.normal(size=(12, 2, 5, 5))
    first, second = model.predict_scores(X, samples=1), model.predict_scores(X, samples=2)
    assert np.abs(first - model.predict_scores(X)).max() > 1e-3
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_allclose(model.predict_scores(X, samples=2, batch_size=5), second, rtol=1e-9)
    answers = model.predict(X, samples=30)
    if loss == "mse":
        np.testing.assert_array_equal(answers, model.predict_scores(X, samples=30))
    else:
        mean = model.predict_proba(X, samples=30)
        expected = mean.argmax(axis=1) if loss == "softmax" else mean > 0.5
        np.testing.assert_array_equal(answers, expected)


def test_stochastic_depth_leaves_blocks_out() -> None:
    block = nn.Residual(nn.Sequential(nn.Linear(3, 3), nn.StochasticDepth(0.5)))
    x = RNG.normal(size=(40, 3)).astype(np.float32)
    y = block.forward(x, train=True, key=Key.from_seed(1))[0]
    left_out = (y == x).all(axis=1)
    assert 5 < left_out.sum() < 35
