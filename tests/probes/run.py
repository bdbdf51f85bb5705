"""A run: attacks beside each other, then what they left, then the controls."""

import asyncio
import random
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx
from psycopg.sql import SQL, Identifier

from tests.contract.conftest import Target
from tests.probes import privileges, reads, verdict, writes
from tests.probes.calls import Calls
from tests.probes.facts import KEYS, Facts, bare, filled, renew
from tests.probes.people import Person, people
from tests.probes.request import Request

# httpcore looks for this module several times in each request. A module that is not installed is looked for
# in the whole path each time, which takes a fifth of the time of a run.
sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type] # None: not installed

Make = Callable[[random.Random, Facts], Request]
KINDS: dict[str, Make] = {
    "read": reads.read,
    "read: single object": reads.single,
    "read: JSON path": reads.path,
    "read: planned count": reads.planned,
    "read: logic tree": reads.logic,
    "read: full text": reads.search,
    "read: Range": reads.ranged,
    "read: embedding": reads.embed,
    "read: aggregate": reads.aggregate,
    "write: change": writes.patch,
    "write: delete": writes.delete,
    "write: insert": writes.insert,
    "write: upsert": writes.upsert,
    "write: defaults": writes.default,
    "write: PUT": writes.put,
    "options": writes.options,
}
"""Of requests on tables and views."""

_AT_ONCE = 16
_EACH = {"stranger": 4, "nobody": 1, "intruder": 3}  # who sends a request, drawn anew for each
_SEVERAL = {"read": 6, "write: change": 3, "write: insert": 3, "write: delete": 3, "call": 4}


