"""A model as a file: its arrays, and a description from which the rest is built anew."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from . import losses, regularizers
from .io import load_tensors, save_tensors
from .losses import Loss
from .nn.config import from_config, to_config
from .regularizers import Regularizer


def save(model: Any, path: str | os.PathLike[str], metadata: Mapping[str, str] | None) -> None:
    """Write a `Model`; see its method of this name."""
    save_tensors(path, model._state(), {**(metadata or {}), "model": json.dumps(_config(model))})


def load(kind: Callable[..., Any], path: str | os.PathLike[str]) -> Any:
    """Return the model of class ``kind`` that `save` wrote; see the method of `Model`."""
    tensors, metadata = load_tensors(path)
    try:
        config = json.loads(metadata["model"])
        hand_written = config["hand_written"]
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"[Model.load] {path}: expected a saved model, got another file") from None
    if hand_written:
        raise ValueError(
            f"[Model.load] {path}: expected parts of fastnn's own, got {hand_written}: "
            "build the model and call load_state_dict(fastnn.io.load_tensors(path)[0])"
        )
    try:
        shape = config["input_shape"]
        model: Any = kind(
            from_config(config["net"]),
            losses.from_config(config["loss"]),
            regularizer=regularizers.from_config(config["regularizer"]),
            seed=None,
            dtype=config["dtype"],
            input_shape=None if shape is None else tuple(shape),
        )
        model.seed, model.step = int(config["seed"]), int(config["step"])
        model._freeze(config["frozen"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"[Model.load] {path}: expected a saved model, got a broken one: {error}") from None
    model.load_state_dict(tensors)
    return model


def _config(model: Any) -> dict[str, Any]:
    """Return all that `load` needs beside the arrays; ``hand_written`` says what it could not rebuild."""
    parts: dict[str, Any] = {"net": None, "loss": None, "regularizer": None}
    hand_written = ""
    try:
        parts["net"] = to_config(model.net)
    except TypeError as error:
        hand_written = str(error).partition("got ")[2]
    loss, regularizer = model.loss_function, model.regularizer
    if isinstance(loss, Loss) and type(loss) in losses.LOSSES.values():
        parts["loss"] = losses.to_config(loss)
    else:
        hand_written = hand_written or "a hand-written loss"
    if regularizer is None or type(regularizer).__module__ == regularizers.__name__:
        assert regularizer is None or isinstance(regularizer, Regularizer | regularizers.ByName)
        parts["regularizer"] = regularizers.to_config(regularizer)
    else:
        hand_written = hand_written or "a hand-written regularizer"
    return {
        **parts,
        "hand_written": hand_written,
        "dtype": model.dtype.name,
        "seed": model.seed,
        "step": model.step,
        "input_shape": model.input_shape,
        "frozen": sorted(model.params.frozen),
    }
