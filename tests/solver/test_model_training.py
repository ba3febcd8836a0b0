"""A `Model` under the `Solver`: flat buffers, frozen parts, random layers, held-out loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from solver_models import blobs

from fastnn import nn
from fastnn.callbacks import Callback
from fastnn.losses import SoftmaxCrossEntropy
from fastnn.model import Model
from fastnn.optim import SGD, Adam, AdamW
from fastnn.solver import Solver


def net(dropout: float = 0.4) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(6, 12), nn.ReLU(), nn.Dropout(dropout), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3)
    )


def model(**options: Any) -> Model:
    return Model(net(), seed=2, **{"dtype": np.float64, **options})


def test_fit_is_the_solver() -> None:
    X, y = blobs(200)
    one, other = model(), model()
    first = one.fit(X, y, epochs=3, batch_size=32, validation_data=blobs(50, seed=9))
    second = Solver(other, (X, y), epochs=3, batch_size=32, validation_data=blobs(50, seed=9)).train()
    np.testing.assert_array_equal(one.params.flat, other.params.flat)
    assert first.step_loss.tolist() == second.step_loss.tolist()
    assert first.columns == [
        "epoch", "step", "lr", "train_accuracy", "train_loss", "val_accuracy", "val_loss", "seconds",
    ]  # fmt: skip
    best = first.val_accuracy.argmax()
    held_out = one.evaluate(*blobs(50, seed=9))
    assert held_out["accuracy"] == first.val_accuracy[best]
    assert held_out["loss"] == pytest.approx(first.val_loss[best])


@pytest.mark.parametrize("weighted", [False, True])
def test_accumulation_draws_the_masks_of_the_big_batch(weighted: bool) -> None:
    X, y = blobs(150)
    weights = np.linspace(0.5, 2, 150) if weighted else None
    big, pieces = model(), model()
    options: dict[str, Any] = {"epochs": 3, "sample_weights": weights}
    Solver(big, (X, y), optimizer=SGD(0.1, momentum=0.9), batch_size=60, **options).train()
    Solver(pieces, (X, y), optimizer=SGD(0.1, momentum=0.9), batch_size=15, accumulate=4, **options).train()
    np.testing.assert_allclose(pieces.params.flat, big.params.flat, rtol=1e-9, atol=1e-12)
    assert big.step == pieces.step == 9
    assert big.example == pieces.example == 0


@pytest.mark.parametrize("optimizer", [SGD(0.1, momentum=0.9, weight_decay=0.01), Adam(0.01), AdamW(0.01)])
def test_frozen_parameters_do_not_move_and_the_rest_trains_as_array_by_array(optimizer: Any) -> None:
    X, y = blobs(100)
    flat, named = model(), model()
    twin = type(optimizer)(**optimizer.state_dict()["options"])
    for frozen in (("0",), ("3.bias", "5.weight"), ()):
        flat.unfreeze()
        named.unfreeze()
        if frozen:
            flat.freeze(*frozen)
            named.freeze(*frozen)
        before = {name: value.copy() for name, value in flat.params.items()}
        for _ in range(3):
            optimizer.step(flat.params, flat.loss(X, y)[1])
            grads = {
                name: grad for name, grad in named.loss(X, y)[1].items() if name not in named.params.frozen
            }
            twin.step(dict(named.params), grads)
        for name, value in flat.params.items():
            assert np.array_equal(value, before[name]) == (name in flat.params.frozen), name
            np.testing.assert_array_equal(value, named.params[name])


def test_a_frozen_body_stays_through_a_whole_run() -> None:
    trained = model()
    trained.freeze("0", "3")
    before = {name: value.copy() for name, value in trained.params.items()}
    Solver(trained, blobs(100), optimizer=Adam(0.01, weight_decay=0.1), epochs=2).train()
    moved = {name for name, value in trained.params.items() if not np.array_equal(value, before[name])}
    assert moved == {"5.weight", "5.bias"}


def test_the_best_running_statistics_come_back() -> None:
    X, y = blobs(120)
    bn = Model(nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)), seed=0)
    states = []

    class Spy(Callback):
        def on_epoch_end(self, run: Any) -> None:
            states.append(run.model.state_dict())

    X_val, y_val = blobs(40, seed=3)
    history = Solver(
        bn, (X, y), validation_data=(X_val, y_val), epochs=5, optimizer=SGD(0.3), batch_size=20,
        callbacks=[Spy()],
    ).train()  # fmt: skip
    best = states[int(history.val_accuracy.argmax())]
    for name, value in bn.state_dict().items():
        np.testing.assert_array_equal(value, best[name])


def test_regression_reports_r2_and_loss() -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 4))
    y = np.sin(X[:, :1]) + 0.5 * X[:, 1:2]
    regression = Model(nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 1)), loss="mse", seed=0)
    history = Solver(
        regression, (X, y), validation_data=(X[:50], y[:50]), optimizer=Adam(0.01), epochs=40, batch_size=20
    ).train()
    assert history.val_r2.max() > 0.95
    assert history.val_loss[-1] < 0.1 * history.val_loss[0]


@pytest.mark.parametrize(("option", "bound"), [("clip_norm", 1e-3), ("clip_value", 1e-4)])
def test_clipped_gradients_bound_the_step(option: str, bound: float) -> None:
    X, y = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32), np.arange(16) % 2
    linear = Model(nn.Linear(3, 2))
    before = linear.params.flat.copy()
    Solver(linear, (X, y), optimizer=SGD(1.0), epochs=1, batch_size=16, **{option: bound}).train()
    step = np.abs(linear.params.flat - before)
    size = float(np.linalg.norm(step)) if option == "clip_norm" else float(step.max())
    assert size == pytest.approx(bound, rel=0.01)


def test_probabilities_as_targets_are_measured_by_accuracy() -> None:
    X, y = blobs(200)
    soft = 0.9 * np.eye(3)[y] + 0.1 / 3
    trained = model()
    history = trained.fit(X, soft, epochs=2, batch_size=32, validation_data=(X, soft))
    assert {"train_accuracy", "val_accuracy"} < set(history.columns)
    assert history.val_accuracy.max() == np.mean(trained.predict(X) == y)
    assert trained.evaluate(X, soft)["accuracy"] == trained.evaluate(X, y)["accuracy"]


def test_ignored_labels_do_not_count_as_wrong() -> None:
    X, y = blobs(200)
    y = np.where(np.arange(200) % 4 == 0, -1, y)
    trained = model(loss=SoftmaxCrossEntropy(ignore_index=-1))
    history = trained.fit(X, y, epochs=2, batch_size=32, validation_data=(X, y))
    counted = y >= 0
    assert history.val_accuracy.max() == np.mean(trained.predict(X)[counted] == y[counted])
    assert trained.evaluate(X, y)["accuracy"] == history.val_accuracy.max()
