"""Layers that drop weights in place of activations."""

from __future__ import annotations

from typing import Any

from .. import functional as F
from .._arguments import number
from ..functional.conv import Padding2d
from ..keys import Key
from .conv import Conv2d, IntOrPair
from .layer import Array, Grads
from .linear import Linear


def _drop(layer: Linear | Conv2d, drop_prob: float, train: bool, key: Key | None) -> tuple[Array, Any]:
    """Return the weights of this step, of which one draw serves all examples, and how they were drawn."""
    weight = layer.params["weight"]
    if key is None:
        if train:
            raise ValueError(f"[{type(layer).__name__}] key: expected a fastnn.Key in training, got None")
        return weight, None
    kept, drawn = F.dropout_forward(weight.reshape(1, -1), drop_prob, key=key.at(0))
    return kept.reshape(weight.shape), drawn


def _add(grads: Grads, dw: Array, db: Array | None, drawn: Any) -> None:
    """Add the gradients of the parameters: what was dropped has none."""
    if drawn is not None:
        dw = F.dropout_backward(dw.reshape(1, -1), drawn).reshape(dw.shape)
    grads["weight"] += dw
    if db is not None:
        grads["bias"] += db


class DropConnectLinear(Linear):
    """Fully connected layer that zeroes weights, not activations.

    ``y = x (w * mask / (1 - drop_prob))^T + b``

    One mask a step serves the whole batch; the paper draws one an example. Prediction uses all weights, the
    mean over the masks, where the paper matches a normal distribution's moments.

    Args:
        in_features: length of an input row.
        out_features: length of an output row.
        bias: whether to add ``b``, which is never dropped.
        drop_prob: chance of a zero, in [0, 1).

    Parameters are those of `Linear`.

    Raises:
        ValueError: an argument out of range, or, in training, no key.

    Example:
        >>> import numpy as np
        >>> DropConnectLinear(3, 2)(np.ones((5, 3), np.float32)).shape
        (5, 2)

    Reference:
        Wan et al., Regularization of neural networks using DropConnect, 2013,
        https://proceedings.mlr.press/v28/wan13.html
    """

    can_skip_dx = True

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, drop_prob: float = 0.5
    ) -> None:
        super().__init__(in_features, out_features, bias)
        self.drop_prob = number("DropConnectLinear", "drop_prob", drop_prob, high=1.0, below=True)

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map x (N, in_features) to (N, out_features)."""
        weight, drawn = _drop(self, self.drop_prob, train, key)
        y, product = F.linear_forward(x, weight, self.params.get("bias"))
        return y, (product, drawn)

    def backward(
        self, dy: Array, cache: Any, grads: Grads | None = None, *, need_dx: bool = True
    ) -> Array | None:
        """Return dx (N, in_features), or None without ``need_dx``; add dw and db unless frozen."""
        product, drawn = cache
        dx, dw, db = F.linear_backward(dy, product, need_dx=need_dx, need_dw=self.trainable)
        if dw is not None:
            _add(self.grads if grads is None else grads, dw, db, drawn)
        return dx

    def config(self) -> dict[str, Any]:
        return {**super().config(), "drop_prob": self.drop_prob}


class DropConnectConv2d(Conv2d):
    """Convolution that zeroes weights, not activations: `Conv2d` with ``w * mask / (1 - drop_prob)`` for w.

    One mask a step serves the whole batch and every place of a filter. Prediction uses all weights, the mean
    over the masks.

    Args:
        in_channels: C.
        out_channels: number of filters F.
        kernel_size: integer or (KH, KW).
        stride: step between places, integer or pair.
        padding: zeros on every side, integer or pair; or ``"same"``.
        dilation: distance between kernel cells, integer or pair.
        groups: divides C and F.
        bias: whether to add ``b``, which is never dropped.
        drop_prob: chance of a zero, in [0, 1).

    Parameters are those of `Conv2d`.

    Raises:
        ValueError: an argument out of range, or, in training, no key.

    Example:
        >>> import numpy as np
        >>> DropConnectConv2d(3, 8, 3, padding=1)(np.ones((1, 3, 6, 6), np.float32)).shape
        (1, 8, 6, 6)

    Reference:
        Wan et al., Regularization of neural networks using DropConnect, 2013,
        https://proceedings.mlr.press/v28/wan13.html
    """

    can_skip_dx = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrPair,
        stride: IntOrPair = 1,
        padding: Padding2d = 0,
        dilation: IntOrPair = 1,
        groups: int = 1,
        bias: bool = True,
        drop_prob: float = 0.5,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)
        self.drop_prob = number("DropConnectConv2d", "drop_prob", drop_prob, high=1.0, below=True)

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map x (N, C, H, W) to (N, F, OH, OW)."""
        weight, drawn = _drop(self, self.drop_prob, train, key)
        y, product = F.conv2d_forward(
            x,
            weight,
            self.params.get("bias"),
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )
        return y, (product, drawn)

    def backward(
        self, dy: Array, cache: Any, grads: Grads | None = None, *, need_dx: bool = True
    ) -> Array | None:
        """Return dx (N, C, H, W), or None without ``need_dx``; add dw and db unless frozen."""
        product, drawn = cache
        dx, dw, db = F.conv2d_backward(dy, product, need_dx=need_dx, need_dw=self.trainable)
        if dw is not None:
            _add(self.grads if grads is None else grads, dw, db, drawn)
        return dx

    def config(self) -> dict[str, Any]:
        return {**super().config(), "drop_prob": self.drop_prob}
