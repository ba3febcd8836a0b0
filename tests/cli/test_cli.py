"""The command line as a person uses it: what a run leaves, what it says, and how it goes on after a stop."""

from __future__ import annotations

import csv
import gzip
import re
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from small_problem import Run, arrays

import fastnn
from fastnn import nets
from fastnn.cli.settings import OPTIMIZERS, SCHEDULES, Settings
from fastnn.model import Model
from fastnn.schedules import Progress
from fastnn.solver import Solver


def test_a_run_leaves_four_files(trained: Path) -> None:
    for name in ("model.safetensors", "history.csv", "curves.png", "config.toml"):
        assert (trained / name).stat().st_size > 0
    with open(trained / "history.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert float(rows[-1]["val_accuracy"]) > 0.9


def test_the_model_predicts_on_raw_data(trained: Path) -> None:
    archive = arrays("data.npz")
    model = Model.load(trained / "model.safetensors")
    assert np.mean(model.predict(archive["X_test"]) == archive["y_test"]) > 0.9


def test_evaluate_and_predict_agree(run: Run, trained: Path) -> None:
    status, out, _ = run("evaluate", trained / "model.safetensors", "data.npz")
    assert status == 0
    found = re.search(r"accuracy (\d\.\d+)", out)
    assert found is not None
    assert run("predict", trained / "model.safetensors", "data.npz", "--out", "labels.csv")[0] == 0
    with open("labels.csv") as file:
        predicted = [int(row["class"]) for row in csv.DictReader(file)]
    labels = arrays("data.npz")["y_test"]
    assert float(found[1]) == pytest.approx(np.mean(predicted == labels), abs=1e-4)


def test_predict_takes_examples_without_labels(run: Run, trained: Path) -> None:
    X = arrays("data.npz")["X_test"][:5]
    np.save("plain.npy", X)
    np.savez("named.npz", X=X)
    outputs = [run("predict", trained / "model.safetensors", name)[1] for name in ("plain.npy", "named.npz")]
    assert outputs[0] == outputs[1]
    assert len(outputs[0].splitlines()) == 6


def test_regression(run: Run, tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(200, 3))
    np.savez(tmp_path / "line.npz", X_train=X, y_train=X @ [1.0, -2.0, 0.5])
    arguments = ["--data", "line.npz", "--net", "mlp", "--epochs", "2", "--optimizer", "adam"]
    assert run("train", *arguments, "--out", "run")[0] == 0
    status, out, _ = run("evaluate", "run/model.safetensors", "line.npz")
    assert status == 0
    assert "mae" in out
    assert run("predict", "run/model.safetensors", "line.npz")[1].startswith("index,value0\n0,")


@pytest.mark.parametrize("loss", ["l1", "huber", "binary_cross_entropy"])
def test_other_losses_of_numbers(run: Run, loss: str) -> None:
    X = np.random.default_rng(0).normal(size=(200, 3))
    np.savez("line.npz", X_train=X, y_train=(X @ [1.0, -2.0, 0.5] > 0).astype(float))
    arguments = ["--data", "line.npz", "--net", "two_layer_net", "--epochs", "5", "--optimizer", "nadam"]
    assert run("train", *arguments, "--loss", loss, "--out", "run")[0] == 0
    model = Model.load("run/model.safetensors")
    assert model.loss_function.name == loss  # type: ignore[attr-defined]
    kind = "probability" if loss == "binary_cross_entropy" else "value"
    lines = run("predict", "run/model.safetensors", "line.npz")[1].splitlines()
    assert lines[0] == f"index,{kind}0"
    answers = model.predict_proba(X) if kind == "probability" else model.predict(X)
    assert float(lines[1].split(",")[1]) == pytest.approx(answers[0, 0], rel=1e-4)
    assert run("evaluate", "run/model.safetensors", "line.npz")[0] == 0


def test_hinge(run: Run, problem: list[str]) -> None:
    assert run("train", *problem, "--loss", "hinge", "--out", "run")[0] == 0
    assert Model.load("run/model.safetensors").loss_function.name == "hinge"  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_learns_at_its_usual_rate(name: str) -> None:
    X = np.random.default_rng(0).normal(size=(300, 8))
    y = X[:, :3].argmax(axis=1)
    model = nets.mlp(8, (32,), 3, drop_prob=0)
    settings = Settings("data", epochs=20, batch_size=20, optimizer=name)
    Solver(model, (X, y), optimizer=settings.make_optimizer(), epochs=20, batch_size=20).train()
    assert model.evaluate(X, y)["accuracy"] > 0.9


# The first and the last rate over the highest, in a run of 40 epochs.
ENDS = {
    "constant": (1, 1),
    "step": (1, 1e-3),
    "multi-step": (1, 1e-2),
    "exponential": (1, 1e-2),
    "inverse-time": (1, 0.1),
    "polynomial": (1, 0),
    "cosine": (1, 0),
    "warm-restarts": (1, 0),
    "cyclic": (0.1, 0.1),
    "one-cycle": (0.04, 4e-6),
    "warm-up": (0.1, 1),
    "plateau": (1, 1),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_spans_the_run(name: str) -> None:
    assert ENDS.keys() == SCHEDULES.keys()
    for epochs in (1, 2, 3, 40):
        total = epochs * 10
        schedule = Settings("data", epochs=epochs, schedule=name).make_schedule()
        rates = [schedule(0.5, Progress(step, total, 10)) for step in range(total)]
        assert all(0 <= rate <= 0.5 for rate in rates)
    assert max(rates) == pytest.approx(0.5)
    # The last step is one short of the end.
    assert rates[0] == pytest.approx(0.5 * ENDS[name][0], rel=1e-6)
    assert rates[-1] == pytest.approx(0.5 * ENDS[name][1], rel=0.2, abs=2e-3)


def test_idx_folder(run: Run, tmp_path: Path) -> None:
    def write(name: str, array: np.ndarray) -> None:
        header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
        (tmp_path / "idx" / name).write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))

    (tmp_path / "idx").mkdir()
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 10
    for part in ("train", "t10k"):
        write(f"{part}-labels-idx1-ubyte.gz", labels)
        write(f"{part}-images-idx3-ubyte.gz", rng.integers(0, 20, (60, 28, 28)) + 20 * labels[:, None, None])
    assert run("train", "--data", "idx", "--net", "lenet", "--epochs", "1", "--out", "run")[0] == 0
    assert run("evaluate", "run/model.safetensors", "idx")[0] == 0


