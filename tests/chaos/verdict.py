"""What the tables and the failed registry hold, against a fold of what was published."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import UUID

from events import AnyEvent, LiveToggled
from tests.chaos.intruders import intruders
from tests.chaos.site import Site
from tests.chaos.stream import Acknowledged, Plan
from tests.oracle import TABLES, Tables, fold

_HALF = """
select coalesce(o.id, a.id) as id from public.orders o full join
  (select id from public.activities where metadata ->> 'event' = 'commande_enregistree') a using (id)
where o.id is null or a.id is null
union
select coalesce(i.event_id, a.id) from botlive.inbox i full join public.activities a on a.id = i.event_id
where i.event_id is null or a.id is null
"""


@dataclass(slots=True)
class Verdict:
    """Ids of events, or of jobs, by what is wrong with them; all empty where all is right."""

    lost: set[str] = field(default_factory=set)
    """Published and taken, and neither in the tables nor, where they are guilty, in the failed registry."""
    duplicated: set[str] = field(default_factory=set)
    """Rows that nobody published, and events that a log says were written twice."""
    half: set[str] = field(default_factory=set)
    """An order without its activity, an activity without its order, either without the inbox."""
    sessions: set[str] = field(default_factory=set)
    """Wrong sessions, and toggles whose activity says the wrong one."""
    altered: set[str] = field(default_factory=set)
    """Other rows that are not what was published."""
    innocent: set[str] = field(default_factory=set)
    """In the failed registry without a fault of their own."""
    misjudged: set[str] = field(default_factory=set)
    """Guilty, with the wrong reason."""
    reasons: Counter[str] = field(default_factory=Counter)
    """The failed registry by reason."""


def judge(
    site: Site, plan: Plan, acknowledged: Acknowledged, shops: dict[str, UUID], logs: Iterable[Path]
) -> Verdict:
    """Compare everything that was published and taken; what was never sent is not missed."""
    verdict, guilty = Verdict(), _guilty(plan, acknowledged)
    pairs = _rivals(plan, acknowledged)
    events = {
        str(event.event_id): event
        for event in chain(plan.innocent(acknowledged), _winners(site, chain.from_iterable(pairs)))
    }
    _compare(verdict, fold(events.values(), shops), _tables(site, shops), events)
    _judge_failed(verdict, site.failed(), guilty)
    verdict.lost |= {str(pair[0].event_id) for pair in pairs} - events.keys()
    verdict.duplicated |= _written_twice(logs)
    with site.database() as database:
        verdict.half = {str(row["id"]) for row in database.execute(_HALF)}
    return verdict


def _guilty(plan: Plan, acknowledged: Acknowledged) -> dict[str, str]:
    """Return what must be in the failed registry: 36 characters of the job's id, and a reason."""
    guilty = intruders(plan.seed, plan.portions)
    for portion in acknowledged[0]:
        guilty |= {str(one.event.event_id): one.reason for one in plan.guilty(0, portion)}
    pairs = _rivals(plan, acknowledged)
    return guilty | {str(pair[0].event_id): "event id already used" for pair in pairs}


def _rivals(plan: Plan, acknowledged: Acknowledged) -> list[tuple[AnyEvent, AnyEvent]]:
    """The pairs of which both sides were published."""
    both = set(acknowledged[0]) & set(acknowledged[1])
    return [pair for portion in both for pair in plan.rivals(portion)]


def _winners(site: Site, events: Iterable[AnyEvent]) -> list[AnyEvent]:
    """Return which of the events with the same id are in the inbox."""
    rivals = list(events)
    query = "select digest from botlive.inbox where event_id = any(%s)"
    with site.database() as database:
        digests = {row["digest"] for row in database.execute(query, [[one.event_id for one in rivals]])}
    return [event for event in rivals if event.digest() in digests]


def _tables(site: Site, shops: dict[str, UUID]) -> Tables:
    with site.database() as database:
        return Tables(*(_rows(database, table, columns, shops) for table, columns in TABLES.items()))


def _rows(database: Any, table: str, columns: str, shops: dict[str, UUID]) -> dict[UUID, dict[str, Any]]:
    query = f"select id, {', '.join(columns.split())} from public.{table} where company_id = any(%s)"
    return {row.pop("id"): row for row in database.execute(query.encode(), [list(shops.values())])}


def _compare(verdict: Verdict, expected: Tables, found: Tables, events: dict[str, AnyEvent]) -> None:
    for name, table, rows in zip(Tables._fields, expected, found, strict=True):
        differing = {str(key) for key in table.keys() & rows.keys() if table[key] != rows[key]}
        missing, surplus = _texts(table.keys() - rows.keys()), _texts(rows.keys() - table.keys())
        if name == "sessions":
            verdict.sessions |= differing | missing | surplus
            continue
        toggles = {key for key in differing if isinstance(events.get(key), LiveToggled)}
        verdict.sessions |= toggles
        verdict.altered |= differing - toggles
        verdict.lost |= missing
        verdict.duplicated |= surplus


def _judge_failed(verdict: Verdict, failed: dict[str, str], guilty: dict[str, str]) -> None:
    for job_id, reason in failed.items():
        verdict.reasons[_short(reason)] += 1
        if (expected := guilty.get(job_id[:36])) is None:
            verdict.innocent.add(job_id)
        elif expected not in reason:
            verdict.misjudged.add(job_id)
    verdict.lost |= guilty.keys() - {job_id[:36] for job_id in failed}


def _short(reason: str) -> str:
    return reason.partition("\n")[0].partition(" (")[0][:90] or "none given"


def _written_twice(logs: Iterable[Path]) -> set[str]:
    """Events of which the workers say more than once that they wrote them."""
    written: Counter[str] = Counter()
    for said in _said("persisted", logs):
        written.update(said.get("ACTIVITIES", ()))
    return {event_id for event_id, times in written.items() if times > 1}


def recovered(logs: Iterable[Path]) -> int:
    """Return how many jobs the workers gave back for dead workers, according to their logs."""
    return sum(said["jobs"] for said in _said("recovered", logs))


def _said(event: str, logs: Iterable[Path]) -> Iterator[dict[str, Any]]:
    for path in logs:
        for line in path.read_text(encoding="utf-8").splitlines():
            if f'"event": "{event}"' in line and line.endswith("}"):  # a kill may cut the last line
                yield json.loads(line)


def _texts(ids: Iterable[UUID]) -> set[str]:
    return set(map(str, ids))
