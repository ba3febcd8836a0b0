"""Losses of scores against labels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn import _core
from fastnn.functional._args import Array

Labels = NDArray[np.integer[Any]]


def softmax(x: Array) -> Array:
    """Turn rows of scores into probabilities.

    ``y[n,c] = exp(x[n,c]) / sum_c exp(x[n,c])``

    The greatest score of a row is subtracted first, so that no exponential overflows.

    Args:
        x: ``(N, C)``.

    Returns:
        ``(N, C)``; every row sums to 1.

    Raises:
        ValueError: the shape or dtype does not fit.
        TypeError: ``x`` is not an array.

    Example:
        >>> import numpy as np
        >>> softmax(np.array([[1000.0, 1000.0]])).tolist()
        [[0.5, 0.5]]
    """
    return _core.softmax(x)


class SoftmaxCrossEntropyCache(NamedTuple):
    """What :func:`softmax_cross_entropy_backward` needs: probabilities (N, C), labels and example weights."""

    probs: Array
    labels: Labels
    weights: Array | None


def softmax_cross_entropy_forward(
    scores: Array, labels: Labels, *, weights: Array | None = None
) -> tuple[float, SoftmaxCrossEntropyCache]:
    """Return the mean negative log-probability that softmax gives to the right classes.

    ``l_n = log(sum_c exp(s[n,c])) - s[n, labels[n]]``, ``value = sum_n w_n l_n / sum_n w_n``

    The greatest score of a row is subtracted first, so that no exponential overflows; the mean is taken in
    double precision.

    Args:
        scores: ``(N, C)``, N at least 1.
        labels: ``(N,)``, integers in 0 ... C-1 of any width.
        weights: ``(N,)``, the dtype of ``scores``, not negative, not all zero; None means ones.

    Returns:
        The value, and the cache for :func:`softmax_cross_entropy_backward`.

    Raises:
        ValueError: shapes or dtypes do not fit, there is no example, a label is out of range, a weight is
            negative or not finite, the weights sum to zero.
        TypeError: an argument is not an array.

    Example:
        >>> import numpy as np
        >>> value, cache = softmax_cross_entropy_forward(np.zeros((1, 4)), np.array([2]))
        >>> round(value, 6)
        1.386294
    """
    value, probs = _core.softmax_cross_entropy_forward(scores, labels, weights)
    return value, SoftmaxCrossEntropyCache(probs, labels, weights)


def softmax_cross_entropy_backward(dvalue: float, cache: SoftmaxCrossEntropyCache) -> Array:
    """Propagate a gradient through the loss.

    ``dscores[n] = dvalue * w_n / sum(w) * (softmax(s[n]) - onehot(labels[n]))``

    Args:
        dvalue: gradient of the whole loss with respect to the value, usually 1.
        cache: from :func:`softmax_cross_entropy_forward`.

    Returns:
        ``dscores`` ``(N, C)``.

    Raises:
        ValueError: the cache is not one of the forward call.

    Example:
        >>> import numpy as np
        >>> value, cache = softmax_cross_entropy_forward(np.zeros((1, 2)), np.array([1]))
        >>> softmax_cross_entropy_backward(1.0, cache).tolist()
        [[0.5, -0.5]]
    """
    return _core.softmax_cross_entropy_backward(dvalue, cache.probs, cache.labels, cache.weights)


def _softmax_cross_entropy(
    scores: Array, labels: Labels, weights: Array | None = None
) -> tuple[float, Array]:
    """Return value and ``dscores`` of the loss, forward and backward in one call."""
    return _core.softmax_cross_entropy(scores, labels, weights)
