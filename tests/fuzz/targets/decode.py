"""The data of jobs, as a worker reads it from Redis and as the commands show failed jobs."""

import zlib
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from events import AnyEvent, parse_event
from events.publishing.call import FUNCTION, Call
from gateway.errors import EventRefused, OversizedJob
from operations.errors import EditRefused
from operations.failed import table as listing
from operations.failed.correction import Change, correct
from operations.failed.job import read as read_failure
from tests.fuzz import documents, samples
from tests.fuzz.canaries import PHONE, SECRET
from tests.fuzz.dice import Dice
from tests.fuzz.target import Target, no_canary, one_line
from worker.apart import _read as read_group
from worker.decode import read
from worker.persister import Delivery
from worker.unpacking import unpack

_TRACES = (
    'Traceback (most recent call last):\n  File "x.py", line 1, in f\npsycopg.errors.X: {value} is bad\n',
    "EventRefused: a value does not fit\ncause: {value}\ncause: Failing row contains ({value})",
    "ValueError: {value}",
    "{value}",
    "due to AbandonedJobError",
    "Key (phone)=({value}) already exists.",
)


class Job(NamedTuple):
    """The hash and the results of a job in Redis."""

    data: bytes
    kind: bytes
    fields: Sequence[bytes | None]
    results: Sequence[tuple[bytes, Mapping[bytes, bytes]]]
    changes: Sequence[str]
    label: bytes
    group: bytes


def call(dice: Dice, company_id: str | None = None, mutated: float = 0.85) -> tuple[bytes, dict[str, Any]]:
    """Return the data of a job, valid or not, and the event that it was made from."""
    event = samples.event(dice, company_id)
    if not dice.chance(mutated):
        return Call.of(parse_event(documents.written(_STEADY, event))).data.encode(), event
    given = documents.mutated(dice, event)
    if company_id and isinstance(given, dict):
        given["company_id"] = company_id  # it is shown, so it must contain no canary
    document: Any = [FUNCTION, None, [given], {}]
    if dice.chance(0.3):
        document = documents.mutated(dice, [FUNCTION, None, [], {"payload": given}])
    data = documents.written(dice, document)
    if dice.chance(0.2):
        data = documents.broken(dice, data)
    if dice.chance(0.2):
        data = zlib.compress(data)
        data = documents.broken(dice, data) if dice.chance(0.3) else data
    return data, event


_STEADY = documents.Steady(0)


def results(dice: Dice) -> Sequence[tuple[bytes, Mapping[bytes, bytes]]]:
    """Return the results of a job, the newest first."""
    return [
        (f"{dice.choice((1763625600000, 0, 1, 10**13))}-{each}".encode(), _result(dice))
        for each in range(dice.randrange(3))
    ]


def _result(dice: Dice) -> Mapping[bytes, bytes]:
    is_damaged = dice.chance(0.3)
    planted = (PHONE,) if is_damaged else (PHONE, SECRET)  # nothing can mask a key that was damaged
    words = dice.choice(_TRACES).replace("{value}", dice.choice((*planted, _without_canaries(dice.text()))))
    packed = b64encode(zlib.compress(words.encode("utf-8", "replace")))
    return {
        b"type": dice.choice((b"2", b"2", b"5", b"1", b"", b"x", b"\xff")),
        b"exc_string": documents.broken(dice, packed) if is_damaged else packed,
    }


def _without_canaries(text: str) -> str:
    return text.replace("QXVALUE", "").replace(SECRET, "")


class Decode(Target):
    """The job contains a valid event or is refused with the field. Every job can be listed and shown."""

    name, share = "decode", 210
    outcomes = frozenset({"accepted", "refused", "edited", "not edited"})

    def make(self, dice: Dice) -> Job:
        """Create a job."""
        data, _ = call(dice, "shop")
        fields = [data, *(_field(dice) for _ in range(3))]
        label = documents.any_bytes(dice, ["shop", dice.choice(("live_toggled", dice.text()))])
        group = documents.any_bytes(
            dice, {"reason": "its table is gone", "since": "2026-11-20T08:00:00+00:00", "plain": {}}
        )
        changes = [
            f"{dice.choice(('amount', 'items.0.price', 'items', 'user_id', dice.text()))}={dice.text()}"
        ]
        kind = dice.choice((b"hash", b"hash", b"none", b"string"))
        return Job(data, kind, fields, results(dice), changes, label, group)

    def check(self, case: Job) -> Iterable[str]:
        """Read, show and edit the job."""
        event = self._read(case.data)
        detail = read_failure("an id", case.kind, case.fields, case.results)
        for said in listing.row(detail.failure):
            one_line(said, "a list", values=False)
        for name, said in listing.facts(detail):
            one_line(said or "-", f"what is shown as {name}", values=False)
        detail.failure.to_dict()
        listing.pretty(detail.call)
        if kept := read_group(case.label, case.group):
            kind, group = kept
            one_line(
                listing.apart(kind._replace(company_id="shop"), group, 3),
                "a group that waits apart",
                values=False,
            )
        return ["accepted" if event else "refused", self._edit(case)]

    def _read(self, data: bytes) -> AnyEvent | None:
        try:
            event = read(unpack(data))
            Delivery.of("an id", event)
        except EventRefused as error:
            _readable(error.report)
            return None
        return event

    def _edit(self, case: Job) -> str:
        try:
            changes = [Change.of(text) for text in case.changes]
            edited = correct(unpack(case.data), changes)
        except (EditRefused, OversizedJob) as error:
            one_line(str(error), "a refused edit")
            return "not edited"
        for change in changes:
            no_canary(change.shown, "a path", values=False)
        assert read(Call.of(edited.event).data.encode()) == edited.event
        return "edited"


def _readable(report: str) -> None:
    reason, cause = report.splitlines()
    one_line(reason, "a reason")
    one_line(cause, "a cause")


def _field(dice: Dice) -> bytes | None:
    return dice.choice(
        (None, b"", b"1", b"9" * 5_000, b"\xff", "٣".encode(), b"-1", b"2026-11-20T08:00:00Z", b"nan")
    )
