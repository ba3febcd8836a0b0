"""Penalties on weights that are part of the loss: ``value, dw = regularizer(w)``.

A `Model` applies its regularizer to weights only, the parameters with at least two axes: neither to biases
nor to the scale and shift of a norm. `ByName` chooses others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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

    Raises:
        ValueError: a strength is negative or not finite.

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

    Raises:
        ValueError: a strength is negative or not finite.

    Example:
        >>> import numpy as np
        >>> L2(0.1)(np.array([2.0, -1.0]))
        (0.25, array([ 0.2, -0.1]))

    Reference:
        Krogh and Hertz, A simple weight decay can improve generalization, 1992,
        https://papers.nips.cc/paper/563
    """

    def __init__(self, strength: float) -> None:
        super().__init__(0.0, number("L2", "strength", strength))

    def config(self) -> dict[str, float]:
        return {"strength": self.l2}


class L1(ElasticNet):
    """Pull weights towards zero at one speed, which leaves many at zero: ``strength * sum |w|``.

    Args:
        strength: >= 0.

    Raises:
        ValueError: a strength is negative or not finite.

    Example:
        >>> import numpy as np
        >>> L1(0.1)(np.array([2.0, -1.0, 0.0]))[1].tolist()
        [0.1, -0.1, 0.0]

    Reference:
        Tibshirani, Regression shrinkage and selection via the lasso, 1996,
        https://doi.org/10.1111/j.2517-6161.1996.tb02080.x
    """

    def __init__(self, strength: float) -> None:
        super().__init__(number("L1", "strength", strength), 0.0)

    def config(self) -> dict[str, float]:
        return {"strength": self.l1}


class ByName:
    """Penalties on chosen parameters: the sum of all those whose pattern fits a parameter's name.

    Args:
        penalties: pattern, as of file names, to penalty: ``"*.weight"``, ``"3.*"``, ``"head.bias"``.

    Raises:
        TypeError: a value is no penalty.

    Example:
        >>> import numpy as np
        >>> penalty = ByName({"*.weight": L2(1.0), "1.*": L1(0.5)})
        >>> params = {"0.weight": np.array([2.0]), "1.weight": np.array([3.0]), "1.bias": np.array([-1.0])}
        >>> grads = {name: np.zeros(1) for name in params}
        >>> penalty.add(params, grads), {name: dw.item() for name, dw in grads.items()}
        (8.5, {'0.weight': 2.0, '1.weight': 3.5, '1.bias': -0.5})
    """

    def __init__(self, penalties: Mapping[str, Regularizer]) -> None:
        for pattern, penalty in penalties.items():
            if not isinstance(penalty, Regularizer):
                got = type(penalty).__name__
                raise TypeError(f"[ByName] {pattern!r}: expected a penalty such as L2(1e-4), got {got}")
        self.penalties = dict(penalties)
        self._names: tuple[str, ...] = ()
        self._chosen: list[tuple[str, Regularizer]] = []

    def add(self, params: Mapping[str, Array], grads: Mapping[str, Array]) -> float:
        """Return the penalty on ``params``, and add its gradient to ``grads``.

        Raises:
            ValueError: a pattern fits no parameter.
        """
        if tuple(params) != self._names:
            self._chosen = list(self._choose(tuple(params)))
            self._names = tuple(params)
        total = 0.0
        for name, penalty in self._chosen:
            value, dw = penalty(params[name])
            total += value
            grads[name][...] += dw
        return total

    def _choose(self, names: tuple[str, ...]) -> Iterator[tuple[str, Regularizer]]:
        from fnmatch import fnmatchcase

        for pattern, penalty in self.penalties.items():
            fitting = [name for name in names if fnmatchcase(name, pattern)]
            if not fitting:
                raise ValueError(f"[ByName] pattern: expected one for {', '.join(names)}, got {pattern!r}")
            yield from ((name, penalty) for name in fitting)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments, fit for JSON."""
        return {"penalties": {pattern: to_config(penalty) for pattern, penalty in self.penalties.items()}}

    def __repr__(self) -> str:
        return f"ByName({self.penalties!r})"


Penalty: TypeAlias = ByName | Callable[[Array], tuple[float, Array]]


def to_config(regularizer: Regularizer | ByName | None) -> dict[str, Any] | None:
    """Return a description fit for JSON."""
    if regularizer is None:
        return None
    return {"type": type(regularizer).__name__, **regularizer.config()}


def from_config(config: dict[str, Any] | None) -> Regularizer | ByName | None:
    """Return the regularizer that ``config`` describes.

    Raises:
        ValueError: there is no penalty of that name, or a strength is out of range.

    Example:
        >>> from_config(to_config(L2(0.5)))
        L2(strength=0.5)
        >>> from_config(to_config(ByName({"3.*": L1(0.5)})))
        ByName({'3.*': L1(strength=0.5)})
    """
    if config is None:
        return None
    if config["type"] == "ByName":
        return ByName({pattern: _penalty(part) for pattern, part in config["penalties"].items()})
    return _penalty(config)


def _penalty(config: dict[str, Any]) -> Regularizer:
    kinds = {kind.__name__: kind for kind in (L2, L1, ElasticNet)}
    options = dict(config)
    kind = choice("regularizers", "type", options.pop("type"), tuple(kinds))
    return kinds[kind](**options)
