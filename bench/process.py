"""What users feel beside kernels: import, size, memory, an epoch with its data, a busy neighbour."""

from __future__ import annotations

import gzip
import os
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench import steps
from bench.harness import Comparison, Contest, Effort, Entry, Turn, settle
from bench.rivals import CHANNELS_LAST, NCHW, draw
from fastnn import data, nets, optim, preprocess
from fastnn import functional as F

ROOT = Path(__file__).resolve().parents[1]
EPOCH_BATCH = 64


def _python(*arguments: str) -> str:
    # Compiled modules are kept, as after an installation, whatever a developer has set for himself.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return done.stdout


# ---- import, size, memory ----------------------------------------------------------------------------------


def import_time(rounds: int) -> Comparison:
    """Measure what a training script imports, in fresh processes where NumPy is loaded already.

    ``import fastnn`` alone loads next to nothing, so names are asked for.
    """
    code = "import numpy, time; t = time.perf_counter(); {}; print(1e3 * (time.perf_counter() - t))"
    imports = {"ours": "from fastnn import Model, Solver, nn, optim", "torch": "import torch"}
    times: dict[str, list[float]] = {who: [] for who in imports}
    for _ in range(1 + rounds):
        for who, statement in imports.items():
            times[who].append(float(_python("-c", code.format(statement))))
    times = {who: each[1:] for who, each in times.items()}  # the first may have compiled modules
    return Comparison("import", "import", times["ours"], {"torch": times["torch"]}, note="beyond NumPy's own")


def wheel_size(build: bool) -> Comparison:
    """Measure our wheel, built if there is none in dist/ and ``build`` allows; theirs as installed."""
    with tempfile.TemporaryDirectory() as folder:
        wheels = sorted(ROOT.glob("dist/*.whl"), key=os.path.getmtime)
        if not wheels and build:
            _python("-m", "pip", "-q", "wheel", "--no-deps", "--no-build-isolation", "-w", folder, ".")
            wheels = list(Path(folder).glob("*.whl"))
        if not wheels:
            raise FileNotFoundError("no wheel in dist/")
        ours = wheels[-1].stat().st_size / 1e6
    theirs = sum(Path(str(path.locate())).stat().st_size for path in metadata.files("torch") or ()) / 1e6
    return Comparison("wheel", "wheel", [ours], {"torch": [theirs]}, unit="MB", note="theirs: installed")


def peak_memory(beyond_import: bool) -> Comparison:
    """Measure the peak memory of a ResNet-20 step of 128 images."""
    peaks = {
        who: [float(_python("-m", "bench.peak_memory", who).split()[beyond_import])]
        for who in ("ours", "nchw", "channels-last")
    }
    return Comparison(
        "memory resnet20-128" + (" beyond import" if beyond_import else ""),
        "memory",
        peaks["ours"],
        {NCHW: peaks["nchw"], CHANNELS_LAST: peaks["channels-last"]},
        unit="MB",
    )


# ---- an epoch with its data --------------------------------------------------------------------------------


def write_idx(folder: Path, examples: int) -> None:
    """Write four idx files with the shape and the range of Fashion-MNIST and random content."""
    rng = np.random.default_rng(0)
    for part, count in (("train", examples), ("t10k", 100)):
        images = rng.integers(0, 256, (count, 28, 28), np.uint8)
        labels = np.resize(np.arange(10, dtype=np.uint8), count)
        for kind, array in (("images", images), ("labels", labels)):
            header = struct.pack(f">I{array.ndim}I", 0x800 | array.ndim, *array.shape)
            path = folder / f"{part}-{kind}-idx{array.ndim}-ubyte.gz"
            path.write_bytes(gzip.compress(header + array.tobytes(), compresslevel=1))


def _splits(examples: int) -> data.Splits:
    with tempfile.TemporaryDirectory() as folder:
        write_idx(Path(folder), examples)
        return data.load_idx(folder)


def _loader(splits: data.Splits, *, prefetch: bool = True) -> data.Loader:
    rows = splits.X_train, splits.y_train
    return data.Loader(rows, EPOCH_BATCH, preprocess=preprocess.Scale(), drop_last=True, prefetch=prefetch)


