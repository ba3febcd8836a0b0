"""
The compiled operations; fastnn.functional is their public face.
"""

from __future__ import annotations

import collections.abc
import typing

import numpy
import numpy.typing

__all__: list[str] = [
    "ConvOptions",
    "PlanFloat32",
    "PlanFloat64",
    "active_isa",
    "adadelta_update",
    "adagrad_update",
    "adam_update",
    "adaptive_avgpool2d_backward",
    "adaptive_avgpool2d_forward",
    "adaptive_maxpool2d_backward",
    "adaptive_maxpool2d_forward",
    "available_isas",
    "avgpool2d_backward",
    "avgpool2d_forward",
    "batchnorm_backward",
    "batchnorm_forward",
    "cached_bytes",
    "col2im",
    "compiler",
    "conv1d_backward",
    "conv1d_forward",
    "conv2d_backward",
    "conv2d_forward",
    "conv2d_takes_input_norm",
    "conv_algo",
    "conv_transpose2d_backward",
    "conv_transpose2d_forward",
    "dense",
    "dropout_backward",
    "dropout_forward",
    "elu_backward",
    "elu_forward",
    "empty_cache",
    "fractional_maxpool2d_backward",
    "fractional_maxpool2d_forward",
    "gaussian_noise",
    "gelu_backward",
    "gelu_forward",
    "gelu_tanh_backward",
    "gelu_tanh_forward",
    "gemm",
    "global_avgpool2d_backward",
    "global_avgpool2d_forward",
    "groupnorm_backward",
    "groupnorm_forward",
    "hinge_backward",
    "hinge_forward",
    "im2col",
    "instancenorm_backward",
    "instancenorm_forward",
    "layernorm_backward",
    "layernorm_forward",
    "leaky_relu_backward",
    "leaky_relu_forward",
    "linear_backward",
    "linear_forward",
    "live_bytes",
    "maxout_backward",
    "maxout_forward",
    "maxpool2d_backward",
    "maxpool2d_forward",
    "nadam_update",
    "num_threads",
    "operations",
    "override_isa",
    "pad2d_backward",
    "pad2d_forward",
    "peak_bytes",
    "pointwise_loss_backward",
    "pointwise_loss_forward",
    "prelu_backward",
    "prelu_forward",
    "probe_fma",
    "relu_backward",
    "relu_forward",
    "reset_peak_bytes",
    "rmsprop_update",
    "selu_backward",
    "selu_forward",
    "set_num_threads",
    "set_rendezvous",
    "sgd_update",
    "sigmoid_backward",
    "sigmoid_forward",
    "silu_backward",
    "silu_forward",
    "softmax",
    "softmax_cross_entropy",
    "softmax_cross_entropy_backward",
    "softmax_cross_entropy_forward",
    "softplus_backward",
    "softplus_forward",
    "tanh_backward",
    "tanh_forward",
    "threading_backend",
    "upsample2d_backward",
    "upsample2d_forward",
    "workers_seen",
]

class ConvOptions:
    """
    Stride, padding, dilation, groups and algorithm, checked.
    """
    def __init__(
        self,
        op: str,
        stride: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
        padding: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex]
        | str,
        dilation: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
        groups: typing.SupportsInt | typing.SupportsIndex,
        algo: str,
    ) -> None: ...
    @property
    def algo(self) -> str: ...

