"""Clipping, averages of parameters, and the optimizers that use curvature."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from fastnn import Model, nn
from fastnn.optim import LBFGS, SGD, Newton, ParameterAverage, clip_grad_norm, clip_grad_value

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("max_norm", [0.5, 1e3])
def test_clipping_is_torch_s(max_norm: float) -> None:
    torch = pytest.importorskip("torch")
    grads = {"a": RNG.normal(size=(3, 4)), "b": RNG.normal(size=5)}
    tensors = [torch.zeros(g.shape, dtype=torch.float64) for g in grads.values()]
    for tensor, grad in zip(tensors, grads.values(), strict=True):
        tensor.grad = torch.tensor(grad)
    norm = torch.nn.utils.clip_grad_norm_(tensors, max_norm)
    assert clip_grad_norm(grads, max_norm) == pytest.approx(norm.item(), rel=1e-12)
    for tensor, grad in zip(tensors, grads.values(), strict=True):
        np.testing.assert_allclose(grad, tensor.grad.numpy(), rtol=1e-12)
    torch.nn.utils.clip_grad_value_(tensors, 0.1)
    clip_grad_value(grads, 0.1)
    for tensor, grad in zip(tensors, grads.values(), strict=True):
        np.testing.assert_allclose(grad, tensor.grad.numpy(), rtol=1e-12)


def test_clipping_reaches_the_buffer_of_a_model() -> None:
    model = Model(nn.Linear(3, 2), seed=0)
    _, grads = model.loss(RNG.normal(size=(8, 3)), [0, 1] * 4)
    assert clip_grad_norm(grads, 1e-3) > 1e-3
    norm = math.sqrt(sum(float(np.square(g).sum()) for g in grads.values()))
    assert norm == pytest.approx(1e-3, rel=0.01)


def test_averages() -> None:
    values = RNG.normal(size=(20, 3))
    plain, fading, params = ParameterAverage(None), ParameterAverage(0.9), {"w": np.zeros(3)}
    expected = values[0]
    for i, value in enumerate(values):
        params["w"][:] = value
        plain.update(params)
        fading.update(params)
        if i:
            expected = 0.9 * expected + 0.1 * value
        if i == 10:  # on from a saved state
            state = fading.state_dict()
            fading = ParameterAverage(0.9)
            fading.load_state_dict(state)
    np.testing.assert_allclose(plain.averages["w"], values.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(fading.averages["w"], expected, rtol=1e-12)
    with fading.swapped_into(params):
        np.testing.assert_array_equal(params["w"], fading.averages["w"])
    np.testing.assert_array_equal(params["w"], values[-1])


@pytest.mark.parametrize("decay", [None, 0.9, 0.0])
def test_averages_are_torch_s(decay: float | None) -> None:
    torch = pytest.importorskip("torch")
    swa = torch.optim.swa_utils
    theirs = torch.nn.Linear(3, 2).double()
    options = {} if decay is None else {"multi_avg_fn": swa.get_ema_multi_avg_fn(decay)}
    averaged = swa.AveragedModel(theirs, **options)
    model, average = Model(nn.Linear(3, 2), dtype=np.float64), ParameterAverage(decay)
    for _ in range(30):
        for name, tensor in theirs.named_parameters():
            tensor.data += torch.tensor(RNG.normal(size=tensor.shape))
            model.params[name] = tensor.detach().numpy()
        averaged.update_parameters(theirs)
        average.update(model.params)
    with average.swapped_into(model.params):
        for name, tensor in averaged.module.named_parameters():
            np.testing.assert_allclose(model.params[name], tensor.detach().numpy(), rtol=1e-12)
    for name, tensor in theirs.named_parameters():
        np.testing.assert_array_equal(model.params[name], tensor.detach().numpy())


def test_averages_of_a_buffer_and_of_arrays_are_the_same_bits() -> None:
    model, by_buffer, by_name = Model(nn.Linear(3, 2)), ParameterAverage(0.7), ParameterAverage(0.7)
    for step in range(12):
        model.params.flat[:] = RNG.normal(size=model.params.flat.size)
        by_buffer.update(model.params)
        by_name.update(dict(model.params))
        if step == 6:  # on from a saved state
            state = by_buffer.state_dict()
            by_buffer.load_state_dict(state)
    for name, value in by_buffer.averages.items():
        np.testing.assert_array_equal(value, by_name.averages[name])
    by_name.copy_into(model.params)
    np.testing.assert_array_equal(model.params["weight"], by_buffer.averages["weight"])


def test_an_average_of_nothing_is_refused() -> None:
    params = {"w": np.zeros(3)}
    empty = ParameterAverage()
    for use in (lambda: empty.copy_into(params), lambda: empty.averages):
        with pytest.raises(ValueError, match=r"^\[ParameterAverage\] update: expected at least one"):
            use()


def rosenbrock(params: dict[str, Any]) -> Any:
    def loss() -> Any:
        x, y = params["w"]
        slope = [-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)]
        return (1 - x) ** 2 + 100 * (y - x * x) ** 2, {"w": np.array(slope)}

    return loss


@pytest.mark.parametrize(
    ("method", "dtype"),
    [
        (LBFGS(tolerance_change=0.0), np.float64),
        (LBFGS(), np.float32),
        (LBFGS(max_iter=500, history_size=1, tolerance_change=0.0), np.float64),
        (LBFGS(max_iter=500, history_size=1), np.float32),
        (Newton(), np.float64),
    ],
)
def test_rosenbrock(method: Any, dtype: Any) -> None:
    params = {"w": np.array([-1.2, 1.0], dtype)}
    result = method.minimize(params, rosenbrock(params))
    np.testing.assert_allclose(params["w"], [1.0, 1.0], atol=1e-6 if dtype is np.float64 else 1e-3)
    assert params["w"].dtype == dtype
    # In float32 rounding hides the last steps from the search.
    assert result.reason in ("gradient", "change", "line search")[: 2 + (dtype is np.float32)]
    assert result.evaluations < 1500


@pytest.mark.parametrize(
    "method", [LBFGS(max_iter=300, tolerance_change=1e-12), Newton()], ids=["lbfgs", "newton"]
)
def test_parabola_ends_where_torch_s_does(method: Any) -> None:
    torch = pytest.importorskip("torch")
    root = RNG.normal(size=(6, 6))
    matrix, shift = root @ root.T + 0.1 * np.eye(6), RNG.normal(size=6)
    params = {"a": np.zeros((2, 2)), "b": np.zeros(2)}

    def loss() -> Any:
        w = np.concatenate([params["a"].ravel(), params["b"]])
        slope = matrix @ w - shift
        return 0.5 * w @ matrix @ w - shift @ w, {"a": slope[:4].reshape(2, 2), "b": slope[4:]}

    result = method.minimize(params, loss)
    w = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    peer = torch.optim.LBFGS([w], max_iter=300, tolerance_change=1e-12, line_search_fn="strong_wolfe")

    def closure() -> Any:
        peer.zero_grad()
        value = 0.5 * w @ torch.tensor(matrix) @ w - torch.tensor(shift) @ w
        value.backward()
        return value

    peer.step(closure)
    found = np.concatenate([params["a"].ravel(), params["b"]])
    np.testing.assert_allclose(found, w.detach().numpy(), atol=1e-6)
    assert result.value == loss()[0]


LBFGS_SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "shorter first trials": {"lr": 0.3},
    "longer first trials": {"lr": 3.0},
    "one step remembered": {"history_size": 1},
    "many steps remembered": {"history_size": 100},
    "few evaluations": {"max_eval": 9},
    "loose gradient": {"tolerance_grad": 0.5},
    "loose change": {"tolerance_change": 0.05},
}


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 8, 13, 20, 30, 50, 100])
@pytest.mark.parametrize("name", LBFGS_SETTINGS)
@pytest.mark.parametrize("start", [(-1.2, 1.0), (3.0, -4.0), (0.5, 0.2)])
def test_lbfgs_visits_the_points_of_torch(start: tuple[float, float], name: str, steps: int) -> None:
    torch = pytest.importorskip("torch")
    options = {"history_size": 10, **LBFGS_SETTINGS[name], "max_iter": steps}
    params = {"w": np.array(start)}
    result = LBFGS(**options).minimize(params, rosenbrock(params))
    w = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    peer = torch.optim.LBFGS([w], line_search_fn="strong_wolfe", **options)

    def closure() -> Any:
        peer.zero_grad()
        value = (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2
        value.backward()
        return value

    peer.step(closure)
    np.testing.assert_allclose(params["w"], w.detach().numpy(), atol=1e-6)
    assert result.evaluations == peer.state[w]["func_evals"]
    assert result.value == rosenbrock(params)()[0]


def test_lbfgs_turns_back_from_what_is_not_finite() -> None:
    params = {"w": np.array([1.0])}

    def loss() -> Any:  # log w - w, no number below 0
        (w,) = params["w"]
        with np.errstate(invalid="ignore", divide="ignore"):
            return w - 3 * np.log(w), {"w": np.array([1 - 3 / w])}

    result = LBFGS(lr=50.0).minimize(params, loss)
    np.testing.assert_allclose(params["w"], [3.0], atol=1e-4)
    assert math.isfinite(result.value)
    flat = {"w": np.array([1.0])}
    stuck = LBFGS().minimize(flat, lambda: (abs(flat["w"][0]), {"w": -np.ones(1)}))  # a wrong gradient
    assert stuck.reason == "line search"
    np.testing.assert_array_equal(flat["w"], [1.0])


def test_a_small_net_is_trained_better_than_by_descent() -> None:
    X = RNG.normal(size=(64, 3))
    y = np.sin(X.sum(axis=1, keepdims=True))

    def make() -> Model:
        net = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1))
        return Model(net, loss="mse", dtype=np.float64)

    by_curvature, by_descent = make(), make()
    result = LBFGS(max_iter=60).minimize(by_curvature.params, lambda: by_curvature.loss(X, y))
    optimizer = SGD(0.1)
    for _ in range(result.evaluations):
        value = by_descent.train_step(X, y, optimizer)
    assert result.value < 0.7 * value


def test_newton_refuses_what_it_cannot_pay_for() -> None:
    big = {"w": np.zeros(2001)}
    message = r"\[Newton\] params: expected at most 2,000 numbers, since the Hessian has their square"
    with pytest.raises(ValueError, match=message):
        Newton().minimize(big, lambda: (0.0, big))
    small = {"w": np.zeros(2, np.float32)}
    with pytest.raises(ValueError, match=r"\[Newton\] params: expected float64"):
        Newton().minimize(small, lambda: (0.0, small))
    with pytest.raises(ValueError, match=r"\[LBFGS\] loss: expected a finite number at the start, got nan"):
        LBFGS().minimize(small, lambda: (math.nan, small))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0.0}, "lr: expected a finite number > 0, got 0.0"),
        ({"max_iter": 0}, "max_iter: expected an integer >= 1, got 0"),
        ({"max_eval": 0}, "max_eval: expected an integer >= 1, got 0"),
        ({"history_size": 0}, "history_size: expected an integer >= 1, got 0"),
        ({"tolerance_grad": -1.0}, "tolerance_grad: expected a finite number >= 0, got -1.0"),
        ({"tolerance_change": math.nan}, "tolerance_change: expected a finite number >= 0, got nan"),
    ],
)
def test_lbfgs_refuses(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        LBFGS(**options)
    assert str(caught.value) == f"[LBFGS] {message}"
