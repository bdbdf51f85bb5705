"""``botlive reconcile``: the state of each event of a file, and the report about it."""

import json
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import fakeredis
import pytest
import redis as client
from rq import Queue
from rq.job import Job, JobStatus
from rq.results import Result
from rq.serializers import JSONSerializer

from events import Event, PaymentValidated, Publisher, parse_event
from gateway.client import Gateway
from gateway.errors import TransientFault
from operations import cli
from operations.commands import reconcile as module
from operations.failed import reason as reasons
from tests.replies import text

_PHONE = "+2250712345678"


class _Supabase:
    """A fake gateway that has an inbox and records the calls."""

    def __init__(self) -> None:
        self.inbox: dict[str, str] = {}
        self.asked: list[int] = []
        self.away = False

    def call(self, function: str, arguments: dict[str, Any]) -> dict[str, str]:
        """Answer as ``botlive_persisted``."""
        assert function == "botlive_persisted"
        if self.away:
            raise TransientFault
        self.asked.append(len(arguments["event_ids"]))
        return {
            event_id: self.inbox[event_id] for event_id in arguments["event_ids"] if event_id in self.inbox
        }

    def close(self) -> None:
        """Close nothing."""


@pytest.fixture
def supabase(monkeypatch: pytest.MonkeyPatch) -> _Supabase:
    """The gateway that the command uses."""
    stand_in = _Supabase()
    monkeypatch.setattr(Gateway, "connect", lambda settings: stand_in)
    monkeypatch.setenv("SUPABASE_URL", "http://supabase")
    monkeypatch.setenv("SUPABASE_KEY", "key")
    return stand_in


@pytest.fixture
def redis(monkeypatch: pytest.MonkeyPatch) -> fakeredis.FakeStrictRedis:
    """The Redis server that the command uses."""
    server = fakeredis.FakeServer()
    monkeypatch.setattr(
        client.Redis, "from_url", lambda url, **options: fakeredis.FakeStrictRedis(server=server)
    )
    return fakeredis.FakeStrictRedis(server=server)


