"""``botlive failures edit`` on real servers: an event is corrected, checked and replayed, with a note."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest

import dropin
from events import PaymentValidated, parse_event
from operations.errors import EditRefused
from operations.failed.correction import Change
from operations.failed.edits import Edits
from tests.integration.line import BIN, Line
from tests.integration.test_failures import failures, listed, stock_worker, unknown
from tests.make import PHONE
from tests.replies import text

pytestmark = pytest.mark.slow

_WRONG = "12 000 FCFA"
_KEY = "wamid.1"


def pay(line: Line, company_id: str, amount: Any = _WRONG, key: str | None = _KEY) -> str:
    """Make a payment whose amount is a text, in the failed registry or on the queue; return its id."""
    dropin.use(line.publisher)
    try:
        asyncio.run(dropin.log_payment_validated(company_id, PHONE, amount, "WAVE-1", key=key))
    finally:
        dropin.use(None)
    job_ids: list[str] = [*line.queue.get_job_ids(), *line.queue.failed_job_registry.get_job_ids()]
    return job_ids[-1]


def activities(line: Line, uuid: Any) -> list[tuple[str, Any]]:
    """Return the ids and amounts of a shop's payments in the tables."""
    return [(str(key), row["metadata"]["amount"]) for key, row in line.rows([uuid]).activities.items()]


@pytest.mark.parametrize("key", [_KEY, None])
def test_an_amount_that_came_as_text_is_corrected(line: Line, key: str | None) -> None:
    """The list shows the cure; the corrected event is persisted under its own id."""
    company_id, uuid = line.shop()
    job_id = pay(line, company_id, key=key)
    line.work()
    reason = listed(line)[job_id]["reason"]
    assert "amount: must be a number" in reason
    assert "`botlive failures edit --set FIELD=VALUE -- ID`" in reason
    said = failures(line, "edit", job_id, "--set", "amount=12000").stdout
    assert said == f"edited and replayed {job_id}: amount\n"
    assert listed(line) == {}
    line.work()
    assert activities(line, uuid) == [(job_id, 12000)]
    assert line.redis.keys(f"rq:*{job_id}*") == []


def test_a_stock_worker_runs_what_was_edited(line: Line) -> None:
    """A stock worker can run an edited job."""
    company_id, uuid = line.shop()
    job_id = pay(line, company_id)
    line.work()
    failures(line, "edit", job_id, "--set", "amount=12000")
    stock_worker(line)
    assert activities(line, uuid) == [(job_id, 12000)]


def test_the_note_tells_what_was_edited_and_when(line: Line) -> None:
    """`show` has fields and time of an edit, and with --payload the old values, also after success."""
    company_id = f"flow-{uuid4()}"
    job_id = pay(line, company_id)
    line.work()
    failures(line, "edit", job_id, "--set", "amount=12000", "--set", "reference=WAVE-2")
    line.work()
    shown = failures(line, "show", job_id).stdout
    assert "reason: UnknownCompany" in shown
    (edited,) = (text for text in shown.splitlines() if text.startswith("edited: "))
    assert edited.endswith("+00:00 amount, reference")
    assert _WRONG not in shown
    assert "WAVE" not in shown
    whole = failures(line, "show", job_id, "--payload").stdout
    assert '{"amount": "12 000 FCFA", "reference": "WAVE-1"}' in whole
    assert json.loads(whole[whole.index("{\n") :])["amount"] == 12000
    line.shop(company_id)
    failures(line, "replay", job_id)
    line.work()
    gone = failures(line, "show", job_id, "--payload", code=1)
    assert '{"amount": "12 000 FCFA", "reference": "WAVE-1"}' in gone.stdout
    assert "is not in the failed registry" in gone.stderr


def test_what_does_not_fit_changes_nothing(line: Line) -> None:
    """A refused edit names the field, leaves the job unchanged, and makes no note."""
    company_id, _ = line.shop()
    job_id = pay(line, company_id)
    line.work()
    before = line.redis.hgetall(f"rq:job:{job_id}")
    refused = failures(line, "edit", job_id, "--set", "amount=12 001", code=1)
    assert refused.stderr.startswith(
        "not edited: the event would not fit its contract: amount: must be a number"
    )
    assert "12 001" not in refused.stderr
    assert failures(line, "edit", job_id, "--set", "event_id=x", code=1).stderr.startswith("event_id: ")
    assert failures(line, "edit", job_id, code=2).stdout == ""
    assert line.redis.hgetall(f"rq:job:{job_id}") == before
    assert listed(line).keys() == {job_id}
    assert "edited" not in failures(line, "show", job_id).stdout


def test_what_is_not_there_cannot_be_edited(line: Line) -> None:
    """Unknown ids, waiting jobs, lost jobs and jobs without an event are refused, each with its reason."""
    company_id, _ = line.shop()
    waits = pay(line, company_id)
    for job_id in ("absent", waits, "\x1b"):
        assert (
            "is not in the failed registry" in failures(line, "edit", job_id, "--set", "a=1", code=1).stderr
        )
    line.work()
    line.redis.hset(f"rq:job:{waits}", "data", b"\x80 no json")
    assert "it cannot be edited, discard it" in failures(line, "edit", waits, "--set", "a=1", code=1).stderr
    line.redis.delete(f"rq:job:{waits}")
    assert "cannot be edited" in failures(line, "edit", waits, "--set", "a=1", code=1).stderr
    line.redis.set(f"rq:job:{waits}", "x")
    assert "no longer exists in Redis" in failures(line, "edit", waits, "--set", "a=1", code=1).stderr


