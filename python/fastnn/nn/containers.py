"""Layers made of layers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
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
from .pool import MaxPool2d

Watcher: TypeAlias = Callable[[str, Array, Array | None], None]
Visit: TypeAlias = tuple[str, Layer, Array, Array]

_PRODUCTS = (Conv2d, Linear)
_NORMS = (BatchNorm1d, BatchNorm2d)
# Layers whose backward allocates what it returns.
MAKERS = _PRODUCTS + _NORMS


class Run(NamedTuple):
    """Neighbouring layers that run as one step, by name and in this order; those that it lacks are None.

    Max pooling joins where ReLU follows a product: the gradient is masked after pooling, where it is small.
    That gives the same bits, since the greatest value of a window is positive if the pooled one is.
    """

    product: str | None
    norm: str | None
    relu: str | None
    pool: str | None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in self if name is not None)

    @classmethod
    def first(cls, layers: Sequence[tuple[str, Layer]]) -> Run | None:
        """Return the run that the first of these layers begin, if at least two of them make one."""
        found: list[str | None] = []
        rest = list(layers)
        for kinds in (_PRODUCTS, _NORMS, (ReLU,), (MaxPool2d,)):
            # Exactly these types: a subclass may compute something else.
            fits = bool(rest) and type(rest[0][1]) in kinds
            if kinds == (MaxPool2d,):
                fits = fits and [name is not None for name in found] == [True, False, True]
            found.append(rest.pop(0)[0] if fits else None)
        return cls(*found) if len(layers) - len(rest) > 1 else None


class _RunCache(NamedTuple):
    """Caches of a run's layers; ``y`` is kept where ReLU follows a product, as its sign is the mask."""

    product: Any
    norm: Any
    pool: Any
    y: Array | None


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

    A convolution or linear layer, batch norm and ReLU that follow each other run as one step with one opaque
    cache, and so do any two of them, or a product, ReLU and max pooling. The product takes the statistics
    that batch norm needs while it writes its result, the normalised values before ReLU are never written, and
    no mask is stored. Results are those of the unfused run within rounding.

    Args:
        *layers: objects with ``forward`` and ``backward``; one may stand in several places.
        fuse: whether to look for such runs.

    Example:
        >>> net = Sequential(Linear(4, 8), ReLU(), Linear(8, 3))
        >>> net(np.ones((5, 4), np.float32)).shape, len(net), type(net[1]).__name__
        ((5, 3), 3, 'ReLU')
        >>> net.plan()
        ['0 Linear + 1 ReLU', '2 Linear']
    """

    def __init__(self, *layers: Any, fuse: bool = True) -> None:
        super().__init__({str(i): layer for i, layer in enumerate(layers)})
        self.fuse = bool(fuse)
        self._replan()

    def _replan(self) -> None:
        self._plan: list[str | Run] = []
        left = list(self.children.items())
        while left:
            watched = next((i for i, (name, _) in enumerate(left) if name in self._watchers), len(left))
            run = Run.first(left[:watched]) if self.fuse else None
            self._plan.append(left[0][0] if run is None else run)
            del left[: 1 if run is None else len(run.names)]

    def plan(self) -> list[str]:
        """Return the steps as they run, the layers of a fused one joined by ``+``."""
        steps = [step.names if isinstance(step, Run) else (step,) for step in self._plan]
        return [" + ".join(f"{n} {type(self.children[n]).__name__}" for n in names) for names in steps]

    @property
    def takes_residual(self) -> bool:
        """Whether the last step can add a residual, and cut negative values off after it, by itself."""
        last = self._plan[-1] if self._plan else None
        return isinstance(last, Run) and last.norm is not None and last.relu is None

    @property
    def makes_dx(self) -> bool:
        """Whether the dx of backward is a new array, rather than perhaps the ``dy`` that was given."""
        return any(type(layer) in MAKERS for layer in list(self.children.values())[:1])

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map the first layer's input to the last layer's output."""
        return self.forward_fused(x, train=train, key=key)

    def forward_fused(
        self,
        x: Array,
        *,
        train: bool = False,
        key: Key | None = None,
        residual: Array | None = None,
        activation: Literal["relu"] | None = None,
    ) -> tuple[Array, Any]:
        """Like `forward`; if it `takes_residual`, the last step adds one and applies the activation."""
        caches = []
        last = self._plan[-1] if self._plan else None
        for step in self._plan:
            cache: Any
            if not isinstance(step, Run):
                x, cache = self._forward_child(step, x, train, None if key is None else key.fold(int(step)))
            elif step is last:
                x, cache = self._forward_run(step, x, train, residual, activation)
            else:
                x, cache = self._forward_run(step, x, train)
            caches.append((step, cache))
        return x, caches

    def _forward_run(
        self,
        run: Run,
        x: Array,
        train: bool,
        residual: Array | None = None,
        activation: Literal["relu"] | None = None,
    ) -> tuple[Array, _RunCache]:
        product: Any = None
        statistics: Array | None = None
        norm: Any = None if run.norm is None else self.children[run.norm]
        if run.relu is not None:
            activation = "relu"
        if run.product is not None:
            layer: Any = self.children[run.product]
            x, product, statistics = layer.forward_fused(
                x,
                activation=activation if norm is None else None,
                statistics=norm is not None and train and norm.trainable,
            )
        if norm is None:
            pool: Any = None
            if run.pool is not None:
                x, pool = self.children[run.pool].forward(x, train=train)
            return x, _RunCache(product, None, pool, x)
        if residual is not None:
            check_join(x, residual)
        y, normalised = norm.forward(
            x, train=train, activation=activation, statistics=statistics, residual=residual
        )
        return y, _RunCache(product, normalised, None, None)

    def backward(
        self, dy: Array, cache: Any, grads: Grads | None = None, *, need_dx: bool = True
    ) -> Array | None:
        """Return dx, or None without ``need_dx``: then nothing runs below the first trainable layer."""
        return self.backward_fused(dy, cache, grads, need_dx=need_dx)[0]

    def backward_fused(
        self,
        dy: Array,
        cache: Any,
        grads: Grads | None = None,
        *,
        need_dx: bool = True,
        joined: bool = False,
        identity: bool = False,
    ) -> tuple[Array | None, Array | None]:
        """Like `backward`; the second result is the gradient of the residual that was ``joined``.

        If that residual was the input itself, by ``identity``, its gradient is part of dx.
        """
        first = 0
        if not need_dx:
            needed = (i for i, (step, _) in enumerate(cache) if self._step_needs_gradient(step))
            first = next(needed, len(cache))
        last = len(cache) - 1
        lowest = min(first, last) if joined else first
        dx: Array | None = dy
        dresidual: Array | None = None
        to_add: Array | None = None
        for i in reversed(range(lowest, last + 1)):
            step, kept = cache[i]
            assert dx is not None
            wanted = need_dx or i > first
            if not isinstance(step, Run):
                dx = self._backward_child(step, dx, kept, grads, wanted)
                continue
            merges = i == 0 < last and to_add is not None and self._adds_to_dx(step)
            dx, below = self._backward_run(step, dx, kept, grads, wanted, to_add if merges else None)
            if merges:
                to_add = None
            if i == last and joined:
                dresidual = below
                to_add = below if identity and need_dx else None
        if dx is not None and to_add is not None:
            dx = np.add(dx, to_add)
        return dx if need_dx else None, dresidual

    def _adds_to_dx(self, run: Run) -> bool:
        """Return whether a run can add something to its dx on the way out."""
        return run.product is not None and type(self.children[run.product]) is Conv2d

    def _step_needs_gradient(self, step: str | Run) -> bool:
        names = step.names if isinstance(step, Run) else (step,)
        return any(self._needs_gradient(name) for name in names)

    def _backward_run(
        self,
        run: Run,
        dy: Array,
        cache: _RunCache,
        grads: Grads | None,
        need_dx: bool,
        dx_residual: Array | None = None,
    ) -> tuple[Array | None, Array | None]:
        dx: Array | None = dy
        dresidual: Array | None = None
        if run.norm is None:
            assert cache.y is not None
            dx = F.relu_backward(dy, F.ReluCache(cache.y))
            if run.pool is not None:
                dx = self.children[run.pool].backward(dx, cache.pool)
        else:
            norm: Any = self.children[run.norm]
            dx, dresidual = norm.backward_fused(dy, cache.norm, self._scope(run.norm, grads))
        if run.product is not None:
            assert dx is not None
            if dx_residual is None:
                dx = self._backward_child(run.product, dx, cache.product, grads, need_dx)
            else:
                conv: Any = self.children[run.product]
                scope = self._scope(run.product, grads)
                dx = conv.backward_fused(dx, cache.product, scope, residual=dx_residual)
        return dx, dresidual

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


