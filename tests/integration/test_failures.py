"""``botlive failures`` on real servers: failed events are listed, replayed once, or discarded."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from threading import Barrier
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
import redis
from rq.job import Job
from rq.serializers import JSONSerializer

from events import OrderCompleted
from gateway.errors import UnknownCompany
from operations import cli
from operations.failed.registry import FailedRegistry
from tests.integration.line import BIN, Line
from tests.make import PHONE, order, payment, persist
from tests.replies import octets
from worker.breaker import Breaker
from worker.claims import PREFIX, Claims
from worker.consumer import Consumer

NAME = "Awa Konaté"


class Done(NamedTuple):
    """The output of a command."""

    stdout: str
    stderr: str


def failures(line: Line, *arguments: str, code: int = 0) -> Done:
    """Run the command in this process, and check that it shows no customer's data."""
    out, err = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name in ("REDIS_URL", "BOTLIVE_QUEUE"):
            patch.setenv(name, line.environment[name])
        with pytest.raises(SystemExit) as ended:
            cli.main(["failures", *arguments])
    assert (ended.value.code or 0) == code, out.getvalue() + err.getvalue()
    if "--payload" not in arguments:
        assert_clean(out.getvalue() + err.getvalue())
    return Done(out.getvalue(), err.getvalue())


def assert_clean(shown: str) -> None:
    """Check that the text has no customer's data."""
    assert PHONE not in shown
    assert NAME not in shown


def listed(line: Line, *arguments: str) -> dict[str, dict[str, Any]]:
    """Return what the command lists, by id."""
    lines = failures(line, "--json", *arguments).stdout.splitlines()
    return {found["id"]: found for found in map(json.loads, lines)}


def own_worker(line: Line) -> None:
    """Let our worker empty the queue."""
    line.work()


