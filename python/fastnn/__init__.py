"""fastnn: neural networks trained and run from NumPy, with explicit forward and backward passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

# Loaded at first use: a program which only calls operations imports nothing else, and the command line can
# answer a Ctrl-C while NumPy is still being loaded.
if TYPE_CHECKING:
    from fastnn import augment as augment
    from fastnn import callbacks as callbacks
    from fastnn import cli as cli
    from fastnn import data as data
    from fastnn import functional as functional
    from fastnn import history as history
    from fastnn import inference as inference
    from fastnn import init as init
    from fastnn import io as io
    from fastnn import losses as losses
    from fastnn import lr_finder as lr_finder
    from fastnn import metrics as metrics
    from fastnn import model as model
    from fastnn import model_init as model_init
    from fastnn import nets as nets
    from fastnn import nn as nn
    from fastnn import optim as optim
    from fastnn import plot as plot
    from fastnn import preprocess as preprocess
    from fastnn import prune as prune
    from fastnn import reference as reference
    from fastnn import regularizers as regularizers
    from fastnn import schedules as schedules
    from fastnn import solver as solver
    from fastnn import testing as testing
    from fastnn._runtime import channels_last as channels_last
    from fastnn._runtime import conv_algo as conv_algo
    from fastnn._runtime import empty_cache as empty_cache
    from fastnn._runtime import get_num_threads as get_num_threads
    from fastnn._runtime import set_conv_algo as set_conv_algo
    from fastnn._runtime import set_num_threads as set_num_threads
    from fastnn._runtime import show_config as show_config
    from fastnn._runtime import threads as threads
    from fastnn.keys import Key as Key
    from fastnn.lr_finder import LRCurve as LRCurve
    from fastnn.lr_finder import find_lr as find_lr
    from fastnn.model import Model as Model
    from fastnn.solver import Solver as Solver
else:
    from fastnn._lazy import lazy_names

    __getattr__, __dir__, __all__ = lazy_names(
        __name__,
        {
            "_runtime": (
                "channels_last",
                "conv_algo",
                "empty_cache",
                "get_num_threads",
                "set_conv_algo",
                "set_num_threads",
                "show_config",
                "threads",
            ),
            "keys": ("Key",),
            "lr_finder": ("LRCurve", "find_lr"),
            "model": ("Model",),
            "solver": ("Solver",),
        },
        (
            "augment",
            "callbacks",
            "cli",
            "data",
            "functional",
            "history",
            "inference",
            "init",
            "io",
            "losses",
            "lr_finder",
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
        ),
    )
