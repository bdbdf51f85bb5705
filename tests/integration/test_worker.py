"""The worker under faults: killed, stopped, disconnected, with poisonous events, beside other workers."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import fakeredis
import pytest
from rq import Callback, SimpleWorker
from rq.job import Job
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer
from rq.suspension import resume, suspend

from devstack.stack import Stack
from events import PaymentValidated
from tests.integration.line import BOTLIVE_WORKER, Line, locked_orders, until
from tests.make import PHONE, order, persist
from worker.claims import PREFIX, Claims
from worker.consumer import Consumer
from worker.guard import GuardedWorker


@contextmanager
def frozen_gateway(stack: Stack) -> Iterator[None]:
    """Freeze the gateway: calls get no answer during the block."""
    pids = list(stack.gateway.pids)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.slow
def test_a_killed_workers_events_are_run_by_another(line: Line, stack: Stack) -> None:
    """After SIGKILL with a batch in the database, another worker persists the events within 15 s."""
    company_id, uuid = line.shop()
    events = [order(company_id) for _ in range(20)]
    with line.worker() as second, line.worker() as first:
        with locked_orders(stack):
            second.send_signal(signal.SIGSTOP)
            line.publisher.publish_many(events)
            until(lambda: line.held() == 20, 10)
            first.send_signal(signal.SIGKILL)
        second.send_signal(signal.SIGCONT)
        took = until(lambda: len(line.rows([uuid]).orders) == 20, 15)
        until(lambda: line.held() == 0, 10)
    assert took <= 15
    assert line.failed() == {}


def test_death_between_commit_and_acknowledgement_has_no_second_effect(line: Line) -> None:
    """An event that a dead worker persisted but did not acknowledge is a duplicate for the next worker."""
    company_id, uuid = line.shop()
    events = [order(company_id) for _ in range(5)]
    line.publisher.publish_many(events)
    dead = Claims(line.redis, line.name, PREFIX + uuid4().hex)
    assert len(dead.claim(100).claims) == 5
    persist(line.gateway, events)
    assert '"event": "duplicate"' in line.work()
    assert len(line.rows([uuid]).activities) == 5
    assert line.held() == 0


@pytest.mark.slow
def test_rqs_own_clean_up_takes_no_claim(line: Line) -> None:
    """RQ's clean-up of the started registry, by `rq info` or a stock worker, changes no claim."""
    company_id, uuid = line.shop()
    line.publisher.publish(order(company_id))
    Claims(line.redis, line.name, PREFIX + uuid4().hex).claim(100)
    registry = StartedJobRegistry(line.name, connection=line.redis, serializer=JSONSerializer)
    registry.cleanup(time.time() + 10**6)
    assert line.failed() == {}
    line.work()
    assert len(line.rows([uuid]).orders) == 1


@pytest.mark.slow
def test_a_live_workers_claims_are_left_alone(line: Line) -> None:
    """Claims are recovered only after their owner's lease has ended."""
    company_id, uuid = line.shop()
    line.publisher.publish(order(company_id))
    living = Claims(line.redis, line.name, PREFIX + uuid4().hex)
    living.hold_lease()
    living.claim(100)
    line.work()
    assert line.held() == 1
    assert line.rows([uuid]).orders == {}
    living.give_back()
    living.drop_lease()
    line.work()
    assert len(line.rows([uuid]).orders) == 1


def test_a_death_in_company_is_not_counted(line: Line) -> None:
    """A death with several jobs is counted against none of them: after two more, all are persisted."""
    company_id, uuid = line.shop()
    events = [order(company_id), order(company_id)]
    line.publisher.publish_many(events)
    for expected in (2, 1, 1):
        dead = Claims(line.redis, line.name, PREFIX + uuid4().hex)
        assert len(dead.claim(100).claims) == expected
        Claims(line.redis, line.name, PREFIX + "living").recover()
    line.work()
    assert line.failed() == {}
    assert len(line.rows([uuid]).orders) == 2


