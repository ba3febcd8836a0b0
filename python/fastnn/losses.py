"""Losses: ``value, dscores = loss(scores, y, weights=None)``."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from . import functional as F
from ._arguments import choice, number
from .functional.loss import _softmax_cross_entropy

Array: TypeAlias = npt.NDArray[Any]
LossFunction: TypeAlias = Callable[..., tuple[float, Array]]


class Loss:
    """A scalar to minimise and its gradient, both means over the batch.

    Attributes:
        task: ``"classification"``, where targets are integer labels; ``"binary"``, where every score answers
            a yes-or-no question of its own; or ``"regression"``.
        name: what `get` calls it.
    """

    task: Literal["classification", "binary", "regression"]
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
        """Return the targets as an array that fits ``scores``.

        Raises:
            ValueError: they are of another shape, type or range.
        """
        raise NotImplementedError

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments that are not the defaults, fit for JSON."""
        return {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.config().items())})"


class SoftmaxCrossEntropy(Loss):
    """Mean over the batch of ``-log p[y]`` with ``p = softmax(scores)``.

    ``value = sum_n w_n (log(sum_c exp(s[n,c])) - s[n,y_n]) / sum_n w_n``, gradient
    ``w_n (p - onehot) / sum(w)``. Before any training it is ``ln C`` for C classes. Targets may also be
    probabilities (N, C), as mixup makes them; see `fastnn.functional.softmax_cross_entropy_forward` for what
    the options do to the equation.

    Args:
        label_smoothing: share of every target that is spread evenly over the classes, 0 to 1.
        class_weights: (C,) importance of each class, not negative; the mean divides by those of the labels.
        ignore_index: a label whose examples count for nothing.

    Raises:
        ValueError: an option is out of range.

    Example:
        >>> import numpy as np
        >>> value, dscores = SoftmaxCrossEntropy()(np.zeros((1, 2)), [1])
        >>> round(value, 6), dscores.tolist()
        (0.693147, [[0.5, -0.5]])
        >>> SoftmaxCrossEntropy(label_smoothing=0.5)(np.zeros((1, 2)), [1])[1].tolist()
        [[0.25, -0.25]]

    Reference:
        Szegedy et al., Rethinking the inception architecture, 2016, https://arxiv.org/abs/1512.00567 (label
        smoothing); Zhang et al., mixup, 2018, https://arxiv.org/abs/1710.09412 (probabilities as targets)
    """

    task = "classification"
    name = "softmax"

    def __init__(
        self,
        *,
        label_smoothing: float = 0.0,
        class_weights: npt.ArrayLike | None = None,
        ignore_index: int | None = None,
    ) -> None:
        self.label_smoothing = number(self.name, "label_smoothing", label_smoothing, high=1.0)
        self.class_weights = None if class_weights is None else np.asarray(class_weights, np.float64)
        self.ignore_index = None if ignore_index is None else operator.index(ignore_index)

    def __call__(self, scores: Array, y: Any, weights: Any = None) -> tuple[float, Array]:
        """Return the loss of scores (N, C) against labels y (N,) or probabilities (N, C), and dscores."""
        targets, ignore_index = np.asarray(y), self.ignore_index
        if targets.ndim == 2:
            targets, ignore_index = self.check(scores, targets), None
        importance = check_weights(self.name, weights, scores)
        per_class = None if self.class_weights is None else self.class_weights.astype(scores.dtype)
        try:
            return _softmax_cross_entropy(
                scores, targets, importance, per_class, self.label_smoothing, ignore_index
            )
        except ValueError:
            self.check(scores, targets)  # what is wrong, in the words of this loss
            raise

    def check(self, scores: Array, y: Any) -> Array:
        targets = np.asarray(y)
        if scores.ndim == 2 and targets.shape == scores.shape and targets.dtype.kind == "f":
            if not (targets >= 0).all():
                raise ValueError(f"[{self.name}] y: expected probabilities >= 0, got others")
            return targets.astype(scores.dtype, copy=False)
        return check_labels(self.name, scores, targets, self.ignore_index)

    def config(self) -> dict[str, Any]:
        options = {
            "label_smoothing": self.label_smoothing or None,
            "class_weights": None if self.class_weights is None else self.class_weights.tolist(),
            "ignore_index": self.ignore_index,
        }
        return {name: value for name, value in options.items() if value is not None}


