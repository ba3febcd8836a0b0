"""Layers that add noise of other shapes than dropout's.

All follow one rule: they draw when they are given a key, in training and in Monte-Carlo prediction alike, and
are what they are on average when they are given none.
"""

from __future__ import annotations

from typing import Any, Literal

from .. import functional as F
from .._arguments import number
from ..keys import Key
from .layer import Array, Grads, Layer


class SpatialDropout(Layer):
    """Zero whole channels of images at random, and scale the others by ``1 / (1 - drop_prob)``.

    Neighbouring pixels tell the same story, so that dropping single ones hides little.

    Args:
        drop_prob: chance of a zero, in [0, 1).

    Raises:
        ValueError: ``drop_prob`` outside [0, 1), or, in training, no key.

    Example:
        >>> import numpy as np
        >>> SpatialDropout(0.5)(np.ones((1, 2, 1, 1))).ravel().tolist()
        [1.0, 1.0]

    Reference:
        Tompson et al., Efficient object localization using convolutional networks, 2015,
        https://arxiv.org/abs/1411.4280
    """

    group: Literal["channel", "example"] = "channel"

    def __init__(self, drop_prob: float = 0.5) -> None:
        super().__init__()
        self.drop_prob = number(type(self).__name__, "drop_prob", drop_prob, high=1.0, below=True)

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map any shape with the batch on its first axis to the same shape.

        Raises:
            ValueError: training without a key.
        """
        if key is None:
            if train:
                raise ValueError(f"[{type(self).__name__}] key: expected a fastnn.Key in training, got None")
            return x, None
        return F.dropout_forward(x, self.drop_prob, key=key, group=self.group)

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx of the input's shape."""
        return dy if cache is None else F.dropout_backward(dy, cache)

    def config(self) -> dict[str, Any]:
        return {"drop_prob": self.drop_prob}


class StochasticDepth(SpatialDropout):
    """Zero whole examples at random, and scale the others by ``1 / (1 - drop_prob)``.

    At the end of a `Residual` body it leaves out the block, example by example.

    Args:
        drop_prob: chance of a zero, in [0, 1).

    Raises:
        ValueError: ``drop_prob`` outside [0, 1), or, in training, no key.

    Example:
        >>> from fastnn import nn
        >>> block = nn.Residual(nn.Sequential(nn.Linear(2, 2), StochasticDepth(0.2)))

    Reference:
        Huang et al., Deep networks with stochastic depth, 2016, https://arxiv.org/abs/1603.09382
    """

    group = "example"


class GaussianNoise(Layer):
    """Add normal noise, ``y = x + std * n``, drawn from the key, the example and the element's place.

    Args:
        std: of the noise, >= 0.

    Raises:
        ValueError: ``std`` is negative or not finite, or, in training, there is no key.

    Example:
        >>> import numpy as np
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
        """Map any shape with the batch on its first axis to the same shape.

        Raises:
            ValueError: training without a key.
        """
        if key is None:
            if train:
                raise ValueError("[GaussianNoise] key: expected a fastnn.Key in training, got None")
            return x, None
        return F.gaussian_noise(x, self.std, key=key), None

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx, which is dy."""
        return dy

    def config(self) -> dict[str, Any]:
        return {"std": self.std}
