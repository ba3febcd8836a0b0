"""Operations on NumPy arrays, forward and backward: where the compiled kernels enter Python.

:mod:`fastnn.reference` holds the same functions in plain NumPy.
"""

from __future__ import annotations

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
from fastnn.functional.conv import Conv2dCache as Conv2dCache
from fastnn.functional.conv import col2im as col2im
from fastnn.functional.conv import conv2d_backward as conv2d_backward
from fastnn.functional.conv import conv2d_forward as conv2d_forward
from fastnn.functional.conv import conv2d_output_size as conv2d_output_size
from fastnn.functional.conv import im2col as im2col
from fastnn.functional.dropout import DropoutCache as DropoutCache
from fastnn.functional.dropout import dropout_backward as dropout_backward
from fastnn.functional.dropout import dropout_forward as dropout_forward
from fastnn.functional.gemm import LinearCache as LinearCache
from fastnn.functional.gemm import gemm as gemm
from fastnn.functional.gemm import linear_backward as linear_backward
from fastnn.functional.gemm import linear_forward as linear_forward
from fastnn.functional.loss import SoftmaxCrossEntropyCache as SoftmaxCrossEntropyCache
from fastnn.functional.loss import softmax as softmax
from fastnn.functional.loss import softmax_cross_entropy_backward as softmax_cross_entropy_backward
from fastnn.functional.loss import softmax_cross_entropy_forward as softmax_cross_entropy_forward
from fastnn.functional.norm import BatchNormCache as BatchNormCache
from fastnn.functional.norm import batchnorm_backward as batchnorm_backward
from fastnn.functional.norm import batchnorm_forward as batchnorm_forward
from fastnn.functional.optim import adam_update as adam_update
from fastnn.functional.optim import sgd_update as sgd_update
from fastnn.functional.piecewise import MaxoutCache as MaxoutCache
from fastnn.functional.piecewise import PReluCache as PReluCache
from fastnn.functional.piecewise import maxout_backward as maxout_backward
from fastnn.functional.piecewise import maxout_forward as maxout_forward
from fastnn.functional.piecewise import prelu_backward as prelu_backward
from fastnn.functional.piecewise import prelu_forward as prelu_forward
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
