"""From the settings of a run to its data and its net."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np

from fastnn import data, nn
from fastnn.cli.settings import Settings, read_toml
from fastnn.losses import LOSSES
from fastnn.model import Model
from fastnn.nets import NETS

VALIDATION_PART = 0.1


def prepare(settings: Settings) -> tuple[Settings, data.Splits, Model]:
    """Return the settings with what they leave to net file and data, the data, and the untrained net.

    Raises:
        ValueError: they do not fit each other.
    """
    if settings.layers is None and settings.net.endswith(".toml"):
        settings = dataclasses.replace(settings, layers=read_net(Path(settings.net)))
    splits = load_splits(settings)
    settings = settings.for_targets(regression=splits.y_train.dtype.kind == "f")
    return settings, splits, build_model(settings, splits)


def load_splits(settings: Settings) -> data.Splits:
    """Return the data of a run; without a validation part, a tenth of the training part."""
    splits = data.load(settings.data)
    if splits.y_train.dtype.kind == "f" and splits.y_train.ndim == 1:
        columns = {f"y_{part}": getattr(splits, f"y_{part}") for part in ("train", "val", "test")}
        columns = {name: None if y is None else y[:, None] for name, y in columns.items()}
        splits = dataclasses.replace(splits, **columns)
    if splits.X_val is None and len(splits.X_train) > 1:
        splits = splits.hold_out(max(1, round(VALIDATION_PART * len(splits.X_train))), seed=settings.seed)
    return splits


def read_net(path: Path) -> list[dict[str, Any]]:
    """Return the ``[[layers]]`` of a net file.

    Raises:
        ValueError: there are none, or one of them is no layer with its arguments.
    """
    layers = read_toml(path).get("layers")
    if not isinstance(layers, list) or not layers:
        raise ValueError(f"{path}: expected [[layers]], each with a type, got none")
    try:
        _sequential(layers)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return layers


def build_model(settings: Settings, splits: data.Splits) -> Model:
    """Return the untrained net, which scales its own input, after one prediction with it.

    Raises:
        ValueError: the net does not fit the data.
    """
    shape = splits.X_train.shape[1:]
    regression = splits.y_train.dtype.kind == "f"
    outputs = math.prod(splits.y_train.shape[1:]) if regression else len(splits.classes)
    if not regression and outputs < 2:
        raise ValueError(f"--data: expected labels of at least two classes, got {outputs}")
    fitting = [name for name, kind in LOSSES.items() if (kind.task != "classification") == regression]
    loss = settings.loss or ("mse" if regression else "softmax")
    if loss not in fitting:
        targets = "float targets" if regression else "classes"
        raise ValueError(f"--loss: expected one of {', '.join(fitting)} for {targets}, got {loss!r}")
    if settings.layers is not None:
        net = _sequential(settings.layers)
    elif settings.net not in NETS:
        raise ValueError(f"--net: expected {', '.join(NETS)}, or a .toml file, got {settings.net!r}")
    else:
        net = NETS[settings.net](shape, classes=outputs).net
    assert isinstance(net, nn.Sequential)
    scaling = nn.Standardise(shape[0]).fit(splits.X_train)
    model = Model(
        nn.Sequential(scaling, *net.children.values()),
        loss,
        seed=settings.seed,
        input_shape=shape,
    )
    scores = model.predict_scores(splits.X_train[:1])
    if scores.shape != (1, outputs):
        raise ValueError(f"--net: expected {outputs} outputs for this data, got shape {scores.shape[1:]}")
    LOSSES[loss]().check(np.broadcast_to(scores, (len(splits.y_train), outputs)), splits.y_train)
    return model


def _sequential(layers: list[dict[str, Any]]) -> nn.Layer:
    return nn.from_config({"type": "Sequential", "layers": layers})
