"""The router against its own OpenAPI description: requests that fit it and requests that do not."""

import json
from typing import Any
from uuid import UUID

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
)

from dashboard import Reader
from dashboard.api import router
from events import Event, Publisher
from tests.application import allow

pytestmark = pytest.mark.slow

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
HAND_MADE: list[dict[str, Any]] = [{"customer_name": None, "metadata": []}, {"items": {}, "title": 5}]


class Accepting(Publisher):
    """A queue that takes everything."""

    def __init__(self) -> None:
        pass

    async def apublish(self, event: Event) -> UUID:
        """Taken."""
        return event.event_id


def supabase(request: httpx.Request) -> httpx.Response:
    """Knows only companies whose id is short, and has rows that were made by hand."""
    known = len(json.loads(request.content)["text_id"]) < 5
    return httpx.Response(200, content=json.dumps(HAND_MADE if known else None))


@pytest.fixture(autouse=True)
def _reader(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = httpx.MockTransport(supabase)
    monkeypatch.setattr(Reader, "from_env", lambda: Reader("http://supabase", "key", transport=transport))


def described(**arguments: Any) -> schemathesis.BaseSchema:
    """The description of an application that mounts the router so."""
    app = FastAPI()
    app.include_router(router(publisher=Accepting(), **arguments))
    return schemathesis.openapi.from_asgi("/openapi.json", app)


bounded = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
opened = described(authorize=allow)
closed = described()


@opened.parametrize()
@bounded
def test_with_authorization(case: schemathesis.Case[Any]) -> None:
    """No server error, every answer is one that the description has, and what it forbids is refused."""
    case.call_and_validate(checks=[*CHECKS, negative_data_rejection])


@closed.parametrize()
@bounded
def test_without_authorization(case: schemathesis.Case[Any]) -> None:
    """The same where everything is refused; and everything is."""
    response = case.call_and_validate(checks=CHECKS)
    assert response.status_code >= 400
