"""Losses of scores against labels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastnn.reference._geometry import Array, require


def softmax(x: Array) -> Array:
    """Turn rows of scores into probabilities.

    ``y[n,c] = exp(x[n,c]) / sum_c exp(x[n,c])``

    The greatest score of a row is subtracted first, so that no exponential overflows.

    Args:
        x: (N, C).

    Returns:
        (N, C); every row sums to 1.

    Example:
        >>> softmax(np.array([[1000.0, 1000.0]])).tolist()
        [[0.5, 0.5]]
    """
    e = np.exp(x - x.max(axis=1, keepdims=True))
    y: Array = e / e.sum(axis=1, keepdims=True)
    return y


class SoftmaxCrossEntropyCache(NamedTuple):
    """What the backward pass needs: log-probabilities and q (N, C), and each row's share of the mean (N,)."""

    log_probs: Array
    q: Array
    shares: Array


def softmax_cross_entropy_forward(
    scores: Array,
    labels: Array,
    *,
    weights: Array | None = None,
    class_weights: Array | None = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
) -> tuple[float, SoftmaxCrossEntropyCache]:
    """Return the mean negative log-probability that softmax gives to the targets.

    ``q[n,c] = class_weights[c] * ((1 - label_smoothing) * t[n,c] + label_smoothing / C)``,
    ``l_n = sum_c q[n,c] (log(sum_k exp(s[n,k])) - s[n,c])``, ``value = sum_n w_n l_n / total``,
    where t is one-hot of the labels, or the labels themselves where those are probabilities. Integer labels
    divide by ``total = sum_n w_n class_weights[labels[n]]``, probabilities by ``sum_n w_n``, as in PyTorch.

    The greatest score of a row is subtracted first, so that no exponential overflows; the mean is taken in
    double precision.

    Args:
        scores: ``(N, C)``, N at least 1.
        labels: ``(N,)``, integers in 0 ... C-1 of any width; or ``(N, C)``, the dtype of ``scores``: a
            probability for every class, as mixup makes them.
        weights: ``(N,)``, the dtype of ``scores``, not negative, not all zero; None means ones.
        class_weights: ``(C,)``, likewise; None means ones.
        label_smoothing: share of every target that is spread evenly over the classes, 0 to 1.
        ignore_index: an integer label whose rows count for nothing: no loss, no gradient, no share in the
            mean. None means that every row counts.

    Returns:
        The value, and the cache for `softmax_cross_entropy_backward`.

    Raises:
        ValueError: shapes or dtypes do not fit, there is no example, a label is out of range, a weight is
            negative or not finite, no row counts, ``ignore_index`` comes with probabilities.
        TypeError: an argument is not an array.

    Example:
        >>> value, cache = softmax_cross_entropy_forward(np.zeros((1, 4)), np.array([2]))
        >>> round(value, 6)
        1.386294

    Reference:
        Szegedy et al., Rethinking the inception architecture, 2016, https://arxiv.org/abs/1512.00567 (label
        smoothing); Zhang et al., mixup, 2018, https://arxiv.org/abs/1710.09412
    """
    op = "softmax_cross_entropy_forward"
    n, c = scores.shape
    require(n >= 1, op, "scores", "shape (N, C) with N >= 1", scores.shape)
    w = _example_weights(op, weights, n)
    per_class = np.ones(c, scores.dtype) if class_weights is None else class_weights
    if labels.ndim == 2:
        require(ignore_index is None, op, "ignore_index", "None with probabilities", ignore_index)
        targets, total = labels, w.sum()
    else:
        counts = np.ones(n, bool) if ignore_index is None else labels != ignore_index
        labels = np.where(counts, labels, 0)
        in_range = labels.min() >= 0 and labels.max() < c
        require(in_range, op, "labels", f"integers in 0 ... {c - 1}", f"{labels.min()} ... {labels.max()}")
        w = np.where(counts, w, 0)
        targets, total = np.eye(c, dtype=scores.dtype)[labels], (w * per_class[labels]).sum()
        require(total > 0, op, "labels", "a positive total weight", total)
    q = per_class * ((1 - label_smoothing) * targets + label_smoothing / c)
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    # A class without a share stays out: 0 times minus infinity is no loss of a bare label.
    terms = q * log_probs if labels.ndim == 2 or label_smoothing else np.where(q > 0, q * log_probs, 0)
    losses = np.where(w > 0, -terms.sum(axis=1, dtype=np.float64), 0)
    return float(np.dot(losses, w) / total), SoftmaxCrossEntropyCache(log_probs, q, w / total)


