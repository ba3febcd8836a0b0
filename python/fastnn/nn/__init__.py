"""Layers and the containers that make nets of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

# Loaded at first use: a net is made of a few kinds of layer.
if TYPE_CHECKING:
    from fastnn.nn.activation import ELU as ELU
    from fastnn.nn.activation import GELU as GELU
    from fastnn.nn.activation import SELU as SELU
    from fastnn.nn.activation import LeakyReLU as LeakyReLU
    from fastnn.nn.activation import ReLU as ReLU
    from fastnn.nn.activation import Sigmoid as Sigmoid
    from fastnn.nn.activation import SiLU as SiLU
    from fastnn.nn.activation import Softplus as Softplus
    from fastnn.nn.activation import Tanh as Tanh
    from fastnn.nn.config import from_config as from_config
    from fastnn.nn.config import to_config as to_config
    from fastnn.nn.container import Container as Container
    from fastnn.nn.conv import Conv1d as Conv1d
    from fastnn.nn.conv import Conv2d as Conv2d
    from fastnn.nn.conv import ConvTranspose2d as ConvTranspose2d
    from fastnn.nn.dropconnect import DropConnectConv2d as DropConnectConv2d
    from fastnn.nn.dropconnect import DropConnectLinear as DropConnectLinear
    from fastnn.nn.dropout import Dropout as Dropout
    from fastnn.nn.group_norm import GroupNorm as GroupNorm
    from fastnn.nn.group_norm import InstanceNorm2d as InstanceNorm2d
    from fastnn.nn.group_norm import LayerNorm as LayerNorm
    from fastnn.nn.joins import Concat as Concat
    from fastnn.nn.joins import Parallel as Parallel
    from fastnn.nn.joins import Residual as Residual
    from fastnn.nn.layer import Layer as Layer
    from fastnn.nn.linear import Linear as Linear
    from fastnn.nn.noise import GaussianNoise as GaussianNoise
    from fastnn.nn.noise import SpatialDropout as SpatialDropout
    from fastnn.nn.noise import StochasticDepth as StochasticDepth
    from fastnn.nn.norm import BatchNorm1d as BatchNorm1d
    from fastnn.nn.norm import BatchNorm2d as BatchNorm2d
    from fastnn.nn.norm import recompute_statistics as recompute_statistics
    from fastnn.nn.parameters import FlatDict as FlatDict
    from fastnn.nn.piecewise import Maxout as Maxout
    from fastnn.nn.piecewise import PReLU as PReLU
    from fastnn.nn.pool import AdaptiveAvgPool2d as AdaptiveAvgPool2d
    from fastnn.nn.pool import AdaptiveMaxPool2d as AdaptiveMaxPool2d
    from fastnn.nn.pool import AvgPool2d as AvgPool2d
    from fastnn.nn.pool import FractionalMaxPool2d as FractionalMaxPool2d
    from fastnn.nn.pool import GlobalAvgPool2d as GlobalAvgPool2d
    from fastnn.nn.pool import MaxPool2d as MaxPool2d
    from fastnn.nn.resample import ReflectionPad2d as ReflectionPad2d
    from fastnn.nn.resample import Upsample as Upsample
    from fastnn.nn.resample import ZeroPad2d as ZeroPad2d
    from fastnn.nn.scalar import Scale as Scale
    from fastnn.nn.scalar import Shift as Shift
    from fastnn.nn.sequential import Sequential as Sequential
    from fastnn.nn.shape import Flatten as Flatten
    from fastnn.nn.standardise import Standardise as Standardise
    from fastnn.nn.summary import Summary as Summary
else:
    from fastnn._lazy import lazy_names

    __getattr__, __dir__, __all__ = lazy_names(
        __name__,
        {
            "activation": ("ELU", "GELU", "SELU", "LeakyReLU", "ReLU", "Sigmoid", "SiLU", "Softplus", "Tanh"),
            "config": ("from_config", "to_config"),
            "container": ("Container",),
            "conv": ("Conv1d", "Conv2d", "ConvTranspose2d"),
            "dropconnect": ("DropConnectConv2d", "DropConnectLinear"),
            "dropout": ("Dropout",),
            "group_norm": ("GroupNorm", "InstanceNorm2d", "LayerNorm"),
            "joins": ("Concat", "Parallel", "Residual"),
            "layer": ("Layer",),
            "linear": ("Linear",),
            "noise": ("GaussianNoise", "SpatialDropout", "StochasticDepth"),
            "norm": ("BatchNorm1d", "BatchNorm2d", "recompute_statistics"),
            "parameters": ("FlatDict",),
            "piecewise": ("Maxout", "PReLU"),
            "pool": (
                "AdaptiveAvgPool2d",
                "AdaptiveMaxPool2d",
                "AvgPool2d",
                "FractionalMaxPool2d",
                "GlobalAvgPool2d",
                "MaxPool2d",
            ),
            "resample": ("ReflectionPad2d", "Upsample", "ZeroPad2d"),
            "scalar": ("Scale", "Shift"),
            "sequential": ("Sequential",),
            "shape": ("Flatten",),
            "standardise": ("Standardise",),
            "summary": ("Summary",),
        },
    )
