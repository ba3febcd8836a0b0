"""Layers side by side, whose outputs are added or laid next to each other."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Literal, NamedTuple

import numpy as np

from .. import functional as F
from .._arguments import choice
from ..keys import Key
from .container import Container, Link, Visit, locate
from .layer import Array, Grads
from .sequential import Sequential


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

    Raises:
        ValueError: an unknown ``activation``.

    Example:
        >>> from fastnn import nn
        >>> block = Residual(nn.Linear(4, 4), activation="relu")
        >>> block(np.ones((2, 4), np.float32)).shape
        (2, 4)

    Reference:
        He et al., Deep residual learning for image recognition, 2015, https://arxiv.org/abs/1512.03385
    """

    can_skip_dx = True

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
        """Map x to the body's output plus the shortcut's.

        Raises:
            ValueError: their shapes differ.
        """
        shortcut, shortcut_cache = x, None
        if "shortcut" in self.children:
            shortcut, shortcut_cache = self._forward_child("shortcut", x, train, key)
        body = self.children["body"]
        joined, relu_cache = False, None
        if type(body) is Sequential and "body" not in self._watchers:
            own = self._key_of("body", key)
            try:
                y, body_cache, joined = body.forward_joined(
                    x, shortcut, train=train, key=own, activation=self.activation
                )
            except (TypeError, ValueError) as error:
                locate(error, "body")
                raise
        else:
            y, body_cache = self._forward_child("body", x, train, key)
        if not joined:
            y, relu_cache = self._join(y, shortcut)
        return y, _ResidualCache(body_cache, shortcut_cache, relu_cache, joined)

    def backward(
        self, dy: Array, cache: Any, grads: Grads | None = None, *, need_dx: bool = True
    ) -> Array | None:
        """Return dx, the sum over both paths, or None without ``need_dx``."""
        return self.backward_chained(dy, cache, grads, Link(need_dx))[0]

    @property
    def chained(self) -> bool:
        return type(self) is Residual

    def last_norm(self, cache: Any) -> Any:
        body: Any = self.children["body"]
        return body.last_norm(cache.body) if cache.joined else None

    def backward_chained(
        self, dy: Array, cache: Any, grads: Grads | None, link: Link
    ) -> tuple[Array | None, Array | None]:
        body: Any = self.children["body"]
        need_dx = link.need_dx
        identity = "shortcut" not in self.children
        dx: Array | None
        other: Array | None
        if cache.joined:
            scope = self._scope("body", grads)
            if identity:
                dx, _, sums = body.backward_joined(dy, cache.body, scope, link, "input")
                return dx, sums
            # Its dx is half of a gradient: no norm is told of it.
            inside = Link(need_dx, link.sums, None, link.spend)
            dx, other, _ = body.backward_joined(dy, cache.body, scope, inside, "other")
        else:
            other = F.relu_backward(dy, cache.relu) if self.activation == "relu" else dy
            dx = self._backward_child("body", other, cache.body, grads, need_dx)
        if not identity:
            assert other is not None
            other = self._backward_child("shortcut", other, cache.shortcut, grads, need_dx)
        if not need_dx:
            return None, None
        assert dx is not None
        assert other is not None
        return np.add(dx, other, out=dx if type(body) is Sequential and body.makes_dx else None), None

    def walk(self, x: Array, path: str = "") -> Generator[Visit, None, Array]:
        body = yield from self._walk_child("body", x, path)
        shortcut = (yield from self._walk_child("shortcut", x, path)) if "shortcut" in self.children else x
        return self._join(body, shortcut)[0]

    def _arguments(self) -> list[str]:
        return [*super()._arguments(), f"activation={self.activation!r}"]


