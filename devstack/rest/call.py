"""One request: who calls, what the answer should look like, and the answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple

from pydantic_core import from_json
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from devstack.rest.auth import Caller
from devstack.rest.database import Answer, Database, Statement
from devstack.rest.errors import JSON_TYPE, ApiError, unsupported

_OBJECT = "application/vnd.pgrst.object+json"
_MEDIA_TYPES = {"*/*", "application/json", _OBJECT}
_COUNT, _REPRESENTATION = "count=exact", "return=representation"
# PostgREST ignores `tx=` unless it is configured to allow it.
_PREFERENCES = {_COUNT, _REPRESENTATION, "return=minimal", "tx=rollback"}


class Wishes(NamedTuple):
    """What the headers ask for."""

    single: bool
    """One object, not an array."""
    counted: bool
    """The number of all matching rows."""
    representation: bool
    """The rows that a write changed."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request on its way through the stand-in."""

    request: Request
    caller: Caller
    wishes: Wishes
    database: Database

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The decoded pairs of the query string."""
        return self.request.query_params.multi_items()

    async def document(self, empty: bytes = b"") -> tuple[str, Any]:
        """Return the body as JSON text and as its value. The text goes to PostgreSQL as it came.

        ``empty`` is what stands for no body.
        """
        media_type = self.request.headers.get("content-type", "application/json")
        if media_type.partition(";")[0] != "application/json":
            raise unsupported("bodies that are not application/json")
        body = await self.request.body() or empty
        try:
            return body.decode(), from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise ApiError(400, "PGRST102", "Empty or invalid json") from error

    async def run(self, statement: Statement) -> Answer:
        """Run the statement as the caller."""
        return await self.database.run(statement, self.caller, self.request)

    def response(self, status: int, answer: Answer, first: int | None = None) -> Response:
        """Return the HTTP answer; ``first`` is the position of its first row, where rows were read."""
        place = f"{first}-{first + answer.rows - 1}" if answer.rows and first is not None else "*"
        total = answer.total if self.wishes.counted and answer.total is not None else "*"
        headers = {"Content-Range": f"{place}/{total}"}
        if status == HTTPStatus.NO_CONTENT or answer.body is None:
            return Response(status_code=status, headers=headers)
        body = answer.body[1:-1] if self.wishes.single else answer.body
        media_type = f"{_OBJECT}; charset=utf-8" if self.wishes.single else JSON_TYPE
        content = "" if self.request.method == "HEAD" else body
        return Response(content, status, headers | {"Content-Type": media_type})


def wishes(headers: Headers) -> Wishes:
    """Read the headers.

    Raises:
        ApiError: they ask for another schema, or for something that the stand-in does not support.
    """
    _check_schema(headers)
    if "range" in headers:
        raise unsupported("the Range header")
    preferences, accepted = _words(headers, "prefer"), _words(headers, "accept") or ["*/*"]
    for unknown in {*preferences} - _PREFERENCES:
        raise unsupported(f"Prefer: {unknown}")
    if accepted[0] not in _MEDIA_TYPES:
        raise unsupported(f"Accept: {accepted[0]}")
    return Wishes(accepted[0] == _OBJECT, _COUNT in preferences, _REPRESENTATION in preferences)


def _check_schema(headers: Mapping[str, str]) -> None:
    schema = headers.get("accept-profile") or headers.get("content-profile") or "public"
    if schema != "public":
        hint = "Only the following schemas are exposed: public"
        raise ApiError(406, "PGRST106", f"Invalid schema: {schema}", hint=hint)


def _words(headers: Headers, name: str) -> list[str]:
    return [word.strip() for line in headers.getlist(name) for word in line.split(",") if word.strip()]
