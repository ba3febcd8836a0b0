"""The training loop: what it trains, measures, keeps and refuses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from solver_models import Counter, Line, NoisyTwoLayer, TwoLayer, WeightedTwoLayer, blobs

from fastnn.augment import Cutout
from fastnn.callbacks import Callback
from fastnn.data import Splits
from fastnn.optim import SGD, Adam
from fastnn.schedules import Chain, Cosine, Exponential, LinearWarmup, Progress, ReduceOnPlateau
from fastnn.solver import DivergedError, Solver


class FlatGrads(dict[str, np.ndarray]):
    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.flat = np.concatenate([array.ravel() for array in arrays.values()])
        start = 0
        for name, array in arrays.items():
            self[name] = self.flat[start : start + array.size].reshape(array.shape)
            start += array.size


class FlatTwoLayer(WeightedTwoLayer):
    """Parameters in one buffer, gradients in another that every loss overwrites: as a `Model` has them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.params = FlatGrads(self.params)
        self._grads = FlatGrads(self.params)

    def loss(self, X: Any, y: Any = None, weights: Any = None) -> Any:
        result = super().loss(X, y, weights)
        if y is None:
            return result
        for name, grad in result[1].items():
            self._grads[name][...] = grad
        return result[0], self._grads


def course_data() -> dict[str, np.ndarray]:
    X_train, y_train = blobs(300, seed=1)
    X_val, y_val = blobs(100, seed=2)
    return {"X_train": X_train, "y_train": y_train, "X_val": X_val, "y_val": y_val}


def test_a_hand_written_model_and_the_dict_of_the_course_train_unchanged() -> None:
    model = TwoLayer()
    solver = Solver(model, course_data(), optimizer=SGD(0.3, momentum=0.9), epochs=8, batch_size=50)
    history = solver.train()
    assert history is solver.history
    assert history.val_accuracy.max() > 0.9
    assert history.train_accuracy[-1] > 0.9
    assert history.train_loss[-1] < 0.5 * history.train_loss[0]
    assert history.step_loss.shape == history.step_lr.shape == (48,)
    assert history.epoch.tolist() == list(range(1, 9))
    assert history.step.tolist() == list(range(6, 49, 6))
    assert (np.diff(history.seconds) > 0).all()
    np.testing.assert_allclose(history.train_loss[2], history.step_loss[12:18].mean())
    assert history.stop_reason is None


@pytest.mark.parametrize(
    "wrap",
    [
        lambda d: ((d["X_train"], d["y_train"]), (d["X_val"], d["y_val"])),
        lambda d: (Splits(**d, classes=("a", "b", "c")), None),
        lambda d: (Splits(**d, classes=("a", "b", "c")).train, Splits(**d, classes=("a", "b", "c")).val),
        lambda d: ({"X_train": d["X_train"], "y_train": d["y_train"]}, [d["X_val"], d["y_val"]]),
    ],
)
def test_every_form_of_data_trains_alike(wrap: Any) -> None:
    expected, model = TwoLayer(), TwoLayer()
    first = Solver(expected, course_data(), epochs=2, seed=3).train()
    data, validation_data = wrap(course_data())
    second = Solver(model, data, validation_data=validation_data, epochs=2, seed=3).train()
    assert first.val_accuracy.tolist() == second.val_accuracy.tolist()
    for name, value in expected.params.items():
        np.testing.assert_array_equal(model.params[name], value)


