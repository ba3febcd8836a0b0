"""Optimizer steps, in place and in one pass."""

from __future__ import annotations

import math
from functools import lru_cache

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
    beta1, beta2 = _betas(op, betas)
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


def adagrad_update(
    param: Array,
    grad: Array,
    total: Array,
    *,
    lr: float,
    eps: float = 1e-10,
    weight_decay: float = 0.0,
) -> None:
    """Take one step of AdaGrad, writing into ``param`` and ``total``.

    ``g = grad + weight_decay param``, ``total += g^2``, ``param -= lr g / (sqrt(total) + eps)``

    The sum is of squared gradients, and ``eps`` stands outside the root.

    Args:
        param: any shape, C-contiguous, updated in place.
        grad: param's shape and dtype, only read.
        total: sum of squared gradients, of param's shape and dtype, C-contiguous, updated in place.
        lr: learning rate, finite, not negative, as the numbers below.
        eps: added to the root.
        weight_decay: L2 coefficient.

    Raises:
        ValueError: shapes, dtypes or numbers do not fit; an array to write is read-only, not contiguous or
            overlaps another.
        TypeError: an argument is not an array.

    Example:
        >>> import numpy as np
        >>> w, total = np.array([1.0]), np.array([9.0])
        >>> adagrad_update(w, np.array([4.0]), total, lr=0.5)
        >>> w.round(6).tolist(), total.tolist()
        ([0.6], [25.0])

    Reference:
        Duchi et al., Adaptive subgradient methods for online learning and stochastic optimization, 2011,
        https://jmlr.org/papers/v12/duchi11a.html
    """
    op = "adagrad_update"
    rates = (number(op, "lr", lr), number(op, "eps", eps), number(op, "weight_decay", weight_decay))
    _core.adagrad_update(param, grad, total, *rates)


def rmsprop_update(
    param: Array,
    grad: Array,
    square: Array,
    mean: Array | None,
    velocity: Array | None,
    *,
    lr: float,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
) -> None:
    """Take one step of RMSProp, writing into ``param`` and the state.

    ``g = grad + weight_decay param``, ``square = alpha square + (1 - alpha) g^2``,
    ``velocity = momentum velocity + g / (sqrt(square) + eps)``, ``param -= lr velocity``

    With a ``mean`` (centered) ``mean = alpha mean + (1 - alpha) g``, and the root is of
    ``max(square - mean^2, 0)``, the gradient's variance. Without a velocity the step is the scaled gradient.
    ``eps`` stands outside the root.

    Args:
        param: any shape, C-contiguous, updated in place.
        grad: param's shape and dtype, only read.
        square: average of squared gradients, of param's shape and dtype, C-contiguous, updated in place.
        mean: average gradient, likewise; None unless centered.
        velocity: likewise; may be None if ``momentum`` is 0.
        lr: learning rate, finite, not negative, as the numbers below.
        alpha: memory of the averages, at most 1.
        eps: added to the root.
        weight_decay: L2 coefficient.
        momentum: share of the velocity that survives a step.

    Raises:
        ValueError: shapes, dtypes or numbers do not fit; an array to write is read-only, not contiguous or
            overlaps another.
        TypeError: an argument is not an array.

    Example:
        >>> import numpy as np
        >>> w, square = np.array([1.0]), np.array([0.0])
        >>> rmsprop_update(w, np.array([4.0]), square, None, None, lr=0.5, alpha=0.75)
        >>> w.round(6).tolist(), square.tolist()
        ([0.0], [4.0])

    Reference:
        Tieleman and Hinton, Lecture 6.5, 2012,
        https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf; Graves, Generating sequences
        with recurrent neural networks, 2013, https://arxiv.org/abs/1308.0850 (centered)
    """
    op = "rmsprop_update"
    _core.rmsprop_update(
        param,
        grad,
        square,
        mean,
        velocity,
        number(op, "lr", lr),
        number(op, "alpha", alpha, high=1.0),
        number(op, "eps", eps),
        number(op, "weight_decay", weight_decay),
        number(op, "momentum", momentum),
    )


