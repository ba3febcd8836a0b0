"""The learning-rate finder (T101): what it measures, where it stops, and that it leaves no trace."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from solver_models import Line, NoisyTwoLayer, TwoLayer, blobs

from fastnn import LRCurve, find_lr, nn
from fastnn.augment import Mixup
from fastnn.callbacks import Callback
from fastnn.data import ArrayDataset, Splits
from fastnn.model import Model
from fastnn.optim import SGD, Adam
from fastnn.solver import Solver

DATA = blobs(300, seed=1, dtype=np.float32)


def net() -> Model:
    layers = [nn.Linear(6, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Dropout(0.3), nn.Linear(24, 3)]
    return Model(nn.Sequential(*layers), seed=3)


def flattened(state: Any) -> Any:
    if isinstance(state, dict):
        return {name: flattened(value) for name, value in state.items()}
    return state.tobytes() if isinstance(state, np.ndarray) else state


class Boom(BaseException):
    pass


def boom(step: int, rate: float, loss: float) -> None:
    if step == 20:
        raise Boom


def interrupt(step: int, rate: float, loss: float) -> None:
    if step == 20:
        raise KeyboardInterrupt


@pytest.mark.parametrize("end", [None, boom, interrupt])
@pytest.mark.parametrize("fresh", [True, False])
def test_t101_a_run_after_it_has_the_same_bits(end: Any, fresh: bool) -> None:
    def run(find: bool) -> tuple[Any, Any, Any, list[float], Any]:
        model, optimizer = net(), Adam(0.01)
        if not fresh:
            Solver(model, DATA, optimizer=optimizer, epochs=2, batch_size=32).train()
        np.random.seed(5)  # noqa: NPY002 (hand-written layers draw from it)
        if find:
            step, net_before = model.step, model.net
            before = flattened(model.state_dict()), flattened(optimizer.state_dict())
            if end is None:
                curve = find_lr(model, DATA, optimizer=optimizer, batch_size=32)
                assert len(curve.rates) > 80
            else:
                with pytest.raises((Boom, KeyboardInterrupt)):
                    find_lr(model, DATA, optimizer=optimizer, batch_size=32, on_step=end)
            assert (model.step, model.net) == (step, net_before)
            assert before == (flattened(model.state_dict()), flattened(optimizer.state_dict()))
            assert optimizer.lr == 0.01
        drawn = np.random.rand()  # noqa: NPY002
        history = Solver(model, DATA, optimizer=optimizer, epochs=2, batch_size=32).train()
        states = flattened(model.state_dict()), flattened(optimizer.state_dict())
        return (*states, drawn, history.step_loss.tolist(), model.step)

    assert run(find=True) == run(find=False)


def test_t101_state_that_only_the_model_knows_of_is_left_alone() -> None:
    """A hand-written model may keep statistics and generators where nobody looks for them."""

    class Hidden(NoisyTwoLayer):
        state_dict = None  # type: ignore[assignment]

        def __init__(self) -> None:
            super().__init__()
            self.rng = np.random.default_rng(0)

        def loss(self, X: Any, y: Any = None) -> Any:
            return super().loss(X + 0.1 * self.rng.standard_normal(X.shape), y)

    model = Hidden()
    before = copy.deepcopy(vars(model))
    state = np.random.get_state()  # noqa: NPY002
    find_lr(model, blobs(100), optimizer=SGD(0.1), batch_size=20)
    assert flattened(model.params) == flattened(before["params"])
    assert model.running_mean.tobytes() == before["running_mean"].tobytes()
    assert model.rng.random() == before["rng"].random()
    assert flattened(np.random.get_state()[1]) == flattened(state[1])  # noqa: NPY002


def test_parameters_that_are_views_of_one_buffer() -> None:
    class Buffered(Line):
        """Computes with ``theta``, of which its parameters are views."""

        def __init__(self) -> None:
            super().__init__(3)
            self.theta = np.zeros(4)
            self.params = {"b": self.theta[:1], "w": self.theta[1:].reshape(3, 1)}

        def loss(self, X: Any, y: Any = None) -> Any:
            error = X @ self.theta[1:, None] + self.theta[0] - y
            return np.mean(error**2), {"w": 2 * X.T @ error / len(X), "b": 2 * error.mean(axis=0)}

    X = np.random.default_rng(0).normal(size=(200, 3))
    model = Buffered()
    curve = find_lr(model, (X, X[:, :1]), optimizer=SGD(0.1), start=1e-4, batch_size=20)
    assert curve.losses.min() < 0.1 * curve.losses[0]
    assert not model.theta.any()


def test_the_ramp_is_exponential_and_is_what_the_steps_run_at() -> None:
    """Against a loop written by hand, on a model without randomness."""
    X, y = blobs(64)
    model = TwoLayer()
    twin = TwoLayer()
    seen: list[tuple[int, float, float]] = []
    curve = find_lr(
        model, (X, y), optimizer=SGD(0.1), start=1e-3, end=1.0, steps=7, batch_size=64,
        on_step=lambda *step: seen.append(step),
    )  # fmt: skip
    rates = 10.0 ** np.linspace(-3, 0, 7)
    np.testing.assert_allclose(curve.rates, rates, rtol=1e-12)
    losses = []
    for rate in rates:
        value, grads = twin.loss(X, y)
        losses.append(value)
        for name, grad in grads.items():
            twin.params[name] -= rate * grad
    np.testing.assert_allclose(curve.losses, losses, rtol=1e-9)
    average = [sum(0.9 ** (i - j) * losses[j] for j in range(i + 1)) for i in range(7)]
    weights = [sum(0.9**j for j in range(i + 1)) for i in range(7)]
    np.testing.assert_allclose(curve.smoothed, np.divide(average, weights), rtol=1e-9)
    assert seen == [(i + 1, *pair) for i, pair in enumerate(zip(curve.rates, curve.losses, strict=True))]
    assert curve.stop_reason is None


@pytest.mark.parametrize(("smoothing", "factor"), [(0.0, 4.0), (0.9, 2.0)])
def test_an_explosion_ends_the_run(smoothing: float, factor: float) -> None:
    X = np.random.default_rng(0).normal(size=(192, 3))
    curve = find_lr(
        Line(), (X, X[:, :1]), optimizer=SGD(1.0), end=1e3, steps=300, smoothing=smoothing, stop_factor=factor
    )
    assert len(curve.rates) == len(curve.losses) == len(curve.smoothed) < 300
    assert curve.smoothed[-1] > factor * curve.smoothed.min()
    assert (curve.smoothed[:-1] <= factor * np.minimum.accumulate(curve.smoothed[:-1])).all()
    assert str(curve.stop_reason).startswith("the loss grew to")
    # The curvature is about 2, so that the plain method diverges from rate 1 on.
    assert 0.5 < curve.rates[-1] < 20
    assert 0.02 < curve.suggestion < 0.5
    assert curve.suggestion == curve.lowest / 10
    assert repr(curve).startswith(f"LRCurve({len(curve.rates)} steps; suggestion=")


def test_a_loss_that_is_not_finite_ends_the_run() -> None:
    class Cliff(Line):
        def loss(self, X: Any, y: Any = None) -> Any:
            value, grads = super().loss(X, y)
            return (np.nan if value < 0.3 else value), grads

    X = np.random.default_rng(0).normal(size=(200, 3))
    curve = find_lr(Cliff(), (X, X[:, :1]), optimizer=SGD(1.0))
    assert str(curve.stop_reason).startswith("the loss became nan at rate 0.")
    assert np.isfinite(curve.losses).all()
    assert len(curve.rates) == len(curve.losses) < 100
    with pytest.raises(
        ValueError, match=r"\[find_lr\] loss: expected a finite number at the first step, got nan"
    ):
        find_lr(Cliff(), (X, 0 * X[:, :1]))


def test_a_suggested_rate_trains() -> None:
    X, y = DATA
    for optimizer in (SGD(1e-9, momentum=0.9), Adam(1e-9)):
        model = net()
        optimizer.lr = find_lr(model, (X, y), optimizer=optimizer, batch_size=32).suggestion
        Solver(model, (X, y), optimizer=optimizer, epochs=5, batch_size=32).train()
        assert model.evaluate(X, y)["accuracy"] > 0.85


def test_all_kinds_of_data_and_augmentation() -> None:
    X, y = DATA
    sources: list[Any] = [
        (X, y),
        ArrayDataset(X, y),
        {"X_train": X, "y_train": y},
        Splits(X, y, classes=("a", "b", "c")),
    ]
    curves = [find_lr(net(), source, steps=30) for source in sources]
    assert len({curve.losses.tobytes() for curve in curves}) == 1
    mixed = find_lr(net(), DATA, steps=30, augment=[Mixup(1.0, classes=3)])
    assert mixed.losses.tobytes() != curves[0].losses.tobytes()


def test_the_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    rates = 10.0 ** np.arange(-4, 1)
    for sign in (1, -1):
        losses = sign * np.array([2.3, 2.2, 1.5, 0.7, 9.0])
        LRCurve(rates, losses, losses).plot(tmp_path / "lr.png", title="a net")
        assert (tmp_path / "lr.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("error", "options", "message"),
    [
        (ValueError, {"start": 0}, r"\[find_lr\] start: expected a finite number > 0, got 0"),
        (ValueError, {"start": 1.0, "end": 1.0}, r"\[find_lr\] end: expected a finite number > 1, got 1.0"),
        (ValueError, {"steps": 1}, r"\[find_lr\] steps: expected an integer >= 2, got 1"),
        (ValueError, {"batch_size": 0}, r"\[find_lr\] batch_size"),
        (ValueError, {"smoothing": 1.0}, r"\[find_lr\] smoothing: expected .* >= 0 and < 1, got 1.0"),
        (ValueError, {"stop_factor": 1.0}, r"\[find_lr\] stop_factor: expected a finite number > 1, got 1.0"),
        (ValueError, {"seed": -1}, r"\[find_lr\] seed"),
        (TypeError, {"optimizer": SGD}, r"\[find_lr\] optimizer: expected .*, got the class SGD"),
        (TypeError, {"augment": ["flip"]}, r"\[find_lr\] augment: expected an object with __call__, got str"),
        (TypeError, {"model": Callback()}, r"\[find_lr\] model: expected an object with a mapping `params`"),
        (TypeError, {"data": 3}, r"\[find_lr\] data: expected \(X, y\)"),
        (ValueError, {"data": (DATA[0][:0], DATA[1][:0])}, r"\[find_lr\] data: expected examples, got none"),
    ],
)
def test_refusals(error: Any, options: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"model": net(), "data": DATA, **options}
    with pytest.raises(error, match=message) as caught:
        find_lr(arguments.pop("model"), arguments.pop("data"), **arguments)
    assert "\n" not in str(caught.value)


def test_a_model_that_cannot_be_copied_is_refused() -> None:
    model: Any = Line()
    model.generator = (i for i in range(3))
    with pytest.raises(TypeError, match=r"\[find_lr\] model: expected what copy.deepcopy can copy, got: "):
        find_lr(model, (np.eye(3), np.ones((3, 1))))
