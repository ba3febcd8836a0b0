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
    """What the backward pass needs: log-probabilities (N, C), labels and example weights."""

    log_probs: Array
    labels: Array
    weights: Array | None


def softmax_cross_entropy_forward(
    scores: Array, labels: Array, *, weights: Array | None = None
) -> tuple[float, SoftmaxCrossEntropyCache]:
    """Return the mean negative log-probability that softmax gives to the right classes.

    ``l_n = log(sum_c exp(s[n,c])) - s[n, labels[n]]``, ``value = sum_n w_n l_n / sum_n w_n``

    The greatest score of a row is subtracted first, so that no exponential overflows.

    Args:
        scores: (N, C), N at least 1.
        labels: (N,), integers in 0 ... C-1.
        weights: (N,), not negative, not all zero; None means ones.

    Returns:
        The value, and the cache for `softmax_cross_entropy_backward`.

    Raises:
        ValueError: if there is no example, a label is out of range or the weights sum to zero.

    Example:
        >>> value, cache = softmax_cross_entropy_forward(np.zeros((1, 4)), np.array([2]))
        >>> round(value, 6)
        1.386294
    """
    op = "softmax_cross_entropy_forward"
    n, c = scores.shape
    require(n >= 1, op, "scores", "shape (N, C) with N >= 1", scores.shape)
    in_range = labels.min() >= 0 and labels.max() < c
    require(in_range, op, "labels", f"integers in 0 ... {c - 1}", f"{labels.min()} ... {labels.max()}")
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    losses = -log_probs[np.arange(n), labels]
    if weights is not None:
        require(weights.sum() > 0, op, "weights", "a positive sum", weights.sum())
    value = np.average(losses.astype(np.float64), weights=weights)
    return float(value), SoftmaxCrossEntropyCache(log_probs, labels, weights)


def softmax_cross_entropy_backward(dvalue: float, cache: SoftmaxCrossEntropyCache) -> Array:
    """Propagate a gradient through the loss.

    ``dscores[n] = dvalue * w_n / sum(w) * (softmax(s[n]) - onehot(labels[n]))``

    Args:
        dvalue: gradient of the whole loss with respect to the value, usually 1.
        cache: from `softmax_cross_entropy_forward`.

    Returns:
        dscores (N, C).

    Example:
        >>> value, cache = softmax_cross_entropy_forward(np.zeros((1, 2)), np.array([1]))
        >>> softmax_cross_entropy_backward(1.0, cache).tolist()
        [[0.5, -0.5]]
    """
    log_probs, labels, weights = cache
    n = len(labels)
    w = np.ones(n) if weights is None else weights.astype(np.float64)
    dscores = np.exp(log_probs)
    dscores[np.arange(n), labels] -= 1
    dscores *= (dvalue * w / w.sum()).astype(dscores.dtype)[:, None]
    return dscores
