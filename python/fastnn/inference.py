"""Prediction alone: a model's net folded, packed and run as one call."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from . import nn
from ._answers import answers, probabilities
from ._arguments import integer
from .functional._plan import Plan, new_plan
from .functional.activation import SELU_ALPHA, SELU_SCALE

Array: TypeAlias = npt.NDArray[Any]
Stage: TypeAlias = Callable[[Array], Array]

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_PRODUCTS = (nn.Conv2d, nn.Linear)
# Pointwise layers by the name of their operation and its two constants.
_ACTIVATIONS: dict[type[nn.Layer], Callable[[Any], tuple[str, float, float]]] = {
    nn.Sigmoid: lambda layer: ("sigmoid", 0.0, 0.0),
    nn.Tanh: lambda layer: ("tanh", 0.0, 0.0),
    nn.LeakyReLU: lambda layer: ("leaky_relu", layer.negative_slope, 0.0),
    nn.ELU: lambda layer: ("elu", layer.current_alpha, 1.0),
    nn.SELU: lambda layer: ("selu", SELU_ALPHA, SELU_SCALE),
    nn.GELU: lambda layer: ("gelu_tanh" if layer.approximate == "tanh" else "gelu", 0.0, 0.0),
    nn.SiLU: lambda layer: ("silu", 0.0, 0.0),
    nn.Softplus: lambda layer: ("softplus", layer.beta, layer.threshold),
}
_PLANNED = (
    *_PRODUCTS,
    *_NORMS,
    *(nn.ReLU, nn.MaxPool2d, nn.AvgPool2d, nn.GlobalAvgPool2d, nn.Flatten, nn.Standardise),
    *_ACTIVATIONS,
)
_NO_RESIDUAL = -1
_ANY_RANK = 0  # of a batch norm's input: rows or images


class Predictor:
    """A net for prediction alone, from `Model.for_inference`: same scores, less work.

    Batch norm is folded into the convolution or linear layer before it, ReLU and residual additions are done
    while results are in registers, weights are packed once, and everything runs as one call. It holds copies:
    training the model further does not change it. Hand-written layers run between such calls as they are.
    Calls from several threads are safe, unless a hand-written layer is not.

    Example:
        >>> from fastnn import Model, nn
        >>> model = Model(nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)))
        >>> predictor = model.for_inference()
        >>> X = np.ones((5, 4), np.float32)
        >>> predictor(X).shape, predictor.predict(X).tolist() == model.predict(X).tolist()
        ((5, 3), True)
    """

    def __init__(self, net: nn.Layer, dtype: np.dtype[Any], task: str) -> None:
        self.dtype = dtype
        self.task = task
        self.stages = list(_stages(net, dtype))

    def __call__(self, X: Array) -> Array:
        """Return the scores of X (N, ...), all in one batch.

        Raises:
            ValueError: X is not a batch that the net can take.
        """
        x = np.asarray(X)
        if x.dtype != self.dtype:
            if x.dtype.kind not in "biuf":
                raise ValueError(f"[predict] X: expected real numbers, got {x.dtype}")
            x = x.astype(self.dtype)
        if x.ndim < 2:
            raise ValueError(f"[predict] X: expected shape (N, ...), a batch, got {x.shape}")
        return _through(self.stages, x)

    def predict(self, X: Array, *, batch_size: int = 256) -> Array:
        """Return classes, yes or no, or numbers, as `Model.predict`.

        Args:
            X: (N, ...); N may be 0.
            batch_size: how many examples run at once; bounds the memory.

        Raises:
            ValueError: X is not a batch that the net can take, or ``batch_size`` is not positive.
        """
        return answers(self._in_batches(X, batch_size), self.task)

    def predict_proba(self, X: Array, *, batch_size: int = 256) -> Array:
        """Return the probability of every class (N, C), or of every yes, as `Model.predict_proba`.

        Raises:
            ValueError: if the model is not one of classification.
        """
        return probabilities(self._in_batches(X, batch_size), self.task)

    def _in_batches(self, X: Array, batch_size: int) -> Array:
        size = integer("predict", "batch_size", batch_size)
        parts = [self(X[i : i + size]) for i in range(0, max(len(X), 1), size)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


# From layers to stages


def _stages(net: nn.Layer, dtype: np.dtype[Any]) -> Iterator[Stage]:
    """Yield one plan for every stretch of layers that have a step, and the others as they are."""
    stretch: list[nn.Layer] = []
    for layer in _inlined(net):
        if _has_step(layer):
            stretch.append(layer)
            continue
        if stretch:
            yield _planned(stretch, dtype)
            stretch = []
        yield _alone(layer, dtype)
    if stretch:
        yield _planned(stretch, dtype)


def _alone(layer: nn.Layer, dtype: np.dtype[Any]) -> Stage:
    if type(layer) not in (nn.Parallel, nn.Concat):
        twin = copy.deepcopy(layer)
        return lambda x: twin.forward(x)[0]
    container: Any = layer
    branches = [list(_stages(branch, dtype)) for branch in container.children.values()]
    join = type(container).join
    return lambda x: join([_through(branch, x) for branch in branches])


def _through(stages: list[Stage], x: Array) -> Array:
    for stage in stages:
        x = stage(x)
    return x


def _planned(layers: list[nn.Layer], dtype: np.dtype[Any]) -> Plan:
    plan = new_plan(dtype)
    _Writer(plan, dtype).write(layers, 0)
    return plan


def _inlined(layer: nn.Layer) -> Iterator[nn.Layer]:
    """Yield the layers of nested `Sequential`s in order, without those that prediction skips."""
    if type(layer) is nn.Sequential:
        for child in layer.children.values():
            yield from _inlined(child)
    elif not (type(layer) is nn.Dropout and layer.inverted):
        yield layer


def _has_step(layer: nn.Layer) -> bool:
    if type(layer) not in (nn.Residual, nn.Parallel):
        return type(layer) in _PLANNED
    terms = _terms(layer)
    return all(map(_takes_residual, terms[1:])) and all(_has_step(part) for path in terms for part in path)


def _terms(layer: nn.Layer) -> list[list[nn.Layer]]:
    """Return the paths whose results a layer adds up, in the order to run them: each adds the one before."""
    children = layer.children  # type: ignore[attr-defined]
    if type(layer) is nn.Residual:
        shortcut = children.get("shortcut")
        return [[] if shortcut is None else list(_inlined(shortcut)), list(_inlined(children["body"]))]
    return sorted((list(_inlined(child)) for child in children.values()), key=_takes_residual)


def _takes_residual(path: list[nn.Layer]) -> bool:
    return bool(path) and type(path[-1]) in _PRODUCTS + _NORMS


class _Writer:
    """Writes layers into a plan, as few steps as they allow."""

    def __init__(self, plan: Plan, dtype: np.dtype[Any]) -> None:
        self.plan, self.dtype = plan, dtype
        # Of images between steps; None for rows, and for the input, whose memory may have any order.
        self.channels: int | None = None

    def write(
        self, layers: list[nn.Layer], x: int, residual: int = _NO_RESIDUAL, *, relu: bool = False
    ) -> int:
        """Append layers that read value ``x``, the last adding a residual and a ReLU; return their value."""
        rest = list(layers)
        while rest:
            layer: Any = rest.pop(0)
            if type(layer) in (nn.Residual, nn.Parallel):
                x = self._sum(layer, x)
                continue
            of_images = type(layer) is nn.Flatten and self._reads_images(rest)
            if of_images:
                layer = rest.pop(0)
            if type(layer) not in _PRODUCTS + _NORMS:
                x = self._simple(layer, x)
                continue
            norm: Any = layer if type(layer) in _NORMS else None
            if norm is None and rest and type(rest[0]) in _NORMS:
                norm = rest.pop(0)
            last = not rest
            ends: dict[str, Any] = {"residual": residual if last else _NO_RESIDUAL, "relu": relu and last}
            if rest and type(rest[0]) is nn.ReLU:
                rest.pop(0)
                ends["relu"] = True
            if norm is layer:
                x = self._norm(layer, x, ends)
            else:
                x = self._product(layer, norm, x, ends, of_images)
        return x

    def _sum(self, layer: Any, x: int) -> int:
        channels = self.channels
        first, *others = _terms(layer)
        y = self.write(first, x)
        for path in others:
            self.channels = channels
            y = self.write(path, x, y, relu=getattr(layer, "activation", None) == "relu")
        return y

    def _product(self, layer: Any, norm: Any, x: int, ends: dict[str, Any], of_images: bool) -> int:
        w, b = layer.params["weight"], layer.params.get("bias")
        if norm is not None:
            w, b = _folded(w, b, norm)
        if type(layer) is nn.Linear:
            if of_images:
                w = _channels_last(w, self.channels)
            self.channels = None
            return self.plan.linear(x, self._cast(w), self._cast(b), of_images, **ends)
        self.channels = layer.out_channels
        window = layer.stride, layer.padding, layer.dilation
        return self.plan.conv2d(x, self._cast(w), self._cast(b), *window, layer.groups, **ends)

    def _norm(self, layer: Any, x: int, ends: dict[str, Any]) -> int:
        gamma, beta = self._cast(layer.params["weight"]), self._cast(layer.params["bias"])
        mean, var = (layer.buffers[name].astype(np.float64) for name in ("running_mean", "running_var"))
        self.channels = layer.num_features if layer.ndim == 4 else None
        return self.plan.batchnorm(x, layer.ndim, gamma, beta, mean, var, layer.eps, **ends)

    def _reads_images(self, behind: list[nn.Layer]) -> bool:
        """Return whether the layers behind a Flatten begin with one that reads images as they lie."""
        return self.channels is not None and bool(behind) and type(behind[0]) is nn.Linear

    def _simple(self, layer: Any, x: int) -> int:
        kind = type(layer)
        if kind is nn.ReLU:
            return self.plan.relu(x)
        if kind in _ACTIVATIONS:
            return self.plan.activation(x, *_ACTIVATIONS[kind](layer))
        if kind is nn.MaxPool2d:
            return self.plan.maxpool2d(x, layer.kernel_size, layer.stride, layer.padding, layer.ceil_mode)
        if kind is nn.AvgPool2d:
            window = layer.kernel_size, layer.stride, layer.padding, layer.ceil_mode
            return self.plan.avgpool2d(x, *window, layer.count_include_pad)
        if kind is nn.GlobalAvgPool2d:
            return self.plan.global_avgpool2d(x)
        if kind is nn.Standardise:
            factor = 1 / layer.buffers["std"]
            mean, zeros = layer.buffers["mean"].astype(np.float64), np.zeros(len(factor), self.dtype)
            return self.plan.batchnorm(
                x, _ANY_RANK, self._cast(factor), zeros, mean, np.ones(len(factor)), 0.0, _NO_RESIDUAL, False
            )
        self.channels = None  # Flatten
        return self.plan.flatten(x)

    def _cast(self, array: Array | None) -> Array | None:
        return None if array is None else np.ascontiguousarray(array, self.dtype)


def _channels_last(w: Array, channels: int | None) -> Array:
    """Return a linear layer's weight, its columns in the order that flattened images have in memory.

    Raises:
        ValueError: no images of so many channels have that many features.
    """
    assert channels is not None
    if w.shape[1] % channels:
        expected = f"a multiple of the {channels} channels before it"
        raise ValueError(f"[for_inference] in_features: expected {expected}, got {w.shape[1]}")
    columns: Array = w.reshape(len(w), channels, -1).swapaxes(1, 2)
    return columns.reshape(len(w), -1)


def _folded(w: Array, b: Array | None, norm: Any) -> tuple[Array, Array]:
    """Return weight and bias, in double, of a product with the batch norm that follows it.

    Raises:
        ValueError: the norm is of another width, or of images behind a linear layer or the reverse.
    """
    if norm.ndim != w.ndim:
        expected, got = (f"BatchNorm{'2d' if ndim == 4 else '1d'}" for ndim in (w.ndim, norm.ndim))
        raise ValueError(f"[for_inference] norm: expected {expected}, got {got}")
    if norm.num_features != len(w):
        raise ValueError(f"[for_inference] norm: expected num_features={len(w)}, got {norm.num_features}")
    held = norm.params | norm.buffers
    names = ("weight", "bias", "running_mean", "running_var")
    gamma, beta, mean, var = (held[name].astype(np.float64) for name in names)
    scale = gamma / np.sqrt(var + norm.eps)
    bias = beta + ((0.0 if b is None else b.astype(np.float64)) - mean) * scale
    return w * scale.reshape(-1, *(1,) * (w.ndim - 1)), bias
