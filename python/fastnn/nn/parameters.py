"""Named arrays: the mappings that hold parameters and gradients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, Set
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Self = TypeVar("Self", bound="BoundDict")


class BoundDict(dict[str, Array]):
    """A dict of views into somebody else's buffer: assignment writes into the array that is there.

    So ``params["weight"] = w`` and ``params.update(...)`` change the model, and cannot detach a parameter
    from its flat buffer. No name can be added or removed.

    Example:
        >>> buffer = np.zeros(4)
        >>> params = BoundDict(weight=buffer[:2])
        >>> params["weight"] = [1.0, 2.0]
        >>> buffer.tolist()
        [1.0, 2.0, 0.0, 0.0]
    """

    def __setitem__(self, name: str, value: Any) -> None:
        if name not in self:
            raise KeyError(f"{name!r} is not one of {', '.join(self)}")
        held = self[name]
        if value is held:  # what ``d[name] += x`` does last
            return
        if np.shape(value) != held.shape:
            raise ValueError(f"[parameters] {name}: expected shape {held.shape}, got {np.shape(value)}")
        held[...] = value

    def __delitem__(self, name: str) -> None:
        raise TypeError(f"[parameters] {name}: expected to stay where it is, got a removal")

    def __ior__(self: Self, other: Any) -> Self:  # type: ignore[override,misc]
        self.update(other)
        return self

    # Those of dict go round the two methods above.
    update = MutableMapping.update
    pop = MutableMapping.pop
    popitem = MutableMapping.popitem
    clear = MutableMapping.clear
    setdefault = MutableMapping.setdefault

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)


class FlatDict(BoundDict):
    """Named arrays that are all views of one flat buffer.

    Args:
        shapes: name to shape, in the order of the names.
        dtype: element type.
        order: the names in the order of the buffer; by default as in ``shapes``.

    Attributes:
        flat: the buffer, one axis, C order within each array.

    Example:
        >>> params = FlatDict({"weight": (2, 3), "bias": (2,)}, np.float32)
        >>> params.flat[:] = 7
        >>> params["bias"].tolist(), params.flat.shape
        ([7.0, 7.0], (8,))
    """

    def __init__(
        self, shapes: Mapping[str, tuple[int, ...]], dtype: npt.DTypeLike, order: list[str] | None = None
    ) -> None:
        order = list(shapes) if order is None else order
        sizes = {name: int(np.prod(shapes[name], dtype=np.int64)) for name in order}
        self.flat: Array = np.zeros(sum(sizes.values()), dtype)
        views, start = {}, 0
        for name in order:
            views[name] = self.flat[start : start + sizes[name]].reshape(shapes[name])
            start += sizes[name]
        super().__init__({name: views[name] for name in shapes})
        self._order = order
        self.frozen = frozenset()

    @property
    def frozen(self) -> frozenset[str]:
        """Names that no optimizer may change."""
        return self._frozen

    @frozen.setter
    def frozen(self, names: Iterable[str]) -> None:
        # Every training step asks for the stretches: what they cost must not grow with the parameters.
        self._frozen = frozenset(names)
        self._frozen_slices = self.slices(self._frozen)
        everything = (slice(0, self.flat.size),)
        self._trainable_slices = self.slices(self.keys() - self._frozen) if self._frozen else everything

    def trainable_slices(self) -> tuple[slice, ...]:
        """Return the stretches of ``flat`` that are not frozen, neighbours joined.

        Example:
            >>> params = FlatDict({"a": (2,), "b": (3,), "c": (4,)}, np.float32)
            >>> params.frozen = frozenset({"b"})
            >>> params.trainable_slices()
            (slice(0, 2, None), slice(5, 9, None))
        """
        return self._trainable_slices

    def frozen_slices(self) -> tuple[slice, ...]:
        """Return the stretches of ``flat`` that are frozen."""
        return self._frozen_slices

    def slices(self, names: Set[str]) -> tuple[slice, ...]:
        """Return the stretches of ``flat`` that hold the given arrays, neighbours joined."""
        slices: list[slice] = []
        stop = 0
        for name in self._order:
            start, stop = stop, stop + self[name].size
            if name in names:
                if slices and slices[-1].stop == start:
                    start = slices.pop().start
                slices.append(slice(start, stop))
        return tuple(slices)

    def __reduce__(self) -> tuple[Any, ...]:
        shapes = {name: value.shape for name, value in self.items()}
        return _restore_flat, (shapes, self.flat, self._order, self.frozen)


def _restore_flat(
    shapes: dict[str, tuple[int, ...]], flat: Array, order: list[str], frozen: frozenset[str]
) -> FlatDict:
    restored = FlatDict(shapes, flat.dtype, order)
    restored.flat[:] = flat
    restored.frozen = frozen
    return restored


class Turn:
    """Counts the times that a model began to compute its gradients anew."""

    number = 0


class LayerGrads(BoundDict):
    """The gradients of one layer of a model, blank at the beginning of each turn.

    What is blank need not be zeroed: a layer that knows how writes its gradients over it, see `blank`, and
    everybody else finds zeros.
    """

    def __init__(self, arrays: Mapping[str, Array], turn: Turn) -> None:
        super().__init__(arrays)
        self._turn, self._filled = turn, turn.number

    def claim(self) -> bool:
        """Return whether the arrays are blank; from now on in this turn they are not."""
        was_blank = self._filled != self._turn.number
        self._filled = self._turn.number
        return was_blank

    def __getitem__(self, name: str) -> Array:
        if self.claim():
            for value in self.values():
                value.fill(0)
        return super().__getitem__(name)

    def __reduce__(self) -> tuple[Any, ...]:
        return BoundDict, (dict(self),)


_NOTHING: dict[str, Array] = {}


def blank(grads: Mapping[str, Array]) -> Mapping[str, Array]:
    """Return ``grads`` if a backward pass must overwrite it, all of it; nothing if it must add."""
    return grads if isinstance(grads, LayerGrads) and grads.claim() else _NOTHING


def add_gradients(grads: MutableMapping[str, Array], dw: Array, db: Array | None) -> None:
    """Add the gradients of a weight, and of a bias where there is one."""
    grads["weight"] += dw
    if db is not None:
        grads["bias"] += db


class Scope(dict[str, Array]):
    """The part of a gradient mapping that is one child's: ``scope[name]`` is ``grads[prefix + name]``.

    A layer that stands in two places has one parameter under two names; ``aliases`` leads the second to the
    first.
    """

    def __init__(self, grads: MutableMapping[str, Array], prefix: str, aliases: Mapping[str, str]) -> None:
        super().__init__()
        self._grads, self._prefix, self._aliases = grads, prefix, aliases

    def _full(self, name: str) -> str:
        full = self._prefix + name
        return self._aliases.get(full, full)

    def __getitem__(self, name: str) -> Array:
        return self._grads[self._full(name)]

    def __setitem__(self, name: str, value: Array) -> None:
        self._grads[self._full(name)] = value

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._full(name) in self._grads
