"""Operations on NumPy arrays, forward and backward: where the compiled kernels enter Python.

:mod:`fastnn.reference` holds the same functions in plain NumPy.
"""

from __future__ import annotations

from fastnn.functional.activation import ReluCache as ReluCache
from fastnn.functional.activation import relu_backward as relu_backward
from fastnn.functional.activation import relu_forward as relu_forward
from fastnn.functional.gemm import LinearCache as LinearCache
from fastnn.functional.gemm import gemm as gemm
from fastnn.functional.gemm import linear_backward as linear_backward
from fastnn.functional.gemm import linear_forward as linear_forward
