"""Gradient clipping: bounds on what one step may do."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from fastnn import _arguments as check
from fastnn.optim._base import Array


def clip_grad_norm(grads: Mapping[str, Array], max_norm: float) -> float:
    """Shrink all gradients together, in place, if their joint norm is greater than ``max_norm``.

    ``g *= min(1, max_norm / (norm + 1e-6))`` with ``norm = sqrt(sum g^2)`` over all arrays: the direction of
    the step stays as it is.

    Args:
        grads: name to gradient, written in place.
        max_norm: > 0.

    Returns:
        The norm before clipping.

    Raises:
        ValueError: ``max_norm`` is not a finite number above 0.

    Example:
        >>> grads = {"a": np.array([3.0]), "b": np.array([4.0])}
        >>> clip_grad_norm(grads, 1.0), grads["b"].round(6).item()
        (5.0, 0.8)

    Reference:
        Pascanu et al., On the difficulty of training recurrent neural networks, 2013,
        https://arxiv.org/abs/1211.5063
    """
    max_norm = check.number("clip_grad_norm", "max_norm", max_norm, above=True)
    arrays = _arrays(grads)
    norm = math.sqrt(sum(float(np.square(g, dtype=np.float64).sum()) for g in arrays))
    if not norm + 1e-6 <= max_norm:
        for g in arrays:
            g *= g.dtype.type(max_norm / (norm + 1e-6))
    return norm


def clip_grad_value(grads: Mapping[str, Array], clip_value: float) -> None:
    """Cut every element of the gradients to ``[-clip_value, clip_value]``, in place.

    Args:
        grads: name to gradient, written in place.
        clip_value: > 0.

    Raises:
        ValueError: ``clip_value`` is not a finite number above 0.

    Example:
        >>> grads = {"a": np.array([3.0, -0.5])}
        >>> clip_grad_value(grads, 1.0)
        >>> grads["a"].tolist()
        [1.0, -0.5]
    """
    bound = check.number("clip_grad_value", "clip_value", clip_value, above=True)
    for g in _arrays(grads):
        np.clip(g, -bound, bound, out=g)


def _arrays(grads: Mapping[str, Array]) -> list[Array]:
    """Return the one buffer that holds all gradients, or else each of them."""
    return [grads.flat] if hasattr(grads, "flat") else list(grads.values())
