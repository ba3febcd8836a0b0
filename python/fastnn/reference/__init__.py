"""Every operation in plain NumPy: the readable specification of ``fastnn.functional``.

Same modules, names, parameters and defaults as ``fastnn.functional``; each function stands beside its
equation and takes any strides. Tests hold the kernels against it, in float64 to judge float32.
"""

from __future__ import annotations

from fastnn.reference.activation import EluCache as EluCache
from fastnn.reference.activation import GeluCache as GeluCache
from fastnn.reference.activation import LeakyReluCache as LeakyReluCache
from fastnn.reference.activation import ReluCache as ReluCache
from fastnn.reference.activation import SeluCache as SeluCache
from fastnn.reference.activation import SigmoidCache as SigmoidCache
from fastnn.reference.activation import SiluCache as SiluCache
from fastnn.reference.activation import SoftplusCache as SoftplusCache
from fastnn.reference.activation import TanhCache as TanhCache
from fastnn.reference.activation import elu_backward as elu_backward
from fastnn.reference.activation import elu_forward as elu_forward
from fastnn.reference.activation import gelu_backward as gelu_backward
from fastnn.reference.activation import gelu_forward as gelu_forward
from fastnn.reference.activation import leaky_relu_backward as leaky_relu_backward
from fastnn.reference.activation import leaky_relu_forward as leaky_relu_forward
from fastnn.reference.activation import relu_backward as relu_backward
from fastnn.reference.activation import relu_forward as relu_forward
from fastnn.reference.activation import selu_backward as selu_backward
from fastnn.reference.activation import selu_forward as selu_forward
from fastnn.reference.activation import sigmoid_backward as sigmoid_backward
from fastnn.reference.activation import sigmoid_forward as sigmoid_forward
from fastnn.reference.activation import silu_backward as silu_backward
from fastnn.reference.activation import silu_forward as silu_forward
from fastnn.reference.activation import softplus_backward as softplus_backward
from fastnn.reference.activation import softplus_forward as softplus_forward
from fastnn.reference.activation import tanh_backward as tanh_backward
from fastnn.reference.activation import tanh_forward as tanh_forward
from fastnn.reference.conv import Conv2dCache as Conv2dCache
from fastnn.reference.conv import col2im as col2im
from fastnn.reference.conv import conv2d_backward as conv2d_backward
from fastnn.reference.conv import conv2d_forward as conv2d_forward
from fastnn.reference.conv import conv2d_output_size as conv2d_output_size
from fastnn.reference.conv import im2col as im2col
from fastnn.reference.dropout import DropoutCache as DropoutCache
from fastnn.reference.dropout import dropout_backward as dropout_backward
from fastnn.reference.dropout import dropout_forward as dropout_forward
from fastnn.reference.gemm import LinearCache as LinearCache
from fastnn.reference.gemm import gemm as gemm
from fastnn.reference.gemm import linear_backward as linear_backward
from fastnn.reference.gemm import linear_forward as linear_forward
from fastnn.reference.group_norm import GroupNormCache as GroupNormCache
from fastnn.reference.group_norm import InstanceNormCache as InstanceNormCache
from fastnn.reference.group_norm import LayerNormCache as LayerNormCache
from fastnn.reference.group_norm import groupnorm_backward as groupnorm_backward
from fastnn.reference.group_norm import groupnorm_forward as groupnorm_forward
from fastnn.reference.group_norm import instancenorm_backward as instancenorm_backward
from fastnn.reference.group_norm import instancenorm_forward as instancenorm_forward
from fastnn.reference.group_norm import layernorm_backward as layernorm_backward
from fastnn.reference.group_norm import layernorm_forward as layernorm_forward
from fastnn.reference.loss import SoftmaxCrossEntropyCache as SoftmaxCrossEntropyCache
from fastnn.reference.loss import softmax as softmax
from fastnn.reference.loss import softmax_cross_entropy_backward as softmax_cross_entropy_backward
from fastnn.reference.loss import softmax_cross_entropy_forward as softmax_cross_entropy_forward
from fastnn.reference.norm import BatchNormCache as BatchNormCache
from fastnn.reference.norm import batchnorm_backward as batchnorm_backward
from fastnn.reference.norm import batchnorm_forward as batchnorm_forward
from fastnn.reference.optim import adam_update as adam_update
from fastnn.reference.optim import sgd_update as sgd_update
from fastnn.reference.piecewise import MaxoutCache as MaxoutCache
from fastnn.reference.piecewise import PReluCache as PReluCache
from fastnn.reference.piecewise import maxout_backward as maxout_backward
from fastnn.reference.piecewise import maxout_forward as maxout_forward
from fastnn.reference.piecewise import prelu_backward as prelu_backward
from fastnn.reference.piecewise import prelu_forward as prelu_forward
from fastnn.reference.pool import AvgPool2dCache as AvgPool2dCache
from fastnn.reference.pool import GlobalAvgPool2dCache as GlobalAvgPool2dCache
from fastnn.reference.pool import MaxPool2dCache as MaxPool2dCache
from fastnn.reference.pool import avgpool2d_backward as avgpool2d_backward
from fastnn.reference.pool import avgpool2d_forward as avgpool2d_forward
from fastnn.reference.pool import global_avgpool2d_backward as global_avgpool2d_backward
from fastnn.reference.pool import global_avgpool2d_forward as global_avgpool2d_forward
from fastnn.reference.pool import maxpool2d_backward as maxpool2d_backward
from fastnn.reference.pool import maxpool2d_forward as maxpool2d_forward
from fastnn.reference.pool import pool2d_output_size as pool2d_output_size
