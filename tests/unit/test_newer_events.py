"""Compatibility: an older worker with a newer event, and a newer worker with an older event."""

import json
from pathlib import Path
from typing import Any, Self

import jsonschema_rs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from docs.generate.schemas import CONTRACTS, name, schema, type_of
from events import Event
from events.contracts import PaymentValidated
from gateway.errors import EventRefused, NewerEvent
from gateway.release import release
from handlers import rows
from operations.failed.reason import Reason
from tests import strategies
from worker import decode

_DATA = Path(__file__).parents[1] / "data"
_JOBS: list[dict[str, Any]] = json.loads((_DATA / "jobs-v1.json").read_text(encoding="utf-8"))
_SCHEMAS: dict[str, Any] = json.loads((_DATA / "schemas-v1.json").read_text(encoding="utf-8"))
_PAYMENT = json.loads(_JOBS[0]["job"]["data"])[2][0]
_NEXT = {**_PAYMENT, "version": 2, "channel": "wave", "reference": "123"}


class NextPayment(PaymentValidated):
    """A payment of a later release. Version 1 has the channel in `reference`, version 2 in its own field."""

    version: int = 2
    channel: str | None = None
    """The payment operator. Version 1 has it at the start of the reference."""

    def upcast(self) -> Self:
        """Return version 2, with the channel in its own field."""
        if self.version == 2:
            return self
        channel, _, reference = self.reference.partition("-")
        return self.model_copy(update={"version": 2, "channel": channel.lower(), "reference": reference})


def _refusal(**fields: Any) -> EventRefused:
    call = json.dumps(["worker.job.persist", None, [{**_PAYMENT, **fields}], {}]).encode()
    with pytest.raises(EventRefused) as refused:
        decode.read(call)
    return refused.value


@pytest.mark.parametrize("job", _JOBS, ids=lambda job: job["id"][-3:])
def test_jobs_of_version_1_are_read(job: dict[str, Any]) -> None:
    """Jobs of release 0.2.0 are read, and their digests are unchanged, because the inbox compares them."""
    call = job["job"]["data"].encode()
    if job["content_digest"] is None:  # published unchecked
        with pytest.raises(EventRefused, match="total_amount: must be a number"):
            decode.read(call)
    else:
        event = decode.read(call)
        assert (str(event.event_id), event.digest()) == (job["id"], job["content_digest"])


@pytest.mark.parametrize(
    "fields",
    [
        {"version": 2},
        {"version": 2, "amount": {"value": 2000}, "channel": "wave"},
        {"type": "invented_by_a_later_release"},
    ],
)
def test_another_version_or_type_asks_for_an_upgrade(fields: dict[str, Any]) -> None:
    """A newer version or type asks for an upgrade, not for a correction, and is listed as NewerEvent."""
    refusal = _refusal(**fields)
    assert isinstance(refusal, NewerEvent)
    assert f"a newer release than this worker ({release()})" in str(refusal)
    assert "upgrade the worker, then run `botlive failures replay --reason NewerEvent`" in str(refusal)
    assert "\n" not in str(refusal)
    assert Reason.of(refusal.report).error == "NewerEvent"


def test_an_unknown_field_is_a_newer_releases_or_a_mistake() -> None:
    """An unknown field comes from a newer release or from a wrong call; the message has both solutions."""
    refusal = _refusal(channel="wave")
    assert isinstance(refusal, NewerEvent)
    assert "upgrade the worker" in str(refusal)
    assert "`botlive failures edit ID --unset channel`" in str(refusal)
    assert "wave" not in str(refusal)


@pytest.mark.parametrize(
    "fields",
    [
        {"version": 0},
        {"version": True},
        {"version": "2"},
        {"type": "+2250700000000"},
        {"type": 5},
        {"+2250700000000": 1},
        {"channel": "wave", "amount": "2 000"},
    ],
)
def test_what_no_release_writes_asks_for_a_correction(fields: dict[str, Any]) -> None:
    """An invalid version, an invalid name or a wrong known field asks for a correction."""
    assert type(_refusal(**fields)) is EventRefused


def test_a_class_reads_its_older_versions() -> None:
    """A class reads its older versions, uses the newest by default and refuses newer ones."""
    assert NextPayment.model_validate(_PAYMENT).version == 1
    assert NextPayment.model_validate(_NEXT).channel == "wave"
    with pytest.raises(ValueError, match="must be 1 to 2"):
        NextPayment.model_validate({**_PAYMENT, "version": 3})