def softmax_cross_entropy_backward(dvalue: float, cache: SoftmaxCrossEntropyCache) -> Array:
    """Propagate a gradient through the loss.

    ``dscores[n,c] = dvalue * w_n / total * (softmax(s[n])[c] * sum_k q[n,k] - q[n,c])``; for a bare label
    that is ``dvalue * w_n / total * (softmax(s[n]) - onehot(labels[n]))``.

    Args:
        dvalue: gradient of the whole loss with respect to the value, usually 1.
        cache: from `softmax_cross_entropy_forward`.

    Returns:
        ``dscores`` ``(N, C)``.

    Raises:
        ValueError: the cache is not one of the forward call.

    Example:
        >>> value, cache = softmax_cross_entropy_forward(np.zeros((1, 2)), np.array([1]))
        >>> softmax_cross_entropy_backward(1.0, cache).tolist()
        [[0.5, -0.5]]
    """
    log_probs, q, shares = cache
    dscores: Array = np.exp(log_probs) * q.sum(axis=1, keepdims=True) - q
    dscores *= (dvalue * shares).astype(dscores.dtype)[:, None]
    return dscores


class HingeCache(NamedTuple):
    """What the backward pass needs: the margins (N, C), the right class's left out; labels; shares."""

    margins: Array
    labels: Array
    shares: Array


def hinge_forward(
    scores: Array, labels: Array, *, weights: Array | None = None, margin: float = 1.0
) -> tuple[float, HingeCache]:
    """Return the multiclass support-vector loss: every wrong class should lose to the right one by a margin.

    ``l_n = sum_{c != y_n} max(0, s[n,c] - s[n,y_n] + margin)``, ``value = sum_n w_n l_n / sum_n w_n``

    A sum over the wrong classes, as in the course; PyTorch divides it by C.

    Args:
        scores: ``(N, C)``, N at least 1.
        labels: ``(N,)``, integers in 0 ... C-1 of any width.
        weights: ``(N,)``, the dtype of ``scores``, not negative, not all zero; None means ones.
        margin: by which the right score should win, > 0.

    Returns:
        The value, and the cache for `hinge_backward`.

    Raises:
        ValueError: shapes or dtypes do not fit, there is no example, a label is out of range, a weight is
            negative or not finite, the weights sum to zero.
        TypeError: an argument is not an array.

    Example:
        >>> value, cache = hinge_forward(np.array([[3.0, 1.0, 2.5]]), np.array([0]))
        >>> value
        0.5

    Reference:
        Weston and Watkins, Support vector machines for multi-class pattern recognition, 1999,
        https://www.esann.org/sites/default/files/proceedings/legacy/es1999-461.pdf
    """
    op = "hinge_forward"
    n, c = scores.shape
    require(n >= 1, op, "scores", "shape (N, C) with N >= 1", scores.shape)
    in_range = labels.min() >= 0 and labels.max() < c
    require(in_range, op, "labels", f"integers in 0 ... {c - 1}", f"{labels.min()} ... {labels.max()}")
    w = _example_weights(op, weights, n)
    rows = np.arange(n)
    margins = np.maximum(0, scores - scores[rows, labels][:, None] + scores.dtype.type(margin))
    margins[rows, labels] = 0
    value = float(np.average(margins.sum(axis=1, dtype=np.float64), weights=w))
    return value, HingeCache(margins, labels, w / w.sum())


def hinge_backward(dvalue: float, cache: HingeCache) -> Array:
    """Propagate a gradient through the loss; at a margin that is met exactly it is 0.

    ``dscores[n,c] = dvalue * w_n / sum(w) * [s[n,c] - s[n,y_n] + margin > 0]`` for ``c != y_n``, and
    ``dscores[n,y_n]`` minus the sum of the row's others.

    Args:
        dvalue: gradient of the whole loss with respect to the value, usually 1.
        cache: from `hinge_forward`.

    Returns:
        ``dscores`` ``(N, C)``.

    Raises:
        ValueError: the cache is not one of the forward call.

    Example:
        >>> value, cache = hinge_forward(np.array([[3.0, 1.0, 2.5]]), np.array([0]))
        >>> hinge_backward(1.0, cache).tolist()
        [[-1.0, 0.0, 1.0]]
    """
    margins, labels, shares = cache
    dscores: Array = (margins > 0).astype(margins.dtype)
    dscores[np.arange(len(labels)), labels] = -dscores.sum(axis=1)
    dscores *= (dvalue * shares).astype(dscores.dtype)[:, None]
    return dscores


def _example_weights(op: str, weights: Array | None, n: int) -> Array:
    """Return the weights of n examples in float64, ones where there are none."""
    if weights is None:
        return np.ones(n)
    require(weights.sum() > 0, op, "weights", "a positive sum", weights.sum())
    return weights.astype(np.float64)
