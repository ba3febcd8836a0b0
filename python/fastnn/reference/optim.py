"""Optimizer steps, in place."""

from __future__ import annotations

import numpy as np

from fastnn.reference._geometry import Array, require


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

    The rate multiplies the velocity when it is applied, not when it is gathered: PyTorch's form.

    Args:
        param: any shape, updated in place.
        grad: param's shape, only read.
        velocity: param's shape, updated in place; may be None if ``momentum`` is 0.
        lr: learning rate.
        momentum: share of the velocity that survives a step.
        nesterov: whether to look one step ahead.
        weight_decay: L2 coefficient.

    Raises:
        ValueError: if there is momentum but no velocity.

    Example:
        >>> w, v = np.array([1.0]), np.array([1.0])
        >>> sgd_update(w, np.array([2.0]), v, lr=0.1, momentum=0.5)
        >>> w.tolist(), v.tolist()
        ([0.75], [2.5])

    Reference:
        Sutskever et al., On the importance of initialization and momentum in deep learning, 2013,
        https://proceedings.mlr.press/v28/sutskever13.html
    """
    has_memory = momentum == 0 or velocity is not None
    require(has_memory, "sgd_update", "velocity", "an array, since momentum is not 0", None)
    g = grad + weight_decay * param if weight_decay else grad
    if velocity is None:
        param -= lr * g
        return
    velocity *= momentum
    velocity += g
    param -= lr * (g + momentum * velocity if nesterov else velocity)


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
    ``param *= 1 - lr weight_decay``. ``eps`` stands outside the root.

    Args:
        param: any shape, updated in place.
        grad: param's shape, only read.
        m: first moment, updated in place.
        v: second moment, updated in place.
        step: number of this step, from 1.
        lr: learning rate.
        betas: (b1, b2), memory of the two moments.
        eps: added to the root.
        weight_decay: coefficient.
        decoupled: whether decay bypasses the moments.

    Raises:
        ValueError: if ``step`` is less than 1.

    Example:
        >>> w, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
        >>> adam_update(w, np.array([3.0]), m, v, step=1, lr=0.1)
        >>> round(w.item(), 6)
        0.9

    Reference:
        Kingma and Ba, Adam, 2014, https://arxiv.org/abs/1412.6980; Loshchilov and Hutter, Decoupled weight
        decay regularization, 2017, https://arxiv.org/abs/1711.05101
    """
    require(step >= 1, "adam_update", "step", "an integer >= 1", step)
    b1, b2 = betas
    g = grad + weight_decay * param if weight_decay and not decoupled else grad
    if decoupled:
        param *= 1 - lr * weight_decay
    m *= b1
    m += (1 - b1) * g
    v *= b2
    v += (1 - b2) * np.square(g)
    m_hat = m / (1 - b1**step)
    v_hat = v / (1 - b2**step)
    param -= lr * m_hat / (np.sqrt(v_hat) + eps)
