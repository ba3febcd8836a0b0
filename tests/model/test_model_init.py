"""Initialisers that look at a whole model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnn import Model, model_init, nn

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 3, 8, 8)).astype(np.float32)


def convnet() -> Model:
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(128, 10),
    )
    return Model(net)


def test_lsuv_gives_every_layer_unit_variance() -> None:
    model = convnet()
    model_init.lsuv(model, X)
    for path in ("0", "3", "6"):
        assert abs(model.features(X, path).var() - 1) < 0.06


def test_krahenbuhl_normalises_every_unit() -> None:
    model = convnet()
    model_init.krahenbuhl(model, X)
    for path in ("0", "3", "6"):
        y = model.features(X, path)
        axes = (0, *range(2, y.ndim))
        np.testing.assert_allclose(y.mean(axis=axes), 0, atol=1e-3)
        np.testing.assert_allclose(y.std(axis=axes), 1, atol=1e-3)


@pytest.mark.parametrize("groups", [1, 3])
def test_krahenbuhl_normalises_units_of_transposed_convolutions(groups: int) -> None:
    net = nn.Sequential(nn.ConvTranspose2d(3, 6, 3, 2, groups=groups), nn.Flatten(), nn.Linear(6 * 17**2, 2))
    model = Model(net)
    model_init.krahenbuhl(model, X)
    y = model.features(X, "0")
    np.testing.assert_allclose(y.mean(axis=(0, 2, 3)), 0, atol=1e-3)
    np.testing.assert_allclose(y.std(axis=(0, 2, 3)), 1, atol=1e-3)


@pytest.mark.parametrize("initialise", [model_init.lsuv, model_init.krahenbuhl])
def test_norms_keep_their_scale(initialise: Any) -> None:
    """That of a layer norm over images has three axes, but is no weight."""
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.LayerNorm((4, 8, 8)), nn.Flatten(), nn.Linear(256, 3)
    )
    model = Model(net)
    initialise(model, X)
    assert (model.params["1.weight"] == 1).all()
    assert not model.params["1.bias"].any()


def test_fixup_blocks_start_as_the_identity() -> None:
    def block() -> nn.Residual:
        return nn.Residual(nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6)))

    model = Model(nn.Sequential(*[block() for _ in range(16)], nn.Linear(6, 3)))
    before = model.params["0.body.0.weight"].copy()
    model_init.fixup(model)
    x = RNG.normal(size=(5, 6)).astype(np.float32)
    np.testing.assert_array_equal(model.features(x, "15"), x)
    np.testing.assert_allclose(model.params["0.body.0.weight"], before / 4, rtol=1e-6)
    assert not model.predict_scores(x).any()


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"\[lsuv\] X: expected outputs of '0' that vary, got equal ones"):
        model_init.lsuv(convnet(), np.zeros((4, 3, 8, 8)))
    with pytest.raises(ValueError, match=r"\[fixup\] model: expected residual blocks, got none"):
        model_init.fixup(convnet())
