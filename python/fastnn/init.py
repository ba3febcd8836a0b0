"""Initial values of parameters, each drawn from a name of its own, so that their order never matters.

An initialiser is a function ``(shape, rng) -> float64 array``; options are bound with `functools.partial`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ._arguments import choice, number
from .keys import hash_bits

Array: TypeAlias = npt.NDArray[Any]
Shape: TypeAlias = tuple[int, ...]
# Quoted: np.random is loaded when it is first named.
Initializer: TypeAlias = Callable[[Shape, "np.random.Generator"], Array]
Mode: TypeAlias = Literal["fan_in", "fan_avg", "fan_out"]


def generator(seed: int, name: str) -> np.random.Generator:
    """Return the random stream of the parameter called ``name`` in the model called ``seed``.

    The stream is Philox keyed by a hash of both, so adding, removing or reordering other parameters changes
    nothing.

    Example:
        >>> generator(0, "0.weight").normal() == generator(0, "0.weight").normal()
        True
        >>> generator(0, "0.weight").normal() == generator(0, "1.weight").normal()
        False
    """
    return np.random.Generator(np.random.Philox(key=hash_bits(f"{seed}/{name}", 16)))


def fans(shape: Shape) -> tuple[int, int]:
    """Return (fan_in, fan_out) of a weight: terms of one output's sum, outputs that one input feeds.

    Linear (out, in): ``in`` and ``out``. Convolution (F, C/groups, KH, KW): ``KH*KW*C/groups`` and
    ``KH*KW*F``.

    Raises:
        ValueError: fewer than two axes.

    Example:
        >>> fans((16, 3, 5, 5))
        (75, 400)
    """
    if len(shape) < 2:
        raise ValueError(f"[fans] shape: expected at least two axes (out, in, ...), got {shape}")
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


def _fan(shape: Shape, mode: Mode) -> float:
    fan_in, fan_out = fans(shape)
    choice("init", "mode", mode, ("fan_in", "fan_avg", "fan_out"))
    return {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]


def kaiming_normal(
    shape: Shape, rng: np.random.Generator, *, mode: Mode = "fan_in", gain: float = math.sqrt(2)
) -> Array:
    """Draw a weight that keeps the scale of activations through ReLU layers: ``randn * gain / sqrt(fan)``.

    Args:
        shape: (out, in) or (F, C/groups, KH, KW).
        rng: random stream, see `generator`.
        mode: which fan sets the scale.
        gain: sqrt(2) makes up for the half that ReLU cuts.

    Returns:
        float64 array of ``shape``.

    Raises:
        ValueError: if ``shape`` has fewer than two axes.

    Example:
        >>> w = kaiming_normal((100, 50), generator(0, "weight"))
        >>> bool(abs(w.std() - (2 / 50) ** 0.5) < 0.01)
        True

    Reference:
        He et al., Delving deep into rectifiers, 2015, https://arxiv.org/abs/1502.01852
    """
    return rng.normal(0.0, gain / math.sqrt(_fan(shape, mode)), shape)


def kaiming_uniform(
    shape: Shape, rng: np.random.Generator, *, mode: Mode = "fan_in", gain: float = math.sqrt(2)
) -> Array:
    """Draw as `kaiming_normal`, uniformly: ``U(-a, a)`` with ``a = gain * sqrt(3 / fan)``, the same variance.

    Raises:
        ValueError: an unknown ``mode``.

    Example:
        >>> w = kaiming_uniform((100, 50), generator(0, "weight"))
        >>> bool(abs(w).max() <= (6 / 50) ** 0.5)
        True

    Reference:
        He et al., Delving deep into rectifiers, 2015, https://arxiv.org/abs/1502.01852
    """
    bound = gain * math.sqrt(3 / _fan(shape, mode))
    return rng.uniform(-bound, bound, shape)


def xavier_normal(
    shape: Shape, rng: np.random.Generator, *, mode: Mode = "fan_in", gain: float = 1.0
) -> Array:
    """Draw a weight that keeps the scale of activations through tanh layers: ``randn * gain / sqrt(fan)``.

    The lecture form uses fan_in; Glorot and Bengio, and PyTorch, average both: ``mode="fan_avg"``.

    Example:
        >>> w = xavier_normal((100, 50), generator(0, "weight"))
        >>> bool(abs(w.std() - (1 / 50) ** 0.5) < 0.01)
        True

    Reference:
        Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, 2010,
        https://proceedings.mlr.press/v9/glorot10a.html
    """
    return kaiming_normal(shape, rng, mode=mode, gain=gain)


def xavier_uniform(
    shape: Shape, rng: np.random.Generator, *, mode: Mode = "fan_in", gain: float = 1.0
) -> Array:
    """Draw as `xavier_normal`, uniformly: ``U(-a, a)`` with ``a = gain * sqrt(3 / fan)``, the same variance.

    Example:
        >>> w = xavier_uniform((100, 50), generator(0, "weight"))
        >>> bool(abs(w).max() <= (3 / 50) ** 0.5)
        True

    Reference:
        Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, 2010,
        https://proceedings.mlr.press/v9/glorot10a.html
    """
    return kaiming_uniform(shape, rng, mode=mode, gain=gain)


def normal(shape: Shape, rng: np.random.Generator, *, mean: float = 0.0, std: float = 0.01) -> Array:
    """Draw ``N(mean, std^2)``; the default is the small random weight of the lecture.

    Raises:
        ValueError: ``std`` is negative or not finite.

    Example:
        >>> normal((2, 3), generator(0, "weight")).shape
        (2, 3)
    """
    return rng.normal(mean, number("normal", "std", std), shape)


def uniform(shape: Shape, rng: np.random.Generator, *, low: float = -0.01, high: float = 0.01) -> Array:
    """Draw ``U(low, high)``.

    Raises:
        ValueError: ``high`` is less than ``low``, or one of them not finite.

    Example:
        >>> bool(uniform((9,), generator(0, "bias"), low=1, high=2).min() >= 1)
        True
    """
    if not low <= high:
        raise ValueError(f"[uniform] high: expected at least low={low}, got {high}")
    return rng.uniform(low, high, shape)


def constant(shape: Shape, rng: np.random.Generator, *, value: float) -> Array:
    """Fill with ``value``; a weight of equal entries leaves all units of its layer identical for ever.

    Example:
        >>> constant((2,), generator(0, "bias"), value=0.01).tolist()
        [0.01, 0.01]
    """
    return np.full(shape, value, np.float64)


def zeros(shape: Shape, rng: np.random.Generator) -> Array:
    """Fill with zeros, the default of biases.

    Example:
        >>> zeros((2,), generator(0, "bias")).tolist()
        [0.0, 0.0]
    """
    return np.zeros(shape)


def relu_bias(shape: Shape, rng: np.random.Generator) -> Array:
    """Fill with 0.01: a bias that some give to ReLU layers, so that every unit begins with a gradient.

    ``model.initialize(bias=init.relu_bias)`` gives it to a whole model. Whether it helps is not settled, so
    that biases are 0 by default.

    Example:
        >>> relu_bias((2,), generator(0, "bias")).tolist()
        [0.01, 0.01]

    Reference:
        CS231n, Setting up the data and the model, https://cs231n.github.io/neural-networks-2
    """
    return np.full(shape, 0.01)


def ones(shape: Shape, rng: np.random.Generator) -> Array:
    """Fill with ones, the default of a batch norm's scale.

    Example:
        >>> ones((2,), generator(0, "weight")).tolist()
        [1.0, 1.0]
    """
    return np.ones(shape)


_GAINS = {
    "linear": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
}


def gain(activation: str, negative_slope: float = 0.01) -> float:
    """Return the factor that makes up for what an activation does to the scale of its inputs.

    The numbers are PyTorch's: 1 for linear and sigmoid, 5/3 for tanh, sqrt(2) for ReLU, 3/4 for SELU, and
    ``sqrt(2 / (1 + negative_slope^2))`` for leaky ReLU.

    Args:
        activation: ``"linear"``, ``"sigmoid"``, ``"tanh"``, ``"relu"``, ``"leaky_relu"`` or ``"selu"``.
        negative_slope: of leaky ReLU.

    Raises:
        ValueError: an unknown activation.

    Example:
        >>> gain("leaky_relu", 1.0)
        1.0
    """
    choice("gain", "activation", activation, (*_GAINS, "leaky_relu"))
    if activation == "leaky_relu":
        return math.sqrt(2 / (1 + negative_slope**2))
    return _GAINS[activation]


def orthogonal(shape: Shape, rng: np.random.Generator, *, gain: float = 1.0) -> Array:
    """Draw a weight whose rows, or columns if those are fewer, are orthogonal and of length ``gain``.

    Axes after the first count as one, so that a filter is a row. The draw is uniform over such matrices:
    signs of the QR decomposition's diagonal are taken out.

    Example:
        >>> w = orthogonal((3, 5), generator(0, "weight"))
        >>> bool(np.allclose(w @ w.T, np.eye(3)))
        True

    Reference:
        Saxe et al., Exact solutions to the nonlinear dynamics of learning in deep linear neural networks,
        2014, https://arxiv.org/abs/1312.6120
    """
    rows, columns = shape[0], fans(shape)[0]
    q, r = np.linalg.qr(rng.normal(size=(max(rows, columns), min(rows, columns))))
    q *= np.sign(np.diag(r))
    w: Array = gain * (q if rows >= columns else q.T)
    return w.reshape(shape)


def random_walk(shape: Shape, rng: np.random.Generator, *, activation: str = "relu") -> Array:
    """Draw a weight under which the log of a gradient's length walks without drift through many layers.

    ``randn * g / sqrt(fan_in)`` with ``g = sqrt(2) exp(1.2 / (max(n, 6) - 2.4))`` for ReLU and
    ``exp(1 / (2 n))`` for linear layers, n the fan-in: a little above Kaiming's, most for narrow layers.

    Raises:
        ValueError: an unknown ``activation``.

    Example:
        >>> w = random_walk((100, 50), generator(0, "weight"))
        >>> bool(abs(w.std() / (2 / 50) ** 0.5 - 1) < 0.05)
        True

    Reference:
        Sussillo and Abbott, Random walk initialization for training very deep feedforward networks, 2014,
        https://arxiv.org/abs/1412.6558
    """
    choice("random_walk", "activation", activation, ("relu", "linear"))
    n = fans(shape)[0]
    scale = math.sqrt(2) * math.exp(1.2 / (max(n, 6) - 2.4)) if activation == "relu" else math.exp(0.5 / n)
    return kaiming_normal(shape, rng, gain=scale)
