"""Pointwise nonlinearities."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np

from .. import functional as F
from .._arguments import choice, number
from ..init import constant
from ..keys import Key
from .layer import Array, Grads, Layer


class _Pointwise(Layer):
    """A function of every number by itself: one pair of `fastnn.functional`, given the layer's settings."""

    uses_key = False
    pair: ClassVar[tuple[Callable[..., tuple[Array, Any]], Callable[[Array, Any], Array]]]

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map any shape to the same shape."""
        return self.pair[0](x, **self.config())

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx of the input's shape."""
        return self.pair[1](dy, cache)


class ReLU(_Pointwise):
    """Cut negative values off: ``y = max(x, 0)``; the derivative at 0 is 0.

    Example:
        >>> import numpy as np
        >>> ReLU()(np.array([[-1.0, 2.0]])).tolist()
        [[0.0, 2.0]]

    Reference:
        Nair and Hinton, Rectified linear units improve restricted Boltzmann machines, 2010,
        https://www.cs.toronto.edu/~fritz/absps/reluICML.pdf
    """

    pair = F.relu_forward, F.relu_backward


class Sigmoid(_Pointwise):
    """Squash every number into (0, 1): ``y = 1 / (1 + e^-x)``.

    Example:
        >>> import numpy as np
        >>> Sigmoid()(np.array([[0.0, 1e4]])).tolist()
        [[0.5, 1.0]]

    Reference:
        Rumelhart, Hinton and Williams, Learning representations by back-propagating errors, 1986,
        https://doi.org/10.1038/323533a0
    """

    pair = F.sigmoid_forward, F.sigmoid_backward


class Tanh(_Pointwise):
    """Squash every number into (-1, 1): ``y = tanh(x)``.

    Example:
        >>> import numpy as np
        >>> Tanh()(np.array([[0.0, 1e4]])).tolist()
        [[0.0, 1.0]]

    Reference:
        LeCun et al., Efficient BackProp, 1998, https://doi.org/10.1007/3-540-49430-8_2
    """

    pair = F.tanh_forward, F.tanh_backward


class LeakyReLU(_Pointwise):
    """Shrink negative values: ``y = x if x > 0 else negative_slope x``; the derivative at 0 is the slope.

    Args:
        negative_slope: factor of negative values.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> import numpy as np
        >>> LeakyReLU()(np.array([[-1.0, 2.0]])).tolist()
        [[-0.01, 2.0]]

    Reference:
        Maas, Hannun and Ng, Rectifier nonlinearities improve neural network acoustic models, 2013,
        https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf
    """

    pair = F.leaky_relu_forward, F.leaky_relu_backward

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = number("LeakyReLU", "negative_slope", negative_slope, low=-math.inf)

    def config(self) -> dict[str, Any]:
        return {"negative_slope": self.negative_slope}


class ELU(_Pointwise):
    """Bend negative values towards ``-alpha``: ``y = x if x > 0 else alpha (e^x - 1)``.

    Args:
        alpha: minus the limit of large negative x.
        learned: whether it is a parameter, ``alpha`` (1,), that begins with this value.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> import numpy as np
        >>> ELU()(np.array([[-1e4, 2.0]])).tolist()
        [[-1.0, 2.0]]

    Reference:
        Clevert et al., Fast and accurate deep network learning by exponential linear units, 2016,
        https://arxiv.org/abs/1511.07289; Trottier et al., Parametric exponential linear unit, 2017,
        https://arxiv.org/abs/1605.09332 (learned)
    """

    uses_key = False

    def __init__(self, alpha: float = 1.0, learned: bool = False) -> None:
        super().__init__()
        self.alpha = number("ELU", "alpha", alpha, low=-math.inf)
        self.learned = bool(learned)
        if self.learned:
            self.add_param("alpha", (1,), partial(constant, value=self.alpha))

    @property
    def current_alpha(self) -> float:
        """The learned alpha, or else the one that was set."""
        return float(self.params["alpha"][0]) if self.learned else self.alpha

    def forward(self, x: Array, *, train: bool = False, key: Key | None = None) -> tuple[Array, Any]:
        """Map any shape to the same shape."""
        return F.elu_forward(x, alpha=self.current_alpha)

    def backward(self, dy: Array, cache: Any, grads: Grads | None = None) -> Array:
        """Return dx of the input's shape; add the gradient of a learned alpha."""
        if self.learned:
            grads = self.grads if grads is None else grads
            bend, _ = F.elu_forward(np.minimum(cache.x, 0))  # what alpha multiplies
            grads["alpha"] += (dy * bend).sum(dtype=np.float64)
        return F.elu_backward(dy, cache)

    def config(self) -> dict[str, Any]:
        return {"alpha": self.alpha, "learned": self.learned}


class SELU(_Pointwise):
    """A scaled ELU that keeps mean 0 and variance 1 through deep nets; see `fastnn.functional.selu_forward`.

    Weights want ``randn / sqrt(fan_in)`` (`fastnn.init.xavier_normal`), and inputs mean 0 and variance 1.

    Example:
        >>> import numpy as np
        >>> SELU()(np.array([[0.0, 1.0]])).tolist()
        [[0.0, 1.0507009873554805]]

    Reference:
        Klambauer et al., Self-normalizing neural networks, 2017, https://arxiv.org/abs/1706.02515
    """

    pair = F.selu_forward, F.selu_backward


class GELU(_Pointwise):
    """Weigh every number with the chance that a standard normal one is smaller: ``y = x Phi(x)``.

    Args:
        approximate: ``"none"``, or ``"tanh"`` for the formula of the first transformers.

    Raises:
        ValueError: an unknown ``approximate``.

    Example:
        >>> import numpy as np
        >>> GELU()(np.array([[0.0, 1e4]])).tolist()
        [[0.0, 10000.0]]

    Reference:
        Hendrycks and Gimpel, Gaussian error linear units, 2016, https://arxiv.org/abs/1606.08415
    """

    pair = F.gelu_forward, F.gelu_backward

    def __init__(self, approximate: Literal["none", "tanh"] = "none") -> None:
        super().__init__()
        self.approximate = choice("GELU", "approximate", approximate, ("none", "tanh"))

    def config(self) -> dict[str, Any]:
        return {"approximate": self.approximate}


class SiLU(_Pointwise):
    """Weigh every number with its own sigmoid: ``y = x sigmoid(x)``, also called swish.

    Example:
        >>> import numpy as np
        >>> SiLU()(np.array([[0.0, 1e4]])).tolist()
        [[0.0, 10000.0]]

    Reference:
        Elfwing, Uchibe and Doya, Sigmoid-weighted linear units for neural network function approximation in
        reinforcement learning, 2018, https://arxiv.org/abs/1702.03118
    """

    pair = F.silu_forward, F.silu_backward


class Softplus(_Pointwise):
    """Round off the corner of a ReLU: ``y = log(1 + e^(beta x)) / beta``.

    Args:
        beta: positive; the larger, the sharper the corner.
        threshold: where ``beta x`` is larger, y is x.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> import numpy as np
        >>> Softplus()(np.array([[-1e4, 1e4]])).tolist()
        [[0.0, 10000.0]]

    Reference:
        Dugas et al., Incorporating second-order functional knowledge for better option pricing, 2001,
        https://papers.nips.cc/paper/1920
    """

    pair = F.softplus_forward, F.softplus_backward

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = number("Softplus", "beta", beta, above=True)
        self.threshold = number("Softplus", "threshold", threshold, low=-math.inf)

    def config(self) -> dict[str, Any]:
        return {"beta": self.beta, "threshold": self.threshold}
