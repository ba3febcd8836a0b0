"""Every operation in plain NumPy: the readable specification of ``fastnn.functional``.

Same modules, names, parameters and defaults as ``fastnn.functional``; each function stands beside its
equation and takes any strides. Tests hold the kernels against it, in float64 to judge float32.
"""

from __future__ import annotations

from fastnn.reference.activation import ReluCache as ReluCache
from fastnn.reference.activation import relu_backward as relu_backward
from fastnn.reference.activation import relu_forward as relu_forward
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
from fastnn.reference.loss import SoftmaxCrossEntropyCache as SoftmaxCrossEntropyCache
from fastnn.reference.loss import softmax as softmax
from fastnn.reference.loss import softmax_cross_entropy_backward as softmax_cross_entropy_backward
from fastnn.reference.loss import softmax_cross_entropy_forward as softmax_cross_entropy_forward
from fastnn.reference.norm import BatchNormCache as BatchNormCache
from fastnn.reference.norm import batchnorm_backward as batchnorm_backward
from fastnn.reference.norm import batchnorm_forward as batchnorm_forward
from fastnn.reference.optim import adam_update as adam_update
from fastnn.reference.optim import sgd_update as sgd_update
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
