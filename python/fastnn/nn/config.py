"""Nets as plain data: what a saved model holds so that it can rebuild itself."""

from __future__ import annotations

import inspect
from typing import Any

from .container import Container
from .joins import Concat, Parallel, Residual
from .layer import Layer
from .sequential import Sequential


def to_config(net: Layer) -> dict[str, Any]:
    """Return a description of ``net``, fit for JSON, from which `from_config` builds an equal one.

    A layer that stands in several places is described once; later places refer to it by its number.

    Raises:
        TypeError: if a layer is not one of fastnn's own.

    Example:
        >>> from fastnn import nn
        >>> to_config(nn.Sequential(nn.Linear(2, 3), nn.ReLU()))["layers"][1]
        {'type': 'ReLU'}
    """
    return _describe(net, {})


def _describe(layer: Layer, seen: dict[int, int]) -> dict[str, Any]:
    if id(layer) in seen:
        return {"type": "Same", "as": seen[id(layer)]}
    kind = type(layer)
    if isinstance(layer, Sequential) and kind is Sequential:
        described = [_describe(child, seen) for child in layer.children.values()]
        return {"type": "Sequential", "layers": described, "fuse": layer.fuse}
    if isinstance(layer, Residual) and kind is Residual:
        parts = {name: _describe(child, seen) for name, child in layer.children.items()}
        return {"type": "Residual", **parts, "activation": layer.activation}
    if isinstance(layer, Container) and kind in (Parallel, Concat):
        described = [_describe(child, seen) for child in layer.children.values()]
        return {"type": kind.__name__, "branches": described}
    if not kind.__module__.startswith("fastnn.nn."):
        raise TypeError(
            f"[to_config] net: expected layers of fastnn.nn, got the hand-written {kind.__name__}"
        )
    seen[id(layer)] = len(seen)
    return {"type": kind.__name__, **layer.config()}


def from_config(config: dict[str, Any]) -> Layer:
    """Return the net that ``config`` describes, with fresh parameters.

    Raises:
        ValueError: if the description is not one of ours.

    Example:
        >>> from_config({"type": "Linear", "in_features": 2, "out_features": 3})
        Linear(in_features=2, out_features=3, bias=True)
    """
    return _build(config, [])


def _build(config: dict[str, Any], built: list[Layer]) -> Layer:
    from .. import nn

    try:
        options = dict(config)
        name = options.pop("type")
        if name == "Same":
            repeated: Layer = built[options["as"]]
            return repeated
        if name == "Sequential":
            return Sequential(
                *[_build(child, built) for child in options["layers"]], fuse=options.get("fuse", True)
            )
        if name == "Residual":
            activation = options.pop("activation", None)
            return Residual(**{k: _build(part, built) for k, part in options.items()}, activation=activation)
        if name in ("Parallel", "Concat"):
            joined = Parallel if name == "Parallel" else Concat
            return joined(*[_build(branch, built) for branch in options["branches"]])
        kind = getattr(nn, name, None)
        if not (isinstance(kind, type) and issubclass(kind, Layer)):
            raise ValueError(f"[from_config] type: expected a layer of fastnn.nn, got {name!r}")
        layer = _with_arguments(kind, options)
        built.append(layer)
        return layer
    except (IndexError, KeyError, TypeError) as error:
        raise ValueError(f"[from_config] config: expected the description of a net, got {error}") from None


def _with_arguments(kind: type[Layer], options: dict[str, Any]) -> Layer:
    known = inspect.signature(kind)
    try:
        known.bind(**options)
    except TypeError as error:
        expected = f"arguments of ({', '.join(known.parameters)})"
        got = str(error).removeprefix("got ")
        raise ValueError(f"[from_config] {kind.__name__}: expected {expected}, got {got}") from None
    return kind(**options)
