"""What a row of the table says about an operation, and what a test or a benchmark can ask of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fastnn.testing.gradcheck import check_op

Array: TypeAlias = npt.NDArray[Any]
Shape: TypeAlias = tuple[int, ...]
Arguments: TypeAlias = dict[str, Any]
Results: TypeAlias = dict[str, Array]
Fill: TypeAlias = Callable[[np.random.Generator, Shape], Array]


def normal(rng: np.random.Generator, shape: Shape) -> Array:
    """Draw from the normal distribution: for close comparison."""
    return rng.normal(size=shape)


def integers(rng: np.random.Generator, shape: Shape) -> Array:
    """Draw integers from -3 to 3: every partial sum of their products is exact, so results must be equal."""
    return rng.integers(-3, 4, size=shape)


def apart(rng: np.random.Generator, shape: Shape) -> Array:
    """Draw distinct values from -2 to 2, none near 0: differences with a small step meet no kink."""
    size = int(np.prod(shape))
    places: Array = np.arange(size) + 0.5
    # An even count keeps the grid symmetric, with its middle between two values.
    even = size + size % 2
    return rng.permutation(places * (4 / max(even, 1)) - 2).reshape(shape)


def always(problem: Problem) -> bool:
    """Every sum and product of integers is exact."""
    return True


def never(problem: Problem) -> bool:
    """Roots, exponentials and divisions round."""
    return False


@dataclass(frozen=True)
class Problem:
    """One size and setting of an operation; as text it is the line that repeats a failure.

    Args:
        shapes: of the array arguments, by name, in the order of the signature.
        settings: the other keyword arguments.

    Example:
        >>> str(Problem({"x": (2, 3), "w": (4, 3)}, {"activation": "relu"}))
        "x=2x3 w=4x3 activation='relu'"
    """

    shapes: Mapping[str, Shape]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        shapes = [f"{name}={'x'.join(map(str, shape))}" for name, shape in self.shapes.items()]
        return " ".join(shapes + [f"{name}={value!r}" for name, value in self.settings.items()])


class BadCall:
    """A change to the arguments after which the call must be refused: ``[op] arg: expected ..., got ...``.

    Args:
        arg: the argument that the message blames.
        got: text that the message must hold after ``got``, a regular expression.
        changes: new values of arguments, by name; a function is called with the good arguments.
    """

    def __init__(self, arg: str, got: str = ".+", **changes: Any) -> None:
        self.arg, self.got, self._changes = arg, got, changes

    def spoil(self, arguments: Arguments) -> Arguments:
        """Return good arguments with this call's changes."""
        changed = {
            name: value(arguments) if callable(value) else value for name, value in self._changes.items()
        }
        return {**arguments, **changed}

    def __str__(self) -> str:
        return " ".join([self.arg, *self._changes])


@dataclass(frozen=True, kw_only=True)
class OpCase(ABC):
    """One row of the table: everything that tests and benchmarks need to know about an operation.

    Args:
        name: the operation's stem, ``conv2d`` of ``conv2d_forward``.
        problems: small sizes, each with a setting of interest; error checks start from the first.
        wide: a size that is cut into three chunks at least, so that three workers take part.
        tails: functions from n to a problem whose vectorised extent is n: sizes round a register's edge come
            from here.
        bench: sizes worth timing.
        reduction: number of terms behind an element of each result, by name; 1 where it says nothing.
        units: of epsilon allowed, see `fastnn.testing.tolerances.bound`.
        flops: arithmetic of one `run`, where it means anything.
        exact: of which problems integers give equal bits, as all do that are sums and products of integers.
        fills: how to draw an argument that is not just any number.
        any_rank: whether arrays may have any number of axes.
        batched: the arrays whose axis 0 is the batch.
        bad_calls: calls that must be refused.
        torch: the same in PyTorch, called with the module and the arguments as tensors.
    """

    name: str
    problems: Sequence[Problem]
    wide: Problem
    tails: Sequence[Callable[[int], Problem]] = ()
    bench: Sequence[Problem] = ()
    reduction: Callable[[Problem], Mapping[str, int]] = lambda problem: {}
    units: float = 4.0
    flops: Callable[[Problem], int] | None = None
    exact: Callable[[Problem], bool] = always
    fills: Mapping[str, Callable[[np.random.Generator, Problem], Array]] = field(default_factory=dict)
    any_rank: bool = False
    batched: Sequence[str] = ()
    bad_calls: Sequence[BadCall] = ()
    torch: Callable[..., Any] | None = None

    def __str__(self) -> str:
        return self.name

    @property
    @abstractmethod
    def functions(self) -> tuple[str, ...]:
        """Names of the functions under test, the same in ``fastnn.functional`` and ``fastnn.reference``."""

    @abstractmethod
    def run(self, ops: ModuleType, arguments: Arguments) -> Results:
        """Call the operation in ``ops`` once, backward pass included, and return every result by name."""

    def arguments(
        self, problem: Problem, dtype: npt.DTypeLike, fill: Fill = normal, seed: int = 0
    ) -> Arguments:
        """Draw the arguments of one run; floating arrays are of ``dtype``, labels stay integers."""
        rng = np.random.default_rng(seed)
        arrays = {
            name: self.fills[name](rng, problem) if name in self.fills else fill(rng, shape)
            for name, shape in problem.shapes.items()
        }
        drawn = {
            name: a if name in self.fills and a.dtype.kind == "i" else a.astype(dtype)
            for name, a in arrays.items()
        }
        return {**drawn, **problem.settings}

    def empty(self, problem: Problem) -> Problem:
        """Return the problem with no example in its batch."""
        shapes = {n: (0, *s[1:]) if n in self.batched else s for n, s in problem.shapes.items()}
        return Problem(shapes, problem.settings)

    def traffic(self, arguments: Arguments, results: Results) -> int:
        """Return the bytes of all arguments and results: what one run must move at the very least."""
        values = [*arguments.values(), *results.values()]
        return sum(a.nbytes for a in values if isinstance(a, np.ndarray))

    def float_arrays(self, arguments: Arguments) -> list[str]:
        """Return the names of the arguments that are floating-point arrays, numbers left out."""
        arrays = {name: a for name, a in arguments.items() if isinstance(a, np.ndarray) and a.ndim}
        return [name for name, a in arrays.items() if a.dtype.kind == "f"]


