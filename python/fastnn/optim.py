"""Optimizers: they turn gradients into parameter updates, in place.

``optimizer.step(params, grads)`` takes two mappings from parameter name to array. Where both keep their
arrays in one buffer (attribute ``flat``, as a `Model`'s do), each contiguous stretch of trainable parameters
is one kernel call; otherwise there is one call per array. Both give the same numbers and one state format.

Formulas, argument names and defaults are PyTorch's. `weight_decay` acts on every parameter that is trained
and never shows in the reported loss; a regularizer is the way to a penalty on weights alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn import _arguments as check
from fastnn import functional as F

Array = NDArray[Any]


class _Place(NamedTuple):
    """Where one parameter lies inside a block."""

    name: str
    start: int
    shape: tuple[int, ...]

    def of(self, slot: Array) -> Array:
        """Return this parameter's part of a block's slot, as a view."""
        if slot.shape == self.shape:
            return slot
        size = int(np.prod(self.shape))
        return slot[self.start : self.start + size].reshape(self.shape)


@dataclass
class _Block:
    """Parameters updated by one kernel call: a stretch of the flat buffer, or one named array."""

    where: slice | str
    places: list[_Place]
    steps: int
    slots: dict[str, Array]


class _Memory(NamedTuple):
    """What an optimizer remembers of one parameter."""

    steps: int
    slots: dict[str, Array]


class Optimizer:
    """Base of the optimizers.

    A subclass lists its state arrays in `_slot_names` and updates one block in `_update`. State is created at
    the first step, follows the parameters by name when some are frozen or released, and counts steps per
    parameter, so that a parameter released late gets Adam's bias correction from its own first step. Use one
    optimizer for one model.

    Attributes:
        lr: learning rate; a schedule writes it before every step.
    """

    lr: float
    _options: tuple[str, ...] = ("lr", "weight_decay")

    def __init__(self, lr: float, weight_decay: float) -> None:
        self.lr = self._number("lr", lr)
        self.weight_decay = self._number("weight_decay", weight_decay)
        self._blocks: list[_Block] = []
        self._layout: tuple[Any, ...] = ()
        self._at_rest: dict[str, _Memory] = {}

    def step(self, params: Mapping[str, Array], grads: Mapping[str, Array]) -> None:
        """Update ``params`` in place by one step along ``grads``.

        Args:
            params: name to array; written in place.
            grads: name to array of the same shape and dtype; a parameter without a gradient is left alone.

        Raises:
            ValueError: a gradient has no parameter, or differs from it in shape or dtype.
        """
        targets: Any = params
        slopes: Any = grads
        wheres: tuple[slice | str, ...] = tuple(grads)
        if hasattr(params, "flat") and hasattr(grads, "flat"):
            targets, slopes, wheres = params.flat, grads.flat, _trainable_slices(params)
        layout = (self._slot_names(), *wheres)
        if layout != self._layout:
            self._bind(params, wheres)
            self._layout = layout
        for block in self._blocks:
            block.steps += 1
            self._update(targets[block.where], slopes[block.where], block)

    def state_dict(self) -> dict[str, Any]:
        """Return options and state: ``{"options": {...}, "parameters": {name: {"steps": n, slot: array}}}``.

        The arrays are copies.
        """
        options = {name: getattr(self, name) for name in self._options}
        parameters = {
            name: {"steps": memory.steps, **{key: slot.copy() for key, slot in memory.slots.items()}}
            for name, memory in self._memories()
        }
        return {"options": options, "parameters": parameters}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned, bit for bit; options are restored too, as in PyTorch.

        Raises:
            ValueError: the state is another optimizer's.
        """
        options = dict(state["options"])
        if set(options) != set(self._options):
            expected, got = ", ".join(self._options), ", ".join(options)
            raise ValueError(f"[{type(self).__name__}] state: expected options {expected}, got {got}")
        for name, value in options.items():
            setattr(self, name, tuple(value) if isinstance(value, list) else value)
        self._blocks, self._layout = [], ()
        self._at_rest = {
            name: _Memory(
                int(memory["steps"]),
                {key: np.array(value) for key, value in memory.items() if key != "steps"},
            )
            for name, memory in state["parameters"].items()
        }

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)}' for name in self._options)})"
        )

    def _slot_names(self) -> tuple[str, ...]:
        raise NotImplementedError

    def _update(self, param: Array, grad: Array, block: _Block) -> None:
        raise NotImplementedError

    def _number(self, name: str, value: Any, **bounds: Any) -> float:
        return check.number(type(self).__name__, name, value, **bounds)

    def _memories(self) -> Iterator[tuple[str, _Memory]]:
        """Yield the state of every parameter: views into the blocks, and what waits for its parameter."""
        yield from self._at_rest.items()
        for block in self._blocks:
            for place in block.places:
                yield place.name, _Memory(block.steps, {k: place.of(slot) for k, slot in block.slots.items()})

    def _bind(self, params: Mapping[str, Array], wheres: tuple[slice | str, ...]) -> None:
        """Lay the state out for these parameters, and carry over what is remembered by name."""
        memories = dict(self._memories())
        unknown = [name for name in (*memories, *wheres) if isinstance(name, str) and name not in params]
        if unknown:
            names = ", ".join(params)
            raise ValueError(
                f"[{type(self).__name__}] params: expected {unknown[0]!r} among them, got {names}"
            )
        steps = {name: memory.steps for name, memory in memories.items()}
        blocks = []
        for where in wheres:
            if isinstance(where, str):
                place = _Place(where, 0, params[where].shape)
                blocks.append(self._block(where, [place], params[where], memories))
            else:
                flat = params.flat  # type: ignore[attr-defined]
                for stretch, places in _stretches(params, flat, where, steps):
                    blocks.append(self._block(stretch, places, flat[stretch], memories))
        self._blocks, self._at_rest = blocks, memories

    def _block(
        self, where: slice | str, places: list[_Place], param: Array, memories: dict[str, _Memory]
    ) -> _Block:
        slots = {name: np.zeros_like(param) for name in self._slot_names()}
        steps = 0
        for place in places:
            memory = memories.pop(place.name, _Memory(0, {}))
            steps = memory.steps
            for key in [key for key in slots if key in memory.slots]:
                view, saved = place.of(slots[key]), memory.slots[key]
                if saved.shape != view.shape or saved.dtype != view.dtype:
                    raise ValueError(
                        f"[{type(self).__name__}] state of {place.name!r}: expected {key} {view.shape} "
                        f"{view.dtype}, got {saved.shape} {saved.dtype}"
                    )
                view[...] = saved
        return _Block(where, places, steps, slots)


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and Nesterov's form of it.

    ``g = grad + weight_decay*w;  v = momentum*v + g;  w -= lr*v``, with Nesterov
    ``w -= lr*(g + momentum*v)``. The rate stands outside the velocity (a lecture often writes
    ``v = momentum*v - lr*g``): the two differ when the rate changes.

    Args:
        lr: learning rate, >= 0.
        momentum: in [0, 1); 0 needs no state.
        nesterov: look ahead; needs a momentum.
        weight_decay: adds ``weight_decay * w`` to the gradient of every trained parameter.

    Raises:
        ValueError: an option is negative, not finite or out of range.

    Example:
        >>> import numpy as np
        >>> params = {"w": np.array([1.0, -2.0])}
        >>> SGD(lr=0.5).step(params, {"w": np.array([1.0, 1.0])})
        >>> params["w"]
        array([ 0.5, -2.5])

    Reference:
        Sutskever et al., On the importance of initialization and momentum in deep learning, 2013,
        https://proceedings.mlr.press/v28/sutskever13.html
    """

    _options = ("lr", "momentum", "nesterov", "weight_decay")

    def __init__(
        self, lr: float, momentum: float = 0.0, nesterov: bool = False, weight_decay: float = 0.0
    ) -> None:
        super().__init__(lr, weight_decay)
        self.momentum = self._number("momentum", momentum, high=1.0, below=True)
        self.nesterov = bool(nesterov)
        if self.nesterov and self.momentum == 0.0:
            raise ValueError("[SGD] nesterov: expected a momentum > 0 with it, got momentum 0")

    def _slot_names(self) -> tuple[str, ...]:
        return ("velocity",) if self.momentum else ()

    def _update(self, param: Array, grad: Array, block: _Block) -> None:
        F.sgd_update(
            param,
            grad,
            block.slots.get("velocity"),
            lr=self.lr,
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
        )


class Adam(Optimizer):
    """Adam: steps scaled by running averages of the gradient and of its square.

    ``m = b1*m + (1-b1)*g;  v = b2*v + (1-b2)*g^2;  w -= lr * m/(1-b1^t) / (sqrt(v/(1-b2^t)) + eps)``:
    bias-corrected, eps outside the root. Here ``weight_decay`` is part of the gradient; `AdamW` decouples it.

    Args:
        lr: learning rate, >= 0.
        betas: decay of the two averages, each in [0, 1).
        eps: added to the root, >= 0.
        weight_decay: adds ``weight_decay * w`` to the gradient of every trained parameter.

    Raises:
        ValueError: an option is negative, not finite or out of range.

    Example:
        >>> import numpy as np
        >>> params = {"w": np.array([1.0, -2.0])}
        >>> Adam(lr=0.5).step(params, {"w": np.array([3.0, -0.1])})
        >>> params["w"].round(6)
        array([ 0.5, -1.5])

    Reference:
        Kingma and Ba, Adam: a method for stochastic optimization, 2015, https://arxiv.org/abs/1412.6980
    """

    _options = ("lr", "betas", "eps", "weight_decay")
    _decoupled = False

    def __init__(
        self,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(lr, weight_decay)
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise ValueError(f"[{type(self).__name__}] betas: expected two numbers, got {betas!r}")
        beta1, beta2 = (self._number("betas", beta, high=1.0, below=True) for beta in betas)
        self.betas = (beta1, beta2)
        self.eps = self._number("eps", eps)

    def _slot_names(self) -> tuple[str, ...]:
        return ("m", "v")

    def _update(self, param: Array, grad: Array, block: _Block) -> None:
        F.adam_update(
            param,
            grad,
            block.slots["m"],
            block.slots["v"],
            step=block.steps,
            lr=self.lr,
            betas=self.betas,
            eps=self.eps,
            weight_decay=self.weight_decay,
            decoupled=self._decoupled,
        )


class AdamW(Adam):
    """Adam with decoupled weight decay: ``w -= lr*weight_decay*w`` before Adam's step on the bare gradient.

    Args:
        lr: learning rate, >= 0.
        betas: decay of the two averages, each in [0, 1).
        eps: added to the root, >= 0.
        weight_decay: fraction of each weight, times ``lr``, that a step removes.

    Raises:
        ValueError: an option is negative, not finite or out of range.

    Example:
        >>> import numpy as np
        >>> params = {"w": np.array([1.0])}
        >>> AdamW(lr=0.5, weight_decay=0.1).step(params, {"w": np.array([0.0])})
        >>> params["w"]
        array([0.95])

    Reference:
        Loshchilov and Hutter, Decoupled weight decay regularization, 2019, https://arxiv.org/abs/1711.05101
    """

    _decoupled = True

    def __init__(
        self,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(lr, betas, eps, weight_decay)


def _trainable_slices(params: Any) -> tuple[slice, ...]:
    """Return the stretches of ``params.flat`` that may be updated; the mapping knows what is frozen."""
    if hasattr(params, "trainable_slices"):
        return tuple(params.trainable_slices())
    return (slice(0, params.flat.size),)


def _stretches(
    params: Mapping[str, Array], flat: Array, where: slice, steps: dict[str, int]
) -> Iterator[tuple[slice, list[_Place]]]:
    """Cut ``flat[where]`` where neighbours have made different numbers of steps; usually nowhere."""
    base = flat.__array_interface__["data"][0]
    inside = []
    for name, view in params.items():
        start = (view.__array_interface__["data"][0] - base) // flat.itemsize
        if where.start <= start < where.stop:
            inside.append((start, name, view.shape))
    inside.sort()
    runs: list[list[tuple[int, str, tuple[int, ...]]]] = []
    for item in inside:
        if runs and steps.get(runs[-1][-1][1], 0) == steps.get(item[1], 0):
            runs[-1].append(item)
        else:
            runs.append([item])
    for i, run in enumerate(runs):
        start = run[0][0]
        stop = runs[i + 1][0][0] if i + 1 < len(runs) else where.stop
        yield slice(start, stop), [_Place(name, at - start, shape) for at, name, shape in run]
