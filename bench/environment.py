"""Where a benchmark ran: fixed before the numeric libraries load, and written into its record."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

# glibc returns large blocks to the kernel and faults their pages in again, in some runs and not in others.
PINNED_MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 32),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 33),
    "MALLOC_TOP_PAD_": str(1 << 28),
}


def variables(threads: int, malloc: str) -> dict[str, str]:
    """Return the environment of a measuring process.

    Args:
        threads: that every library is to use.
        malloc: ``"default"`` or ``"pinned"``.
    """
    own = {name: value for name, value in os.environ.items() if name not in PINNED_MALLOC}
    limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    return own | limits | (PINNED_MALLOC if malloc == "pinned" else {})


def pin(threads: int) -> None:
    """Keep this process on as many cores as it has threads.

    Raises:
        RuntimeError: there are fewer.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < threads:
        raise RuntimeError(f"expected {threads} cores, got {len(cores)}")
    os.sched_setaffinity(0, cores[-threads:])


def _cpu() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _commit() -> str:
    try:
        command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
        return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
    except (FileNotFoundError, subprocess.CalledProcessError):
        return "unknown"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def describe() -> dict[str, Any]:
    """Return CPU, instruction set, compiler, versions and commit."""
    import fastnn

    config = fastnn.show_config()
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "isa": config["isa"],
        "threading": config["threading"],
        "compiler": config["compiler"],
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in ("fastnn", "numpy", "torch", "onnxruntime")},
        "commit": _commit(),
    }
