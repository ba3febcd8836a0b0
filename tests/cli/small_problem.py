"""What the tests of the command line share beside fixtures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Run = Callable[..., tuple[int, str, str]]

SMALL_NET = """
[[layers]]
type = "Flatten"
[[layers]]
type = "Linear"
in_features = 16
out_features = 8
[[layers]]
type = "BatchNorm1d"
num_features = 8
[[layers]]
type = "ReLU"
[[layers]]
type = "Dropout"
drop_prob = 0.2
[[layers]]
type = "Linear"
in_features = 8
out_features = 3
"""


def arrays(file: str) -> dict[str, np.ndarray]:
    """Return all arrays of an archive, which is closed again."""
    with np.load(file) as archive:
        return dict(archive)
