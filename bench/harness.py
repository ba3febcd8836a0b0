"""Timing on a shared, noisy machine.

A neighbour can halve a core's speed from one second to the next, so a time proves nothing by itself and a
time from another run proves nothing at all. Everything that is compared runs in one process, in turn (ours,
theirs, ours, theirs, ...), together with probes of what the cores can do just then; the figures are ratios
within a round.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from fastnn import _runtime

Run = Callable[[], object]

# A turn long enough that the clock and the first cache misses do not matter.
TURN_S = 0.004
# Other libraries' threads spin for some 10 ms after their last task; a turn begins when they sleep. The
# kernel books the time of a running thread at its ticks, 4 ms or less apart: a shorter look sees nothing.
SETTLE_S, LOOK_S, SETTLE_LIMIT_S = 0.001, 0.006, 0.06


class WrongResult(AssertionError):
    """Ours and theirs differ: there is nothing to time."""


@dataclass
class Comparison:
    """One thing measured against its rivals: by default milliseconds a call, one entry a round."""

    name: str
    group: str
    ours: list[float]
    rivals: dict[str, list[float]]
    baseline: list[float] = field(default_factory=list)
    unit: str = "ms"
    peak_gflops: list[float] = field(default_factory=list)
    copy_gbps: list[float] = field(default_factory=list)
    flops: float = 0.0
    bytes: float = 0.0
    error: float = 0.0
    note: str = ""

    def best_rival(self, modes: str = "") -> str:
        """Return the mode with the smallest median, of those that the expression finds; "" if none."""
        fitting = [mode for mode in self.rivals if re.search(modes, mode)]
        return min(fitting, key=lambda mode: float(np.median(self.rivals[mode])), default="")

    def net(self) -> np.ndarray[Any, Any]:
        """Our time of every round, less that of the baseline where there is one."""
        if not self.baseline:
            return np.asarray(self.ours)
        return np.maximum(np.subtract(self.ours, self.baseline), 1e-6)

    def ratio(self, modes: str = "") -> float:
        """Return the median over the rounds of the best rival's time by ours: above 1 we are faster."""
        best = self.best_rival(modes)
        return float(np.median(np.divide(self.rivals[best], self.net()))) if best else math.nan

    def ratio_of_minima(self, modes: str = "") -> float:
        """Return the smallest time of any rival mode by our smallest."""
        fitting = [min(times) for mode, times in self.rivals.items() if re.search(modes, mode)]
        ours = min(self.ours) - min(self.baseline, default=0.0)
        return min(fitting) / max(ours, 1e-6) if fitting else math.nan

    def claim(self, modes: str = "") -> float:
        """Return the ratio that holds both ways."""
        return min(self.ratio(modes), self.ratio_of_minima(modes))

    @property
    def of_peak(self) -> float:
        """Our operations a second as a fraction of the FMA probe of the same rounds."""
        return self._fraction(self.flops, self.peak_gflops)

    @property
    def of_copy(self) -> float:
        """Our bytes a second as a fraction of the copy probe of the same rounds."""
        return self._fraction(self.bytes, self.copy_gbps)

    def _fraction(self, work: float, probe: Sequence[float]) -> float:
        if not work or not probe:
            return math.nan
        return float(np.median(work / (1e6 * self.net() * np.asarray(probe))))

    def record(self) -> dict[str, Any]:
        """Everything, for the JSON record."""
        derived = {
            "best_rival": self.best_rival(),
            "ratio": self.ratio(),
            "ratio_of_minima": self.ratio_of_minima(),
            "ours_median": float(np.median(self.net())),
        }
        return {name: _rounded(value) for name, value in (asdict(self) | derived).items()}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Comparison:
        """Read back what `record` wrote."""
        return cls(**{name: record[name] for name in cls.__dataclass_fields__})


@dataclass
class Contest:
    """What is timed: one call of ours and one of every rival mode, already found to agree.

    Args:
        ours: one call.
        rivals: mode to one call; the best mode is the one to beat.
        baseline: a call whose time is taken from ours, where only a sum of two passes can be called.
        flops: floating-point operations a call.
        bytes: that a call must move at the least.
        error: relative L2 error of our result against theirs.
        note: to stand beside the number.
    """

    ours: Run
    rivals: Mapping[str, Run]
    baseline: Run | None = None
    flops: float = 0.0
    bytes: float = 0.0
    error: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class Entry:
    """A line of the benchmark.

    Args:
        name: unique.
        group: the row of the table of targets that it counts for.
        build: makes data, compares results and returns what to time, or what it measured.
        quick: whether the short run has it.
        rounds: fixed number of rounds, where one is expensive.
    """

    name: str
    group: str
    build: Callable[[], Contest | Comparison]
    quick: bool = True
    rounds: int | None = None


@dataclass(frozen=True)
class Effort:
    """How long to measure: between ``least`` and ``most`` rounds, as ``seconds`` a comparison allow."""

    seconds: float
    least: int
    most: int
    compiled: bool = False

    def rounds(self, round_s: float) -> int:
        """Return the number of rounds that take ``round_s`` each."""
        return int(np.clip(self.seconds / max(round_s, 1e-9), self.least, self.most))


