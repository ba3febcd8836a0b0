"""Timing on a shared, noisy machine.

A neighbour can halve a core's speed from one second to the next, so a time proves nothing by itself and a time from
another run proves nothing at all. Everything that is compared runs in one process, in turn (ours, theirs, ours,
theirs, ...), together with probes of what the core can do just then; the figures are ratios within a round.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field

import numpy as np

from fastnn import _runtime

Run = Callable[[], object]

# A turn long enough that the clock and the first cache misses do not matter.
TURN_S = 0.004
# Other libraries' threads spin for a while after their last task; ours must not be timed beside them.
SETTLE_S = 0.001


@dataclass
class Comparison:
    """One thing timed against its rivals, all times in milliseconds a call."""

    name: str
    ours_ms: list[float]
    rivals_ms: dict[str, list[float]]
    peak_gflops: list[float] = field(default_factory=list)
    copy_gbps: list[float] = field(default_factory=list)
    flops: float = 0.0
    bytes: float = 0.0
    group: str = ""
    error: float = 0.0
    note: str = ""

    @property
    def best_rival(self) -> str:
        """The rival mode with the smallest median."""
        return min(self.rivals_ms, key=lambda name: float(np.median(self.rivals_ms[name])), default="")

    @property
    def ratio(self) -> float:
        """Median over the rounds of best rival's time by ours: above 1 we are faster."""
        if not self.rivals_ms:
            return float("nan")
        return float(np.median(np.divide(self.rivals_ms[self.best_rival], self.ours_ms)))

    @property
    def ratio_of_minima(self) -> float:
        """Smallest time of any rival mode by our smallest."""
        if not self.rivals_ms:
            return float("nan")
        return min(min(times) for times in self.rivals_ms.values()) / min(self.ours_ms)

    @property
    def gflops(self) -> float:
        """Our speed by the median, where the work is counted in operations."""
        return self.flops / (float(np.median(self.ours_ms)) * 1e6)

    @property
    def gbps(self) -> float:
        """Our speed by the median, where the work is counted in bytes."""
        return self.bytes / (float(np.median(self.ours_ms)) * 1e6)

    def record(self) -> dict[str, object]:
        """Everything, for the JSON record."""
        derived = {
            "best_rival": self.best_rival,
            "ratio": self.ratio,
            "ratio_of_minima": self.ratio_of_minima,
            "ours_median_ms": float(np.median(self.ours_ms)),
            "gflops": self.gflops,
            "gbps": self.gbps,
        }
        return asdict(self) | derived


def _seconds(run: Run, calls: int) -> float:
    begin = time.perf_counter()
    for _ in range(calls):
        run()
    return time.perf_counter() - begin


def _calls_per_turn(run: Run) -> int:
    run()
    run()
    once = min(_seconds(run, 1) for _ in range(3))
    return max(1, int(TURN_S / max(once, 1e-7)))


class Probe:
    """What one core can do just now: fused multiply-adds in registers, and a copy of memory."""

    def __init__(self, copy_mb: int = 32) -> None:
        self._source = np.ones(copy_mb << 18, np.float32)
        self._target = np.empty_like(self._source)

    def peak_gflops(self) -> float:
        """Float32 operations a nanosecond of the active instruction set."""
        begin = time.perf_counter()
        flops = _runtime.probe_fma(100_000)
        return flops / (time.perf_counter() - begin) / 1e9

    def copy_gbps(self) -> float:
        """Bytes read and written a nanosecond."""
        begin = time.perf_counter()
        np.copyto(self._target, self._source)
        return 2 * self._source.nbytes / (time.perf_counter() - begin) / 1e9


def compare(
    name: str,
    ours: Run,
    rivals: Mapping[str, Run],
    *,
    rounds: int = 15,
    flops: float = 0.0,
    bytes: float = 0.0,
    group: str = "",
    probe: Probe | None = None,
    error: float = 0.0,
    note: str = "",
) -> Comparison:
    """Time ``ours`` and every rival in turn, ``rounds`` times.

    Args:
        name: of the thing compared.
        ours: one call of ours.
        rivals: mode name to one call of theirs; the best mode is the one to beat.
        rounds: at least 15 for a claim.
        flops: floating-point operations a call.
        bytes: bytes moved a call.
        group: heading in the tables.
        probe: measured in the same rounds.
        error: of our result against theirs, measured before timing.
        note: to stand beside the number.

    Returns:
        All times of all rounds.
    """
    everything = {"": ours, **rivals}
    calls = {key: _calls_per_turn(run) for key, run in everything.items()}
    times: dict[str, list[float]] = {key: [] for key in everything}
    result = Comparison(name, times[""], {}, flops=flops, bytes=bytes, group=group, error=error, note=note)
    for _ in range(rounds):
        for key, run in everything.items():
            time.sleep(SETTLE_S)
            times[key].append(1e3 * _seconds(run, calls[key]) / calls[key])
        if probe is not None:
            result.peak_gflops.append(probe.peak_gflops())
            result.copy_gbps.append(probe.copy_gbps())
    result.rivals_ms = {key: times[key] for key in rivals}
    return result


def check_close(name: str, ours: object, theirs: object, tolerance: float) -> float:
    """Refuse to time a wrong result: return the relative L2 error, which must be within ``tolerance``."""
    a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if a.shape != b.shape:
        raise AssertionError(f"{name}: shapes differ, {a.shape} and {b.shape}")
    error = float(np.linalg.norm(a - b) / max(np.linalg.norm(b), 1e-30))
    if not error <= tolerance:
        raise AssertionError(f"{name}: relative error {error:.2e} exceeds {tolerance:.0e}; not timed")
    return error
