"""``botlive reconcile``: reports which events of an NDJSON file are persisted, waiting, failed or unknown."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

import redis
import typer

from events import InvalidEvent
from events.publishing.call import Call
from events.publishing.keys import Keys, job_key, results_key
from gateway.answers import shaped
from gateway.client import Gateway
from gateway.settings import Settings
from operations import ndjson
from operations.examples import examples
from operations.exits import ExitCode
from operations.failed.job import reason
from operations.failed.registry import readable
from operations.output import report, say
from operations.terminal import redis_at

PERSISTED = "botlive_persisted"
"""The SQL function that returns which events are in the inbox."""

TAKEN = "event id already used"
"""The reason of `botlive_persist` for an event whose id is persisted with other content."""

_CHUNK = 500  # events in one call of Supabase and in one round trip to Redis
_IDENTITY = ("event_id", "occurred_at")
_WAITING = {b"queued", b"started", b"scheduled", b"deferred"}
_OUTCOMES = ("persisted", "waiting", "failed", "unknown", "bad")

EPILOG = examples("botlive reconcile day.ndjson", "botlive reconcile - < day.ndjson | grep unknown")


class Line(NamedTuple):
    """The data of one event of the file that is kept in memory."""

    number: int
    call: Call
    content: str
    """The digest of its content, as in the inbox."""


class StoredJob(NamedTuple):
    """The state of one job in Redis."""

    job_id: str
    digest: bytes | None
    status: bytes | None
    failed: bool


class Found(NamedTuple):
    """The state of one event in Redis."""

    waiting: bool
    reason: str | None
    """The reason in the failed registry, if the event is there."""


def reconcile(file: ndjson.File) -> None:
    """Report which events of an NDJSON file are persisted, waiting, failed or unknown.

    It prints one line for each event that is not persisted, then the totals.

    The exit code is 0 if every line is a persisted event, else 1.
    """
    settings = Settings.from_env()
    tally: Counter[str] = Counter()
    gateway = Gateway.connect(settings)
    try:
        with redis_at(settings.redis_url) as connection:
            lookup = RedisLookup(connection, Keys(settings.queue))
            lines = _events(ndjson.lines(file), tally)
            while chunk := list(islice(lines, _CHUNK)):
                _conclude(chunk, lookup, gateway, tally)
    finally:
        gateway.close()
    say(", ".join(f"{outcome} {tally[outcome]}" for outcome in _OUTCOMES))
    # A file without events proves nothing, so it is not a success.
    raise typer.Exit(ExitCode.DONE if 0 < tally.total() == tally["persisted"] else ExitCode.FAILED)


def _events(lines: Iterable[bytes], tally: Counter[str]) -> Iterator[Line]:
    for number, line in enumerate(lines, start=1):
        try:
            if not ndjson.is_blank(line):
                yield _identified(number, line)
        except InvalidEvent as error:
            tally["bad"] += 1
            report(f"line {number}: {error}")


def _identified(number: int, line: bytes) -> Line:
    event = ndjson.parsed(line)
    for field in _IDENTITY:
        # An event with the caller's key always gets the same id, even without these fields.
        if field not in event.model_fields_set and event.key is None:
            raise InvalidEvent(field, "is missing: without it each reading would make a new event")
    return Line(number, replace(Call.of(event), data=""), event.digest())  # 500 lines may be 500 MB


def _conclude(chunk: list[Line], lookup: "RedisLookup", gateway: Gateway, tally: Counter[str]) -> None:
    # Redis first: an event that leaves the queue in the meantime is then found in the inbox.
    found = lookup.find([line.call for line in chunk])
    ids = [line.call.own_id for line in chunk]
    persisted = shaped(gateway.call(PERSISTED, {"event_ids": ids}), dict[str, str])
    for line, event_id, job in zip(chunk, ids, found, strict=True):
        outcome, reason = _outcome(line, persisted.get(event_id), job)
        tally[outcome] += 1
        if outcome != "persisted":
            say(f"line {line.number}: {event_id} {outcome}{reason}")


def _outcome(line: Line, persisted: str | None, found: Found) -> tuple[str, str]:
    if persisted == line.content:
        return "persisted", ""
    if found.reason is not None:
        return "failed", f": {found.reason}"
    if found.waiting:
        return "waiting", ""
    # Another event is persisted under this id, and the job of this one no longer exists.
    return ("failed", f": {TAKEN}") if persisted else ("unknown", "")


class RedisLookup:
    """Looks up hundreds of events in Redis in one round trip."""

    def __init__(self, connection: redis.Redis, keys: Keys) -> None:
        self._redis = connection
        self._keys = keys

    def find(self, calls: list[Call]) -> list[Found]:
        """Return the state of each event, in the same order."""
        jobs = self._jobs([job_id for call in calls for job_id in (call.own_id, call.contested_id)])
        mine = [
            # The job under this id may belong to another event. A job without a digest was created by RQ.
            [job for job in pair if job.digest in {None, call.fingerprint.encode()}]
            for call, pair in zip(calls, zip(jobs[::2], jobs[1::2], strict=True), strict=True)
        ]
        reasons = self._reasons([job.job_id for pair in mine for job in pair if job.failed])
        return [_found(pair, reasons) for pair in mine]

    def _jobs(self, ids: list[str]) -> list[StoredJob]:
        pipeline = self._redis.pipeline(transaction=False)
        for job_id in ids:
            pipeline.hmget(job_key(job_id), "digest", "status")
            pipeline.zscore(self._keys.failed, job_id)
        replies = [*map(readable, pipeline.execute(raise_on_error=False))]
        return [
            StoredJob(job_id, digest, status, failed=score is not None)
            for job_id, (digest, status), score in zip(
                ids, (fields or (None, None) for fields in replies[::2]), replies[1::2], strict=True
            )
        ]

    def _reasons(self, ids: list[str]) -> dict[str, str]:
        pipeline = self._redis.pipeline(transaction=False)
        for job_id in ids:
            pipeline.xrevrange(results_key(job_id), count=1)
        replies = [*map(readable, pipeline.execute(raise_on_error=False))]
        return {job_id: str(reason(results or [])) for job_id, results in zip(ids, replies, strict=True)}


def _found(jobs: list[StoredJob], reasons: dict[str, str]) -> Found:
    return Found(
        waiting=any(job.status in _WAITING for job in jobs),
        reason=next((reasons[job.job_id] for job in jobs if job.failed), None),
    )