QUICK = Effort(seconds=0.5, least=5, most=15)
FULL = Effort(seconds=4.0, least=15, most=41, compiled=True)


def _rounded(value: Any) -> Any:
    """Return a number, or all numbers of a list or mapping, with as many digits as a time deserves."""
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    if isinstance(value, float):
        return None if math.isnan(value) else float(f"{value:.5g}")
    return value


def _seconds(run: Run, calls: int) -> float:
    begin = time.perf_counter()
    for _ in range(calls):
        run()
    return time.perf_counter() - begin


def settle() -> None:
    """Sleep until no thread of this process runs any more."""
    if _runtime.get_num_threads() == 1:  # then nobody else has threads either
        time.sleep(SETTLE_S)
        return
    for _ in range(int(SETTLE_LIMIT_S / LOOK_S)):
        before = time.process_time()
        time.sleep(LOOK_S)
        if time.process_time() - before < 0.2 * LOOK_S:
            return


class Turn:
    """One party's turn: as many calls as fill ``seconds``."""

    def __init__(self, run: Run, seconds: float = TURN_S) -> None:
        self._run = run
        once = _seconds(run, 1)
        if once < seconds:  # the first call was a cold one
            once = min(_seconds(run, 1) for _ in range(3))
        self._calls = max(1, int(seconds / max(once, 1e-7)))
        self.duration_s = self._calls * once + SETTLE_S

    def ms(self) -> float:
        """Return the time of one call now."""
        settle()
        if self._calls > 1:  # a first call fetches data and wakes threads; a long call does not feel it
            self._run()
        return 1e3 * _seconds(self._run, self._calls) / self._calls


class Probe:
    """What the cores can do just now: fused multiply-adds in registers, and a copy of memory.

    Args:
        threads: how many cores to ask.
        copy_mb: size of the array that is copied.
    """

    def __init__(self, threads: int = 1, copy_mb: int = 32) -> None:
        source = np.ones(copy_mb << 18, np.float32)
        self._pairs = list(
            zip(np.array_split(source, threads), np.array_split(source.copy(), threads), strict=True)
        )
        self._bytes = 2 * source.nbytes
        self._pool = ThreadPoolExecutor(threads)
        self._threads = threads

    def _time(self, work: Callable[[int], float]) -> tuple[float, float]:
        if self._threads == 1:
            begin = time.perf_counter()
            return work(0), time.perf_counter() - begin
        begin = time.perf_counter()
        done = sum(self._pool.map(work, range(self._threads)))
        return done, time.perf_counter() - begin

    def peak_gflops(self) -> float:
        """Float32 operations a nanosecond of the active instruction set."""
        flops, seconds = self._time(lambda i: _runtime.probe_fma(400_000))
        return flops / seconds / 1e9

    def copy_gbps(self) -> float:
        """Bytes read and written a nanosecond."""

        def copy(i: int) -> float:
            source, target = self._pairs[i]
            np.copyto(target, source)
            return 0.0

        return self._bytes / self._time(copy)[1] / 1e9


def compare(entry: Entry, contest: Contest, effort: Effort, probe: Probe | None = None) -> Comparison:
    """Time ours and every rival in turn; who begins changes from round to round.

    Args:
        entry: the line of the benchmark.
        contest: what to time.
        effort: how long.
        probe: measured in the same rounds.

    Returns:
        All times of all rounds.
    """
    runs: dict[str, Run] = {"ours": contest.ours, **contest.rivals}
    if contest.baseline is not None:
        runs["baseline"] = contest.baseline
    turns = {key: Turn(run) for key, run in runs.items()}
    times: dict[str, list[float]] = {key: [] for key in runs}
    result = Comparison(
        entry.name,
        entry.group,
        times["ours"],
        {key: times[key] for key in contest.rivals},
        times.get("baseline", []),
        flops=contest.flops,
        bytes=contest.bytes,
        error=contest.error,
        note=contest.note,
    )
    order = list(turns.items())
    for _ in range(entry.rounds or effort.rounds(sum(turn.duration_s for turn in turns.values()))):
        for key, turn in order:
            times[key].append(turn.ms())
        order.append(order.pop(0))
        if probe is not None:
            settle()
            result.peak_gflops.append(probe.peak_gflops())
            result.copy_gbps.append(probe.copy_gbps())
    return result


def check_close(what: str, ours: object, theirs: object, tolerance: float = 1e-5) -> float:
    """Return the relative L2 error of our result.

    Raises:
        WrongResult: shapes differ, or the error exceeds ``tolerance``.
    """
    a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if a.shape != b.shape:
        raise WrongResult(f"{what}: shapes differ, {a.shape} and {b.shape}")
    error = float(np.linalg.norm(a - b) / max(float(np.linalg.norm(b)), 1e-30))
    if not error <= tolerance:
        raise WrongResult(f"{what}: relative error {error:.2e} exceeds {tolerance:.0e}; not timed")
    return error
