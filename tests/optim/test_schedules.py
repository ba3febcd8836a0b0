"""Schedules: against torch's, their composition, their state, and what they refuse."""

from __future__ import annotations

import math
from typing import Any

import pytest

from fastnn import schedules as S
from fastnn.schedules import Progress

BASE = 0.4
STEPS_PER_EPOCH = 10


def rates(schedule: S.RateFunction, steps: int = 1000) -> list[float]:
    return [schedule(BASE, Progress(step, steps, STEPS_PER_EPOCH)) for step in range(steps)]


def torch_rates(make: Any, steps: int = 1000, every: int = 1, lr: float = BASE) -> list[float]:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler = make(torch.optim.lr_scheduler, optimizer)
    values = []
    for step in range(steps):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if (step + 1) % every == 0:
            scheduler.step()
    return values


def torch_cyclic(max_lr: float, **settings: Any) -> Any:
    return lambda m, o: m.CyclicLR(o, BASE, max_lr, cycle_momentum=False, **settings)


TORCH_PAIRS = {
    "multi-step": (
        S.MultiStep([3, 40, 41], 0.5),
        lambda m, o: m.MultiStepLR(o, [3, 40, 41], 0.5),
        STEPS_PER_EPOCH,
    ),
    "multi-step by step": (S.MultiStep([500], by="step"), lambda m, o: m.MultiStepLR(o, [500]), 1),
    "polynomial": (S.Polynomial(), lambda m, o: m.PolynomialLR(o, 1000), 1),
    "polynomial, settings": (S.Polynomial(700, 2.5), lambda m, o: m.PolynomialLR(o, 700, 2.5), 1),
    "polynomial by epoch": (
        S.Polynomial(power=0.5, by="epoch"),
        lambda m, o: m.PolynomialLR(o, 100, 0.5),
        STEPS_PER_EPOCH,
    ),
    "restarts": (S.WarmRestarts(130), lambda m, o: m.CosineAnnealingWarmRestarts(o, 130), 1),
    "restarts, settings": (
        S.WarmRestarts(50, 3, 0.01),
        lambda m, o: m.CosineAnnealingWarmRestarts(o, 50, 3, 0.01),
        1,
    ),
    "restarts by epoch": (
        S.WarmRestarts(7, 2, by="epoch"),
        lambda m, o: m.CosineAnnealingWarmRestarts(o, 7, 2),
        STEPS_PER_EPOCH,
    ),
    "cyclic": (S.Cyclic(1.5, 70), torch_cyclic(1.5, step_size_up=70), 1),
    "cyclic, uneven": (S.Cyclic(1.5, 70, 21), torch_cyclic(1.5, step_size_up=70, step_size_down=21), 1),
    "cyclic, halved": (
        S.Cyclic(1.5, 70, mode="triangular2"),
        torch_cyclic(1.5, step_size_up=70, mode="triangular2"),
        1,
    ),
    "cyclic, exponential": (
        S.Cyclic(1.5, 70, mode="exp_range", gamma=0.998),
        torch_cyclic(1.5, step_size_up=70, mode="exp_range", gamma=0.998),
        1,
    ),
    "step": (S.Step(7, 0.5), lambda m, o: m.StepLR(o, 7, 0.5), STEPS_PER_EPOCH),
    "step by step": (S.Step(130, 0.3, by="step"), lambda m, o: m.StepLR(o, 130, 0.3), 1),
    "exponential": (S.Exponential(0.97), lambda m, o: m.ExponentialLR(o, 0.97), STEPS_PER_EPOCH),
    "exponential by step": (S.Exponential(0.999, by="step"), lambda m, o: m.ExponentialLR(o, 0.999), 1),
    "1/t": (S.InverseTime(0.2), lambda m, o: m.LambdaLR(o, lambda n: 1 / (1 + 0.2 * n)), STEPS_PER_EPOCH),
    "cosine": (S.Cosine(), lambda m, o: m.CosineAnnealingLR(o, 1000), 1),
    "cosine, floor": (S.Cosine(eta_min=0.01), lambda m, o: m.CosineAnnealingLR(o, 1000, 0.01), 1),
    "cosine, past T_max": (S.Cosine(300), lambda m, o: m.CosineAnnealingLR(o, 300), 1),
    "cosine by epoch": (S.Cosine(by="epoch"), lambda m, o: m.CosineAnnealingLR(o, 100), STEPS_PER_EPOCH),
    "one-cycle": (S.OneCycle(), lambda m, o: m.OneCycleLR(o, BASE, 1000, cycle_momentum=False), 1),
    "one-cycle, settings": (
        S.OneCycle(pct_start=0.21, div_factor=10, final_div_factor=100),
        lambda m, o: m.OneCycleLR(
            o, BASE, 1000, pct_start=0.21, div_factor=10, final_div_factor=100, cycle_momentum=False
        ),
        1,
    ),
    "warm-up": (S.LinearWarmup(50, 0.1), lambda m, o: m.LinearLR(o, 0.1, 1.0, 50), 1),
    "warm-up by epoch": (
        S.LinearWarmup(5, by="epoch"),
        lambda m, o: m.LinearLR(o, total_iters=5),
        STEPS_PER_EPOCH,
    ),
    "chain": (
        S.Chain(S.LinearWarmup(50, 0.1), S.Exponential(0.99, by="step")),
        lambda m, o: m.ChainedScheduler([m.LinearLR(o, 0.1, 1.0, 50), m.ExponentialLR(o, 0.99)]),
        1,
    ),
    "sequence": (
        S.Sequence([S.LinearWarmup(50, 0.1), S.Cosine(), S.Constant()], milestones=[50, 900]),
        lambda m, o: m.SequentialLR(
            o, [m.LinearLR(o, 0.1, 1.0, 50), m.CosineAnnealingLR(o, 850), m.ConstantLR(o, 1.0)], [50, 900]
        ),
        1,
    ),
}


