"""The queues under test, one module per queue, each set up as its documentation recommends.

Each module has ``send(event)`` (sync) or ``asend(event)`` (asyncio) or both. It may have ``load(events)``
for a backlog, and ``prepare(event)``, which is not timed. All but ours run ``bench.task``. Each module is
imported only by its own processes, because most need another venv.
"""
