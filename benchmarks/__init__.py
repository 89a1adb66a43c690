"""Measurements: one file per subject, run by tools/benchmark.py."""
