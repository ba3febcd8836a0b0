"""Learning-rate schedules: functions from the optimizer's own rate and the progress of a run to a rate.

A schedule is any callable ``schedule(base_lr, progress) -> lr``; a plain function will do. The classes here
cover the usual shapes with PyTorch's argument names. They are pure functions of the progress; only
`ReduceOnPlateau` remembers what it has seen, and its state travels in the checkpoint.

`Chain` multiplies effects (a warm-up on top of a decay), `Sequence` puts schedules one after another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from fastnn import _arguments as check

Unit = Literal["epoch", "step"]
Mode = Literal["min", "max"]
CyclicMode = Literal["triangular", "triangular2", "exp_range"]
_UNITS = ("epoch", "step")


class Progress(NamedTuple):
    """Where a run stands before an update.

    Args:
        step: updates done so far; 0 before the first.
        total_steps: updates of the whole run.
        steps_per_epoch: updates of one epoch.
    """

    step: int
    total_steps: int
    steps_per_epoch: int

    @property
    def epoch(self) -> int:
        """Epochs completed so far."""
        return self.step // self.steps_per_epoch

    def done(self, by: Unit) -> int:
        """Return the epochs or steps completed so far."""
        return self.epoch if by == "epoch" else self.step

    def total(self, by: Unit) -> float:
        """Return the length of the whole run in epochs or steps."""
        return self.total_steps / self.steps_per_epoch if by == "epoch" else float(self.total_steps)


RateFunction = Callable[[float, Progress], float]


class Schedule:
    """Base of the schedules: ``schedule(base_lr, progress) -> lr``.

    ``base_lr`` is the rate that the optimizer was made with. A subclass implements ``__call__``; one that
    reacts to results implements `observe` and the two state methods as well.
    """

    def __call__(self, base_lr: float, progress: Progress) -> float:
        """Return the rate of the update that follows ``progress``."""
        raise NotImplementedError

    def observe(self, metrics: Mapping[str, float]) -> None:
        """See the metrics of an epoch that has just ended."""

    def state_dict(self) -> dict[str, Any]:
        """Return what the schedule remembers, as plain numbers."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""


class Constant(Schedule):
    """The optimizer's own rate throughout.

    Example:
        >>> Constant()(0.1, Progress(step=70, total_steps=100, steps_per_epoch=10))
        0.1
    """

    def __call__(self, base_lr: float, progress: Progress) -> float:
        return base_lr


