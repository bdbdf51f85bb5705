"""Verifies a JWT and reads the database role and the claims from it, as PostgREST does."""

import json
import time
from typing import Any, NamedTuple

import jwt

from devstack.rest.errors import ApiError, unauthorized

ANONYMOUS = "anon"

_ALGORITHM = "HS256"  # the only one that PostgREST accepts with a secret that is a text
_PARTS = 3
_SKEW = 30  # seconds; PostgREST allows the same difference between two clocks


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
    role = claims.get("role", ANONYMOUS)
    role = role if isinstance(role, str) else json.dumps(role, separators=(",", ":"))
    return Caller(role, {**claims, "role": role})


def _claims(token: str, secret: str) -> dict[str, Any]:
    parts = token.split(".")
    if not token:
        raise unauthorized("PGRST301", "Empty JWT is sent in Authorization header")
    if len(parts) != _PARTS:
        raise unauthorized("PGRST301", f"Expected 3 parts in JWT; got {len(parts)}")
    try:
        payload = jwt.PyJWS().decode(token, secret, algorithms=[_ALGORITHM])
        claims = json.loads(payload)
    except jwt.InvalidTokenError as error:
        raise _unreadable(error, signature=parts[-1]) from error
    except ValueError as error:
        raise unauthorized("PGRST303", "Parsing claims failed") from error
    if not isinstance(claims, dict):
        raise unauthorized("PGRST303", "Parsing claims failed")
    _check(claims)
    return claims


def _unreadable(error: jwt.InvalidTokenError, signature: str) -> ApiError:
    if not signature:
        details = "JWT is unsecured but expected 'alg' was not 'none'"
        return unauthorized("PGRST301", "Wrong or unsupported encoding algorithm", details)
    wrong_key = "No suitable key or wrong key type"
    match error:
        case jwt.InvalidSignatureError():
            return unauthorized("PGRST301", wrong_key, "None of the keys was able to decode the JWT")
        case jwt.InvalidAlgorithmError():
            return unauthorized("PGRST301", wrong_key, "No suitable key was found to decode the JWT")
    return unauthorized("PGRST301", "JWT cryptographic operation failed")


def _check(claims: dict[str, Any]) -> None:
    now = int(time.time())
    if _seconds(claims, "exp", now) < now - _SKEW:
        raise unauthorized("PGRST303", "JWT expired")
    if _seconds(claims, "nbf", now) > now + _SKEW:
        raise unauthorized("PGRST303", "JWT not yet valid")
    if _seconds(claims, "iat", now) > now + _SKEW:
        raise unauthorized("PGRST303", "JWT issued at future")
    audience = claims.get("aud") or ""
    names = audience if isinstance(audience, list) else [audience]
    if not all(isinstance(name, str) for name in names):
        message = "The JWT 'aud' claim must be a string or an array of strings"
        raise unauthorized("PGRST303", message)


def _seconds(claims: dict[str, Any], name: str, missing: int) -> int:
    """Return a time of the claims. PostgREST reads a number that is not whole as 0."""
    value = claims.get(name)
    if value is None:
        return missing
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise unauthorized("PGRST303", f"The JWT '{name}' claim must be a number")
    return int(value) if value == value // 1 else 0
