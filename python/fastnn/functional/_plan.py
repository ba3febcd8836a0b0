"""Nets in prediction mode as one compiled call: the operations of this package, run one after another."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from fastnn import _core

Plan: TypeAlias = _core.PlanFloat32 | _core.PlanFloat64


def new_plan(dtype: np.dtype[Any]) -> Plan:
    """Return a plan without steps for arrays of ``dtype``; its methods append steps, a call runs them."""
    return _core.PlanFloat32() if dtype == np.float32 else _core.PlanFloat64()
