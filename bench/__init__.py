"""Benchmarks: ratios measured side by side in one run, on the embedded stack. ``make bench``.

``queues``: each queue under test, one module a queue. ``stage``: the servers, cleared before every run.
The other modules are one section of the report each, and the report.
"""
