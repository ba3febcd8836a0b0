"""Optimizer steps, in place and in one pass."""

from __future__ import annotations

from fastnn import _core
from fastnn._arguments import integer, number
from fastnn.functional._args import Array


def sgd_update(
    param: Array,
    grad: Array,
    velocity: Array | None,
    *,
    lr: float,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
) -> None:
    """Take one step of gradient descent, writing into ``param`` and ``velocity``.

    ``g = grad + weight_decay param``, ``v = momentum v + g``,
    ``param -= lr v``, or with ``nesterov`` ``param -= lr (g + momentum v)``

    The rate multiplies the velocity when it is applied, not when it is gathered: PyTorch's form. Many
    arrays in one buffer give the same bits as one call for each.

    Args:
        param: any shape, C-contiguous, updated in place.
        grad: param's shape and dtype, only read.
        velocity: param's shape and dtype, C-contiguous, updated in place; may be None if ``momentum`` is 0.
        lr: learning rate, finite, not negative, as the numbers below.
        momentum: share of the velocity that survives a step.
        nesterov: whether to look one step ahead.
        weight_decay: L2 coefficient.

    Raises:
        ValueError: shapes, dtypes or numbers do not fit; an array to write is read-only, not contiguous or
            overlaps another; there is momentum but no velocity.
        TypeError: an argument is not an array.

    Example:
        >>> import numpy as np
        >>> w, v = np.array([1.0]), np.array([1.0])
        >>> sgd_update(w, np.array([2.0]), v, lr=0.1, momentum=0.5)
        >>> w.tolist(), v.tolist()
        ([0.75], [2.5])

    Reference:
        Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013,
        https://proceedings.mlr.press/v28/sutskever13.html
    """
    op = "sgd_update"
    _core.sgd_update(
        param,
        grad,
        velocity,
        number(op, "lr", lr),
        number(op, "momentum", momentum),
        bool(nesterov),
        number(op, "weight_decay", weight_decay),
    )


def adam_update(
    param: Array,
    grad: Array,
    m: Array,
    v: Array,
    *,
    step: int,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
) -> None:
    """Take one step of Adam, writing into ``param``, ``m`` and ``v``.

    ``m = b1 m + (1 - b1) g``, ``v = b2 v + (1 - b2) g^2``,
    ``param -= lr * (m / (1 - b1^step)) / (sqrt(v / (1 - b2^step)) + eps)``

    Weight decay adds ``weight_decay param`` to g, or with ``decoupled`` (AdamW) first shrinks the parameter:
    ``param *= 1 - lr weight_decay``. ``eps`` stands outside the root. Many arrays in one buffer give the same
    bits as one call for each.

    Args:
        param: any shape, C-contiguous, updated in place.
        grad: param's shape and dtype, only read.
        m: first moment, of param's shape and dtype, C-contiguous, updated in place.
        v: second moment, likewise.
        step: number of this step, from 1.
        lr: learning rate, finite, not negative, as the numbers below.
        betas: (b1, b2), memory of the two moments, below 1.
        eps: added to the root.
        weight_decay: coefficient.
        decoupled: whether decay bypasses the moments.

    Raises:
        ValueError: shapes, dtypes or numbers do not fit; an array to write is read-only, not contiguous or
            overlaps another.
        TypeError: an argument is not an array.

    Example:
        >>> import numpy as np
        >>> w, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
        >>> adam_update(w, np.array([3.0]), m, v, step=1, lr=0.1)
        >>> round(w.item(), 6)
        0.9

    Reference:
        Kingma and Ba, "Adam: a method for stochastic optimization", 2014, https://arxiv.org/abs/1412.6980;
        Loshchilov and Hutter, "Decoupled weight decay regularization", 2017, https://arxiv.org/abs/1711.05101
    """
    op = "adam_update"
    if not isinstance(betas, tuple | list) or len(betas) != 2:
        raise ValueError(f"[{op}] betas: expected two numbers, got {betas!r}")
    beta1, beta2 = (number(op, "betas", beta, high=1.0, below=True) for beta in betas)
    _core.adam_update(
        param,
        grad,
        m,
        v,
        integer(op, "step", step),
        number(op, "lr", lr),
        beta1,
        beta2,
        number(op, "eps", eps),
        number(op, "weight_decay", weight_decay),
        bool(decoupled),
    )