def test_the_same_seed_gives_the_same_file(run: Run, problem: list[str]) -> None:
    for folder, threads in (("one", 1), ("two", 2)):
        assert run("train", *problem, "--out", folder, "--threads", threads)[0] == 0
    assert Path("one/model.safetensors").read_bytes() == Path("two/model.safetensors").read_bytes()


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from fastnn.cli import main; main()", *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_run_goes_on_to_the_same_bits(
    run: Run, problem: list[str], tmp_path: Path, how: signal.Signals
) -> None:
    problem[problem.index("--epochs") + 1] = "200"
    process = start(tmp_path, "train", *problem, "--out", "stopped")
    wait_for(tmp_path / "stopped" / "checkpoint.safetensors", process)
    process.send_signal(how)
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    assert not Path("stopped/model.safetensors").exists(), "the run ended before it was stopped"
    if how is signal.SIGINT:
        assert process.returncode == 130
        assert "go on with: fastnn train --out stopped --resume" in out
    assert run("train", "--out", "stopped", "--resume")[0] == 0
    assert run("train", *problem, "--out", "straight")[0] == 0
    assert Path("stopped/model.safetensors").read_bytes() == Path("straight/model.safetensors").read_bytes()


@pytest.mark.parametrize("module", ["numpy", "typer", "fastnn.model"])
def test_a_stop_while_the_program_loads(tmp_path: Path, module: str) -> None:
    """Importing takes a quarter of a second; here Ctrl-C comes in the midst of it."""
    (tmp_path / "program.py").write_text(f"""
import builtins, os, signal
load = builtins.__import__
def stop(name, *arguments, **options):
    if name == {module!r}:
        builtins.__import__ = load
        os.kill(os.getpid(), signal.SIGINT)
    return load(name, *arguments, **options)
builtins.__import__ = stop
from fastnn.cli import main
main(["info"])
""")
    done = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_resuming_a_finished_run_changes_nothing(run: Run, trained: Path) -> None:
    before = (trained / "model.safetensors").read_bytes()
    assert run("train", "--out", trained, "--resume")[0] == 0
    assert (trained / "model.safetensors").read_bytes() == before


