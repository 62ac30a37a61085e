"""Benchmarks: not part of the tests. ``python -m tests.benchmarks --help``."""
