"""The ready nets as a PyTorch user writes them, with modules nested, and so named, as ours."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Residual(nn.Module):
    """A body and a shortcut, added, with ReLU."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + (x if self.shortcut is None else self.shortcut(x)))


def conv_bn(before: int, width: int, size: int = 3, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(before, width, size, stride, size // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(width)]


def block(before: int, width: int, stride: int) -> nn.Module:
    body = nn.Sequential(*conv_bn(before, width, 3, stride), nn.ReLU(), *conv_bn(width, width))
    return Residual(body, None if stride == 1 else nn.Sequential(*conv_bn(before, width, 1, stride)))


def pooled(features: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(features, 10)]


def two_layer_net() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 100), nn.ReLU(), nn.Linear(100, 10))


def mlp() -> nn.Module:
    first = (nn.Linear(784, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Dropout(0.5))
    second = (nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Dropout(0.5))
    return nn.Sequential(*first, *second, nn.Linear(512, 10))


def lenet() -> nn.Module:
    first = (nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2))
    second = (nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2))
    head = (nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
    return nn.Sequential(*first, *second, *head)


def convnet() -> nn.Module:
    layers: list[nn.Module] = []
    for before, width in ((1, 32), (32, 64)):
        layers += [*conv_bn(before, width), nn.ReLU(), nn.MaxPool2d(2)]
    hidden = (nn.Dropout(0.3), nn.Linear(3136, 128, bias=False), nn.BatchNorm1d(128), nn.ReLU())
    return nn.Sequential(*layers, nn.Flatten(), *hidden, nn.Dropout(0.3), nn.Linear(128, 10))


def course_convnet() -> nn.Module:
    conv = (nn.Conv2d(3, 32, 7, padding=3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    return nn.Sequential(*conv, nn.Linear(8192, 100), nn.ReLU(), nn.Linear(100, 10))


def vgg_small(drop_prob: float = 0.25, side: int = 32) -> nn.Module:
    layers: list[nn.Module] = []
    for before, width in ((3, 64), (64, 128), (128, 256)):
        layers += [*conv_bn(before, width), nn.ReLU(), *conv_bn(width, width), nn.ReLU(), nn.MaxPool2d(2)]
        if drop_prob:
            layers.append(nn.Dropout(drop_prob))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(256 * (side // 8) ** 2, 10))


def small_resnet(blocks: int) -> nn.Module:
    layers, before = [*conv_bn(3, 16), nn.ReLU()], 16
    for width in (16, 32, 64):
        for _ in range(blocks):
            layers.append(block(before, width, 1 if before == width else 2))
            before = width
    return nn.Sequential(*layers, *pooled(64))


def resnet8() -> nn.Module:
    return small_resnet(1)


def resnet20() -> nn.Module:
    return small_resnet(3)


def resnet32() -> nn.Module:
    return small_resnet(5)


def resnet56() -> nn.Module:
    return small_resnet(9)


def resnet18() -> nn.Module:
    layers, before = [*conv_bn(3, 64), nn.ReLU()], 64
    for width in (64, 128, 256, 512):
        layers += [block(before, width, 1 if before == width else 2), block(width, width, 1)]
        before = width
    return nn.Sequential(*layers, *pooled(512))


def mobilenet() -> nn.Module:
    layers, before = [*conv_bn(3, 32), nn.ReLU()], 32
    for width, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        layers += [*conv_bn(before, before, 3, stride, groups=before), nn.ReLU()]
        layers += [*conv_bn(before, width, 1), nn.ReLU()]
        before = width
    return nn.Sequential(*layers, *pooled(512))


def shake(module: nn.Module) -> None:
    """Give batch norms scales and statistics of their own, as training would."""
    generator = torch.Generator().manual_seed(0)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.num_batches_tracked.fill_(7)
            for array, low, high in (
                *((part.weight, 0.5, 1.5), (part.bias, -0.3, 0.3)),
                *((part.running_mean, -0.3, 0.3), (part.running_var, 0.5, 2.0)),
            ):
                assert array is not None
                array.data.uniform_(low, high, generator=generator)


def state(module: nn.Module) -> dict[str, Any]:
    return {name: value.numpy() for name, value in module.state_dict().items()}
