"""One door to every data set: what stands at a path decides how it is read."""

from __future__ import annotations

import os
from pathlib import Path

from fastnn.data.cifar10 import find_cifar10, load_cifar10
from fastnn.data.digits import load_digits
from fastnn.data.idx import has_idx, load_idx
from fastnn.data.npz import load_npz
from fastnn.data.splits import Splits

__all__ = ["load"]


def load(path_or_name: str | os.PathLike[str]) -> Splits:
    """Load the data set of that name or at that path, whichever kind it is.

    Args:
        path_or_name: ``"digits"``, a folder of idx files, a CIFAR-10 folder, or an ``.npz`` file.

    Returns:
        What ``load_digits``, ``load_idx``, ``load_cifar10`` or ``load_npz`` returns.

    Raises:
        FileNotFoundError: nothing stands there.
        ValueError: what stands there is none of these, or is broken.
        ImportError: ``"digits"`` without scikit-learn.
    """
    if path_or_name == "digits":
        return load_digits()
    path = Path(path_or_name)
    if path.is_dir():
        if has_idx(path):
            return load_idx(path)
        if find_cifar10(path) is not None:
            return load_cifar10(path)
        raise ValueError(f"[load] {path}: expected a folder of idx files or CIFAR-10 batches, got neither")
    if not path.exists():
        raise FileNotFoundError(
            f"[load] {path}: expected 'digits', a data folder or an .npz file, got nothing"
        )
    if path.suffix != ".npz":
        raise ValueError(f"[load] {path}: expected 'digits', a data folder or an .npz file, got another file")
    return load_npz(path)