def test_three_deaths_alone_set_an_event_aside(line: Line) -> None:
    """A death with several jobs makes them run alone; the third death alone sets the event aside."""
    company_id, uuid = line.shop()
    events = [order(company_id), order(company_id)]
    line.publisher.publish_many(events)
    for expected in (2, 1, 1, 1):
        dead = Claims(line.redis, line.name, PREFIX + uuid4().hex)
        assert len(dead.claim(100).claims) == expected
        Claims(line.redis, line.name, PREFIX + "living").recover()
    line.work()
    assert line.failed().keys() == {str(events[0].event_id)}
    assert "died three times" in line.failed()[str(events[0].event_id)]
    assert line.rows([uuid]).orders.keys() == {events[1].event_id}


@pytest.mark.slow
def test_a_replayed_poison_is_run_once_more(line: Line) -> None:
    """A replayed event runs once: it is persisted, or a fourth death sets it aside at once."""
    company_id, uuid = line.shop()
    deadly, mended = order(company_id), order(company_id)
    for event in (deadly, mended):
        line.publisher.publish(event)
        for _ in range(4):
            Claims(line.redis, line.name, PREFIX + uuid4().hex).claim(1)
            Claims(line.redis, line.name, PREFIX + "living").recover()
        line.work()
    assert len(line.failed()) == 2
    registry = line.queue.failed_job_registry
    registry.requeue(str(deadly.event_id))
    Claims(line.redis, line.name, PREFIX + uuid4().hex).claim(1)
    Claims(line.redis, line.name, PREFIX + "living").recover()
    registry.requeue(str(mended.event_id))
    line.work()
    assert line.failed().keys() == {str(deadly.event_id)}
    assert line.rows([uuid]).orders.keys() == {mended.event_id}


@pytest.mark.slow
def test_a_stop_gives_back_what_hangs(line: Line, stack: Stack) -> None:
    """After SIGTERM with a hanging call, the worker ends within 10 s and its events wait again."""
    company_id, uuid = line.shop()
    events = [order(company_id) for _ in range(3)]
    with line.worker() as process, frozen_gateway(stack):
        line.publisher.publish_many(events)
        until(lambda: line.held() == 3, 10)
        process.terminate()
        started = time.monotonic()
        process.wait(timeout=30)
        assert time.monotonic() - started <= 10
        assert line.held() == 0
        assert line.queue.get_job_ids() == [str(event.event_id) for event in events]
    line.work()
    assert len(line.rows([uuid]).orders) == 3


@pytest.mark.slow
def test_an_outage_costs_no_event(line: Line, stack: Stack) -> None:
    """During an outage events wait; after it they are persisted without an operator."""
    company_id, uuid = line.shop()
    with line.worker():
        line.publisher.publish(order(company_id))
        until(lambda: len(line.rows([uuid]).orders) == 1, 10)
        stack.gateway.kill()
        try:
            line.publisher.publish_many([order(company_id) for _ in range(50)])
            time.sleep(2)
            assert line.failed() == {}
        finally:
            stack.gateway.start()
        until(lambda: len(line.rows([uuid]).orders) == 51, 30)
        until(lambda: line.held() == 0, 5)
    assert line.failed() == {}


@pytest.fixture
def trap(line: Line) -> Iterator[str]:
    """Create a trigger that fails, with an error unknown to the worker, for the orders of one customer."""
    name = f"trap_{uuid4().hex}"
    line.database.execute(
        f"""create function public.{name}() returns trigger language plpgsql as
            $$ begin if new.customer_name = '{name}' then raise exception 'no'; end if; return new; end $$;
            create trigger {name} before insert on public.orders
            for each row execute function public.{name}()""".encode()
    )
    yield name
    line.database.execute(f"drop function public.{name}() cascade".encode())


@pytest.mark.slow
def test_an_event_that_fails_every_call_is_found_among_its_neighbours(line: Line, trap: str) -> None:
    """An event that fails each call is isolated and set aside; all others are persisted."""
    company_id, uuid = line.shop()
    events = [order(company_id) for _ in range(40)]
    guilty = order(company_id, customer_name=trap)
    line.publisher.publish_many([*events[:17], guilty, *events[17:]])
    line.work()
    assert line.rows([uuid]).orders.keys() == {event.event_id for event in events}
    assert line.failed().keys() == {str(guilty.event_id)}
    assert line.failed()[str(guilty.event_id)].startswith("OutageOfOne: It fails alone")


