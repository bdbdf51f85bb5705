"""Returns errors as problem documents (RFC 9457), without internals and without data of the request."""

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
"""The default pause in seconds, if Supabase asked for none."""

_OUR_FIELDS = frozenset({"company_id", "enable", "limit"})

_log = logging.getLogger("botlive.dashboard")


class Problem(BaseModel):
    """A problem document."""

    type: str = Field(
        default="about:blank", description="Always about:blank: the status describes the problem"
    )
    title: str = Field(description="The status in words", examples=["Forbidden"])
    status: int = Field(description="The HTTP status", examples=[403])
    detail: str | None = Field(default=None, description="What is wrong with this request")
    errors: dict[str, str] | None = Field(
        default=None, description="The problem of each field", examples=[{"limit": "Field required"}]
    )


class ProblemRoute(APIRoute):
    """A route that returns errors as problem documents, regardless of the host's exception handlers."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler for the endpoint, its dependencies and its validation."""
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handler(StrictRequest(request.scope, request.receive))
            except RequestValidationError as error:
                return _invalid(error)
            except HTTPException as error:
                if error.status_code < HTTPStatus.BAD_REQUEST:
                    raise  # not an error: a redirect of the host
                return _refused(error)
            except BotliveError as error:
                return _unavailable(error)

        return answer


def documented(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """Return the problem responses of an endpoint for OpenAPI."""
    return {status.value: _document(status) for status in statuses}


def _document(status: HTTPStatus) -> dict[str, Any]:
    example = Problem(title=status.phrase, status=status).model_dump(exclude_none=True)
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema(), "example": example}}
    retry = {"description": "Seconds to wait before the next request", "schema": {"type": "integer"}}
    headers = {"Retry-After": retry} if status is HTTPStatus.SERVICE_UNAVAILABLE else {}
    return {"description": status.phrase, "content": content, "headers": headers}


def _invalid(error: RequestValidationError) -> Response:
    errors = dict(map(_field_and_problem, error.errors()))
    detail = "; ".join(f"{field}: {problem}" for field, problem in errors.items())
    return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=errors)


def _field_and_problem(detail: Mapping[str, Any]) -> tuple[str, str]:
    """Return the field and its problem. The name of an unknown field is not shown: the sender chose it."""
    place, *path = detail["loc"]
    field = path[0] if path and path[0] in _OUR_FIELDS else place
    # The message about a field of the host's own dependency may quote a value.
    return str(field), detail["msg"] if field in _OUR_FIELDS | {"body"} else "is not valid"


def _refused(error: HTTPException) -> Response:
    """Return the error of FastAPI or of the host's dependency."""
    detail = error.detail if isinstance(error.detail, str) else None
    return _problem(error.status_code, detail, error.headers)


def _unavailable(error: BotliveError) -> Response:
    """Return 503 and log the reason, because only the operator can fix it."""
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
    except ValueError:  # a non-standard status of the host
        return "Error"
