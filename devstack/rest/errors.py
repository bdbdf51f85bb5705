"""Error answers with the bodies, codes and statuses of PostgREST 14 (its documentation: "Errors")."""

import json
from dataclasses import dataclass, field
from http import HTTPStatus

import psycopg
from starlette.responses import Response

JSON_TYPE = "application/json; charset=utf-8"

_STATUSES = {  # by SQLSTATE, or by its first two characters; all others are 400
    **dict.fromkeys(("0L", "0P", "28"), 403),
    **dict.fromkeys(("42883", "42P01"), 404),
    "21000": 500,
    "25006": 405,
    **dict.fromkeys(("23503", "23505"), 409),
    **dict.fromkeys(("09", "25", "2D", "38", "39", "3B", "40", "54", "55", "57", "58"), 500),
    **dict.fromkeys(("42P17", "53400", "F0", "HV", "P0", "XX"), 500),
    **dict.fromkeys(("08", "53", "57P01"), 503),
    "P0001": 400,
}


@dataclass(eq=False)
class ApiError(Exception):
    """An error answer: an HTTP status and the four keys of PostgREST's body."""

    status: int
    code: str
    message: str
    details: str | None = None
    hint: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        """Return the HTTP answer. Without a code it has the two keys of Supabase's own gateway."""
        body = {"hint": self.hint, "message": self.message}
        if self.code:
            body |= {"code": self.code, "details": self.details}
        retry = {"Retry-After": "1"} if self.status == HTTPStatus.SERVICE_UNAVAILABLE else {}
        return Response(json.dumps(body), self.status, {**self.headers, **retry}, media_type=JSON_TYPE)


def unsupported(what: str) -> ApiError:
    """Return the error for a request that PostgREST understands and the stand-in does not."""
    return ApiError(501, "LOCAL501", f"the local stand-in for PostgREST does not support {what}")


def unauthorized(code: str, message: str, details: str | None = None) -> ApiError:
    """Return the error for a refused token, with the challenge of RFC 6750."""
    challenge = f'Bearer error="invalid_token", error_description={json.dumps(message)}'
    return ApiError(401, code, message, details, headers={"WWW-Authenticate": challenge})


def no_connection(error: psycopg.Error) -> ApiError:
    """Return the error for a PostgreSQL that accepts no connection."""
    return ApiError(503, "PGRST000", "Database connection error.", details=str(error))


def from_postgres(error: psycopg.Error, *, anonymous: bool) -> ApiError:
    """Translate an error of PostgreSQL. A missing privilege is 401 for ``anon``, else 403."""
    code, message = error.sqlstate, error.diag.message_primary or ""
    if code is None:
        return ApiError(503, "PGRST001", "Database client error. Retrying the connection.", str(error))
    status = _STATUSES.get(code) or _STATUSES.get(code[:2], 400)
    if code.startswith("PT"):  # a status that a function chose
        status = int(code[2:]) if code[2:].isdecimal() else 500
    if code == "42501":
        status = 401 if anonymous else 403
    elif code == "22023" and message.startswith("role") and message.endswith("does not exist"):
        status = 401
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    return ApiError(status, code, message, error.diag.message_detail, error.diag.message_hint, headers)
