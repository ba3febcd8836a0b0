"""Losses: ``value, dscores = loss(scores, y, weights=None)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ._arguments import choice
from .functional.loss import _softmax_cross_entropy

Array: TypeAlias = npt.NDArray[Any]
LossFunction: TypeAlias = Callable[..., tuple[float, Array]]


class Loss:
    """A scalar to minimise and its gradient, both means over the batch.

    Attributes:
        task: ``"classification"``, where targets are integer labels, or ``"regression"``.
        name: what `get` calls it.
    """

    task: Literal["classification", "regression"]
    name: str

    def __call__(self, scores: Array, y: Any, weights: Any = None) -> tuple[float, Array]:
        """Return the loss and its gradient with respect to ``scores``.

        Args:
            scores: (N, ...), N at least 1, floating point.
            y: targets, one an example.
            weights: (N,) importance of each example, not negative; the mean divides by their sum.
        """
        raise NotImplementedError

    def check(self, scores: Array, y: Any) -> Array:
        """Return the targets as an array that fits ``scores``, or raise ``ValueError``."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class SoftmaxCrossEntropy(Loss):
    """Mean over the batch of ``-log p[y]`` with ``p = softmax(scores)``.

    ``value = sum_n w_n (log(sum_c exp(s[n,c])) - s[n,y_n]) / sum_n w_n``, gradient
    ``w_n (p - onehot) / sum(w)``. Before any training it is ``ln C`` for C classes.

    Example:
        >>> import numpy as np
        >>> value, dscores = SoftmaxCrossEntropy()(np.zeros((1, 2)), [1])
        >>> round(value, 6), dscores.tolist()
        (0.693147, [[0.5, -0.5]])
    """

    task = "classification"
    name = "softmax"

    def __call__(self, scores: Array, y: Any, weights: Any = None) -> tuple[float, Array]:
        """Return the loss of scores (N, C) against integer labels y (N,), and dscores (N, C)."""
        labels = np.asarray(y)
        importance = check_weights(self.name, weights, scores)
        try:
            return _softmax_cross_entropy(scores, labels, importance)
        except ValueError:
            self.check(scores, labels)  # what is wrong, in the words of this loss
            raise

    def check(self, scores: Array, y: Any) -> Array:
        if scores.ndim != 2:
            raise ValueError(f"[{self.name}] scores: expected shape (N, C), got {scores.shape}")
        n, classes = scores.shape
        labels = np.asarray(y)
        if labels.shape != (n,):
            raise ValueError(f"[{self.name}] y: expected {n} integer labels, got shape {labels.shape}")
        if not np.issubdtype(labels.dtype, np.integer):
            nan = np.issubdtype(labels.dtype, np.floating) and bool(np.isnan(labels).any())
            got = "NaN" if nan else str(labels.dtype)
            raise ValueError(f"[{self.name}] y: expected integer labels, got {got}")
        if n and (labels.min() < 0 or labels.max() >= classes):
            wrong = labels.min() if labels.min() < 0 else labels.max()
            raise ValueError(f"[{self.name}] y: expected labels 0 to {classes - 1}, got {wrong}")
        return labels.astype(np.int64, copy=False)


class MSE(Loss):
    """Mean squared error over all elements, as in PyTorch.

    ``value = sum_n w_n mean_j (s[n,j] - y[n,j])^2 / sum_n w_n``, gradient ``2 w_n (s - y) / (J sum(w))`` with
    J numbers an example.

    Example:
        >>> import numpy as np
        >>> value, dscores = MSE()(np.array([[1.0], [3.0]]), np.array([1.0, 1.0]))
        >>> value, dscores.tolist()
        (2.0, [[0.0], [2.0]])
    """

    task = "regression"
    name = "mse"

    def __call__(self, scores: Array, y: Any, weights: Any = None) -> tuple[float, Array]:
        """Return the loss of scores (N, ...) against y of the same shape, and dscores."""
        targets = self.check(scores, y)
        if len(scores) == 0:
            raise ValueError(f"[{self.name}] scores: expected at least one example, got none")
        importance = check_weights(self.name, weights, scores)
        difference = scores - targets
        share = np.full(len(scores), 1 / len(scores)) if importance is None else importance / importance.sum()
        share = (share / (scores.size // len(scores))).reshape(-1, *(1,) * (scores.ndim - 1))
        value = float((share * np.square(difference, dtype=np.float64)).sum())
        return value, difference * (2 * share).astype(scores.dtype)

    def check(self, scores: Array, y: Any) -> Array:
        targets = np.asarray(y)
        if scores.ndim == 2 and scores.shape[1] == 1 and targets.shape == scores.shape[:1]:
            targets = targets[:, None]
        if targets.shape != scores.shape:
            raise ValueError(f"[{self.name}] y: expected shape {scores.shape}, got {targets.shape}")
        if targets.dtype.kind not in "biuf":
            raise ValueError(f"[{self.name}] y: expected numbers, got {targets.dtype}")
        if bool(np.isnan(targets).any()):
            raise ValueError(f"[{self.name}] y: expected numbers, got NaN")
        return targets.astype(scores.dtype, copy=False)


def check_weights(op: str, weights: Any, scores: Array) -> Array | None:
    """Return sample weights in the scores' dtype, refusing negative, infinite and all-zero ones."""
    if weights is None:
        return None
    array = np.asarray(weights)
    if array.shape != scores.shape[:1] or array.dtype.kind not in "biuf":
        raise ValueError(
            f"[{op}] weights: expected {len(scores)} numbers, got {array.dtype} of shape {array.shape}"
        )
    array = array.astype(scores.dtype, copy=False)
    if not (np.isfinite(array).all() and (array >= 0).all() and array.sum() > 0):
        raise ValueError(f"[{op}] weights: expected finite numbers >= 0 with a positive sum, got others")
    return array


LOSSES: dict[str, type[Loss]] = {loss.name: loss for loss in (SoftmaxCrossEntropy, MSE)}


def get(loss: str | LossFunction) -> LossFunction:
    """Return the loss called ``loss``, one of the keys of ``LOSSES``; a callable stays as it is.

    Raises:
        ValueError: if there is no such loss.

    Example:
        >>> get("softmax")
        SoftmaxCrossEntropy()
    """
    if isinstance(loss, str):
        return LOSSES[choice("losses", "loss", loss, tuple(LOSSES))]()
    if not callable(loss):
        raise TypeError(f"[losses] loss: expected a name or a callable, got {type(loss).__name__}")
    return loss
