"""Benchmarks: ratios measured side by side in one run, on the embedded stack. ``make bench``."""
