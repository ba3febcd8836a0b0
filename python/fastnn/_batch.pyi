from typing import Any

import numpy as np

def assemble(
    x: np.ndarray[Any, Any],
    rows: np.ndarray[Any, Any],
    mean: np.ndarray[Any, Any],
    std: np.ndarray[Any, Any],
    moves: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
) -> None: ...
