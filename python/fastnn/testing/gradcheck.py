"""Gradients by central differences: the judge of every backward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]


def numerical_gradient(f: Callable[[Array], Any], x: Array, df: Any = 1.0, h: float = 1e-5) -> Array:
    """Differentiate ``sum(f(x) * df)`` with respect to x, one element at a time.

    ``dx[i] = sum((f(x + h e_i) - f(x - h e_i)) * df) / (2 h)``

    The results are subtracted before they are summed, so that large sums do not drown the difference. With
    values of order 1 the error is about ``h^2`` from the third derivative and ``1e-16 / h`` from rounding.

    Args:
        f: takes an array of x's shape, returns an array or a number.
        x: float64, any shape; changed during the call, and restored.
        df: gradient of the loss with respect to f's result, of its shape.
        h: step.

    Returns:
        Array of x's shape.

    Raises:
        ValueError: if x is not float64; in float32 the difference is mostly rounding.

    Example:
        >>> numerical_gradient(np.square, np.array([1.0, 3.0])).round(6).tolist()
        [2.0, 6.0]
    """
    if x.dtype != np.float64:
        raise ValueError(f"[numerical_gradient] x: expected dtype float64, got {x.dtype}")
    dx = np.zeros(x.shape)
    for i in np.ndindex(*x.shape):
        value = x[i]
        x[i] = value + h
        above = np.array(f(x))  # copied: f may return x itself, or an array it keeps
        x[i] = value - h
        below = np.array(f(x))
        x[i] = value
        dx[i] = np.sum((above - below) * df) / (2 * h)
    return dx


def relative_error(actual: Array, expected: Array) -> float:
    """Compare two arrays by their greatest difference over their greatest magnitude.

    ``max |a - e| / max(|a|, |e|)``, the maxima taken over the whole arrays: an element that is nearly zero by
    cancellation is judged beside its neighbours and not by itself. Two arrays of zeros have error 0.

    Args:
        actual: any shape.
        expected: of the same shape.

    Returns:
        The error; NaN if an array holds one.

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> relative_error(np.array([1.0, 2.0]), np.array([1.0, 1.0]))
        0.5
    """
    if actual.shape != expected.shape:
        raise ValueError(f"[relative_error] actual: expected shape {expected.shape}, got {actual.shape}")
    if actual.size == 0:
        return 0.0
    scale = max(np.abs(actual).max(), np.abs(expected).max())
    return float(np.abs(actual - expected).max() / scale) if scale != 0 else 0.0


def check_op(
    forward: Callable[..., tuple[Any, Any]],
    backward: Callable[[Any, Any], Any],
    inputs: Mapping[str, Array],
    *,
    dy: Any = None,
    h: float = 1e-5,
) -> dict[str, float]:
    """Compare the backward pass of an operation with central differences of its forward pass.

    Keep inputs away from kinks: further than ``h`` from the 0 of a ReLU, or from a tie of a maximum.

    Args:
        forward: called as ``forward(**inputs)``; returns ``(y, cache)``.
        backward: called as ``backward(dy, cache)``; returns one gradient for each input, in order: an
            array, a tuple, or None in the place of an input that has no gradient.
        inputs: float64 arrays by argument name; changed during the call, and restored.
        dy: gradient of the loss with respect to y, of its shape; by default drawn from a fixed seed.
        h: step of the differences.

    Returns:
        The `relative_error` of each gradient, by input name; 1e-6 or less for a right one.

    Example:
        >>> def forward(x, w):
        ...     return x @ w, (x, w)
        >>> def backward(dy, cache):
        ...     x, w = cache
        ...     return dy @ w.T, x.T @ dy
        >>> errors = check_op(forward, backward, {"x": np.ones((2, 3)), "w": np.eye(3)})
        >>> max(errors.values()) < 1e-9
        True
    """
    y, cache = forward(**inputs)
    if dy is None:
        drawn = np.random.default_rng(0).normal(size=np.shape(y))
        dy = drawn if np.ndim(y) else float(drawn)
    gradients = backward(dy, cache)
    if not isinstance(gradients, tuple):
        gradients = (gradients,)
    return {
        name: relative_error(gradient, numerical_gradient(lambda _: forward(**inputs)[0], x, dy, h))
        for (name, x), gradient in zip(inputs.items(), gradients, strict=True)
        if gradient is not None
    }
