"""Every bad input gets exit status 2 and one clear line, and nothing that was saved is touched."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from small_problem import SMALL_NET, Run, arrays

FILES = {
    "empty.npz": b"",
    "broken.npz": b"PK\x03\x04 and then nothing",
    "note.txt": b"hello",
    "bad.toml": b"[[layers]\n",
    "none.toml": b"layers = []\n",
    "odd.toml": b'[[layers]]\ntype = "Warp"\n',
    "plain.toml": b'layers = ["Linear"]\n',
    "args.toml": b'[[layers]]\ntype = "Linear"\nin_features = 16\nout_features = 3\ncolour = "red"\n',
    "kind.toml": b'[[layers]]\ntype = "Linear"\nin_features = "many"\nout_features = 3\n',
    "huge.toml": SMALL_NET.replace("out_features = 8", "out_features = 1000000000000000").encode(),
    "huger.toml": SMALL_NET.replace("in_features = 16", "in_features = 9223372036854775807").encode(),
    "shape.toml": SMALL_NET.replace("in_features = 16", "in_features = 9").encode(),
    "classes.toml": SMALL_NET.replace("out_features = 3", "out_features = 5").encode(),
}

OPTIONS = [
    ("--epochs", "0"),
    ("--epochs", "many"),
    ("--batch-size", "-1"),
    ("--lr", "0"),
    ("--lr", "nan"),
    ("--lr", "fast"),
    ("--weight-decay", "-1"),
    ("--optimizer", "magic"),
    ("--schedule", "lunar"),
    ("--loss", "total"),
    ("--loss", "mse"),
    ("--seed", "-1"),
    ("--threads", "0"),
    ("--colour", "red"),
    ("--out", "note.txt"),
    ("--out", "note.txt/run"),
    ("--out", ""),
    ("--batch-size", "1" + 30 * "0"),
    ("--seed", "1" + 30 * "0"),
]

FINDER_OPTIONS = [
    ("--start", "0"),
    ("--start", "nan"),
    ("--end", "1e-9"),
    ("--steps", "1"),
    ("--batch-size", "0"),
    ("--optimizer", "magic"),
    ("--loss", "mse"),
    ("--threads", "0"),
    ("--plot", ""),
    ("--epochs", "3"),
]

COMMANDS = [
    ["bogus"],
    ["train"],
    *(["train", "--data", name] for name in ("nowhere", "nowhere.npz", "empty.npz", "broken.npz")),
    *(["train", "--data", name] for name in ("note.txt", "folder")),
    *(["train", "--data", "data.npz", "--net", name] for name in ("alexnet", "lenet", "absent.toml")),
    *(["train", "--data", "data.npz", "--net", name] for name in FILES if name.endswith(".toml")),
    *(["train", "--data", "data.npz", "--net", "mlp", *option] for option in OPTIONS),
    ["find-lr"],
    ["find-lr", "--data", "nowhere"],
    ["find-lr", "--data", "data.npz", "--net", "bad.toml"],
    *(["find-lr", "--data", "data.npz", "--net", "mlp", *option] for option in FINDER_OPTIONS),
    ["train", "--resume"],
    ["train", "--resume", "--out", "nowhere"],
    ["train", "--resume", "--out", "folder"],
    ["train", "--resume", "--out", "folder", "--lr", "0.1"],
    ["predict"],
    ["predict", "nowhere.safetensors", "data.npz"],
    ["predict", "note.txt", "data.npz"],
    ["predict", "folder", "data.npz"],
    ["predict", "note.txt", "data.npz", "--out", ""],
    ["evaluate", "note.txt", "data.npz"],
]


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_one_line(result: tuple[int, str, str]) -> None:
    status, out, err = result
    assert (status, out) == (2, "")
    assert re.fullmatch(r"error: \S.*\n", err), err


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_bad_input_is_one_line(run: Run, problem: list[str], tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "folder").mkdir()
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    before = files(tmp_path)
    assert_one_line(run(*command))
    assert files(tmp_path) == before


EXAMPLES = {
    "channels.npy": np.zeros((2, 3, 4, 4)),
    "flat.npy": np.zeros((2, 16)),
    "scalar.npy": np.zeros(()),
    "words.npy": np.array(["a", "b"]),
    "complex.npy": np.zeros((2, 1, 4, 4), complex),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_that_do_not_fit(run: Run, trained: Path, name: str) -> None:
    np.save(name, EXAMPLES[name])
    assert_one_line(run("predict", trained / "model.safetensors", name))


def test_pickled_examples(run: Run, trained: Path) -> None:
    np.save("objects.npy", np.array([{"a": 1}], object), allow_pickle=True)
    status, _, err = run("predict", trained / "model.safetensors", "objects.npy")
    assert status == 2
    assert err.startswith("error: objects.npy: expected arrays of numbers")


@pytest.mark.parametrize("rows", [0, 20])
def test_a_single_class(run: Run, rows: int) -> None:
    np.savez("same.npz", X_train=np.zeros((rows, 1, 4, 4), np.float32), y_train=np.zeros(rows, int))
    status, _, err = run("train", "--data", "same.npz", "--net", "mlp", "--out", "run")
    assert status == 2
    assert "--data: expected labels of at least two classes" in err
    assert not Path("run").exists()


def test_targets_that_the_loss_does_not_take(run: Run) -> None:
    X = np.zeros((20, 3), np.float32)
    np.savez("line.npz", X_train=X, y_train=np.linspace(-1, 1, 20))
    for loss, words in (("hinge", "--loss: expected one of mse"), ("binary_cross_entropy", "from 0 to 1")):
        status, _, err = run("train", "--data", "line.npz", "--net", "mlp", "--loss", loss, "--out", "run")
        assert status == 2
        assert words in err
        assert not Path("run").exists()


def test_labels_that_the_model_does_not_know(run: Run, trained: Path) -> None:
    archive = arrays("data.npz")
    np.savez("more.npz", X_train=archive["X_train"], y_train=archive["y_train"] + 7)
    status, _, err = run("evaluate", trained / "model.safetensors", "more.npz")
    assert status == 2
    assert "expected labels 0 to 2" in err


def test_a_truncated_model(run: Run, trained: Path) -> None:
    file = trained / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    assert_one_line(run("predict", file, "data.npz"))


def test_a_run_whose_data_have_changed(run: Run, trained: Path) -> None:
    archive = arrays("data.npz")
    np.savez("data.npz", X_train=archive["X_train"][:50], y_train=archive["y_train"][:50])
    before = files(trained)
    status, _, err = run("train", "--out", trained, "--resume")
    assert status == 2
    assert "is of a run with examples" in err
    assert files(trained) == before


def test_a_diverging_run(run: Run, problem: list[str]) -> None:
    status, _, err = run("train", *problem, "--out", "run", "--optimizer", "sgd", "--lr", "1e30")
    assert status == 2
    assert "try a smaller learning rate" in err.splitlines()[-1]


def test_a_file_in_the_place_of_the_folder(run: Run, problem: list[str]) -> None:
    Path("run").write_text("mine")
    assert run("train", *problem, "--out", "run") == (
        2,
        "",
        "error: --out: expected a folder, got the file run\n",
    )
    assert Path("run").read_text() == "mine"


def test_a_folder_in_the_place_of_the_model(run: Run, trained: Path) -> None:
    status, _, err = run("predict", trained, "data.npz")
    assert (status, err) == (2, f"error: [load_tensors] {trained}: cannot read: it is a folder\n")
