"""Ready nets: hand-counted parameters and multiply-adds, shapes, one step of each, refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastnn import nets, nn
from fastnn.model import Model
from fastnn.optim import SGD
from fastnn.testing.gradcheck import numerical_gradient, relative_error

# A stage of ResNet at 32x32, 16 channels, and those after it, all cost the same a block but for the first
# convolution of a stage, which has half the channels to read, and its 1x1 shortcut.
BLOCK = 2 * 1024 * 16 * 144
HEAD = 1024 * 16 * 27 + 3 * BLOCK - 2 * BLOCK // 4 + 2 * 256 * 32 * 16 + 640

# One more block in each stage of it: two convolutions and two batch norms.
MORE = sum(2 * 9 * width * width + 4 * width for width in (16, 32, 64))

# Depthwise separable steps: channels read, channels written, side of the result.
STEPS = (
    (32, 64, 32),
    (64, 128, 16),
    (128, 128, 16),
    (128, 256, 8),
    (256, 256, 8),
    (256, 512, 4),
    (512, 512, 4),
)

# ResNet-18: two blocks at 64 channels, then two at each of three widths, the first of them half as cheap.
WIDE = ((128, 16), (256, 8), (512, 4))


def wide_stage(width: int, convolutions: int, norms: int) -> int:
    """Return the numbers of a stage of ResNet-18 that begins with half its channels: 1x1 counts too."""
    return (
        convolutions * (18 * width * width // 4 + 27 * width * width + width * width // 2)
        + norms * 10 * width
    )


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
    "two-layer": (nets.two_layer_net, 3073 * 100 + 1010, 307200 + 1000),
    "convnet": (
        nets.convnet,
        9 * (32 + 32 * 64) + 2 * (32 + 64) + 3136 * 128 + 2 * 128 + 1290,
        784 * 9 * 32 + 196 * 9 * 32 * 64 + 3136 * 128 + 1280,
    ),
    "resnet8": (nets.resnet8, 78042, HEAD),
    "resnet20": (nets.resnet20, 78042 + 2 * MORE, HEAD + 6 * BLOCK),
    "resnet32": (nets.resnet32, 78042 + 4 * MORE, HEAD + 12 * BLOCK),
    "resnet56": (nets.resnet56, 78042 + 8 * MORE, HEAD + 24 * BLOCK),
    "resnet18": (
        nets.resnet18,
        27 * 64 + 128 + 4 * 9 * 64 * 64 + 8 * 64 + sum(wide_stage(w, 1, 1) for w, _ in WIDE) + 5130,
        1024 * (27 * 64 + 4 * 9 * 64 * 64) + sum(side**2 * wide_stage(w, 1, 0) for w, side in WIDE) + 5120,
    ),
    # The figure that torchvision states for its ResNet-18.
    "resnet18, large": (
        lambda: nets.resnet18((3, 224, 224), 1000, stem="large"),
        11_689_512,
        1_814_073_344,
    ),
    "mobilenet": (
        nets.mobilenet,
        27 * 32 + 64 + sum(9 * a + 2 * a + a * b + 2 * b for a, b, _ in STEPS) + 5130,
        1024 * 27 * 32 + sum(side**2 * (9 * a + a * b) for a, b, side in STEPS) + 5120,
    ),
    # No batch norms; scalars: one after the stem, five a block, one a shortcut, one before the classifier.
    "fixup": (
        lambda: nets.resnet(20, norm="fixup"),
        27 * 16 + 54 * 16**2 + 49.5 * (32**2 + 64**2) + (32**2 + 64**2) // 2 + 650 + 1 + 9 * 5 + 2 + 1,
        HEAD + 6 * BLOCK,
    ),
}


@pytest.mark.parametrize("name", COUNTS)
def test_counts(name: str) -> None:
    net, params, multiply_adds = COUNTS[name]
    summary = net().summary()
    assert summary.params == params
    assert summary.multiply_adds == multiply_adds


def test_memory() -> None:
    images = 2 * 6 * 28**2 + 6 * 14**2 + 2 * 16 * 10**2 + 16 * 5**2
    rows = 400 + 2 * 120 + 2 * 84 + 10
    for dtype, size in ((np.float32, 4), (np.float64, 8)):
        summary = nets.lenet(dtype=dtype).summary()
        assert summary.parameter_bytes == size * 61706
        assert summary.activation_bytes == size * (images + rows)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("stride", [1, (2, 3)])
def test_counts_of_a_convolution(stride: Any, groups: int, bias: bool) -> None:
    conv = nn.Conv2d(4, 8, (3, 5), stride, (1, 0), 1, groups, bias)
    model = Model(nn.Sequential(conv, nn.BatchNorm2d(8), nn.Flatten()), input_shape=(4, 11, 14))
    first, norm, last = model.summary().rows
    sides = (11, 10) if stride == 1 else (6, 4)
    assert first.out_shape == norm.out_shape == (8, *sides)
    assert last.out_shape == (8 * sides[0] * sides[1],)
    assert first.params == 8 * 15 * 4 // groups + 8 * bias
    assert norm.params == 16
    assert first.multiply_adds == 8 * sides[0] * sides[1] * 15 * 4 // groups
    assert norm.multiply_adds == 0


@pytest.mark.parametrize(
    "build",
    [
        lambda: nets.two_layer_net((2, 3), 20, 5, loss="hinge"),
        lambda: nets.resnet32((3, 8, 8), 5),
        lambda: nets.resnet56((3, 8, 8), 5),
        lambda: nets.resnet18((3, 8, 8), 5),
        lambda: nets.resnet18((3, 33, 40), 5, stem="large"),
        lambda: nets.mobilenet((3, 8, 8), 5),
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


def test_a_deep_fixup_net_trains_without_normalisation() -> None:
    """62 layers; the same net without Fixup's scaling explodes at once."""
    rng = np.random.default_rng(0)
    y = np.arange(64) % 4
    X = rng.normal(size=(4, 3, 8, 8))[y] + 0.3 * rng.normal(size=(64, 3, 8, 8))
    model = nets.resnet(62, (3, 8, 8), 4, norm="fixup")
    assert not any(isinstance(layer, nn.BatchNorm2d) for _, layer in model.net.named_layers())  # type: ignore[attr-defined]
    scalars = {name: {"lr_scale": 0.1} for name, value in model.params.items() if value.size == 1}
    optimizer = SGD(0.05, momentum=0.9, groups=scalars)
    first = model.train_step(X, y, optimizer)
    assert first == pytest.approx(np.log(4), rel=1e-6)
    for _ in range(30):
        last = model.train_step(X, y, optimizer)
    assert last < 0.1
    unscaled = nets.resnet(62, (3, 8, 8), 4, norm="fixup")
    unscaled.initialize(0)
    assert unscaled.loss(X, y)[0] > 100
    predictor = model.for_inference()
    np.testing.assert_allclose(predictor(X.astype(np.float32)), model.predict_scores(X), rtol=1e-4, atol=1e-4)


