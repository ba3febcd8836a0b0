"""Penalties on weights that are part of the loss: ``value, dw = regularizer(w)``.

A `Model` applies its regularizer to weights only, the parameters with at least two axes: neither to biases
nor to the scale and shift of a batch norm.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ._arguments import choice, number

Array: TypeAlias = npt.NDArray[Any]


class Regularizer:
    """A penalty on weights and its gradient."""

    def __call__(self, w: Array) -> tuple[float, Array]:
        """Return the penalty on ``w``, any shape, and its gradient of the same shape."""
        raise NotImplementedError

    def config(self) -> dict[str, float]:
        """Return the constructor's arguments, fit for JSON."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.config().items())})"


class ElasticNet(Regularizer):
    """Pull weights towards zero in both ways: ``l1 * sum |w| + 0.5 * l2 * sum w^2``.

    The gradient is ``l1 * sign(w) + l2 * w``, with ``sign(0) = 0``.

    Args:
        l1: strength of the first term, >= 0.
        l2: strength of the second, >= 0.

    Example:
        >>> import numpy as np
        >>> ElasticNet(l1=1.0, l2=1.0)(np.array([2.0, -1.0]))
        (5.5, array([ 3., -2.]))

    Reference:
        Zou and Hastie, Regularization and variable selection via the elastic net, 2005,
        https://doi.org/10.1111/j.1467-9868.2005.00503.x
    """

    def __init__(self, l1: float, l2: float) -> None:
        self.l1 = number(type(self).__name__, "l1", l1)
        self.l2 = number(type(self).__name__, "l2", l2)

    def __call__(self, w: Array) -> tuple[float, Array]:
        value, dw = 0.0, np.zeros_like(w)
        if self.l1:
            value += self.l1 * float(np.abs(w).sum(dtype=np.float64))
            dw += self.l1 * np.sign(w)
        if self.l2:
            value += 0.5 * self.l2 * float(np.square(w).sum(dtype=np.float64))
            dw += self.l2 * w
        return value, dw

    def config(self) -> dict[str, float]:
        return {"l1": self.l1, "l2": self.l2}


class L2(ElasticNet):
    """Pull weights towards zero in proportion: ``0.5 * strength * sum w^2``, gradient ``strength * w``.

    Args:
        strength: >= 0; some texts leave the half out, so theirs is half of this.

    Example:
        >>> import numpy as np
        >>> L2(0.1)(np.array([2.0, -1.0]))
        (0.25, array([ 0.2, -0.1]))
    """

    def __init__(self, strength: float) -> None:
        super().__init__(0.0, number("L2", "strength", strength))

    def config(self) -> dict[str, float]:
        return {"strength": self.l2}


class L1(ElasticNet):
    """Pull weights towards zero at one speed, which leaves many at zero: ``strength * sum |w|``.

    Args:
        strength: >= 0.

    Example:
        >>> import numpy as np
        >>> L1(0.1)(np.array([2.0, -1.0, 0.0]))[1].tolist()
        [0.1, -0.1, 0.0]
    """

    def __init__(self, strength: float) -> None:
        super().__init__(number("L1", "strength", strength), 0.0)

    def config(self) -> dict[str, float]:
        return {"strength": self.l1}


def to_config(regularizer: Regularizer | None) -> dict[str, Any] | None:
    """Return a description fit for JSON."""
    if regularizer is None:
        return None
    return {"type": type(regularizer).__name__, **regularizer.config()}


def from_config(config: dict[str, Any] | None) -> Regularizer | None:
    """Return the regularizer that ``config`` describes.

    Example:
        >>> from_config(to_config(L2(0.5)))
        L2(strength=0.5)
    """
    if config is None:
        return None
    kinds = {kind.__name__: kind for kind in (L2, L1, ElasticNet)}
    options = dict(config)
    kind = choice("regularizers", "type", options.pop("type"), tuple(kinds))
    regularizer: Regularizer = kinds[kind](**options)
    return regularizer
