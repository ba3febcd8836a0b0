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
        param: any shape, updated in place.
        grad: param's shape, only read.
        total: sum of squared gradients, updated in place.
        lr: learning rate, finite, not negative, as the numbers below.
        eps: added to the root.
        weight_decay: L2 coefficient.

    Raises:
        ValueError: a number is out of range.

    Example:
        >>> w, total = np.array([1.0]), np.array([9.0])
        >>> adagrad_update(w, np.array([4.0]), total, lr=0.5)
        >>> w.round(6).tolist(), total.tolist()
        ([0.6], [25.0])

    Reference:
        Duchi et al., Adaptive subgradient methods for online learning and stochastic optimization, 2011,
        https://jmlr.org/papers/v12/duchi11a.html
    """
    g = grad + weight_decay * param if weight_decay else grad
    total += np.square(g)
    param -= lr * g / (np.sqrt(total) + eps)


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
        param: any shape, updated in place.
        grad: param's shape, only read.
        square: average of squared gradients, updated in place.
        mean: average gradient, likewise; None unless centered.
        velocity: likewise; may be None if ``momentum`` is 0.
        lr: learning rate, finite, not negative, as the numbers below.
        alpha: memory of the averages, at most 1.
        eps: added to the root.
        weight_decay: L2 coefficient.
        momentum: share of the velocity that survives a step.

    Raises:
        ValueError: a number is out of range.

    Example:
        >>> w, square = np.array([1.0]), np.array([0.0])
        >>> rmsprop_update(w, np.array([4.0]), square, None, None, lr=0.5, alpha=0.75)
        >>> w.round(6).tolist(), square.tolist()
        ([0.0], [4.0])

    Reference:
        Tieleman and Hinton, Lecture 6.5, 2012,
        https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf; Graves, Generating sequences
        with recurrent neural networks, 2013, https://arxiv.org/abs/1308.0850 (centered)
    """
    has_memory = momentum == 0 or velocity is not None
    require(has_memory, "rmsprop_update", "velocity", "an array, since momentum is not 0", None)
    g = grad + weight_decay * param if weight_decay else grad
    square *= alpha
    square += (1 - alpha) * np.square(g)
    variance = square
    if mean is not None:
        mean *= alpha
        mean += (1 - alpha) * g
        variance = np.maximum(square - np.square(mean), 0)
    scaled = g / (np.sqrt(variance) + eps)
    if velocity is not None:
        velocity *= momentum
        velocity += scaled
    param -= lr * (scaled if velocity is None else velocity)


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
        param: any shape, updated in place.
        grad: param's shape, only read.
        square: average of squared gradients, updated in place.
        change: average of squared steps, likewise.
        lr: factor of every step, finite, not negative, as the numbers below.
        rho: memory of the averages, at most 1.
        eps: added under the roots.
        weight_decay: L2 coefficient.

    Raises:
        ValueError: a number is out of range.

    Example:
        >>> w, square, change = np.array([1.0]), np.array([0.0]), np.array([1.0])
        >>> adadelta_update(w, np.array([2.0]), square, change, rho=0.75, eps=0.0)
        >>> w.tolist(), square.tolist(), change.tolist()
        ([-1.0], [1.0], [1.75])

    Reference:
        Zeiler, Adadelta: an adaptive learning rate method, 2012, https://arxiv.org/abs/1212.5701
    """
    g = grad + weight_decay * param if weight_decay else grad
    square *= rho
    square += (1 - rho) * np.square(g)
    delta = np.sqrt((change + eps) / (square + eps)) * g
    change *= rho
    change += (1 - rho) * np.square(delta)
    param -= lr * delta


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
        param: any shape, updated in place.
        grad: param's shape, only read.
        m: first moment, updated in place.
        v: second moment, likewise.
        step: number of this step, from 1.
        lr: learning rate, finite, not negative, as the numbers below.
        betas: (b1, b2), memory of the two moments, below 1.
        eps: added to the root.
        weight_decay: coefficient.
        momentum_decay: how fast the momentum rises to b1.
        decoupled: whether decay bypasses the moments.

    Raises:
        ValueError: a number is out of range.

    Example:
        >>> w, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
        >>> nadam_update(w, np.array([3.0]), m, v, step=1, lr=0.1)
        >>> round(w.item(), 4)
        0.8944

    Reference:
        Dozat, Incorporating Nesterov momentum into Adam, 2016, https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ
    """
    require(step >= 1, "nadam_update", "step", "an integer >= 1", step)
    b1, b2 = betas
    mus = b1 * (1 - 0.5 * 0.96 ** (momentum_decay * np.arange(1, step + 2)))
    g = grad + weight_decay * param if weight_decay and not decoupled else grad
    if decoupled:
        param *= 1 - lr * weight_decay
    m *= b1
    m += (1 - b1) * g
    v *= b2
    v += (1 - b2) * np.square(g)
    g_hat = float(1 - mus[-2]) * g / float(1 - mus[:-1].prod())
    m_hat = float(mus[-1]) * m / float(1 - mus.prod())
    v_hat = v / (1 - b2**step)
    param -= lr * (g_hat + m_hat) / (np.sqrt(v_hat) + eps)