class PlanFloat32:
    """
    A net in prediction mode, as steps that one call runs.
    """
    def __call__(self, x: typing.Any) -> numpy.ndarray: ...
    def __init__(self) -> None: ...
    def activation(
        self,
        x: typing.SupportsInt | typing.SupportsIndex,
        function: str,
        a: typing.SupportsFloat | typing.SupportsIndex = 0.0,
        b: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    ) -> int: ...
    def avgpool2d(
        self,
        x: typing.SupportsInt | typing.SupportsIndex,
        kernel_size: tuple[
            typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex
        ],
        stride: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
        padding: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
        ceil_mode: bool,
        count_include_pad: bool,
    ) -> int: ...
    def batchnorm(
        self,
        x: typing.SupportsInt | typing.SupportsIndex,
        rank: typing.SupportsInt | typing.SupportsIndex,
        gamma: typing.Any,
        beta: typing.Any,
        mean: typing.Any,
        var: typing.Any,
        eps: typing.SupportsFloat | typing.SupportsIndex,
        residual: typing.SupportsInt | typing.SupportsIndex,
        relu: bool,
    ) -> int: ...
    def conv2d(
        self,
        x: typing.SupportsInt | typing.SupportsIndex,
        w: typing.Any,
        b: typing.Any,
        stride: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
        padding: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex]
        | str,
        dilation: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
        groups: typing.SupportsInt | typing.SupportsIndex,
        residual: typing.SupportsInt | typing.SupportsIndex,
        relu: bool,
    ) -> int: ...
    def flatten(self, x: typing.SupportsInt | typing.SupportsIndex) -> int: ...
    def global_avgpool2d(self, x: typing.SupportsInt | typing.SupportsIndex) -> int: ...
    def linear(
        self,
        x: typing.SupportsInt | typing.SupportsIndex,
        w: typing.Any,
        b: typing.Any,
        of_images: bool,
        residual: typing.SupportsInt | typing.SupportsIndex,
        relu: bool,
    ) -> int: ...
    def maxpool2d(
        self,
        x: typing.SupportsInt | typing.SupportsIndex,
        kernel_size: tuple[
            typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex
        ],
        stride: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
        padding: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
        ceil_mode: bool,
    ) -> int: ...
    def relu(self, x: typing.SupportsInt | typing.SupportsIndex) -> int: ...

class PlanFloat64:
    """
    A net in prediction mode, as steps that one call runs.
    """
    def __call__(self, x: typing.Any) -> numpy.ndarray: ...
    def __init__(self) -> None: ...
    def activation(
        self,
        x: typing.SupportsInt | typing.SupportsIndex,
        function: str,
        a: typing.SupportsFloat | typing.SupportsIndex = 0.0,
        b: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    ) -> int: ...
    def avgpool2d(
        self,
        x: typing.SupportsInt | typing.SupportsIndex,
        kernel_size: tuple[
            typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex
        ],
        stride: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
        padding: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
        ceil_mode: bool,
        count_include_pad: bool,
    ) -> int: ...
    def batchnorm(
        self,
        x: typing.SupportsInt | typing.SupportsIndex,
        rank: typing.SupportsInt | typing.SupportsIndex,
        gamma: typing.Any,
        beta: typing.Any,
        mean: typing.Any,
        var: typing.Any,
        eps: typing.SupportsFloat | typing.SupportsIndex,
        residual: typing.SupportsInt | typing.SupportsIndex,
        relu: bool,
    ) -> int: ...
    def conv2d(
        self,
        x: typing.SupportsInt | typing.SupportsIndex,
        w: typing.Any,
        b: typing.Any,
        stride: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
        padding: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex]
        | str,
        dilation: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
        groups: typing.SupportsInt | typing.SupportsIndex,
        residual: typing.SupportsInt | typing.SupportsIndex,
        relu: bool,
    ) -> int: ...
    def flatten(self, x: typing.SupportsInt | typing.SupportsIndex) -> int: ...
    def global_avgpool2d(self, x: typing.SupportsInt | typing.SupportsIndex) -> int: ...
    def linear(
        self,
        x: typing.SupportsInt | typing.SupportsIndex,
        w: typing.Any,
        b: typing.Any,
        of_images: bool,
        residual: typing.SupportsInt | typing.SupportsIndex,
        relu: bool,
    ) -> int: ...
    def maxpool2d(
        self,
        x: typing.SupportsInt | typing.SupportsIndex,
        kernel_size: tuple[
            typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex
        ],
        stride: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
        padding: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
        ceil_mode: bool,
    ) -> int: ...
    def relu(self, x: typing.SupportsInt | typing.SupportsIndex) -> int: ...

