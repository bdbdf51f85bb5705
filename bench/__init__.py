"""Benchmarks (``make bench``): compares the worker with other queues in one run, on local servers.

``queues`` has one module per queue. ``stage`` has the servers, which are cleared before every run.
``backlog``, ``publishing``, ``latency`` and ``growth`` measure; ``run`` and ``report`` show the results.
"""
