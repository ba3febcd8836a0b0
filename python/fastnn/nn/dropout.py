"""Dropout."""

from __future__ import annotations

from typing import Any

from .. import functional as F
from .._arguments import number
from ..keys import Key
from .layer import Array, Grads, Layer


class Dropout(Layer):
    """Zero a random part of the activations while training.

    Inverted: training scales survivors by ``1 / (1 - drop_prob)`` and prediction is the identity. Vanilla,
    the lecture's first form: training leaves survivors alone and prediction scales by ``1 - drop_prob``.

    The mask depends on the call's key and on logical positions, and is drawn again in backward: none is
    stored. A key given outside training draws too: one sample of Monte-Carlo prediction.

    Args:
        drop_prob: chance of a zero, in [0, 1); courses before 2018 and CS231n's code give the chance to keep.
        inverted: which of the two.

    Raises:
        ValueError: ``drop_prob`` outside [0, 1), or, in training, no key.

    Example:
        >>> import numpy as np
        >>> Dropout(0.5)(np.ones((1, 3))).tolist(), Dropout(0.5, inverted=False)(np.ones((1, 3))).tolist()
        ([[1.0, 1.0, 1.0]], [[0.5, 0.5, 0.5]])

    Reference:
        Srivastava et al., Dropout, 2014, https://jmlr.org/papers/v15/srivastava14a.html
    """

    def __init__(self, drop_prob: float = 0.5, inverted: bool = True) -> None:
        super().__init__()
        self.drop_prob = number("Dropout", "drop_prob", drop_prob, high=1.0, below=True)
        self.inverted = bool(inverted)

    @property
    def _predict_scale(self) -> float:
        return 1.0 if self.inverted else 1.0 - self.drop_prob

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map any shape with the batch on its first axis to the same shape.

        Raises:
            ValueError: training without a key.
        """
        if not train and key is None:
            return (x if self.inverted else x * x.dtype.type(self._predict_scale)), None
        if key is None:
            raise ValueError("[Dropout] key: expected a fastnn.Key in training, got None")
        return F.dropout_forward(x, self.drop_prob, key=key, inverted=self.inverted)

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx of the input's shape."""
        if cache is None:
            return dy if self.inverted else dy * dy.dtype.type(self._predict_scale)
        return F.dropout_backward(dy, cache)

    def config(self) -> dict[str, Any]:
        return {"drop_prob": self.drop_prob, "inverted": self.inverted}
