"""Losses as a model uses them: gradients, PyTorch's values over all settings, refusals, files."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastnn import Model, losses, nn
from fastnn.optim import Adam
from fastnn.testing.gradcheck import numerical_gradient, relative_error

RNG = np.random.default_rng(0)
SCORES, LABELS = 2 * RNG.normal(size=(4, 3)), np.array([0, 2, 1, 1])
TARGETS = RNG.uniform(size=(4, 3))
WEIGHTS = [None, np.array([1.0, 0.0, 2.5, 1.0])]

SETTINGS: list[losses.Loss] = [
    *(
        losses.SoftmaxCrossEntropy(label_smoothing=smoothing, class_weights=per_class, ignore_index=ignored)
        for smoothing, per_class, ignored in itertools.product(
            [0.0, 0.2], [None, [0.5, 2.0, 1.0]], [None, 2, -100]
        )
    ),
    losses.Hinge(),
    losses.Hinge(margin=0.25),
    losses.MSE(),
    losses.L1(),
    losses.Huber(),
    losses.Huber(delta=0.2),
    losses.BinaryCrossEntropy(),
]


def targets_of(loss: losses.Loss) -> Any:
    return LABELS if loss.task == "classification" else TARGETS


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("loss", SETTINGS, ids=repr)
def test_gradients(loss: losses.Loss, weights: Any) -> None:
    y = targets_of(loss)
    _, dscores = loss(SCORES, y, weights)
    expected = numerical_gradient(lambda s: loss(s, y, weights)[0], SCORES)
    assert relative_error(dscores, expected) < 1e-7


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("per_class", [None, [0.5, 2.0, 1.0]])
def test_gradients_of_probabilities(smoothing: float, per_class: Any) -> None:
    loss = losses.SoftmaxCrossEntropy(label_smoothing=smoothing, class_weights=per_class)
    y = RNG.dirichlet(np.ones(3), 4)
    expected = numerical_gradient(lambda s: loss(s, y)[0], SCORES)
    assert relative_error(loss(SCORES, y)[1], expected) < 1e-7


def torch_loss(torch: Any, loss: Any, scores: Any, y: Any) -> Any:
    functional = torch.nn.functional
    if isinstance(loss, losses.SoftmaxCrossEntropy):
        weight = None if loss.class_weights is None else torch.tensor(loss.class_weights)
        ignored = -100 if loss.ignore_index is None else loss.ignore_index
        return functional.cross_entropy(
            scores, y, weight, label_smoothing=loss.label_smoothing, ignore_index=ignored
        )
    if isinstance(loss, losses.Hinge):
        return scores.shape[1] * functional.multi_margin_loss(scores, y, margin=loss.margin)
    if isinstance(loss, losses.Huber):
        return functional.huber_loss(scores, y, delta=loss.delta)
    name = {"mse": "mse_loss", "l1": "l1_loss"}.get(loss.name, "binary_cross_entropy_with_logits")
    return getattr(functional, name)(scores, y)


@pytest.mark.parametrize("loss", SETTINGS, ids=repr)
def test_equals_torch(loss: losses.Loss) -> None:
    torch = pytest.importorskip("torch")
    y = targets_of(loss)
    scores = torch.tensor(SCORES, requires_grad=True)
    expected = torch_loss(torch, loss, scores, torch.tensor(y))
    expected.backward()
    value, dscores = loss(SCORES, y)
    assert value == pytest.approx(expected.item(), rel=1e-12)
    np.testing.assert_allclose(dscores, scores.grad.numpy(), rtol=1e-10, atol=1e-14)


def test_images_as_in_torch() -> None:
    torch = pytest.importorskip("torch")
    scores, y = RNG.normal(size=(2, 2, 3, 4, 4))
    expected = torch.nn.functional.mse_loss(torch.tensor(scores), torch.tensor(y)).item()
    assert losses.MSE()(scores, y)[0] == pytest.approx(expected, rel=1e-12)
    channels_last = np.ascontiguousarray(scores.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    assert losses.MSE()(channels_last, y)[0] == pytest.approx(expected, rel=1e-12)


def test_a_label_is_a_probability_of_one() -> None:
    onehot = np.eye(3)[LABELS]
    for smoothing in (0.0, 0.1):
        loss = losses.SoftmaxCrossEntropy(label_smoothing=smoothing)
        value, dscores = loss(SCORES, LABELS)
        soft_value, soft_dscores = loss(SCORES, onehot)
        assert soft_value == pytest.approx(value, rel=1e-14)
        np.testing.assert_allclose(soft_dscores, dscores, rtol=1e-12, atol=1e-15)


def test_ignored_rows_count_for_nothing() -> None:
    loss = losses.SoftmaxCrossEntropy(ignore_index=-1)
    scores, labels = SCORES.copy(), np.array([0, -1, 1, -1])
    scores[1] = np.nan
    value, dscores = loss(scores, labels)
    assert value == pytest.approx(losses.SoftmaxCrossEntropy()(SCORES[[0, 2]], [0, 1])[0], rel=1e-14)
    assert not dscores[[1, 3]].any()


@pytest.mark.parametrize("size", [1e4, -1e4])
@pytest.mark.parametrize("loss", SETTINGS, ids=repr)
def test_huge_scores_stay_finite(loss: losses.Loss, size: float) -> None:
    scores = np.full((4, 3), size, np.float32)
    scores[:, 1] = -size
    value, dscores = loss(scores, targets_of(loss))
    assert math.isfinite(value)
    assert np.isfinite(dscores).all()


@pytest.mark.parametrize(
    ("loss", "scores", "y", "line"),
    [
        (losses.MSE(), np.zeros((2, 1)), [1.0, math.nan], "[mse] y: expected numbers, got NaN"),
        (losses.MSE(), np.zeros((2, 3)), [1.0, 2.0], "[mse] y: expected shape (2, 3), got (2,)"),
        (losses.MSE(), np.zeros((2, 1)), ["a", "b"], "[mse] y: expected numbers, got <U1"),
        (
            losses.MSE(),
            np.zeros((0, 1)),
            np.zeros((0, 1)),
            "[mse] scores: expected at least one example, got none",
        ),
        (losses.Hinge(), np.zeros((2, 3)), [0, 3], "[hinge] y: expected labels 0 to 2, got 3"),
        (losses.Hinge(), np.zeros((2, 3)), [0.0, 1.0], "[hinge] y: expected integer labels, got float64"),
        (
            losses.BinaryCrossEntropy(),
            np.zeros((2, 1)),
            [0, 2],
            "[binary_cross_entropy] y: expected numbers from 0 to 1, got others",
        ),
        (
            losses.SoftmaxCrossEntropy(),
            np.zeros((1, 2)),
            [[1.5, -0.5]],
            "[softmax] y: expected probabilities >= 0, got others",
        ),
        (
            losses.SoftmaxCrossEntropy(ignore_index=1),
            np.zeros((1, 2)),
            [1],
            "[softmax_cross_entropy_forward] labels: expected a positive total weight, got none that counts",
        ),
    ],
)
def test_refuses(loss: losses.Loss, scores: Any, y: Any, line: str) -> None:
    with pytest.raises(ValueError) as caught:
        loss(scores, y)
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (
            lambda: losses.SoftmaxCrossEntropy(label_smoothing=1.5),
            "[softmax] label_smoothing: expected a finite number >= 0 and <= 1, got 1.5",
        ),
        (lambda: losses.Hinge(0), "[hinge] margin: expected a finite number > 0, got 0"),
        (lambda: losses.Huber(math.nan), "[huber] delta: expected a finite number > 0, got nan"),
    ],
)
def test_options_out_of_range_are_refused(make: Any, line: str) -> None:
    with pytest.raises(ValueError) as caught:
        make()
    assert str(caught.value) == line


@pytest.mark.parametrize("loss", SETTINGS, ids=repr)
def test_description_gives_the_loss_back(loss: losses.Loss) -> None:
    twin = losses.from_config(json.loads(json.dumps(losses.to_config(loss))))
    assert repr(twin) == repr(loss)
    assert twin(SCORES, targets_of(loss))[0] == loss(SCORES, targets_of(loss))[0]


def test_a_saved_model_keeps_its_loss(tmp_path: Path) -> None:
    model = Model(nn.Linear(3, 4), loss=losses.SoftmaxCrossEntropy(label_smoothing=0.1))
    model.save(tmp_path / "model.safetensors")
    assert repr(Model.load(tmp_path / "model.safetensors").loss_function) == repr(model.loss_function)


def test_yes_or_no_answers() -> None:
    X = RNG.normal(size=(64, 3)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int)
    model = Model(nn.Linear(3, 1), loss="binary_cross_entropy")
    history = model.fit(X, y, epochs=30, batch_size=16, optimizer=Adam(0.05))
    assert history.epochs[-1]["train_accuracy"] > 0.9
    answers, probabilities = model.predict(X), model.predict_proba(X)
    np.testing.assert_array_equal(answers, probabilities > 0.5)
    assert model.evaluate(X, y)["accuracy"] == np.mean(answers[:, 0] == y) > 0.9
