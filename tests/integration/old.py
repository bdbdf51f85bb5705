"""A new database, with a shop and events before and after a horizon, for tests of pruning."""

import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import dict_row

from events import AnyEvent
from operations.pruning import Pruner, pruner
from tests.oracle import TABLES, Tables
from worker.elements import element


class OldDatabase:
    """A migrated database."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.database: psycopg.Connection[dict[str, Any]] = psycopg.connect(
            url, autocommit=True, row_factory=dict_row
        )

    def shop(self) -> tuple[str, UUID]:
        """A new shop: its text id and its UUID."""
        company_id = f"old-{uuid4()}"
        answer = self.one("select public.botlive_company_add(%s)", company_id)
        return company_id, UUID(answer["uuid"])

    def persist(self, *events: AnyEvent) -> list[dict[str, Any]]:
        """What ``botlive_persist`` answers to the worker's role, for each event."""
        with self.database.transaction():
            self.database.execute("set local role service_role")
            elements = json.dumps([element(event) for event in events])
            answer: list[dict[str, Any]] = self.one("select public.botlive_persist(%s::jsonb)", elements)
        return answer

    def outcomes(self, *events: AnyEvent) -> list[str]:
        """The kinds of the outcomes."""
        return [outcome["outcome"] for outcome in self.persist(*events)]

    def prune(self, days: int, pieces: int | None = None) -> None:
        """Prune in pieces of one page, and stop after that many pieces."""
        with self.pruner(days) as work:
            deque(islice(work.run(), pieces), maxlen=0)

    @contextmanager
    def pruner(self, days: int) -> Iterator[Pruner]:
        """A pruner whose pieces have one page."""
        with pruner(self.url, days) as work:
            work.pace.pages = 1
            yield work

    def rows(self, shop: UUID) -> Tables:
        """The rows of the shop."""
        return Tables(*(self._rows(table, columns, shop) for table, columns in TABLES.items()))

    def _rows(self, table: str, columns: str, shop: UUID) -> dict[UUID, dict[str, Any]]:
        query = f"select id, {', '.join(columns.split())} from public.{table} where company_id = %s"
        return {row.pop("id"): row for row in self.database.execute(query.encode(), [shop])}

    def one(self, query: str, *parameters: object) -> Any:
        """The only value of the only row."""
        row = self.database.execute(query.encode(), parameters).fetchone()
        assert row
        (value,) = row.values()
        return value

    def count(self, table: str) -> int:
        """The number of rows."""
        return int(self.one(f"select count(*) from {table}"))

    def forget_horizon(self) -> None:
        """Set the horizon back, which no command does."""
        self.database.execute("update botlive.horizon set kept_since = '-infinity'")


def days_ago(days: float) -> datetime:
    """Midnight in UTC so many days ago: the horizon of ``--older-than <days>d``."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days)
