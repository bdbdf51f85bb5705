"""The limits of a job's data: a small compressed job is unpacked only up to the size of an event."""

import json
import tracemalloc
import zlib
from collections.abc import Sequence
from typing import Any

import pytest
from redis.exceptions import ResponseError

from events import InvalidEvent, LiveToggled, parse_event
from events.publishing.call import FUNCTION, Call
from gateway.errors import EventRefused, OversizedJob, UndecodableJob
from operations.failed import job as failure
from operations.failed import reason as reasons
from operations.failed.registry import readable
from tests.unit.test_batches import Database, Nowhere
from worker.batches import HEAVIEST, Batches
from worker.breaker import Breaker
from worker.claims import Batch, Claim
from worker.decode import read
from worker.event_job import EventJob
from worker.persister import Persister
from worker.unpacking import LARGEST, unpack

BOMB = zlib.compress(b'["worker.job.persist",null,[{"a":"' + b" " * 40_000_000 + b'"}],{}]')
CALL = b'["%s",null,[%%s],{}]' % FUNCTION.encode()
ODD_JSON = {
    "deep list": b"[" * 1_000_000 + b"]" * 1_000_000,
    "deep object": b'{"a":' * 500_000 + b"1" + b"}" * 500_000,
    "huge number": b'{"amount":' + b"9" * 1_000_000 + b"}",
    "huge exponent": b'{"amount":1e999999999}',
    "many keys": b"{" + b",".join(b'"%d":1' % number for number in range(100_000)) + b"}",
    "one key again and again": b"{" + b",".join([b'"type":"live_toggled"'] * 20_000) + b"}",
    "half a surrogate": b'{"type":"\\ud800"}',
}


class Ledger:
    """Records what happens to jobs."""

    def __init__(self) -> None:
        self.failed: list[tuple[str, EventRefused]] = []
        self.given_back: list[str] = []

    def acknowledge(self, job_ids: Sequence[str]) -> None:
        """See ``worker.batches.Acknowledges``."""

    def fail(self, job_id: str, error: EventRefused) -> None:
        """See ``worker.batches.Acknowledges``."""
        self.failed.append((job_id, error))

    def give_back(self, job_ids: Sequence[str]) -> None:
        """See ``worker.batches.Acknowledges``."""
        self.given_back += job_ids


def batches(ledger: Ledger) -> Batches:
    """Return batches with a gateway that stores nothing."""
    return Batches(Persister(Database()), ledger, Nowhere(), Breaker(500), patience=1)


def peak(call: Any) -> int:
    """Return the greatest number of bytes allocated during the call."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_bomb_is_not_unpacked() -> None:
    """39 kB that would unpack to 40 MB are refused, with little more memory than the limit."""

    def attempt() -> None:
        with pytest.raises(OversizedJob):
            unpack(BOMB)

    assert peak(attempt) < 3 * LARGEST


def test_what_is_no_bomb_is_unpacked_whole() -> None:
    """Data up to the limit is unpacked completely; text that is not compressed is left as it is."""
    for call in (b"", b"[]", b"x" * LARGEST):
        assert unpack(zlib.compress(call)) == unpack(call) == call
    with pytest.raises(OversizedJob):
        unpack(b"x" * (LARGEST + 1))
    with pytest.raises(OversizedJob):
        unpack(zlib.compress(b"x" * (LARGEST + 1)))


def test_a_batch_of_bombs_holds_one_at_a_time() -> None:
    """Each oversized job is refused with its reason, also one that was never read from Redis."""
    ledger = Ledger()
    claims = [Claim(str(number), BOMB) for number in range(20)]
    batch = Batch([*claims, Claim("unread", None)])
    assert peak(lambda: batches(ledger).send(batch)) < 5 * LARGEST
    assert [job_id for job_id, _ in ledger.failed] == [claim.job_id for claim in batch.claims]
    assert {type(error) for _, error in ledger.failed} == {OversizedJob}


def test_a_batch_weighs_no_more_than_it_may() -> None:
    """Jobs beyond the batch's limit of unpacked bytes are given back, in order."""
    ledger = Ledger()
    data = zlib.compress(CALL % (b'"' + b" " * 7_900_000 + b'"'))
    batch = Batch([Claim(str(number), data) for number in range(12)])
    batches(ledger).send(batch)
    taken = HEAVIEST // 7_900_000 + 1
    assert [job_id for job_id, _ in ledger.failed] == [str(number) for number in range(taken)]
    assert ledger.given_back == [str(number) for number in range(taken, 12)]