def test_the_seed_decides_the_order_and_nothing_else_does() -> None:
    losses = []
    for seed in (0, 0, 1):
        history = Solver(TwoLayer(), blobs(200), epochs=2, batch_size=32, seed=seed).train()
        losses.append(history.step_loss.tolist())
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize(
    ("make", "weighted"),
    [(TwoLayer, False), (WeightedTwoLayer, True), (FlatTwoLayer, False), (FlatTwoLayer, True)],
)
@pytest.mark.parametrize("drop_last", [False, True])
def test_accumulation_equals_the_big_batch(make: Any, drop_last: bool, weighted: bool) -> None:
    X, y = blobs(203)
    weights = np.random.default_rng(0).integers(0, 4, 203).astype(float) if weighted else None
    runs = []
    for batch_size, accumulate in [(60, 1), (20, 3), (7, 9)]:
        model = make()
        batch = batch_size * accumulate
        solver = Solver(
            model, (X, y), optimizer=SGD(0.1, momentum=0.9), epochs=3, batch_size=batch_size,
            accumulate=accumulate, drop_last=drop_last, sample_weights=weights,
        )  # fmt: skip
        assert solver.steps_per_epoch == (203 // batch if drop_last else math.ceil(203 / batch))
        runs.append((model, solver.train()))
    (expected, history), (pieces, other), _ = runs
    np.testing.assert_allclose(other.step_loss, history.step_loss, rtol=1e-12)
    np.testing.assert_allclose(other.train_loss, history.train_loss, rtol=1e-12)
    for name, value in expected.params.items():
        np.testing.assert_allclose(pieces.params[name], value, rtol=1e-10, atol=1e-13)


def test_an_integer_weight_is_so_many_copies() -> None:
    X, y = blobs(40)
    weights = np.random.default_rng(1).integers(0, 4, 40)
    weighted, repeated = WeightedTwoLayer(), WeightedTwoLayer()
    options: dict[str, Any] = {"epochs": 5, "batch_size": 1000}
    a = Solver(weighted, (X, y), optimizer=SGD(0.5), sample_weights=weights, **options).train()
    b = Solver(
        repeated, (X.repeat(weights, axis=0), y.repeat(weights)), optimizer=SGD(0.5), **options
    ).train()
    np.testing.assert_allclose(a.step_loss, b.step_loss, rtol=1e-12)
    for name, value in repeated.params.items():
        np.testing.assert_allclose(weighted.params[name], value, rtol=1e-10, atol=1e-13)


def test_regression_measures_r2() -> None:
    X = np.random.default_rng(0).standard_normal((200, 3))
    y = X @ [[1.0], [-2.0], [0.5]]
    model = Line()
    history = Solver(
        model, (X, y), validation_data=(X[:50], y[:50]), optimizer=SGD(0.1), epochs=20, batch_size=20
    ).train()
    assert history.val_r2[-1] > 0.999
    assert history.train_r2[-1] > 0.999
    assert history.val_r2[0] < history.val_r2[-1]


def test_inputs_are_cast_to_the_model_without_scaling() -> None:
    X = np.arange(30, dtype=np.uint8).reshape(10, 3) * 8
    model = Line(dtype=np.float32)
    Solver(model, (X, X[:, :1] / 255), optimizer=SGD(1e-6), epochs=1, batch_size=4).train()
    assert {seen.dtype for seen in model.seen} == {np.dtype(np.float32)}
    assert max(seen.max() for seen in model.seen) == X.max()


def test_float64_gradients_of_a_float32_model_are_cast() -> None:
    class Careless(Line):
        def loss(self, X: Any, y: Any = None) -> Any:
            result = super().loss(X, y)
            return result if y is None else (result[0], {"w": result[1]["w"] * np.float64(1.0)})

    X = np.random.default_rng(0).standard_normal((50, 3))
    careful, careless = Line(dtype=np.float32), Careless(dtype=np.float32)
    for model in (careful, careless):
        Solver(model, (X, X[:, :1]), optimizer=Adam(0.1), epochs=2, batch_size=10).train()
    assert careless.params["w"].dtype == np.float32
    np.testing.assert_array_equal(careful.params["w"], careless.params["w"])


def test_the_best_weights_and_statistics_come_back() -> None:
    model = Counter(best=12)
    X = np.zeros((100, 1))
    history = Solver(
        model, (X, np.zeros(100, int)), validation_data=(X, np.zeros(100, int)), optimizer=SGD(1.0),
        epochs=8, batch_size=25,
    ).train()  # fmt: skip
    assert history.val_accuracy.argmax() == 2
    assert model.params["n"].tolist() == [12.0]
    assert model.statistic.tolist() == [12.0]


def test_without_validation_data_the_last_weights_stay() -> None:
    model = Counter(best=12)
    Solver(
        model, (np.zeros((100, 1)), np.zeros(100, int)), optimizer=SGD(1.0), epochs=8, batch_size=25
    ).train()
    assert model.params["n"].tolist() == [32.0]


def test_the_schedule_sets_every_rate_and_the_optimizer_gets_its_own_back() -> None:
    schedule = Chain(LinearWarmup(5, 0.1), Cosine())
    optimizer = SGD(0.2)
    history = Solver(
        TwoLayer(), blobs(100), optimizer=optimizer, schedule=schedule, epochs=3, batch_size=10
    ).train()
    expected = [schedule(0.2, Progress(step, 30, 10)) for step in range(30)]
    assert history.step_lr.tolist() == expected
    assert optimizer.lr == 0.2


def test_a_plateau_sees_the_metrics() -> None:
    plateau = ReduceOnPlateau("val_accuracy", "max", patience=0, factor=0.5)
    X = np.zeros((20, 1))
    labels = np.zeros(20, int)
    history = Solver(
        Counter(best=-1000), (X, labels), validation_data=(X, labels), optimizer=SGD(1.0), schedule=plateau,
        epochs=4, batch_size=20,
    ).train()  # fmt: skip
    assert history.step_lr.tolist() == [1.0, 1.0, 0.5, 0.25]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_the_run_before_it_does_harm(bad: float) -> None:
    class Explodes(Counter):
        def loss(self, X: Any, y: Any = None) -> Any:
            result = super().loss(X, y)
            return result if y is None or self.params["n"][0] < 9 else (bad, result[1])

    model, X, labels = Explodes(best=5), np.zeros((20, 1)), np.zeros(20, int)
    solver = Solver(
        model, (X, labels), validation_data=(X, labels), optimizer=SGD(1.0), epochs=9, batch_size=5
    )
    message = rf"\[Solver\] loss: expected a finite number, got {bad} at step 10 \(epoch 3, learning rate 1\)"
    with pytest.raises(DivergedError, match=message) as caught:
        solver.train()
    assert "\n" not in str(caught.value)
    assert solver.history.stop_reason == str(caught.value)
    assert len(solver.history.step_loss) == 9
    assert model.params["n"].tolist() == [4.0]


def test_data_that_are_not_finite_are_named_as_the_cause() -> None:
    X, y = blobs(20)
    X[7] = math.nan
    with pytest.raises(DivergedError, match=r"got nan at step 1 .*; X holds NaN or infinity$"):
        Solver(TwoLayer(), (X, y), epochs=1, batch_size=20).train()


def test_the_training_metric_uses_a_spread_sample() -> None:
    X, y = blobs(300)
    order = np.argsort(y)
    model = TwoLayer()
    solver = Solver(model, (X[order], y[order]), epochs=1, train_samples=30)
    assert sorted(set(solver._train_sample.dataset.y.tolist())) == [0, 1, 2]
    history = solver.train()
    sample = X[order][np.arange(30) * 300 // 30]
    expected = (model.loss(sample).argmax(axis=1) == y[order][np.arange(30) * 300 // 30]).mean()
    assert history.train_accuracy[-1] == pytest.approx(expected)


def test_random_layers_and_statistics_of_a_hand_written_model_go_along() -> None:
    model = NoisyTwoLayer()
    history = Solver(model, course_data(), optimizer=Adam(0.02), epochs=5, batch_size=50).train()
    assert history.val_accuracy.max() > 0.8


class NotAModel:
    params = {"w": np.zeros(1)}  # noqa: RUF012


class WrongPair(Line):
    def loss(self, X: Any, y: Any = None) -> Any:
        return 1.0


X0, Y0 = np.zeros((10, 3)), np.zeros((10, 1))


@pytest.mark.parametrize(
    ("error", "options", "message"),
    [
        (TypeError, {"model": NotAModel()}, r"\[Solver\] model: expected an object with a mapping `params`"),
        (TypeError, {"data": 3}, r"\[Solver\] data: expected \(X, y\), a data set or a mapping, got int"),
        (TypeError, {"validation_data": "x"}, r"\[Solver\] validation_data: expected \(X, y\)"),
        (ValueError, {"data": {"X": X0}}, r"\[Solver\] data: expected X_train and y_train, got X"),
        (ValueError, {"data": (X0, Y0[:5])}, r"expected 10 rows as in X, got 5"),
        (ValueError, {"data": (X0[:0], Y0[:0])}, r"\[Solver\] data: expected examples, got none"),
        (ValueError, {"validation_data": (X0[:0], Y0[:0])}, r"\[Solver\] validation_data: expected examples"),
        (ValueError, {"epochs": 0}, r"\[Solver\] epochs: expected an integer >= 1, got 0"),
        (ValueError, {"batch_size": 2.5}, r"\[Solver\] batch_size: expected an integer >= 1, got 2.5"),
        (ValueError, {"accumulate": -1}, r"\[Solver\] accumulate: expected an integer >= 1, got -1"),
        (ValueError, {"batch_size": 64, "drop_last": True}, r"expected at most the 10 examples"),
        (ValueError, {"seed": 1.5}, r"\[Solver\] seed: expected an integer >= 0, got 1.5"),
        (ValueError, {"seed": -1}, r"\[Solver\] seed: expected an integer >= 0, got -1"),
        (
            TypeError,
            {"optimizer": "adam"},
            r"\[Solver\] optimizer: expected .* step and lr, got str",
        ),
        (TypeError, {"optimizer": SGD}, r"\[Solver\] optimizer: expected .*, got the class SGD"),
        (TypeError, {"schedule": Cosine}, r"\[Solver\] schedule: expected .*, got the class Cosine"),
        (TypeError, {"schedule": 0.1}, r"\[Solver\] schedule: expected an object with __call__, got float"),
        (TypeError, {"callbacks": Callback()}, r"\[Solver\] callbacks: expected a sequence, got Callback"),
        (TypeError, {"callbacks": [Callback]}, r"\[Solver\] callbacks: expected .*, got the class Callback"),
        (TypeError, {"augment": "flip"}, r"\[Solver\] augment: expected an object with __call__, got str"),
        (TypeError, {"augment": [Cutout]}, r"\[Solver\] augment: expected .*, got the class Cutout"),
        (TypeError, {"preprocess": 255}, r"\[Solver\] preprocess: expected an object with tables, got int"),
        (ValueError, {"data": ([[1], [1, 2]], [1, 2])}, r"\[Solver\] data: expected arrays, got rows of"),
        (ValueError, {"resume": True}, r"\[Solver\] checkpoint_dir: expected a folder with resume"),
        (
            ValueError,
            {"sample_weights": np.ones(10)},
            r"\[Solver\] sample_weights: expected a model whose loss takes",
        ),
    ],
)
def test_refusals(error: Any, options: dict[str, Any], message: str) -> None:
    model = options.pop("model", None) or Line()
    data = options.pop("data", (X0, Y0))
    with pytest.raises(error, match=message) as caught:
        Solver(model, data, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(9), r"\[Solver\] sample_weights: expected shape \(10,\), got \(9,\)"),
        (["a"] * 10, r"\[Solver\] sample_weights: expected numbers, got other things"),
        (-np.ones(10), r"\[Solver\] sample_weights: expected finite numbers >= 0"),
        (np.full(10, np.nan), r"\[Solver\] sample_weights: expected finite numbers >= 0"),
        (np.zeros(10), r"\[Solver\] sample_weights: expected a positive sum in every batch, got 0"),
    ],
)
def test_bad_weights_are_refused(weights: Any, message: str) -> None:
    X, y = blobs(10)
    with pytest.raises(ValueError, match=message):
        Solver(WeightedTwoLayer(), (X, y), sample_weights=weights).train()


def test_a_bad_loss_a_bad_schedule_and_a_second_call_are_refused() -> None:
    with pytest.raises(
        TypeError, match=r"\[Solver\] model.loss\(X, y\): expected a pair \(loss, grads\), got float"
    ):
        Solver(WrongPair(), (X0, Y0)).train()
    with pytest.raises(ValueError, match=r"\[Solver\] schedule: expected a finite number >= 0, got -1"):
        Solver(Line(), (X0, Y0), schedule=lambda lr, progress: -1).train()
    solver = Solver(TwoLayer(), blobs(10), epochs=1, schedule=Exponential(0.5))
    solver.train()
    with pytest.raises(RuntimeError, match="expected one call per Solver"):
        solver.train()
