"""Benchmarks against the best other libraries. `python -m bench --help`."""