def active_isa() -> str: ...
def adadelta_update(
    param: typing.Any,
    grad: typing.Any,
    square: typing.Any,
    change: typing.Any,
    lr: typing.SupportsFloat | typing.SupportsIndex,
    rho: typing.SupportsFloat | typing.SupportsIndex,
    eps: typing.SupportsFloat | typing.SupportsIndex,
    weight_decay: typing.SupportsFloat | typing.SupportsIndex,
) -> None: ...
def adagrad_update(
    param: typing.Any,
    grad: typing.Any,
    total: typing.Any,
    lr: typing.SupportsFloat | typing.SupportsIndex,
    eps: typing.SupportsFloat | typing.SupportsIndex,
    weight_decay: typing.SupportsFloat | typing.SupportsIndex,
) -> None: ...
def adam_update(
    param: typing.Any,
    grad: typing.Any,
    m: typing.Any,
    v: typing.Any,
    step: typing.SupportsInt | typing.SupportsIndex,
    lr: typing.SupportsFloat | typing.SupportsIndex,
    beta1: typing.SupportsFloat | typing.SupportsIndex,
    beta2: typing.SupportsFloat | typing.SupportsIndex,
    eps: typing.SupportsFloat | typing.SupportsIndex,
    weight_decay: typing.SupportsFloat | typing.SupportsIndex,
    decoupled: bool,
) -> None: ...
def adaptive_avgpool2d_backward(
    dy: typing.Any,
    x_shape: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(4)"
    ],
    output_size: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
) -> numpy.ndarray: ...
def adaptive_avgpool2d_forward(
    x: typing.Any,
    output_size: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
) -> numpy.ndarray: ...
def adaptive_maxpool2d_backward(
    dy: typing.Any,
    winner: numpy.ndarray,
    x_shape: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(4)"
    ],
    output_size: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
) -> numpy.ndarray: ...
def adaptive_maxpool2d_forward(
    x: typing.Any,
    output_size: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
) -> tuple: ...
def available_isas() -> list[str]: ...
def avgpool2d_backward(
    dy: typing.Any,
    x_shape: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(4)"
    ],
    kernel: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    stride: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    padding: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    ceil_mode: bool,
    count_include_pad: bool,
) -> numpy.ndarray: ...
def avgpool2d_forward(
    x: typing.Any,
    kernel: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    stride: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    padding: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    ceil_mode: bool,
    count_include_pad: bool,
) -> numpy.ndarray: ...
def batchnorm_backward(
    dy: typing.Any,
    x: typing.Any,
    gamma: typing.Any,
    beta: typing.Any,
    statistics: typing.Any,
    eps: typing.SupportsFloat | typing.SupportsIndex,
    relu: bool,
    residual: typing.Any,
    training: bool,
    dgamma: typing.Any = None,
    dbeta: typing.Any = None,
    sums: typing.Any = None,
) -> tuple: ...
def batchnorm_forward(
    x: typing.Any,
    gamma: typing.Any,
    beta: typing.Any,
    mean: typing.Any,
    var: typing.Any,
    statistics: typing.Any,
    eps: typing.SupportsFloat | typing.SupportsIndex,
    relu: bool,
    residual: typing.Any,
    deferred: bool = False,
    running: tuple | None = None,
) -> tuple: ...
def cached_bytes() -> int: ...
def col2im(
    cols: typing.Any,
    x_shape: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex],
    kernel_size: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    stride: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    padding: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    dilation: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
) -> numpy.ndarray: ...
def compiler() -> str: ...
def conv1d_backward(
    dy: typing.Any,
    x: typing.Any,
    w: typing.Any,
    options: ConvOptions,
    has_bias: bool,
    need_dx: bool,
    need_dw: bool,
    dw: typing.Any = None,
    db: typing.Any = None,
) -> tuple: ...
def conv1d_forward(x: typing.Any, w: typing.Any, b: typing.Any, options: ConvOptions) -> tuple: ...
def conv2d_backward(
    dy: typing.Any,
    x: typing.Any,
    w: typing.Any,
    options: ConvOptions,
    has_bias: bool,
    need_dx: bool,
    need_dw: bool,
    dw: typing.Any = None,
    db: typing.Any = None,
    dx_residual: typing.Any = None,
    before: tuple | None = None,
    behind: tuple | None = None,
    input_norm: tuple | None = None,
) -> tuple: ...
def conv2d_forward(
    x: typing.Any,
    w: typing.Any,
    b: typing.Any,
    options: ConvOptions,
    stats: bool = False,
    relu: bool = False,
    input_norm: tuple | None = None,
) -> tuple: ...
def conv2d_takes_input_norm(x: typing.Any, w: typing.Any, options: ConvOptions) -> bool: ...
def conv_algo(
    x_shape: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(4)"
    ],
    w_shape: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(4)"
    ],
    options: ConvOptions,
    wide: bool,
) -> str: ...
def conv_transpose2d_backward(
    dy: typing.Any,
    x: typing.Any,
    w: typing.Any,
    stride: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    padding: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    output_padding: tuple[
        typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex
    ],
    dilation: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    groups: typing.SupportsInt | typing.SupportsIndex,
    algo: str,
    has_bias: bool,
    need_dx: bool,
    need_dw: bool,
    dw: typing.Any = None,
    db: typing.Any = None,
) -> tuple: ...
def conv_transpose2d_forward(
    x: typing.Any,
    w: typing.Any,
    b: typing.Any,
    stride: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    padding: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    output_padding: tuple[
        typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex
    ],
    dilation: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    groups: typing.SupportsInt | typing.SupportsIndex,
    algo: str,
) -> numpy.ndarray: ...
def dense(x: typing.Any, channels_last: bool) -> numpy.ndarray: ...
def dropout_backward(
    dy: typing.Any,
    bits: typing.SupportsInt | typing.SupportsIndex,
    example: typing.SupportsInt | typing.SupportsIndex,
    threshold: typing.SupportsInt | typing.SupportsIndex,
    scale: typing.SupportsFloat | typing.SupportsIndex,
    group: typing.SupportsInt | typing.SupportsIndex,
) -> numpy.ndarray: ...
def dropout_forward(
    x: typing.Any,
    bits: typing.SupportsInt | typing.SupportsIndex,
    example: typing.SupportsInt | typing.SupportsIndex,
    threshold: typing.SupportsInt | typing.SupportsIndex,
    scale: typing.SupportsFloat | typing.SupportsIndex,
    group: typing.SupportsInt | typing.SupportsIndex,
) -> numpy.ndarray: ...
def elu_backward(
    dy: typing.Any,
    kept: typing.Any,
    a: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    b: typing.SupportsFloat | typing.SupportsIndex = 0.0,
) -> numpy.ndarray: ...
def elu_forward(
    x: typing.Any,
    a: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    b: typing.SupportsFloat | typing.SupportsIndex = 0.0,
) -> numpy.ndarray: ...
def empty_cache() -> None: ...
def fractional_maxpool2d_backward(
    dy: typing.Any,
    winner: numpy.ndarray,
    x_shape: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(4)"
    ],
    rows: typing.Annotated[numpy.typing.ArrayLike, numpy.int64],
    cols: typing.Annotated[numpy.typing.ArrayLike, numpy.int64],
) -> numpy.ndarray: ...
def fractional_maxpool2d_forward(
    x: typing.Any,
    rows: typing.Annotated[numpy.typing.ArrayLike, numpy.int64],
    cols: typing.Annotated[numpy.typing.ArrayLike, numpy.int64],
) -> tuple: ...
def gaussian_noise(
    x: typing.Any,
    bits: typing.SupportsInt | typing.SupportsIndex,
    example: typing.SupportsInt | typing.SupportsIndex,
    std: typing.SupportsFloat | typing.SupportsIndex,
) -> numpy.ndarray: ...
def gelu_backward(
    dy: typing.Any,
    kept: typing.Any,
    a: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    b: typing.SupportsFloat | typing.SupportsIndex = 0.0,
) -> numpy.ndarray: ...
def gelu_forward(
    x: typing.Any,
    a: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    b: typing.SupportsFloat | typing.SupportsIndex = 0.0,
) -> numpy.ndarray: ...
def gelu_tanh_backward(
    dy: typing.Any,
    kept: typing.Any,
    a: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    b: typing.SupportsFloat | typing.SupportsIndex = 0.0,
) -> numpy.ndarray: ...
def gelu_tanh_forward(
    x: typing.Any,
    a: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    b: typing.SupportsFloat | typing.SupportsIndex = 0.0,
) -> numpy.ndarray: ...
def gemm(
    a: typing.Any, b: typing.Any, bias: typing.Any, residual: typing.Any, relu: bool, out: typing.Any
) -> numpy.ndarray: ...
def global_avgpool2d_backward(
    dy: typing.Any,
    x_shape: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(4)"
    ],
) -> numpy.ndarray: ...
def global_avgpool2d_forward(x: typing.Any) -> numpy.ndarray: ...
def groupnorm_backward(
    dy: typing.Any,
    x: typing.Any,
    gamma: typing.Any,
    beta: typing.Any,
    statistics: typing.Any,
    groups: typing.SupportsInt | typing.SupportsIndex | None,
    eps: typing.SupportsFloat | typing.SupportsIndex,
) -> tuple: ...
def groupnorm_forward(
    x: typing.Any,
    gamma: typing.Any,
    beta: typing.Any,
    groups: typing.SupportsInt | typing.SupportsIndex | None,
    eps: typing.SupportsFloat | typing.SupportsIndex,
) -> tuple: ...
def hinge_backward(
    dvalue: typing.SupportsFloat | typing.SupportsIndex,
    scores: typing.Any,
    labels: typing.Any,
    weights: typing.Any,
    margin: typing.SupportsFloat | typing.SupportsIndex,
) -> numpy.ndarray: ...
def hinge_forward(
    scores: typing.Any,
    labels: typing.Any,
    weights: typing.Any,
    margin: typing.SupportsFloat | typing.SupportsIndex,
) -> float: ...
def im2col(
    x: typing.Any,
    kernel_size: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    stride: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    padding: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    dilation: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
) -> numpy.ndarray: ...
def instancenorm_backward(
    dy: typing.Any,
    x: typing.Any,
    gamma: typing.Any,
    beta: typing.Any,
    statistics: typing.Any,
    groups: typing.SupportsInt | typing.SupportsIndex | None,
    eps: typing.SupportsFloat | typing.SupportsIndex,
) -> tuple: ...
def instancenorm_forward(
    x: typing.Any,
    gamma: typing.Any,
    beta: typing.Any,
    groups: typing.SupportsInt | typing.SupportsIndex | None,
    eps: typing.SupportsFloat | typing.SupportsIndex,
) -> tuple: ...
def layernorm_backward(
    dy: typing.Any,
    x: typing.Any,
    gamma: typing.Any,
    beta: typing.Any,
    statistics: typing.Any,
    eps: typing.SupportsFloat | typing.SupportsIndex,
) -> tuple: ...
def layernorm_forward(
    x: typing.Any, gamma: typing.Any, beta: typing.Any, eps: typing.SupportsFloat | typing.SupportsIndex
) -> tuple: ...
def leaky_relu_backward(
    dy: typing.Any,
    kept: typing.Any,
    a: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    b: typing.SupportsFloat | typing.SupportsIndex = 0.0,
) -> numpy.ndarray: ...
def leaky_relu_forward(
    x: typing.Any,
    a: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    b: typing.SupportsFloat | typing.SupportsIndex = 0.0,
) -> numpy.ndarray: ...
def linear_backward(
    dy: typing.Any,
    x: typing.Any,
    w: typing.Any,
    has_bias: bool,
    need_dx: bool,
    need_dw: bool,
    dw: typing.Any = None,
    db: typing.Any = None,
) -> tuple: ...
def linear_forward(
    x: typing.Any, w: typing.Any, b: typing.Any, relu: bool = False, stats: bool = False
) -> tuple: ...
def live_bytes() -> int: ...
def maxout_backward(
    dy: typing.Any, x: typing.Any, pieces: typing.SupportsInt | typing.SupportsIndex
) -> numpy.ndarray: ...
def maxout_forward(x: typing.Any, pieces: typing.SupportsInt | typing.SupportsIndex) -> numpy.ndarray: ...
def maxpool2d_backward(
    dy: typing.Any,
    winner: numpy.ndarray,
    x_shape: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(4)"
    ],
    kernel: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    stride: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    padding: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    ceil_mode: bool,
) -> numpy.ndarray: ...
def maxpool2d_forward(
    x: typing.Any,
    kernel: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    stride: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    padding: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    ceil_mode: bool,
) -> tuple: ...
def nadam_update(
    param: typing.Any,
    grad: typing.Any,
    m: typing.Any,
    v: typing.Any,
    lr: typing.SupportsFloat | typing.SupportsIndex,
    grad_rate: typing.SupportsFloat | typing.SupportsIndex,
    m_rate: typing.SupportsFloat | typing.SupportsIndex,
    v_scale: typing.SupportsFloat | typing.SupportsIndex,
    beta1: typing.SupportsFloat | typing.SupportsIndex,
    beta2: typing.SupportsFloat | typing.SupportsIndex,
    eps: typing.SupportsFloat | typing.SupportsIndex,
    weight_decay: typing.SupportsFloat | typing.SupportsIndex,
    decoupled: bool,
) -> None: ...
def num_threads() -> int: ...
def operations() -> list[str]: ...
def override_isa(name: str) -> None: ...
def pad2d_backward(
    dy: typing.Any,
    x_shape: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(4)"
    ],
    padding: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(4)"
    ],
    mode: str,
) -> numpy.ndarray: ...
def pad2d_forward(
    x: typing.Any,
    padding: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(4)"
    ],
    mode: str,
) -> numpy.ndarray: ...
def peak_bytes() -> int: ...
def pointwise_loss_backward(
    loss: str,
    dvalue: typing.SupportsFloat | typing.SupportsIndex,
    scores: typing.Any,
    targets: typing.Any,
    weights: typing.Any,
    delta: typing.SupportsFloat | typing.SupportsIndex,
) -> numpy.ndarray: ...
def pointwise_loss_forward(
    loss: str,
    scores: typing.Any,
    targets: typing.Any,
    weights: typing.Any,
    delta: typing.SupportsFloat | typing.SupportsIndex,
) -> float: ...
def prelu_backward(dy: typing.Any, x: typing.Any, slope: typing.Any) -> tuple: ...
def prelu_forward(x: typing.Any, slope: typing.Any) -> numpy.ndarray: ...
def probe_fma(steps: typing.SupportsInt | typing.SupportsIndex) -> float: ...
def relu_backward(dy: typing.Any, x: typing.Any) -> numpy.ndarray: ...
def relu_forward(x: typing.Any) -> numpy.ndarray: ...
def reset_peak_bytes() -> None: ...
def rmsprop_update(
    param: typing.Any,
    grad: typing.Any,
    square: typing.Any,
    mean: typing.Any,
    velocity: typing.Any,
    lr: typing.SupportsFloat | typing.SupportsIndex,
    alpha: typing.SupportsFloat | typing.SupportsIndex,
    eps: typing.SupportsFloat | typing.SupportsIndex,
    weight_decay: typing.SupportsFloat | typing.SupportsIndex,
    momentum: typing.SupportsFloat | typing.SupportsIndex,
) -> None: ...
def selu_backward(
    dy: typing.Any,
    kept: typing.Any,
    a: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    b: typing.SupportsFloat | typing.SupportsIndex = 0.0,
) -> numpy.ndarray: ...
def selu_forward(
    x: typing.Any,
    a: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    b: typing.SupportsFloat | typing.SupportsIndex = 0.0,
) -> numpy.ndarray: ...
def set_num_threads(n: typing.SupportsInt | typing.SupportsIndex) -> None: ...
def set_rendezvous(on: bool) -> None: ...
def sgd_update(
    param: typing.Any,
    grad: typing.Any,
    velocity: typing.Any,
    lr: typing.SupportsFloat | typing.SupportsIndex,
    momentum: typing.SupportsFloat | typing.SupportsIndex,
    nesterov: bool,
    weight_decay: typing.SupportsFloat | typing.SupportsIndex,
) -> None: ...
def sigmoid_backward(
    dy: typing.Any,
    kept: typing.Any,
    a: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    b: typing.SupportsFloat | typing.SupportsIndex = 0.0,
) -> numpy.ndarray: ...
def sigmoid_forward(
    x: typing.Any,
    a: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    b: typing.SupportsFloat | typing.SupportsIndex = 0.0,
) -> numpy.ndarray: ...
def silu_backward(
    dy: typing.Any,
    kept: typing.Any,
    a: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    b: typing.SupportsFloat | typing.SupportsIndex = 0.0,
) -> numpy.ndarray: ...
def silu_forward(
    x: typing.Any,
    a: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    b: typing.SupportsFloat | typing.SupportsIndex = 0.0,
) -> numpy.ndarray: ...
def softmax(x: typing.Any) -> numpy.ndarray: ...
def softmax_cross_entropy(
    scores: typing.Any,
    labels: typing.Any,
    weights: typing.Any,
    class_weights: typing.Any,
    label_smoothing: typing.SupportsFloat | typing.SupportsIndex,
    ignore_index: typing.SupportsInt | typing.SupportsIndex | None,
) -> tuple: ...
def softmax_cross_entropy_backward(
    dvalue: typing.SupportsFloat | typing.SupportsIndex,
    probs: typing.Any,
    labels: typing.Any,
    weights: typing.Any,
    class_weights: typing.Any,
    label_smoothing: typing.SupportsFloat | typing.SupportsIndex,
    ignore_index: typing.SupportsInt | typing.SupportsIndex | None,
) -> numpy.ndarray: ...
def softmax_cross_entropy_forward(
    scores: typing.Any,
    labels: typing.Any,
    weights: typing.Any,
    class_weights: typing.Any,
    label_smoothing: typing.SupportsFloat | typing.SupportsIndex,
    ignore_index: typing.SupportsInt | typing.SupportsIndex | None,
) -> tuple: ...
def softplus_backward(
    dy: typing.Any,
    kept: typing.Any,
    a: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    b: typing.SupportsFloat | typing.SupportsIndex = 0.0,
) -> numpy.ndarray: ...
def softplus_forward(
    x: typing.Any,
    a: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    b: typing.SupportsFloat | typing.SupportsIndex = 0.0,
) -> numpy.ndarray: ...
def tanh_backward(
    dy: typing.Any,
    kept: typing.Any,
    a: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    b: typing.SupportsFloat | typing.SupportsIndex = 0.0,
) -> numpy.ndarray: ...
def tanh_forward(
    x: typing.Any,
    a: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    b: typing.SupportsFloat | typing.SupportsIndex = 0.0,
) -> numpy.ndarray: ...
def threading_backend() -> str: ...
def upsample2d_backward(
    dy: typing.Any,
    x_shape: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(4)"
    ],
    scale_factor: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
) -> numpy.ndarray: ...
def upsample2d_forward(
    x: typing.Any,
    scale_factor: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
) -> numpy.ndarray: ...
def workers_seen() -> int: ...
