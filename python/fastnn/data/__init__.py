"""Data sets, where they come from, and the minibatches they are cut into."""

from __future__ import annotations

from typing import TYPE_CHECKING

# Loaded at first use: training from arrays needs no reader of files, nor what those read with.
if TYPE_CHECKING:
    from fastnn.data.cifar10 import load_cifar10 as load_cifar10
    from fastnn.data.container import ArrayDataset as ArrayDataset
    from fastnn.data.container import Dataset as Dataset
    from fastnn.data.detect import load as load
    from fastnn.data.digits import load_digits as load_digits
    from fastnn.data.idx import load_idx as load_idx
    from fastnn.data.loader import Batch as Batch
    from fastnn.data.loader import Loader as Loader
    from fastnn.data.npz import load_npz as load_npz
    from fastnn.data.splits import Splits as Splits
else:
    from fastnn._lazy import lazy_names

    __getattr__, __dir__, __all__ = lazy_names(
        __name__,
        {
            "cifar10": ("load_cifar10",),
            "container": ("ArrayDataset", "Dataset"),
            "detect": ("load",),
            "digits": ("load_digits",),
            "idx": ("load_idx",),
            "loader": ("Batch", "Loader"),
            "npz": ("load_npz",),
            "splits": ("Splits",),
        },
    )
