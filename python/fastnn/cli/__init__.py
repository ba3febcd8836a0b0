"""The command line: ``fastnn train``, ``find-lr``, ``predict``, ``evaluate`` and ``info``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

__all__ = ["main"]

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit: status 0, 2 after one line about bad input, or 130 after Ctrl-C.

    Args:
        arguments: the command line without the program's name; by default this process's own.
    """
    try:
        from fastnn.cli.app import run  # not before: a Ctrl-C may come while this loads

        sys.exit(run(arguments))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
