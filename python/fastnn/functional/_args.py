"""Arguments that several operations share."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating[Any]]


def relu_flag(op: str, activation: str | None) -> bool:
    """Whether the operation ends with a ReLU."""
    if activation not in (None, "relu"):
        raise ValueError(f'[{op}] activation: expected None or "relu", got {activation!r}')
    return activation == "relu"


def size_pair(op: str, name: str, value: int | tuple[int, int]) -> tuple[int, int]:
    """An integer for both axes, or a pair (height, width), as two integers."""
    if type(value) is int and abs(value) < 2**63:
        return value, value
    if isinstance(value, tuple) and len(value) == 2 and type(value[0]) is type(value[1]) is int:
        down, right = value  # what layers give, on every call
        if abs(down) < 2**63 and abs(right) < 2**63:
            return value
    pair = value if isinstance(value, tuple | list) else (value, value)
    if len(pair) != 2 or not all(isinstance(v, int | np.integer) and not isinstance(v, bool) for v in pair):
        raise ValueError(f"[{op}] {name}: expected an integer or a pair of integers, got {value!r}")
    if max(abs(int(v)) for v in pair) >= 2**63:
        raise ValueError(f"[{op}] {name}: expected integers below 2^63, got {value!r}")
    return int(pair[0]), int(pair[1])


def check_dtype(op: str, dy: Array, dtype: np.dtype[Any]) -> None:
    """Refuse a gradient of another dtype than the forward call, whose arrays the cache does not keep."""
    if getattr(dy, "dtype", dtype) != dtype:
        raise ValueError(f"[{op}] dy: expected dtype {dtype} as the forward call, got {dy.dtype}")
