"""A golden run: the losses of ten steps in float64, stated digit by digit.

The digits are PyTorch's, of the same net, start and data; where PyTorch is installed a test computes them
again. Weights and data come from a sequence of rational numbers, so that no random generator can change them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import Model, nn, optim
from fastnn._runtime import available_isas, isa_override

LOSSES = (
    1.7543830355452126,
    1.4879745883072388,
    1.2656558813207321,
    1.0484211182208143,
    0.8592313578770806,
    0.6914902193793964,
    0.5484329464959277,
    0.4265029195239452,
    0.3232081697263384,
    0.23638021090786102,
)


def fill(shape: tuple[int, ...], salt: int) -> np.ndarray:
    """Return numbers in [-1, 1) that look random: multiples of a prime, modulo another."""
    places = np.arange(1, int(np.prod(shape)) + 1, dtype=np.int64)
    return ((places * places * 7919 + places * 104729 * salt) % 10007 / 5003.5 - 1).reshape(shape)


X, Y = fill((24, 3, 13, 9), salt=1), np.arange(24) * 7 % 5
SHAPES = {
    "0.weight": (8, 3, 3, 3),
    "0.bias": (8,),
    "1.weight": (8,),
    "1.bias": (8,),
    "4.weight": (12, 4, 3, 3),
    "5.weight": (12,),
    "5.bias": (12,),
    "9.weight": (5, 48),
    "9.bias": (5,),
}
START = {
    name: fill(shape, salt) / np.sqrt(np.prod(shape[1:])) + (len(shape) == 1)
    for salt, (name, shape) in enumerate(SHAPES.items(), 2)
}


def ours(fuse: bool = True) -> Model:
    net = nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, 1)),
        *(nn.Conv2d(8, 12, 3, stride=2, groups=2, bias=False), nn.BatchNorm2d(12), nn.ReLU()),
        *(nn.AvgPool2d((2, 1), 1), nn.Flatten(), nn.Linear(48, 5)),
        fuse=fuse,
    )
    model = Model(net, dtype=np.float64)
    model.load_state_dict(START, strict=False)
    return model


def torch_losses(torch: Any) -> list[float]:
    t = torch.nn
    net = t.Sequential(
        *(t.Conv2d(3, 8, 3, padding=1), t.BatchNorm2d(8), t.ReLU(), t.MaxPool2d(3, 2, 1)),
        *(t.Conv2d(8, 12, 3, stride=2, groups=2, bias=False), t.BatchNorm2d(12), t.ReLU()),
        *(t.AvgPool2d((2, 1), 1), t.Flatten(), t.Linear(48, 5)),
    ).double()
    net.load_state_dict({name: torch.tensor(value) for name, value in START.items()}, strict=False)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3)
    losses = []
    for _ in range(10):
        loss = t.functional.cross_entropy(net(torch.tensor(X)), torch.tensor(Y))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_torch_states_these_digits() -> None:
    torch = pytest.importorskip("torch")
    assert torch_losses(torch) == pytest.approx(LOSSES, rel=1e-10, abs=0)


@pytest.mark.parametrize("isa", available_isas())
@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("algo", ["auto", "direct", "im2col"])
def test_ten_losses(algo: str, fuse: bool, isa: str) -> None:
    model = ours(fuse)
    optimizer = optim.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=1e-3)
    fastnn.set_conv_algo(algo)
    try:
        with isa_override(isa):
            losses = [model.train_step(X, Y, optimizer) for _ in range(10)]
    finally:
        fastnn.set_conv_algo("auto")
    assert losses == pytest.approx(LOSSES, rel=1e-10, abs=0)
