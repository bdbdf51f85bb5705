"""What the gateway answers when it cannot do what was asked.

Bodies, codes and statuses are those of PostgREST 14 (its documentation: "Errors").
"""

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import psycopg
from starlette.responses import Response

JSON_TYPE = "application/json; charset=utf-8"

_STATUS_BY_CODE = {
    "23503": 409,
    "23505": 409,
    "25006": 405,
    "42883": 404,
    "42P01": 404,
    "42P17": 500,
    "53400": 500,
    "57P01": 503,
    "P0001": 400,
}

_STATUS_BY_CLASS = {
    "08": 503,
    "09": 500,
    "0L": 403,
    "0P": 403,
    "25": 500,
    "28": 403,
    "2D": 500,
    "38": 500,
    "39": 500,
    "3B": 500,
    "40": 500,
    "53": 503,
    "54": 500,
    "55": 500,
    "57": 500,
    "58": 500,
    "F0": 500,
    "HV": 500,
    "P0": 500,
    "XX": 500,
}


@dataclass(eq=False)
class ApiError(Exception):
    """An answer that is an error: an HTTP status and PostgREST's four-key body."""

    status: int
    code: str
    message: str
    details: str | None = None
    hint: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, str | None]:
        """The four keys that clients of PostgREST read."""
        return {
            "code": self.code,
            "details": self.details,
            "hint": self.hint,
            "message": self.message,
        }

    def response(self) -> Response:
        """The HTTP answer; a 503 asks for a retry after one second, as PostgREST's first does."""
        headers = dict(self.headers)
        if self.code:
            headers["Proxy-Status"] = f"PostgREST; error={self.code}"
        if self.status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers["Retry-After"] = "1"
        return Response(encode(self.body), self.status, headers, media_type=JSON_TYPE)


def encode(value: object) -> bytes:
    """Compact JSON in UTF-8, as aeson writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def unsupported(what: str) -> ApiError:
    """A request that PostgREST would understand and this gateway does not."""
    return ApiError(501, "LOCAL501", f"the local gateway does not speak {what}")


def bad_query(kind: str, text: str, column: int, details: str) -> ApiError:
    """A query parameter that does not parse; `column` counts from 1."""
    message = f'"failed to parse {kind} ({text})" (line 1, column {column})'
    return ApiError(400, "PGRST100", message, details)


def bad_body(message: str) -> ApiError:
    """A request body that is no JSON, or not the JSON that is wanted."""
    return ApiError(400, "PGRST102", message)


def unauthorized(code: str, message: str, details: str | None = None) -> ApiError:
    """A refused token; the challenge repeats the message (RFC 6750)."""
    challenge = f'Bearer error="invalid_token", error_description={json.dumps(message)}'
    return ApiError(401, code, message, details, headers={"WWW-Authenticate": challenge})


def not_singular(rows: int) -> ApiError:
    """A single object was wanted and there are more or fewer rows."""
    details = f"The result contains {rows} rows"
    return ApiError(406, "PGRST116", "Cannot coerce the result to a single JSON object", details=details)


def no_connection(error: psycopg.Error) -> ApiError:
    """PostgreSQL does not take connections."""
    return ApiError(503, "PGRST000", "Database connection error.", details=str(error))


def pool_timeout() -> ApiError:
    """Every connection stayed busy for as long as a request may wait."""
    return ApiError(504, "PGRST003", "Timed out acquiring connection from connection pool.")


def from_postgres(error: psycopg.Error, *, authenticated: bool) -> ApiError:
    """Translate what PostgreSQL said; `authenticated` is false for the anonymous role."""
    code, message = error.sqlstate, error.diag.message_primary or ""
    if code is None:
        return ApiError(
            503, "PGRST001", "Database client error. Retrying the connection.", details=str(error)
        )
    if code == "PGRST":
        return _raised_response(message, error.diag.message_detail)
    status = _status(code, message, authenticated)
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    details, hint = error.diag.message_detail, error.diag.message_hint
    return ApiError(status, code, message, details=details, hint=hint, headers=headers)


def _status(code: str, message: str, authenticated: bool) -> int:
    if code == "42501":
        return 403 if authenticated else 401
    if code == "21000":
        return 400 if message.endswith("requires a WHERE clause") else 500
    if code == "22023" and message.startswith("role") and message.endswith("does not exist"):
        return 401
    if code.startswith("PT"):
        return _raised_status(code[2:])
    return _STATUS_BY_CODE.get(code) or _STATUS_BY_CLASS.get(code[:2], 400)


def _raised_status(digits: str) -> int:
    return int(digits) if digits.isdigit() and int(digits) >= HTTPStatus.OK else 500


def _raised_response(message: str, detail: str | None) -> ApiError:
    """`raise sqlstate 'PGRST'` hands over the whole answer as two JSON texts."""
    try:
        body: dict[str, Any] = json.loads(message)
        answer: dict[str, Any] = json.loads(detail or "")
        return ApiError(
            int(answer["status"]),
            str(body["code"]),
            str(body["message"]),
            details=body.get("details"),
            hint=body.get("hint"),
            headers=answer["headers"],
        )
    except (ValueError, KeyError, TypeError):
        return ApiError(500, "PGRST121", "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error")
