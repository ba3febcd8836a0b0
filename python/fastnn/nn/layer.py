"""The base of all layers, and what any other object must offer to stand among them."""

from __future__ import annotations

import math
from collections.abc import MutableMapping
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
import numpy.typing as npt

from .. import init
from ..init import Initializer
from ..keys import Key

Array: TypeAlias = npt.NDArray[Any]
Grads: TypeAlias = MutableMapping[str, Array]
Self = TypeVar("Self", bound="Layer")

_MOST_ELEMENTS = 2**40  # of one parameter: 4 TiB


class Layer:
    """One step of a net: ``y, cache = forward(x)`` and ``dx = backward(dy, cache)``.

    What backward needs is in the cache that forward returns, never in the layer, so one layer may stand in a
    net twice. Parameter gradients accumulate, activation gradients overwrite.

    No base class is needed: any object with ``forward``, ``backward`` and, if it has any, ``params`` is a
    layer. It must read its parameters from ``self.params`` on every call, since a model replaces them with
    views of its own buffer.

    Attributes:
        params: name to parameter.
        grads: name to gradient; backward adds into these unless it is given others.
        buffers: name to array that is saved but not trained, as running statistics.
        trainable: False while all parameters are frozen.
        can_skip_dx: whether backward takes ``need_dx=False`` and then returns None. A class that defines
            ``backward`` must say so itself.
        uses_key: whether forward looks at its ``key``; if not, containers need not derive one. A class that
            defines ``forward`` must say so itself.
        has_weights: whether parameters with two axes or more are weights, those that a regularizer and a
            general initialiser mean.

    Example:
        >>> class Scale:
        ...     def __init__(self):
        ...         self.params = {"factor": np.ones(1, np.float32)}
        ...     def forward(self, x, *, train=False, key=None):
        ...         return self.params["factor"] * x, x
        ...     def backward(self, dy, cache, grads=None):
        ...         grads["factor"] += (dy * cache).sum()
        ...         return self.params["factor"] * dy
        >>> from fastnn import nn
        >>> net = nn.Sequential(nn.Flatten(), Scale())
        >>> net(np.ones((1, 2, 2), np.float32)).tolist()
        [[1.0, 1.0, 1.0, 1.0]]
    """

    can_skip_dx = False
    uses_key = True
    has_weights = True
    trainable = True

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "forward" in cls.__dict__ and "uses_key" not in cls.__dict__:
            cls.uses_key = True  # another forward may use what the base's does not
        if "backward" in cls.__dict__ and "can_skip_dx" not in cls.__dict__:
            cls.can_skip_dx = False  # another backward may not take what the base's does

    def __init__(self) -> None:
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}
        self.buffers: dict[str, Array] = {}
        self.initializers: dict[str, Initializer] = {}

    def add_param(self, name: str, shape: tuple[int, ...], initializer: Initializer) -> None:
        """Create a float32 parameter and its gradient; `Model` redraws it from its own seed.

        Raises:
            ValueError: more elements than any memory holds.
            MemoryError: more than this one does.
        """
        self.initializers[name] = initializer
        refusal = f"[{type(self).__name__}] {name}: expected a shape that fits in memory, got {shape}"
        if math.prod(shape) > _MOST_ELEMENTS:
            raise ValueError(refusal)
        try:
            self.params[name] = initializer(shape, init.generator(0, name)).astype(np.float32)
            self.grads[name] = np.zeros(shape, np.float32)
        except MemoryError:
            raise MemoryError(refusal) from None

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Return the output, and the cache that `backward` needs.

        Args:
            x: input, the batch on the first axis.
            train: whether to behave as in training (dropout, batch statistics).
            key: names the randomness of this call.
        """
        raise NotImplementedError

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array | None:
        """Return the gradient with respect to the input, and add those of the parameters.

        Args:
            dy: gradient of the loss with respect to the output.
            cache: from `forward`.
            grads: mapping of this layer's parameter names to arrays to add into; by default ``self.grads``.
        """
        raise NotImplementedError

    def __call__(self, x: Array) -> Array:
        """Return the output in prediction mode."""
        return self.forward(x)[0]

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments, fit for JSON."""
        return {}

    def multiply_adds(self, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> int:
        """Return the multiply-adds that one example costs; the shapes are without the batch axis."""
        return 0

    def astype(self: Self, dtype: npt.DTypeLike) -> Self:
        """Return a copy whose floating-point arrays are of ``dtype``."""
        import copy

        twin = copy.deepcopy(self)
        for _, layer in twin.leaves():
            cast_arrays(layer, dtype)
        return twin

    def zero_grads(self) -> None:
        """Set all gradients to zero, in place."""
        for grad in self.grads.values():
            grad[...] = 0

    def leaves(self) -> list[tuple[str, Layer]]:
        """Return (path, layer) of the parts that are no containers, each once; itself, if it is none."""
        return [("", self)]

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.config().items())
        return f"{type(self).__name__}({arguments})"


def is_weight(layer: object, name: str) -> bool:
    """Return whether a parameter of ``layer`` is a weight: two axes or more, and no norm's."""
    return getattr(layer, "has_weights", True) and cast(Any, layer).params[name].ndim >= 2


def cast_arrays(layer: Layer, dtype: npt.DTypeLike) -> None:
    """Turn the floating-point arrays of one layer into ``dtype``; integer counters stay."""
    for name in ("params", "grads", "buffers"):
        arrays = getattr(layer, name)
        floats = {k: v.astype(dtype) if np.issubdtype(v.dtype, np.floating) else v for k, v in arrays.items()}
        setattr(layer, name, floats)


def adopt(layer: object, where: str) -> Layer:
    """Return ``layer`` ready to stand in a net: a written-by-hand one gets the attributes that it lacks.

    Raises:
        TypeError: if it has no ``forward`` and ``backward``.
    """
    if isinstance(layer, type) or not all(callable(getattr(layer, m, None)) for m in ("forward", "backward")):
        got = f"the class {layer.__name__}" if isinstance(layer, type) else f"{type(layer).__name__}"
        raise TypeError(f"[{where}] layer: expected an object with forward and backward, got {got}")
    hand_made = cast(Any, layer)
    if not hasattr(layer, "uses_key"):
        hand_made.uses_key = True
    for name in ("params", "buffers", "initializers"):
        if not hasattr(layer, name):
            setattr(hand_made, name, {})
    if not hasattr(layer, "grads"):
        hand_made.grads = {name: np.zeros_like(value) for name, value in hand_made.params.items()}
    return cast(Layer, layer)
