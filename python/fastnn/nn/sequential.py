"""Layers one after the other, and the runs of them that have a faster common form."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np

from .. import functional as F
from ..keys import Key
from .activation import ReLU
from .container import Container, Link, Visit, WatchedCache, locate
from .conv import Conv1d, Conv2d, ConvTranspose2d
from .layer import Array, Grads, Layer
from .linear import Linear
from .norm import BatchNorm1d, BatchNorm2d
from .pool import MaxPool2d

_PRODUCTS = (Conv2d, Linear)
_NORMS = (BatchNorm1d, BatchNorm2d)
# Layers whose backward allocates the dx that it returns, and writes over gradients that are blank.
MAKERS = (*_PRODUCTS, *_NORMS, Conv1d, ConvTranspose2d)


class Run(NamedTuple):
    """Neighbouring layers that run as one step, by name and in this order; those that it lacks are None.

    The ``reader`` is the convolution of the next run where that is all that reads this one's norm: it may
    apply the norm itself, while it reads what stands before it.

    Max pooling joins where ReLU follows a product: the gradient is masked after pooling, where it is small.
    That gives the same bits, since the greatest value of a window is positive if the pooled one is.
    """

    product: str | None
    norm: str | None
    relu: str | None
    pool: str | None
    reader: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in self[:4] if name is not None)

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


class _RunCache:
    """Caches of a run's layers; ``y`` is kept where ReLU follows a product, as its sign is the mask."""

    __slots__ = ("norm", "pool", "product", "y")

    def __init__(self, product: Any, norm: Any, pool: Any, y: Array | None) -> None:
        self.product, self.norm, self.pool, self.y = product, norm, pool, y


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

    can_skip_dx = True

    def __init__(self, *layers: Any, fuse: bool = True) -> None:
        super().__init__({str(i): layer for i, layer in enumerate(layers)})
        self._fuse = bool(fuse)
        self._replan()

    @property
    def fuse(self) -> bool:
        """Whether runs are looked for."""
        return self._fuse

    def _replan(self) -> None:
        # Children whose backward pass goes on from that of the layer behind them.
        parts = self.children.items()
        self._chained = {name for name, part in parts if isinstance(part, Container) and part.chained}
        self._plan: list[str | Run] = []
        left = list(self.children.items())
        while left:
            watched = next((i for i, (name, _) in enumerate(left) if name in self._watchers), len(left))
            run = Run.first(left[:watched]) if self.fuse else None
            self._plan.append(left[0][0] if run is None else run)
            del left[: 1 if run is None else len(run.names)]
        for i, (step, after) in enumerate(zip(self._plan, self._plan[1:], strict=False)):
            if not (isinstance(step, Run) and isinstance(after, Run) and step.norm and after.product):
                continue
            if type(self.children[after.product]) is Conv2d:
                self._plan[i] = step._replace(reader=after.product)
        # The step that adds a residual, and cuts negative values off after it, by itself.
        last = self._plan[-1] if self._plan else None
        self._joining = last if isinstance(last, Run) and last.norm and not last.relu else None

    def plan(self) -> list[str]:
        """Return the steps as they run, the layers of a fused one joined by ``+``."""
        steps = [step.names if isinstance(step, Run) else (step,) for step in self._plan]
        return [" + ".join(f"{n} {type(self.children[n]).__name__}" for n in names) for names in steps]

    @property
    def makes_dx(self) -> bool:
        """Whether the dx of backward is a new array, rather than perhaps the ``dy`` that was given."""
        return any(type(layer) in MAKERS for layer in list(self.children.values())[:1])

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map the first layer's input to the last layer's output."""
        y, cache, _ = self.forward_joined(x, None, train=train, key=key)
        return y, cache

    def forward_joined(
        self,
        x: Array,
        residual: Array | None,
        *,
        train: bool = False,
        key: Key | None = None,
        activation: Literal["relu"] | None = None,
    ) -> tuple[Array, Any, bool]:
        """Like `forward`, where the last step adds the residual, and applies the activation, if it can.

        The third result tells whether it did. It does not where the shapes differ: who adds refuses.
        """
        cache: Any = None
        caches = []
        deferred: Any = None
        for step in self._plan:
            if not isinstance(step, Run):
                x, cache = self._forward_child(step, x, train, key)
            elif step is self._joining:
                x, cache, _ = self._forward_run(step, x, train, deferred, residual, activation)
            else:
                x, cache, deferred = self._forward_run(step, x, train, deferred)
            caches.append((step, cache))
        joined = self._joining is not None and cache.norm.residual is not None
        return x, caches, joined

    def _forward_run(
        self,
        run: Run,
        x: Array,
        train: bool,
        input_norm: Any,
        residual: Array | None = None,
        activation: Literal["relu"] | None = None,
    ) -> tuple[Array, _RunCache, Any]:
        """Return output and cache, and that of the norm if it is left to the reader: its ``input_norm``."""
        product: Any = None
        statistics: Array | None = None
        norm: Any = None if run.norm is None else self.children[run.norm]
        if run.relu is not None:
            activation = "relu"
        at = run.product
        try:
            if run.product is not None:
                forward: Any = self.children[run.product].forward_fused  # type: ignore[attr-defined]
                if input_norm is not None:
                    forward = partial(forward, input_norm=input_norm)
                x, product, statistics = forward(
                    x,
                    activation=activation if norm is None else None,
                    statistics=norm is not None and train and norm.trainable,
                )
            if norm is None:
                at = run.pool
                y, pool = (x, None) if at is None else self.children[at].forward(x, train=train)
                return y, _RunCache(product, None, pool, y), None
            at = run.reader
            reader: Any = None if at is None else self.children[at]
            deferred = reader is not None and x.ndim == 4 and reader.takes_input_norm(x)
            at = run.norm
            if residual is not None and residual.shape != x.shape:
                residual = activation = None  # who gave it finds that it was not added, and refuses
            y, normalised = norm.forward(
                x,
                train=train,
                activation=activation,
                statistics=statistics,
                residual=residual,
                deferred=deferred,
            )
            return y, _RunCache(product, normalised, None, None), normalised if deferred else None
        except (TypeError, ValueError) as error:
            locate(error, at or run.names[0])
            raise

    def backward(
        self, dy: Array, cache: Any, grads: Grads | None = None, *, need_dx: bool = True
    ) -> Array | None:
        """Return dx, or None without ``need_dx``: then nothing runs below the first trainable layer."""
        return self.backward_chained(dy, cache, grads, Link(need_dx))[0]

    @property
    def chained(self) -> bool:
        return type(self) is Sequential and self.fuse

    def backward_chained(
        self, dy: Array, cache: Any, grads: Grads | None, link: Link
    ) -> tuple[Array | None, Array | None]:
        dx, _, sums = self.backward_joined(dy, cache, grads, link, None)
        return dx, sums

    def last_norm(self, cache: Any) -> Any:
        return self._norm_after(*cache[-1]) if self.chained and cache else None

    def _norm_after(self, step: str | Run, cache: Any) -> Any:
        """Return the cache of the batch norm that wrote a step's output, None if another layer did."""
        if isinstance(step, Run):
            return cache.norm
        if step not in self._chained or isinstance(cache, WatchedCache):
            return None
        child: Any = self.children[step]
        return child.last_norm(cache)

    def backward_joined(
        self,
        dy: Array,
        cache: Any,
        grads: Grads | None,
        link: Link,
        residual: Literal["input", "other"] | None,
    ) -> tuple[Array | None, Array | None, Array | None]:
        """Like `backward_chained`; the second result is the gradient of what `forward_joined` added.

        Where that was the ``"input"`` itself, its gradient is part of dx.
        """
        need_dx, sums, norm, spend = link
        last = len(cache) - 1
        first = 0
        if not need_dx:
            needed = (i for i, (step, _) in enumerate(cache) if self._step_needs_gradient(step))
            first = next(needed, last + 1)
        dx: Array | None = dy
        dresidual: Array | None = None
        to_add: Array | None = None
        # The last step tells what the residual gets, even if nothing in here needs a gradient.
        for i in reversed(range(first if residual is None else min(first, last), last + 1)):
            step, kept = cache.pop() if spend else cache[i]
            assert dx is not None
            wanted = need_dx or i > first
            # The cache tells whether forward was watched: a watcher may have come or gone since.
            if not isinstance(step, Run) and (step not in self._chained or isinstance(kept, WatchedCache)):
                dx, sums = self._backward_child(step, dx, kept, grads, wanted), None
                continue
            adding: Array | None = None
            if i == 0 and isinstance(step, Run) and self._adds_to_dx(step):
                adding, to_add = to_add, None
            # A norm is told to whoever makes the whole gradient of its output.
            whole = to_add is None and not (i == last and residual == "input")
            before = self._norm_after(*cache[i - 1]) if i > first else norm if i == 0 and whole else None
            here = Link(wanted, sums, before, spend)
            if not isinstance(step, Run):
                child: Any = self.children[step]
                dx, sums = child.backward_chained(dx, kept, self._scope(step, grads), here)
                continue
            dx, through, sums = self._backward_run(step, dx, kept, grads, here, adding)
            if i == last and residual is not None:
                dresidual = through
                to_add = through if residual == "input" and need_dx else None
        if dx is not None and to_add is not None:
            dx = np.add(dx, to_add)
        return dx if need_dx else None, dresidual, sums

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
        link: Link,
        to_add: Array | None,
    ) -> tuple[Array | None, Array | None, Array | None]:
        """Return dx with what is ``to_add`` to it, the gradient of the norm's residual, and dx's sums."""
        need_dx, sums, norm_before, spend = link
        dx: Array | None = dy
        dresidual: Array | None = None
        product: Any = None if run.product is None else self.children[run.product]
        convolves = type(product) is Conv2d
        scope = self._scope(run.product, grads) if convolves and run.product else None
        if run.norm is None:
            assert cache.y is not None
            dx = F.relu_backward(dy, F.ReluCache(cache.y))
            if run.pool is not None:
                dx = self.children[run.pool].backward(dx, cache.pool)
        else:
            norm: Any = self.children[run.norm]
            norm_scope = self._scope(run.norm, grads)
            if convolves and sums is not None and cache.norm.residual is None:
                convolution = partial(
                    product.backward_fused,
                    dy,
                    cache.product,
                    scope,
                    need_dx=need_dx,
                    residual=to_add,
                    norm=norm_before,
                )
                dx, sums = norm.backward_behind(cache.norm, norm_scope, sums, convolution)
                return dx, None, sums
            dx, dresidual = norm.backward_fused(dy, cache.norm, norm_scope, sums=sums)
            if spend:
                cache.norm = None  # before the convolution allocates its dx
        sums = None
        assert dx is not None
        if convolves:
            dx, sums = product.backward_fused(
                dx, cache.product, scope, need_dx=need_dx, residual=to_add, norm=norm_before
            )
        elif run.product is not None:
            dx = self._backward_child(run.product, dx, cache.product, grads, need_dx)
        return dx, dresidual, sums

    def walk(self, x: Array, path: str = "") -> Generator[Visit, None, Array]:
        for name in self.children:
            x = yield from self._walk_child(name, x, path)
        return x

    def __len__(self) -> int:
        return len(self.children)

    def __getitem__(self, index: int) -> Layer:
        return list(self.children.values())[index]
