"""Prediction of one example and of a batch, against ONNX Runtime and PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch

from bench import twins
from bench.harness import Contest, Effort, Entry, check_close
from bench.rivals import CHANNELS_LAST, COMPILED, NCHW, compiled, tensor
from bench.steps import Net
from fastnn import nets

ONNX = "onnxruntime"

NETS = (
    Net("mlp64", twins.mlp_tiny, 1, quick=True),
    Net("lenet", nets.lenet, 1, quick=True),
    Net("resnet8", nets.resnet8, 1, quick=True),
    Net("resnet20", nets.resnet20, 1),
    Net("mlp64", twins.mlp_tiny, 64),
    Net("lenet", nets.lenet, 64, quick=True),
    Net("resnet8", nets.resnet8, 64),
    Net("resnet20", nets.resnet20, 64),
)


def contest(net: Net, threads: int, *, compile: bool) -> Contest:
    """Compare scores in prediction mode; ours as `Model.for_inference` packs it."""
    model = net.build()
    X, _ = net.data(model)
    ours = model.for_inference()
    session = twins.onnx_session(model, net.batch, threads)
    plain = tensor(X).numpy()
    rivals: dict[str, Callable[[], object]] = {ONNX: lambda: session(plain)}

    def add(mode: str, memory: str) -> None:
        module: Any = twins.torch_twin(model, channels_last=memory == CHANNELS_LAST).eval()
        run, inputs = (compiled(module) if COMPILED in mode else module), tensor(X, memory)

        def call() -> Any:
            with torch.inference_mode():
                return run(inputs)

        call()
        rivals[mode] = call

    for memory in (NCHW, CHANNELS_LAST) if X.ndim == 4 else (NCHW,):
        add(memory, memory)
        if compile:
            add(f"{memory} {COMPILED}", memory)
    scores = ours(X)
    error = max(
        check_close(f"{net}, {mode}", scores, run() if mode == ONNX else torch.as_tensor(run()), 1e-4)
        for mode, run in rivals.items()
    )
    return Contest(lambda: ours(X), rivals, error=error)


def entries(effort: Effort, threads: int) -> Iterator[Entry]:
    """All lines of this level."""
    for net in NETS:
        group = "predict 1" if net.batch == 1 else "predict 64"
        build = partial(contest, net, threads, compile=effort.compiled)
        yield Entry(f"predict {net}", group, build, net.quick)