DAMAGE = (
    {"data": "\x80 no json"},
    {"data": '["worker.job.persist",null,[{"type":"payment_validated"}],{}]'},
    {"data": '["os.system",null,["true"],{}]'},
    {"data": "[" * 100_000},
    {"created_at": "yesterday", "data": "{}"},
    {"timeout": "soon", "data": "{}"},
    {"status": "unheard of", "data": "{}"},
    {"origin": "elsewhere", "data": "{}"},
    {"data": '["worker.job.persist",null,[],[]]'},
)


@pytest.mark.slow
def test_malformed_jobs_are_set_aside(line: Line) -> None:
    """A job with any malformed hash is set aside, can be fetched, and affects no other job."""
    company_id, uuid = line.shop()
    bad, good = [order(company_id) for _ in DAMAGE], order(company_id)
    line.publisher.publish_many([*bad, good])
    for event, damage in zip(bad, DAMAGE, strict=True):
        line.redis.hset(f"rq:job:{event.event_id}", mapping=dict(damage.items()))
    line.work()
    assert line.rows([uuid]).orders.keys() == {good.event_id}
    assert line.failed().keys() == {str(event.event_id) for event in bad}


def test_a_job_without_its_data_is_set_aside(line: Line) -> None:
    """A job without data is set aside; it is not mistaken for a discarded job."""
    event = order(line.shop()[0])
    line.publisher.publish(event)
    line.redis.hdel(f"rq:job:{event.event_id}", "data")
    line.work()
    assert line.failed().keys() == {str(event.event_id)}


@pytest.mark.slow
def test_a_job_enqueued_with_a_keyword_is_run(line: Line) -> None:
    """A job that was enqueued by hand with a keyword argument is run."""
    company_id, uuid = line.shop()
    event = order(company_id)
    line.queue.enqueue("worker.job.persist", payload=event.model_dump(mode="json", exclude_none=True))
    line.work()
    assert line.rows([uuid]).orders.keys() == {event.event_id}


@pytest.mark.slow
def test_what_is_in_hand_is_completed_before_a_suspension(line: Line, stack: Stack) -> None:
    """After `rq suspend` claimed jobs are completed, as RQ promises; later jobs wait."""
    company_id, uuid = line.shop()
    first, second = order(company_id), order(company_id)
    with line.worker():
        with locked_orders(stack):
            line.publisher.publish(first)
            until(lambda: line.held() == 1, 20)
            suspend(line.redis)
            time.sleep(3)
        try:
            until(lambda: line.held() == 0, 10)
            line.publisher.publish(second)
            time.sleep(3)
            assert line.rows([uuid]).orders.keys() == {first.event_id}
        finally:
            resume(line.redis)
        until(lambda: len(line.rows([uuid]).orders) == 2, 20)


@pytest.mark.slow
def test_a_job_with_a_callback_goes_rqs_way(line: Line) -> None:
    """A job with a dependent is run by RQ, and then its dependent: both events are persisted."""
    company_id, uuid = line.shop()
    first, second = order(company_id), order(company_id)
    jobs = [
        line.queue.enqueue(
            "worker.job.persist",
            event.model_dump(mode="json", exclude_none=True),
            job_id=str(event.event_id),
            depends_on=depends_on,
        )
        for event, depends_on in ((first, None), (second, str(first.event_id)))
    ]
    line.work()
    assert line.rows([uuid]).orders.keys() == {first.event_id, second.event_id}
    assert jobs[0].get_status() == "finished"