@pytest.mark.parametrize("name", TORCH_PAIRS)
@pytest.mark.filterwarnings("ignore:The epoch parameter in")
def test_equals_torch_over_1000_steps(name: str) -> None:
    ours, make, every = TORCH_PAIRS[name]
    assert rates(ours) == pytest.approx(torch_rates(make, every=every), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
@pytest.mark.parametrize(
    ("patience", "cooldown", "threshold", "min_lr"), [(3, 0, 1e-4, 0.0), (0, 4, 0.05, 1e-3)]
)
def test_plateau_equals_torch(
    mode: Any, threshold_mode: Any, patience: int, cooldown: int, threshold: float, min_lr: float
) -> None:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=BASE)
    settings = {
        "factor": 0.5,
        "patience": patience,
        "cooldown": cooldown,
        "threshold": threshold,
        "threshold_mode": threshold_mode,
        "min_lr": min_lr,
    }
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode, eps=0.0, **settings)
    ours = S.ReduceOnPlateau("metric", mode, **settings)
    sign = 1 if mode == "min" else -1
    for epoch in range(1000):
        metric = 3 + sign * (math.exp(-epoch / 20) + 0.3 * math.sin(epoch) * math.exp(-epoch / 60))
        ours.observe({"metric": metric})
        theirs.step(metric)
        assert ours(BASE, Progress(0, 1, 1)) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
    assert ours(BASE, Progress(0, 1, 1)) < BASE / 4


def test_plateau_state_survives_inside_a_composite() -> None:
    def make() -> S.Schedule:
        plateau = S.ReduceOnPlateau(patience=1, factor=0.5)
        return S.Chain(S.LinearWarmup(5), S.Sequence([S.Constant(), plateau], milestones=[1]))

    straight, first, second = make(), make(), make()
    losses = [3.0, 2.0, 2.5, 2.5, 2.5, 2.6, 2.6]
    for loss in losses:
        straight.observe({"train_loss": loss})
    for loss in losses[:4]:
        first.observe({"train_loss": loss})
    second.load_state_dict(first.state_dict())
    for loss in losses[4:]:
        second.observe({"train_loss": loss})
    assert rates(second) == rates(straight)
    assert rates(straight)[-1] == BASE / 4


