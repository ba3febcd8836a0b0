"""What the optimizers have in common: their state, laid out as the parameters are, and parameter groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn import _arguments as check

Array = NDArray[Any]
Groups = Mapping[str, Mapping[str, float]]

_GROUP_OPTIONS = ("lr_scale", "weight_decay")


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


class _Block:
    """Parameters updated by one kernel call: a stretch of the flat buffer, or one named array."""

    def __init__(
        self,
        where: slice | str,
        places: list[_Place],
        group: str | None,
        steps: int,
        slots: dict[str, Array],
    ) -> None:
        self.where, self.places, self.group = where, places, group
        self.steps, self.slots = steps, slots


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

    Args:
        lr: learning rate, >= 0.
        weight_decay: adds ``weight_decay * w`` to the gradient of every trained parameter.
        groups: by prefix of parameter names, what is different there: ``lr_scale`` multiplies the rate, also
            one that a schedule has set, and ``weight_decay`` replaces the general one. The longest prefix
            wins; ``"3"`` means ``"3.weight"`` and not ``"30.weight"``.

    Attributes:
        lr: learning rate; a schedule writes it before every step.

    Example:
        >>> from fastnn.optim import SGD
        >>> optimizer = SGD(0.5, groups={"body": {"lr_scale": 0.1}, "body.0": {"lr_scale": 0.0}})
        >>> params = {"body.0.weight": np.ones(1), "body.1.weight": np.ones(1), "head.weight": np.ones(1)}
        >>> optimizer.step(params, {name: np.ones(1) for name in params})
        >>> {name: value.item() for name, value in params.items()}
        {'body.0.weight': 1.0, 'body.1.weight': 0.95, 'head.weight': 0.5}
    """

    lr: float
    _options: tuple[str, ...] = ("lr", "weight_decay", "groups")

    def __init__(self, lr: float, weight_decay: float, groups: Groups | None = None) -> None:
        self.lr = self._number("lr", lr)
        self.weight_decay = self._number("weight_decay", weight_decay)
        self.groups = {prefix: self._group(prefix, options) for prefix, options in (groups or {}).items()}
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
            options = {} if block.group is None else self.groups[block.group]
            lr = self.lr * options.get("lr_scale", 1.0)
            weight_decay = options.get("weight_decay", self.weight_decay)
            self._update(targets[block.where], slopes[block.where], block, lr, weight_decay)

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
        shown = [name for name in self._options if name != "groups" or self.groups]
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)}' for name in shown)})"

    def _slot_names(self) -> tuple[str, ...]:
        raise NotImplementedError

    def _first(self, slot: str) -> float:
        """Return what a state array holds before the first step."""
        return 0.0

    def _update(self, param: Array, grad: Array, block: _Block, lr: float, weight_decay: float) -> None:
        raise NotImplementedError

    def _number(self, name: str, value: Any, **bounds: Any) -> float:
        return check.number(type(self).__name__, name, value, **bounds)

    def _betas(self, betas: Any) -> tuple[float, float]:
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise ValueError(f"[{type(self).__name__}] betas: expected two numbers, got {betas!r}")
        beta1, beta2 = (self._number("betas", beta, high=1.0, below=True) for beta in betas)
        return beta1, beta2

    def _group(self, prefix: str, options: Mapping[str, float]) -> dict[str, float]:
        where = f"groups[{prefix!r}]"
        for name in options:
            check.choice(type(self).__name__, where, name, _GROUP_OPTIONS)
        return {name: self._number(f"{where} {name}", value) for name, value in options.items()}

    def _group_of(self, name: str) -> str | None:
        """Return the longest prefix in ``groups`` that is a path of ``name``."""
        prefixes = [prefix for prefix in self.groups if f"{name}.".startswith(f"{prefix}.")]
        return max(prefixes, key=len, default=None)

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
        for prefix in self.groups:
            if not any(f"{name}.".startswith(f"{prefix}.") for name in params):
                raise ValueError(
                    f"[{type(self).__name__}] groups: expected prefixes of {', '.join(params)}, "
                    f"got {prefix!r}"
                )

        def kind(name: str) -> tuple[int, str | None]:
            """Neighbours of one kind share a block."""
            return memories.get(name, _Memory(0, {})).steps, self._group_of(name)

        blocks = []
        for where in wheres:
            if isinstance(where, str):
                place = _Place(where, 0, params[where].shape)
                blocks.append(self._block(where, [place], params[where], memories))
            else:
                flat = params.flat  # type: ignore[attr-defined]
                for stretch, places in _stretches(params, flat, where, kind):
                    blocks.append(self._block(stretch, places, flat[stretch], memories))
        self._blocks, self._at_rest = blocks, memories

    def _block(
        self, where: slice | str, places: list[_Place], param: Array, memories: dict[str, _Memory]
    ) -> _Block:
        slots = {name: np.full_like(param, self._first(name)) for name in self._slot_names()}
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
        return _Block(where, places, self._group_of(places[0].name), steps, slots)


def _trainable_slices(params: Any) -> tuple[slice, ...]:
    """Return the stretches of ``params.flat`` that may be updated; the mapping knows what is frozen."""
    if hasattr(params, "trainable_slices"):
        return tuple(params.trainable_slices())
    return (slice(0, params.flat.size),)


def _stretches(
    params: Mapping[str, Array], flat: Array, where: slice, kind: Callable[[str], object]
) -> Iterator[tuple[slice, list[_Place]]]:
    """Cut ``flat[where]`` where neighbours are of different kinds; usually nowhere."""
    base = flat.__array_interface__["data"][0]
    inside = []
    for name, view in params.items():
        start = (view.__array_interface__["data"][0] - base) // flat.itemsize
        if where.start <= start < where.stop:
            inside.append((start, name, view.shape))
    inside.sort()
    runs: list[list[tuple[int, str, tuple[int, ...]]]] = []
    for item in inside:
        if runs and kind(runs[-1][-1][1]) == kind(item[1]):
            runs[-1].append(item)
        else:
            runs.append([item])
    for i, run in enumerate(runs):
        start = run[0][0]
        stop = runs[i + 1][0][0] if i + 1 < len(runs) else where.stop
        yield slice(start, stop), [_Place(name, at - start, shape) for at, name, shape in run]
