"""What all layers made of layers have in common."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from functools import cached_property
from textwrap import indent
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from ..keys import Key
from .layer import Array, Grads, Layer, adopt
from .parameters import BoundDict, Scope

Watcher: TypeAlias = Callable[[str, Array, Array | None], None]
Visit: TypeAlias = tuple[str, Layer, Array, Array]

_PLACE = " (in layer "
_LINE = 88  # characters of a net that is printed in one line
# What copies and pickles leave behind: it is found anew.
_FOUND_ANEW = frozenset({"_watchers", "aliases", "_plan", "_chained", "_joining"})


class WatchedCache(NamedTuple):
    """A child's cache, and its output for the watchers to see beside its gradient."""

    output: Array
    cache: Any


class Link(NamedTuple):
    """What joins neighbours of a chain on the way back, beside the gradient that one hands to the other.

    A convolution can take sums over the dx that it writes, for the backward pass of the batch norm before it,
    and mask dx by that norm's ReLU. So it is told the norm, and the norm is told the sums.

    Attributes:
        need_dx: whether dx is wanted.
        sums: taken over dy, masked by then, for the batch norm that wrote the output; None where nobody did.
        norm: cache of the batch norm that wrote the input; None if another layer did, or if something is to
            be added to dx before it is that norm's gradient.
        spend: whether the cache is of no use afterwards, so that what it holds may go as soon as it is used.
    """

    need_dx: bool = True
    sums: Array | None = None
    norm: Any = None
    spend: bool = False