def test_fresh_plateau_state_is_finite_or_restores() -> None:
    fresh = S.ReduceOnPlateau()
    other = S.ReduceOnPlateau()
    other.load_state_dict(fresh.state_dict())
    other.observe({"train_loss": 1.0})
    assert other(BASE, Progress(0, 1, 1)) == BASE


def test_a_plain_function_takes_part() -> None:
    chain = S.Chain(lambda base, progress: base / (1 + progress.epoch), S.Exponential(0.5))
    assert chain(BASE, Progress(10, 100, 10)) == BASE / 4


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize(
    "schedule", [S.OneCycle(), S.OneCycle(pct_start=1.0), S.OneCycle(pct_start=0), S.Cosine()]
)
def test_tiny_runs_stay_finite_and_within_the_base(schedule: S.Schedule, steps: int) -> None:
    assert all(0.0 <= rate <= BASE for rate in rates(schedule, steps))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: S.MultiStep([5, 5]), r"\[MultiStep\] milestones: expected rising numbers, got \[5, 5\]"),
        (lambda: S.Polynomial(0), r"\[Polynomial\] total_iters: expected an integer >= 1, got 0"),
        (lambda: S.WarmRestarts(10, 0), r"\[WarmRestarts\] T_mult: expected an integer >= 1, got 0"),
        (lambda: S.Cyclic(1.0, mode="saw"), r"\[Cyclic\] mode: expected one of 'triangular'"),  # type: ignore[arg-type]
        (lambda: S.Step(0), r"\[Step\] step_size: expected an integer >= 1, got 0"),
        (lambda: S.Step(3, math.nan), r"\[Step\] gamma: expected a finite number >= 0, got nan"),
        (lambda: S.Exponential(-0.1), r"\[Exponential\] gamma: expected a finite number >= 0, got -0.1"),
        (lambda: S.InverseTime(math.inf), r"\[InverseTime\] decay: expected a finite number"),
        (lambda: S.Cosine(by="week"), r"\[Cosine\] by: expected one of 'epoch', 'step', got 'week'"),  # type: ignore[arg-type]
        (
            lambda: S.OneCycle(pct_start=1.5),
            r"\[OneCycle\] pct_start: expected a finite number >= 0 and <= 1",
        ),
        (lambda: S.OneCycle(div_factor=0), r"\[OneCycle\] div_factor: expected a finite number > 0, got 0"),
        (lambda: S.LinearWarmup(2.5), r"\[LinearWarmup\] total_iters: expected an integer >= 1, got 2.5"),  # type: ignore[arg-type]
        (lambda: S.ReduceOnPlateau(factor=1.0), r"\[ReduceOnPlateau\] factor: .* < 1, got 1.0"),
        (
            lambda: S.ReduceOnPlateau(threshold_mode="absolute"),  # type: ignore[arg-type]
            r"\[ReduceOnPlateau\] threshold_mode: expected one of 'rel', 'abs', got 'absolute'",
        ),
        (lambda: S.ReduceOnPlateau(mode="up"), r"\[ReduceOnPlateau\] mode: expected one of 'min', 'max'"),  # type: ignore[arg-type]
        (lambda: S.Sequence([], []), r"\[Sequence\] schedules: expected at least one, got none"),
        (lambda: S.Sequence([S.Constant()], [3]), r"\[Sequence\] milestones: expected 0 rising numbers"),
        (
            lambda: S.Sequence([S.Constant()] * 3, [5, 5]),
            r"\[Sequence\] milestones: expected 2 rising numbers",
        ),
        (
            lambda: S.ReduceOnPlateau("x").observe({"a": 1.0}),
            r"\[ReduceOnPlateau\] metric: expected one of a, got 'x'",
        ),
    ],
)
def test_refusals(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_a_part_that_is_no_schedule_is_refused() -> None:
    with pytest.raises(TypeError, match=r"\[Chain\] schedules: expected callables, got float"):
        S.Chain(0.1)  # type: ignore[arg-type]
