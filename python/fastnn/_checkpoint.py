"""The checkpoint of a run: one file that is always whole, enough to go on bit for bit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastnn.io import flatten_state, load_tensors, save_tensors, unflatten_state

FILE_NAME = "checkpoint.safetensors"


class CheckpointFile:
    """``checkpoint.safetensors`` in a folder; each write replaces it atomically.

    Args:
        folder: created if it is missing.
        setup: what must be the same when a run goes on: name to plain value.

    Raises:
        OSError: the folder cannot be made.
    """

    def __init__(self, folder: str | os.PathLike[str], setup: Mapping[str, Any]) -> None:
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for left_by_a_killed_run in folder.glob(f".{FILE_NAME}.*.tmp"):
            left_by_a_killed_run.unlink(missing_ok=True)
        self.path = folder / FILE_NAME
        self._setup = dict(setup)

    def exists(self) -> bool:
        """Return whether there is a checkpoint to go on from."""
        return self.path.exists()

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the state of the run and of NumPy's global generator, which hand-written layers use."""
        generator = np.random.get_state(legacy=False)  # noqa: NPY002 (theirs, not ours)
        tensors, metadata = flatten_state({**state, "setup": self._setup, "numpy_random": generator})
        save_tensors(self.path, tensors, metadata)

    def load(self) -> dict[str, Any]:
        """Read the state back; NumPy's global generator is set as it was.

        Raises:
            ValueError: the file is no checkpoint, or that of a run with another set-up.
        """
        state = unflatten_state(*load_tensors(self.path))
        found = state.get("setup")
        if not isinstance(found, dict):
            raise ValueError(f"[Solver] resume: expected the checkpoint of a run in {self.path}")
        for name, expected in self._setup.items():
            if found.get(name) != expected:
                raise ValueError(
                    f"[Solver] resume: {self.path} is of a run with {name} {found.get(name)}, got {expected}"
                )
        np.random.set_state(state["numpy_random"])  # noqa: NPY002
        return state
