"""The benchmark's arithmetic: what it claims follows from the times, and only right results are timed."""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="module", autouse=True)
def _source_tree(root: Path) -> Any:
    sys.path.insert(0, str(root))
    yield
    sys.path.remove(str(root))


def comparison(**changes: Any) -> Any:
    from bench.harness import Comparison

    told = {
        "name": "gemm 512x512x512",
        "group": "gemm",
        "ours": [2.0, 1.0, 4.0],
        "rivals": {"torch nchw": [4.0, 3.0, 4.0], "torch channels-last": [6.0, 1.5, 8.0]},
    }
    return Comparison(**{**told, **changes})


def record(*comparisons: Any, threads: int = 1) -> dict[str, Any]:
    run = {"threads": threads, "left_out": {}, "comparisons": [c.record() for c in comparisons]}
    environment = {"cpu": "c", "isa": "i", "compiler": "g", "python": "3", "versions": {}, "commit": "0"}
    return json.loads(json.dumps({"environment": environment, "runs": [run]}))


def test_ratios_are_of_rounds_and_the_claim_holds_both_ways() -> None:
    c = comparison()
    assert c.best_rival() == "torch nchw"
    assert c.ratio() == 2.0
    assert c.ratio_of_minima() == 1.5  # of any mode: the other one had the best single time
    assert c.claim() == 1.5
    assert c.ratio("channels-last") == 2.0
    assert math.isnan(c.ratio("numpy"))


def test_baseline_is_taken_off() -> None:
    c = comparison(baseline=[1.0, 0.5, 1.0])
    np.testing.assert_allclose(c.net(), [1.0, 0.5, 3.0])
    assert c.ratio_of_minima() == 3.0


def test_speed_is_a_part_of_the_probe_of_the_same_round() -> None:
    c = comparison(flops=1e9, peak_gflops=[1000.0, 2000.0, 500.0])  # 500, 1000 and 250 GFLOP/s
    assert c.of_peak == 0.5
    assert math.isnan(c.of_copy)


def test_wrong_results_are_not_timed() -> None:
    from bench.harness import WrongResult, check_close

    assert check_close("x", [1.0, 2.0], [1.0, 2.0]) == 0
    for wrong in ([1.0, 2.001], [1.0, math.nan], [1.0]):
        with pytest.raises(WrongResult):
            check_close("x", wrong, [1.0, 2.0])


def spin(ms: float) -> Any:
    def run() -> None:
        end = time.perf_counter() + ms / 1e3
        while time.perf_counter() < end:
            pass

    return run


def test_compare_times_everybody_in_every_round() -> None:
    from bench.harness import Contest, Effort, Entry, compare

    contest = Contest(spin(5), {"slow": spin(10)}, baseline=spin(1))
    result = compare(Entry("x", "y", lambda: contest), contest, Effort(0.0, 3, 9))
    assert {len(times) for times in (result.ours, result.baseline, *result.rivals.values())} == {3}
    assert 1.2 < result.ratio() < 5  # 10 / (5 - 1), on whatever machine


def test_a_layers_cost_is_that_of_quiet_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from bench import overhead
    from bench.harness import Effort

    def step(model: Any, X: Any, y: Any) -> Any:
        quiet, disturbed = spin(0.02 * len(model.net.leaves())), spin(0.1 * len(model.net.leaves()))
        return lambda: (disturbed if int(time.perf_counter() * 10) % 2 else quiet)()

    monkeypatch.setattr(overhead.steps, "our_step", step)
    measured = overhead.a_layer(overhead.STACKS[0], Effort(0.5, 3, 9))
    assert 15 < measured.ours[0] < 30  # 20 us, or 100 half of the time


def test_targets_take_the_worst_case() -> None:
    from bench.targets import TARGETS, amount

    gemm = TARGETS[0]
    slow, fast = comparison(name="a"), comparison(name="b", ours=[0.5, 0.5, 0.5])
    again = comparison(name="b", ours=[1.0, 1.0, 1.0])  # measured again, with less luck
    values = gemm.values([slow, fast, again, comparison(group="relu")])
    assert values == {"a": 1.5, "b": 1.5}
    assert gemm.verdict(gemm.reached(values)) == "goal met"
    assert gemm.verdict(0.95) == "bar met"
    assert gemm.verdict(0.5) == "below the bar"
    least = next(target for target in TARGETS if target.measure is amount)
    assert least.reached({"a": 1.0, "b": 2.0}) == 2.0


def test_tables_and_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from bench.compare import BEGIN, END, text, update_docs

    steps = [comparison(name="step lenet-8", group="step"), comparison(name="other")]
    records = [record(comparison()), *(record(step, threads=2) for step in steps)]
    shown = text(records)
    assert "goal met" in shown
    assert "dropout" not in shown
    page = tmp_path / "performance.md"
    page.write_text(f"# Title\n{BEGIN}\nold\n{END}\nend\n")
    for _ in range(2):  # writing again changes nothing
        update_docs(page, records)
    written = page.read_text()
    assert written.startswith("# Title\n")
    assert written.endswith("end\n")
    assert "old" not in written
    assert "| gemm 512x512x512 | 2.00 | 1.50 |" in written
    assert "| lenet-8 |  |  | 2.00 | 1.50 |" in written
    assert "| dropout | >= 8 | >= 15 | not measured | not measured |" in written
    assert (tmp_path / "performance.png").stat().st_size > 1000
