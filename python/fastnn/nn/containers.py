"""Layers made of layers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from .. import functional as F
from .._arguments import choice
from ..keys import Key
from .activation import ReLU
from .conv import Conv2d
from .layer import Array, Grads, Layer, adopt
from .linear import Linear
from .norm import BatchNorm1d, BatchNorm2d
from .parameters import BoundDict, Scope

Watcher: TypeAlias = Callable[[str, Array, Array | None], None]
Visit: TypeAlias = tuple[str, Layer, Array, Array]

_PRODUCT = (Conv2d, Linear)
_NORM = (BatchNorm1d, BatchNorm2d)


class _WatchedCache(NamedTuple):
    """A child's cache, and its output for the watchers to see beside its gradient."""

    output: Array
    cache: Any


class Container(Layer):
    """A layer whose parts are layers, called by the names in ``children``."""

    can_skip_dx = True

    def __init__(self, children: dict[str, Any]) -> None:
        self.children = {name: adopt(child, type(self).__name__) for name, child in children.items()}
        self._watchers: dict[str, list[Callable[[Array, Array | None], None]]] = {}

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

        Example:
            >>> import numpy as np
            >>> net = Sequential(Linear(2, 3), ReLU())
            >>> stop = net.watch(lambda path, activation, gradient: print(path, activation.shape), ["1"])
            >>> y = net(np.ones((4, 2), np.float32))
            1 (4, 3)
            >>> stop()
        """
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

    def _forward_child(self, name: str, x: Array, train: bool, key: Key | None) -> tuple[Array, Any]:
        y, cache = self.children[name].forward(x, train=train, key=key)
        if name in self._watchers:
            for hook in tuple(self._watchers[name]):
                hook(y, None)
            cache = _WatchedCache(y, cache)
        return y, cache

    def _backward_child(
        self, name: str, dy: Array, cache: Any, grads: Grads | None, need_dx: bool = True
    ) -> Array | None:
        child = self.children[name]
        if isinstance(cache, _WatchedCache):
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

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_watchers", "aliases", "_plan")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state | {"_watchers": {}}
        self._replan()


class Sequential(Container):
    """Run layers one after the other, fusing runs that have a faster common form.

    Conv2d-BatchNorm2d-ReLU, Linear-BatchNorm1d-ReLU and BatchNorm-ReLU run as one step with one opaque cache:
    the normalised values before ReLU are never written. Results are those of the unfused run within rounding.

    Args:
        *layers: objects with ``forward`` and ``backward``; one may stand in several places.
        fuse: whether to look for such runs.

    Example:
        >>> net = Sequential(Linear(4, 8), ReLU(), Linear(8, 3))
        >>> net(np.ones((5, 4), np.float32)).shape, len(net), type(net[1]).__name__
        ((5, 3), 3, 'ReLU')
        >>> Sequential(Conv2d(1, 4, 3), BatchNorm2d(4), ReLU()).plan()
        ['0 Conv2d + 1 BatchNorm2d + 2 ReLU']
    """

    def __init__(self, *layers: Any, fuse: bool = True) -> None:
        super().__init__({str(i): layer for i, layer in enumerate(layers)})
        self.fuse = bool(fuse)
        self._replan()

    def _replan(self) -> None:
        self._plan: list[tuple[str, ...]] = []
        names, start = list(self.children), 0
        while start < len(names):
            size = self._fusable(names[start:]) if self.fuse else 1
            self._plan.append(tuple(names[start : start + size]))
            start += size

    def _fusable(self, names: list[str]) -> int:
        """Return how many of the first layers run as one step."""
        for pattern in ((_PRODUCT, _NORM, (ReLU,)), (_NORM, (ReLU,))):
            run = names[: len(pattern)]
            fits = len(run) == len(pattern) and not any(name in self._watchers for name in run)
            # Exactly these types: a subclass may compute something else.
            if fits and all(type(self.children[n]) in kinds for n, kinds in zip(run, pattern, strict=True)):
                return len(pattern)
        return 1

    def plan(self) -> list[str]:
        """Return the steps as they run, the layers of a fused one joined by ``+``."""
        return [" + ".join(f"{n} {type(self.children[n]).__name__}" for n in step) for step in self._plan]

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map the first layer's input to the last layer's output."""
        caches = []
        for step in self._plan:
            if len(step) == 1:
                name = step[0]
                x, cache = self._forward_child(name, x, train, None if key is None else key.fold(int(name)))
            else:
                x, cache = self._forward_fused(step, x, train)
            caches.append((step, cache))
        return x, caches

    def _forward_fused(self, step: tuple[str, ...], x: Array, train: bool) -> tuple[Array, Any]:
        *before, norm, _ = (self.children[name] for name in step)
        product = None
        if before:
            x, product = before[0].forward(x, train=train)
        assert isinstance(norm, _NORM)
        y, normalised = norm.forward(x, train=train, activation="relu")
        return y, (product, normalised)

    def backward(
        self, dy: Array, cache: Any, grads: Grads | None = None, *, need_dx: bool = True
    ) -> Array | None:
        """Return dx, or None without ``need_dx``: then nothing runs below the first trainable layer."""
        first = 0
        if not need_dx:
            needed = (any(self._needs_gradient(name) for name in step) for step, _ in cache)
            first = next((i for i, need in enumerate(needed) if need), len(cache))
        dx: Array | None = dy
        for i in reversed(range(first, len(cache))):
            step, kept = cache[i]
            assert dx is not None
            wanted = need_dx or i > first
            if len(step) == 1:
                dx = self._backward_child(step[0], dx, kept, grads, wanted)
            else:
                dx = self._backward_fused(step, dx, kept, grads, wanted)
        return dx if need_dx else None

    def _backward_fused(
        self, step: tuple[str, ...], dy: Array, cache: Any, grads: Grads | None, need_dx: bool
    ) -> Array | None:
        product, normalised = cache
        *before, norm, _ = step
        dx = self._backward_child(norm, dy, normalised, grads)
        if not before:
            return dx
        assert dx is not None
        return self._backward_child(before[0], dx, product, grads, need_dx)

    def walk(self, x: Array, path: str = "") -> Generator[Visit, None, Array]:
        for name in self.children:
            x = yield from self._walk_child(name, x, path)
        return x

    def __len__(self) -> int:
        return len(self.children)

    def __getitem__(self, index: int) -> Layer:
        return list(self.children.values())[index]

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(repr, self.children.values()))})"


