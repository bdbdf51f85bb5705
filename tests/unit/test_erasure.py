"""The event of an erased customer: no private text stays, and a valid event stays valid."""

import json
from collections import Counter
from contextlib import nullcontext
from typing import Any

import fakeredis
import pytest

from events import AnyEvent, parse_event
from events.privacy import private_fields
from events.publishing.call import Call
from operations import cli
from operations.erasure.event import is_of, without_person
from operations.failed.job import payload
from tests.make import PHONE, every_type, order, payment

TYPES = [event for event in every_type() if event.type != "live_toggled"]


def masked(call: str | bytes) -> Any:
    """Return the event of the call without the customer."""
    call = call.encode() if isinstance(call, str) else call
    return payload(without_person(PHONE, call))


@pytest.mark.parametrize("event", TYPES, ids=lambda event: event.type)
def test_a_valid_event_stays_valid_with_its_identity_and_amounts(event: AnyEvent) -> None:
    """Only private fields change."""
    before = json.loads(event.model_dump_json(exclude_none=True))
    after = masked(Call.of(event).data)
    parse_event(json.dumps(after))
    public = before.keys() - private_fields()
    assert {name: after[name] for name in public} == {name: before[name] for name in public}
    assert {after[name] for name in before.keys() & private_fields() - {"items"}} == {"***"}
    assert [{**item, "name": "***"} for item in before.get("items", [])] == after.get("items", [])


def test_nothing_leads_back_to_the_customer() -> None:
    """The key and the conversation go; the id that was made of the key stays."""
    event = payment(key=f"wamid-{PHONE}", conversation_id="6f1f64f1-33f5-4d61-8a4c-0a2ac2a3c4ab")
    after = masked(Call.of(event).data)
    assert not {"key", "conversation_id"} & after.keys()
    assert parse_event(json.dumps(after)).event_id == event.event_id


def test_an_event_that_fits_no_contract_is_masked_too() -> None:
    """Unknown fields and values of the wrong shape hide nothing, and the event stays as invalid as it was."""
    call = Call.unchecked(
        None,
        "payment_validated",
        {
            "user_id": PHONE,
            "company_id": "café",
            "client": {"name": "Awa"},
            "amount": f"2000 by {PHONE}",
            "items": "Awa",
            "amended": [PHONE, "message"],
            "detected_amount": [PHONE],
            "required_amount": 5,
        },
    )
    after = masked(call.data)
    shown = {name: after[name] for name in after.keys() - {"event_id", "occurred_at", "type", "version"}}
    assert shown == {
        "user_id": "***",
        "company_id": "café",
        "client": "***",
        "amount": "***",
        "items": "***",
        "amended": ["***", "message"],
        "detected_amount": "***",
        "required_amount": 5,
    }


def test_the_claim_script_still_finds_the_company() -> None:
    """The call is written as the publisher writes it, with the letters of the company as they are."""
    call = without_person(PHONE, Call.of(order("café")).data.encode())
    assert '"company_id":"café"'.encode() in call


def test_an_event_in_keyword_arguments_is_masked() -> None:
    """RQ may pass the event by its name."""
    call = json.dumps(["worker.job.persist", None, [], {"payload": {"user_id": PHONE}}]).encode()
    assert is_of(PHONE, call)
    assert masked(call) == {"user_id": "***"}


@pytest.mark.parametrize(
    "call",
    [b"", b"x", b"[]", b'["f", null, ["x"], {}]', Call.of(order(user_id="+2250700000009")).data.encode()],
)
def test_the_event_of_another_person_is_left(call: bytes) -> None:
    """Only the event's own customer counts."""
    assert not is_of(PHONE, call)


@pytest.mark.parametrize(("found", "is_told"), [({}, True), ({"orders": 1}, False)])
def test_an_id_that_finds_nothing_is_told(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    found: dict[str, int],
    is_told: bool,
) -> None:
    """A number that is typed in another form than in the events must not look like an erasure."""
    command = "operations.commands.erase"
    server = fakeredis.FakeStrictRedis(server=fakeredis.FakeServer())
    monkeypatch.setattr("redis.Redis.from_url", lambda *_, **__: server)
    monkeypatch.setattr(f"{command}.connect", lambda _: nullcontext())
    monkeypatch.setattr(f"{command}.Tables", lambda *_: None)
    monkeypatch.setattr(f"{command}._Erasure.run", lambda _, **__: Counter(found))
    monkeypatch.setenv("DATABASE_URL", "postgresql://nowhere")
    with pytest.raises(SystemExit):
        cli.main(["erase", "--dry-run", PHONE])
    assert ("nothing was found" in capsys.readouterr().err) is is_told
