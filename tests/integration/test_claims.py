"""What a claim knows of its jobs, and who may end it."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import uuid4

import pytest
from rq.serializers import JSONSerializer

from events.publishing.keys import Keys, job_key
from gateway.errors import EventRefused
from tests.integration.line import Line
from tests.make import payment
from worker.claims import PREFIX, Batch, Claims
from worker.event_job import EventJob
from worker.guard import GuardedWorker
from worker.ledger import Ledger

_ODD = (b"", b"soon", b"\xff\xfe", b"2026-11-26T08:00:00", b"2026-11-26T08:00:00.000000Z" + b"0" * 100)


def claim(line: Line) -> Batch:
    """Claim what waits, as a worker that stops at once."""
    claims = Claims(line.redis, line.name, PREFIX + uuid4().hex)
    batch = claims.claim(20)
    claims.give_back()
    return batch


def test_a_claim_knows_when_its_job_was_published(line: Line) -> None:
    """It is the job's ``created_at``. What is no time, or names no zone, is ignored."""
    good, bare, *odd = line.publisher.publish_many([payment() for _ in range(2 + len(_ODD))])
    line.redis.hdel(job_key(str(bare)), "created_at")
    for event_id, stamp in zip(odd, _ODD, strict=True):
        line.redis.hset(job_key(str(event_id)), "created_at", stamp)
    times = {claim.job_id: claim.published for claim in claim(line).claims}
    assert times.pop(str(good)) == pytest.approx(datetime.now(UTC), abs=timedelta(hours=1))
    assert times == dict.fromkeys(map(str, [bare, *odd]))


def test_one_suspect_is_claimed_with_its_time_and_its_deaths(line: Line) -> None:
    """The count of deaths is behind the job's fields in the answer."""
    event_id = str(line.publisher.publish(payment()))
    line.redis.hset(job_key(event_id), mapping={"suspect": 1, "deaths": 2, "died": 1})
    batch = claim(line)
    assert (batch.kind, batch.deaths) == ("suspects", 2)
    assert [claim.job_id for claim in batch.claims] == [event_id]
    assert batch.claims[0].published is not None


class TakenOver(NamedTuple):
    """A job of a slow worker that another worker has taken over."""

    job_id: str
    slow: Ledger
    """The ledger of the worker whose lease ran out."""
    other: Claims


@pytest.fixture
def taken(line: Line) -> TakenOver:
    """A job that two workers work on."""
    job_id = str(line.publisher.publish(payment()))
    slow, other = (Claims(line.redis, line.name, PREFIX + uuid4().hex) for _ in range(2))
    slow.claim(1)
    other.recover()
    other.claim(1)
    worker = GuardedWorker(
        [line.name], name=slow.owner, connection=line.redis, serializer=JSONSerializer, job_class=EventJob
    )
    return TakenOver(job_id, Ledger(worker, slow), other)


def test_a_slow_worker_does_not_set_aside_what_another_has(line: Line, taken: TakenOver) -> None:
    """The job stays claimed by the other worker, without a failure."""
    taken.slow.fail(taken.job_id, EventRefused())
    status, worker = line.redis.hmget(job_key(taken.job_id), "status", "worker_name")
    assert (status, worker) == (b"started", taken.other.owner.encode())
    assert line.failed() == {}
    assert not line.redis.exists(f"rq:results:{taken.job_id}")


def test_a_slow_worker_does_not_set_aside_what_another_has_persisted(
    line: Line, taken: TakenOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the job appears again, also if it was persisted after the slow worker had read it."""
    read = Ledger.job

    def late(ledger: Ledger, job_id: str) -> EventJob:
        job = read(ledger, job_id)
        assert taken.other.acknowledge([job_id], "rq:worker:other") == 1
        return job

    monkeypatch.setattr(Ledger, "job", late)
    taken.slow.fail(taken.job_id, EventRefused())
    assert not line.redis.exists(job_key(taken.job_id), f"rq:results:{taken.job_id}", Keys(line.name).failed)