@dataclass
class Report:
    """The requests that were made, and the faults."""

    seed: int
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By kind of request and standing."""
    persons: Counter[tuple[str, str]] = field(default_factory=Counter)
    controls: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """The kinds that this target does not speak."""

    @property
    def total(self) -> int:
        """The probes that were made."""
        return self.asked.total()


class Step(NamedTuple):
    """A request of the plan."""

    kind: str
    make: Make
    key: str
    """Its seed."""
    by_all: bool = False
    """Whether everybody sends it, and not some."""


def run(target: Target, *, probes: int, seed: int) -> Report:
    """Probe the target, that many times at least; each table by everybody, and each function at any rate."""
    report = Report(seed)
    victim, spare = filled(target), filled(target)
    others = [filled(target), filled(target)]
    for facts in (victim, spare):
        facts.stranger = str(others[0].shop.owner)
    for role, fault in privileges.probe(target, list(KEYS)):
        _note(report, "privilege", role, role, fault)
    persons = people(target, victim, others)
    plan = _plan(target, victim, report, probes - report.total, len(persons))
    before = _rows(target, victim)
    asyncio.run(_attack(target, report, plan, persons, victim))
    if _rows(target, victim) != before:
        report.faults.append("the victim's rows are not what they were")
    _Controls(target, report, victim, spare).all(plan)
    if _rows(target, victim) != before:
        report.faults.append("the victim's rows are not what they were after the controls")
    return report


def _plan(target: Target, victim: Facts, report: Report, probes: int, persons: int) -> list[Step]:
    called = Calls(target)
    seed, each = report.seed, sum(_EACH.values())
    whole = [Step("read", make, f"{seed}", by_all=True) for make in reads.every(victim)]
    plan = whole + [Step("call", make, f"{seed}") for make in called.every()]
    kinds = {**_spoken(target, victim, report), "call": called.call, "hidden": called.hidden}
    wanted = -(-(probes - len(whole) * persons) // each) - len(plan) + len(whole)
    weights = [_SEVERAL.get(kind, 1) for kind in kinds]
    chosen = [*kinds, *random.Random(seed).choices([*kinds], weights, k=max(0, wanted - len(kinds)))]
    return plan + [Step(kind, kinds[kind], f"{seed}:{number}") for number, kind in enumerate(chosen)]


def _spoken(target: Target, victim: Facts, report: Report) -> dict[str, Make]:
    """Return the kinds of request on tables that the target supports."""
    found: dict[str, Make] = {}
    anonymous = target.token("anon")
    with target.client(anonymous) as client:
        for kind, make in KINDS.items():
            if verdict.is_unspoken(client.send(_built(client, make(random.Random(0), victim), None))):
                report.left_out.append(kind)
            else:
                found[kind] = make
    return found


async def _attack(
    target: Target, report: Report, plan: list[Step], persons: list[Person], victim: Facts
) -> None:
    limits = httpx.Limits(max_connections=_AT_ONCE)
    turn = asyncio.Semaphore(_AT_ONCE)
    async with httpx.AsyncClient(base_url=f"{target.url}/rest/v1", timeout=60, limits=limits) as client:

        async def send(kind: str, request: Request, person: Person) -> None:
            async with turn:
                answer = await client.send(_built(client, request, person))
            fault = verdict.attack(person, request, answer, victim)
            told = f"{kind} by {person.name}: {fault}: {request}" if fault else None
            _note(report, kind, person.standing, person.name, told)

        sends = []
        for step in plan:
            chance = random.Random(step.key)
            request = step.make(chance, victim)
            senders = persons if step.by_all else _drawn(chance, persons)
            sends += [send(step.kind, request, person) for person in senders]
        await asyncio.gather(*sends)


def _drawn(chance: random.Random, persons: list[Person]) -> list[Person]:
    return [
        person
        for standing, number in _EACH.items()
        for person in chance.sample([one for one in persons if one.standing == standing], number)
    ]


class _Controls:
    """The same requests by permitted people: on the victim's rows, or on a spare shop if they change rows."""

    def __init__(self, target: Target, report: Report, victim: Facts, spare: Facts) -> None:
        self._target, self._report, self._victim, self._spare = target, report, victim, spare

    def all(self, plan: list[Step]) -> None:
        """One after another."""
        with self._target.client(self._target.key) as worker:
            for step in plan:
                fault = self._one(step, worker)
                self._report.controls[step.kind] += 1
                if fault:
                    asked = step.make(random.Random(step.key), self._victim)
                    self._report.faults.append(f"{step.kind}: {fault}: {asked}")

    def _one(self, step: Step, worker: httpx.Client) -> str | None:
        shape = step.make(random.Random(step.key), self._victim)
        if not shape.writes:
            if shape.hidden:
                shape = Request("GET", "/orders", (("company_id", f"eq.{self._victim.shop.uuid}"),))
            return verdict.control(shape, self._send(shape, self._victim, worker))
        renew(self._target, self._spare)
        if shape.bare:
            bare(self._target, self._spare)
        request = step.make(random.Random(step.key), self._spare)
        before = _rows(self._target, self._spare)
        fault = verdict.control(request, self._send(request, self._spare, worker))
        if fault or step.kind == "call" or _is_free(request) or _rows(self._target, self._spare) != before:
            return fault
        return "control: no row was changed"

    def _send(self, request: Request, facts: Facts, worker: httpx.Client) -> httpx.Response:
        client = worker if request.control == "worker" else facts.shop.api
        return client.send(_built(client, request, None))


def _is_free(request: Request) -> bool:
    """Whether it makes something that belongs to no shop yet, or leaves what is there."""
    return (request.method, request.path) == ("POST", "/companies") or "ignore" in str(request.headers)


def _built(client: Any, request: Request, person: Person | None) -> httpx.Request:
    headers = {**request.headers, **(person.headers if person else {})}
    content = {} if request.body is None else {"json": request.body}
    return client.build_request(  # type: ignore[no-any-return]
        request.method, request.path.lstrip("/"), params=list(request.params), headers=headers, **content
    )


def _note(report: Report, kind: str, standing: str, person: str, fault: str | None) -> None:
    report.asked[kind, standing] += 1
    report.persons[standing, person] += 1
    if fault:
        report.faults.append(fault)


def _rows(target: Target, facts: Facts) -> list[Any]:
    """All that the database holds of a shop, and when each row was written, to the letter."""
    found: list[Any] = []
    kept = {**{f"public.{name}": key for name, key in KEYS.items()}, "botlive.inbox": "company_id"}
    for table, key in {**kept, "botlive.toggles": "company"}.items():
        query = SQL("select t.xmin::text, t::text from {} t where {}::text in (%s, %s) order by 2").format(
            Identifier(*table.split(".")), Identifier(key)
        )
        names = [str(facts.shop.uuid), facts.shop.company_id]
        found.append([table, [tuple(row.values()) for row in target.database.execute(query, names)]])
    return found
