"""From scores to answers: classes, yes or no, probabilities."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .functional import sigmoid_forward, softmax

Array: TypeAlias = npt.NDArray[Any]


def answers(scores: Array, task: str) -> Array:
    """Return the class of the greatest score, 1 where a binary score is positive, or numbers as they are."""
    if task == "binary":
        return (scores > 0).astype(np.int64)
    return scores.argmax(axis=1) if task == "classification" else scores


def probabilities(scores: Array, task: str) -> Array:
    """Return the softmax of scores (N, C), or for binary answers the sigmoid of each.

    Raises:
        ValueError: if the task is neither.
    """
    if task not in ("classification", "binary"):
        raise ValueError(f"[predict_proba] model: expected one of classification, got one of {task}")
    return softmax(scores) if task == "classification" else sigmoid_forward(scores)[0]