@pytest.mark.parametrize("text", ODD_JSON.values(), ids=ODD_JSON)
def test_odd_json_is_refused(text: bytes) -> None:
    """Unusual JSON is refused at every place of a call; `failures` shows what it can read of it."""
    for call in (CALL % text, b'["%s",null,[],{"payload":%s}]' % (FUNCTION.encode(), text), text):
        with pytest.raises(EventRefused):
            read(call)
        detail = failure.read("id", b"hash", [zlib.compress(call), None, b"9" * 5_000, b"\xb2"], [])
        assert str(detail.failure.reason)
        json.dumps(detail.failure.to_dict())


def test_countless_fields_are_refused_at_once() -> None:
    """An event with very many fields is refused by their number; an error for each costs seconds."""
    for text in (ODD_JSON["many keys"], b'{"items":[' + ODD_JSON["one key again and again"] + b"]}"):
        with pytest.raises(InvalidEvent, match="json: has an object of more than 64 fields"):
            parse_event(text)


def test_a_result_of_no_year_breaks_no_list() -> None:
    """An entry of a results stream with an impossible time does not break the list."""
    results = [(b"18446744073709551615-1", {b"type": b"2", b"exc_string": b"\xff"})]
    assert failure.read("id", b"hash", None, results).failure.failed_at is None


def test_an_event_of_countless_private_texts_costs_no_time() -> None:
    """If an event has too many private texts to mask, the whole foreign message is left out."""
    payload = {"user_id": [str(number) for number in range(500_000)]}
    reason = reasons.Reason.of("Traceback (most recent call last):\nValueError: 77 is bad", payload)
    assert "77" not in reason.words


class Restored(EventJob):
    """A job that needs no Redis."""

    def __init__(self, **fields: bytes) -> None:
        super().__init__("any id: at all", object())
        self.restore({name.encode(): value for name, value in fields.items()})


def test_a_stock_worker_refuses_a_bomb_and_keeps_it() -> None:
    """A stock worker refuses an oversized job, and writes its data back unchanged."""
    jobs: list[Restored] = []
    assert peak(lambda: jobs.append(Restored(data=BOMB, exc_info=BOMB))) < 3 * LARGEST
    with pytest.raises(OversizedJob):
        jobs[0].perform()
    assert jobs[0].to_dict()["data"] == BOMB


def test_one_bad_field_costs_that_field() -> None:
    """A field that RQ cannot read is left out; RQ itself would not read the job, and would end."""
    data = Call.of(LiveToggled(company_id="shop", enabled=True)).data.encode()
    job = Restored(
        data=data,
        status=b"\xff",
        timeout=b"never",
        created_at=b"?",
        origin=b"botlive",
        dependency_ids=b"[" * 100_000,
    )
    assert job.is_damaged
    assert (job.origin, job.func_name) == ("botlive", FUNCTION)
    assert not Restored(data=data, origin=b"botlive").is_damaged


@pytest.mark.parametrize("data", [b"", b"\x80\x05.", b"[" * 100_000, b'{"a":1}', b"null"])
def test_data_that_is_no_call_is_told(data: bytes) -> None:
    """Data that is not a call is refused with our reason, not with RQ's."""
    with pytest.raises(UndecodableJob):
        Restored(data=data).perform()


def test_a_failed_job_that_is_too_large_is_shown_without_its_call() -> None:
    """Its reason is shown like any other."""
    packed = zlib.compress(b" " * (LARGEST + 1))
    assert failure.read("id", b"hash", [packed, None, None, None], []).call == b""


def test_an_error_of_redis_while_failures_are_read_is_raised() -> None:
    """Only a key of the wrong type makes a job damaged; that access is denied must be said."""
    denied = ResponseError("NOPERM")
    with pytest.raises(ResponseError):
        readable(denied)
    assert readable(ResponseError("WRONGTYPE Operation against a key")) is None
