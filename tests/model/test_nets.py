"""Ready nets: hand-counted parameters and multiply-adds, shapes, one step of each, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fastnn import nets
from fastnn.model import Model

# A stage of ResNet at 32x32, 16 channels, and those after it, all cost the same a block but for the first
# convolution of a stage, which has half the channels to read, and its 1x1 shortcut.
BLOCK = 2 * 1024 * 16 * 144
HEAD = 1024 * 16 * 27 + 3 * BLOCK - 2 * BLOCK // 4 + 2 * 256 * 32 * 16 + 640

# Counted by hand from the architecture: parameters, multiply-adds of one example.
COUNTS: dict[str, tuple[Callable[..., Model], int, int]] = {
    "mlp": (
        nets.mlp,
        784 * 512 + 512 * 512 + 512 * 10 + 2 * (512 + 1024) + 10,
        784 * 512 + 512 * 512 + 5120,
    ),
    "lenet": (nets.lenet, 61706, 784 * 150 + 100 * 2400 + 400 * 120 + 120 * 84 + 840),
    "course": (nets.course_convnet, 32 * 148 + 8193 * 100 + 1010, 1024 * 4704 + 819200 + 1000),
    "vgg": (
        nets.vgg_small,
        9 * (3 * 64 + 64 * 64 + 64 * 128 + 128 * 128 + 128 * 256 + 256 * 256) + 4 * (64 + 128 + 256) + 40970,
        9 * (1024 * (192 + 4096) + 256 * (8192 + 16384) + 64 * (32768 + 65536)) + 40960,
    ),
    "resnet8": (nets.resnet8, 78042, HEAD),
    "resnet20": (nets.resnet20, 272474, HEAD + 6 * BLOCK),
}


@pytest.mark.parametrize("name", COUNTS)
def test_counts(name: str) -> None:
    net, params, multiply_adds = COUNTS[name]
    summary = net().summary()
    assert summary.params == params
    assert summary.multiply_adds == multiply_adds


@pytest.mark.parametrize(
    "build",
    [
        lambda: nets.mlp((1, 8, 8), (20,), 5),
        lambda: nets.mlp(16, (), 5, batch_norm=False, drop_prob=0),
        lambda: nets.lenet((1, 12, 14), 5),
        lambda: nets.convnet((1, 8, 8), 5),
        lambda: nets.convnet((3, 9, 11), 5, channels=(4, 6, 8), hidden=10, drop_prob=0),
        lambda: nets.course_convnet((3, 8, 8), 5, filters=4, kernel_size=3, hidden=6),
        lambda: nets.vgg_small((3, 8, 8), 5, channels=(3, 4, 5)),
        lambda: nets.resnet8((3, 8, 8), 5),
        lambda: nets.resnet20((1, 4, 4), 5, dtype=np.float64),
    ],
)
def test_a_step_of_training(build: Callable[[], Model]) -> None:
    model = build()
    assert model.input_shape is not None
    x = np.random.default_rng(0).normal(size=(6, *model.input_shape))
    value, grads = model.loss(x, np.arange(6) % 5)
    assert 0.5 < value < 10
    for name, grad in grads.items():
        assert np.isfinite(grad).all(), name
    touched = {name for name, grad in grads.items() if grad.any()}
    assert touched == set(model.params)
    assert model.predict(x).shape == (6,)


def test_seed_and_dtype() -> None:
    first, same, other = (nets.lenet(seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.params.flat, same.params.flat)
    assert (first.params.flat != other.params.flat).any()
    wide = nets.lenet(seed=1, dtype=np.float64)
    np.testing.assert_array_equal(wide.params.flat.astype(np.float32), first.params.flat)


def test_convolutions_run_fused() -> None:
    plan = nets.resnet20().net.plan()  # type: ignore[attr-defined]
    assert plan[0] == "0 Conv2d + 1 BatchNorm2d + 2 ReLU"


@pytest.mark.parametrize("name", nets.NETS)
def test_every_net_is_listed_under_its_name(name: str) -> None:
    assert nets.NETS[name] is getattr(nets, name)


@pytest.mark.parametrize(
    ("build", "line"),
    [
        (
            lambda: nets.lenet((28, 28)),  # type: ignore[arg-type]
            "[lenet] input_shape: expected (C, H, W) with sides of at least 12, got (28, 28)",
        ),
        (
            lambda: nets.convnet((1, 3, 8)),
            "[convnet] input_shape: expected (C, H, W) with sides of at least 4, got (1, 3, 8)",
        ),
        (
            lambda: nets.course_convnet(kernel_size=4),
            "[course_convnet] kernel_size: expected an odd number, got 4",
        ),
        (lambda: nets.mlp(0), "[mlp] input_shape: expected an integer >= 1, got 0"),
        (lambda: nets.mlp(4, (8,), 0), "[Linear] out_features: expected an integer >= 1, got 0"),
        (lambda: nets.mlp(drop_prob=-1), "[mlp] drop_prob: expected a finite number >= 0 and < 1, got -1"),
    ],
)
def test_refusals_are_one_line(build: Callable[[], Any], line: str) -> None:
    with pytest.raises(ValueError) as caught:
        build()
    assert str(caught.value) == line
