"""A net with its loss: the object that is trained, asked and saved."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeAlias, overload

import numpy as np
import numpy.typing as npt

import fastnn

from . import init, losses, regularizers
from ._arguments import integer, offering
from ._prediction import Predicting
from .init import Initializer
from .keys import Key
from .losses import LossFunction
from .nn.container import Container, Link
from .nn.joins import CONTAINERS
from .nn.layer import Layer, adopt, is_weight
from .nn.parameters import BoundDict, FlatDict, LayerGrads, Turn
from .nn.sequential import MAKERS

Array: TypeAlias = npt.NDArray[Any]


class SupportsStep(Protocol):
    """An optimizer: updates parameters in place."""

    def step(self, params: Mapping[str, Array], grads: Mapping[str, Array]) -> None:
        """Move ``params`` along ``grads``."""


class Model(Predicting):
    """Wrap a net and a loss so that they can be trained, used for prediction and saved.

    All parameters move into one flat buffer and all gradients into another; ``params["0.weight"]`` and the
    layers' own ``params`` are views of it. A layer belongs to the model that wrapped it last: to build on a
    model's layers and keep it, `clone` it first.

    Args:
        net: a layer, usually `fastnn.nn.Sequential`; hand-written layers are welcome.
        loss: one of `fastnn.losses` or its name, as ``"softmax"`` or ``"mse"``, or a callable
            ``value, dscores = loss(scores, y, weights)``.
        regularizer: penalty on weights that is part of the loss, as `fastnn.regularizers.L2`; `ByName` of
            that module puts several on chosen parameters.
        seed: redraws every parameter from (seed, its full name), and names the randomness of training; None
            keeps the values that the layers hold.
        dtype: float32 or float64; inputs are cast to it, never scaled.
        input_shape: of one example, for `summary`; otherwise taken from the first batch.

    Attributes:
        params: name to parameter, PyTorch's names; ``params.flat`` is the buffer.
        grads: name to gradient, valid until the next `loss`; ``grads.flat`` is the buffer.
        step: number of the next training step, part of the key of its randomness; set it to go on from a
            checkpoint.
        example: number, within the step, of the first example of the next batch, for gradient accumulation.
        task: ``"classification"``, ``"binary"`` or ``"regression"``, the loss's.

    Raises:
        TypeError: ``net``, ``loss`` or ``regularizer`` is no such object, or a parameter no array of floats.
        ValueError: ``seed`` or ``dtype`` is out of range, or there is no loss of that name.

    Example:
        >>> from fastnn import nn
        >>> model = Model(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)))
        >>> X, y = np.ones((5, 4)), np.zeros(5, int)
        >>> value, grads = model.loss(X, y)
        >>> sorted(grads) == sorted(model.params), model.predict(X).shape
        (True, (5,))
    """

    params: FlatDict
    grads: FlatDict

    def __init__(
        self,
        net: Any,
        loss: str | LossFunction = "softmax",
        *,
        regularizer: regularizers.Penalty | None = None,
        seed: int | None = 0,
        dtype: npt.DTypeLike = np.float32,
        input_shape: tuple[int, ...] | None = None,
    ) -> None:
        self.net = adopt(net, "Model")
        self.loss_function = losses.get(loss)
        if not (regularizer is None or isinstance(regularizer, regularizers.ByName) or callable(regularizer)):
            raise TypeError(f"[Model] regularizer: expected a callable, got {type(regularizer).__name__}")
        self.regularizer = regularizer
        self.dtype = _floating(dtype)
        self.seed = 0 if seed is None else integer("Model", "seed", seed, low=0)
        self.input_shape = input_shape
        self.step = 0
        self.example = 0
        self._bind()
        if seed is not None:
            self.initialize(seed)

    def initialize(
        self, seed: int = 0, *, weight: Initializer | None = None, bias: Initializer | None = None
    ) -> None:
        """Draw every parameter anew, each from (seed, its full name), so that no order matters.

        Parameters of hand-written layers without ``initializers`` keep their values.

        Args:
            seed: names the draw.
            weight: initialiser of all weights (parameters with at least two axes, a norm's left out) in place
                of the layers' own.
            bias: initialiser of the biases beside such weights, as `fastnn.init.relu_bias`.

        Raises:
            TypeError: ``weight`` or ``bias`` is no initialiser.

        Example:
            >>> from functools import partial
            >>> from fastnn import nn
            >>> model = Model(nn.Linear(100, 50))
            >>> model.initialize(seed=1, weight=partial(init.normal, std=0.01))
            >>> bool(0.009 < model.params["weight"].std() < 0.011)
            True
        """
        for argument, given in (("weight", weight), ("bias", bias)):
            if given is not None and not callable(given):
                raise TypeError(f"[Model] {argument}: expected an initialiser, got {type(given).__name__}")
        for path, layer in self._leaves:
            weighted = any(is_weight(layer, name) for name in layer.params)
            for name, value in layer.params.items():
                general = bias if name == "bias" and weighted else None
                if is_weight(layer, name):
                    general = weight
                draw = general or layer.initializers.get(name)
                if draw is not None:
                    value[...] = draw(value.shape, init.generator(seed, _join(path, name)))

    # Forward and backward

    def forward(self, X: Any, *, train: bool = False) -> tuple[Array, Any]:
        """Return scores and the cache for `backward`; with ``train`` as a training step computes them."""
        return self.net.forward(self._input(X), train=train, key=self._key() if train else None)

    def backward(self, dscores: Array, cache: Any) -> Array:
        """Return the gradient with respect to X, and add those of the parameters to ``grads``."""
        dx = self._backward(dscores, cache, need_dx=True)
        assert dx is not None
        return dx

    def _backward(self, dscores: Array, cache: Any, *, need_dx: bool, spend: bool = False) -> Array | None:
        if isinstance(self.net, Container) and self.net.chained:
            return self.net.backward_chained(dscores, cache, None, Link(need_dx, spend=spend))[0]
        own = None if isinstance(self.net, Container) else self.net.grads
        if need_dx or not getattr(self.net, "can_skip_dx", False):
            return self.net.backward(dscores, cache, own)
        return self.net.backward(dscores, cache, own, need_dx=False)  # type: ignore[call-arg]

    @overload
    def loss(self, X: Any, y: None = None, weights: None = None) -> Array: ...

    @overload
    def loss(self, X: Any, y: Any, weights: Any = None) -> tuple[float, FlatDict]: ...

    def loss(self, X: Any, y: Any = None, weights: Any = None) -> Array | tuple[float, FlatDict]:
        """Return the loss of one training step with its gradients, or, without ``y``, scores.

        The value is that of the loss plus the regularizer's. Gradients are overwritten on each call, those of
        frozen parameters are zero. Every call with ``y`` counts as a step: the next one draws other masks.
        Where a batch comes in pieces, set ``step`` and ``example`` before each, and they draw the masks of
        the whole.

        Args:
            X: (N, ...), any real dtype.
            y: N targets: integer labels, or numbers for regression.
            weights: (N,) importance of the examples; the mean divides by their sum.

        Returns:
            With y (value, ``grads``), without y scores in prediction mode.
        """
        if y is None:
            return self.forward(X)[0]
        scores, cache = self.forward(X, train=True)
        value, dscores = self.loss_function(scores, y, weights)
        self._turn.number += 1
        for added_to in self._added_to:
            self.grads.flat[added_to] = 0
        self._backward(dscores, cache, need_dx=False, spend=True)
        if isinstance(self.regularizer, regularizers.ByName):
            value += self.regularizer.add(self.params, self.grads)
        elif self.regularizer is not None:
            penalty, dweights = self.regularizer(self.params.flat[: self._weights])
            value += penalty
            self.grads.flat[: self._weights] += dweights
        for frozen in self.params.frozen_slices():
            self.grads.flat[frozen] = 0
        self.step += 1
        return value, self.grads

    def train_step(self, X: Any, y: Any, optimizer: SupportsStep, weights: Any = None) -> float:
        """Do one step of training and return the loss before it.

        Raises:
            TypeError: the optimizer is none.
            ValueError: data or targets do not fit the net.
        """
        offering("train_step", "optimizer", optimizer, "step")
        value: float
        value, grads = self.loss(X, y, weights)
        optimizer.step(self.params, grads)
        return value

    def fit(self, X: Any, y: Any = None, **options: Any) -> fastnn.history.History:
        """Train, and return the history: ``Solver(self, (X, y), **options).train()``.

        Args:
            X: (N, ...), or a dataset if there is no ``y``.
            y: targets.
            **options: those of `fastnn.solver.Solver`, as ``epochs``, ``batch_size``, ``validation_data``.
        """
        from .solver import Solver

        return Solver(self, X if y is None else (X, y), **options).train()

    # What it is made of

    def summary(self, input_shape: tuple[int, ...] | None = None) -> fastnn.nn.Summary:
        """Return shapes, parameters, multiply-adds and memory, layer by layer; printing it gives a table.

        Args:
            input_shape: of one example; by default the model's.

        Raises:
            ValueError: no shape is given, and the model has seen none.
        """
        shape = self.input_shape if input_shape is None else tuple(input_shape)
        if shape is None:
            raise ValueError(
                "[Model] input_shape: expected the shape of one example, got None before any batch"
            )
        from .nn.summary import summarize

        return summarize(self.net, shape, self.dtype)

    def state_dict(self) -> dict[str, Array]:
        """Return copies of all parameters and buffers, with PyTorch's names and shapes."""
        return {name: array.copy() for name, array in self._state().items()}

    def load_state_dict(self, state: Mapping[str, Any], *, strict: bool = True) -> None:
        """Copy arrays into parameters and buffers; nothing changes if any does not fit.

        Args:
            state: name to array or CPU tensor; a missing ``num_batches_tracked`` is forgiven.
            strict: refuse missing and unknown names; otherwise those are passed over.

        Raises:
            TypeError: if ``state`` is no mapping.
            ValueError: if a name or shape does not fit.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"[load_state_dict] state: expected a mapping, got {type(state).__name__}")
        held = self._state()
        aliases = self.net.aliases if isinstance(self.net, Container) else {}
        given = {aliases.get(name, name): np.asarray(value) for name, value in state.items()}
        if strict:
            missing = [n for n in held if n not in given and not n.endswith("num_batches_tracked")]
            unknown = [n for n in given if n not in held]
            for problem, names in (("missing", missing), ("unknown", unknown)):
                if names:
                    raise ValueError(
                        f"[load_state_dict] state: expected the model's names, got {problem} {names}"
                    )
        given = {name: value for name, value in given.items() if name in held}
        for name, value in given.items():
            if value.shape != held[name].shape:
                expected = f"expected shape {held[name].shape}, got {value.shape}"
                raise ValueError(f"[load_state_dict] {name}: {expected}")
            if value.dtype.kind not in "iuf":
                raise ValueError(f"[load_state_dict] {name}: expected numbers, got {value.dtype}")
        for name, value in given.items():
            held[name][...] = value

    def freeze(self, *prefixes: str) -> None:
        """Keep parameters as they are from now on: those at or below the given paths; without any, all.

        A batch norm whose parameters are all frozen uses its running statistics and leaves them alone.

        Args:
            *prefixes: whole parts of names: ``"1"`` means ``"1.weight"`` and not ``"10.weight"``.

        Raises:
            ValueError: if a prefix names no parameter.
        """
        self._freeze(self.params.frozen | self._below(prefixes))

    def unfreeze(self, *prefixes: str) -> None:
        """Let parameters at or below the given paths train again; without any, all.

        Raises:
            ValueError: if a prefix names no parameter.
        """
        self._freeze(self.params.frozen - self._below(prefixes))

    def _below(self, prefixes: tuple[str, ...]) -> set[str]:
        names: set[str] = set() if prefixes else set(self.params)
        for prefix in prefixes:
            found = {name for name in self.params if f"{name}.".startswith(f"{prefix}.")}
            if not found:
                raise ValueError(f"[Model] prefix: expected the path of a parameter or layer, got {prefix!r}")
            names |= found
        return names

    def _freeze(self, frozen: Iterable[str]) -> None:
        self.params.frozen = frozenset(frozen)
        for path, layer in self._leaves:
            names = {_join(path, name) for name in layer.params}
            if names:
                layer.trainable = not names <= self.params.frozen

    # Copies and files

    def clone(self) -> Model:
        """Return a copy that shares nothing with this model."""
        import copy

        return copy.deepcopy(self)

    def astype(self, dtype: npt.DTypeLike) -> Model:
        """Return a copy whose parameters, statistics and inputs are of ``dtype``.

        Raises:
            ValueError: another dtype than float32 and float64.
        """
        kind = _floating(dtype)
        twin = self.clone()
        twin.dtype = kind
        twin._bind(self.params.frozen)
        return twin

    def save(self, path: str | os.PathLike[str], metadata: Mapping[str, str] | None = None) -> None:
        """Save parameters, buffers and architecture as one safetensors file, written whole or not at all.

        A model with hand-written parts is saved too, but `load` cannot rebuild it: use `load_state_dict`
        then.

        Args:
            path: file, usually ``model.safetensors``.
            metadata: further strings to keep in it, see `fastnn.io.load_tensors`.
        """
        # Imported here, as a program that keeps no model needs nothing of files.
        from ._model_file import save

        save(self, path, metadata)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Model:
        """Return the model that `save` wrote.

        Raises:
            ValueError: if the file is not a model of ours, or has parts written by hand.
        """
        from ._model_file import load

        model: Model = load(cls, path)
        return model

    def __getstate__(self) -> dict[str, Any]:
        state = {
            k: v
            for k, v in self.__dict__.items()
            if k not in ("params", "grads", "_leaves", "_weights", "_turn", "_added_to")
        }
        return state | {"frozen": self.params.frozen}

    def __setstate__(self, state: dict[str, Any]) -> None:
        frozen = state.pop("frozen")
        self.__dict__ |= state
        self._bind(frozen)

    def __repr__(self) -> str:
        return f"Model({self.net!r}, loss={self.loss_function!r}, dtype={self.dtype.name})"

    # Inside

    def _bind(self, frozen: Iterable[str] = ()) -> None:
        """Move all parameters into one buffer, weights first: a regularizer is one pass over its head."""
        net = self.net
        self._leaves: list[tuple[str, Layer]] = net.leaves() if isinstance(net, Layer) else [("", net)]
        values = {_join(path, n): a for path, layer in self._leaves for n, a in layer.params.items()}
        for name, value in values.items():
            if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
                got = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
                raise TypeError(f"[Model] {name}: expected a floating-point array, got {got}")
        shapes = {name: value.shape for name, value in values.items()}
        weights = {
            _join(path, n) for path, layer in self._leaves for n in layer.params if is_weight(layer, n)
        }
        order = sorted(shapes, key=lambda name: name not in weights)
        self._weights = sum(values[name].size for name in weights)
        self.params, self.grads = FlatDict(shapes, self.dtype, order), FlatDict(shapes, self.dtype, order)
        for name, value in values.items():
            self.params[name] = value
        self._turn = Turn()
        added_to = set(shapes)
        overwriting = _overwriting(net)
        for path, layer in self._leaves:
            layer.params = BoundDict({n: self.params[_join(path, n)] for n in layer.params})
            layer.grads = BoundDict({n: self.grads[_join(path, n)] for n in layer.params})
            if id(layer) in overwriting:
                layer.grads = LayerGrads(layer.grads, self._turn)
                added_to -= {_join(path, n) for n in layer.params}
            layer.buffers = {
                n: np.array(a, self.dtype if a.dtype.kind == "f" else a.dtype)
                for n, a in layer.buffers.items()
            }
        self._added_to = self.grads.slices(added_to)
        self._freeze(frozen)

    def _state(self) -> dict[str, Array]:
        """Return the arrays themselves, parameters and buffers, layer by layer."""
        return {_join(p, n): a for p, x in self._leaves for n, a in {**x.params, **x.buffers}.items()}

    def _key(self) -> Key:
        return Key.from_seed(self.seed, self.step).at(self.example)


def _overwriting(net: Any) -> set[int]:
    """Return ids of the layers that overwrite their gradients, once in every backward pass of the net."""
    layers = [net, *(layer for _, layer in net.named_layers())] if isinstance(net, Container) else [net]
    if any(isinstance(layer, Container) and type(layer) not in CONTAINERS for layer in layers):
        return set()
    places = Counter(id(layer) for layer in layers)
    return {id(layer) for layer in layers if type(layer) in MAKERS and places[id(layer)] == 1}


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _floating(dtype: npt.DTypeLike) -> np.dtype[Any]:
    try:
        kind = np.dtype(dtype)
    except TypeError:
        kind = np.dtype(object)
    if kind not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"[Model] dtype: expected float32 or float64, got {dtype!r}")
    return kind