@pytest.mark.slow
def test_a_flood_does_not_hold_another_shops_event_back(line: Line) -> None:
    """Behind 6,000 events of one shop, another shop's event is in one of the first batches."""
    flood, other = (line.shop()[0] for _ in range(2))
    line.publisher.publish_many(
        PaymentValidated(company_id=flood, user_id=PHONE, amount=1, reference="") for _ in range(6_000)
    )
    late = order(other)
    line.publisher.publish(late)
    claims = Claims(line.redis, line.name, PREFIX + "one")
    seen: list[list[str]] = []
    while batch := claims.claim(500).claims:
        seen.append([claim.job_id for claim in batch])
    found = next(number for number, ids in enumerate(seen) if str(late.event_id) in ids)
    assert found <= 4
    assert sum(map(len, seen)) == 6_001
    assert len({job_id for ids in seen for job_id in ids}) == 6_001
    assert min(map(len, seen[:-1])) == 500


def test_a_job_in_two_hands_comes_back_from_neither(line: Line) -> None:
    """If one worker acknowledges a job and another gives it back, nothing is left of the job."""
    event = order(line.shop()[0])
    line.publisher.publish(event)
    one, other = (Claims(line.redis, line.name, PREFIX + uuid4().hex) for _ in range(2))
    assert len(one.claim(1).claims) == 1
    line.redis.rpush(f"rq:queue:{line.name}", str(event.event_id))
    assert len(other.claim(1).claims) == 1
    one.acknowledge([str(event.event_id)], "rq:worker:one")
    other.give_back()
    assert line.held() == len(line.queue) == 0
    assert not line.redis.exists(f"rq:job:{event.event_id}")


@pytest.mark.slow
def test_a_job_that_a_flood_put_off_still_goes_rqs_way(line: Line) -> None:
    """A job with a dependent that was put off to an overflow queue is still run by RQ."""
    company_id, uuid = line.shop()
    flood = [order(company_id) for _ in range(2_400)]
    first, second = order(company_id), order(company_id)
    line.publisher.publish_many([*flood[:1_200], first, *flood[1_200:]])
    line.queue.enqueue(
        "worker.job.persist",
        second.model_dump(mode="json", exclude_none=True),
        job_id=str(second.event_id),
        depends_on=str(first.event_id),
    )
    line.work()
    assert line.rows([uuid]).orders.keys() == {event.event_id for event in (*flood, first, second)}
    assert line.failed() == {}


@pytest.mark.slow
def test_a_callback_that_is_not_allowed_is_not_called(line: Line, tmp_path: Path) -> None:
    """A job with a forbidden callback or a webhook is set aside, and nothing is called."""
    company_id, uuid = line.shop()
    event = order(company_id).model_dump(mode="json", exclude_none=True)
    mark = tmp_path / "called"
    shell = f"open({str(mark)!r}, 'w')"
    line.queue.enqueue("worker.job.persist", event, on_success=Callback("builtins.print"))
    line.queue.enqueue("worker.job.persist", event, on_failure=Callback(f"builtins.{shell}"))
    done = line.run(*BOTLIVE_WORKER, "--burst")
    assert ["UnknownFunction" in trace for trace in line.failed().values()] == [True, True]
    assert line.rows([uuid]).orders == {}
    assert not mark.exists()
    assert PHONE not in done.stdout + done.stderr


def test_what_the_worker_needs_of_rq_is_there() -> None:
    """The names of RQ that the worker uses exist; a release that changes one fails here."""
    overridden = ("dequeue_job_and_maintain_ttl", "execute_job", "heartbeat", "request_stop")
    guarded = (
        *("run_maintenance_tasks", "check_for_suspension", "register_birth", "register_death", "set_state"),
        "_pubsub_exception_handler",
    )
    for name in (*overridden, *guarded):
        assert callable(getattr(SimpleWorker, name))
        assert name in {*vars(Consumer), *vars(GuardedWorker)}
    for name in ("handle_job_failure", "work"):
        assert callable(getattr(SimpleWorker, name))
    job = Job("id", connection=fakeredis.FakeStrictRedis())
    for name in ("_success_callback_name", "_failure_callback_name", "_stopped_callback_name", "webhooks"):
        assert hasattr(job, name)
    worker = SimpleWorker(["q"], connection=fakeredis.FakeStrictRedis())
    assert worker._stop_requested is False
    assert worker._shutdown_requested_date is None
