"""What a claim knows of its jobs."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from events.publishing.keys import job_key
from tests.integration.line import Line
from tests.make import payment
from worker.claims import PREFIX, Batch, Claims

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
