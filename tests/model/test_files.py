"""Saved models: they rebuild themselves, and other files are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastnn import io, nn, regularizers
from fastnn.model import Model

X = np.random.default_rng(0).normal(size=(5, 1, 8, 8))
Y = np.array([0, 1, 2, 0, 1])


class Descent:
    def step(self, params: Any, grads: Any) -> None:
        params.flat -= 0.1 * grads.flat


def build(**options: Any) -> Model:
    shared = nn.Linear(4, 4)
    net = nn.Sequential(
        *(nn.Conv2d(1, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.GlobalAvgPool2d(), nn.Flatten()),
        *(shared, nn.ReLU(), nn.Residual(shared), nn.Dropout(0.2), nn.Linear(4, 3)),
    )
    return Model(net, **options)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_saved_model_rebuilds_itself_and_goes_on_bit_for_bit(tmp_path: Path, dtype: Any) -> None:
    model = build(dtype=dtype, regularizer=regularizers.ElasticNet(0.01, 0.02), seed=7)
    for _ in range(3):
        model.train_step(X, Y, Descent())
    model.freeze("0")
    model.save(tmp_path / "model.safetensors", {"classes": "a b c"})
    twin = Model.load(tmp_path / "model.safetensors")
    assert twin.dtype == np.dtype(dtype)
    assert repr(twin) == repr(model)
    assert (twin.seed, twin.step, twin.params.frozen) == (7, 3, {"0.weight", "0.bias"})
    assert twin.summary() == model.summary()
    np.testing.assert_array_equal(twin.predict_proba(X), model.predict_proba(X))
    assert [twin.train_step(X, Y, Descent()) for _ in range(3)] == [
        model.train_step(X, Y, Descent()) for _ in range(3)
    ]
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(twin.state_dict()[name], array)
    assert io.load_tensors(tmp_path / "model.safetensors")[1]["classes"] == "a b c"


def test_a_regression_model_is_saved(tmp_path: Path) -> None:
    model = Model(nn.Linear(3, 1), "mse")
    model.save(tmp_path / "m.safetensors")
    assert Model.load(tmp_path / "m.safetensors").task == "regression"


def test_a_hand_written_layer_is_saved_but_not_rebuilt(tmp_path: Path) -> None:
    class Double:
        def forward(self, x: Any, *, train: bool = False, key: Any = None) -> Any:
            return 2 * x, None

        def backward(self, dy: Any, cache: Any, grads: Any = None) -> Any:
            return 2 * dy

    path = tmp_path / "m.safetensors"
    model = Model(nn.Sequential(nn.Linear(3, 2), Double()), seed=5)
    model.save(path)
    with pytest.raises(ValueError) as caught:
        Model.load(path)
    assert str(caught.value) == (
        f"[Model.load] {path}: expected parts of fastnn's own, got the hand-written Double: "
        "build the model and call load_state_dict(fastnn.io.load_tensors(path)[0])"
    )
    again = Model(nn.Sequential(nn.Linear(3, 2), Double()))
    again.load_state_dict(io.load_tensors(path)[0])
    x = np.ones((1, 3))
    np.testing.assert_array_equal(again.loss(x), model.loss(x))


def test_a_hand_written_loss_is_named(tmp_path: Path) -> None:
    def loss(scores: Any, y: Any, weights: Any = None) -> Any:
        return 0.0, scores

    Model(nn.Linear(3, 2), loss).save(tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="got a hand-written loss: build the model and call load_state_dict"):
        Model.load(tmp_path / "m.safetensors")


@pytest.mark.parametrize(
    "metadata",
    [{}, {"model": "{}"}, {"model": "["}, {"model": '{"hand_written": "", "net": {"type": "Linear"}}'}],
)
def test_other_files_are_refused(tmp_path: Path, metadata: dict[str, str]) -> None:
    path = tmp_path / "other.safetensors"
    io.save_tensors(path, {"weight": np.ones(3)}, metadata)
    line = r"^\[Model.load\] .*other.safetensors: expected a saved model, got [^\n]*$"
    with pytest.raises(ValueError, match=line):
        Model.load(path)
    with pytest.raises(FileNotFoundError):
        Model.load(tmp_path / "none.safetensors")


def test_a_failed_save_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.safetensors"
    model = Model(nn.Linear(3, 2))
    model.save(path)
    before = path.read_bytes()

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    model.params.flat[:] = 0
    with pytest.raises(OSError, match="No space left"):
        model.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]
