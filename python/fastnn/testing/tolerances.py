"""How far a result may lie from the float64 truth: in epsilons times the root of the reduction's length."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fastnn.testing.gradcheck import relative_error

Array: TypeAlias = npt.NDArray[Any]


def bound(dtype: npt.DTypeLike, reduction: int = 1, units: float = 4.0) -> float:
    """Return the relative error allowed to a sum of ``reduction`` terms.

    ``units * eps * sqrt(reduction)``

    Rounding errors of a sum of random terms behave like a random walk, hence the root. ``units`` covers the
    constant factors of an operation: 4 for a product or a plain sum.

    Args:
        dtype: in which the operation computes.
        reduction: number of terms that make one element of the result.
        units: of epsilon.

    Example:
        >>> f"{bound(np.float64, 100):.2g}"
        '8.9e-15'
    """
    return units * float(np.finfo(dtype).eps) * math.sqrt(max(reduction, 1))


def assert_close(actual: Array, expected: Array, allowed: float, what: str = "result") -> None:
    """Raise AssertionError, naming both numbers, unless `relative_error` is at most ``allowed``.

    Args:
        actual: the result to judge.
        expected: the truth, usually float64, of the same shape.
        allowed: greatest relative error, see `bound`.
        what: name of the result in the message.

    Example:
        >>> assert_close(np.float32([1.0]), np.array([1.0 + 1e-8]), bound(np.float32))
    """
    error = relative_error(np.asarray(actual, np.float64), np.asarray(expected, np.float64))
    if not error <= allowed:  # so that NaN fails
        raise AssertionError(f"{what}: relative error {error:.3g} is more than the {allowed:.3g} allowed")
