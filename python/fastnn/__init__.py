"""fastnn: neural networks trained and run from NumPy, with explicit forward and backward passes."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fastnn import functional as functional
from fastnn._runtime import channels_last as channels_last
from fastnn._runtime import empty_cache as empty_cache
from fastnn._runtime import get_num_threads as get_num_threads
from fastnn._runtime import set_conv_algo as set_conv_algo
from fastnn._runtime import set_num_threads as set_num_threads
from fastnn._runtime import show_config as show_config
from fastnn._runtime import threads as threads
from fastnn.keys import Key as Key

if TYPE_CHECKING:
    from fastnn.model import Model as Model
    from fastnn.solver import Solver as Solver

__version__ = "0.1.0"

# Loaded at first use, so that a program which only calls operations imports nothing else.
_CLASSES = {"Model": "fastnn.model", "Solver": "fastnn.solver"}
_MODULES = frozenset(
    [
        "augment",
        "callbacks",
        "cli",
        "data",
        "history",
        "init",
        "io",
        "losses",
        "metrics",
        "model",
        "model_init",
        "nets",
        "nn",
        "optim",
        "plot",
        "preprocess",
        "reference",
        "regularizers",
        "schedules",
        "solver",
        "testing",
    ]
)


def __getattr__(name: str) -> Any:
    if name in _CLASSES:
        value = getattr(importlib.import_module(_CLASSES[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(f"fastnn.{name}")
    else:
        raise AttributeError(f"module 'fastnn' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_CLASSES, *_MODULES})