class _ResidualCache(NamedTuple):
    body: Any
    shortcut: Any
    relu: Any


class Residual(Container):
    """Add the input, or a projection of it, to a body's output: ``y = body(x) + shortcut(x)``.

    Args:
        body: layer.
        shortcut: layer whose output has the body's shape; None for the identity.
        activation: None, or ``"relu"`` after the addition.

    Example:
        >>> block = Residual(Linear(4, 4), activation="relu")
        >>> block(np.ones((2, 4), np.float32)).shape
        (2, 4)

    Reference:
        He et al., Deep residual learning for image recognition, 2015, https://arxiv.org/abs/1512.03385
    """

    def __init__(
        self, body: Any, shortcut: Any | None = None, activation: Literal["relu"] | None = None
    ) -> None:
        super().__init__({"body": body} | ({} if shortcut is None else {"shortcut": shortcut}))
        if activation is not None:
            choice("Residual", "activation", activation, ("relu",))
        self.activation = activation

    def _join(self, body: Array, shortcut: Array) -> tuple[Array, Any]:
        if body.shape != shortcut.shape:
            raise ValueError(
                f"[Residual] shortcut: expected the body's shape {body.shape}, got {shortcut.shape}"
            )
        y = np.add(body, shortcut)
        return F.relu_forward(y) if self.activation == "relu" else (y, None)

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map x to the body's output plus the shortcut's."""
        keys = {name: None if key is None else key.fold(name) for name in self.children}
        body, body_cache = self._forward_child("body", x, train, keys["body"])
        shortcut, shortcut_cache = x, None
        if "shortcut" in self.children:
            shortcut, shortcut_cache = self._forward_child("shortcut", x, train, keys["shortcut"])
        y, relu_cache = self._join(body, shortcut)
        return y, _ResidualCache(body_cache, shortcut_cache, relu_cache)

    def backward(
        self, dy: Array, cache: Any, grads: Grads | None = None, *, need_dx: bool = True
    ) -> Array | None:
        """Return dx, the sum over both paths, or None without ``need_dx``."""
        if self.activation == "relu":
            dy = F.relu_backward(dy, cache.relu)
        dx = self._backward_child("body", dy, cache.body, grads, need_dx)
        other: Array | None = dy
        if "shortcut" in self.children:
            other = self._backward_child("shortcut", dy, cache.shortcut, grads, need_dx)
        if not need_dx:
            return None
        assert dx is not None
        assert other is not None
        return np.add(dx, other)

    def walk(self, x: Array, path: str = "") -> Generator[Visit, None, Array]:
        body = yield from self._walk_child("body", x, path)
        shortcut = (yield from self._walk_child("shortcut", x, path)) if "shortcut" in self.children else x
        return self._join(body, shortcut)[0]

    def __repr__(self) -> str:
        return f"Residual({', '.join(map(repr, self.children.values()))}, activation={self.activation!r})"
