"""``botlive failures``: its output and arguments; integration tests replay on real servers."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import fakeredis
import pytest
import redis as client
from rq.job import Job, JobStatus
from rq.results import Result
from rq.serializers import JSONSerializer

from events import Event, OrderCompleted, Publisher
from events.contracts import Item
from operations import cli
from operations.failed.registry import FailedRegistry

_PHONE = "+2250712345678"
_PRIVATE = (_PHONE, "Awa", "Pagne", "Cocody")
Failing = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def redis(monkeypatch: pytest.MonkeyPatch) -> fakeredis.FakeStrictRedis:
    """The Redis server that the command uses."""
    server = fakeredis.FakeServer()
    monkeypatch.setattr(
        client.Redis, "from_url", lambda url, **options: fakeredis.FakeStrictRedis(server=server)
    )
    for name in ("SUPABASE_URL", "SUPABASE_KEY", "BOTLIVE_QUEUE"):
        monkeypatch.delenv(name, raising=False)
    return fakeredis.FakeStrictRedis(server=server)


@pytest.fixture
def failures(redis: fakeredis.FakeStrictRedis, capsys: pytest.CaptureFixture[str]) -> Failing:
    """Run the command; return its exit code and the lines of stdout and stderr."""

    def run(*arguments: str) -> tuple[int, list[str], list[str]]:
        with pytest.raises(SystemExit) as ended:
            cli.main(["failures", *arguments])
        shown = capsys.readouterr()
        if "--payload" not in arguments:
            assert not [text for text in _PRIVATE if text in shown.out + shown.err]
        return int(ended.value.code or 0), shown.out.splitlines(), shown.err.splitlines()

    return run


def order(company_id: str = "kiosque") -> OrderCompleted:
    """Return an order with much personal data."""
    return OrderCompleted(
        company_id=company_id,
        user_id=_PHONE,
        customer_name="Awa",
        total_amount=1,
        items=(Item(name="Pagne", quantity=1, price=1),),
        zone="Cocody",
    )


def fail(redis: fakeredis.FakeStrictRedis, event: Event, *traces: str) -> str:
    """Publish an event and fail it as RQ does, once for each trace; return its job's id."""
    Publisher(redis, within=10).publish(event)
    job = Job.fetch(str(event.event_id), connection=redis, serializer=JSONSerializer)
    redis.lrem("rq:queue:botlive", 0, job.id)
    for trace in traces:
        job.set_status(JobStatus.FAILED)
        with redis.pipeline() as pipeline:
            job._handle_failure(trace, pipeline=pipeline)
            pipeline.execute()
    return job.id


def test_each_failure_is_a_row_the_newest_first(redis: fakeredis.FakeStrictRedis, failures: Failing) -> None:
    """Failures are rows with tabs, the newest first; stderr has the numbers by reason."""
    long = "company x " + "is " * 200 + "unknown"
    old = fail(redis, order("old"), "EventRefused: no", f"UnknownCompany: {long}")
    new = fail(redis, order("new"), "EventRefused: no")
    redis.delete(f"rq:results:{old}")
    redis.xadd(f"rq:results:{old}", _result(f"UnknownCompany: {long}"), id="1600000000000-0")
    redis.hset(f"rq:job:{old}", "failures", "4")
    code, out, err = failures()
    assert code == 0
    rows = [line.split("\t") for line in out]
    assert [row[1:5] for row in rows] == [
        [new, "order_completed", "new", "1"],
        [old, "order_completed", "old", "5"],
    ]
    assert rows[1][0] == "2020-09-13 12:26:40 UTC"
    assert rows[1][5] == f"UnknownCompany: {long}"
    assert err == ["2 failed: EventRefused 1, UnknownCompany 1"]


def _result(trace: str) -> Any:
    result = Result("id", Result.Type.FAILED, client.Redis(), exc_string=trace, serializer=JSONSerializer)
    return result.serialize()


def test_nothing_has_failed(failures: Failing) -> None:
    """Without failures it says so, with exit code 0."""
    assert failures() == (0, [], ["0 failed"])
    assert failures("--json") == (0, [], ["0 failed"])
    assert failures("discarded") == (0, [], [])


def test_json_is_an_object_a_line(redis: fakeredis.FakeStrictRedis, failures: Failing) -> None:
    """--json prints objects with stable keys, UTC times, and null for unknown values."""
    job_id = fail(redis, order(), "UnknownCompany: kiosque is unknown")
    (found,) = map(json.loads, failures("--json")[1])
    failed_at = datetime.fromisoformat(found.pop("failed_at"))
    assert abs((datetime.now(UTC) - failed_at).total_seconds()) < 60
    assert failed_at.utcoffset() == UTC.utcoffset(None)
    assert found == {
        "id": job_id,
        "reason": "kiosque is unknown",
        "error": "UnknownCompany",
        "event_type": "order_completed",
        "company_id": "kiosque",
        "failures": 1,
    }
    redis.delete(f"rq:job:{job_id}", f"rq:results:{job_id}")
    (gone,) = map(json.loads, failures("--json")[1])
    assert {name for name, value in gone.items() if value is None} == {
        "event_type",
        "company_id",
        "failed_at",
    }


