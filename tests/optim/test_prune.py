"""Pruning: which weights go, and that they stay away through training and checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastnn import Model, nn
from fastnn.optim import SGD, Adam
from fastnn.prune import Pruned, apply_masks, magnitude_masks

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(64, 6)), RNG.integers(0, 3, 64)


def model() -> Model:
    return Model(nn.Sequential(nn.Linear(6, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Linear(20, 3)), seed=1)


@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("amount", [0.0, 0.33, 0.8, 1.0])
def test_masks_are_those_of_torch(scope: str, amount: float) -> None:
    torch = pytest.importorskip("torch")
    from torch.nn.utils import prune

    weights = {"0.weight": RNG.normal(size=(7, 5)), "2.weight": 0.3 * RNG.normal(size=(4, 3, 3, 3))}
    layers = {name: torch.nn.Linear(1, 1).double() for name in weights}
    for name, layer in layers.items():
        layer.weight = torch.nn.Parameter(torch.tensor(weights[name]))
    if scope == "global":
        chosen = [(layer, "weight") for layer in layers.values()]
        prune.global_unstructured(chosen, pruning_method=prune.L1Unstructured, amount=amount)
    else:
        for layer in layers.values():
            prune.l1_unstructured(layer, "weight", amount=amount)
    masks = magnitude_masks(weights, amount, scope=scope)
    for name, layer in layers.items():
        np.testing.assert_array_equal(masks[name], layer.weight_mask.numpy() > 0)


def test_names_choose() -> None:
    params = model().params
    assert set(magnitude_masks(params, 0.5)) == {"0.weight", "3.weight"}
    assert set(magnitude_masks(params, 0.5, names="3.*")) == {"3.weight"}
    assert magnitude_masks(params, 0.5, names="3.*")["3.weight"].sum() == 30


@pytest.mark.parametrize("optimizer", [SGD(0.1, momentum=0.9, weight_decay=0.1), Adam(0.01)])
def test_pruned_weights_stay_at_zero(optimizer: Any) -> None:
    net = model()
    net.fit(X, Y, epochs=2, batch_size=16, optimizer=optimizer)  # momentum that still moves
    masks = magnitude_masks(net.params, 0.7)
    pruned = Pruned(optimizer, masks)
    before = net.params["0.weight"].copy()
    for _ in range(5):
        net.train_step(X, Y, pruned)
    for name, mask in masks.items():
        assert not net.params[name][~mask].any()
    assert (net.params["0.weight"] != before)[masks["0.weight"]].all()
    further = magnitude_masks(net.params, 0.9)
    assert not any((further[name] & ~mask).any() for name, mask in masks.items())


def test_a_run_that_goes_on_goes_on_pruned(tmp_path: Path) -> None:
    def run(folder: str, epochs: int, masks: Any, **options: Any) -> Model:
        net = model()
        pruned = Pruned(Adam(0.01), masks)
        net.fit(
            X, Y, epochs=epochs, batch_size=16, optimizer=pruned, checkpoint_dir=tmp_path / folder, **options
        )
        return net

    masks = magnitude_masks(model().params, 0.5)
    straight = run("straight", 4, masks)
    run("stopped", 2, masks)
    resumed = run("stopped", 4, {}, resume=True)
    np.testing.assert_array_equal(resumed.params.flat, straight.params.flat)
    assert not resumed.params["0.weight"][~masks["0.weight"]].any()
    resumed.save(tmp_path / "model.safetensors")
    assert not Model.load(tmp_path / "model.safetensors").params["0.weight"][~masks["0.weight"]].any()


def test_a_lottery_ticket() -> None:
    net = model()
    first = net.state_dict()
    net.fit(X, Y, epochs=2, batch_size=16)
    masks = magnitude_masks(net.params, 0.5)
    net.load_state_dict(first)
    apply_masks(net.params, masks)
    for name, mask in masks.items():
        np.testing.assert_array_equal(net.params[name], first[name] * mask)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: magnitude_masks({}, 0.5), "names: expected a pattern of weights' names, got '*weight'"),
        (
            lambda: magnitude_masks(model().params, 1.5),
            "amount: expected a finite number >= 0 and <= 1, got 1.5",
        ),
        (
            lambda: magnitude_masks(model().params, 0.5, scope="net"),
            "scope: expected one of 'global', 'layer'",
        ),
        (lambda: apply_masks(model().params, {"0.weight": np.ones(3)}), "0.weight: expected a mask of shape"),
        (lambda: apply_masks(model().params, {"w": np.ones(3)}), "masks: expected those of 0.weight, "),
    ],
)
def test_refusals(call: Any, message: str) -> None:
    with pytest.raises(ValueError) as refused:
        call()
    assert message in str(refused.value)
    assert str(refused.value).startswith(("[magnitude_masks] ", "[apply_masks] "))