def stock_worker(line: Line) -> None:
    """Let a stock RQ worker empty the queue, started as in its documentation."""
    command = [str(BIN / "rq"), "worker", "-S", "json", "--burst", "--url", line.environment["REDIS_URL"]]
    done = line.run(*command, line.name, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr


def refuse(line: Line) -> None:
    """Refuse the waiting events as our worker does, without the time for its process."""
    consumer = Consumer(line.name, line.redis, line.gateway, Breaker(500))
    for claim in consumer._claims.claim(500).claims:
        consumer._ledger.fail(claim.job_id, UnknownCompany("nobody-knows-it"))


def unknown(company_id: str = "nobody-knows-it") -> OrderCompleted:
    """Return an order of a shop without a mapping."""
    return order(company_id, customer_name=NAME)


def ids(*events: OrderCompleted) -> set[str]:
    """Return the ids of the events' jobs."""
    return {str(event.event_id) for event in events}


def left(line: Line, *events: OrderCompleted) -> list[bytes]:
    """Return the keys of these jobs that never expire; those of a stock worker's jobs expire."""
    keys = [octets(key) for event in events for key in line.redis.keys(f"*{event.event_id}*")]
    return [key for key in keys if line.redis.ttl(key) == -1]


@pytest.mark.parametrize("work", [own_worker, pytest.param(stock_worker, marks=pytest.mark.slow)])
def test_a_mended_company_s_events_are_replayed_and_no_other(
    line: Line, work: Callable[[Line], None]
) -> None:
    """After `company link`, one command replays exactly the events of that company."""
    company_id, uuid = f"flow-{uuid4()}", uuid4()
    mine, other = [unknown(company_id) for _ in range(2)], unknown()
    line.publisher.publish_many([*mine, other])
    work(line)
    found = listed(line)
    assert found.keys() == ids(*mine, other)
    assert {failure["error"] for failure in found.values()} == {"UnknownCompany"}
    assert {failure["failures"] for failure in found.values()} == {1}
    assert f"`botlive company link -- {company_id} UUID`" in found[str(mine[0].event_id)]["reason"]
    line.database.execute("insert into public.companies (id, name) values (%s, 'Kiosque')", [uuid])
    linked = line.run(str(BIN / "botlive"), "company", "link", company_id, str(uuid))
    assert linked.returncode == 0, linked.stderr
    select = ("--reason", "unknowncompany", "--company", company_id)
    assert failures(line, "replay", *select).stdout == "replayed 2\n"
    work(line)
    assert line.rows([uuid]).orders.keys() == {event.event_id for event in mine}
    assert listed(line).keys() == ids(other)
    assert left(line, *mine) == []


def test_replaying_what_was_persisted_meanwhile_changes_no_row(line: Line) -> None:
    """The replay of a persisted event makes no second row, and keeps an owner's edit."""
    company_id = f"flow-{uuid4()}"
    event = unknown(company_id)
    line.publisher.publish(event)
    refuse(line)
    _, uuid = line.shop(company_id)
    persist(line.gateway, [event])
    line.database.execute("update public.orders set status = 'completed' where id = %s", [event.event_id])
    before = line.rows([uuid])
    assert failures(line, "replay", str(event.event_id)).stdout == "replayed 1\n"
    line.work()
    assert line.rows([uuid]) == before
    assert before.orders[event.event_id]["status"] == "completed"
    assert left(line, event) == []


def test_what_fails_again_is_counted(line: Line) -> None:
    """Each failure is counted, although a replay deletes the results; the newest reason is shown."""
    event = unknown()
    line.publisher.publish(event)
    for times in (1, 2, 3):
        refuse(line)
        assert listed(line)[str(event.event_id)]["failures"] == times
        assert failures(line, "replay", "--all").stdout == "replayed 1\n"
        assert not line.redis.exists(f"rq:results:{event.event_id}")
    assert len(line.queue) == 1


def test_a_replayed_job_is_one_that_rq_reads(line: Line) -> None:
    """A replayed job is at the end of the queue, with the status queued, and RQ can read it."""
    event, waiting = unknown(), unknown()
    line.publisher.publish(event)
    stock_worker(line)
    line.publisher.publish(waiting)
    failures(line, "replay", "--all")
    assert line.queue.get_job_ids() == [str(waiting.event_id), str(event.event_id)]
    job = Job.fetch(str(event.event_id), connection=line.redis, serializer=JSONSerializer)
    assert (job.get_status(), job.origin, job.func_name) == ("queued", line.name, "worker.job.persist")
    assert (job.started_at, job.ended_at, job.worker_name, job.latest_result()) == (None, None, None, None)
    assert job.args[0]["user_id"] == PHONE
    line.publisher.publish(event)
    assert line.queue.get_job_ids() == [str(waiting.event_id), str(event.event_id)]


def test_deaths_outlive_a_replay(line: Line) -> None:
    """A replay keeps the count of deaths of a poisonous event."""
    event = unknown()
    line.publisher.publish(event)
    for _ in range(3):
        Claims(line.redis, line.name, PREFIX + uuid4().hex).claim(1)
        Claims(line.redis, line.name, PREFIX + "living").recover()
    line.work()
    shown = failures(line, "show", str(event.event_id)).stdout
    assert "deaths of a worker: 3" in shown
    assert "PoisonousEvent" in shown
    failures(line, "replay", str(event.event_id))
    assert line.redis.hmget(f"rq:job:{event.event_id}", "deaths", "suspect") == [b"3", b"1"]


def test_a_replayed_event_is_tried_whatever_its_workers_did_before(line: Line) -> None:
    """Three workers died with it, then RQ's clean-up set it aside: a replay lets it run once more."""
    shop, uuid = line.shop()
    event = payment(shop)
    line.publisher.publish(event)
    line.redis.hset(f"rq:job:{event.event_id}", mapping={"suspect": 1, "deaths": 3, "died": 1})
    line.redis.lrem(line.queue.key, 1, str(event.event_id))
    line.redis.zadd(line.queue.failed_job_registry.key, {str(event.event_id): "+inf"})
    failures(line, "replay", str(event.event_id))
    line.work()
    assert not line.failed()
    assert {*line.rows([uuid]).activities} == {event.event_id}


@pytest.mark.slow
def test_many_replays_at_once_replay_once(line: Line) -> None:
    """With concurrent replays and discards, each job is queued once or discarded once."""
    events = [unknown() for _ in range(300)]
    line.publisher.publish_many(events)
    refuse(line)
    everything = sorted(ids(*events))
    barrier = Barrier(5)

    def replay(number: int) -> int:
        with redis.Redis.from_url(line.environment["REDIS_URL"]) as connection:
            registry = FailedRegistry(connection, line.name)
            doomed = [detail.failure for detail in registry.find(everything)]
            barrier.wait(10)
            if number:
                return len(registry.replay(everything).done)
            return len(registry.discard(doomed, "a test"))

    with ThreadPoolExecutor(5) as pool:
        counts = list(pool.map(replay, range(5)))
    assert sum(counts) == len(events)
    waiting = line.queue.get_job_ids()
    thrown = [entry["id"] for entry in FailedRegistry(line.redis, line.name).discarded()]
    assert sorted([*waiting, *thrown]) == everything
    assert all(line.redis.exists(f"rq:job:{job_id}") for job_id in waiting)
    assert not any(line.redis.exists(f"rq:job:{job_id}") for job_id in thrown)


def test_what_is_discarded_leaves_a_line_and_nothing_else(line: Line, tmp_path: Path) -> None:
    """A discarded job is deleted completely; the list and the log have it with the reason."""
    line.environment["LOG_DIR"] = str(tmp_path)
    event, kept = unknown(), unknown()
    line.publisher.publish_many([event, kept])
    refuse(line)
    command = [str(BIN / "botlive"), "failures", "discard", str(event.event_id), "absent-one"]
    done = line.run(*command, "--why", f"ask {PHONE}")
    assert done.returncode == 1
    assert_clean(done.stdout + done.stderr)
    assert done.stdout == "discarded 1\n"
    assert "absent-one is not in the failed registry" in done.stderr
    assert left(line, event) == []
    assert listed(line).keys() == ids(kept)
    (entry,) = [json.loads(text) for text in failures(line, "discarded", "--json").stdout.splitlines()]
    assert entry["id"] == str(event.event_id)
    assert (entry["error"], entry["event_type"], entry["why"]) == (
        "UnknownCompany",
        "order_completed",
        "ask ***",
    )
    logged = [json.loads(text) for text in (tmp_path / "worker.json").read_text().splitlines()]
    (said,) = [entry for entry in logged if entry["event"] == "discarded"]
    assert (said["event_id"], said["why"]) == (str(event.event_id), "ask ***")


def damage(line: Line, event: OrderCompleted) -> dict[str, Callable[[], object]]:
    """Damage a failed job in each possible way."""
    job, results = f"rq:job:{event.event_id}", f"rq:results:{event.event_id}"
    return {
        "gone": lambda: line.redis.delete(job, results),
        "no hash": lambda: (line.redis.delete(job), line.redis.set(job, "x")),
        "no data": lambda: line.redis.hdel(job, "data"),
        "no json": lambda: line.redis.hset(job, "data", b"\xff\x80["),
        "too deep": lambda: line.redis.hset(job, "data", "[" * 100_000),
        "a list for an event": lambda: line.redis.hset(job, "data", '["worker.job.persist",null,[[1]],{}]'),
        "types of no text": lambda: line.redis.hset(
            job,
            "data",
            '["worker.job.persist",null,[{"type":["x"],"company_id":{"a":1},"occurred_at":7}],{}]',
        ),
        "half a surrogate pair": lambda: line.redis.hset(
            job, "data", '["worker.job.persist",null,[{"company_id":"\\ud800\\u001b[31m"}],{}]'
        ),
        "no results": lambda: line.redis.delete(results),
        "results of another kind": lambda: (line.redis.delete(results), line.redis.set(results, "x")),
        "a result of nothing": lambda: (line.redis.delete(results), line.redis.xadd(results, {"type": "2"})),
        "a result that is no zlib": lambda: line.redis.xadd(results, {"type": "2", "exc_string": "YWJj"}),
        "fields that are no figures": lambda: line.redis.hset(
            job, mapping={"failures": "x", "deaths": "-", "created_at": "yesterday", "status": "y"}
        ),
        "an id of RQ's no more": lambda: line.redis.zadd(f"rq:failed:{line.name}", {b"\xff\n[red]": -1}),
    }


@pytest.mark.slow
def test_no_damage_hides_the_others(line: Line) -> None:
    """Damaged jobs are listed, shown and discarded; a good job can still be replayed."""
    good = unknown()
    broken = {name: unknown() for name in damage(line, good)}
    line.publisher.publish_many([*broken.values(), good])
    refuse(line)
    for name, event in broken.items():
        damage(line, event)[name]()
    found = listed(line)
    assert found.keys() == ids(good, *broken.values()) | {"\udcff\n[red]"}
    assert found[str(broken["gone"].event_id)]["error"] == found[str(broken["no hash"].event_id)]["error"]
    assert len(failures(line).stdout.splitlines()) == len(found)
    registry = FailedRegistry(line.redis, line.name)
    gone = {str(broken[name].event_id) for name in ("gone", "no hash")}
    replayed = registry.replay([job_id for job_id in registry.ids() if job_id.isascii()])
    assert set(replayed.gone) == gone
    assert set(replayed.done) == found.keys() - gone - {"\udcff\n[red]"}
    line.redis.delete(f"rq:job:{broken['no data'].event_id}")
    line.work()
    assert listed(line).keys() == found.keys() - ids(broken["no data"])
    assert len(registry.discard(list(registry.all()), "test")) == len(found) - 1
    assert listed(line) == {}


@pytest.mark.slow
def test_jobs_made_by_hand(line: Line) -> None:
    """Jobs that were enqueued with RQ by hand, with any id or description, are treated alike."""
    company_id = f"flow-{uuid4()}"
    event = unknown(company_id)
    payload = event.model_dump(mode="json", exclude_none=True)
    line.queue.enqueue("worker.job.persist", payload, job_id="by-hand", failure_ttl=-1)
    line.queue.enqueue("os.system", f"call {PHONE}", job_id="not-ours")
    line.work()
    found = listed(line)
    assert (found["by-hand"]["error"], found["by-hand"]["company_id"]) == ("UnknownCompany", company_id)
    assert (found["not-ours"]["error"], found["not-ours"]["event_type"]) == ("UnknownFunction", None)
    assert PHONE in failures(line, "show", "not-ours", "--payload").stdout
    failures(line, "show", "not-ours")
    _, uuid = line.shop(company_id)
    failures(line, "replay", "by-hand")
    line.work()
    assert line.rows([uuid]).orders.keys() == {event.event_id}


@pytest.mark.slow
def test_ten_thousand_are_listed_in_time(line: Line) -> None:
    """10,000 failures are listed within seconds, or only the newest ones with --limit."""
    event = unknown()
    line.publisher.publish(event)
    refuse(line)
    original = line.redis.hgetall(f"rq:job:{event.event_id}")
    results = line.redis.xrange(f"rq:results:{event.event_id}")
    assert results
    ((entry_id, result),) = results
    assert entry_id
    assert result
    pipeline = line.redis.pipeline(transaction=False)
    for number in range(9_999):
        pipeline.hset(f"rq:job:copy-{number}", mapping=dict(original.items()))
        pipeline.xadd(f"rq:results:copy-{number}", dict(result.items()), id=entry_id)
        pipeline.zadd(f"rq:failed:{line.name}", {f"copy-{number}": -1})
    pipeline.execute()
    assert len(failures(line).stdout.splitlines()) == 10_000
    done = failures(line, "--limit", "3")
    assert len(done.stdout.splitlines()) == 3
    assert done.stderr == "10000 failed: UnknownCompany 10000; the newest 3 are shown\n"
    registry = FailedRegistry(line.redis, line.name)
    assert len(registry.replay(registry.ids()).done) == 10_000
    line.redis.delete(f"rq:queue:{line.name}", *(f"rq:job:copy-{number}" for number in range(9_999)))
