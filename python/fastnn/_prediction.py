"""What a model answers: scores, classes, probabilities, features, and how good they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

import fastnn

from . import metrics
from ._answers import answers, probabilities
from ._arguments import integer
from .keys import Key
from .losses import Loss, LossFunction
from .nn.container import Container
from .nn.layer import Layer

Array: TypeAlias = npt.NDArray[Any]


class Predicting:
    """The half of a `Model` that looks at data without learning from it, batch by batch."""

    net: Layer
    loss_function: LossFunction
    dtype: np.dtype[Any]
    seed: int
    input_shape: tuple[int, ...] | None

    @property
    def task(self) -> str:
        """Return what the loss is for; a bare callable counts as regression."""
        return getattr(self.loss_function, "task", "regression")

    def predict(self, X: Any, *, batch_size: int = 256, samples: int | None = None) -> Array:
        """Return the answers: classes, yes or no, or numbers.

        Classification: the class of the greatest score (N,) as int64. Binary: 1 where a score is positive,
        else 0, as int64. Regression: the scores themselves. With ``samples`` they are the answers to the mean
        over so many random predictions, of probabilities or, in regression, of scores.

        Args:
            X: (N, ...); N may be 0.
            batch_size: how many examples run at once; bounds the memory.
            samples: how many random predictions to average, see `predict_proba`; None for one without
                randomness.

        Raises:
            ValueError: X is no batch of numbers that the net can take, or a count is not positive.
        """
        if samples is None or self.task == "regression":
            return answers(self.predict_scores(X, batch_size=batch_size, samples=samples), self.task)
        mean = self.predict_proba(X, batch_size=batch_size, samples=samples)
        return answers(mean - 0.5 if self.task == "binary" else mean, self.task)

    def predict_scores(self, X: Any, *, batch_size: int = 256, samples: int | None = None) -> Array:
        """Return the net's outputs in prediction mode, computed batch by batch.

        Args:
            X: (N, ...); N may be 0.
            batch_size: how many examples run at once; bounds the memory.
            samples: how many random predictions to average, see `predict_proba`; None for one without
                randomness.

        Raises:
            ValueError: X is no batch of numbers that the net can take, or a count is not positive.
        """
        if samples is None:
            return self._in_batches(X, batch_size, lambda x: self.net.forward(x)[0])
        return self._mean_of_samples(X, batch_size, samples, lambda scores: scores)

    def predict_proba(self, X: Any, *, batch_size: int = 256, samples: int | None = None) -> Array:
        """Return the probability of every class (N, C), or of every yes.

        For classification it is the softmax of the scores, for binary answers their sigmoid. With ``samples``
        it is the mean over so many predictions in which random layers draw as in training (dropout, noise,
        stochastic depth, DropConnect, pooling regions); batch norm keeps to its running statistics.

        Args:
            X: (N, ...); N may be 0.
            batch_size: how many examples run at once.
            samples: how many random predictions to average; None for one without randomness.

        Raises:
            ValueError: if the loss is one of regression, or as in `predict`.

        Reference:
            Gal and Ghahramani, Dropout as a Bayesian approximation, 2016, https://arxiv.org/abs/1506.02142
        """
        if samples is None:
            return probabilities(self.predict_scores(X, batch_size=batch_size), self.task)
        return self._mean_of_samples(X, batch_size, samples, lambda s: probabilities(s, self.task))

    def _mean_of_samples(self, X: Any, batch_size: int, samples: int, of: Callable[[Array], Array]) -> Array:
        """Return the mean of what ``of`` makes of the scores of random predictions, each with its own key."""
        count = integer("Model", "samples", samples)
        total: Array | float = 0.0
        for sample in range(count):
            key = Key.from_seed(self.seed).fold("sample").fold(sample)
            total = total + of(self._sampled_scores(X, batch_size, key))
        mean: Array = total / self.dtype.type(count)
        return mean

    def _sampled_scores(self, X: Any, batch_size: int, key: Key) -> Array:
        """Return scores in prediction mode, but with the random layers drawing under ``key``."""
        done = 0

        def run(x: Array) -> Array:
            nonlocal done
            scores = self.net.forward(x, key=key.at(done))[0]
            done += len(x)
            return scores

        return self._in_batches(X, batch_size, run)

    def for_inference(self) -> fastnn.inference.Predictor:
        """Return a `Predictor` with the scores of this moment: batch norm folded, one call, no training.

        Raises:
            ValueError: neighbours do not fit each other, as a batch norm of another width.

        Example:
            >>> from fastnn import Model, nn
            >>> model = Model(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)))
            >>> model.for_inference()(np.ones((2, 4), np.float32)).shape
            (2, 3)
        """
        from .inference import Predictor

        return Predictor(self.net, self.dtype, self.task)

    def evaluate(self, X: Any, y: Any, *, weights: Any = None, batch_size: int = 256) -> dict[str, float]:
        """Return the loss in prediction mode, without the regularizer, and accuracy or mean absolute error.

        Args:
            X: (N, ...), N at least 1.
            y: N targets.
            weights: (N,) importance of the examples in the loss.
            batch_size: how many examples run at once.

        Returns:
            ``{"loss", "accuracy"}`` for classification and yes-or-no answers, ``{"loss", "mae"}`` for
            regression, ``{"loss"}`` for a loss that is a bare callable.

        Raises:
            ValueError: X, y or ``weights`` do not fit the net, the loss or each other.
        """
        scores = self.predict_scores(X, batch_size=batch_size)
        result = {"loss": self.loss_function(scores, y, weights)[0]}
        if self.task == "classification":
            ignored = getattr(self.loss_function, "ignore_index", None)
            return result | {"accuracy": metrics.accuracy(scores, y, ignored)}
        if self.task == "binary":
            return result | {"accuracy": metrics.binary_accuracy(scores, y)}
        if isinstance(self.loss_function, Loss):
            result["mae"] = metrics.mean_absolute_error(scores, y)
        return result

    def features(self, X: Any, layer: str | int, *, batch_size: int = 256) -> Array:
        """Return the output of the layer at path ``layer`` in prediction mode; nothing after it runs.

        Args:
            X: (N, ...).
            layer: path as in ``params``, such as ``"3"`` or ``"3.body.0"``.
            batch_size: how many examples run at once.

        Raises:
            ValueError: if there is no such layer.
        """
        net, path = self.net, str(layer)
        if not isinstance(net, Container):
            raise ValueError(f"[Model] layer: expected a net with layers below it, got {type(net).__name__}")
        net.layer(path)
        return self._in_batches(X, batch_size, lambda x: next(y for at, _, _, y in net.walk(x) if at == path))

    def _in_batches(self, X: Any, batch_size: int, run: Callable[[Array], Array]) -> Array:
        size = integer("Model", "batch_size", batch_size)
        X = self._checked(X)
        parts = [run(self._input(X[i : i + size])) for i in range(0, max(len(X), 1), size)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _checked(self, X: Any) -> Array:
        try:
            x = np.asarray(X)
        except ValueError:
            raise ValueError("[Model] X: expected an array, got rows of different shapes") from None
        if x.ndim < 2:
            raise ValueError(f"[Model] X: expected shape (N, ...), a batch, got {x.shape}")
        if x.dtype.kind not in "biuf":
            raise ValueError(f"[Model] X: expected real numbers, got {x.dtype}")
        return x

    def _input(self, X: Any) -> Array:
        x = self._checked(X)
        self.input_shape = x.shape[1:]
        return x if x.dtype == self.dtype else x.astype(self.dtype)
