"""Ready nets; every function returns a `Model`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from . import model_init, nn
from ._arguments import choice, integer, number
from .losses import LossFunction
from .model import Model

Shape: TypeAlias = tuple[int, ...]


def two_layer_net(
    input_shape: int | Shape = (3, 32, 32),
    hidden: int = 100,
    classes: int = 10,
    *,
    loss: str | LossFunction = "softmax",
    seed: int = 0,
    dtype: npt.DTypeLike = np.float32,
) -> Model:
    """Return the two-layer net of the course: linear, ReLU, linear.

    Args:
        input_shape: features of an example, or the shape of an image, which is flattened.
        hidden: width of the hidden layer.
        classes: number of outputs.
        loss: ``"softmax"``, ``"hinge"``, or ``"mse"`` for regression.
        seed: names the initial parameters and the randomness of training.
        dtype: float32 or float64.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> two_layer_net(4, 8, 3).summary().params
        67

    Reference:
        CS231n, Convolutional neural networks for visual recognition, https://cs231n.github.io
    """
    shape, features = _features("two_layer_net", input_shape)
    layers = [nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, classes)]
    return _model([*_flatten(shape), *layers], shape, loss, seed, dtype)


def mlp(
    input_shape: int | Shape = 784,
    hidden: Sequence[int] = (512, 512),
    classes: int = 10,
    *,
    batch_norm: bool = True,
    drop_prob: float = 0.5,
    loss: str | LossFunction = "softmax",
    seed: int = 0,
    dtype: npt.DTypeLike = np.float32,
) -> Model:
    """Return a multi-layer perceptron: after each hidden linear layer batch norm, ReLU and dropout.

    The defaults are 784-512-512-10.

    Args:
        input_shape: features of an example, or the shape of an image, which is flattened.
        hidden: widths of the hidden layers; may be empty.
        classes: number of outputs.
        batch_norm: whether to normalise.
        drop_prob: of dropout; 0 leaves it out.
        loss: ``"softmax"``, or ``"mse"`` for regression.
        seed: names the initial parameters and the randomness of training.
        dtype: float32 or float64.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> mlp(4, (8,), 3).summary().params
        83
    """
    shape, before = _features("mlp", input_shape)
    layers = _flatten(shape)
    for width in hidden:
        layers.append(nn.Linear(before, width))
        before = width
        if batch_norm:
            layers.append(nn.BatchNorm1d(width))
        layers.append(nn.ReLU())
        layers += _dropout("mlp", drop_prob)
    layers.append(nn.Linear(before, classes))
    return _model(layers, shape, loss, seed, dtype)


def lenet(
    input_shape: Shape = (1, 28, 28),
    classes: int = 10,
    *,
    seed: int = 0,
    dtype: npt.DTypeLike = np.float32,
) -> Model:
    """Return LeNet-5 with ReLU and max pooling: conv 5x5 6, pool, conv 5x5 16, pool, 120-84-10.

    Args:
        input_shape: (C, H, W); the first convolution pads by 2, so 28x28 gives 400 features.
        classes: number of outputs.
        seed: names the initial parameters and the randomness of training.
        dtype: float32 or float64.

    Raises:
        ValueError: an argument out of range, or images too small for the net.

    Example:
        >>> lenet().summary().params
        61706

    Reference:
        LeCun et al., Gradient-based learning applied to document recognition, 1998,
        https://doi.org/10.1109/5.726791
    """
    channels = _image("lenet", input_shape, least=12)
    body = [
        *(nn.Conv2d(channels, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
    ]
    sides = [(size // 2 - 4) // 2 for size in input_shape[1:]]
    head = [
        nn.Flatten(),
        *(nn.Linear(16 * math.prod(sides), 120), nn.ReLU()),
        *(nn.Linear(120, 84), nn.ReLU()),
        nn.Linear(84, classes),
    ]
    return _model([*body, *head], input_shape, "softmax", seed, dtype)


def convnet(
    input_shape: Shape = (1, 28, 28),
    classes: int = 10,
    *,
    channels: Sequence[int] = (32, 64),
    hidden: int = 128,
    drop_prob: float = 0.3,
    seed: int = 0,
    dtype: npt.DTypeLike = np.float32,
) -> Model:
    """Return a net for 8x8 to 32x32 images: conv 3x3-BN-ReLU and pool 2, twice, then two linear layers.

    Args:
        input_shape: (C, H, W).
        classes: number of outputs.
        channels: filters of each convolution; every one halves the image.
        hidden: width of the hidden linear layer.
        drop_prob: of dropout before each linear layer; 0 leaves it out.
        seed: names the initial parameters and the randomness of training.
        dtype: float32 or float64.

    Raises:
        ValueError: an argument out of range, or images too small for the net.

    Example:
        >>> convnet((1, 8, 8)).predict(np.zeros((2, 1, 8, 8))).shape
        (2,)
    """
    before = _image("convnet", input_shape, least=2 ** len(channels))
    layers: list[nn.Layer] = []
    for width in channels:
        layers += [*_conv_bn_relu(before, width), nn.MaxPool2d(2)]
        before = width
    sides = [size // 2 ** len(channels) for size in input_shape[1:]]
    layers += [nn.Flatten(), *_dropout("convnet", drop_prob)]
    layers += [nn.Linear(before * math.prod(sides), hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU()]
    layers += [*_dropout("convnet", drop_prob), nn.Linear(hidden, classes)]
    return _model(layers, input_shape, "softmax", seed, dtype)


def course_convnet(
    input_shape: Shape = (3, 32, 32),
    classes: int = 10,
    *,
    filters: int = 32,
    kernel_size: int = 7,
    hidden: int = 100,
    seed: int = 0,
    dtype: npt.DTypeLike = np.float32,
) -> Model:
    """Return the three-layer conv net of the course: conv 7x7, ReLU, pool 2, linear 100, ReLU, linear 10.

    Args:
        input_shape: (C, H, W).
        classes: number of outputs.
        filters: of the convolution, which keeps the size of the image.
        kernel_size: odd.
        hidden: width of the hidden linear layer.
        seed: names the initial parameters and the randomness of training.
        dtype: float32 or float64.

    Raises:
        ValueError: an argument out of range, or images too small for the net.

    Example:
        >>> course_convnet().summary().params
        825046

    Reference:
        CS231n, Convolutional neural networks for visual recognition, https://cs231n.github.io
    """
    channels = _image("course_convnet", input_shape, least=2)
    if integer("course_convnet", "kernel_size", kernel_size) % 2 == 0:
        raise ValueError(f"[course_convnet] kernel_size: expected an odd number, got {kernel_size}")
    sides = [size // 2 for size in input_shape[1:]]
    layers = [
        *(nn.Conv2d(channels, filters, kernel_size, padding=kernel_size // 2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(filters * math.prod(sides), hidden), nn.ReLU()),
        nn.Linear(hidden, classes),
    ]
    return _model(layers, input_shape, "softmax", seed, dtype)


def vgg_small(
    input_shape: Shape = (3, 32, 32),
    classes: int = 10,
    *,
    channels: Sequence[int] = (64, 128, 256),
    drop_prob: float = 0.25,
    seed: int = 0,
    dtype: npt.DTypeLike = np.float32,
) -> Model:
    """Return a VGG-style net: (conv 3x3-BN-ReLU) twice, pool 2, dropout, at 64, 128 and 256 channels.

    Args:
        input_shape: (C, H, W).
        classes: number of outputs.
        channels: filters of each stage.
        drop_prob: of dropout after each stage; 0 leaves it out.
        seed: names the initial parameters and the randomness of training.
        dtype: float32 or float64.

    Raises:
        ValueError: an argument out of range, or images too small for the net.

    Example:
        >>> vgg_small(channels=(4, 8, 16)).predict(np.zeros((1, 3, 32, 32))).shape
        (1,)

    Reference:
        Simonyan and Zisserman, Very deep convolutional networks for large-scale image recognition, 2014,
        https://arxiv.org/abs/1409.1556
    """
    before = _image("vgg_small", input_shape, least=2 ** len(channels))
    layers: list[nn.Layer] = []
    for width in channels:
        layers += [*_conv_bn_relu(before, width), *_conv_bn_relu(width, width), nn.MaxPool2d(2)]
        layers += _dropout("vgg_small", drop_prob)
        before = width
    sides = [size // 2 ** len(channels) for size in input_shape[1:]]
    layers += [nn.Flatten(), nn.Linear(before * math.prod(sides), classes)]
    return _model(layers, input_shape, "softmax", seed, dtype)


def resnet(
    depth: int = 20,
    input_shape: Shape = (3, 32, 32),
    classes: int = 10,
    *,
    norm: Literal["batch", "fixup"] = "batch",
    seed: int = 0,
    dtype: npt.DTypeLike = np.float32,
) -> Model:
    """Return a residual net for small images: stem, three stages of basic blocks at 16, 32 and 64 channels.

    A stage has ``(depth - 2) / 6`` blocks of two 3x3 convolutions. Stages after the first begin with stride 2
    and a shortcut of 1x1 convolution and batch norm; global average pooling and one linear layer end it.

    With ``norm="fixup"`` there is no normalisation: scalar biases and multipliers stand where the paper wants
    them, and `fastnn.model_init.fixup` has scaled the weights. The paper trains the scalars at a tenth of
    the rate; `Model.initialize` draws the weights anew, unscaled.

    Args:
        depth: 8, 14, 20, ...: 6 n + 2.
        input_shape: (C, H, W).
        classes: number of outputs.
        norm: ``"batch"`` or ``"fixup"``.
        seed: names the initial parameters and the randomness of training.
        dtype: float32 or float64.

    Raises:
        ValueError: an argument out of range, or images too small for the net.

    Example:
        >>> resnet(14).summary().params
        175258
        >>> resnet(14, norm="fixup").summary().params
        174172

    Reference:
        He et al., Deep residual learning for image recognition, 2015, https://arxiv.org/abs/1512.03385;
        Zhang et al., Fixup initialization: residual learning without normalization, 2019,
        https://arxiv.org/abs/1901.09321
    """
    return _small_resnet("resnet", depth, input_shape, classes, norm, seed, dtype)


def resnet8(
    input_shape: Shape = (3, 32, 32), classes: int = 10, *, seed: int = 0, dtype: npt.DTypeLike = np.float32
) -> Model:
    """Return the `resnet` of depth 8, one block a stage.

    Raises:
        ValueError: an argument out of range, or images too small for the net.

    Example:
        >>> resnet8().summary().params
        78042
    """
    return _small_resnet("resnet8", 8, input_shape, classes, "batch", seed, dtype)


def resnet20(
    input_shape: Shape = (3, 32, 32), classes: int = 10, *, seed: int = 0, dtype: npt.DTypeLike = np.float32
) -> Model:
    """Return the `resnet` of depth 20, three blocks a stage.

    Raises:
        ValueError: an argument out of range, or images too small for the net.

    Example:
        >>> resnet20().summary().params
        272474
    """
    return _small_resnet("resnet20", 20, input_shape, classes, "batch", seed, dtype)


def resnet32(
    input_shape: Shape = (3, 32, 32), classes: int = 10, *, seed: int = 0, dtype: npt.DTypeLike = np.float32
) -> Model:
    """Return the `resnet` of depth 32, five blocks a stage.

    Raises:
        ValueError: an argument out of range, or images too small for the net.

    Example:
        >>> resnet32().summary().params
        466906
    """
    return _small_resnet("resnet32", 32, input_shape, classes, "batch", seed, dtype)


def resnet56(
    input_shape: Shape = (3, 32, 32), classes: int = 10, *, seed: int = 0, dtype: npt.DTypeLike = np.float32
) -> Model:
    """Return the `resnet` of depth 56, nine blocks a stage.

    Raises:
        ValueError: an argument out of range, or images too small for the net.

    Example:
        >>> resnet56().summary().params
        855770
    """
    return _small_resnet("resnet56", 56, input_shape, classes, "batch", seed, dtype)


def resnet18(
    input_shape: Shape = (3, 32, 32),
    classes: int = 10,
    *,
    stem: Literal["small", "large"] = "small",
    seed: int = 0,
    dtype: npt.DTypeLike = np.float32,
) -> Model:
    """Return ResNet-18: a stem and two basic blocks at each of 64, 128, 256 and 512 channels.

    Args:
        input_shape: (C, H, W).
        classes: number of outputs.
        stem: ``"small"`` for images of about 32 pixels, conv 3x3; ``"large"`` for those of about 224, conv
            7x7 with stride 2 and max pooling.
        seed: names the initial parameters and the randomness of training.
        dtype: float32 or float64.

    Raises:
        ValueError: an argument out of range, or images too small for the net.

    Example:
        >>> resnet18((3, 64, 64), 1000, stem="large").summary().params
        11689512

    Reference:
        He et al., Deep residual learning for image recognition, 2015, https://arxiv.org/abs/1512.03385
    """
    channels = _image("resnet18", input_shape, least=1)
    choice("resnet18", "stem", stem, ("small", "large"))
    if stem == "small":
        layers = _conv_bn_relu(channels, 64)
    else:
        layers = [*_conv_bn_relu(channels, 64, kernel_size=7, stride=2), nn.MaxPool2d(3, 2, 1)]
    before = 64
    for width in (64, 128, 256, 512):
        for stride in (1 if width == 64 else 2, 1):
            layers.append(_basic_block(before, width, stride))
            before = width
    return _model([*layers, *_pooled(before, classes)], input_shape, "softmax", seed, dtype)


def mobilenet(
    input_shape: Shape = (3, 32, 32), classes: int = 10, *, seed: int = 0, dtype: npt.DTypeLike = np.float32
) -> Model:
    """Return a net of depthwise separable convolutions for small images, 32 to 512 channels.

    After a 3x3 stem, seven times a depthwise 3x3 convolution and a 1x1 convolution, each with batch norm and
    ReLU; global average pooling and one linear layer end it.

    Args:
        input_shape: (C, H, W).
        classes: number of outputs.
        seed: names the initial parameters and the randomness of training.
        dtype: float32 or float64.

    Raises:
        ValueError: an argument out of range, or images too small for the net.

    Example:
        >>> mobilenet().summary().params
        543050

    Reference:
        Howard et al., MobileNets: efficient convolutional neural networks for mobile vision applications,
        2017, https://arxiv.org/abs/1704.04861
    """
    before = 32
    layers = _conv_bn_relu(_image("mobilenet", input_shape, least=1), before)
    for width, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        layers += _conv_bn_relu(before, before, stride=stride, groups=before)
        layers += _conv_bn_relu(before, width, kernel_size=1)
        before = width
    return _model([*layers, *_pooled(before, classes)], input_shape, "softmax", seed, dtype)


# Parts


def _small_resnet(
    op: str, depth: int, input_shape: Shape, classes: int, norm: str, seed: int, dtype: npt.DTypeLike
) -> Model:
    if integer(op, "depth", depth, low=8) % 6 != 2:
        raise ValueError(f"[{op}] depth: expected 8, 14, 20 or another 6 n + 2, got {depth}")
    fixup = choice(op, "norm", norm, ("batch", "fixup")) == "fixup"
    channels, before = _image(op, input_shape, least=1), 16
    layers: list[nn.Layer]
    if fixup:
        layers = [nn.Conv2d(channels, before, 3, padding=1, bias=False), nn.Shift(), nn.ReLU()]
    else:
        layers = _conv_bn_relu(channels, before)
    for width in (16, 32, 64):
        for block in range(depth // 6):
            stride = 2 if width > 16 and block == 0 else 1
            layers.append((_fixup_block if fixup else _basic_block)(before, width, stride))
            before = width
    head = _pooled(before, classes)
    if fixup:
        head.insert(-1, nn.Shift())
    model = _model([*layers, *head], input_shape, "softmax", seed, dtype)
    if fixup:
        model_init.fixup(model)
    return model


def _basic_block(before: int, width: int, stride: int) -> nn.Residual:
    body = nn.Sequential(
        *_conv_bn_relu(before, width, stride=stride),
        *(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)),
    )
    shortcut = None
    if stride != 1 or before != width:
        shortcut = nn.Sequential(
            nn.Conv2d(before, width, 1, stride=stride, bias=False), nn.BatchNorm2d(width)
        )
    return nn.Residual(body, shortcut, activation="relu")


def _fixup_block(before: int, width: int, stride: int) -> nn.Residual:
    """Return a basic block with a scalar before each convolution and ReLU, and one that multiplies."""
    body = nn.Sequential(
        *(nn.Shift(), nn.Conv2d(before, width, 3, stride=stride, padding=1, bias=False)),
        *(nn.Shift(), nn.ReLU(), nn.Shift(), nn.Conv2d(width, width, 3, padding=1, bias=False)),
        *(nn.Scale(), nn.Shift()),
    )
    shortcut = None
    if stride != 1 or before != width:
        shortcut = nn.Sequential(nn.Shift(), nn.Conv2d(before, width, 1, stride=stride, bias=False))
    return nn.Residual(body, shortcut, activation="relu")


def _conv_bn_relu(
    before: int, width: int, *, kernel_size: int = 3, stride: int = 1, groups: int = 1
) -> list[nn.Layer]:
    """Return a convolution without bias, which batch norm would cancel, with batch norm and ReLU."""
    padding = kernel_size // 2
    conv = nn.Conv2d(before, width, kernel_size, stride, padding, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(width), nn.ReLU()]


def _pooled(features: int, classes: int) -> list[nn.Layer]:
    return [nn.GlobalAvgPool2d(), nn.Flatten(), nn.Linear(features, classes)]


def _features(op: str, input_shape: int | Shape) -> tuple[Shape, int]:
    """Return the shape of an example, and the number of its features."""
    shape = (input_shape,) if isinstance(input_shape, int) else tuple(input_shape)
    return shape, integer(op, "input_shape", math.prod(shape))


def _flatten(shape: Shape) -> list[nn.Layer]:
    return [] if len(shape) == 1 else [nn.Flatten()]


def _dropout(op: str, drop_prob: float) -> list[nn.Layer]:
    return [nn.Dropout(drop_prob)] if number(op, "drop_prob", drop_prob, high=1.0, below=True) else []


def _image(op: str, shape: Any, *, least: int) -> int:
    """Return the channels of an image shape (C, H, W) whose sides are at least ``least``."""
    fits = isinstance(shape, (tuple, list)) and len(shape) == 3 and all(isinstance(n, int) for n in shape)
    if not fits or shape[0] < 1 or min(shape[1:]) < least:
        raise ValueError(
            f"[{op}] input_shape: expected (C, H, W) with sides of at least {least}, got {shape}"
        )
    return int(shape[0])


def _model(
    layers: Sequence[nn.Layer], shape: Shape, loss: str | LossFunction, seed: int, dtype: npt.DTypeLike
) -> Model:
    return Model(nn.Sequential(*layers), loss, seed=seed, dtype=dtype, input_shape=tuple(shape))


NETS: dict[str, Callable[..., Model]] = {
    net.__name__: net
    for net in (
        *(two_layer_net, mlp, lenet, convnet, course_convnet, vgg_small),
        *(resnet8, resnet20, resnet32, resnet56, resnet18, mobilenet),
    )
}
