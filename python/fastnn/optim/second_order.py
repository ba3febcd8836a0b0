"""Optimizers that use curvature: they ask for the loss as often as they need, on one fixed batch.

``optimizer.minimize(params, loss)`` calls ``loss() -> (value, grads)`` at points of its own choice, written
into ``params``; for a model that is ``lambda: model.loss(X, y)`` with all the data. Randomness in the loss
(dropout, minibatches) breaks the comparison of two points, and with it the methods.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from fastnn import _arguments as check
from fastnn.optim._base import Array

LossCall = Callable[[], tuple[float, Mapping[str, Array]]]

_SUFFICIENT, _CURVATURE = 1e-4, 0.9  # constants of the strong Wolfe conditions, as Nocedal and Wright advise
_MAX_HALVINGS = 25  # of one step of Newton's method


class Minimum(NamedTuple):
    """How a minimisation ended.

    Args:
        value: the loss at the parameters that were left.
        iterations: steps taken.
        evaluations: calls of the loss.
        reason: why it stopped: ``"gradient"`` or ``"change"`` (below the tolerance), ``"iterations"`` or
            ``"evaluations"`` (the limits), or ``"line search"`` (no better point was found).
    """

    value: float
    iterations: int
    evaluations: int
    reason: str


class _Point(NamedTuple):
    x: Array
    value: float
    slope: Array


class _Objective:
    """The loss as a function of one float64 vector, which is written into the parameters."""

    def __init__(self, params: Mapping[str, Array], loss: LossCall) -> None:
        self._params, self._loss = params, loss
        self.evaluations = 0

    def here(self) -> _Point:
        return self.at(np.concatenate([value.ravel() for value in self._params.values()]).astype(np.float64))

    def move(self, x: Array) -> None:
        """Move the parameters to ``x``."""
        start = 0
        for value in self._params.values():
            value[...] = x[start : start + value.size].reshape(value.shape)
            start += value.size

    def at(self, x: Array) -> _Point:
        """Move the parameters to ``x``, and return value and gradient there."""
        self.move(x)
        loss, grads = self._loss()
        self.evaluations += 1
        slope = np.concatenate([np.asarray(grads[name], np.float64).ravel() for name in self._params])
        return _Point(x, float(loss), slope)


class LBFGS:
    """Limited-memory BFGS on the full batch, with a line search for the strong Wolfe conditions.

    The direction is ``-H g``, H an estimate of the inverse Hessian from the last ``history_size`` steps
    (two-loop recursion); the step t along it obeys ``f(t) <= f(0) + 1e-4 t f'(0)`` and
    ``|f'(t)| <= 0.9 |f'(0)|``. It visits the points that ``torch.optim.LBFGS(line_search_fn="strong_wolfe")``
    visits with the same options; PyTorch's defaults are 20 steps and a history of 100.

    Args:
        lr: how far along a direction the search begins, > 0; 1 is right where H is.
        max_iter: steps at most.
        max_eval: calls of the loss after which no further step begins, by default ``5 max_iter / 4``.
        tolerance_grad: stop when no element of the gradient is larger.
        tolerance_change: stop when neither a parameter, nor the loss, nor the slope along the direction
            changes by more.
        history_size: steps that are remembered.

    Raises:
        ValueError: an option is out of range.

    Example:
        >>> params, scale = {"w": np.array([3.0, -1.0])}, np.array([1.0, 100.0])
        >>> def bowl():
        ...     return scale @ params["w"] ** 2, {"w": 2 * scale * params["w"]}
        >>> result = LBFGS(tolerance_change=0.0).minimize(params, bowl)
        >>> bool(abs(params["w"]).max() < 1e-6), result.reason
        (True, 'gradient')

    Reference:
        Nocedal and Wright, Numerical optimization, 2006, algorithms 7.4, 7.5, 3.5 and 3.6,
        https://doi.org/10.1007/978-0-387-40065-5
    """

    def __init__(
        self,
        lr: float = 1.0,
        max_iter: int = 100,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 10,
    ) -> None:
        self.lr = check.number("LBFGS", "lr", lr, above=True)
        self.max_iter = check.integer("LBFGS", "max_iter", max_iter)
        most = max(1, 5 * self.max_iter // 4) if max_eval is None else max_eval
        self.max_eval = check.integer("LBFGS", "max_eval", most)
        self.tolerance_grad = check.number("LBFGS", "tolerance_grad", tolerance_grad)
        self.tolerance_change = check.number("LBFGS", "tolerance_change", tolerance_change)
        self.history_size = check.integer("LBFGS", "history_size", history_size)

    def minimize(self, params: Mapping[str, Array], loss: LossCall) -> Minimum:
        """Move ``params``, in place, to where the loss is smallest nearby.

        Args:
            params: name to array.
            loss: returns value and gradients at ``params`` as they are; the same for the same parameters.

        Raises:
            ValueError: the loss is not finite at the start.
        """
        objective = _Objective(params, loss)
        point = objective.here()
        if not math.isfinite(point.value):
            raise ValueError(f"[LBFGS] loss: expected a finite number at the start, got {point.value}")
        history: deque[tuple[Array, Array]] = deque(maxlen=self.history_size)

        def end(iterations: int, reason: str) -> Minimum:
            return Minimum(point.value, iterations, objective.evaluations, reason)

        for iteration in range(self.max_iter):
            if np.abs(point.slope).max() <= self.tolerance_grad:
                return end(iteration, "gradient")
            if iteration and objective.evaluations >= self.max_eval:
                return end(iteration, "evaluations")
            direction = _two_loops(point.slope, history)
            slope = float(point.slope @ direction)
            if slope > -self.tolerance_change:
                return end(iteration, "change")
            # Without history the length of the gradient says nothing about that of the step.
            first = self.lr * (1.0 if history else min(1.0, 1.0 / float(np.abs(point.slope).sum())))
            searches = self.max_eval - objective.evaluations
            found = _strong_wolfe(objective, point, direction, first, self.tolerance_change, searches)
            objective.move(found.x)
            step, change, fall = found.x - point.x, found.slope - point.slope, point.value - found.value
            if not step.any():
                return end(iteration, "line search")
            if step @ change > 1e-10 * (change @ change):
                history.append((step, change))
            point = found
            settled = np.abs(step).max() <= self.tolerance_change or abs(fall) < self.tolerance_change
            if settled and np.abs(point.slope).max() > self.tolerance_grad:
                return end(iteration + 1, "change")
        return end(self.max_iter, "iterations")


class Newton:
    """Newton's method: step to the minimum of the local parabola, for tiny problems.

    ``w -= (H + damping I)^-1 g``, the Hessian from central differences of the gradient, halved until the loss
    falls. N parameters cost 2N gradients, N^2 numbers and N^3 operations a step: at 2,000 parameters 32 MB
    and seconds, at a million 8 TB and years. Hence the limit.

    Args:
        max_iter: steps at most.
        damping: added to the diagonal, which keeps steps short where the parabola is flat or a saddle.
        tolerance_grad: stop when no element of the gradient is larger.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> params, scale = {"w": np.array([3.0, -1.0])}, np.array([1.0, 100.0])
        >>> def bowl():
        ...     return scale @ params["w"] ** 2, {"w": 2 * scale * params["w"]}
        >>> result = Newton().minimize(params, bowl)
        >>> bool(abs(params["w"]).max() < 1e-6), result.iterations <= 2
        (True, True)

    Reference:
        Nocedal and Wright, Numerical optimization, 2006, chapter 3, https://doi.org/10.1007/978-0-387-40065-5
    """

    max_parameters = 2000

    def __init__(self, max_iter: int = 50, damping: float = 0.0, tolerance_grad: float = 1e-7) -> None:
        self.max_iter = check.integer("Newton", "max_iter", max_iter)
        self.damping = check.number("Newton", "damping", damping)
        self.tolerance_grad = check.number("Newton", "tolerance_grad", tolerance_grad)

    def minimize(self, params: Mapping[str, Array], loss: LossCall) -> Minimum:
        """Move ``params``, float64, in place, to where the gradient vanishes nearby.

        Raises:
            ValueError: there are more than 2,000 parameters, or they are not float64, in which differences of
                gradients would be noise.
        """
        count = sum(value.size for value in params.values())
        if count > self.max_parameters:
            raise ValueError(
                f"[Newton] params: expected at most {self.max_parameters:,} numbers, since the Hessian "
                f"has their square and a step costs their cube, got {count:,}"
            )
        if any(value.dtype != np.float64 for value in params.values()):
            raise ValueError("[Newton] params: expected float64, got another dtype")
        objective = _Objective(params, loss)
        point = objective.here()
        for iteration in range(self.max_iter):
            if np.abs(point.slope).max() <= self.tolerance_grad:
                return Minimum(point.value, iteration, objective.evaluations, "gradient")
            hessian = _hessian(objective, point) + self.damping * np.eye(count)
            step = -np.linalg.lstsq(hessian, point.slope, rcond=None)[0]
            if step @ point.slope > 0:  # a saddle or a maximum lies there: go down instead
                step = -step
            found = objective.at(point.x + step)
            halvings = 0
            while not found.value < point.value + _SUFFICIENT * 0.5**halvings * float(step @ point.slope):
                halvings += 1
                if halvings > _MAX_HALVINGS:
                    objective.at(point.x)
                    return Minimum(point.value, iteration, objective.evaluations, "line search")
                found = objective.at(point.x + 0.5**halvings * step)
            point = found
        return Minimum(point.value, self.max_iter, objective.evaluations, "iterations")


def _hessian(objective: _Objective, point: _Point) -> Array:
    """Return the symmetric matrix of second derivatives, by central differences of the gradient."""
    rows = np.empty((point.x.size, point.x.size))
    for i, value in enumerate(point.x):
        h = np.finfo(np.float64).eps ** (1 / 3) * max(1.0, abs(value))
        above, below = point.x.copy(), point.x.copy()
        above[i] += h
        below[i] -= h
        rows[i] = (objective.at(above).slope - objective.at(below).slope) / (above[i] - below[i])
    symmetric: Array = (rows + rows.T) / 2
    return symmetric


def _two_loops(slope: Array, history: deque[tuple[Array, Array]]) -> Array:
    """Return minus the estimated inverse Hessian times the gradient."""
    q: Array = -slope
    shares = []
    for step, change in reversed(history):
        share = float(step @ q) / float(step @ change)
        q = q - share * change
        shares.append(share)
    if history:
        step, change = history[-1]
        q = q * (float(step @ change) / float(change @ change))
    for (step, change), share in zip(history, reversed(shares), strict=True):
        q = q + (share - float(change @ q) / float(step @ change)) * step
    return q


class _Trial(NamedTuple):
    """A point of a line: how far along it lies, and the slope in the line's direction."""

    t: float
    point: _Point
    slope: float

    @property
    def value(self) -> float:
        return self.point.value