@dataclass(frozen=True, kw_only=True)
class Function(OpCase):
    """A row for one function that returns an array.

    Args:
        result: name of what it returns.
    """

    result: str = "y"

    @property
    def functions(self) -> tuple[str, ...]:
        return (self.name,)

    def run(self, ops: ModuleType, arguments: Arguments) -> Results:
        return {self.result: getattr(ops, self.name)(**arguments)}


@dataclass(frozen=True, kw_only=True)
class Pair(OpCase):
    """A row for ``<op>_forward`` and ``<op>_backward``, called one after the other.

    Args:
        output: shape of y, which is that of dy.
        gradients: what backward returns, ``d`` + the name of an argument each.
        exposes: fields of the cache that are results in their own right.
    """

    output: Callable[[Problem], Shape] = lambda problem: next(iter(problem.shapes.values()))
    gradients: Sequence[str] = ("dx",)
    exposes: Sequence[str] = ()

    @property
    def functions(self) -> tuple[str, ...]:
        return f"{self.name}_forward", f"{self.name}_backward"

    def arguments(
        self, problem: Problem, dtype: npt.DTypeLike, fill: Fill = normal, seed: int = 0
    ) -> Arguments:
        """Draw the arguments of forward, and ``dy`` for backward."""
        dy = fill(np.random.default_rng(seed + 1), self.output(problem)).astype(dtype)
        return {**super().arguments(problem, dtype, fill, seed), "dy": dy}

    def run(self, ops: ModuleType, arguments: Arguments) -> Results:
        inputs = {name: value for name, value in arguments.items() if name != "dy"}
        y, cache = self.forward(ops)(**inputs)
        dy = arguments["dy"]
        gradients = self.backward(ops)(dy if np.ndim(dy) else float(dy), cache)
        if isinstance(gradients, np.ndarray):
            gradients = (gradients,)
        named = dict(zip(self.gradients, gradients, strict=True))
        exposed = {name: getattr(cache, name) for name in self.exposes}
        return {"y": np.asarray(y), **exposed, **{n: g for n, g in named.items() if g is not None}}

    def gradient_errors(self, ops: ModuleType, arguments: Arguments) -> dict[str, float]:
        """Return the relative error of every gradient against central differences, see `check_op`."""
        names = [d[1:] for d in self.gradients if arguments.get(d[1:]) is not None]
        constants = {n: a for n, a in arguments.items() if n != "dy" and n not in names}
        dy = arguments["dy"]

        def forward(**inputs: Array) -> tuple[Any, Any]:
            return self.forward(ops)(**inputs, **constants)

        def backward(dy: Any, cache: Any) -> tuple[Any, ...]:
            gradients = self.backward(ops)(dy, cache)
            if isinstance(gradients, np.ndarray):
                return (gradients,)
            return tuple(g for g in gradients if g is not None)

        inputs = {name: arguments[name] for name in names}
        return check_op(forward, backward, inputs, dy=dy if np.ndim(dy) else float(dy))

    def forward(self, ops: ModuleType) -> Callable[..., tuple[Any, Any]]:
        """Return the forward function."""
        return getattr(ops, self.functions[0])  # type: ignore[no-any-return]

    def backward(self, ops: ModuleType) -> Callable[[Any, Any], Any]:
        """Return the backward function."""
        return getattr(ops, self.functions[1])  # type: ignore[no-any-return]


@dataclass(frozen=True, kw_only=True)
class Update(OpCase):
    """A row for ``<op>_update``, which writes into some of its arguments.

    Args:
        written: the arguments that change; `run` gives the function copies and returns them.
    """

    written: Sequence[str] = ("param",)
    any_rank: bool = True

    @property
    def functions(self) -> tuple[str, ...]:
        return (f"{self.name}_update",)

    def run(self, ops: ModuleType, arguments: Arguments) -> Results:
        copies = {n: arguments[n].copy() for n in self.written if arguments.get(n) is not None}
        getattr(ops, self.functions[0])(**{**arguments, **copies})
        return copies
