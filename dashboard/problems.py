"""Errors as problem documents (RFC 9457), without internals and without what was sent."""

import logging
import math
from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from dashboard.bodies import StrictRequest
from events import BotliveError
from gateway.errors import TransientFault

MEDIA_TYPE = "application/problem+json"

RETRY_AFTER = 5
"""Seconds, where Supabase asked for no other pause."""

_OURS = frozenset({"company_id", "enable", "limit"})

_log = logging.getLogger("botlive.dashboard")


class Problem(BaseModel):
    """What went wrong."""

    type: str = Field(default="about:blank", description="Nothing beyond the status")
    title: str = Field(description="The status in words", examples=["Forbidden"])
    status: int = Field(description="The HTTP status", examples=[403])
    detail: str | None = Field(default=None, description="What is wrong with this request")
    errors: dict[str, str] | None = Field(
        default=None, description="By field: what is wrong with it", examples=[{"limit": "Field required"}]
    )


class ProblemRoute(APIRoute):
    """A route whose errors are problem documents, whatever handlers the host's application has."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The endpoint, its dependencies and its validation."""
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handler(StrictRequest(request.scope, request.receive))
            except RequestValidationError as error:
                return _invalid(error)
            except HTTPException as error:
                if error.status_code < HTTPStatus.BAD_REQUEST:
                    raise  # no error: a redirect of the host's
                return _refused(error)
            except BotliveError as error:
                return _unavailable(error)

        return answer


def documented(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """The problems that an endpoint may answer with, for OpenAPI."""
    return {status.value: _document(status) for status in statuses}


def _document(status: HTTPStatus) -> dict[str, Any]:
    example = Problem(title=status.phrase, status=status).model_dump(exclude_none=True)
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema(), "example": example}}
    retry = {"description": "Seconds until it is worth asking again", "schema": {"type": "integer"}}
    headers = {"Retry-After": retry} if status is HTTPStatus.SERVICE_UNAVAILABLE else {}
    return {"description": status.phrase, "content": content, "headers": headers}


def _invalid(error: RequestValidationError) -> Response:
    errors = dict(map(_field_and_words, error.errors()))
    detail = "; ".join(f"{field}: {words}" for field, words in errors.items())
    return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=errors)


def _field_and_words(detail: Mapping[str, Any]) -> tuple[str, str]:
    """Names are repeated only where they are ours: an unknown field's is the sender's text."""
    place, *path = detail["loc"]
    field = path[0] if path and path[0] in _OURS else place
    # Of what the host's dependency reads, nobody knows whether its words quote a value.
    return str(field), detail["msg"] if field in _OURS | {"body"} else "is not valid"


def _refused(error: HTTPException) -> Response:
    """As FastAPI or the host's dependency said it."""
    detail = error.detail if isinstance(error.detail, str) else None
    return _problem(error.status_code, detail, error.headers)


def _unavailable(error: BotliveError) -> Response:
    """Why is for the log: its reader can mend it, the caller can only come again."""
    _log.error("%s: %s", type(error).__name__, error)
    asked = error.retry_after if isinstance(error, TransientFault) else None
    headers = {"Retry-After": str(math.ceil(asked or RETRY_AFTER))}
    return _problem(HTTPStatus.SERVICE_UNAVAILABLE, "temporarily unavailable, try again later", headers)


def _problem(
    status: int, detail: str | None, headers: Mapping[str, str] | None = None, **members: Any
) -> Response:
    problem = Problem(title=_title(status), status=status, detail=detail, **members)
    content = problem.model_dump(exclude_none=True)
    return JSONResponse(content, status, headers, media_type=MEDIA_TYPE)


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:  # a status of the host's own
        return "Error"
