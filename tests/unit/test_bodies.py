"""Invalid bodies and paths give 400 or 422, never 500, and are never quoted."""

import asyncio
import json
from typing import Any

import pytest
from fastapi import HTTPException

from dashboard import Reader
from dashboard.bodies import StrictRequest, strict
from tests.application import PHONE, Host, problem

MANY = 100_000


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host application with a fake Supabase and a fake queue."""
    made = Host()
    monkeypatch.setattr(Reader, "from_env", made.reader)
    return made


def toggle(more: str = "", company: str = '"shop"', enable: str = "true") -> bytes:
    """Returns the body of a toggle, as text."""
    return f'{{"company_id":{company},"enable":{enable}{more}}}'.encode()


BAD = {
    "empty": (422, b""),
    "half": (422, b'{"company_id": "+2250700000000'),
    "a word": (422, b"nul"),
    "a BOM": (422, b"\xef\xbb\xbf" + toggle()),
    "no UTF-8": (400, b"\xff"),
    "half a letter": (400, toggle(company='"é"').replace(b"\xc3\xa9", b"\xc3")),
    "UTF-16": (400, toggle().decode().encode("utf-16")),
    "deep": (400, b"[" * MANY),
    "deep in a field": (400, toggle(company="[" * MANY + "]" * MANY)),
    "deep objects": (400, b'{"a":' * MANY + b"1" + b"}" * MANY),
    "a long number": (400, toggle(enable="9" * MANY)),
    "a long negative number": (400, toggle(company="-" + "9" * 5_000)),
    "a long unknown number": (400, toggle(f',"x":{"1" * 4_301}')),
    "NaN": (400, toggle(enable="NaN")),
    "Infinity": (400, toggle(company="Infinity")),
    "-Infinity": (400, toggle(more=',"x":-Infinity')),
    "twice": (400, toggle(company='"+2250700000000","company_id":"shop"')),
    "twice within": (400, toggle(more=',"x":{"a":1,"a":2}')),
    "a huge exponent": (422, toggle(enable="1e999999999")),
    "a tiny exponent": (422, toggle(company="1e-999999999")),
    "a long fraction": (422, toggle(enable="0." + "1" * MANY)),
    "half a pair": (422, toggle(company='"\\ud800"')),
    "half a pair as a name": (422, toggle(more=',"\\udfff":1')),
    "half a pair as a key": (422, toggle(more=',"key":"\\udc00"')),
    "a zero byte": (422, toggle(company='"a\\u0000"')),
    "rather deep": (422, toggle(more=',"x":' + "[" * 200 + "]" * 200)),
    "wide": (422, b"[" + b"0," * MANY + b"0]"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_body_is_the_callers_error(host: Host, kind: str) -> None:
    """An invalid body gives a problem document that quotes nothing; nothing is published or authorized."""
    status, body = BAD[kind]
    client = host.client()
    for content_type in ("application/json", "application/json; charset=utf-8", "application/x+json"):
        response = client.post("/toggle-live-mode", content=body, headers={"Content-Type": content_type})
        problem(response, status)
        assert PHONE not in response.text
        assert len(response.content) < 500
    assert host.used == []


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "a/b;c", ""])
@pytest.mark.parametrize("kind", ["deep", "a long number", "twice", "NaN", "no UTF-8"])
def test_nor_does_another_content_type_make_it_ours(host: Host, kind: str, content_type: str) -> None:
    """Another content type gives 400 or 422, also for a valid body."""
    client = host.client()
    for body in (BAD[kind][1], toggle()):
        response = client.post("/toggle-live-mode", content=body, headers={"Content-Type": content_type})
        assert response.status_code in {400, 422}
    assert host.used == []


PATHS: list[tuple[str, str]] = [
    ("/botlive/activity/\ud800", ""),
    ("/botlive/activity/\udcff", ""),
    ("/botlive/activity/a\0b", ""),
    ("/botlive/orders/active/" + "x" * MANY, ""),
    ("/botlive/activity/shop", "limit=" + "9" * MANY),
    ("/botlive/activity/shop", "limit=1e999999999"),
    ("/botlive/activity/shop", "limit=NaN"),
    ("/botlive/activity/shop", "limit=%ED%A0%80"),
    ("/botlive/activity/shop", "limit=0&limit=x"),
]


@pytest.mark.parametrize(("path", "query"), PATHS)
def test_a_bad_path_or_query_is_the_callers_error(host: Host, path: str, query: str) -> None:
    """An invalid path or query gives 422, also if it is not UTF-8."""
    answers: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        answers.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": query.encode(),
        "headers": [],
        "root_path": "",
    }
    asyncio.run(host.client().app(scope, receive, send))  # type: ignore[arg-type]
    assert answers[0]["status"] == 422
    assert host.used == []


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        ("deep", "nested too deeply"),
        ("a long number", "too long"),
        ("twice", "two values"),
        ("NaN", "not valid JSON"),
    ],
)
def test_what_is_wrong_is_said(kind: str, detail: str) -> None:
    """The error says what is wrong with the JSON, also for the host's own code."""
    with pytest.raises(HTTPException) as refused:
        strict(BAD[kind][1])
    assert (refused.value.status_code, detail in refused.value.detail) == (400, True)


def test_what_is_good_json_stays_as_it_is() -> None:
    """Valid JSON is parsed like ``json.loads`` does."""
    values: tuple[Any, ...] = ({"a": [1, 2.5, None, True, "é😀"], "b": {"a": {}}}, [], "x", -0.0, 10**4_000)
    for value in values:
        assert strict(json.dumps(value).encode()) == value
        assert strict(json.dumps(value, ensure_ascii=False).encode()) == value


def test_a_body_is_parsed_once() -> None:
    """The host's own code and the endpoint get the same object; the body can be read only once."""
    parts = iter([{"type": "http.request", "body": b'{"a": 1}'}])

    async def receive() -> Any:
        return next(parts)

    async def both() -> tuple[Any, Any]:
        request = StrictRequest({"type": "http"}, receive)
        return await request.json(), await request.json()

    first, second = asyncio.run(both())
    assert first == {"a": 1}
    assert first is second