def adadelta_update(
    param: Array,
    grad: Array,
    square: Array,
    change: Array,
    *,
    lr: float = 1.0,
    rho: float = 0.9,
    eps: float = 1e-6,
    weight_decay: float = 0.0,
) -> None:
    """Take one step of Adadelta, writing into ``param``, ``square`` and ``change``.

    ``g = grad + weight_decay param``, ``square = rho square + (1 - rho) g^2``,
    ``delta = sqrt((change + eps) / (square + eps)) g``, ``change = rho change + (1 - rho) delta^2``,
    ``param -= lr delta``

    ``eps`` stands inside the roots, and sets the size of the first steps.

    Args:
        param: any shape, C-contiguous, updated in place.
        grad: param's shape and dtype, only read.
        square: average of squared gradients, of param's shape and dtype, C-contiguous, updated in place.
        change: average of squared steps, likewise.
        lr: factor of every step, finite, not negative, as the numbers below.
        rho: memory of the averages, at most 1.
        eps: added under the roots.
        weight_decay: L2 coefficient.

    Raises:
        ValueError: shapes, dtypes or numbers do not fit; an array to write is read-only, not contiguous or
            overlaps another.
        TypeError: an argument is not an array.

    Example:
        >>> import numpy as np
        >>> w, square, change = np.array([1.0]), np.array([0.0]), np.array([1.0])
        >>> adadelta_update(w, np.array([2.0]), square, change, rho=0.75, eps=0.0)
        >>> w.tolist(), square.tolist(), change.tolist()
        ([-1.0], [1.0], [1.75])

    Reference:
        Zeiler, Adadelta: an adaptive learning rate method, 2012, https://arxiv.org/abs/1212.5701
    """
    op = "adadelta_update"
    _core.adadelta_update(
        param,
        grad,
        square,
        change,
        number(op, "lr", lr),
        number(op, "rho", rho, high=1.0),
        number(op, "eps", eps),
        number(op, "weight_decay", weight_decay),
    )


def nadam_update(
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
    momentum_decay: float = 4e-3,
    decoupled: bool = False,
) -> None:
    """Take one step of NAdam, Adam with Nesterov's momentum, writing into ``param``, ``m`` and ``v``.

    ``mu_t = b1 (1 - 0.96^(t momentum_decay) / 2)``, ``m = b1 m + (1 - b1) g``, ``v = b2 v + (1 - b2) g^2``,
    ``param -= lr ((1 - mu_t) g / (1 - mu_1...mu_t) + mu_{t+1} m / (1 - mu_1...mu_{t+1}))
    / (sqrt(v / (1 - b2^t)) + eps)`` at step t

    Weight decay adds ``weight_decay param`` to g, or with ``decoupled`` first shrinks the parameter:
    ``param *= 1 - lr weight_decay``. ``eps`` stands outside the root.

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
        momentum_decay: how fast the momentum rises to b1.
        decoupled: whether decay bypasses the moments.

    Raises:
        ValueError: shapes, dtypes or numbers do not fit; an array to write is read-only, not contiguous or
            overlaps another.
        TypeError: an argument is not an array.

    Example:
        >>> import numpy as np
        >>> w, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
        >>> nadam_update(w, np.array([3.0]), m, v, step=1, lr=0.1)
        >>> round(w.item(), 4)
        0.8944

    Reference:
        Dozat, Incorporating Nesterov momentum into Adam, 2016, https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ
    """
    op = "nadam_update"
    beta1, beta2 = _betas(op, betas)
    step, lr = integer(op, "step", step), number(op, "lr", lr)
    decay = number(op, "momentum_decay", momentum_decay)
    mu, mu_next = (_nadam_momentum(beta1, decay, t) for t in (step, step + 1))
    product = _nadam_momentum_product(beta1, decay, step)
    _core.nadam_update(
        param,
        grad,
        m,
        v,
        lr,
        lr * (1 - mu) / (1 - product),
        lr * mu_next / (1 - product * mu_next),
        1 / math.sqrt(1 - beta2**step),
        beta1,
        beta2,
        number(op, "eps", eps),
        number(op, "weight_decay", weight_decay),
        bool(decoupled),
    )


def _nadam_momentum(beta1: float, decay: float, step: int) -> float:
    return float(beta1 * (1 - 0.5 * 0.96 ** (step * decay)))


@lru_cache(maxsize=8)
def _nadam_products(beta1: float, decay: float) -> list[float]:
    """Products of the momenta of the first 0, 1, ... steps: a table that its reader lengthens."""
    return [1.0]


def _nadam_momentum_product(beta1: float, decay: float, step: int) -> float:
    products = _nadam_products(beta1, decay)
    for t in range(len(products), step + 1):
        products.append(products[-1] * _nadam_momentum(beta1, decay, t))
    return products[step]


def _betas(op: str, betas: tuple[float, float]) -> tuple[float, float]:
    """Return the memory of two moments, each below 1."""
    if not isinstance(betas, tuple | list) or len(betas) != 2:
        raise ValueError(f"[{op}] betas: expected two numbers, got {betas!r}")
    beta1, beta2 = (number(op, "betas", beta, high=1.0, below=True) for beta in betas)
    return beta1, beta2
