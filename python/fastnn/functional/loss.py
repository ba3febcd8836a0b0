"""Losses of scores against labels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn import _core
from fastnn._arguments import number
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
    """What :func:`softmax_cross_entropy_backward` needs: probabilities (N, C), and the targets' arguments."""

    probs: Array
    labels: Labels | Array
    weights: Array | None
    class_weights: Array | None
    label_smoothing: float
    ignore_index: int | None


def softmax_cross_entropy_forward(
    scores: Array,
    labels: Labels | Array,
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
        The value, and the cache for :func:`softmax_cross_entropy_backward`.

    Raises:
        ValueError: shapes or dtypes do not fit, there is no example, a label is out of range, a weight is
            negative or not finite, no row counts, ``ignore_index`` comes with probabilities.
        TypeError: an argument is not an array.

    Example:
        >>> import numpy as np
        >>> value, cache = softmax_cross_entropy_forward(np.zeros((1, 4)), np.array([2]))
        >>> round(value, 6)
        1.386294

    Reference:
        Szegedy et al., Rethinking the inception architecture, 2016, https://arxiv.org/abs/1512.00567 (label
        smoothing); Zhang et al., mixup, 2018, https://arxiv.org/abs/1710.09412
    """
    smoothing = number("softmax_cross_entropy_forward", "label_smoothing", label_smoothing, high=1.0)
    targets = (labels, weights, class_weights, smoothing, ignore_index)
    value, probs = _core.softmax_cross_entropy_forward(scores, *targets)
    return value, SoftmaxCrossEntropyCache(probs, *targets)


def softmax_cross_entropy_backward(dvalue: float, cache: SoftmaxCrossEntropyCache) -> Array:
    """Propagate a gradient through the loss.

    ``dscores[n,c] = dvalue * w_n / total * (softmax(s[n])[c] * sum_k q[n,k] - q[n,c])``; for a bare label
    that is ``dvalue * w_n / total * (softmax(s[n]) - onehot(labels[n]))``.

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
    return _core.softmax_cross_entropy_backward(dvalue, *cache)


def _softmax_cross_entropy(
    scores: Array,
    labels: Labels | Array,
    weights: Array | None = None,
    class_weights: Array | None = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
) -> tuple[float, Array]:
    """Return value and ``dscores`` of the loss, forward and backward in one call."""
    return _core.softmax_cross_entropy(scores, labels, weights, class_weights, label_smoothing, ignore_index)


class HingeCache(NamedTuple):
    """What :func:`hinge_backward` needs: the arguments of the forward call."""

    scores: Array
    labels: Labels
    weights: Array | None
    margin: float


def hinge_forward(
    scores: Array, labels: Labels, *, weights: Array | None = None, margin: float = 1.0
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
        The value, and the cache for :func:`hinge_backward`.

    Raises:
        ValueError: shapes or dtypes do not fit, there is no example, a label is out of range, a weight is
            negative or not finite, the weights sum to zero.
        TypeError: an argument is not an array.

    Example:
        >>> import numpy as np
        >>> value, cache = hinge_forward(np.array([[3.0, 1.0, 2.5]]), np.array([0]))
        >>> value
        0.5

    Reference:
        Weston and Watkins, Support vector machines for multi-class pattern recognition, 1999,
        https://www.esann.org/sites/default/files/proceedings/legacy/es1999-461.pdf
    """
    margin = number("hinge_forward", "margin", margin, above=True)
    cache = HingeCache(scores, labels, weights, margin)
    return _core.hinge_forward(*cache), cache


def hinge_backward(dvalue: float, cache: HingeCache) -> Array:
    """Propagate a gradient through the loss; at a margin that is met exactly it is 0.

    ``dscores[n,c] = dvalue * w_n / sum(w) * [s[n,c] - s[n,y_n] + margin > 0]`` for ``c != y_n``, and
    ``dscores[n,y_n]`` minus the sum of the row's others.

    Args:
        dvalue: gradient of the whole loss with respect to the value, usually 1.
        cache: from :func:`hinge_forward`.

    Returns:
        ``dscores`` ``(N, C)``.

    Raises:
        ValueError: the cache is not one of the forward call.

    Example:
        >>> import numpy as np
        >>> value, cache = hinge_forward(np.array([[3.0, 1.0, 2.5]]), np.array([0]))
        >>> hinge_backward(1.0, cache).tolist()
        [[-1.0, 0.0, 1.0]]
    """
    return _core.hinge_backward(dvalue, *cache)