class Hinge(Loss):
    """Multiclass support-vector loss: every wrong class should score below the right one by a margin.

    ``value = sum_n w_n sum_{c != y_n} max(0, s[n,c] - s[n,y_n] + margin) / sum_n w_n``: a sum over the wrong
    classes, as in the course; PyTorch divides it by C. Scores near zero give ``C - 1``.

    Args:
        margin: by which the right score should win, > 0.

    Raises:
        ValueError: ``margin`` is not a finite number above 0.

    Example:
        >>> import numpy as np
        >>> value, dscores = Hinge()(np.array([[3.0, 1.0, 2.5]]), [0])
        >>> value, dscores.tolist()
        (0.5, [[-1.0, 0.0, 1.0]])

    Reference:
        Weston and Watkins, Support vector machines for multi-class pattern recognition, 1999,
        https://www.esann.org/sites/default/files/proceedings/legacy/es1999-461.pdf
    """

    task = "classification"
    name = "hinge"

    def __init__(self, margin: float = 1.0) -> None:
        self.margin = number(self.name, "margin", margin, above=True)

    def __call__(self, scores: Array, y: Any, weights: Any = None) -> tuple[float, Array]:
        """Return the loss of scores (N, C) against integer labels y (N,), and dscores (N, C)."""
        labels = self.check(scores, y)
        importance = check_weights(self.name, weights, scores)
        value, cache = F.hinge_forward(scores, labels, weights=importance, margin=self.margin)
        return value, F.hinge_backward(1.0, cache)

    def check(self, scores: Array, y: Any) -> Array:
        return check_labels(self.name, scores, np.asarray(y))

    def config(self) -> dict[str, Any]:
        return {} if self.margin == 1.0 else {"margin": self.margin}


class _Pointwise(Loss):
    """A mean over all elements of scores and targets of one shape."""

    task: Literal["classification", "binary", "regression"] = "regression"

    def __call__(self, scores: Array, y: Any, weights: Any = None) -> tuple[float, Array]:
        """Return the loss of scores (N, ...) against y of the same shape, and dscores."""
        targets = self.check(scores, y)
        if len(scores) == 0:
            raise ValueError(f"[{self.name}] scores: expected at least one example, got none")
        return self._run(scores, targets, check_weights(self.name, weights, scores))

    def _run(self, scores: Array, targets: Array, weights: Array | None) -> tuple[float, Array]:
        raise NotImplementedError

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


class MSE(_Pointwise):
    """Mean squared error over all elements, as in PyTorch.

    ``value = sum_n w_n mean_j (s[n,j] - y[n,j])^2 / sum_n w_n``, gradient ``2 w_n (s - y) / (J sum(w))`` with
    J numbers an example.

    Example:
        >>> import numpy as np
        >>> value, dscores = MSE()(np.array([[1.0], [3.0]]), np.array([1.0, 1.0]))
        >>> value, dscores.tolist()
        (2.0, [[0.0], [2.0]])
    """

    name = "mse"

    def _run(self, scores: Array, targets: Array, weights: Array | None) -> tuple[float, Array]:
        value, cache = F.mse_forward(scores, targets, weights=weights)
        return value, F.mse_backward(1.0, cache)


class L1(_Pointwise):
    """Mean absolute error over all elements, as in PyTorch; the gradient is 0 where score and target agree.

    ``value = sum_n w_n mean_j |s[n,j] - y[n,j]| / sum_n w_n``, gradient ``w_n sign(s - y) / (J sum(w))``.

    Example:
        >>> import numpy as np
        >>> value, dscores = L1()(np.array([[1.0], [3.0]]), np.array([1.0, 1.0]))
        >>> value, dscores.tolist()
        (1.0, [[0.0], [0.5]])
    """

    name = "l1"

    def _run(self, scores: Array, targets: Array, weights: Array | None) -> tuple[float, Array]:
        value, cache = F.l1_forward(scores, targets, weights=weights)
        return value, F.l1_backward(1.0, cache)