def _strong_wolfe(
    objective: _Objective, start: _Point, direction: Array, t: float, tolerance: float, searches: int
) -> _Point:
    """Return a point along ``direction`` that obeys the strong Wolfe conditions, or the best one met.

    First the step grows until an interval must hold such a point, then the interval shrinks, until it is
    smaller than ``tolerance`` or there were so many searches. Whoever meets a NaN turns back.
    """
    slope0 = float(start.slope @ direction)

    def at(t: float) -> _Trial:
        point = objective.at(start.x + t * direction)
        return _Trial(t, point, float(point.slope @ direction))

    def too_high(trial: _Trial) -> bool:
        return not trial.value <= start.value + _SUFFICIENT * trial.t * slope0

    def level(trial: _Trial) -> bool:
        return abs(trial.slope) <= -_CURVATURE * slope0

    low, high = _Trial(0.0, start, slope0), at(t)
    for done in range(searches):
        if too_high(high) or (done > 1 and high.value >= low.value):
            break
        if level(high):
            return high.point
        if high.slope >= 0:
            break
        t = _between(low, high, high.t + 0.01 * (high.t - low.t), 10 * high.t)
        low, high = high, at(t)
    else:
        done, low = searches, _Trial(0.0, start, slope0)
    if high.value < low.value:
        low, high = high, low

    width = float(np.abs(direction).max())
    close = False
    for _ in range(done, searches):
        least, most = min(low.t, high.t), max(low.t, high.t)
        if (most - least) * width < tolerance:
            break
        t = _between(low, high, least, most)
        # One step next to an end is allowed, not two: the interval would hardly shrink.
        margin = 0.1 * (most - least)
        was_close, close = close, min(most - t, t - least) < margin
        if close and (was_close or not least < t < most):
            t = most - margin if most - t < t - least else least + margin
            close = False
        here = at(t)
        if too_high(here) or here.value >= low.value:
            high = here
            if high.value < low.value:
                low, high = high, low
        else:
            if level(here):
                return here.point
            if here.slope * (high.t - low.t) >= 0:
                high = low
            low = here
    return low.point


def _between(a: _Trial, b: _Trial, least: float, most: float) -> float:
    """Return the minimum of the cubic through two values and slopes, kept within the bounds."""
    middle = (least + most) / 2
    if a.t > b.t:
        a, b = b, a
    d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.t - b.t)
    inside = d1 * d1 - a.slope * b.slope
    if not (math.isfinite(inside) and inside >= 0):
        return middle
    d2 = math.sqrt(inside)
    bottom = b.slope - a.slope + 2 * d2
    if bottom == 0:
        return middle
    return min(max(b.t - (b.t - a.t) * (b.slope + d2 - d1) / bottom, least), most)
