"""Peak memory of a training step of ResNet-20, in a process that does nothing else.

``python -m bench.peak_memory ours|nchw|channels-last`` prints two numbers in MB: the peak of the process, and
the peak beyond what importing took.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

BATCH, STEPS = 128, 3


def status_mb(field: str) -> float:
    """Return a line of the kernel's account of this process: ``VmRSS`` now, ``VmHWM`` at most so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise LookupError(field)


def ours() -> tuple[float, float]:
    """Return the peak and the peak beyond imports of our step."""
    import fastnn
    from fastnn import nets, optim

    imported = status_mb("VmRSS")
    model, optimizer = nets.resnet20(), optim.SGD(0.01, momentum=0.9)
    X, y = fastnn.channels_last(np.ones((BATCH, 3, 32, 32), np.float32)), np.zeros(BATCH, np.int64)
    for _ in range(STEPS):
        model.train_step(X, y, optimizer)
    return status_mb("VmHWM"), status_mb("VmHWM") - imported


def torch(channels_last: bool) -> tuple[float, float]:
    """Return the same of PyTorch; what importing fastnn for the net takes is not counted."""
    import torch

    before = status_mb("VmRSS")
    from bench import twins
    from fastnn import nets

    imported = status_mb("VmRSS")
    module = twins.torch_twin(nets.resnet20(), channels_last=channels_last).train()
    optimizer = torch.optim.SGD(module.parameters(), 0.01, momentum=0.9)
    memory = torch.channels_last if channels_last else torch.contiguous_format
    x = torch.ones(BATCH, 3, 32, 32).contiguous(memory_format=memory)
    y = torch.zeros(BATCH, dtype=torch.int64)
    for _ in range(STEPS):
        optimizer.zero_grad(set_to_none=True)
        value: Any = torch.nn.functional.cross_entropy(module(x), y)
        value.backward()
        optimizer.step()
    beyond = status_mb("VmHWM") - imported
    return before + beyond, beyond


if __name__ == "__main__":
    print(*(ours() if sys.argv[1] == "ours" else torch(sys.argv[1] == "channels-last")))
