"""The handwritten digits that come with scikit-learn."""

from __future__ import annotations

import numpy as np

from fastnn.data.splits import Splits

__all__ = ["load_digits"]

_TRAIN, _VAL = 1257, 180  # of 1797; the other 360 are the test part


def load_digits() -> Splits:
    """Load scikit-learn's 1797 handwritten digits, in a fixed random split of 1257, 180 and 360.

    Returns:
        Images (N, 1, 8, 8) float32 with the values 0 to 16 that they come with, labels (N,) int64.

    Raises:
        ImportError: scikit-learn is not installed.

    Reference: E. Alpaydin, C. Kaynak, Optical recognition of handwritten digits, UCI repository, 1998,
    https://doi.org/10.24432/C50P49
    """
    try:
        from sklearn.datasets import load_digits as load
    except ImportError as error:
        raise ImportError(
            "[load_digits] expected scikit-learn, which the extra 'demo' installs: pip install 'fastnn[demo]'"
        ) from error
    images, labels = load(return_X_y=True)
    X = images.reshape(-1, 1, 8, 8).astype(np.float32)
    order = np.random.RandomState(0).permutation(len(X))  # a stream that NumPy has frozen
    train, val, test = np.split(order, [_TRAIN, _TRAIN + _VAL])
    return Splits(X[train], labels[train], X[val], labels[val], X[test], labels[test], tuple("0123456789"))
