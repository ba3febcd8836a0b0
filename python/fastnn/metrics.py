"""Figures of merit of scores against targets."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ._arguments import integer
from .losses import MSE, BinaryCrossEntropy, check_labels

Array: TypeAlias = npt.NDArray[Any]


def _scores_and_labels(op: str, scores: Any, y: Any, ignore_index: int | None = None) -> tuple[Array, Array]:
    """Return scores and integer labels of the examples that count; of probabilities the greatest is right."""
    scores, labels = np.asarray(scores), np.asarray(y)
    if labels.shape == scores.shape and labels.ndim == 2 and labels.dtype.kind == "f":
        labels = labels.argmax(axis=1)
    labels = check_labels(op, scores, labels, ignore_index)
    if ignore_index is not None:
        counted = labels != ignore_index
        scores, labels = scores[counted], labels[counted]
    if len(labels) == 0:
        raise ValueError(f"[{op}] y: expected at least one example, got none")
    return scores, labels


def accuracy(scores: Any, y: Any, ignore_index: int | None = None) -> float:
    """Return the share of examples whose greatest score is the right class's; of equal ones the first.

    Args:
        scores: (N, C), N at least 1.
        y: (N,) integer labels, or (N, C) probabilities, of which the greatest marks the right class.
        ignore_index: a label whose examples do not count.

    Example:
        >>> accuracy([[0.1, 0.9], [0.8, 0.2]], [1, 1])
        0.5
    """
    return top_k_accuracy(scores, y, k=1, ignore_index=ignore_index)


def top_k_accuracy(scores: Any, y: Any, k: int = 5, ignore_index: int | None = None) -> float:
    """Return the share of examples whose right class is among the ``k`` greatest scores.

    Among equal scores the class of lower number comes first. A score that is NaN is never right. Targets and
    ``ignore_index`` are those of `accuracy`.

    Raises:
        ValueError: no examples, labels that do not fit the scores, or ``k`` below 1.

    Example:
        >>> top_k_accuracy([[0.1, 0.5, 0.4], [0.6, 0.3, 0.1]], [2, 2], k=2)
        0.5
    """
    scores, labels = _scores_and_labels("top_k_accuracy", scores, y, ignore_index)
    k = integer("top_k_accuracy", "k", k)
    right = scores[np.arange(len(labels)), labels][:, None]
    before = np.arange(scores.shape[1]) < labels[:, None]
    rank = (~(scores <= right) | ((scores == right) & before)).sum(axis=1)
    return float(np.mean(rank < k))


def confusion_matrix(scores: Any, y: Any) -> Array:
    """Return (C, C) counts: row the right class, column the class of the greatest score.

    Raises:
        ValueError: labels that do not fit the scores, or no examples.

    Example:
        >>> confusion_matrix([[0.1, 0.9], [0.8, 0.2]], [1, 1]).tolist()
        [[0, 0], [1, 1]]
    """
    scores, labels = _scores_and_labels("confusion_matrix", scores, y)
    counts = np.zeros((scores.shape[1],) * 2, np.int64)
    np.add.at(counts, (labels, scores.argmax(axis=1)), 1)
    return counts


def binary_accuracy(scores: Any, y: Any) -> float:
    """Return the share of yes-or-no answers that are right: a positive score means yes.

    Args:
        scores: (N, ...) before the sigmoid, N at least 1.
        y: 0 or 1, shape of ``scores``, or (N,) for scores (N, 1).

    Raises:
        ValueError: shapes that differ, or no examples.

    Example:
        >>> binary_accuracy([[2.0], [-1.0]], [1, 1])
        0.5
    """
    scores = np.asarray(scores, np.float64)
    targets = BinaryCrossEntropy().check(scores, y)
    if scores.size == 0:
        raise ValueError("[binary_accuracy] y: expected at least one example, got none")
    return float(np.mean((scores > 0) == (targets > 0.5)))


def mean_squared_error(scores: Any, y: Any) -> float:
    """Return the mean over all elements of ``(scores - y)^2``.

    Example:
        >>> mean_squared_error([[1.0], [3.0]], [1.0, 1.0])
        2.0
    """
    return MSE()(np.asarray(scores, np.float64), y)[0]


def mean_absolute_error(scores: Any, y: Any) -> float:
    """Return the mean over all elements of ``|scores - y|``.

    Example:
        >>> mean_absolute_error([[1.0], [3.0]], [1.0, 1.0])
        1.0
    """
    scores = np.asarray(scores, np.float64)
    return float(np.abs(scores - MSE().check(scores, y)).mean())


def r2(scores: Any, y: Any) -> float:
    """Return the share of variance explained, ``1 - sum (s - y)^2 / sum (y - mean(y))^2``.

    Raises:
        ValueError: shapes that differ, or equal targets.

    Example:
        >>> r2([[1.0], [3.0]], [1.0, 3.0]), r2([[2.0], [2.0]], [1.0, 3.0])
        (1.0, 0.0)
    """
    scores = np.asarray(scores, np.float64)
    targets = MSE().check(scores, y)
    total = float(np.square(targets - targets.mean(axis=0)).sum())
    if not total > 0:
        raise ValueError("[r2] y: expected targets that differ, got equal ones")
    return 1 - float(np.square(scores - targets).sum()) / total
