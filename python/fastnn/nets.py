"""Ready nets; every function returns a `Model`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from . import nn
from ._arguments import integer, number
from .losses import LossFunction
from .model import Model

Shape: TypeAlias = tuple[int, ...]
IntOrPair: TypeAlias = int | tuple[int, int]


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

    Example:
        >>> mlp(4, (8,), 3).summary().params
        83
    """
    shape = (input_shape,) if isinstance(input_shape, int) else tuple(input_shape)
    widths = [integer("mlp", "input_shape", math.prod(shape))]
    layers: list[nn.Layer] = [] if len(shape) == 1 else [nn.Flatten()]
    for width in hidden:
        layers.append(nn.Linear(widths[-1], width))
        widths.append(width)
        if batch_norm:
            layers.append(nn.BatchNorm1d(width))
        layers.append(nn.ReLU())
        layers += _dropout("mlp", drop_prob)
    layers.append(nn.Linear(widths[-1], classes))
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


def resnet8(
    input_shape: Shape = (3, 32, 32),
    classes: int = 10,
    *,
    seed: int = 0,
    dtype: npt.DTypeLike = np.float32,
) -> Model:
    """Return the residual net of `resnet20` with one block a stage.

    Example:
        >>> resnet8().summary().params
        78042
    """
    return _resnet("resnet8", 1, input_shape, classes, seed, dtype)


def resnet20(
    input_shape: Shape = (3, 32, 32),
    classes: int = 10,
    *,
    seed: int = 0,
    dtype: npt.DTypeLike = np.float32,
) -> Model:
    """Return ResNet-20 for small images: stem, three stages of three basic blocks at 16, 32, 64 channels.

    Stages after the first begin with stride 2 and a shortcut of 1x1 convolution and batch norm; global
    average pooling and one linear layer end it.

    Args:
        input_shape: (C, H, W).
        classes: number of outputs.
        seed: names the initial parameters and the randomness of training.
        dtype: float32 or float64.

    Example:
        >>> resnet20().summary().params
        272474

    Reference:
        He et al., Deep residual learning for image recognition, 2015, https://arxiv.org/abs/1512.03385
    """
    return _resnet("resnet20", 3, input_shape, classes, seed, dtype)


def _resnet(
    name: str, blocks: int, input_shape: Shape, classes: int, seed: int, dtype: npt.DTypeLike
) -> Model:
    before = 16
    layers: list[nn.Layer] = _conv_bn_relu(_image(name, input_shape, least=1), before)
    for stage, width in enumerate((16, 32, 64)):
        for block in range(blocks):
            layers.append(_basic_block(before, width, stride=2 if stage and not block else 1))
            before = width
    layers += [nn.GlobalAvgPool2d(), nn.Flatten(), nn.Linear(before, classes)]
    return _model(layers, input_shape, "softmax", seed, dtype)


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


def _conv_bn_relu(before: int, width: int, stride: int = 1) -> list[nn.Layer]:
    """Return a 3x3 convolution without bias, which batch norm would cancel, with batch norm and ReLU."""
    conv = nn.Conv2d(before, width, 3, stride=stride, padding=1, bias=False)
    return [conv, nn.BatchNorm2d(width), nn.ReLU()]


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
    net.__name__: net for net in (mlp, lenet, convnet, course_convnet, vgg_small, resnet8, resnet20)
}
