"""Operations on NumPy arrays, forward and backward: where the compiled kernels enter Python.

:mod:`fastnn.reference` holds the same functions in plain NumPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

# Loaded at first use: a net calls a few kinds of operation.
if TYPE_CHECKING:
    from fastnn.functional.activation import EluCache as EluCache
    from fastnn.functional.activation import GeluCache as GeluCache
    from fastnn.functional.activation import LeakyReluCache as LeakyReluCache
    from fastnn.functional.activation import ReluCache as ReluCache
    from fastnn.functional.activation import SeluCache as SeluCache
    from fastnn.functional.activation import SigmoidCache as SigmoidCache
    from fastnn.functional.activation import SiluCache as SiluCache
    from fastnn.functional.activation import SoftplusCache as SoftplusCache
    from fastnn.functional.activation import TanhCache as TanhCache
    from fastnn.functional.activation import elu_backward as elu_backward
    from fastnn.functional.activation import elu_forward as elu_forward
    from fastnn.functional.activation import gelu_backward as gelu_backward
    from fastnn.functional.activation import gelu_forward as gelu_forward
    from fastnn.functional.activation import leaky_relu_backward as leaky_relu_backward
    from fastnn.functional.activation import leaky_relu_forward as leaky_relu_forward
    from fastnn.functional.activation import relu_backward as relu_backward
    from fastnn.functional.activation import relu_forward as relu_forward
    from fastnn.functional.activation import selu_backward as selu_backward
    from fastnn.functional.activation import selu_forward as selu_forward
    from fastnn.functional.activation import sigmoid_backward as sigmoid_backward
    from fastnn.functional.activation import sigmoid_forward as sigmoid_forward
    from fastnn.functional.activation import silu_backward as silu_backward
    from fastnn.functional.activation import silu_forward as silu_forward
    from fastnn.functional.activation import softplus_backward as softplus_backward
    from fastnn.functional.activation import softplus_forward as softplus_forward
    from fastnn.functional.activation import tanh_backward as tanh_backward
    from fastnn.functional.activation import tanh_forward as tanh_forward
    from fastnn.functional.adaptive_pool import AdaptiveAvgPool2dCache as AdaptiveAvgPool2dCache
    from fastnn.functional.adaptive_pool import AdaptiveMaxPool2dCache as AdaptiveMaxPool2dCache
    from fastnn.functional.adaptive_pool import adaptive_avgpool2d_backward as adaptive_avgpool2d_backward
    from fastnn.functional.adaptive_pool import adaptive_avgpool2d_forward as adaptive_avgpool2d_forward
    from fastnn.functional.adaptive_pool import adaptive_maxpool2d_backward as adaptive_maxpool2d_backward
    from fastnn.functional.adaptive_pool import adaptive_maxpool2d_forward as adaptive_maxpool2d_forward
    from fastnn.functional.conv import Conv1dCache as Conv1dCache
    from fastnn.functional.conv import Conv2dCache as Conv2dCache
    from fastnn.functional.conv import col2im as col2im
    from fastnn.functional.conv import conv1d_backward as conv1d_backward
    from fastnn.functional.conv import conv1d_forward as conv1d_forward
    from fastnn.functional.conv import conv2d_backward as conv2d_backward
    from fastnn.functional.conv import conv2d_forward as conv2d_forward
    from fastnn.functional.conv import conv2d_output_size as conv2d_output_size
    from fastnn.functional.conv import im2col as im2col
    from fastnn.functional.conv_transpose import ConvTranspose2dCache as ConvTranspose2dCache
    from fastnn.functional.conv_transpose import conv_transpose2d_backward as conv_transpose2d_backward
    from fastnn.functional.conv_transpose import conv_transpose2d_forward as conv_transpose2d_forward
    from fastnn.functional.dropout import DropoutCache as DropoutCache
    from fastnn.functional.dropout import dropout_backward as dropout_backward
    from fastnn.functional.dropout import dropout_forward as dropout_forward
    from fastnn.functional.dropout import gaussian_noise as gaussian_noise
    from fastnn.functional.fractional_pool import FractionalMaxPool2dCache as FractionalMaxPool2dCache
    from fastnn.functional.fractional_pool import (
        fractional_maxpool2d_backward as fractional_maxpool2d_backward,
    )
    from fastnn.functional.fractional_pool import fractional_maxpool2d_forward as fractional_maxpool2d_forward
    from fastnn.functional.fractional_pool import fractional_regions as fractional_regions
    from fastnn.functional.group_norm import GroupNormCache as GroupNormCache
    from fastnn.functional.group_norm import InstanceNormCache as InstanceNormCache
    from fastnn.functional.group_norm import LayerNormCache as LayerNormCache
    from fastnn.functional.group_norm import groupnorm_backward as groupnorm_backward
    from fastnn.functional.group_norm import groupnorm_forward as groupnorm_forward
    from fastnn.functional.group_norm import instancenorm_backward as instancenorm_backward
    from fastnn.functional.group_norm import instancenorm_forward as instancenorm_forward
    from fastnn.functional.group_norm import layernorm_backward as layernorm_backward
    from fastnn.functional.group_norm import layernorm_forward as layernorm_forward
    from fastnn.functional.linear import LinearCache as LinearCache
    from fastnn.functional.linear import gemm as gemm
    from fastnn.functional.linear import linear_backward as linear_backward
    from fastnn.functional.linear import linear_forward as linear_forward
    from fastnn.functional.loss import HingeCache as HingeCache
    from fastnn.functional.loss import SoftmaxCrossEntropyCache as SoftmaxCrossEntropyCache
    from fastnn.functional.loss import hinge_backward as hinge_backward
    from fastnn.functional.loss import hinge_forward as hinge_forward
    from fastnn.functional.loss import softmax as softmax
    from fastnn.functional.loss import softmax_cross_entropy_backward as softmax_cross_entropy_backward
    from fastnn.functional.loss import softmax_cross_entropy_forward as softmax_cross_entropy_forward
    from fastnn.functional.norm import BatchNormCache as BatchNormCache
    from fastnn.functional.norm import batchnorm_backward as batchnorm_backward
    from fastnn.functional.norm import batchnorm_forward as batchnorm_forward
    from fastnn.functional.optim import adadelta_update as adadelta_update
    from fastnn.functional.optim import adagrad_update as adagrad_update
    from fastnn.functional.optim import adam_update as adam_update
    from fastnn.functional.optim import nadam_update as nadam_update
    from fastnn.functional.optim import rmsprop_update as rmsprop_update
    from fastnn.functional.optim import sgd_update as sgd_update
    from fastnn.functional.piecewise import MaxoutCache as MaxoutCache
    from fastnn.functional.piecewise import PReluCache as PReluCache
    from fastnn.functional.piecewise import maxout_backward as maxout_backward
    from fastnn.functional.piecewise import maxout_forward as maxout_forward
    from fastnn.functional.piecewise import prelu_backward as prelu_backward
    from fastnn.functional.piecewise import prelu_forward as prelu_forward
    from fastnn.functional.pointwise_loss import PointwiseLossCache as PointwiseLossCache
    from fastnn.functional.pointwise_loss import (
        binary_cross_entropy_backward as binary_cross_entropy_backward,
    )
    from fastnn.functional.pointwise_loss import binary_cross_entropy_forward as binary_cross_entropy_forward
    from fastnn.functional.pointwise_loss import huber_backward as huber_backward
    from fastnn.functional.pointwise_loss import huber_forward as huber_forward
    from fastnn.functional.pointwise_loss import l1_backward as l1_backward
    from fastnn.functional.pointwise_loss import l1_forward as l1_forward
    from fastnn.functional.pointwise_loss import mse_backward as mse_backward
    from fastnn.functional.pointwise_loss import mse_forward as mse_forward
    from fastnn.functional.pool import AvgPool2dCache as AvgPool2dCache
    from fastnn.functional.pool import GlobalAvgPool2dCache as GlobalAvgPool2dCache
    from fastnn.functional.pool import MaxPool2dCache as MaxPool2dCache
    from fastnn.functional.pool import avgpool2d_backward as avgpool2d_backward
    from fastnn.functional.pool import avgpool2d_forward as avgpool2d_forward
    from fastnn.functional.pool import global_avgpool2d_backward as global_avgpool2d_backward
    from fastnn.functional.pool import global_avgpool2d_forward as global_avgpool2d_forward
    from fastnn.functional.pool import maxpool2d_backward as maxpool2d_backward
    from fastnn.functional.pool import maxpool2d_forward as maxpool2d_forward
    from fastnn.functional.pool import pool2d_output_size as pool2d_output_size
    from fastnn.functional.resample import Pad2dCache as Pad2dCache
    from fastnn.functional.resample import Upsample2dCache as Upsample2dCache
    from fastnn.functional.resample import pad2d_backward as pad2d_backward
    from fastnn.functional.resample import pad2d_forward as pad2d_forward
    from fastnn.functional.resample import upsample2d_backward as upsample2d_backward
    from fastnn.functional.resample import upsample2d_forward as upsample2d_forward
else:
    from fastnn._lazy import lazy_names

    __getattr__, __dir__, __all__ = lazy_names(
        __name__,
        {
            "activation": (
                "EluCache",
                "GeluCache",
                "LeakyReluCache",
                "ReluCache",
                "SeluCache",
                "SigmoidCache",
                "SiluCache",
                "SoftplusCache",
                "TanhCache",
                "elu_backward",
                "elu_forward",
                "gelu_backward",
                "gelu_forward",
                "leaky_relu_backward",
                "leaky_relu_forward",
                "relu_backward",
                "relu_forward",
                "selu_backward",
                "selu_forward",
                "sigmoid_backward",
                "sigmoid_forward",
                "silu_backward",
                "silu_forward",
                "softplus_backward",
                "softplus_forward",
                "tanh_backward",
                "tanh_forward",
            ),
            "adaptive_pool": (
                "AdaptiveAvgPool2dCache",
                "AdaptiveMaxPool2dCache",
                "adaptive_avgpool2d_backward",
                "adaptive_avgpool2d_forward",
                "adaptive_maxpool2d_backward",
                "adaptive_maxpool2d_forward",
            ),
            "conv": (
                "Conv1dCache",
                "Conv2dCache",
                "col2im",
                "conv1d_backward",
                "conv1d_forward",
                "conv2d_backward",
                "conv2d_forward",
                "conv2d_output_size",
                "im2col",
            ),
            "conv_transpose": (
                "ConvTranspose2dCache",
                "conv_transpose2d_backward",
                "conv_transpose2d_forward",
            ),
            "dropout": (
                "DropoutCache",
                "dropout_backward",
                "dropout_forward",
                "gaussian_noise",
            ),
            "fractional_pool": (
                "FractionalMaxPool2dCache",
                "fractional_maxpool2d_backward",
                "fractional_maxpool2d_forward",
                "fractional_regions",
            ),
            "group_norm": (
                "GroupNormCache",
                "InstanceNormCache",
                "LayerNormCache",
                "groupnorm_backward",
                "groupnorm_forward",
                "instancenorm_backward",
                "instancenorm_forward",
                "layernorm_backward",
                "layernorm_forward",
            ),
            "linear": (
                "LinearCache",
                "gemm",
                "linear_backward",
                "linear_forward",
            ),
            "loss": (
                "HingeCache",
                "SoftmaxCrossEntropyCache",
                "hinge_backward",
                "hinge_forward",
                "softmax",
                "softmax_cross_entropy_backward",
                "softmax_cross_entropy_forward",
            ),
            "norm": (
                "BatchNormCache",
                "batchnorm_backward",
                "batchnorm_forward",
            ),
            "optim": (
                "adadelta_update",
                "adagrad_update",
                "adam_update",
                "nadam_update",
                "rmsprop_update",
                "sgd_update",
            ),
            "piecewise": (
                "MaxoutCache",
                "PReluCache",
                "maxout_backward",
                "maxout_forward",
                "prelu_backward",
                "prelu_forward",
            ),
            "pointwise_loss": (
                "PointwiseLossCache",
                "binary_cross_entropy_backward",
                "binary_cross_entropy_forward",
                "huber_backward",
                "huber_forward",
                "l1_backward",
                "l1_forward",
                "mse_backward",
                "mse_forward",
            ),
            "pool": (
                "AvgPool2dCache",
                "GlobalAvgPool2dCache",
                "MaxPool2dCache",
                "avgpool2d_backward",
                "avgpool2d_forward",
                "global_avgpool2d_backward",
                "global_avgpool2d_forward",
                "maxpool2d_backward",
                "maxpool2d_forward",
                "pool2d_output_size",
            ),
            "resample": (
                "Pad2dCache",
                "Upsample2dCache",
                "pad2d_backward",
                "pad2d_forward",
                "upsample2d_backward",
                "upsample2d_forward",
            ),
        },
    )