def test_a_run_is_replaced_only_on_request(run: Run, problem: list[str], trained: Path) -> None:
    before = {path.name: path.read_bytes() for path in trained.iterdir()}
    status, _, err = run("train", *problem, "--out", trained)
    expected = "run: holds a run already; --resume goes on with it, --overwrite replaces it"
    assert (status, err) == (2, f"error: {expected}\n")
    assert {path.name: path.read_bytes() for path in trained.iterdir()} == before
    assert run("train", *problem, "--out", trained, "--overwrite", "--seed", "1")[0] == 0
    assert (trained / "model.safetensors").read_bytes() != before["model.safetensors"]


def test_a_run_stays_until_its_replacement_has_a_checkpoint(
    run: Run, problem: list[str], trained: Path
) -> None:
    before = {path.name: path.read_bytes() for path in trained.iterdir()}
    broken = ["--overwrite", "--optimizer", "sgd", "--lr", "1e30"]
    status, _, err = run("train", *problem, "--out", trained, *broken)
    assert (status, "try a smaller learning rate" in err) == (2, True)
    assert {path.name: path.read_bytes() for path in trained.iterdir()} == before


def test_large_targets_train(run: Run, tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(300, 3))
    np.savez(tmp_path / "prices.npz", X_train=X, y_train=2e5 + 1e5 * (X @ [1.0, -2.0, 0.5]))
    assert run("train", "--data", "prices.npz", "--net", "mlp", "--epochs", "3", "--out", "run")[0] == 0
    assert 'optimizer = "adam"' in Path("run/config.toml").read_text()


def test_find_lr_suggests_a_rate_that_trains(run: Run, problem: list[str]) -> None:
    pytest.importorskip("matplotlib")
    options = [word for word in problem if word not in ("--epochs", "4")]
    before = set(Path().iterdir())
    status, out, err = run("find-lr", *options, "--optimizer", "adam", "--plot", "lr.png")
    assert (status, err) == (0, "")
    assert set(Path().iterdir()) - before == {Path("lr.png")}
    assert Path("lr.png").read_bytes().startswith(b"\x89PNG")
    assert out.startswith(
        "net.toml on data.npz: 179 parameters, 162 training examples, adam\n   rate       loss\n"
    )
    assert "wrote lr.png" in out
    command = re.search(r"train with it: fastnn (train .* --lr (\S+))\n", out)
    assert command is not None
    assert f"suggested learning rate {command[2]}," in out
    assert 1e-3 < float(command[2]) < 1
    assert run("find-lr", *options, "--optimizer", "adam")[1] == out.replace("wrote lr.png\n", "")
    assert run(*command[1].split(), "--epochs", "5", "--out", "run")[0] == 0
    archive = arrays("data.npz")
    model = Model.load("run/model.safetensors")
    assert np.mean(model.predict(archive["X_test"]) == archive["y_test"]) > 0.9


def test_find_lr_without_a_rate_that_helps(run: Run, problem: list[str]) -> None:
    options = [word for word in problem if word not in ("--epochs", "4")]
    status, _, err = run(
        "find-lr", *options, "--optimizer", "sgd", "--start", "1e3", "--end", "1e9", "--steps", "5"
    )
    assert status == 2
    assert err == "error: --start: expected a rate that lowers the loss, got 1000; try a smaller one\n"


def test_info(run: Run) -> None:
    status, out, _ = run("info")
    assert status == 0
    assert fastnn.__version__ in out
    assert "threads" in out


@pytest.mark.parametrize("command", [[], ["train"], ["find-lr"], ["predict"], ["evaluate"], ["info"]])
def test_help(run: Run, command: list[str]) -> None:
    status, out, _ = run(*command, "--help")
    assert status == 0
    assert "Usage: fastnn" in out