class _Branches(Container):
    """Layers that all read the same input, named ``"0"``, ``"1"``, ... as in `Sequential`."""

    can_skip_dx = True

    def __init__(self, *branches: Any) -> None:
        if not branches:
            raise ValueError(f"[{type(self).__name__}] branches: expected at least one, got none")
        super().__init__({str(i): branch for i, branch in enumerate(branches)})

    @staticmethod
    def join(outputs: list[Array]) -> Array:
        """Return what the branches' outputs make together.

        Raises:
            ValueError: their shapes do not fit.
        """
        raise NotImplementedError

    def _split(self, dy: Array, cache: Any) -> list[Array]:
        """Return the gradient of every output."""
        raise NotImplementedError

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map the input of all branches to their outputs, joined."""
        outputs, caches = [], []
        for name in self.children:
            y, cache = self._forward_child(name, x, train, key)
            outputs.append(y)
            caches.append(cache)
        return self.join(outputs), (caches, [y.shape[1] for y in outputs])

    def backward(
        self, dy: Array, cache: Any, grads: Grads | None = None, *, need_dx: bool = True
    ) -> Array | None:
        """Return dx, the sum over all branches, or None without ``need_dx``."""
        caches, widths = cache
        total: Array | None = None
        owned = False
        for name, kept, part in zip(self.children, caches, self._split(dy, widths), strict=True):
            if not (need_dx or self._needs_gradient(name)):
                continue
            dx = self._backward_child(name, part, kept, grads, need_dx)
            if not need_dx:
                continue
            assert dx is not None
            if total is None:
                total = dx
            else:
                total = np.add(total, dx, out=total if owned else None)
                owned = True
        return total

    def walk(self, x: Array, path: str = "") -> Generator[Visit, None, Array]:
        outputs = []
        for name in self.children:
            outputs.append((yield from self._walk_child(name, x, path)))
        return self.join(outputs)

    def __len__(self) -> int:
        return len(self.children)


class Parallel(_Branches):
    """Add the outputs of layers that read the same input: ``y = sum_i branch_i(x)``.

    An empty `Sequential` is the identity. One body and its shortcut run faster as `Residual`.

    Args:
        *branches: layers whose outputs have one shape.

    Raises:
        ValueError: without branches, and in forward where their shapes differ.

    Example:
        >>> from fastnn import nn
        >>> net = Parallel(nn.ReLU(), nn.Sequential())
        >>> net(np.array([[-1.0, 2.0]])).tolist()
        [[-1.0, 4.0]]

    Reference:
        Xie et al., Aggregated residual transformations for deep neural networks, 2017,
        https://arxiv.org/abs/1611.05431
    """

    @staticmethod
    def join(outputs: list[Array]) -> Array:
        for i, y in enumerate(outputs):
            if y.shape != outputs[0].shape:
                raise ValueError(
                    f"[Parallel] branch {i}: expected the first's shape {outputs[0].shape}, got {y.shape}"
                )
        if len(outputs) == 1:
            return outputs[0]
        total = np.add(outputs[0], outputs[1])
        for y in outputs[2:]:
            total += y
        return total

    def _split(self, dy: Array, cache: Any) -> list[Array]:
        return [dy] * len(self.children)


class Concat(_Branches):
    """Lay the outputs of layers that read the same input side by side along axis 1, channels or features.

    Args:
        *branches: layers whose outputs agree in all other axes; an empty `Sequential` hands on the input.

    Raises:
        ValueError: without branches, and in forward where their shapes do not fit.

    Example:
        >>> from fastnn import nn
        >>> net = Concat(nn.ReLU(), nn.Sequential())
        >>> net(np.array([[-1.0, 2.0]])).tolist()
        [[0.0, 2.0, -1.0, 2.0]]

    Reference:
        Szegedy et al., Going deeper with convolutions, 2014, https://arxiv.org/abs/1409.4842
    """

    @staticmethod
    def join(outputs: list[Array]) -> Array:
        first = outputs[0].shape
        for i, y in enumerate(outputs):
            if (y.shape[:1], y.shape[2:]) != (first[:1], first[2:]):
                wanted = ", ".join(map(str, (first[0], "C", *first[2:])))
                raise ValueError(f"[Concat] branch {i}: expected shape ({wanted}), got {y.shape}")
        return np.concatenate(outputs, axis=1)

    def _split(self, dy: Array, cache: Any) -> list[Array]:
        return np.split(dy, np.cumsum(cache)[:-1], axis=1)


# Containers that run every part once in forward and once in backward.
CONTAINERS = (Sequential, Residual, Parallel, Concat)