def test_two_edits_at_once_are_one(line: Line) -> None:
    """Of concurrent edits one succeeds and the others are refused; the event is replayed once."""
    company_id, uuid = line.shop()
    job_id = pay(line, company_id)
    line.work()

    def edit(amount: int) -> int:
        with suppress(EditRefused):
            Edits(line.redis, line.name).edit(job_id, [Change("amount", amount)])
            return amount
        return 0

    with ThreadPoolExecutor(8) as pool:
        (won,) = filter(None, pool.map(edit, range(1, 9)))
    assert line.queue.get_job_ids() == [job_id]
    assert len(Edits(line.redis, line.name).notes(job_id)) == 1
    line.work()
    assert activities(line, uuid) == [(job_id, won)]


def test_an_edit_that_was_overtaken_is_refused(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edit is refused if somebody else has changed the job since it was read."""
    company_id, _ = line.shop()
    job_id = pay(line, company_id)
    line.work()
    edits = Edits(line.redis, line.name)
    seen = edits._data(job_id)
    line.redis.hset(f"rq:job:{job_id}", "data", seen.replace(b"x", b"y", 1) + b" ")
    monkeypatch.setattr(edits, "_data", lambda _: seen)
    with pytest.raises(EditRefused, match="somebody else has just edited it"):
        edits.edit(job_id, [Change("amount", 5)])
    assert listed(line).keys() == {job_id}


def test_an_edit_that_a_replay_overtook_is_refused(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edit is refused if the job was replayed in the meantime."""
    company_id, _ = line.shop()
    job_id = pay(line, company_id)
    line.work()
    edits = Edits(line.redis, line.name)
    seen = edits._data(job_id)
    failures(line, "replay", job_id)
    monkeypatch.setattr(edits, "_data", lambda _: seen)
    with pytest.raises(EditRefused, match="is not in the failed registry"):
        edits.edit(job_id, [Change("amount", 5)])
    assert line.queue.get_job_ids() == [job_id]
    assert line.redis.hget(f"rq:job:{job_id}", "data") == seen


def test_the_original_delivered_again_undoes_no_edit(line: Line) -> None:
    """The original published again does not undo an edit, while the job waits or has failed again."""
    company_id = f"flow-{uuid4()}"
    job_id = pay(line, company_id)
    line.work()
    failures(line, "edit", job_id, "--set", "amount=12000")
    assert pay(line, company_id) == job_id
    assert len(line.queue) == 1
    line.work()
    assert [found["error"] for found in listed(line).values()] == ["UnknownCompany"]
    _, uuid = line.shop(company_id)
    assert pay(line, company_id) == job_id
    line.work()
    assert activities(line, uuid) == [(job_id, 12000)]
    assert listed(line) == {}


def test_the_original_delivered_after_the_edited_one_is_persisted(line: Line) -> None:
    """After the edited event is persisted, the original is refused visibly and the row stays."""
    company_id, uuid = line.shop()
    job_id = pay(line, company_id)
    line.work()
    failures(line, "edit", job_id, "--set", "amount=12000")
    line.work()
    assert pay(line, company_id) == job_id
    line.work()
    assert "amount: must be a number" in listed(line)[job_id]["reason"]
    assert activities(line, uuid) == [(job_id, 12000)]
    failures(line, "edit", job_id, "--set", "amount=12000")
    line.work()
    assert listed(line) == {}
    assert activities(line, uuid) == [(job_id, 12000)]


def test_the_chats_own_correction_is_the_same_event(line: Line) -> None:
    """A correction by the chat, under the same key, and one by a person make one row."""
    company_id, uuid = line.shop()
    job_id = pay(line, company_id)
    line.work()
    failures(line, "edit", job_id, "--set", "amount=12000")
    pay(line, company_id, 12000)
    line.work()
    assert activities(line, uuid) == [(job_id, 12000)]
    assert listed(line) == {}


def test_a_good_event_is_edited_too(line: Line) -> None:
    """An event that failed for another reason can be edited too, its items by their numbers."""
    company_id = f"flow-{uuid4()}"
    event = unknown(company_id)
    line.publisher.publish(event)
    line.work()
    failures(line, "edit", str(event.event_id), "--set", "items.0.price=500", "--set", "total_amount=500")
    _, uuid = line.shop(company_id)
    line.work()
    (row,) = line.rows([uuid]).orders.values()
    assert (row["total_amount"], row["items"][0]["price"]) == (500, 500)
    assert row["created_at"] == event.occurred_at


def test_the_edit_is_logged_without_values(line: Line) -> None:
    """The log has the edit and its fields, without values."""
    company_id, _ = line.shop()
    job_id = pay(line, company_id)
    line.work()
    done = line.run(str(BIN / "botlive"), "failures", "edit", job_id, "--set", "amount=12000")
    assert done.returncode == 0, done.stderr
    (said,) = (json.loads(text) for text in done.stderr.splitlines() if '"edited"' in text)
    assert (said["event_id"], said["fields"]) == (job_id, ["amount"])
    assert "12000" not in done.stderr
    assert PHONE not in done.stdout + done.stderr
    (data,) = line.redis.hmget(f"rq:job:{job_id}", "data")
    event = parse_event(json.dumps(json.loads(text(data))[2][0]))
    assert isinstance(event, PaymentValidated)
    assert event.amount == 12000
