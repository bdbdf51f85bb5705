"""The files of `make contracts` are up to date and valid, and agree with the worker."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docs.generate import meanings
from docs.generate.files import HERE, contents
from docs.generate.schemas import CONTRACTS, name, newest, schema, type_of
from events import Event, InvalidEvent, LiveToggled, parse_event
from tests import strategies

_ROOT = Path(__file__).parents[2]
_DATA = _ROOT / "tests" / "data"
_DAYS = [_ROOT / "examples" / "day.ndjson", _DATA / "trading-day.ndjson"]
_JOBS = json.loads((_DATA / "jobs-v1.json").read_text(encoding="utf-8"))
_FILES = contents()


def _committed(path: str) -> str | None:
    file = HERE / path
    return file.read_text(encoding="utf-8") if file.exists() else None


def _is_uuid(text: str) -> bool:
    """Check the format `uuid`, which draft 7 does not have."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _validators(schemas: Iterable[dict[str, Any]]) -> dict[str, jsonschema_rs.Validator]:
    """Return a validator for each event type."""
    return {
        each["properties"]["type"]["const"]: jsonschema_rs.validator_for(
            each, validate_formats=True, formats={"uuid": _is_uuid}
        )
        for each in schemas
    }


_VALIDATORS = _validators(json.loads(_FILES[f"schemas/{name(contract)}.json"]) for contract in CONTRACTS)


def _admits(payload: Any) -> bool:
    validator = _VALIDATORS.get(str(payload.get("type"))) if isinstance(payload, dict) else None
    return validator is not None and validator.is_valid(payload)


def _is_read(line: bytes) -> bool:
    try:
        parse_event(line)
    except InvalidEvent:
        return False
    return True


@pytest.mark.parametrize("path", _FILES)
def test_what_is_committed_is_what_is_generated(path: str) -> None:
    """A commit that changes a contract or a handler also changes the generated files."""
    assert _committed(path) == _FILES[path], f"docs/{path} is out of date: run `make contracts` and commit it"


def test_every_version_has_its_schema_and_nothing_else_has_one() -> None:
    """Schemas of older versions stay; a removed type leaves no schema."""
    known = {f"{name(each, version)}.json" for each in CONTRACTS for version in range(1, newest(each) + 1)}
    assert {path.name for path in (HERE / "schemas").iterdir()} == known | {"asyncapi.json"}


@pytest.mark.parametrize("contract", CONTRACTS, ids=type_of)
def test_a_schema_is_a_json_schema(contract: type[Event]) -> None:
    """The schema is valid for its metaschema. It has examples, and all of them match it."""
    made = schema(contract)
    jsonschema_rs.meta.validate(made)
    assert made["examples"]
    assert all(map(_admits, made["examples"]))


def test_the_asyncapi_document_is_valid() -> None:
    """The document matches AsyncAPI's own JSON Schema, and the file of each payload exists."""
    rules = json.loads((_DATA / "asyncapi" / "3.0.0.json").read_text(encoding="utf-8"))
    document = json.loads(_FILES["schemas/asyncapi.json"])
    jsonschema_rs.validator_for(rules).validate(document)
    messages = document["components"]["messages"]
    assert [*messages] == [name(contract) for contract in CONTRACTS]
    for message in messages.values():
        assert (HERE / "schemas" / message["payload"]["schema"]["$ref"]).is_file()
        assert all(_admits(example["payload"]) for example in message["examples"])


@given(event=strategies.events(st.just("shop")))
def test_every_event_matches_its_schema(event: Event) -> None:
    """Every published event matches its schema."""
    _VALIDATORS[event.type].validate(event.content())


@pytest.mark.parametrize("job", _JOBS, ids=lambda job: job["id"][-3:])
def test_the_frozen_jobs_match_if_a_worker_reads_them(job: dict[str, Any]) -> None:
    """Jobs of the last release match, and the one that was published unchecked does not."""
    (payload,) = json.loads(job["job"]["data"])[2]
    assert _admits(payload) == (job["content_digest"] is not None)


@pytest.mark.parametrize("day", _DAYS, ids=lambda day: day.stem)
def test_schema_and_worker_agree_on_the_example_days(day: Path) -> None:
    """The schema refuses exactly the lines that the worker refuses."""
    lines = day.read_bytes().splitlines()
    assert [_admits(json.loads(line)) for line in lines] == [_is_read(line) for line in lines]


def test_the_schemas_refuse_every_bad_line() -> None:
    """The schemas refuse each bad line that is JSON."""
    admitted = []
    for number, line in enumerate((_DATA / "bad.ndjson").read_bytes().splitlines(), 1):
        try:
            payload = json.loads(line)
        except ValueError:
            continue
        if _admits(payload):
            admitted.append(number)
    assert admitted == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("company_id", ""),
        ("company_id", "x" * 129),
        ("company_id", "sh\0p"),
        ("user_id", 5),
        ("version", 2),
        ("version", True),
        ("occurred_at", "yesterday"),
        ("event_id", "5"),
        ("items", []),
        ("total_amount", "2000"),
        ("total_amount", True),
        ("total_amount", -1),
        ("zone", "x" * 1025),
        ("channel", "wave"),
        ("type", "live_toggled"),
    ],
)
def test_a_schema_refuses_what_the_worker_refuses(field: str, value: Any) -> None:
    """A good order with one wrong field (length, range, type or name) is refused by both."""
    (good,) = (event for event in schema(CONTRACTS[2])["examples"])
    assert _admits(good)
    wrong = {**good, field: value}
    assert not _is_read(json.dumps(wrong).encode())
    assert not _admits(wrong)


def test_private_fields_are_marked() -> None:
    """The marks follow the kinds of the fields, in the items of an order too."""
    order = schema(CONTRACTS[2])
    marked = {field for field, fact in order["properties"].items() if fact.get("x-private")}
    assert marked == {"key", "user_id", "customer_name", "items", "zone", "phone"}
    assert [
        field for field, fact in order["definitions"]["Item"]["properties"].items() if "x-private" in fact
    ] == ["name"]


def test_a_field_without_a_docstring_is_reported() -> None:
    """The error names the field and says where to add the docstring."""

    class _Refund(LiveToggled):
        why: str

    with pytest.raises(LookupError, match=r"_Refund.why has no docstring: add one under the field"):
        meanings.meaning(_Refund, "why")
    assert (
        meanings.meaning(_Refund, "enabled")
        == "True if the mode was switched on, false if it was switched off."
    )