def epoch(examples: int) -> Contest:
    """Compare an epoch of LeNet: shuffling, conversion and scaling of uint8 images, and the steps."""
    splits = _splits(examples)
    loader, model = _loader(splits), nets.lenet()
    optimizer = optim.SGD(**steps.SETTINGS)

    def ours() -> None:
        for batch in loader.batches():
            model.train_step(batch.X, batch.y, optimizer)

    images, labels = torch.from_numpy(splits.X_train), torch.from_numpy(splits.y_train)
    dataset = torch.utils.data.TensorDataset(images, labels)
    collated = torch.utils.data.DataLoader(dataset, EPOCH_BATCH, shuffle=True, drop_last=True)

    def indexed() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        order = torch.randperm(len(images))
        for start in range(0, len(order) - EPOCH_BATCH + 1, EPOCH_BATCH):
            rows = order[start : start + EPOCH_BATCH]
            yield images[rows], labels[rows]

    def theirs(batches: Callable[[], Iterable[Any]]) -> Callable[[], None]:
        step = steps.torch_trainer(model, NCHW)

        def run() -> None:
            for x, y in batches():
                step(x.float().div_(255), y)

        return run

    return Contest(ours, {"torch DataLoader": theirs(lambda: collated), "torch indexed": theirs(indexed)})


def loader_share(examples: int, rounds: int) -> Comparison:
    """Measure the loader alone as a part of the epoch, in percent."""
    splits = _splits(examples)
    loader, model, optimizer = _loader(splits, prefetch=False), nets.lenet(), optim.SGD(**steps.SETTINGS)
    shares = []
    batch = next(iter(loader.batches()))
    for _ in range(rounds):
        begin = time.perf_counter()
        for _batch in loader.batches():  # none is kept, as in training: memory that is fresh costs more
            pass
        loading = time.perf_counter() - begin
        for _ in range(len(loader)):
            model.train_step(batch.X, batch.y, optimizer)
        shares.append(100 * loading / (time.perf_counter() - begin))
    return Comparison("loader's part of a lenet epoch", "loader", shares, {}, unit="%")


# ---- a busy neighbour --------------------------------------------------------------------------------------


def _with_neighbour(turns: dict[str, Turn]) -> dict[str, float]:
    neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.1)
        return {key: turn.ms() for key, turn in turns.items()}
    finally:
        neighbour.kill()
        neighbour.wait()


def slow_down(name: str, ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> Comparison:
    """Measure how much longer a call takes while another process uses one core."""
    turns = {"ours": Turn(ours, 0.05), NCHW: Turn(theirs, 0.05)}
    slower: dict[str, list[float]] = {key: [] for key in turns}
    for _ in range(rounds):
        quiet = {key: turn.ms() for key, turn in turns.items()}
        busy = _with_neighbour(turns)
        settle()
        for key, ratios in slower.items():
            ratios.append(busy[key] / quiet[key])
    return Comparison(f"neighbour {name}", "neighbour", slower["ours"], {NCHW: slower[NCHW]}, unit="x")


def _slow_product(rounds: int) -> Comparison:
    a, b = draw(128, 512), draw(512, 128, seed=1)
    left, right = torch.from_numpy(a), torch.from_numpy(b)
    return slow_down("gemm 128x512x128", lambda: F.gemm(a, b), lambda: torch.mm(left, right), rounds)


def _slow_step(net: steps.Net, rounds: int) -> Comparison:
    model = net.build()
    X, y = net.data(model)
    ours, theirs = steps.our_step(model, X, y), steps.torch_step(model, X, y, NCHW)
    return slow_down(f"step {net}", ours, theirs, rounds)


def entries(effort: Effort, threads: int) -> Iterator[Entry]:
    """All lines of this level."""
    yield Entry("import", "import", partial(import_time, effort.least))
    if threads == 1:
        yield Entry("wheel", "wheel", partial(wheel_size, build=effort.compiled))
    for beyond in (False, True):
        yield Entry(f"memory{' beyond import' if beyond else ''}", "memory", partial(peak_memory, beyond))
    examples = 60_000 if effort.compiled else 6_400
    yield Entry("epoch lenet-64", "epoch", partial(epoch, examples), rounds=3)
    yield Entry("loader", "loader", partial(loader_share, examples, 3))
    if threads > 1:
        yield Entry("neighbour gemm", "neighbour", partial(_slow_product, effort.least))
        for net in steps.NETS:
            if net.name in ("mlp", "lenet", "resnet20"):
                build = partial(_slow_step, net, effort.least)
                yield Entry(f"neighbour {net}", "neighbour", build, net.name != "resnet20")
