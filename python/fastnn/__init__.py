"""fastnn: neural networks trained and run from NumPy, with explicit forward and backward passes."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastnn import functional as functional
    from fastnn._runtime import channels_last as channels_last
    from fastnn._runtime import conv_algo as conv_algo
    from fastnn._runtime import empty_cache as empty_cache
    from fastnn._runtime import get_num_threads as get_num_threads
    from fastnn._runtime import set_conv_algo as set_conv_algo
    from fastnn._runtime import set_num_threads as set_num_threads
    from fastnn._runtime import show_config as show_config
    from fastnn._runtime import threads as threads
    from fastnn.keys import Key as Key
    from fastnn.model import Model as Model
    from fastnn.solver import Solver as Solver

__version__ = "0.1.0"

# Loaded at first use: a program which only calls operations imports nothing else, and the command line can
# answer a Ctrl-C while NumPy is still being loaded.
_PLACES = {
    "Key": "fastnn.keys",
    "Model": "fastnn.model",
    "Solver": "fastnn.solver",
    "channels_last": "fastnn._runtime",
    "conv_algo": "fastnn._runtime",
    "empty_cache": "fastnn._runtime",
    "get_num_threads": "fastnn._runtime",
    "set_conv_algo": "fastnn._runtime",
    "set_num_threads": "fastnn._runtime",
    "show_config": "fastnn._runtime",
    "threads": "fastnn._runtime",
}
_MODULES = frozenset(
    [
        "augment",
        "callbacks",
        "cli",
        "data",
        "functional",
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
        "prune",
        "reference",
        "regularizers",
        "schedules",
        "solver",
        "testing",
    ]
)


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        value = getattr(importlib.import_module(_PLACES[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(f"fastnn.{name}")
    else:
        raise AttributeError(f"module 'fastnn' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES, *_MODULES})