def test_the_list_can_be_narrowed(redis: fakeredis.FakeStrictRedis, failures: Failing) -> None:
    """The list takes the options that select events for a replay, and --limit."""
    wanted = fail(redis, order("kiosque"), "UnknownCompany: no")
    fail(redis, order("kiosque"), "EventRefused: no")
    fail(redis, order("other"), "UnknownCompany: no")
    _, out, _ = failures("--reason", "UNKNOWNCOMPANY", "--company", "kiosque")
    assert [line.split("\t")[1] for line in out] == [wanted]
    assert failures("--limit", "1")[2] == [
        "3 failed: UnknownCompany 2, EventRefused 1; the newest 1 are shown"
    ]


def test_a_terminal_gets_a_list(
    redis: fakeredis.FakeStrictRedis, failures: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal shows whole ids, the newest hundred events, and no text as markup."""
    ids = [fail(redis, order("[red]kiosque[/]"), "EventRefused: no") for _ in range(101)]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    _, out, err = failures()
    shown = "\n".join(out)
    assert len([job_id for job_id in ids if job_id in shown]) == 100
    assert "[red]" in shown
    assert err[0].endswith("the newest 100 are shown")


def test_show_tells_all_but_the_customers_data(redis: fakeredis.FakeStrictRedis, failures: Failing) -> None:
    """`show` prints no customer's data; --payload prints the whole event."""
    event = order()
    job_id = fail(redis, event, "EventRefused: a first one", "EventRefused: no\nHTTP 400\nfor Awa")
    redis.hset(f"rq:job:{job_id}", "deaths", "2")
    lines = failures("show", job_id)[1]
    assert lines[-2:] == ["cause: HTTP 400", "cause: for ***"]
    facts = dict(line.split(": ", 1) for line in lines[:-2])
    assert facts.pop("failed at") >= facts["published at"]
    assert facts == {
        "id": job_id,
        "event type": "order_completed",
        "company": "kiosque",
        "occurred at": f"{event.occurred_at:%Y-%m-%d %H:%M:%S} UTC",
        "published at": facts["published at"],
        "failures": "2",
        "deaths of a worker": "2",
        "reason": "EventRefused: no",
    }
    shown = failures("show", job_id, "--payload")[1]
    assert json.loads("\n".join(shown[shown.index("{") :])) == event.model_dump(
        mode="json", exclude_none=True
    )


def test_show_of_a_job_that_is_not_there(failures: Failing) -> None:
    """An unknown id is named, with exit code 1."""
    assert failures("show", "x\x1b") == (1, [], ["x? is not in the failed registry"])


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay",),
        ("replay", "x", "--all"),
        ("replay", "--reason", "x", "--all"),
        ("replay", "x", "--company", "y"),
        ("discard", "--why", "y"),
        ("discard", "x"),
        ("discard", "x", "--why", " "),
        ("discard", "x", "--reason", "z", "--why", "y"),
        ("--reason", "x", "replay", "--all"),
        ("--company", "x", "discard", "--reason", "y", "--why", "z"),
    ],
)
def test_which_is_said_in_one_way(
    redis: fakeredis.FakeStrictRedis, failures: Failing, arguments: tuple[str, ...]
) -> None:
    """No selection, or more than one, is an error, so that nobody replays all events by mistake."""
    job_id = fail(redis, order(), "EventRefused: x")
    assert failures(*arguments)[0] == 2
    assert FailedRegistry(redis, "botlive").ids() == [job_id]


def test_what_cannot_be_replayed_is_named(redis: fakeredis.FakeStrictRedis, failures: Failing) -> None:
    """Unknown ids and lost jobs are named, with exit code 1; the other jobs are replayed."""
    good, gone = fail(redis, order(), "EventRefused: x"), fail(redis, order(), "EventRefused: x")
    redis.delete(f"rq:job:{gone}")
    code, out, err = failures("replay", good, good, gone, "absent")
    assert (code, out) == (1, ["replayed 1"])
    assert err == [
        f"{gone}: its job no longer exists in Redis: "
        f"remove it from the list with `botlive failures discard --why TEXT -- {gone}`",
        "absent is not in the failed registry",
    ]
    assert redis.lrange("rq:queue:botlive", 0, -1) == [good.encode()]
    assert FailedRegistry(redis, "botlive").ids() == [gone]
    assert failures("replay", "--all")[:2] == (1, ["replayed 0"])


def test_redis_away_is_one_line(failures: Failing, monkeypatch: pytest.MonkeyPatch) -> None:
    """If Redis is away there is one line without a traceback and without the URL."""

    def away(*_: object) -> None:
        raise client.ConnectionError("redis://:secret@host")

    monkeypatch.setattr(FailedRegistry, "ids", away)
    for arguments in ((), ("replay", "--all")):
        code, out, err = failures(*arguments)
        assert (code, out) == (1, [])
        assert len(err) == 1
        assert err[0].startswith("the connection to Redis failed: ")
