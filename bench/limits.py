"""What no queue can beat: ``python -m bench.limits rpc|sql`` persists the file BENCH_EVENTS.

``rpc``: the worker's call in the worker's batches, in a bare loop. ``sql``: the same SQL function by
psycopg.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import psycopg

from events import AnyEvent, parse_event
from gateway.client import Gateway
from gateway.settings import Settings
from worker.elements import element


def by_rpc(batches: Sequence[Sequence[AnyEvent]]) -> None:
    """One call after the other, on one connection."""
    gateway = Gateway.connect(Settings.from_env())
    for batch in batches:
        gateway.persist([element(each) for each in batch])
    gateway.close()


def by_sql(batches: Sequence[Sequence[AnyEvent]]) -> None:
    """One statement after the other, on one connection, as the worker's role."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as database:
        database.execute("set role service_role")
        for batch in batches:
            elements = json.dumps([element(event) for event in batch])
            database.execute("select public.botlive_persist(%s::jsonb)", [elements])


def main() -> None:
    """Read everything, then persist it."""
    size = Settings.from_env().batch
    events = [parse_event(text) for text in Path(os.environ["BENCH_EVENTS"]).read_bytes().splitlines()]
    batches = [events[start : start + size] for start in range(0, len(events), size)]
    {"rpc": by_rpc, "sql": by_sql}[sys.argv[1]](batches)


if __name__ == "__main__":
    main()
