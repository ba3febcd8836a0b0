"""Initialisers that look at a whole model: at its data, or at how its blocks are joined.

They change the weights of a `Model` in place, after its own draw. Layers are visited in the order in which
they run, each with what the layers before it, already set, hand on.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import init
from ._arguments import integer, number
from .model import Model
from .nn.container import Container
from .nn.conv import ConvTranspose2d
from .nn.joins import Residual
from .nn.layer import Array, Layer, is_weight


def lsuv(model: Model, X: Any, *, tolerance: float = 0.05, max_iter: int = 10, seed: int = 0) -> None:
    """Set every weight so that its layer's outputs on ``X`` have variance 1 (layer-sequential unit variance).

    First each weight is drawn orthogonal, then divided by the standard deviation of the layer's output until
    that is 1 within ``tolerance``. Biases are left alone.

    Args:
        model: changed in place.
        X: (N, ...), some dozens of examples, preprocessed as for training.
        tolerance: of the variance, > 0.
        max_iter: divisions a layer at most.
        seed: of the orthogonal draw.

    Raises:
        ValueError: a layer's output does not vary.

    Example:
        >>> from fastnn import nn
        >>> model = Model(nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4)))
        >>> lsuv(model, np.random.default_rng(0).normal(size=(256, 8)))
        >>> bool(abs(model.predict_scores(np.random.default_rng(0).normal(size=(256, 8))).var() - 1) < 0.06)
        True

    Reference:
        Mishkin and Matas, All you need is a good init, 2016, https://arxiv.org/abs/1511.06422
    """
    tolerance = number("lsuv", "tolerance", tolerance, above=True)
    max_iter = integer("lsuv", "max_iter", max_iter)
    for path, layer in _weighted(model):
        weight = layer.params["weight"]
        weight[...] = init.orthogonal(weight.shape, init.generator(seed, path))
        for _ in range(max_iter):
            variance = float(_output(model, path, X).var(dtype=np.float64))
            if not variance > 0:
                raise ValueError(f"[lsuv] X: expected outputs of {path!r} that vary, got equal ones")
            if abs(variance - 1) < tolerance:
                break
            weight /= weight.dtype.type(math.sqrt(variance))


def krahenbuhl(model: Model, X: Any) -> None:
    """Scale every unit's weights, and set its bias, so that its output on ``X`` has mean 0 and variance 1.

    Each channel is normalised by itself, with its own mean and deviation over examples and pixels: as batch
    norm would do it, once. A layer without a bias keeps its mean.

    Args:
        model: changed in place.
        X: (N, ...), some dozens of examples, preprocessed as for training.

    Raises:
        ValueError: a unit's output does not vary.

    Example:
        >>> from fastnn import nn
        >>> model, X = Model(nn.Linear(8, 4)), np.random.default_rng(0).normal(size=(256, 8))
        >>> krahenbuhl(model, X)
        >>> bool(np.allclose(model.predict_scores(X).std(axis=0), 1, atol=1e-4))
        True

    Reference:
        Kraehenbuehl et al., Data-dependent initializations of convolutional neural networks, 2016,
        https://arxiv.org/abs/1511.06856 (the within-layer step)
    """
    for path, layer in _weighted(model):
        weight, bias = layer.params["weight"], layer.params.get("bias")
        y = _output(model, path, X)
        axes = (0, *range(2, y.ndim))
        mean, std = y.mean(axis=axes, dtype=np.float64), y.std(axis=axes, dtype=np.float64)
        if not (std > 0).all():
            raise ValueError(f"[krahenbuhl] X: expected outputs of {path!r} that vary, got equal ones")
        weight /= _by_unit(layer, std.astype(weight.dtype))
        if bias is not None:
            bias[...] = (bias - mean) / std


def fixup(model: Model) -> None:
    """Scale residual blocks so that a deep net without normalisation starts as a sum of small parts.

    In each of L residual bodies with m weights the last weight becomes 0 and the others are multiplied by
    ``L^(-1 / (2m - 2))``; the model's last weight, the classifier, becomes 0 too. The paper's scalar biases
    and multipliers are layers, `fastnn.nn.Shift` and `fastnn.nn.Scale`; ``nets.resnet(norm="fixup")`` has
    them.

    Args:
        model: changed in place, holding its Kaiming draw.

    Raises:
        ValueError: the model has no residual blocks.

    Example:
        >>> from fastnn import nn
        >>> body = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
        >>> model = Model(nn.Sequential(nn.Residual(body), nn.Linear(4, 2)))
        >>> fixup(model)
        >>> bool(body[2].params["weight"].any()), model.predict_scores(np.ones((1, 4))).tolist()
        (False, [[0.0, 0.0]])

    Reference:
        Zhang et al., Fixup initialization: residual learning without normalization, 2019,
        https://arxiv.org/abs/1901.09321
    """
    net: Any = model.net
    parts = net.named_layers() if isinstance(net, Container) else ()
    blocks = [layer for _, layer in [("", net), *parts] if isinstance(layer, Residual)]
    if not blocks:
        raise ValueError("[fixup] model: expected residual blocks, got none")
    for block in blocks:
        weights = _weights(block.children["body"])
        for weight in weights[:-1]:
            weight *= weight.dtype.type(len(blocks) ** (-1 / (2 * len(weights) - 2)))
        for weight in weights[-1:]:
            weight[...] = 0
    _weights(net)[-1][...] = 0


def _weights(layer: Layer) -> list[Array]:
    """Return all weights below, in the order of the layers."""
    return [leaf.params["weight"] for _, leaf in layer.leaves() if _has_weight(leaf)]


def _weighted(model: Model) -> list[tuple[str, Layer]]:
    """Return path and layer of everything that has a weight, in the order of the layers."""
    leaves: list[tuple[str, Layer]] = model.net.leaves() if isinstance(model.net, Layer) else []
    return [(path, leaf) for path, leaf in leaves if _has_weight(leaf)]


def _has_weight(leaf: Layer) -> bool:
    return "weight" in leaf.params and is_weight(leaf, "weight")


def _by_unit(layer: Layer, values: Array) -> Array:
    """Return one value a unit in the shape in which the layer's weight can be divided by them."""
    if isinstance(layer, ConvTranspose2d):  # (C, F/groups, KH, KW)
        each = np.repeat(values.reshape(layer.groups, -1), layer.in_channels // layer.groups, axis=0)
        return each[:, :, None, None]
    return values.reshape(-1, *(1,) * (layer.params["weight"].ndim - 1))


def _output(model: Model, path: str, X: Any) -> Array:
    return model.features(X, path) if path else model.predict_scores(X)
