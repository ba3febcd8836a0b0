"""Layers and the containers that make nets of them."""

from __future__ import annotations

from .activation import ELU as ELU
from .activation import GELU as GELU
from .activation import SELU as SELU
from .activation import LeakyReLU as LeakyReLU
from .activation import ReLU as ReLU
from .activation import Sigmoid as Sigmoid
from .activation import SiLU as SiLU
from .activation import Softplus as Softplus
from .activation import Tanh as Tanh
from .config import from_config as from_config
from .config import to_config as to_config
from .container import Container as Container
from .conv import Conv2d as Conv2d
from .dropconnect import DropConnectConv2d as DropConnectConv2d
from .dropconnect import DropConnectLinear as DropConnectLinear
from .dropout import Dropout as Dropout
from .group_norm import GroupNorm as GroupNorm
from .group_norm import InstanceNorm2d as InstanceNorm2d
from .group_norm import LayerNorm as LayerNorm
from .joins import Concat as Concat
from .joins import Parallel as Parallel
from .joins import Residual as Residual
from .layer import Layer as Layer
from .linear import Linear as Linear
from .noise import GaussianNoise as GaussianNoise
from .noise import SpatialDropout as SpatialDropout
from .noise import StochasticDepth as StochasticDepth
from .norm import BatchNorm1d as BatchNorm1d
from .norm import BatchNorm2d as BatchNorm2d
from .norm import recompute_statistics as recompute_statistics
from .parameters import FlatDict as FlatDict
from .piecewise import Maxout as Maxout
from .piecewise import PReLU as PReLU
from .pool import AvgPool2d as AvgPool2d
from .pool import GlobalAvgPool2d as GlobalAvgPool2d
from .pool import MaxPool2d as MaxPool2d
from .scalar import Scale as Scale
from .scalar import Shift as Shift
from .sequential import Sequential as Sequential
from .shape import Flatten as Flatten
from .standardise import Standardise as Standardise
from .summary import Summary as Summary
