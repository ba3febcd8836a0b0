"""Every operation in plain NumPy: the readable specification of ``fastnn.functional``.

Same modules, names, parameters and defaults as ``fastnn.functional``; each function stands beside its
equation and takes any strides. Tests hold the kernels against it, in float64 to judge float32.
"""

from __future__ import annotations

from .activation import ReluCache as ReluCache
from .activation import relu_backward as relu_backward
from .activation import relu_forward as relu_forward
from .conv import Conv2dCache as Conv2dCache
from .conv import col2im as col2im
from .conv import conv2d_backward as conv2d_backward
from .conv import conv2d_forward as conv2d_forward
from .conv import conv2d_output_size as conv2d_output_size
from .conv import im2col as im2col
from .dropout import DropoutCache as DropoutCache
from .dropout import dropout_backward as dropout_backward
from .dropout import dropout_forward as dropout_forward
from .gemm import LinearCache as LinearCache
from .gemm import gemm as gemm
from .gemm import linear_backward as linear_backward
from .gemm import linear_forward as linear_forward
from .loss import SoftmaxCrossEntropyCache as SoftmaxCrossEntropyCache
from .loss import softmax_cross_entropy_backward as softmax_cross_entropy_backward
from .loss import softmax_cross_entropy_forward as softmax_cross_entropy_forward
from .norm import BatchNormCache as BatchNormCache
from .norm import batchnorm_backward as batchnorm_backward
from .norm import batchnorm_forward as batchnorm_forward
from .optim import adam_update as adam_update
from .optim import sgd_update as sgd_update
from .pool import AvgPool2dCache as AvgPool2dCache
from .pool import GlobalAvgPool2dCache as GlobalAvgPool2dCache
from .pool import MaxPool2dCache as MaxPool2dCache
from .pool import avgpool2d_backward as avgpool2d_backward
from .pool import avgpool2d_forward as avgpool2d_forward
from .pool import global_avgpool2d_backward as global_avgpool2d_backward
from .pool import global_avgpool2d_forward as global_avgpool2d_forward
from .pool import maxpool2d_backward as maxpool2d_backward
from .pool import maxpool2d_forward as maxpool2d_forward
from .pool import pool2d_output_size as pool2d_output_size