class Huber(_Pointwise):
    """Squared error near the target and absolute error far from it: outliers pull with a bounded force.

    ``d^2 / 2`` where ``|d| <= delta``, else ``delta (|d| - delta / 2)``, with ``d = s - y``; a mean over all
    elements, as in PyTorch.

    Args:
        delta: where the two parts meet, > 0.

    Raises:
        ValueError: ``delta`` is not a finite number above 0.

    Example:
        >>> import numpy as np
        >>> value, dscores = Huber()(np.array([[1.0], [4.0]]), np.array([1.0, 1.0]))
        >>> value, dscores.tolist()
        (1.25, [[0.0], [0.5]])

    Reference:
        Huber, Robust estimation of a location parameter, 1964, https://doi.org/10.1214/aoms/1177703732
    """

    name = "huber"

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = number(self.name, "delta", delta, above=True)

    def _run(self, scores: Array, targets: Array, weights: Array | None) -> tuple[float, Array]:
        value, cache = F.huber_forward(scores, targets, weights=weights, delta=self.delta)
        return value, F.huber_backward(1.0, cache)

    def config(self) -> dict[str, Any]:
        return {} if self.delta == 1.0 else {"delta": self.delta}


class BinaryCrossEntropy(_Pointwise):
    """Mean over all elements of ``-log p`` of the right answer, ``p = sigmoid(score)`` being that of yes.

    ``max(s, 0) - s y + log(1 + exp(-|s|))``, gradient ``(sigmoid(s) - y) / size``. Scores are logits:
    there is no sigmoid layer before this loss. Targets are 0 or 1, or a probability.

    Example:
        >>> import numpy as np
        >>> value, dscores = BinaryCrossEntropy()(np.zeros((1, 2)), [[0, 1]])
        >>> round(value, 6), dscores.tolist()
        (0.693147, [[0.25, -0.25]])
    """

    task = "binary"
    name = "binary_cross_entropy"

    def check(self, scores: Array, y: Any) -> Array:
        targets = super().check(scores, y)
        if not ((targets >= 0) & (targets <= 1)).all():
            raise ValueError(f"[{self.name}] y: expected numbers from 0 to 1, got others")
        return targets

    def _run(self, scores: Array, targets: Array, weights: Array | None) -> tuple[float, Array]:
        value, cache = F.binary_cross_entropy_forward(scores, targets, weights=weights)
        return value, F.binary_cross_entropy_backward(1.0, cache)


def check_labels(op: str, scores: Array, labels: Array, ignore_index: int | None = None) -> Array:
    """Return integer labels of the scores' examples as int64, refusing others.

    Raises:
        ValueError: they are of another shape or type, or name no class.
    """
    if scores.ndim != 2:
        raise ValueError(f"[{op}] scores: expected shape (N, C), got {scores.shape}")
    n, classes = scores.shape
    if labels.shape != (n,):
        raise ValueError(f"[{op}] y: expected {n} integer labels, got shape {labels.shape}")
    if not np.issubdtype(labels.dtype, np.integer):
        nan = np.issubdtype(labels.dtype, np.floating) and bool(np.isnan(labels).any())
        got = "NaN" if nan else str(labels.dtype)
        raise ValueError(f"[{op}] y: expected integer labels, got {got}")
    counted = labels if ignore_index is None else labels[labels != ignore_index]
    if counted.size and (counted.min() < 0 or counted.max() >= classes):
        wrong = counted.min() if counted.min() < 0 else counted.max()
        raise ValueError(f"[{op}] y: expected labels 0 to {classes - 1}, got {wrong}")
    return labels.astype(np.int64, copy=False)


def check_weights(op: str, weights: Any, scores: Array) -> Array | None:
    """Return sample weights in the scores' dtype, refusing negative, infinite and all-zero ones.

    Raises:
        ValueError: such weights, or another number of them.
    """
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


LOSSES: dict[str, type[Loss]] = {
    loss.name: loss for loss in (SoftmaxCrossEntropy, Hinge, MSE, L1, Huber, BinaryCrossEntropy)
}


def get(loss: str | LossFunction) -> LossFunction:
    """Return the loss called ``loss``, one of the keys of ``LOSSES``; a callable stays as it is.

    Raises:
        TypeError: if it is neither a name nor a callable.
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


def to_config(loss: Loss) -> dict[str, Any]:
    """Return a description fit for JSON."""
    return {"name": loss.name, **loss.config()}


def from_config(config: dict[str, Any] | str) -> Loss:
    """Return the loss that ``config`` describes; a bare name is one without options.

    Raises:
        ValueError: there is no loss of that name, or an option is out of range.

    Example:
        >>> from_config(to_config(Huber(delta=0.5)))
        Huber(delta=0.5)
    """
    options = {"name": config} if isinstance(config, str) else dict(config)
    return LOSSES[choice("losses", "name", options.pop("name"), tuple(LOSSES))](**options)