def test_a_new_optional_field_changes_no_digest() -> None:
    """A new optional field changes no digest, so an older event stays a duplicate after the upgrade."""
    assert NextPayment.model_validate(_PAYMENT).digest() == _JOBS[0]["content_digest"]


def test_a_handler_reads_the_newest_version_only() -> None:
    """A handler reads version 1 after its upcast, and makes the same row as for version 2."""
    older, newer = NextPayment.model_validate(_PAYMENT), NextPayment.model_validate(_NEXT)
    assert older.reference == "WAVE-123"
    assert rows(older) == rows(newer)
    assert rows(newer).activity["metadata"]["channel"] == "wave"
    assert older.upcast() == newer.upcast() == newer


def test_an_upcast_changes_no_digest() -> None:
    """The digest is that of the published version, so a redelivery of version 1 stays a duplicate."""
    older = NextPayment.model_validate(_PAYMENT)
    rows(older)
    assert older.digest() == _JOBS[0]["content_digest"]
    assert older.content() == _PAYMENT


def test_a_new_version_has_a_schema_of_its_own() -> None:
    """The schema of a version accepts only events of that version."""
    made = schema(NextPayment)
    assert name(NextPayment) == "payment_validated.v2"
    assert name(NextPayment, 1) == "payment_validated.v1"
    assert jsonschema_rs.is_valid(made, _NEXT)
    assert not jsonschema_rs.is_valid(made, _PAYMENT)
    assert not jsonschema_rs.is_valid(_SCHEMAS["payment_validated"], _NEXT)


def _as_published_then(payload: dict[str, Any]) -> dict[str, Any]:
    """Remove optional fields that were added later: chats use them only after the workers' upgrade."""
    then, now = _SCHEMAS[payload["type"]], schema(_CONTRACTS[payload["type"]])
    return {
        field: value for field, value in payload.items() if field in {*then["properties"], *now["required"]}
    }


# A type that was added later has no frozen schema.
_CONTRACTS = {type_of(contract): contract for contract in CONTRACTS if type_of(contract) in _SCHEMAS}


@pytest.mark.slow
@given(event=strategies.events(st.just("shop")))
def test_a_worker_of_0_2_reads_what_is_published_today(event: Event) -> None:
    """Events of today match the frozen schemas of release 0.2."""
    assume(event.type in _SCHEMAS)
    jsonschema_rs.validate(_SCHEMAS[event.type], _as_published_then(event.content()))


@pytest.mark.parametrize("contract", _CONTRACTS.values(), ids=type_of)
def test_nothing_that_0_2_published_is_refused_today(contract: type[Event]) -> None:
    """No field was renamed, removed, made required or narrowed: `docs/changing-an-event.md`, rule 4."""
    then, now = _SCHEMAS[type_of(contract)], schema(contract)
    assert {*now["required"]} <= {*then["required"]}
    assert {*then["properties"]} <= {*now["properties"]}
    for field, former in then["properties"].items():
        if field != "version":
            assert _narrowed(former, now["properties"][field]) == set(), field


def _narrowed(then: dict[str, Any], now: dict[str, Any]) -> set[str]:
    """Return the names of the limits that are tighter now."""
    least = {
        limit for limit in now if limit.startswith("min") and now[limit] > then.get(limit, now[limit] - 1)
    }
    most = {
        limit for limit in now if limit.startswith("max") and now[limit] < then.get(limit, now[limit] + 1)
    }
    others = {
        limit for limit in ("type", "format", "pattern", "const", "$ref") if now.get(limit) != then.get(limit)
    }
    enums = {"enum"} if not {*then.get("enum", [])} <= {*now.get("enum", [])} else set()
    inner = [*zip(then.get("anyOf", []), now.get("anyOf", []), strict=True)]
    inner += [(then["items"], now["items"])] if "items" in then else []
    return least.union(most, others, enums, *(_narrowed(*pair) for pair in inner))


def test_the_comparison_finds_tighter_limits() -> None:
    """It finds tighter limits, types, enums and elements, and accepts wider ones."""
    former = {"type": "array", "maxItems": 5, "items": {"type": "string", "minLength": 1, "enum": ["a", "b"]}}
    assert _narrowed(former, {**former, "maxItems": 6}) == set()
    assert _narrowed(former, {**former, "maxItems": 4}) == {"maxItems"}
    assert _narrowed(former, {**former, "type": "string"}) == {"type"}
    assert _narrowed(former, {**former, "items": {**former["items"], "minLength": 2}}) == {"minLength"}  # type: ignore[dict-item]
    assert _narrowed(former, {**former, "items": {**former["items"], "enum": ["a"]}}) == {"enum"}  # type: ignore[dict-item]
