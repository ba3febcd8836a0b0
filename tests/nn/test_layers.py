"""Every layer: its gradients against central differences, its numbers against torch, its refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fastnn import nn
from fastnn.keys import Key
from fastnn.testing.gradcheck import numerical_gradient, relative_error

LAYERS: dict[str, tuple[Callable[[], nn.Layer], tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(5, 3), (4, 5)),
    "linear without bias": (lambda: nn.Linear(5, 3, bias=False), (4, 5)),
    "conv": (lambda: nn.Conv2d(2, 3, 3), (2, 2, 5, 6)),
    "conv strided": (lambda: nn.Conv2d(2, 3, 3, stride=2, padding=1, bias=False), (2, 2, 5, 6)),
    "conv odd": (lambda: nn.Conv2d(2, 4, (3, 2), (1, 2), (0, 1), (2, 1), groups=2), (2, 2, 7, 5)),
    "conv depthwise": (lambda: nn.Conv2d(3, 3, 3, padding=1, groups=3), (2, 3, 4, 5)),
    "conv same": (lambda: nn.Conv2d(2, 3, (2, 3), padding="same", dilation=(3, 1)), (2, 2, 4, 5)),
    "conv 1d": (lambda: nn.Conv1d(2, 4, 3, 2, 1, 2, groups=2), (2, 2, 9)),
    "conv 1d same": (lambda: nn.Conv1d(2, 3, 4, padding="same", bias=False), (2, 2, 5)),
    "transposed conv": (lambda: nn.ConvTranspose2d(2, 3, 3), (2, 2, 3, 4)),
    "transposed conv odd": (
        lambda: nn.ConvTranspose2d(4, 2, (3, 2), (2, 3), (1, 0), (1, 2), 2, False, (1, 2)),
        (2, 4, 3, 2),
    ),
    "batch norm 1d": (lambda: nn.BatchNorm1d(3), (5, 3)),
    "batch norm 2d": (lambda: nn.BatchNorm2d(3), (2, 3, 3, 4)),
    "standardise": (lambda: nn.Standardise(3).fit(distinct((4, 3, 2, 2), seed=5)), (2, 3, 3, 4)),
    "layer norm": (lambda: nn.LayerNorm(6), (4, 6)),
    "layer norm of images": (lambda: nn.LayerNorm((3, 2, 4)), (2, 3, 2, 4)),
    "layer norm without bias": (lambda: nn.LayerNorm(6, bias=False), (4, 6)),
    "group norm": (lambda: nn.GroupNorm(2, 6), (2, 6, 3, 2)),
    "group norm of rows": (lambda: nn.GroupNorm(2, 6, affine=False), (4, 6)),
    "instance norm": (lambda: nn.InstanceNorm2d(3, affine=True), (2, 3, 3, 4)),
    "instance norm alone": (lambda: nn.InstanceNorm2d(3), (2, 3, 3, 4)),
    "relu": (nn.ReLU, (3, 7)),
    "sigmoid": (nn.Sigmoid, (3, 7)),
    "tanh": (nn.Tanh, (3, 7)),
    "leaky relu": (lambda: nn.LeakyReLU(0.2), (3, 7)),
    "elu": (lambda: nn.ELU(0.7), (3, 7)),
    "elu learned": (lambda: nn.ELU(0.7, learned=True), (2, 3, 4, 5)),
    "selu": (nn.SELU, (3, 7)),
    "gelu": (nn.GELU, (3, 7)),
    "gelu by tanh": (lambda: nn.GELU("tanh"), (3, 7)),
    "silu": (nn.SiLU, (3, 7)),
    "softplus": (lambda: nn.Softplus(2.0, 2.1), (3, 7)),
    "prelu": (nn.PReLU, (3, 7)),
    "prelu by channel": (lambda: nn.PReLU(3), (2, 3, 4, 5)),
    "maxout": (lambda: nn.Maxout(3), (4, 6)),
    "maxout of images": (lambda: nn.Maxout(2), (2, 6, 3, 4)),
    "max pool": (lambda: nn.MaxPool2d(2), (2, 3, 5, 4)),
    "max pool overlapping": (lambda: nn.MaxPool2d(3, 2, 1), (2, 3, 5, 6)),
    "average pool": (lambda: nn.AvgPool2d(2), (2, 3, 4, 5)),
    "average pool padded": (lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False), (2, 3, 5, 6)),
    "global average pool": (nn.GlobalAvgPool2d, (2, 3, 4, 5)),
    "max pool ceiled": (lambda: nn.MaxPool2d(2, ceil_mode=True), (2, 3, 5, 4)),
    "average pool ceiled": (lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True), (2, 3, 4, 6)),
    "adaptive average pool": (lambda: nn.AdaptiveAvgPool2d((2, 3)), (2, 3, 5, 4)),
    "adaptive max pool": (lambda: nn.AdaptiveMaxPool2d((2, 3)), (2, 3, 5, 4)),
    "fractional max pool": (lambda: nn.FractionalMaxPool2d(output_ratio=0.7), (2, 3, 7, 6)),
    "fractional max pool overlapping": (lambda: nn.FractionalMaxPool2d(2, (4, 3)), (3, 2, 7, 6)),
    "zero padding": (lambda: nn.ZeroPad2d((1, 0, 2, 3)), (2, 3, 2, 3)),
    "reflection padding": (lambda: nn.ReflectionPad2d((1, 2, 0, 2)), (2, 3, 4, 3)),
    "upsample": (lambda: nn.Upsample((2, 3)), (2, 3, 2, 3)),
    "dropout": (lambda: nn.Dropout(0.4), (3, 8)),
    "vanilla dropout": (lambda: nn.Dropout(0.4, inverted=False), (3, 2, 3, 3)),
    "spatial dropout": (lambda: nn.SpatialDropout(0.4), (3, 4, 2, 2)),
    "stochastic depth": (lambda: nn.StochasticDepth(0.4), (6, 2, 2, 2)),
    "gaussian noise": (lambda: nn.GaussianNoise(0.3), (3, 8)),
    "dropconnect": (lambda: nn.DropConnectLinear(5, 3, drop_prob=0.3), (4, 5)),
    "dropconnect conv": (lambda: nn.DropConnectConv2d(2, 3, 3, drop_prob=0.3), (2, 2, 4, 5)),
    "shift": (nn.Shift, (3, 2, 4, 2)),
    "scale": (nn.Scale, (3, 2, 4, 2)),
    "flatten": (nn.Flatten, (2, 3, 2, 2)),
    "residual": (lambda: nn.Residual(nn.Linear(4, 4)), (3, 4)),
    "residual with shortcut": (
        lambda: nn.Residual(nn.Conv2d(2, 3, 3, 2, 1), nn.Conv2d(2, 3, 1, 2), activation="relu"),
        (2, 2, 5, 5),
    ),
    "fused conv": (
        lambda: nn.Sequential(nn.Conv2d(2, 3, 3, bias=False), nn.BatchNorm2d(3), nn.ReLU()),
        (2, 2, 5, 5),
    ),
    "fused linear": (
        lambda: nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 2)),
        (6, 4),
    ),
    "fused norm": (lambda: nn.Sequential(nn.Flatten(), nn.BatchNorm1d(8), nn.ReLU()), (4, 2, 2, 2)),
}


def distinct(shape: tuple[int, ...], seed: int = 0) -> np.ndarray[Any, Any]:
    """Return numbers that are further than a difference step from zero and from each other."""
    size = int(np.prod(shape))
    values = (np.random.default_rng(seed).permutation(size) + 0.25) * (3.0 / size) - 1.5
    return values.reshape(shape)


def randomise(layer: nn.Layer) -> None:
    """Give parameters values that no default has, so that a forgotten one shows."""
    for i, value in enumerate(layer.params.values()):
        value[...] = np.random.default_rng(i).normal(0.5, 0.5, value.shape)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_gradients(name: str, train: bool) -> None:
    build, shape = LAYERS[name]
    layer = build().astype(np.float64)
    randomise(layer)
    x = distinct(shape)
    key = Key.from_seed(3)
    y, cache = layer.forward(x, train=train, key=key)
    dy = np.random.default_rng(1).normal(size=y.shape)
    dx = layer.backward(dy, cache)
    assert dx is not None

    def run(_: Any) -> Any:
        return layer.forward(x, train=train, key=key)[0]

    assert relative_error(dx, numerical_gradient(run, x, dy)) < 1e-6
    for param, value in layer.params.items():
        expected = numerical_gradient(run, value, dy)
        # Batch norm takes a bias before it away: there the gradient is rounding around zero.
        if np.abs(expected).max() > 1e-8:
            assert relative_error(layer.grads[param], expected) < 1e-6, param
        else:
            assert np.abs(layer.grads[param]).max() < 1e-8


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_accumulate_and_go_where_they_are_told(name: str) -> None:
    build, shape = LAYERS[name]
    layer = build()
    x = distinct(shape).astype(np.float32)
    y, cache = layer.forward(x, train=True, key=Key(7))
    given = {param: np.zeros_like(value) for param, value in layer.params.items()}
    layer.backward(np.ones_like(y), cache, given)
    assert all(not grad.any() for grad in layer.grads.values())
    layer.backward(np.ones_like(y), cache)
    layer.backward(np.ones_like(y), cache)
    for param, grad in layer.grads.items():
        np.testing.assert_array_equal(grad, given[param] + given[param])
    layer.zero_grads()
    assert all(not grad.any() for grad in layer.grads.values())


@pytest.mark.parametrize("name", LAYERS)
def test_inputs_stay_as_they_are(name: str) -> None:
    build, shape = LAYERS[name]
    layer = build()
    x = distinct(shape).astype(np.float32)
    x.flags.writeable = False
    y, cache = layer.forward(x, train=True, key=Key(7))
    dy = np.ones_like(y)
    dy.flags.writeable = False
    dx = layer.backward(dy, cache)
    assert dx is not None
    assert dx.shape == x.shape
    assert dx.dtype == x.dtype == y.dtype


@pytest.mark.parametrize(
    "name",
    [
        *("linear", "conv", "conv same", "conv 1d", "transposed conv"),
        *("fused conv", "fused linear", "residual with shortcut"),
    ],
)
def test_dx_is_left_out_if_nobody_asks(name: str) -> None:
    build, shape = LAYERS[name]
    layer = build()
    y, cache = layer.forward(distinct(shape).astype(np.float32), train=True)
    full = {param: np.zeros_like(value) for param, value in layer.params.items()}
    part = {param: np.zeros_like(value) for param, value in layer.params.items()}
    layer.backward(np.ones_like(y), cache, full)
    assert layer.backward(np.ones_like(y), cache, part, need_dx=False) is None  # type: ignore[call-arg]
    for param in full:
        np.testing.assert_array_equal(full[param], part[param])


TORCH: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ("Linear", (5, 3), {}, (4, 5)),
    ("Linear", (5, 3), {"bias": False}, (4, 5)),
    ("Conv2d", (4, 6, 3), {}, (2, 4, 7, 9)),
    ("Conv2d", (4, 6, (3, 2)), {"stride": (2, 1), "padding": (0, 1), "dilation": (1, 2)}, (2, 4, 7, 9)),
    ("Conv2d", (4, 6, 3), {"groups": 2, "padding": 1, "bias": False}, (2, 4, 7, 9)),
    ("Conv2d", (4, 6, (3, 5)), {"padding": "same", "dilation": (1, 2)}, (2, 4, 7, 9)),
    ("Conv1d", (4, 6, 3), {}, (2, 4, 9)),
    ("Conv1d", (4, 6, 3, 2, 1, 2, 2, False), {}, (2, 4, 9)),
    ("Conv1d", (4, 6, 5), {"padding": "same"}, (2, 4, 9)),
    ("ConvTranspose2d", (4, 6, 3), {}, (2, 4, 3, 5)),
    ("ConvTranspose2d", (4, 6, (3, 2), 2, 1, 1, 2, False), {}, (2, 4, 3, 5)),
    ("ConvTranspose2d", (4, 6, 4), {"stride": (3, 2), "padding": (1, 2), "dilation": 2}, (2, 4, 3, 5)),
    ("BatchNorm1d", (3,), {}, (5, 3)),
    ("BatchNorm2d", (3,), {"eps": 1e-3, "momentum": 0.3}, (2, 3, 4, 5)),
    ("LayerNorm", (6,), {}, (4, 6)),
    ("LayerNorm", ((3, 6),), {"eps": 1e-3, "bias": False}, (4, 3, 6)),
    ("LayerNorm", (6,), {"elementwise_affine": False}, (4, 6)),
    ("GroupNorm", (2, 6), {}, (2, 6, 3, 4)),
    ("GroupNorm", (3, 6), {"eps": 1e-3, "affine": False}, (2, 6, 3, 4)),
    ("InstanceNorm2d", (3,), {}, (2, 3, 4, 5)),
    ("InstanceNorm2d", (3,), {"eps": 1e-3, "affine": True}, (2, 3, 4, 5)),
    ("BatchNorm1d", (3,), {"momentum": None}, (5, 3)),
    ("ReLU", (), {}, (3, 4)),
    ("Sigmoid", (), {}, (3, 4)),
    ("Tanh", (), {}, (3, 4)),
    ("LeakyReLU", (), {}, (3, 4)),
    ("LeakyReLU", (0.3,), {}, (3, 4)),
    ("ELU", (), {}, (3, 4)),
    ("ELU", (), {"alpha": 0.3}, (3, 4)),
    ("SELU", (), {}, (3, 4)),
    ("GELU", (), {}, (3, 4)),
    ("GELU", (), {"approximate": "tanh"}, (3, 4)),
    ("SiLU", (), {}, (3, 4)),
    ("Softplus", (), {}, (3, 4)),
    ("Softplus", (2.0, 1.0), {}, (3, 4)),
    ("PReLU", (), {}, (3, 4)),
    ("PReLU", (4,), {"init": 0.1}, (2, 4, 3, 5)),
    ("MaxPool2d", (2,), {}, (2, 3, 5, 6)),
    ("MaxPool2d", (3,), {"stride": 2, "padding": 1}, (2, 3, 5, 6)),
    ("AvgPool2d", ((2, 3),), {"stride": (1, 2)}, (2, 3, 5, 6)),
    ("AvgPool2d", (3,), {"stride": 2, "padding": 1, "count_include_pad": False}, (2, 3, 5, 6)),
    ("MaxPool2d", (2,), {"ceil_mode": True}, (2, 3, 5, 7)),
    ("AvgPool2d", (3, 2, 1, True), {}, (2, 3, 6, 8)),
    ("AvgPool2d", (3, 2, 1, True, False), {}, (2, 3, 6, 8)),
    ("AdaptiveAvgPool2d", (3,), {}, (2, 3, 7, 5)),
    ("AdaptiveAvgPool2d", ((2, 4),), {}, (2, 3, 5, 6)),
    ("AdaptiveMaxPool2d", ((3, 1),), {}, (2, 3, 7, 5)),
    ("ZeroPad2d", (2,), {}, (2, 3, 4, 5)),
    ("ZeroPad2d", ((1, 0, 2, 3),), {}, (2, 3, 4, 5)),
    ("ReflectionPad2d", ((1, 2, 3, 0),), {}, (2, 3, 4, 5)),
    ("Upsample", (), {"scale_factor": 3}, (2, 3, 4, 5)),
    ("Upsample", (), {"scale_factor": (1, 2), "mode": "nearest"}, (2, 3, 4, 5)),
    ("Flatten", (), {}, (2, 3, 2, 2)),
]


@pytest.mark.parametrize(("kind", "args", "options", "shape"), TORCH)
def test_layer_is_torch(kind: str, args: tuple[Any, ...], options: dict[str, Any], shape: Any) -> None:
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn, kind)(*args, **options).double()
    mine = getattr(nn, kind)(*args, **options).astype(np.float64)
    assert list(mine.params) == [name for name, _ in theirs.named_parameters()]
    assert list(mine.buffers) == [name for name, _ in theirs.named_buffers()]
    with torch.no_grad():
        for param, tensor in theirs.named_parameters():
            tensor.add_(0.1)
            mine.params[param][...] = tensor.numpy()
    x = distinct(shape)
    tx = torch.tensor(x, requires_grad=True)
    for train in (True, True, False):
        theirs.train(train)
        theirs.zero_grad()
        mine.zero_grads()
        tx.grad = None
        ty = theirs(tx)
        y, cache = mine.forward(x, train=train)
        dy = np.random.default_rng(2).normal(size=y.shape)
        ty.backward(torch.tensor(dy))
        np.testing.assert_allclose(y, ty.detach(), rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(mine.backward(dy, cache), tx.grad, rtol=1e-9, atol=1e-10)
        for param, tensor in theirs.named_parameters():
            np.testing.assert_allclose(mine.grads[param], tensor.grad, rtol=1e-9, atol=1e-10)
        for buffer, tensor in theirs.named_buffers():
            np.testing.assert_allclose(mine.buffers[buffer], tensor, rtol=1e-10)


def test_global_average_pool_is_torch() -> None:
    torch = pytest.importorskip("torch")
    x = distinct((2, 3, 4, 5))
    theirs = torch.nn.AdaptiveAvgPool2d(1)(torch.tensor(x))
    np.testing.assert_allclose(nn.GlobalAvgPool2d()(x), theirs, rtol=1e-12)


def test_fractional_regions_depend_on_key_and_example_alone() -> None:
    layer, x = nn.FractionalMaxPool2d(output_ratio=0.6), distinct((6, 2, 17, 17)).astype(np.float32)
    whole = layer.forward(x, train=True, key=Key(5))[0]
    parts = [layer.forward(x[i : i + 2], train=True, key=Key(5).at(i))[0] for i in (0, 2, 4)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    assert (whole != layer.forward(x, train=True, key=Key(6))[0]).any()
    _, cache = layer.forward(x, train=True, key=Key(5))
    assert len({rows.tobytes() for rows in cache.rows}) > 1
    assert (cache.rows != cache.cols).any()
    np.testing.assert_array_equal(layer(x)[:2], layer(x[:2]))  # prediction draws nothing


def test_dropout_masks_depend_on_key_and_example_alone() -> None:
    layer, x = nn.Dropout(0.5), np.ones((6, 10), np.float32)
    whole = layer.forward(x, train=True, key=Key(5))[0]
    parts = [layer.forward(x[i : i + 2], train=True, key=Key(5).at(i))[0] for i in (0, 2, 4)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    assert (whole != layer.forward(x, train=True, key=Key(6))[0]).any()
    assert set(np.unique(whole)) == {0.0, 2.0}


def test_frozen_batch_norm_acts_as_in_prediction() -> None:
    layer = nn.BatchNorm1d(3)
    x = distinct((5, 3)).astype(np.float32)
    layer.trainable = False
    y, _ = layer.forward(x, train=True)
    np.testing.assert_array_equal(y, layer(x))
    assert layer.buffers["num_batches_tracked"] == 0


def test_recomputed_statistics_are_torchs() -> None:
    torch = pytest.importorskip("torch")
    x = distinct((10, 2, 3, 4)).astype(np.float32)
    mine = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3, momentum=0.4), nn.ReLU(), nn.Dropout(0.5))
    twin = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.ReLU())
    for layer in (0, 1):
        for name, value in dict(twin[layer].named_parameters()).items():
            mine.children[str(layer)].params[name][...] = value.detach().numpy()
    mine.forward(x + 5, train=True, key=Key(1))  # to be forgotten
    nn.recompute_statistics(mine, x, batch_size=3)  # the last batch, of one example, is left out
    torch.optim.swa_utils.update_bn([torch.tensor(x[i : i + 3]) for i in (0, 3, 6)], twin)
    norm = mine.children["1"]
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.momentum == 0.4
    for name, value in twin[1].named_buffers():
        np.testing.assert_allclose(norm.buffers[name], value, rtol=1e-5, atol=1e-6)


def test_an_empty_batch_passes() -> None:
    net = nn.Sequential(
        *(nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.AvgPool2d(1)),
        *(nn.Dropout(0.5), nn.Flatten(), nn.Linear(12, 2), nn.Dropout(0.5, inverted=False)),
    )
    assert net(np.zeros((0, 2, 4, 4), np.float32)).shape == (0, 2)


@pytest.mark.parametrize(
    ("build", "line"),
    [
        (lambda: nn.Linear(0, 3), r"[Linear] in_features: expected an integer >= 1, got 0"),
        (lambda: nn.Linear(3, 2.5), r"[Linear] out_features: expected an integer >= 1, got 2.5"),
        (lambda: nn.Conv2d(4, 6, 0), r"[Conv2d] kernel_size: expected an integer >= 1, got 0"),
        (lambda: nn.Conv2d(4, 6, 3, stride=-1), r"[Conv2d] stride: expected an integer >= 1, got -1"),
        (
            lambda: nn.Conv2d(4, 6, (3, 3, 3)),
            r"[Conv2d] kernel_size: expected an integer or a pair of integers, got (3, 3, 3)",
        ),
        (
            lambda: nn.Conv2d(4, 6, 3, groups=4),
            r"[Conv2d] groups: expected a divisor of in_channels=4 and out_channels=6, got 4",
        ),
        (
            lambda: nn.Conv2d(4, 6, 3, stride=2, padding="same"),
            r'[Conv2d] stride: expected 1 with padding "same", got (2, 2)',
        ),
        (
            lambda: nn.Conv1d(4, 6, 3, padding="valid"),  # type: ignore[arg-type]
            r"[Conv1d] padding: expected one of 'same', got 'valid'",
        ),
        (
            lambda: nn.ConvTranspose2d(4, 6, 3, output_padding=1)(np.ones((1, 4, 3, 3), np.float32)),
            r"[conv_transpose2d_forward] output_padding: expected 0 to less than the stride, (1, 1), "
            r"got (1, 1)",
        ),
        (
            lambda: nn.FractionalMaxPool2d(2),
            r"[FractionalMaxPool2d] output_size: expected it or output_ratio, got neither",
        ),
        (
            lambda: nn.FractionalMaxPool2d(output_ratio=1.5),
            r"[FractionalMaxPool2d] output_ratio: expected a finite number > 0 and <= 1, got 1.5",
        ),
        (
            lambda: nn.FractionalMaxPool2d(2, 3)(np.ones((1, 1, 3, 9), np.float32)),
            r"[fractional_regions] outputs: expected at most 2, got 3",
        ),
        (
            lambda: nn.FractionalMaxPool2d(2, 3).forward(np.ones((1, 1, 9, 9)), train=True),
            r"[FractionalMaxPool2d] key: expected a fastnn.Key in training, got None",
        ),
        (
            lambda: nn.ZeroPad2d((1, 2)),  # type: ignore[arg-type]
            r"[ZeroPad2d] padding: expected an integer or four of them, got (1, 2)",
        ),
        (
            lambda: nn.Upsample(2, "bilinear"),  # type: ignore[arg-type]
            r"[Upsample] mode: expected one of 'nearest', got 'bilinear'",
        ),
        (
            lambda: nn.BatchNorm2d(3, momentum=2),
            r"[BatchNorm2d] momentum: expected a finite number >= 0 and <= 1, got 2",
        ),
        (
            lambda: nn.Dropout(1.0),
            r"[Dropout] drop_prob: expected a finite number >= 0 and < 1, got 1.0",
        ),
        (
            lambda: nn.Dropout().forward(np.ones((1, 2)), train=True),
            r"[Dropout] key: expected a fastnn.Key in training, got None",
        ),
        (
            lambda: nn.BatchNorm2d(3)(np.ones((2, 3), np.float32)),
            r"[BatchNorm2d] x: expected shape (N, C, H, W), got (2, 3)",
        ),
        (
            lambda: nn.Residual(nn.Linear(3, 2))(np.ones((1, 3), np.float32)),
            r"[Residual] shortcut: expected the body's shape (1, 2), got (1, 3)",
        ),
        (
            lambda: nn.Residual(nn.ReLU(), activation="tanh"),  # type: ignore[arg-type]
            r"[Residual] activation: expected one of 'relu', got 'tanh'",
        ),
    ],
)
def test_refusals_are_one_line(build: Callable[[], Any], line: str) -> None:
    with pytest.raises(ValueError) as caught:
        build()
    assert str(caught.value) == line