class Step(Schedule):
    """Multiply the rate by ``gamma`` every ``step_size`` epochs: ``lr = base * gamma**(n // step_size)``.

    Args:
        step_size: epochs (or steps, see ``by``) between two drops.
        gamma: factor of one drop.
        by: count ``n`` in ``"epoch"`` or ``"step"``.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> Step(30)(0.5, Progress(step=310, total_steps=900, steps_per_epoch=10))
        0.05

    Reference:
        He et al., Deep residual learning for image recognition, 2015, https://arxiv.org/abs/1512.03385
    """

    def __init__(self, step_size: int, gamma: float = 0.1, *, by: Unit = "epoch") -> None:
        self.step_size = check.integer("Step", "step_size", step_size)
        self.gamma = check.number("Step", "gamma", gamma)
        self.by = _unit("Step", by)

    def __call__(self, base_lr: float, progress: Progress) -> float:
        return float(base_lr * self.gamma ** (progress.done(self.by) // self.step_size))


class MultiStep(Schedule):
    """Multiply the rate by ``gamma`` at each milestone: ``lr = base * gamma**(milestones passed)``.

    Args:
        milestones: rising epochs (or steps, see ``by``) at which the rate drops.
        gamma: factor of one drop.
        by: milestones in ``"epoch"`` or ``"step"``.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> MultiStep([30, 60])(0.5, Progress(step=310, total_steps=900, steps_per_epoch=10))
        0.05
    """

    def __init__(self, milestones: list[int], gamma: float = 0.1, *, by: Unit = "epoch") -> None:
        self.milestones = [check.integer("MultiStep", "milestones", m) for m in milestones]
        if any(a >= b for a, b in pairwise(self.milestones)):
            raise ValueError(f"[MultiStep] milestones: expected rising numbers, got {milestones}")
        self.gamma = check.number("MultiStep", "gamma", gamma)
        self.by = _unit("MultiStep", by)

    def __call__(self, base_lr: float, progress: Progress) -> float:
        done = progress.done(self.by)
        return float(base_lr * self.gamma ** sum(milestone <= done for milestone in self.milestones))


class Exponential(Schedule):
    """Multiply the rate by ``gamma`` every epoch: ``lr = base * gamma**n``.

    Args:
        gamma: factor of one epoch (or step, see ``by``).
        by: count ``n`` in ``"epoch"`` or ``"step"``.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> Exponential(0.5)(0.1, Progress(step=20, total_steps=100, steps_per_epoch=10))
        0.025
    """

    def __init__(self, gamma: float, *, by: Unit = "epoch") -> None:
        self.gamma = check.number("Exponential", "gamma", gamma)
        self.by = _unit("Exponential", by)

    def __call__(self, base_lr: float, progress: Progress) -> float:
        return float(base_lr * self.gamma ** progress.done(self.by))


class InverseTime(Schedule):
    """1/t decay: ``lr = base / (1 + decay * n)``.

    Args:
        decay: how fast the rate falls; after ``1/decay`` epochs it is halved.
        by: count ``n`` in ``"epoch"`` or ``"step"``.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> InverseTime(1.0)(0.1, Progress(step=30, total_steps=100, steps_per_epoch=10))
        0.025

    Reference:
        Robbins and Monro, A stochastic approximation method, 1951,
        https://doi.org/10.1214/aoms/1177729586
    """

    def __init__(self, decay: float, *, by: Unit = "epoch") -> None:
        self.decay = check.number("InverseTime", "decay", decay)
        self.by = _unit("InverseTime", by)

    def __call__(self, base_lr: float, progress: Progress) -> float:
        return base_lr / (1.0 + self.decay * progress.done(self.by))


class Polynomial(Schedule):
    """Fall to zero along a power: ``lr = base * (1 - n / total_iters)**power``, and stay there.

    Args:
        total_iters: length of the descent, by default the whole run.
        power: 1 for a straight line.
        by: count ``n`` and ``total_iters`` in ``"epoch"`` or ``"step"``.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> Polynomial(power=2)(0.4, Progress(step=50, total_steps=100, steps_per_epoch=10))
        0.1

    Reference:
        Chen et al., DeepLab, 2016, https://arxiv.org/abs/1606.00915 (the "poly" rate)
    """

    def __init__(self, total_iters: int | None = None, power: float = 1.0, *, by: Unit = "step") -> None:
        self.total_iters = (
            None if total_iters is None else check.integer("Polynomial", "total_iters", total_iters)
        )
        self.power = check.number("Polynomial", "power", power)
        self.by = _unit("Polynomial", by)

    def __call__(self, base_lr: float, progress: Progress) -> float:
        length = self.total_iters or progress.total(self.by)
        return float(base_lr * (1.0 - min(progress.done(self.by) / length, 1.0)) ** self.power)


class Cosine(Schedule):
    """Half a cosine from the base rate to ``eta_min``.

    ``lr = eta_min + (base - eta_min) * (1 + cos(pi * n / T_max)) / 2``

    Past ``T_max`` the cosine rises again, as in PyTorch.

    Args:
        T_max: length of the descent, by default the whole run.
        eta_min: the lowest rate.
        by: count ``n`` and ``T_max`` in ``"epoch"`` or ``"step"``.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> Cosine()(0.1, Progress(step=50, total_steps=100, steps_per_epoch=10))
        0.05

    Reference:
        Loshchilov and Hutter, SGDR, 2017, https://arxiv.org/abs/1608.03983 (without restarts).
    """

    def __init__(self, T_max: int | None = None, eta_min: float = 0.0, *, by: Unit = "step") -> None:
        self.T_max = None if T_max is None else check.integer("Cosine", "T_max", T_max)
        self.eta_min = check.number("Cosine", "eta_min", eta_min)
        self.by = _unit("Cosine", by)

    def __call__(self, base_lr: float, progress: Progress) -> float:
        length = self.T_max or progress.total(self.by)
        return _cosine(base_lr, self.eta_min, progress.done(self.by) / length)


class WarmRestarts(Schedule):
    """SGDR: half a cosine from the base rate to ``eta_min``, again and again, each ``T_mult`` times as long.

    Args:
        T_0: length of the first descent.
        T_mult: length of a descent over that of the one before, an integer.
        eta_min: the lowest rate.
        by: count in ``"epoch"`` or ``"step"``.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> restarts = WarmRestarts(10, T_mult=2)
        >>> [restarts(0.1, Progress(step, 100, 10)) for step in (0, 5, 10, 20, 30)]
        [0.1, 0.05, 0.1, 0.05, 0.1]

    Reference:
        Loshchilov and Hutter, SGDR, 2017, https://arxiv.org/abs/1608.03983
    """

    def __init__(self, T_0: int, T_mult: int = 1, eta_min: float = 0.0, *, by: Unit = "step") -> None:
        self.T_0 = check.integer("WarmRestarts", "T_0", T_0)
        self.T_mult = check.integer("WarmRestarts", "T_mult", T_mult)
        self.eta_min = check.number("WarmRestarts", "eta_min", eta_min)
        self.by = _unit("WarmRestarts", by)

    def __call__(self, base_lr: float, progress: Progress) -> float:
        done, length = progress.done(self.by), self.T_0
        if self.T_mult == 1:
            done %= length
        while done >= length:
            done -= length
            length *= self.T_mult
        return _cosine(base_lr, self.eta_min, done / length)


class Cyclic(Schedule):
    """Rise in a straight line from the base rate to ``max_lr`` and fall back, again and again.

    Args:
        max_lr: the highest rate of the first cycle.
        step_size_up: length of a rise.
        step_size_down: length of a fall, by default that of a rise.
        mode: ``"triangular"`` keeps the height, ``"triangular2"`` halves it after every cycle,
            ``"exp_range"`` multiplies it by ``gamma`` with every step.
        gamma: see ``"exp_range"``.
        by: count in ``"epoch"`` or ``"step"``.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> cyclic = Cyclic(0.5, step_size_up=10, mode="triangular2")
        >>> [round(cyclic(0.1, Progress(step, 100, 10)), 3) for step in (0, 5, 10, 20, 30)]
        [0.1, 0.3, 0.5, 0.1, 0.3]

    Reference:
        Smith, Cyclical learning rates for training neural networks, 2017, https://arxiv.org/abs/1506.01186
    """

    def __init__(
        self,
        max_lr: float,
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: CyclicMode = "triangular",
        gamma: float = 1.0,
        *,
        by: Unit = "step",
    ) -> None:
        self.max_lr = check.number("Cyclic", "max_lr", max_lr)
        self.step_size_up = check.integer("Cyclic", "step_size_up", step_size_up)
        down = self.step_size_up if step_size_down is None else step_size_down
        self.step_size_down = check.integer("Cyclic", "step_size_down", down)
        check.choice("Cyclic", "mode", mode, ("triangular", "triangular2", "exp_range"))
        self.mode = mode
        self.gamma = check.number("Cyclic", "gamma", gamma)
        self.by = _unit("Cyclic", by)

    def __call__(self, base_lr: float, progress: Progress) -> float:
        done, up, down = progress.done(self.by), self.step_size_up, self.step_size_down
        cycle, place = divmod(done, up + down)
        height = place / up if place <= up else (up + down - place) / down
        scale = {"triangular": 1.0, "triangular2": 0.5**cycle, "exp_range": self.gamma**done}[self.mode]
        return base_lr + (self.max_lr - base_lr) * height * scale


class OneCycle(Schedule):
    """One rise and one long fall over the whole run, both along a cosine; the optimizer's rate is the peak.

    The rate climbs from ``peak/div_factor`` to ``peak`` in the first ``pct_start`` of the run, and falls to
    ``peak/div_factor/final_div_factor`` at the last step. PyTorch's schedule cycles the momentum too; this
    one leaves it alone.

    Args:
        pct_start: fraction of the run spent rising.
        div_factor: peak over first rate.
        final_div_factor: first rate over last rate.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> OneCycle(div_factor=10)(0.5, Progress(step=29, total_steps=100, steps_per_epoch=10))
        0.5

    Reference:
        Smith and Topin, Super-convergence, 2018, https://arxiv.org/abs/1708.07120
    """

    def __init__(
        self, *, pct_start: float = 0.3, div_factor: float = 25.0, final_div_factor: float = 1e4
    ) -> None:
        self.pct_start = check.number("OneCycle", "pct_start", pct_start, high=1.0)
        self.div_factor = check.number("OneCycle", "div_factor", div_factor, above=True)
        self.final_div_factor = check.number("OneCycle", "final_div_factor", final_div_factor, above=True)

    def __call__(self, base_lr: float, progress: Progress) -> float:
        first = base_lr / self.div_factor
        rise_end = self.pct_start * progress.total_steps - 1.0
        run_end = progress.total_steps - 1.0
        if progress.step <= rise_end:
            return _cosine(first, base_lr, progress.step / rise_end if rise_end > 0.0 else 1.0)
        # A run may go on past its planned end; the lowest rate stays.
        fall = (progress.step - rise_end) / max(run_end - rise_end, 1.0)
        return _cosine(base_lr, first / self.final_div_factor, min(fall, 1.0))


class LinearWarmup(Schedule):
    """Climb in a straight line from ``start_factor * base`` to ``base``, then stay there.

    Use it in a `Chain` with a decay, or as the first part of a `Sequence`.

    Args:
        total_iters: steps (or epochs, see ``by``) of the climb.
        start_factor: first rate over base rate.
        by: count in ``"epoch"`` or ``"step"``.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> LinearWarmup(10, 0.5)(0.5, Progress(step=5, total_steps=100, steps_per_epoch=10))
        0.375

    Reference:
        Goyal et al., Accurate, large minibatch SGD, 2017, https://arxiv.org/abs/1706.02677
    """

    def __init__(self, total_iters: int, start_factor: float = 1.0 / 3.0, *, by: Unit = "step") -> None:
        self.total_iters = check.integer("LinearWarmup", "total_iters", total_iters)
        self.start_factor = check.number("LinearWarmup", "start_factor", start_factor, high=1.0)
        self.by = _unit("LinearWarmup", by)

    def __call__(self, base_lr: float, progress: Progress) -> float:
        done = min(progress.done(self.by) / self.total_iters, 1.0)
        return base_lr * (self.start_factor + (1.0 - self.start_factor) * done)


class ReduceOnPlateau(Schedule):
    """Multiply the rate by ``factor`` when a metric has not improved for more than ``patience`` epochs.

    Args:
        metric: name of an epoch metric, as the history shows it.
        mode: ``"min"`` if smaller is better, ``"max"`` if larger is.
        factor: factor of one reduction.
        patience: epochs without improvement that are tolerated.
        threshold: the least change that counts as an improvement.
        threshold_mode: whether that is a part of the best value so far, ``"rel"``, or a number, ``"abs"``.
        cooldown: epochs after a reduction during which nothing is counted.
        min_lr: the rate never goes below this.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> plateau = ReduceOnPlateau(patience=0, factor=0.5)
        >>> for loss in (1.0, 1.0):
        ...     plateau.observe({"train_loss": loss})
        >>> plateau(0.1, Progress(step=20, total_steps=100, steps_per_epoch=10))
        0.05
    """

    def __init__(
        self,
        metric: str = "train_loss",
        mode: Mode = "min",
        *,
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        name = "ReduceOnPlateau"
        self.metric = metric
        self.mode = check.choice(name, "mode", mode, ("min", "max"))
        self.factor = check.number(name, "factor", factor, high=1.0, below=True)
        self.patience = check.integer(name, "patience", patience, low=0)
        self.threshold = check.number(name, "threshold", threshold)
        self.threshold_mode = check.choice(name, "threshold_mode", threshold_mode, ("rel", "abs"))
        self.cooldown = check.integer(name, "cooldown", cooldown, low=0)
        self.min_lr = check.number(name, "min_lr", min_lr)
        self._best = math.inf if mode == "min" else -math.inf
        self._bad_epochs = 0
        self._cooling = 0
        self._reductions = 0

    def __call__(self, base_lr: float, progress: Progress) -> float:
        if self._reductions == 0:
            return base_lr
        return float(max(base_lr * self.factor**self._reductions, min(self.min_lr, base_lr)))

    def observe(self, metrics: Mapping[str, float]) -> None:
        value = check.metric("ReduceOnPlateau", self.metric, metrics)
        if self._improves(value):
            self._best = value
            self._bad_epochs = 0
        else:
            self._bad_epochs += 1
        if self._cooling > 0:
            self._cooling -= 1
            self._bad_epochs = 0
        if self._bad_epochs > self.patience:
            self._reductions += 1
            self._cooling = self.cooldown
            self._bad_epochs = 0

    def _improves(self, value: float) -> bool:
        if math.isinf(self._best):
            return value < self._best if self.mode == "min" else value > self._best
        margin = self.threshold * (self._best if self.threshold_mode == "rel" else 1.0)
        return value < self._best - margin if self.mode == "min" else value > self._best + margin

    def state_dict(self) -> dict[str, Any]:
        return {
            "best": self._best,
            "bad_epochs": self._bad_epochs,
            "cooling": self._cooling,
            "reductions": self._reductions,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._best = float(state["best"])
        self._bad_epochs = int(state["bad_epochs"])
        self._cooling = int(state["cooling"])
        self._reductions = int(state["reductions"])


class _Composite(Schedule):
    """Schedules made of schedules: results and state go to every part."""

    def __init__(self, *schedules: RateFunction) -> None:
        for part in schedules:
            if not callable(part):
                name = type(self).__name__
                raise TypeError(f"[{name}] schedules: expected callables, got {type(part).__name__}")
        self.parts = schedules

    def observe(self, metrics: Mapping[str, float]) -> None:
        for part in self.parts:
            if isinstance(part, Schedule):
                part.observe(metrics)

    def state_dict(self) -> dict[str, Any]:
        return {str(i): part.state_dict() for i, part in enumerate(self.parts) if isinstance(part, Schedule)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for i, part in enumerate(self.parts):
            if isinstance(part, Schedule):
                part.load_state_dict(state.get(str(i), {}))


class Chain(_Composite):
    """Several schedules at once: each takes the previous one's rate as its base.

    Args:
        *schedules: any callables ``schedule(base_lr, progress) -> lr``, in order.

    Raises:
        TypeError: one of them cannot be called.

    Example:
        >>> warm_cosine = Chain(LinearWarmup(10, 0.0), Cosine())
        >>> warm_cosine(0.1, Progress(step=0, total_steps=100, steps_per_epoch=10))
        0.0
    """

    def __call__(self, base_lr: float, progress: Progress) -> float:
        for schedule in self.parts:
            base_lr = schedule(base_lr, progress)
        return base_lr


class Sequence(_Composite):
    """Schedules one after another, each counting from its own start to its own end.

    Args:
        schedules: the parts, in order.
        milestones: where part 2, part 3, … begin: one number fewer than there are parts.
        by: milestones in ``"epoch"`` or ``"step"``.

    Raises:
        TypeError: a schedule cannot be called.
        ValueError: an argument out of range.

    Example:
        >>> sequence = Sequence([LinearWarmup(10, 0.0), Cosine()], milestones=[10])
        >>> sequence(0.1, Progress(step=10, total_steps=100, steps_per_epoch=10))
        0.1
    """

    def __init__(self, schedules: list[RateFunction], milestones: list[int], *, by: Unit = "step") -> None:
        if not schedules:
            raise ValueError("[Sequence] schedules: expected at least one, got none")
        super().__init__(*schedules)
        if len(milestones) != len(schedules) - 1 or any(a >= b for a, b in pairwise([0, *milestones])):
            raise ValueError(
                f"[Sequence] milestones: expected {len(schedules) - 1} rising numbers > 0, got {milestones}"
            )
        self.milestones = list(milestones)
        self.by = _unit("Sequence", by)

    def __call__(self, base_lr: float, progress: Progress) -> float:
        unit = progress.steps_per_epoch if self.by == "epoch" else 1
        edges = [0, *(m * unit for m in self.milestones), progress.total_steps]
        part = sum(progress.step >= edge for edge in edges[1:-1])
        start, end = edges[part], max(edges[part + 1], edges[part] + 1)
        shifted = Progress(progress.step - start, end - start, progress.steps_per_epoch)
        return self.parts[part](base_lr, shifted)


def _cosine(start: float, end: float, fraction: float) -> float:
    return end + (start - end) * (1.0 + math.cos(math.pi * fraction)) / 2.0


def _unit(op: str, by: Unit) -> Unit:
    check.choice(op, "by", by, _UNITS)
    return by
