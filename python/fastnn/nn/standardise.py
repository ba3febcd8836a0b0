"""Fixed scaling of the input, as a layer, so that it travels with the net."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import functional as F
from .. import preprocess
from .._arguments import integer
from ..keys import Key
from .layer import Array, Grads, Layer


class Standardise(Layer):
    """Subtract a mean and divide by a standard deviation, one of each a channel: ``y = (x - mean) / std``.

    A net that begins with it takes data as they come, 0 to 255 for example, in training and in prediction
    alike. Nothing here is learned by gradient: `fit` measures the training data once, and what it finds is
    saved with the net.

    Args:
        num_features: C of x (N, C) or (N, C, H, W).

    Buffers are ``mean`` and ``std``, both (C,): zeros and ones before `fit`.

    Raises:
        ValueError: ``num_features`` is below 1, or inputs do not have so many.

    Example:
        >>> layer = Standardise(1).fit(np.array([[1], [3]], np.uint8))
        >>> layer(np.array([[1.0], [5.0]], np.float32)).tolist()
        [[-1.0], [3.0]]

    Reference:
        LeCun et al., Efficient BackProp, 1998, https://doi.org/10.1007/3-540-49430-8_2
    """

    uses_key = False

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = integer("Standardise", "num_features", num_features)
        self.buffers = {
            "mean": np.zeros(self.num_features, np.float32),
            "std": np.ones(self.num_features, np.float32),
        }

    def fit(self, X: Array) -> Standardise:
        """Measure training data X (N, C) or (N, C, H, W), as `fastnn.preprocess.Standardise`; return self.

        Raises:
            ValueError: X is empty or has another number of channels.
        """
        self._check(X)
        measured = preprocess.Standardise().fit(X)
        assert measured.mean is not None
        assert measured.std is not None
        self.buffers["mean"][...] = measured.mean.ravel()
        self.buffers["std"][...] = measured.std.ravel()
        return self

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Scale x; the cache is the factor of every channel."""
        self._check(x)
        factor = 1 / self.buffers["std"]
        zeros, ones = np.zeros_like(factor), np.ones_like(factor)
        y, _ = F.batchnorm_forward(x, factor, zeros, mean=self.buffers["mean"], var=ones, eps=0.0)
        return y, factor

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx."""
        dx: Array = dy * cache.reshape(-1, *(1,) * (dy.ndim - 2))
        return dx

    def config(self) -> dict[str, Any]:
        return {"num_features": self.num_features}

    def _check(self, x: Array) -> None:
        if x.ndim not in (2, 4) or x.shape[1] != self.num_features:
            expected = f"(N, {self.num_features}) or (N, {self.num_features}, H, W)"
            raise ValueError(f"[Standardise] x: expected shape {expected}, got {x.shape}")
