"""Databases with many shops: the tables of one are large, those of another are empty."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple, Self
from uuid import uuid4

import psutil  # it has no types
import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from bench.stage import Stage, order
from operations.migrations import migrate
from worker.elements import element

_TABLES = ("botlive.inbox", "public.orders", "public.activities")
_PIECE = 250_000  # rows of one statement
_SHOP = "4OS4yFcf2LZwxhKojbAVbKuV"
_SHOPS = (
    "insert into public.companies (id) select gen_random_uuid() from generate_series(1, %(shops)s)",
    f"""insert into public.company_mapping (uuid, company_id)
        select id, '{_SHOP}' || row_number() over (order by id) - 1 from public.companies""",
)
_NUMBERED = f"""
create temporary table numbered as
select uuid, company_id, substr(company_id, {len(_SHOP) + 1})::bigint as n from public.company_mapping
"""
_ROWS = Path(__file__).with_name("volume.sql").read_text(encoding="utf-8")
_INDEXES = """
select indexrelid::regclass::text, pg_get_indexdef(indexrelid) from pg_index
where not indisunique and indrelid = any(%s::regclass[])
"""


class Cost(NamedTuple):
    """The cost of one batch, in milliseconds."""

    elapsed: float
    processor: float
    """Of the server's process that persists the batch."""


class Volume:
    """A migrated database of its own, with ``shops`` shops."""

    def __init__(self, url: str, shops: int) -> None:
        self.shops = shops
        self.database = psycopg.connect(url, autocommit=True)
        self._worker = psycopg.connect(url, autocommit=True, options="-c role=service_role")
        self._process = psutil.Process(self._worker.info.backend_pid)

    @classmethod
    @contextmanager
    def up(cls, stage: Stage, name: str, shops: int) -> Iterator[Self]:
        """Create the database, and drop it at the end of the block."""
        stage.database.execute(SQL("create database {}").format(Identifier(name)))
        url = make_conninfo(stage.at(0)["DATABASE_URL"], dbname=name)
        try:
            with psycopg.connect(url, autocommit=True) as database:
                database.execute(files("devstack").joinpath("supabase.sql").read_bytes())
            migrate(url)
            volume = cls(url, shops)
            for statement in _SHOPS:
                volume._run(statement, shops=shops)
            yield volume
            volume.close()
        finally:
            stage.database.execute(SQL("drop database {} with (force)").format(Identifier(name)))

    def fill(self, rows: int) -> None:
        """Give each table ``rows`` rows. The indexes by shop are made afterwards: that is faster."""
        self._run("set session_replication_role = replica")  # no triggers
        self._run("set maintenance_work_mem = '256MB'")
        indexes = self.database.execute(_INDEXES, [list(_TABLES)]).fetchall()
        for name, _ in indexes:
            self._run(f"drop index {name}")
        self._run(_NUMBERED)
        for first in range(1, rows + 1, _PIECE):
            self._run(_ROWS, first=first, last=min(rows, first + _PIECE - 1), shops=self.shops)
        for _, definition in indexes:
            self._run(definition)
        self._run("vacuum (analyze)")
        self._run("reset session_replication_role")

    def empty(self) -> None:
        """Delete all events."""
        self._run(f"truncate botlive.toggles, public.bot_sessions, {', '.join(_TABLES)}")

    def bytes(self) -> int:
        """Return the size of the tables with their indexes."""
        row = self.database.execute(
            "select sum(pg_total_relation_size(t)) from unnest(%s::regclass[]) t", [list(_TABLES)]
        ).fetchone()
        return int(row[0]) if row else 0

    def cache(self) -> str:
        """Return the size of PostgreSQL's own cache."""
        row = self.database.execute("show shared_buffers").fetchone()
        return str(row[0]) if row else ""

    def persist(self, shops: Sequence[int], *, keyed: bool = False) -> Cost:
        """Persist a batch with one order of each of these shops. ``keyed``: the ids are random."""
        orders = [order(f"{_SHOP}{number}", key=str(uuid4()) if keyed else None) for number in shops]
        batch = json.dumps([element(each) for each in orders])
        used, began = self._used(), time.perf_counter()
        self._worker.execute("select public.botlive_persist(%s::jsonb)", [batch])
        return Cost((time.perf_counter() - began) * 1e3, (self._used() - used) * 1e3)

    def close(self) -> None:
        """Close the connections."""
        self._worker.close()
        self.database.close()

    def _used(self) -> float:
        return float(sum(self._process.cpu_times()[:2]))

    def _run(self, statement: str, **arguments: Any) -> None:
        self.database.execute(statement.encode(), arguments or None)
