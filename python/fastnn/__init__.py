"""fastnn: neural networks trained and run from NumPy, with explicit forward and backward passes."""

from __future__ import annotations

from fastnn import functional as functional
from fastnn._runtime import channels_last as channels_last
from fastnn._runtime import empty_cache as empty_cache
from fastnn._runtime import get_num_threads as get_num_threads
from fastnn._runtime import set_num_threads as set_num_threads
from fastnn._runtime import show_config as show_config
from fastnn._runtime import threads as threads
from fastnn.keys import Key as Key
from fastnn.model import Model as Model
from fastnn.solver import Solver as Solver

__version__ = "0.1.0"
