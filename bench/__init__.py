"""Benchmarks: what was measured, against what, on which machine."""
