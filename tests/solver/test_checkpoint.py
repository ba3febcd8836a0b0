"""Checkpoints: a run that was killed or interrupted, and went on, ends like one that was not, to the bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import killed_run
import numpy as np
import pytest

from fastnn.callbacks import Callback
from fastnn.io import load_tensors, save_tensors, unflatten_state
from fastnn.solver import DivergedError, Solver

FILE = "checkpoint.safetensors"
KINDS = ["handwritten", "model"]


class SendSignal(Callback):
    def __init__(self, step: int, number: int = signal.SIGINT, times: int = 1) -> None:
        self.step, self.number, self.times = step, number, times

    def on_step_end(self, run: Any) -> None:
        if run.step == self.step:
            for _ in range(self.times):
                signal.raise_signal(self.number)


def launch(kind: str, folder: Path, kill: str) -> int:
    command = [sys.executable, killed_run.__file__, kind, str(folder), kill]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode in (0, -signal.SIGKILL), run.stderr
    return run.returncode


def final_state(folder: Path) -> dict[str, Any]:
    """Return all that the last checkpoint holds, but for the time it took."""
    state = unflatten_state(*load_tensors(folder / FILE))
    del state["seconds"]
    for record in state["history"]["epochs"]:
        del record["seconds"]
    return state


def assert_same(a: Any, b: Any, path: str = "state") -> None:
    assert type(a) is type(b), path
    if isinstance(a, dict):
        assert a.keys() == b.keys(), path
        for name in a:
            assert_same(a[name], b[name], f"{path}/{name}")
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), path
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{path}/{i}")
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype, path
        assert a.tobytes() == b.tobytes(), path
    else:
        assert a == b, path


@pytest.fixture(scope="module", params=KINDS)
def undisturbed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A kind of run, and its final state when nothing happens to it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert launch(request.param, folder, "never") == 0
    state = final_state(folder)
    assert state["step"] == killed_run.STEPS
    return {"kind": request.param, "state": state}


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_random_steps_it_ends_as_if_undisturbed(
    seed: int, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    kind = undisturbed["kind"]
    rng = np.random.default_rng(seed)
    kills = [f"step:{rng.integers(1, 14)}", f"write:{rng.integers(1, 3)}", f"step:{rng.integers(1, 6)}"]
    for kill in kills:
        assert launch(kind, tmp_path, kill) == -signal.SIGKILL, kills
    assert launch(kind, tmp_path, "never") == 0
    assert_same(final_state(tmp_path), undisturbed["state"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_model_is_the_undisturbed_model(kind: str, tmp_path: Path) -> None:
    straight = killed_run.make_solver(kind, None, [Callback()])
    straight.train()
    with pytest.raises(KeyboardInterrupt):
        killed_run.make_solver(kind, str(tmp_path), [SendSignal(9)]).train()
    resumed = killed_run.make_solver(kind, str(tmp_path), [Callback()])
    resumed.train()
    assert_same(dict(resumed._port.state()), dict(straight._port.state()))
    assert_same(resumed.optimizer.state_dict(), straight.optimizer.state_dict())
    assert resumed._port.counter == straight._port.counter
    assert resumed.history.step_loss.tolist() == straight.history.step_loss.tolist()
    assert resumed.history.seconds[-1] > resumed.history.seconds[0] > 0


def test_the_state_in_the_test_is_rich_enough_to_notice(undisturbed: dict[str, Any]) -> None:
    state = undisturbed["state"]
    assert state["best"]["score"] > 0.5
    assert state["schedule"]["2"]["reductions"] > 0
    assert len(state["history"]["epochs"]) == killed_run.EPOCHS
    assert any(not np.array_equal(v, state["best"]["model"][k]) for k, v in state["model"].items())
    if undisturbed["kind"] == "model":
        assert state["model_counter"] == state["average"]["updates"] == killed_run.STEPS
        assert state["model"]["1.running_mean"].any()


def test_ctrl_c_finishes_the_step_keeps_a_checkpoint_and_says_how_to_go_on(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    ended = []

    class Notes(SendSignal):
        def on_train_end(self, run: Any) -> None:
            ended.append(run.step)

    solver = killed_run.make_solver("handwritten", str(tmp_path), [Notes(9)])
    with pytest.raises(
        KeyboardInterrupt, match=r"after step 9; go on from .*checkpoint.safetensors with resume=True"
    ):
        solver.train()
    assert ended == [9]
    assert solver.history.stop_reason == "interrupted after step 9"
    assert final_state(tmp_path)["step"] == 9
    assert final_state(tmp_path)["stop_reason"] is None
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_acts_at_once_and_leaves_the_older_checkpoint(tmp_path: Path) -> None:
    solver = killed_run.make_solver("handwritten", str(tmp_path), [SendSignal(9, times=2)])
    with pytest.raises(KeyboardInterrupt):
        solver.train()
    assert final_state(tmp_path)["step"] == 8


def test_ctrl_c_without_a_folder_still_ends_cleanly() -> None:
    solver = killed_run.make_solver("handwritten", None, [SendSignal(13)])
    with pytest.raises(KeyboardInterrupt, match=r"^interrupted after step 13$"):
        solver.train()
    best = solver._best
    assert best is not None
    assert_same(dict(solver._port.state()), dict(best["model"]))


def test_a_finished_run_resumes_to_its_end_and_can_be_prolonged(tmp_path: Path) -> None:
    first = killed_run.make_solver("handwritten", str(tmp_path), [Callback()])
    first.train()
    again = killed_run.make_solver("handwritten", str(tmp_path), [Callback()])
    again.train()
    assert_same(dict(again._port.state()), dict(first._port.state()))
    assert len(again.history.step_loss) == killed_run.STEPS
    longer = killed_run.make_solver("handwritten", str(tmp_path), [Callback()], epochs=killed_run.EPOCHS + 1)
    assert len(longer.train().epochs) == killed_run.EPOCHS + 1


def test_a_run_that_was_told_to_stop_stays_stopped(tmp_path: Path) -> None:
    class StopAt(Callback):
        def on_step_end(self, run: Any) -> None:
            if run.step == 7:
                run.stop("enough")

    first = killed_run.make_solver("handwritten", str(tmp_path), [StopAt()])
    assert first.train().stop_reason == "enough"
    again = killed_run.make_solver("handwritten", str(tmp_path), [StopAt()])
    assert again.train().stop_reason == "enough"
    assert again.step == 7


def test_a_diverged_run_keeps_its_last_good_checkpoint(tmp_path: Path) -> None:
    class Poison(Callback):
        def on_step_end(self, run: Any) -> None:
            if run.step == 9:
                run.model.params["W1"][...] = np.nan

    with pytest.raises(DivergedError, match="at step 10"):
        killed_run.make_solver("handwritten", str(tmp_path), [Poison()]).train()
    state = final_state(tmp_path)
    assert state["step"] == 8
    assert np.isfinite(state["model"]["W1"]).all()


def make_checkpoint(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        killed_run.make_solver("handwritten", str(folder), [SendSignal(5)]).train()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 11}, r"\[Solver\] resume: .* is of a run with batch size 10, got 11"),
        ({"seed": 6}, r"\[Solver\] resume: .* is of a run with seed 5, got 6"),
        ({"accumulate": 1}, r"\[Solver\] resume: .* is of a run with accumulate 2, got 1"),
        (
            {"resume": False},
            r"\[Solver\] checkpoint_dir: expected a folder without a checkpoint, or resume=True",
        ),
        ({"callbacks": []}, r"\[Solver\] resume: expected 2 callbacks as in the checkpoint, got 1"),
    ],
)
def test_another_run_is_refused_and_the_checkpoint_stays(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    make_checkpoint(tmp_path)
    before = (tmp_path / FILE).read_bytes()
    callbacks = options.pop("callbacks", [Callback()])
    solver = killed_run.make_solver("handwritten", str(tmp_path), callbacks, **options)
    solver._resume = options.get("resume", True)
    with pytest.raises(ValueError, match=message) as caught:
        solver.train()
    assert "\n" not in str(caught.value)
    assert (tmp_path / FILE).read_bytes() == before


def test_what_is_no_checkpoint_is_refused_in_one_line(tmp_path: Path) -> None:
    make_checkpoint(tmp_path)
    whole = (tmp_path / FILE).read_bytes()
    for content in (b"", b"hello", whole[: len(whole) // 2]):
        (tmp_path / FILE).write_bytes(content)
        with pytest.raises(
            ValueError, match=r"checkpoint.safetensors: expected a safetensors file"
        ) as caught:
            killed_run.make_solver("handwritten", str(tmp_path), [Callback()]).train()
        assert "\n" not in str(caught.value)
    save_tensors(tmp_path / FILE, {"w": np.zeros(1)})
    with pytest.raises(ValueError, match="not a checkpoint"):
        killed_run.make_solver("handwritten", str(tmp_path), [Callback()]).train()


def test_a_folder_that_cannot_be_made_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        Solver(killed_run.NoisyTwoLayer(), killed_run.blobs(20), checkpoint_dir=tmp_path / "file" / "folder")


def test_no_temporary_file_outlives_a_run(tmp_path: Path) -> None:
    (tmp_path / f".{FILE}.4711.tmp").write_text("half a checkpoint, of a process that was killed")
    make_checkpoint(tmp_path)
    assert os.listdir(tmp_path) == [FILE]
