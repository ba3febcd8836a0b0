"""Matrix product with its epilogue, and the fully connected layer."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from fastnn.reference._geometry import Array, require


def gemm(
    a: Array,
    b: Array,
    *,
    bias: Array | None = None,
    residual: Array | None = None,
    activation: Literal["relu"] | None = None,
    out: Array | None = None,
) -> Array:
    """Multiply two matrices and finish the result in place.

    ``y = activation(a b + bias + residual)``

    Args:
        a: (m, k).
        b: (k, n).
        bias: (n,), added to every row.
        residual: (m, n), added to the product.
        activation: None or ``"relu"``, applied last.
        out: (m, n), receives the result; it may not share memory with an input.

    Returns:
        (m, n); ``out`` itself where it was given.

    Raises:
        ValueError: if shapes do not fit.

    Example:
        >>> gemm(np.eye(2), np.array([[1.0, -2.0], [3.0, 4.0]]), activation="relu").tolist()
        [[1.0, 0.0], [3.0, 4.0]]
    """
    require(b.shape[0] == a.shape[1], "gemm", "b", f"shape ({a.shape[1]}, n) for k={a.shape[1]}", b.shape)
    require(activation in (None, "relu"), "gemm", "activation", 'None or "relu"', repr(activation))
    y: Array = a @ b
    if bias is not None:
        y = y + bias
    if residual is not None:
        y = y + residual
    if activation == "relu":
        y = np.maximum(y, 0)
    if out is None:
        return y
    out[...] = y
    return out


class LinearCache(NamedTuple):
    """What `linear_backward` needs: the two factors, and whether there was a bias."""

    x: Array
    w: Array
    has_bias: bool


def linear_forward(x: Array, w: Array, b: Array | None = None) -> tuple[Array, LinearCache]:
    """Apply a fully connected layer.

    ``y = x w^T + b``

    Args:
        x: (N, in).
        w: (out, in), PyTorch's order.
        b: (out,) or None.

    Returns:
        y of shape (N, out), and the cache for `linear_backward`.

    Raises:
        ValueError: if shapes do not fit.

    Example:
        >>> y, cache = linear_forward(np.ones((1, 3)), np.ones((2, 3)), np.array([0.0, 1.0]))
        >>> y.tolist()
        [[3.0, 4.0]]
    """
    features = x.shape[1]
    expected = f"shape (out, {features}) for in={features}"
    require(w.shape[1] == features, "linear_forward", "w", expected, w.shape)
    return gemm(x, w.T, bias=b), LinearCache(x, w, b is not None)


def linear_backward(
    dy: Array, cache: LinearCache, *, need_dx: bool = True, need_dw: bool = True
) -> tuple[Array | None, Array | None, Array | None]:
    """Propagate a gradient through a fully connected layer.

    ``dx = dy w``, ``dw = dy^T x``, ``db = sum_n dy``

    Args:
        dy: (N, out), gradient of the loss with respect to y.
        cache: from `linear_forward`.
        need_dx: False skips dx, which the first layer of a net has no use for.
        need_dw: False skips dw and db, which a frozen layer has no use for.

    Returns:
        dx (N, in), dw (out, in) and db (out,); None for what is skipped, and for db without bias.

    Example:
        >>> y, cache = linear_forward(np.ones((1, 3)), np.ones((2, 3)))
        >>> dx, dw, db = linear_backward(np.ones((1, 2)), cache)
        >>> dw.shape, db
        ((2, 3), None)
    """
    x, w, has_bias = cache
    dx = dy @ w if need_dx else None
    db = dy.sum(axis=0) if has_bias and need_dw else None
    return dx, dy.T @ x if need_dw else None, db
