"""Optimizers: they minimise, equal torch's, work flat and by array alike, and keep their state to the bit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from fastnn.optim import SGD, Adadelta, Adagrad, Adam, AdamW, NAdam, Optimizer, RMSprop

SHAPES = {"0.weight": (5, 4), "0.bias": (5,), "1.weight": (3, 5, 2, 2), "1.bias": (3,)}

SETTINGS: dict[str, tuple[type[Optimizer], dict[str, Any]]] = {
    "sgd": (SGD, {"lr": 0.05}),
    "sgd, decay": (SGD, {"lr": 0.05, "weight_decay": 0.1}),
    "momentum": (SGD, {"lr": 0.02, "momentum": 0.9}),
    "momentum, decay": (SGD, {"lr": 0.02, "momentum": 0.7, "weight_decay": 0.05}),
    "nesterov": (SGD, {"lr": 0.02, "momentum": 0.9, "nesterov": True}),
    "nesterov, decay": (SGD, {"lr": 0.01, "momentum": 0.8, "nesterov": True, "weight_decay": 0.01}),
    "adam": (Adam, {"lr": 0.01}),
    "adam, settings": (Adam, {"lr": 0.03, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1}),
    "adam, no averages": (Adam, {"lr": 0.01, "betas": (0.0, 0.0), "eps": 1e-3}),
    "adamw": (AdamW, {"lr": 0.01}),
    "adamw, settings": (AdamW, {"lr": 0.03, "betas": (0.7, 0.9), "eps": 1e-6, "weight_decay": 0.3}),
    "adagrad": (Adagrad, {"lr": 0.5}),
    "adagrad, settings": (
        Adagrad,
        {"lr": 0.5, "lr_decay": 1e-4, "weight_decay": 0.1, "initial_accumulator_value": 0.3, "eps": 1e-4},
    ),
    "rmsprop": (RMSprop, {"lr": 0.01}),
    "rmsprop, settings": (RMSprop, {"lr": 0.02, "alpha": 0.8, "eps": 1e-4, "weight_decay": 0.1}),
    "rmsprop, momentum": (RMSprop, {"lr": 0.005, "momentum": 0.8}),
    "rmsprop, centered": (RMSprop, {"lr": 0.01, "centered": True, "eps": 1e-3}),
    "rmsprop, all": (
        RMSprop,
        {"lr": 0.004, "alpha": 0.9, "centered": True, "momentum": 0.5, "weight_decay": 0.05, "eps": 1e-3},
    ),
    "adadelta": (Adadelta, {"lr": 2.0}),
    "adadelta, settings": (Adadelta, {"lr": 1.5, "rho": 0.8, "eps": 1e-4, "weight_decay": 0.1}),
    "nadam": (NAdam, {"lr": 0.01}),
    "nadam, settings": (
        NAdam,
        {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1, "momentum_decay": 0.02},
    ),
    "nadam, decoupled": (NAdam, {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True}),
}


class Flat(dict[str, np.ndarray]):
    """Named views of one buffer, some of them frozen: what a model offers."""

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.flat = np.concatenate([array.ravel() for array in arrays.values()])
        self.frozen: set[str] = set()
        self.spans: dict[str, slice] = {}
        start = 0
        for name, array in arrays.items():
            self.spans[name] = slice(start, start + array.size)
            self[name] = self.flat[self.spans[name]].reshape(array.shape)
            start += array.size

    def trainable_slices(self) -> list[slice]:
        slices: list[slice] = []
        for name, span in self.spans.items():
            if name in self.frozen:
                continue
            if slices and slices[-1].stop == span.start:
                slices[-1] = slice(slices[-1].start, span.stop)
            else:
                slices.append(span)
        return slices


def draw(seed: int, dtype: Any = np.float64) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(shape).astype(dtype) for name, shape in SHAPES.items()}


def make(name: str) -> Optimizer:
    kind, options = SETTINGS[name]
    return kind(**options)


def assert_same_state(one: Optimizer, other: Optimizer) -> None:
    a, b = one.state_dict(), other.state_dict()
    assert a["options"] == b["options"]
    assert a["parameters"].keys() == b["parameters"].keys()
    for name, memory in a["parameters"].items():
        assert memory.keys() == b["parameters"][name].keys()
        for key, value in memory.items():
            np.testing.assert_array_equal(value, b["parameters"][name][key])


MINIMISERS: dict[str, tuple[Optimizer, float, int]] = {
    "sgd": (SGD(2e-3), 0.05, 20_000),
    "momentum": (SGD(1e-3, momentum=0.9), 0.02, 10_000),
    "nesterov": (SGD(1e-3, momentum=0.9, nesterov=True), 0.02, 10_000),
    "adam": (Adam(0.02), 0.02, 5_000),
    "adamw": (AdamW(0.02, weight_decay=0.0), 0.02, 5_000),
    "adagrad": (Adagrad(0.5), 0.02, 10_000),
    "rmsprop": (RMSprop(1e-3), 0.02, 10_000),
    # Its steps keep their size, and bounce between the walls of the valley.
    "adadelta": (Adadelta(0.3), 0.4, 20_000),
    "nadam": (NAdam(0.02), 0.02, 5_000),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SETTINGS)
def test_parabola_is_descended(name: str, dtype: Any) -> None:
    optimizer = make(name)
    params = {"w": np.array([3.0, -2.0, 1.0], dtype)}
    start = float(np.square(params["w"]).sum())
    for _ in range(1000):
        optimizer.step(params, {"w": 2 * params["w"]})
    assert params["w"].dtype == dtype
    assert float(np.square(params["w"]).sum()) < 1e-2 * start


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", MINIMISERS)
def test_rosenbrock_is_minimised(name: str, dtype: Any) -> None:
    prototype, tolerance, steps = MINIMISERS[name]
    optimizer = type(prototype)(**prototype.state_dict()["options"])
    params = {"w": np.array([-1.2, 1.0], dtype)}
    w = params["w"]
    for _ in range(steps):
        x, y = w
        slope = [-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)]
        optimizer.step(params, {"w": np.array(slope, dtype)})
    np.testing.assert_allclose(w, [1.0, 1.0], atol=tolerance)


@pytest.fixture
def double_torch() -> Iterator[Any]:
    """PyTorch with float64 as its default, in which NAdam keeps the product of its momenta."""
    torch = pytest.importorskip("torch")
    torch.set_default_dtype(torch.float64)
    yield torch
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("name", SETTINGS)
def test_100_steps_equal_torch(name: str, flat: bool, double_torch: Any) -> None:
    torch = double_torch
    kind, options = SETTINGS[name]
    start = draw(0)
    theirs = {key: torch.tensor(value, requires_grad=True) for key, value in start.items()}
    peer = getattr(torch.optim, kind.__name__)(theirs.values(), **options)
    ours: Any = Flat(start) if flat else start
    optimizer = make(name)
    for step in range(100):
        grads = draw(step + 1)
        if step == 60:
            optimizer.lr = peer.param_groups[0]["lr"] = 0.004
        for key, tensor in theirs.items():
            tensor.grad = torch.tensor(grads[key])
        peer.step()
        optimizer.step(ours, Flat(grads) if flat else grads)
    for key, tensor in theirs.items():
        np.testing.assert_allclose(ours[key], tensor.detach().numpy(), rtol=1e-9, atol=1e-12)


def parabola_slope(w: np.ndarray) -> np.ndarray:
    return np.array([1.0, 10.0]) * w


def rosenbrock_slope(w: np.ndarray) -> np.ndarray:
    x, y = w
    return np.array([-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)])


@pytest.mark.parametrize(
    ("slope", "slower"), [(parabola_slope, 1.0), (rosenbrock_slope, 0.01)], ids=["parabola", "rosenbrock"]
)
@pytest.mark.parametrize("name", SETTINGS)
def test_100_steps_down_a_surface_equal_torch(
    name: str, slope: Any, slower: float, double_torch: Any
) -> None:
    """At every step: on the way down each gradient depends on all steps before it."""
    kind, options = SETTINGS[name]
    if kind is SGD:  # the only one whose steps grow with the gradient
        options = {**options, "lr": slower * options["lr"]}
    theirs = double_torch.tensor([-1.2, 1.0], requires_grad=True)
    peer = getattr(double_torch.optim, kind.__name__)([theirs], **options)
    params, optimizer = {"w": np.array([-1.2, 1.0])}, kind(**options)
    for _ in range(100):
        theirs.grad = double_torch.tensor(slope(theirs.detach().numpy()))
        peer.step()
        optimizer.step(params, {"w": slope(params["w"])})
        np.testing.assert_allclose(params["w"], theirs.detach().numpy(), rtol=0, atol=1e-6)
    assert np.abs(params["w"] - [-1.2, 1.0]).max() > 0.01
    assert np.isfinite(params["w"]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SETTINGS)
def test_flat_and_array_by_array_agree_to_the_bit(name: str, dtype: Any) -> None:
    named, flat = draw(0, dtype), Flat(draw(0, dtype))
    by_name, by_buffer = make(name), make(name)
    for step in range(5):
        grads = draw(step + 1, dtype)
        by_name.step(named, grads)
        by_buffer.step(flat, Flat(grads))
    for key in SHAPES:
        np.testing.assert_array_equal(named[key], flat[key])
    assert_same_state(by_name, by_buffer)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("name", SETTINGS)
def test_state_restores_to_the_bit(name: str, flat: bool, dtype: Any) -> None:
    def wrap(arrays: dict[str, np.ndarray]) -> Any:
        return Flat(arrays) if flat else arrays

    straight, params = make(name), wrap(draw(0, dtype))
    for step in range(4):
        straight.step(params, wrap(draw(step + 1, dtype)))
    kind = SETTINGS[name][0]
    resumed, copy = kind(lr=1.0), wrap({key: value.copy() for key, value in params.items()})
    resumed.load_state_dict(straight.state_dict())
    for step in range(4, 8):
        straight.step(params, wrap(draw(step + 1, dtype)))
        resumed.step(copy, wrap(draw(step + 1, dtype)))
    for key in SHAPES:
        np.testing.assert_array_equal(params[key], copy[key])
    assert_same_state(straight, resumed)


def test_state_dict_is_a_copy_and_moves_between_layouts() -> None:
    named, flat = draw(0), Flat(draw(0))
    first, second = Adam(), Adam()
    first.step(named, draw(1))
    saved = first.state_dict()
    second.load_state_dict(saved)
    saved["parameters"]["0.weight"]["m"][:] = 7.0
    flat.flat[:] = np.concatenate([value.ravel() for value in named.values()])
    first.step(named, draw(2))
    second.step(flat, Flat(draw(2)))
    assert_same_state(first, second)
    np.testing.assert_array_equal(np.concatenate([v.ravel() for v in named.values()]), flat.flat)


@pytest.mark.parametrize("name", ["momentum, decay", "adam, settings", "adamw"])
def test_frozen_parameters_rest_and_resume_as_in_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    kind, options = SETTINGS[name]
    flat, named, start = Flat(draw(0)), draw(0), draw(0)
    theirs = {key: torch.tensor(value, requires_grad=True) for key, value in start.items()}
    peer = getattr(torch.optim, kind.__name__)(theirs.values(), **options)
    by_buffer, by_name = make(name), make(name)
    phases = [{"0.weight", "1.weight"}, {"1.bias", "1.weight"}, set(SHAPES), set(), {"0.bias"}, set()]
    for phase, frozen in enumerate(phases):
        flat.frozen = frozen
        for step in range(3):
            grads = draw(10 * phase + step)
            by_buffer.step(flat, Flat(grads))
            by_name.step(named, {key: grad for key, grad in grads.items() if key not in frozen})
            for key, tensor in theirs.items():
                tensor.grad = None if key in frozen else torch.tensor(grads[key])
            peer.step()
        restored = kind(lr=1.0)
        restored.load_state_dict(by_buffer.state_dict())
        by_buffer = restored
    for key, tensor in theirs.items():
        np.testing.assert_array_equal(flat[key], named[key])
        np.testing.assert_allclose(flat[key], tensor.detach().numpy(), rtol=1e-10, atol=1e-13)
    assert_same_state(by_buffer, by_name)


def test_gradients_are_not_written() -> None:
    for name in SETTINGS:
        params, grads = draw(0), draw(1)
        for grad in grads.values():
            grad.flags.writeable = False
        make(name).step(params, grads)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SGD(-0.1), r"\[SGD\] lr: expected a finite number >= 0, got -0.1"),
        (lambda: SGD(math.nan), r"\[SGD\] lr: expected a finite number >= 0, got nan"),
        (lambda: SGD("0.1"), r"\[SGD\] lr: expected a finite number >= 0, got '0.1'"),  # type: ignore[arg-type]
        (lambda: SGD(0.1, momentum=1.0), r"\[SGD\] momentum: expected a finite number >= 0 and < 1, got 1.0"),
        (lambda: SGD(0.1, nesterov=True), r"\[SGD\] nesterov: expected a momentum > 0 with it"),
        (
            lambda: SGD(0.1, weight_decay=math.inf),
            r"\[SGD\] weight_decay: expected a finite number >= 0, got inf",
        ),
        (lambda: Adam(betas=(0.9, 1.0)), r"\[Adam\] betas: expected a finite number >= 0 and < 1, got 1.0"),
        (lambda: Adam(betas=0.9), r"\[Adam\] betas: expected two numbers, got 0.9"),  # type: ignore[arg-type]
        (lambda: Adam(eps=-1e-8), r"\[Adam\] eps: expected a finite number >= 0, got -1e-08"),
        (lambda: AdamW(weight_decay=-1), r"\[AdamW\] weight_decay: expected a finite number >= 0, got -1"),
        (lambda: SGD(0.1).step(draw(0), {"x": np.zeros(1)}), r"\[SGD\] params: expected 'x' among them"),
        (
            lambda: Adam().load_state_dict(SGD(0.1).state_dict()),
            r"\[Adam\] state: expected options lr, betas, eps",
        ),
    ],
)
def test_refusals(build: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        build()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("flat", [False, True])
def test_state_of_another_model_is_refused_and_nothing_is_lost(flat: bool) -> None:
    optimizer, params = Adam(), draw(0)
    optimizer.step(params, draw(1))
    saved = optimizer.state_dict()
    other = {**params, "0.bias": np.zeros(9)}
    grads: Any = {name: np.ones_like(value) for name, value in other.items()}
    target: Any = other
    if flat:
        target, grads = Flat(other), Flat(grads)
    resumed = Adam()
    resumed.load_state_dict(saved)
    with pytest.raises(
        ValueError, match=r"\[Adam\] state of '0.bias': expected m \(9,\) float64, got \(5,\) float64"
    ):
        resumed.step(target, grads)
    assert_same_state(optimizer, resumed)


GROUPS = {"0": {"lr_scale": 0.1}, "1.bias": {"lr_scale": 3.0, "weight_decay": 0.2}}


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("name", SETTINGS)
def test_groups_are_those_of_torch(name: str, flat: bool, double_torch: Any) -> None:
    kind, options = SETTINGS[name]
    start = draw(0)
    theirs = {key: double_torch.tensor(value, requires_grad=True) for key, value in start.items()}
    lr = options["lr"]
    peer = getattr(double_torch.optim, kind.__name__)(
        [
            {"params": [theirs["0.weight"], theirs["0.bias"]], "lr": 0.1 * lr},
            {"params": [theirs["1.bias"]], "lr": 3 * lr, "weight_decay": 0.2},
            {"params": [theirs["1.weight"]]},
        ],
        **options,
    )
    ours: Any = Flat(start) if flat else start
    optimizer = kind(**options, groups=GROUPS)  # type: ignore[call-arg]
    for step in range(30):
        grads = draw(step + 1)
        for key, tensor in theirs.items():
            tensor.grad = double_torch.tensor(grads[key])
        peer.step()
        optimizer.step(ours, Flat(grads) if flat else grads)
        if step == 10:  # with its groups
            state = optimizer.state_dict()
            optimizer = kind(lr=1.0)
            optimizer.load_state_dict(state)
    for key, tensor in theirs.items():
        np.testing.assert_allclose(ours[key], tensor.detach().numpy(), rtol=1e-9, atol=1e-12)


def test_groups_cut_the_buffer_only_where_they_meet() -> None:
    calls: list[int] = []

    class Counting(SGD):
        def _update(self, param: Any, *rest: Any) -> None:
            calls.append(param.size)
            super()._update(param, *rest)

    params, grads = Flat(draw(0)), Flat(draw(1))
    Counting(0.1, groups={"0": {"lr_scale": 0.5}}).step(params, grads)
    assert calls == [params["0.weight"].size + params["0.bias"].size, params["1.weight"].size + 3]


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"2": {"lr_scale": 1.0}}, r"\[SGD\] groups: expected prefixes of 0.weight, .*, got '2'"),
        ({"0": {"lr": 1.0}}, r"\[SGD\] groups\['0'\]: expected one of 'lr_scale', 'weight_decay', got 'lr'"),
        ({"0": {"lr_scale": -1.0}}, r"\[SGD\] groups\['0'\] lr_scale: expected a finite number >= 0"),
    ],
)
def test_bad_groups_are_refused(groups: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SGD(0.1, groups=groups).step(draw(0), draw(1))
