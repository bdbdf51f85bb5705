"""Verifies a JWT and reads the database role and the claims from it."""

from typing import Any, NamedTuple

import jwt

from devstack.rest.errors import unauthorized

ANONYMOUS = "anon"

_ALGORITHMS = ["HS256", "HS384", "HS512"]
_SKEW = 30  # seconds; PostgREST allows the same difference between two clocks
_UNCHECKED: Any = {"verify_aud": False, "verify_iss": False, "verify_sub": False, "verify_jti": False}
_REASONS: tuple[tuple[type[Exception], str, str], ...] = (
    (jwt.ExpiredSignatureError, "PGRST303", "JWT expired"),
    (jwt.ImmatureSignatureError, "PGRST303", "JWT not yet valid"),
    (jwt.InvalidSignatureError, "PGRST301", "No suitable key or wrong key type"),
    (jwt.InvalidTokenError, "PGRST301", "JWT couldn't be decoded"),
)


class Caller(NamedTuple):
    """A database role and the verified claims."""

    role: str
    claims: dict[str, Any]


def caller(token: str | None, secret: str) -> Caller:
    """Return who calls: ``anon`` without a token or without a role in it.

    Raises:
        ApiError: the token is not valid.
    """
    claims = {} if token is None else _claims(token, secret)
    role = str(claims.get("role", ANONYMOUS))
    return Caller(role, {**claims, "role": role})


def _claims(token: str, secret: str) -> dict[str, Any]:
    try:
        return jwt.decode(token, secret, algorithms=_ALGORITHMS, leeway=_SKEW, options=_UNCHECKED)
    except jwt.InvalidTokenError as error:
        code, message = next(words for kind, *words in _REASONS if isinstance(error, kind))
        raise unauthorized(code, message) from error
