"""The table of operations: a row says what an operation is, and its tests and benchmarks follow.

To add an operation, write its row in its family's module. ``CASES`` holds all of them.
"""

from __future__ import annotations

from fastnn.testing.cases import (
    activation,
    conv,
    conv_transpose,
    dropout,
    gemm,
    group_norm,
    loss,
    norm,
    optim,
    piecewise,
    pool,
    resample,
)
from fastnn.testing.cases._case import BadCall as BadCall
from fastnn.testing.cases._case import Function as Function
from fastnn.testing.cases._case import OpCase as OpCase
from fastnn.testing.cases._case import Pair as Pair
from fastnn.testing.cases._case import Problem as Problem
from fastnn.testing.cases._case import Update as Update
from fastnn.testing.cases._case import always as always
from fastnn.testing.cases._case import apart as apart
from fastnn.testing.cases._case import integers as integers
from fastnn.testing.cases._case import never as never
from fastnn.testing.cases._case import normal as normal

CASES: tuple[OpCase, ...] = (
    *gemm.ROWS,
    *conv.ROWS,
    *conv_transpose.ROWS,
    *norm.ROWS,
    *group_norm.ROWS,
    *pool.ROWS,
    *resample.ROWS,
    *activation.ROWS,
    *piecewise.ROWS,
    *dropout.ROWS,
    *loss.ROWS,
    *optim.ROWS,
)