Reconcile = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def reconcile(
    supabase: _Supabase,
    redis: fakeredis.FakeStrictRedis,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Reconcile:
    """Run the command over the lines; return its exit code and the lines of stdout and stderr."""

    def run(*lines: Event | bytes) -> tuple[int, list[str], list[str]]:
        file = tmp_path / "events.ndjson"
        file.write_bytes(b"\n".join(line if isinstance(line, bytes) else _line(line) for line in lines))
        with pytest.raises(SystemExit) as ended:
            cli.main(["reconcile", str(file)])
        shown = capsys.readouterr()
        assert _PHONE not in shown.out + shown.err
        return int(ended.value.code or 0), shown.out.splitlines(), shown.err.splitlines()

    return run


def _line(event: Event) -> bytes:
    return event.model_dump_json(exclude_none=True).encode()


def _payment(amount: int = 5, **fields: Any) -> PaymentValidated:
    return PaymentValidated(company_id="shop", user_id=_PHONE, amount=amount, reference="", **fields)


def _fail(redis: fakeredis.FakeStrictRedis, job_id: str, trace: str) -> None:
    """Record a failure as RQ does when a job raises an exception."""
    job = Job.fetch(job_id, connection=redis, serializer=JSONSerializer)
    job.set_status(JobStatus.FAILED)
    redis.lrem("rq:queue:botlive", 0, job_id)
    redis.zadd("rq:failed:botlive", {job_id: -1})
    Result.create_failure(job, ttl=-1, exc_string=trace)


def test_all_persisted(supabase: _Supabase, reconcile: Reconcile) -> None:
    """If every event is persisted only the totals are printed, with exit code 0; blank lines are ignored."""
    events = [_payment() for _ in range(3)]
    supabase.inbox = {str(event.event_id): event.digest() for event in events}
    code, out, err = reconcile(events[0], b"", events[1], b" \r", events[2], events[0])
    assert (code, out, err) == (0, ["persisted 4, waiting 0, failed 0, unknown 0, bad 0"], [])


def test_an_empty_file(supabase: _Supabase, reconcile: Reconcile) -> None:
    """An empty file has exit code 1: it proves nothing, and the script that writes it may have failed."""
    totals = "persisted 0, waiting 0, failed 0, unknown 0, bad 0"
    assert reconcile() == (1, [totals], [])
    assert reconcile(b"") == (1, [totals], [])


@pytest.mark.parametrize("status", ["queued", "started", "scheduled", "deferred"])
def test_waiting(redis: fakeredis.FakeStrictRedis, reconcile: Reconcile, status: str) -> None:
    """An event waits, whatever its job waits for."""
    event = _payment()
    Publisher(redis, within=10).publish(event)
    redis.hset(f"rq:job:{event.event_id}", "status", status)
    code, out, _ = reconcile(event)
    assert code == 1
    assert out == [
        f"line 1: {event.event_id} waiting",
        "persisted 0, waiting 1, failed 0, unknown 0, bad 0",
    ]


def test_unknown(redis: fakeredis.FakeStrictRedis, reconcile: Reconcile) -> None:
    """An event that was never published, or that was discarded, is unknown."""
    event, thrown = _payment(), _payment()
    Publisher(redis, within=10).publish(thrown)
    redis.hset(f"rq:job:{thrown.event_id}", "status", "canceled")
    code, out, _ = reconcile(event, thrown)
    assert code == 1
    assert out[:2] == [f"line 1: {event.event_id} unknown", f"line 2: {thrown.event_id} unknown"]
    assert out[-1] == "persisted 0, waiting 0, failed 0, unknown 2, bad 0"


@pytest.mark.parametrize(
    "trace",
    [
        "EventRefused: no such shop",
        "EventRefused: no such shop\ncause: botlive_persist found no row",
        "Traceback (most recent call last):\n  File …\nworker.errors.EventRefused: no such shop\n",
    ],
)
def test_failed(redis: fakeredis.FakeStrictRedis, reconcile: Reconcile, trace: str) -> None:
    """A failed event has the newest reason, written by our worker or by RQ's own."""
    event = _payment()
    Publisher(redis, within=10).publish(event)
    _fail(redis, str(event.event_id), "EventRefused: an older reason")
    _fail(redis, str(event.event_id), trace)
    code, out, _ = reconcile(event)
    assert code == 1
    assert out == [
        f"line 1: {event.event_id} failed: EventRefused: no such shop",
        "persisted 0, waiting 0, failed 1, unknown 0, bad 0",
    ]


def test_a_reason_shows_no_personal_data(redis: fakeredis.FakeStrictRedis, reconcile: Reconcile) -> None:
    """Personal data is masked in a reason, also if a foreign exception quotes it."""
    event = _payment()
    Publisher(redis, within=10).publish(event)
    _fail(redis, str(event.event_id), f"RuntimeError: {_PHONE}")
    assert reconcile(event)[1][0] == f"line 1: {event.event_id} failed: RuntimeError: ***"


def test_a_failed_job_whose_reason_is_gone(redis: fakeredis.FakeStrictRedis, reconcile: Reconcile) -> None:
    """A failed event whose reason is lost counts as failed."""
    event = _payment()
    Publisher(redis, within=10).publish(event)
    redis.zadd("rq:failed:botlive", {str(event.event_id): -1})
    assert reconcile(event)[1][0] == f"line 1: {event.event_id} failed: {reasons.UNKNOWN}"


def test_a_persisted_event_whose_job_failed_afterwards(
    supabase: _Supabase, redis: fakeredis.FakeStrictRedis, reconcile: Reconcile
) -> None:
    """An event whose job timed out after the write counts as persisted."""
    event = _payment()
    Publisher(redis, within=10).publish(event)
    _fail(redis, str(event.event_id), "rq.timeouts.JobTimeoutException: too slow")
    supabase.inbox = {str(event.event_id): event.digest()}
    assert reconcile(event)[0] == 0


def test_a_contested_id(supabase: _Supabase, redis: fakeredis.FakeStrictRedis, reconcile: Reconcile) -> None:
    """Two events under one id each have their own outcome."""
    first = _payment(1)
    second, third = _payment(2, event_id=first.event_id), _payment(3, event_id=first.event_id)
    Publisher(redis, within=10).publish_many([first, second])
    assert reconcile(first, second, third)[1][-1] == "persisted 0, waiting 2, failed 0, unknown 1, bad 0"
    contested = text(redis.lindex("rq:queue:botlive", 1))
    redis.lrem("rq:queue:botlive", 0, str(first.event_id))
    redis.delete(f"rq:job:{first.event_id}")
    supabase.inbox = {str(first.event_id): first.digest()}
    assert reconcile(first, second)[1] == [
        f"line 2: {first.event_id} waiting",
        "persisted 1, waiting 1, failed 0, unknown 0, bad 0",
    ]
    _fail(redis, contested, "EventRefused: event id already used")
    assert reconcile(first, second)[1] == [
        f"line 2: {first.event_id} failed: EventRefused: event id already used",
        "persisted 1, waiting 0, failed 1, unknown 0, bad 0",
    ]


def test_another_content_under_a_persisted_id(
    supabase: _Supabase, redis: fakeredis.FakeStrictRedis, reconcile: Reconcile
) -> None:
    """Other content under a persisted id does not count as persisted."""
    event = _payment()
    Publisher(redis, within=10).publish(event)
    supabase.inbox = {str(event.event_id): "another"}
    _fail(redis, str(event.event_id), "EventRefused: event id already used")
    assert reconcile(event)[1][-1] == "persisted 0, waiting 0, failed 1, unknown 0, bad 0"


def test_another_content_that_redis_knows_nothing_of(supabase: _Supabase, reconcile: Reconcile) -> None:
    """Other content under a persisted id, without a job, counts as failed."""
    event = _payment()
    supabase.inbox = {str(event.event_id): "another"}
    assert reconcile(event)[:2] == (
        1,
        [
            f"line 1: {event.event_id} failed: event id already used",
            "persisted 0, waiting 0, failed 1, unknown 0, bad 0",
        ],
    )


def test_a_job_that_rq_itself_enqueued(redis: fakeredis.FakeStrictRedis, reconcile: Reconcile) -> None:
    """A job without our digest, created by RQ, is found by its id."""
    event = _payment()
    queue = Queue("botlive", connection=redis, serializer=JSONSerializer)
    queue.enqueue("worker.job.persist", event.content(), job_id=str(event.event_id))
    assert reconcile(event)[1][0] == f"line 1: {event.event_id} waiting"


def test_bad_lines_are_named(supabase: _Supabase, reconcile: Reconcile) -> None:
    """Invalid lines, and events without an identity, are reported on stderr by number and field."""
    good = _payment()
    supabase.inbox = {str(good.event_id): good.digest()}
    nameless = json.loads(_line(good))
    del nameless["event_id"]
    timeless = json.loads(_line(good))
    del timeless["occurred_at"]
    lines = [b"no json", good, json.dumps(nameless).encode(), json.dumps(timeless).encode(), b"x" * 1_000_002]
    code, out, err = reconcile(*lines)
    assert code == 1
    assert [line.split(": ")[:2] for line in err] == [
        ["line 1", "json"],
        ["line 3", "event_id"],
        ["line 4", "occurred_at"],
        ["line 5", "json"],
    ]
    assert out == ["persisted 1, waiting 0, failed 0, unknown 0, bad 4"]


def test_a_file_is_gone_through_in_chunks(
    supabase: _Supabase,
    redis: fakeredis.FakeStrictRedis,
    reconcile: Reconcile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each 500 events take one call of Supabase and a few round trips to Redis."""
    trips: list[int] = []
    execute = client.client.Pipeline.execute

    def counted(self: Any, *arguments: Any, **options: Any) -> Any:
        trips.append(1)
        return execute(self, *arguments, **options)

    monkeypatch.setattr(client.client.Pipeline, "execute", counted)
    code, out, _ = reconcile(*(_payment() for _ in range(1_201)))
    assert (code, out[-1]) == (1, "persisted 0, waiting 0, failed 0, unknown 1201, bad 0")
    assert out[-2].startswith("line 1201: ")
    assert supabase.asked == [500, 500, 201]
    assert len(trips) <= 2 * 3


def test_what_is_read_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk keeps ids and no events, so that long messages do not fill the memory."""
    event = parse_event(
        json.dumps(
            {
                "type": "payment_issue",
                "event_id": str(uuid4()),
                "occurred_at": "2026-11-20T08:00:00Z",
                "company_id": "shop",
                "user_id": _PHONE,
                "issue_type": "long",
                "message": "x" * 60_000,
            }
        )
    )
    line = _line(event)
    tracemalloc.start()
    kept = list(module._events([line] * 200, Counter()))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(kept) == 200
    assert UUID(kept[0].call.own_id) == event.event_id
    assert held < 60_000 * 20


def test_supabase_that_is_away(supabase: _Supabase, reconcile: Reconcile) -> None:
    """If Supabase is away there is one line, exit code 1, and no totals."""
    supabase.away = True
    code, out, err = reconcile(_payment())
    assert (code, out) == (1, [])
    assert err == [str(TransientFault())]


def test_redis_that_is_away(
    supabase: _Supabase, reconcile: Reconcile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If Redis is away the same holds, and its URL is not shown."""
    server = fakeredis.FakeServer()
    server.connected = False
    monkeypatch.setattr(
        client.Redis, "from_url", lambda url, **options: fakeredis.FakeStrictRedis(server=server)
    )
    code, out, err = reconcile(_payment())
    assert (code, out, len(err)) == (1, [], 1)
    assert err[0].startswith("the connection to Redis failed: ")
