"""Pruning: weights that are set to zero and stay there.

Masks say which weights stay. `magnitude_masks` draws them up, `apply_masks` zeroes the others once, and
`Pruned` keeps them at zero while an optimizer trains the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _arguments as check
from .optim import Optimizer

Array = NDArray[Any]
Masks = Mapping[str, NDArray[np.bool_]]


def magnitude_masks(
    params: Mapping[str, Array], amount: float, *, names: str = "*weight", scope: str = "global"
) -> dict[str, NDArray[np.bool_]]:
    """Return masks that leave out the weights of least size.

    Of the chosen arrays' n weights, ``round(amount * n)`` with the smallest ``|w|`` are False, of equal ones
    the first. What is zero already comes first, so a greater amount later on prunes further; PyTorch's amount
    counts the rest alone.

    Args:
        params: name to array, as a model's ``params``.
        amount: share of the weights to leave out, 0 to 1.
        names: pattern of parameter names, as of files: ``"*weight"``, ``"3.*"``. Arrays with fewer than two
            axes, such as biases and batch norm's scales, never take part.
        scope: ``"global"`` compares all chosen weights with each other, ``"layer"`` those of each array.

    Returns:
        Name to boolean array of the parameter's shape, True where the weight stays.

    Raises:
        ValueError: ``amount`` or ``scope`` is out of range, or the pattern fits no weights.

    Example:
        >>> masks = magnitude_masks({"0.weight": np.array([[0.5, -0.1], [0.2, -2.0]])}, 0.5)
        >>> masks["0.weight"].tolist()
        [[True, False], [False, True]]

    Reference:
        Han et al., Learning both weights and connections for efficient neural networks, 2015,
        https://arxiv.org/abs/1506.02626
    """
    amount = check.number("magnitude_masks", "amount", amount, high=1.0)
    check.choice("magnitude_masks", "scope", scope, ("global", "layer"))
    chosen = {n: np.abs(w) for n, w in params.items() if w.ndim >= 2 and fnmatchcase(n, names)}
    if not chosen:
        raise ValueError(f"[magnitude_masks] names: expected a pattern of weights' names, got {names!r}")
    if scope == "layer":
        return {name: _largest(sizes.ravel(), amount).reshape(sizes.shape) for name, sizes in chosen.items()}
    kept = _largest(np.concatenate([sizes.ravel() for sizes in chosen.values()]), amount)
    ends = np.cumsum([sizes.size for sizes in chosen.values()])
    parts = np.split(kept, ends[:-1])
    return {name: part.reshape(chosen[name].shape) for name, part in zip(chosen, parts, strict=True)}


def apply_masks(params: Mapping[str, Array], masks: Masks) -> None:
    """Set the weights that the masks leave out to zero, in place.

    With a model's first weights and the masks of its last ones this draws a lottery ticket.

    Args:
        params: name to array, written in place.
        masks: name to boolean array, as `magnitude_masks` returns them.

    Raises:
        ValueError: a mask has no parameter, or another shape than it.

    Example:
        >>> params = {"w": np.ones((1, 2))}
        >>> apply_masks(params, {"w": np.array([[True, False]])})
        >>> params["w"].tolist()
        [[1.0, 0.0]]

    Reference:
        Frankle and Carbin, The lottery ticket hypothesis, 2019, https://arxiv.org/abs/1803.03635
    """
    for name, mask in masks.items():
        if name not in params:
            raise ValueError(f"[apply_masks] masks: expected those of {', '.join(params)}, got {name!r}")
        shape = params[name].shape
        if shape != np.shape(mask):
            raise ValueError(f"[apply_masks] {name}: expected a mask of shape {shape}, got {np.shape(mask)}")
    for name, mask in masks.items():
        np.copyto(params[name], 0, where=~np.asarray(mask, np.bool_))


class Pruned(Optimizer):
    """An optimizer that keeps pruned weights at zero: after each of its steps the masks are applied again.

    Gradients of pruned weights still flow into momentum and the like, which move nothing. The masks are part
    of the state, so that a run that goes on from a checkpoint goes on pruned.

    Args:
        optimizer: any optimizer of `fastnn.optim`.
        masks: name to boolean array, True where a weight stays.

    Attributes:
        lr: the optimizer's learning rate; a schedule writes it before every step.

    Raises:
        TypeError: ``optimizer`` is none.

    Example:
        >>> from fastnn.optim import SGD
        >>> optimizer = Pruned(SGD(0.5), {"w": np.array([[True, False]])})
        >>> params = {"w": np.array([[1.0, 0.0]])}
        >>> optimizer.step(params, {"w": np.array([[1.0, 1.0]])})
        >>> params["w"].tolist()
        [[0.5, 0.0]]
    """

    def __init__(self, optimizer: Optimizer, masks: Masks) -> None:
        if isinstance(optimizer, type) or not callable(getattr(optimizer, "step", None)):
            raise TypeError(f"[Pruned] optimizer: expected an optimizer, got {type(optimizer).__name__}")
        self.optimizer = optimizer
        self.lr = optimizer.lr
        self.masks = {name: np.array(mask, np.bool_) for name, mask in masks.items()}

    def step(self, params: Mapping[str, Array], grads: Mapping[str, Array]) -> None:
        """Update ``params`` in place, and zero what is pruned."""
        self.optimizer.lr = self.lr
        self.optimizer.step(params, grads)
        apply_masks(params, self.masks)

    def state_dict(self) -> dict[str, Any]:
        """Return the optimizer's state and copies of the masks."""
        self.optimizer.lr = self.lr
        masks = {name: mask.copy() for name, mask in self.masks.items()}
        return {"optimizer": self.optimizer.state_dict(), "masks": masks}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.lr = self.optimizer.lr
        self.masks = {name: np.array(mask, np.bool_) for name, mask in state["masks"].items()}

    def __repr__(self) -> str:
        return f"Pruned({self.optimizer!r}, {len(self.masks)} masks)"


def _largest(sizes: Array, amount: float) -> NDArray[np.bool_]:
    """Return True for all but the ``round(amount * n)`` smallest."""
    kept = np.ones(sizes.size, np.bool_)
    kept[np.argsort(sizes, kind="stable")[: round(amount * sizes.size)]] = False
    return kept