def check_join(body: Array, shortcut: Array) -> None:
    """Refuse to add arrays of two shapes."""
    if body.shape != shortcut.shape:
        raise ValueError(f"[Residual] shortcut: expected the body's shape {body.shape}, got {shortcut.shape}")


class _ResidualCache(NamedTuple):
    body: Any
    shortcut: Any
    relu: Any
    joined: bool


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
        check_join(body, shortcut)
        y = np.add(body, shortcut)
        return F.relu_forward(y) if self.activation == "relu" else (y, None)

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map x to the body's output plus the shortcut's."""
        keys = {name: None if key is None else key.fold(name) for name in self.children}
        shortcut, shortcut_cache = x, None
        if "shortcut" in self.children:
            shortcut, shortcut_cache = self._forward_child("shortcut", x, train, keys["shortcut"])
        body = self.children["body"]
        if type(body) is Sequential and body.takes_residual and "body" not in self._watchers:
            y, body_cache = body.forward_fused(
                x, train=train, key=keys["body"], residual=shortcut, activation=self.activation
            )
            return y, _ResidualCache(body_cache, shortcut_cache, None, True)
        through, body_cache = self._forward_child("body", x, train, keys["body"])
        y, relu_cache = self._join(through, shortcut)
        return y, _ResidualCache(body_cache, shortcut_cache, relu_cache, False)

    def backward(
        self, dy: Array, cache: Any, grads: Grads | None = None, *, need_dx: bool = True
    ) -> Array | None:
        """Return dx, the sum over both paths, or None without ``need_dx``."""
        body: Any = self.children["body"]
        identity = "shortcut" not in self.children
        dx: Array | None
        other: Array | None
        if cache.joined:
            dx, other = body.backward_fused(
                dy,
                cache.body,
                self._scope("body", grads),
                need_dx=need_dx,
                joined=True,
                identity=identity,
            )
            if identity:
                return dx
        else:
            other = F.relu_backward(dy, cache.relu) if self.activation == "relu" else dy
            dx = self._backward_child("body", other, cache.body, grads, need_dx)
        if not identity:
            assert other is not None
            other = self._backward_child("shortcut", other, cache.shortcut, grads, need_dx)
        if not need_dx:
            return None
        assert dx is not None
        assert other is not None
        return np.add(dx, other, out=dx if type(body) is Sequential and body.makes_dx else None)

    def walk(self, x: Array, path: str = "") -> Generator[Visit, None, Array]:
        body = yield from self._walk_child("body", x, path)
        shortcut = (yield from self._walk_child("shortcut", x, path)) if "shortcut" in self.children else x
        return self._join(body, shortcut)[0]

    def __repr__(self) -> str:
        return f"Residual({', '.join(map(repr, self.children.values()))}, activation={self.activation!r})"
