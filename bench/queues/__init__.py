"""The queues under test, each set up as its documentation recommends; one module a queue.

Each has ``send(event)`` or ``asend(event)`` or both, as its producer is sync or asyncio, and may have
``load(events)``, for a backlog, and ``prepare(event)``, which is not timed. All but ours run
``bench.task``. They are imported by their own processes only: most need a venv of their own.
"""
