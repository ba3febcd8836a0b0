"""Layers that add noise of other shapes than dropout's.

All follow one rule: they draw when they are given a key, in training and in Monte-Carlo prediction alike, and
are what they are on average when they are given none.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import functional as F
from .. import init
from .._arguments import integer, number
from ..keys import Key
from .layer import Array, Grads, Layer


class SpatialDropout(Layer):
    """Zero whole channels of images at random, and scale the others by ``1 / (1 - drop_prob)``.

    Neighbouring pixels tell the same story, so that dropping single ones hides little.

    Args:
        drop_prob: chance of a zero, in [0, 1).

    Example:
        >>> SpatialDropout(0.5)(np.ones((1, 2, 1, 1))).ravel().tolist()
        [1.0, 1.0]

    Reference:
        Tompson et al., Efficient object localization using convolutional networks, 2015,
        https://arxiv.org/abs/1411.4280
    """

    kept_axes = 2

    def __init__(self, drop_prob: float = 0.5) -> None:
        super().__init__()
        self.drop_prob = number(type(self).__name__, "drop_prob", drop_prob, high=1.0, below=True)

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map any shape with the batch on its first axis to the same shape."""
        if key is None:
            if train:
                raise ValueError(f"[{type(self).__name__}] key: expected a fastnn.Key in training, got None")
            return x, None
        axes = min(self.kept_axes, x.ndim)
        mask, _ = F.dropout_forward(np.ones(x.shape[:axes], x.dtype), self.drop_prob, key=key)
        mask = mask.reshape(*x.shape[:axes], *(1,) * (x.ndim - axes))
        return x * mask, mask

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx of the input's shape."""
        return dy if cache is None else dy * cache

    def config(self) -> dict[str, Any]:
        return {"drop_prob": self.drop_prob}


class StochasticDepth(SpatialDropout):
    """Zero whole examples at random, and scale the others by ``1 / (1 - drop_prob)``.

    At the end of a `Residual` body it leaves out the block, example by example.

    Args:
        drop_prob: chance of a zero, in [0, 1).

    Example:
        >>> from fastnn import nn
        >>> block = nn.Residual(nn.Sequential(nn.Linear(2, 2), StochasticDepth(0.2)))

    Reference:
        Huang et al., Deep networks with stochastic depth, 2016, https://arxiv.org/abs/1603.09382
    """

    kept_axes = 1


class GaussianNoise(Layer):
    """Add normal noise, ``y = x + std * n``, drawn from the key, the example and the element's place.

    Args:
        std: of the noise, >= 0.

    Example:
        >>> y, _ = GaussianNoise(0.1).forward(np.zeros((1, 3)), train=True, key=Key.from_seed(0))
        >>> bool((y != 0).all()), GaussianNoise(0.1)(np.zeros((1, 3))).tolist()
        (True, [[0.0, 0.0, 0.0]])

    Reference:
        Bishop, Training with noise is equivalent to Tikhonov regularization, 1995,
        https://doi.org/10.1162/neco.1995.7.1.108
    """

    def __init__(self, std: float = 0.1) -> None:
        super().__init__()
        self.std = number("GaussianNoise", "std", std)

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map any shape with the batch on its first axis to the same shape."""
        if key is None:
            if train:
                raise ValueError("[GaussianNoise] key: expected a fastnn.Key in training, got None")
            return x, None
        return x + (self.std * _normal(key, x.shape)).astype(x.dtype), None

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx, which is dy."""
        return dy

    def config(self) -> dict[str, Any]:
        return {"std": self.std}


class DropConnectLinear(Layer):
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

    Example:
        >>> DropConnectLinear(3, 2)(np.ones((5, 3), np.float32)).shape
        (5, 2)

    Reference:
        Wan et al., Regularization of neural networks using DropConnect, 2013,
        https://proceedings.mlr.press/v28/wan13.html
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, drop_prob: float = 0.5
    ) -> None:
        super().__init__()
        self.in_features = integer("DropConnectLinear", "in_features", in_features)
        self.out_features = integer("DropConnectLinear", "out_features", out_features)
        self.bias = bool(bias)
        self.drop_prob = number("DropConnectLinear", "drop_prob", drop_prob, high=1.0, below=True)
        self.add_param("weight", (self.out_features, self.in_features), init.kaiming_normal)
        if self.bias:
            self.add_param("bias", (self.out_features,), init.zeros)

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map x (N, in_features) to (N, out_features)."""
        weight, dropped = self.params["weight"], None
        if key is not None:
            kept, dropped = F.dropout_forward(weight[None], self.drop_prob, key=key.at(0))
            weight = kept[0]
        elif train:
            raise ValueError("[DropConnectLinear] key: expected a fastnn.Key in training, got None")
        y, product = F.linear_forward(x, weight, self.params.get("bias"))
        return y, (product, dropped)

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx (N, in_features); add dw and db."""
        grads = self.grads if grads is None else grads
        product, dropped = cache
        dx, dw, db = F.linear_backward(dy, product)
        assert dx is not None
        grads["weight"] += dw if dropped is None else F.dropout_backward(dw[None], dropped)[0]
        if db is not None:
            grads["bias"] += db
        return dx

    def config(self) -> dict[str, Any]:
        return {
            "in_features": self.in_features,
            "out_features": self.out_features,
            "bias": self.bias,
            "drop_prob": self.drop_prob,
        }

    def multiply_adds(self, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> int:
        return self.in_features * self.out_features


def _normal(key: Key, shape: tuple[int, ...]) -> Array:
    """Draw normal numbers, each a function of key, example and place (Box and Muller)."""
    examples, size = shape[0], int(np.prod(shape[1:]))
    # One counter of Philox gives four words; every example gets as many counters as it needs words.
    counters = -(-size // 4)
    counter = (key.example * counters) % (1 << 64)
    words = np.random.Philox(key=key.bits % (1 << 64), counter=counter).random_raw(examples * counters * 4)
    uniform = ((words >> np.uint64(11)) + 0.5) * 2.0**-53
    radius, angle = np.sqrt(-2 * np.log(uniform[0::2])), 2 * np.pi * uniform[1::2]
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    drawn: Array = pairs.reshape(examples, counters * 4)[:, :size].reshape(shape)
    return drawn
