"""Matrix product and the fully connected layer."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn import _core
from fastnn.functional._args import Array, relu_flag


def gemm(
    a: Array,
    b: Array,
    *,
    bias: Array | None = None,
    residual: Array | None = None,
    activation: Literal["relu"] | None = None,
    out: Array | None = None,
) -> Array:
    """Multiply two matrices, and finish the result while it is in registers.

    ``C = act(A @ B + bias + residual)``

    Args:
        a: ``(m, k)``, any strides: a transpose is the view ``a.T``.
        b: ``(k, n)``, any strides.
        bias: ``(n,)``, added to every row.
        residual: ``(m, n)``, added.
        activation: ``"relu"`` or None.
        out: ``(m, n)``, C-contiguous, where to write the result; must not overlap an input.

    Returns:
        ``(m, n)``, the dtype of the inputs; ``out`` if given.

    Raises:
        ValueError: shapes, dtypes or memory do not fit.
        TypeError: an argument is not an array.

    Example:
        >>> import numpy as np
        >>> a = np.array([[1.0, 2.0]])
        >>> gemm(a, np.eye(2), bias=np.array([10.0, -10.0]), activation="relu")
        array([[11.,  0.]])

    Reference:
        Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008,
        https://doi.org/10.1145/1356052.1356053
    """
    relu = activation is not None and relu_flag("gemm", activation)
    return _core.gemm(a, b, bias, residual, relu, out)


class LinearCache(NamedTuple):
    """What :func:`linear_backward` needs."""

    x: Array
    w: Array
    has_bias: bool


def linear_forward(x: Array, w: Array, b: Array | None = None) -> tuple[Array, LinearCache]:
    """Apply a fully connected layer.

    ``y = x w^T + b``

    Args:
        x: ``(N, in)``.
        w: ``(out, in)``; the course writes its transpose.
        b: ``(out,)`` or None.

    Returns:
        ``y`` of shape ``(N, out)``, and the cache for :func:`linear_backward`.

    Raises:
        ValueError: shapes or dtypes do not fit.

    Example:
        >>> import numpy as np
        >>> y, _ = linear_forward(np.ones((2, 3)), np.ones((4, 3)), np.zeros(4))
        >>> y.shape, float(y[0, 0])
        ((2, 4), 3.0)
    """
    y, _ = _core.linear_forward(x, w, b)
    return y, LinearCache(x, w, b is not None)


def linear_backward(
    dy: Array, cache: LinearCache, *, need_dx: bool = True, need_dw: bool = True
) -> tuple[Array | None, Array | None, Array | None]:
    """Gradients of a fully connected layer.

    ``dx = dy w``,  ``dw = dy^T x``,  ``db = sum over rows of dy``

    Args:
        dy: ``(N, out)``, gradient of the loss by ``y``.
        cache: from :func:`linear_forward`.
        need_dx: whether ``dx`` is wanted; the first layer of a net has no use for it.
        need_dw: whether ``dw`` and ``db`` are wanted; a layer that is frozen has no use for them.

    Returns:
        ``dx`` ``(N, in)``, ``dw`` ``(out, in)``, ``db`` ``(out,)``; None for what is not wanted, and for
        ``db`` without bias. All overwrite: whoever accumulates adds them up.

    Raises:
        ValueError: ``dy`` does not fit the forward call.

    Example:
        >>> import numpy as np
        >>> y, cache = linear_forward(np.ones((1, 3)), np.ones((2, 3)))
        >>> dx, dw, db = linear_backward(np.array([[1.0, 2.0]]), cache)
        >>> dx.tolist(), dw.tolist(), db
        ([[3.0, 3.0, 3.0]], [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]], None)
    """
    return _linear_backward(dy, cache, need_dx=need_dx, need_dw=need_dw)


def _linear_forward(
    x: Array,
    w: Array,
    b: Array | None,
    *,
    activation: Literal["relu"] | None = None,
    statistics: bool = False,
) -> tuple[Array, LinearCache, NDArray[np.float64] | None]:
    """Like `linear_forward`, for fused runs of layers.

    The third result is, where ``statistics`` asks for it, mean and biased variance of every column of y,
    (2, out), taken while y was in registers.
    """
    y, taken = _core.linear_forward(x, w, b, activation == "relu", statistics)
    return y, LinearCache(x, w, b is not None), taken


def _linear_backward(
    dy: Array,
    cache: LinearCache,
    *,
    need_dx: bool = True,
    need_dw: bool = True,
    dw: Array | None = None,
    db: Array | None = None,
) -> tuple[Array | None, Array | None, Array | None]:
    """Like `linear_backward`; ``dw`` and ``db`` are where to write the gradients of those names."""
    x, w, has_bias = cache
    return _core.linear_backward(dy, x, w, has_bias, need_dx, need_dw, dw, db)
