"""Measure, and write a record: ``python -m bench --help``.

Every thread count is a process of its own, pinned to as many cores. The long run measures a second time with
glibc told to keep memory, which helps PyTorch; `bench.compare` claims against the better of the two.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench import compare, environment

LEVELS = ("kernels", "steps", "predict", "process")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Time fastnn against its rivals.")
    parser.add_argument(
        "--threads", type=int, nargs="+", default=[1, 2], help="a process each (default: 1 2)"
    )
    parser.add_argument("--level", choices=[*LEVELS, "all"], default="all")
    effort = parser.add_mutually_exclusive_group()
    effort.add_argument("--quick", action="store_true", default=True, help="5 minutes (default)")
    effort.add_argument("--full", dest="quick", action="store_false", help="60 minutes, torch.compile too")
    parser.add_argument("--only", default="", metavar="REGEX", help="names to measure, quick or not")
    parser.add_argument("--out", type=Path, metavar="JSON", help="where to write the record")
    return parser.parse_args()


def _run(threads: int, malloc: str, options: dict[str, Any]) -> dict[str, Any]:
    title = f"{threads} thread{'s' if threads > 1 else ''}, {malloc} malloc"
    print(f"{title}: ratio, of minima, what, our time, best rival", file=sys.stderr)
    process = subprocess.run(
        [sys.executable, "-m", "bench.worker", json.dumps({**options, "threads": threads, "malloc": malloc})],
        cwd=environment.ROOT,
        env=environment.variables(threads, malloc),
        preexec_fn=lambda: environment.pin(threads),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    record: dict[str, Any] = json.loads(process.stdout)
    return record


def main() -> int:
    """Return 1 if a result was wrong."""
    arguments = _arguments()
    levels = LEVELS if arguments.level == "all" else (arguments.level,)
    options = {"levels": levels, "only": arguments.only, "quick": arguments.quick}
    mallocs = ("default",) if arguments.quick else ("default", "pinned")
    runs = [_run(threads, malloc, options) for malloc in mallocs for threads in arguments.threads]
    record = {"environment": environment.describe(), "runs": runs}
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(record).replace('{"name"', '\n{"name"') + "\n")  # a line each
    print(compare.text([record]))
    return int(any(why.startswith("wrong") for run in runs for why in run["left_out"].values()))


if __name__ == "__main__":
    sys.exit(main())
