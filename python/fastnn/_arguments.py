"""Checks of scalar arguments that several modules share; every refusal is one line."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any

_LARGEST = 2**63 - 1  # of the engine's sizes


def number(
    op: str,
    name: str,
    value: Any,
    *,
    low: float = 0.0,
    high: float = math.inf,
    above: bool = False,
    below: bool = False,
) -> float:
    """Return ``value`` as a finite float in [low, high]; ``above`` and ``below`` exclude the two ends."""
    try:
        result = float(value)
    except (TypeError, ValueError, OverflowError):
        result = math.nan
    fits = (result > low if above else result >= low) and (result < high if below else result <= high)
    if isinstance(value, (bool, str)) or not math.isfinite(result) or not fits:
        raise ValueError(f"[{op}] {name}: expected {_interval(low, high, above, below)}, got {value!r}")
    return result


def integer(op: str, name: str, value: Any, *, low: int = 1) -> int:
    """Return ``value`` as an int of at least ``low``."""
    try:
        result = operator.index(value)
    except TypeError:
        result = low - 1
    if isinstance(value, bool) or result < low:
        raise ValueError(f"[{op}] {name}: expected an integer >= {low}, got {value!r}")
    if result > _LARGEST:
        raise ValueError(f"[{op}] {name}: expected an integer below 2^63, got {value!r}")
    return result


def pair(op: str, name: str, value: Any, *, low: int) -> tuple[int, int]:
    """Return an integer or a pair of them as (vertical, horizontal), each at least ``low``."""
    values = value if isinstance(value, (tuple, list)) else (value, value)
    if len(values) != 2:
        raise ValueError(f"[{op}] {name}: expected an integer or a pair of integers, got {value!r}")
    return integer(op, name, values[0], low=low), integer(op, name, values[1], low=low)


def choice(op: str, name: str, value: Any, options: Sequence[str]) -> str:
    """Return ``value`` if it is one of ``options``."""
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"[{op}] {name}: expected one of {', '.join(map(repr, options))}, got {value!r}")
    return value


def metric(op: str, name: str, metrics: Mapping[str, float]) -> float:
    """Return ``metrics[name]``, or refuse with the names there are."""
    if name not in metrics:
        raise ValueError(f"[{op}] metric: expected one of {', '.join(sorted(metrics))}, got {name!r}")
    return float(metrics[name])


def _interval(low: float, high: float, above: bool, below: bool) -> str:
    bounds = []
    if math.isfinite(low):
        bounds.append(f"{'>' if above else '>='} {low:g}")
    if math.isfinite(high):
        bounds.append(f"{'<' if below else '<='} {high:g}")
    return " ".join(["a finite number", " and ".join(bounds)]).rstrip()


def offering(op: str, name: str, value: Any, *attributes: str) -> Any:
    """Return an argument that has the given attributes; a class in place of its instance is refused."""
    if isinstance(value, type) or not all(hasattr(value, attribute) for attribute in attributes):
        got = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
        raise TypeError(f"[{op}] {name}: expected an object with {' and '.join(attributes)}, got {got}")
    return value