class Container(Layer):
    """A layer whose parts are layers, called by the names in `children`."""

    def __init__(self, children: dict[str, Any]) -> None:
        adopted = {name: adopt(child, type(self).__name__) for name, child in children.items()}
        self._children: Mapping[str, Layer] = MappingProxyType(adopted)
        self._watchers: dict[str, list[Callable[[Array, Array | None], None]]] = {}
        self.uses_key = any(child.uses_key for child in adopted.values())

    @property
    def children(self) -> Mapping[str, Layer]:
        """The parts by name, in order; they stay, since how to run them is worked out once."""
        return self._children

    @property
    def params(self) -> dict[str, Array]:  # type: ignore[override]
        """All parameters below by full name, as ``"0.weight"``; assignment writes into them."""
        return self._collect("params")

    @property
    def grads(self) -> dict[str, Array]:  # type: ignore[override]
        """All gradients below by full name."""
        return self._collect("grads")

    @property
    def buffers(self) -> dict[str, Array]:  # type: ignore[override]
        """All buffers below by full name."""
        return self._collect("buffers")

    def _collect(self, kind: str) -> dict[str, Array]:
        full = {f"{path}.{n}": a for path, layer in self.leaves() for n, a in getattr(layer, kind).items()}
        return BoundDict(full)

    def named_layers(self) -> Iterator[tuple[str, Layer]]:
        """Yield (path, layer) of everything below in order, containers first, repeats included."""
        for name, child in self.children.items():
            yield name, child
            if isinstance(child, Container):
                yield from ((f"{name}.{path}", layer) for path, layer in child.named_layers())

    def leaves(self) -> list[tuple[str, Layer]]:
        first: dict[int, tuple[str, Layer]] = {}
        for path, layer in self.named_layers():
            if not isinstance(layer, Container):
                first.setdefault(id(layer), (path, layer))
        return list(first.values())

    @cached_property
    def aliases(self) -> dict[str, str]:
        """Names under which a parameter or buffer appears again, each with its first name."""
        home = {id(layer): path for path, layer in self.leaves()}
        return {
            f"{path}.{name}": f"{home[id(layer)]}.{name}"
            for path, layer in self.named_layers()
            if id(layer) in home and home[id(layer)] != path
            for name in (*layer.params, *layer.buffers)
        }

    def layer(self, path: str) -> Layer:
        """Return the layer at ``path``, such as ``"3.body.0"``.

        Raises:
            ValueError: if there is none.
        """
        name, _, rest = path.partition(".")
        child = self.children.get(name)
        if child is None or (rest and not isinstance(child, Container)):
            raise ValueError(f"[{type(self).__name__}] layer: expected a path below it, got {path!r}")
        return child.layer(rest) if rest and isinstance(child, Container) else child

    def walk(self, x: Array, path: str = "") -> Generator[Visit, None, Array]:
        """Predict step by step: yield (path, layer, input, output) of all below, parts before the whole."""
        raise NotImplementedError

    def _walk_child(self, name: str, x: Array, path: str) -> Generator[Visit, None, Array]:
        child = self.children[name]
        y = (
            (yield from child.walk(x, f"{path}{name}."))
            if isinstance(child, Container)
            else child.forward(x)[0]
        )
        yield f"{path}{name}", child, x, y
        return y

    def watch(self, watcher: Watcher, layers: Iterable[str] | None = None) -> Callable[[], None]:
        """Show activations and their gradients to ``watcher`` while the net runs.

        ``watcher(path, activation, None)`` is called in forward, ``watcher(path, activation, gradient)`` in
        backward. A watched layer runs unfused. Watchers do not travel with copies and pickles.

        Args:
            watcher: called with path, output of the layer there, and the gradient with respect to that
                output.
            layers: paths such as ``"3.body.0"``; by default all that are no containers.

        Returns:
            A function that ends the watch.

        Raises:
            TypeError: ``watcher`` cannot be called.
            ValueError: there is no such layer.

        Example:
            >>> import numpy as np
            >>> from fastnn import nn
            >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
            >>> stop = net.watch(lambda path, activation, gradient: print(path, activation.shape), ["1"])
            >>> y = net(np.ones((4, 2), np.float32))
            1 (4, 3)
            >>> stop()
        """
        if not callable(watcher):
            raise TypeError(f"[watch] watcher: expected a callable, got {type(watcher).__name__}")
        if layers is None:
            layers = [path for path, layer in self.named_layers() if not isinstance(layer, Container)]
        seats = [self._seat(path) for path in layers]

        def bind(path: str) -> Callable[[Array, Array | None], None]:
            return lambda activation, gradient: watcher(path, activation, gradient)

        hung = [(container, name, bind(path)) for (container, name), path in zip(seats, layers, strict=True)]
        for container, name, hook in hung:
            container._watchers.setdefault(name, []).append(hook)
            container._replan()

        def stop() -> None:
            for container, name, hook in hung:
                hooks = container._watchers.get(name, [])
                if hook in hooks:
                    hooks.remove(hook)
                if not hooks:
                    container._watchers.pop(name, None)
                container._replan()

        return stop

    def _seat(self, path: str) -> tuple[Container, str]:
        """Return the container that directly holds ``path``, and the name that it has there."""
        self.layer(path)
        above, _, name = path.rpartition(".")
        holder = self.layer(above) if above else self
        assert isinstance(holder, Container)
        return holder, name

    def _replan(self) -> None:
        """Look again at how to run, after watchers came or went."""

    def _key_of(self, name: str, key: Key | None) -> Key | None:
        """Return the key of a child that looks at one: deriving it costs as much as a small layer."""
        if key is None or not self.children[name].uses_key:
            return None
        return key.fold(int(name) if name.isdecimal() else name)

    def _forward_child(self, name: str, x: Array, train: bool, key: Key | None) -> tuple[Array, Any]:
        child = self._children[name]
        own = self._key_of(name, key) if child.uses_key else None
        try:
            y, cache = child.forward(x, train=train, key=own)
        except (TypeError, ValueError) as error:
            locate(error, name)
            raise
        if name in self._watchers:
            for hook in tuple(self._watchers[name]):
                hook(y, None)
            cache = WatchedCache(y, cache)
        return y, cache

    def _backward_child(
        self, name: str, dy: Array, cache: Any, grads: Grads | None, need_dx: bool = True
    ) -> Array | None:
        child = self._children[name]
        if isinstance(cache, WatchedCache):
            for hook in tuple(self._watchers.get(name, ())):
                hook(cache.output, dy)
            cache = cache.cache
        # A layer written by hand is always told where to add, so it needs no default of its own.
        below = (
            child.grads if grads is None and not isinstance(child, Container) else self._scope(name, grads)
        )
        if need_dx or not getattr(child, "can_skip_dx", False):
            return child.backward(dy, cache, below)
        return child.backward(dy, cache, below, need_dx=False)  # type: ignore[call-arg]

    @property
    def chained(self) -> bool:
        """Whether `backward_chained` may stand for `backward`."""
        return False

    def backward_chained(
        self, dy: Array, cache: Any, grads: Grads | None, link: Link
    ) -> tuple[Array | None, Array | None]:
        """Like `backward`, within a chain: return dx, and the sums over it for ``link.norm`` or None."""
        raise NotImplementedError

    def last_norm(self, cache: Any) -> Any:
        """Return the cache of the batch norm that wrote the output, None if another layer did."""
        return None

    def _scope(self, name: str, grads: Grads | None) -> Grads | None:
        return None if grads is None else Scope(grads, f"{name}.", self.aliases)

    def _needs_gradient(self, name: str) -> bool:
        """Return whether a gradient must reach the child: for its parameters, or for a watcher."""
        child = self.children[name]
        if name in self._watchers:
            return True
        if isinstance(child, Container):
            return any(child._needs_gradient(part) for part in child.children)
        return bool(child.params) and getattr(child, "trainable", True)

    def _arguments(self) -> list[str]:
        """Return what stands between the brackets of `repr`."""
        return [repr(child) for child in self.children.values()]

    def __repr__(self) -> str:
        arguments, name = self._arguments(), type(self).__name__
        line = f"{name}({', '.join(arguments)})"
        if len(line) <= _LINE and "\n" not in line:
            return line
        return f"{name}(\n{''.join(indent(part, '  ') + f',{chr(10)}' for part in arguments)})"

    def __getstate__(self) -> dict[str, Any]:
        state = {k: v for k, v in self.__dict__.items() if k not in _FOUND_ANEW}
        return state | {"_children": dict(self._children)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state | {"_watchers": {}, "_children": MappingProxyType(state["_children"])}
        self._replan()


def locate(error: Exception, name: str) -> None:
    """Write into an error's text which layer it comes from; containers around it put their part before.

    "[conv2d] x: expected ..." becomes "[conv2d] x: expected ... (in layer 3.body.0)".
    """
    if len(error.args) == 1 and isinstance(error.args[0], str):
        text, mark, path = error.args[0].partition(_PLACE)
        error.args = (f"{text}{_PLACE}{name}.{path}" if mark else f"{text}{_PLACE}{name})",)
