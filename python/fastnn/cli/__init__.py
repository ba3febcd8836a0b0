"""The command line: ``fastnn train``, ``predict``, ``evaluate`` and ``info``."""

from __future__ import annotations

from fastnn.cli.app import main as main

__all__ = ["main"]