def test_gradients_of_a_fixup_net() -> None:
    model = nets.resnet(8, (2, 5, 5), 3, norm="fixup", dtype=np.float64)
    rng = np.random.default_rng(0)
    model.params.flat[:] += 0.1 * rng.normal(size=model.params.flat.size)
    X, y = rng.normal(size=(4, 2, 5, 5)), np.arange(4) % 3
    grads = {name: grad.copy() for name, grad in model.loss(X, y)[1].items()}
    for name, value in model.params.items():
        if value.size == 1:
            numerical = numerical_gradient(lambda _: model.loss(X, y)[0], value)
            assert relative_error(grads[name], numerical) < 1e-6, name


def test_seed_and_dtype() -> None:
    first, same, other = (nets.lenet(seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.params.flat, same.params.flat)
    assert (first.params.flat != other.params.flat).any()
    wide = nets.lenet(seed=1, dtype=np.float64)
    np.testing.assert_array_equal(wide.params.flat.astype(np.float32), first.params.flat)


@pytest.mark.parametrize(
    "build",
    [
        lambda: nets.resnet(8, (3, 8, 8), 5, norm="fixup"),
        lambda: nets.resnet18((3, 8, 8), 5),
        lambda: nets.mobilenet((3, 8, 8), 5),
    ],
)
def test_a_file_rebuilds_it(build: Callable[[], Model], tmp_path: Path) -> None:
    model, X = build(), np.random.default_rng(0).normal(size=(4, 3, 8, 8))
    model.train_step(X, np.arange(4), SGD(0.01))
    model.save(tmp_path / "model.safetensors")
    loaded = Model.load(tmp_path / "model.safetensors")
    assert repr(loaded.net) == repr(model.net)
    np.testing.assert_array_equal(loaded.predict_scores(X), model.predict_scores(X))
    assert loaded.train_step(X, np.arange(4), SGD(0.01)) == model.train_step(X, np.arange(4), SGD(0.01))


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
        (
            lambda: nets.resnet(22),
            "[resnet] depth: expected 8, 14, 20 or another 6 n + 2, got 22",
        ),
        (
            lambda: nets.resnet(20, norm="layer"),  # type: ignore[arg-type]
            "[resnet] norm: expected one of 'batch', 'fixup', got 'layer'",
        ),
        (
            lambda: nets.resnet18(stem="medium"),  # type: ignore[arg-type]
            "[resnet18] stem: expected one of 'small', 'large', got 'medium'",
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
