"""Who calls: from a request's headers to a database role and its claims."""

import binascii
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jwt import PyJWS
from jwt.exceptions import InvalidAlgorithmError, InvalidSignatureError, InvalidTokenError

from devstack.rest.errors import ApiError, encode, unauthorized

ANONYMOUS = "anon"
_ALGORITHMS = ["HS256", "HS384", "HS512"]
_SKEW = 30  # seconds that PostgREST allows a clock to be off
_PARTS = 3  # header, payload, signature
_REMEMBERED = 1000  # verified tokens


@dataclass(frozen=True, slots=True)
class Caller:
    """A database role and the verified claims that it came with."""

    role: str
    claims: dict[str, Any]

    @property
    def authenticated(self) -> bool:
        """Whether a lack of privilege means 403 (known and not allowed) rather than 401."""
        return self.role != ANONYMOUS


class Authenticator:
    """Checks tokens against the project's secret and knows its opaque API keys."""

    def __init__(self, secret: str, keys: Mapping[str, str]) -> None:
        """`keys` maps each opaque key (`sb_…`) to its role."""
        self._secret = secret
        self._keys = keys
        self._verified: dict[str, dict[str, Any]] = {}

    def caller(self, headers: Mapping[str, str]) -> Caller:
        """The role of a request, `anon` where nothing says otherwise."""
        token = credential(headers)
        if token is None:
            return _caller({})
        if token.startswith("sb_"):
            return _caller({"role": self._role(token)})
        claims = self._claims(token)
        _check_times(claims)
        return _caller(claims)

    def _role(self, key: str) -> str:
        role = self._keys.get(key)
        if role is None:
            raise _InvalidKeyError
        return role

    def _claims(self, token: str) -> dict[str, Any]:
        claims = self._verified.get(token)
        if claims is None:
            claims = _verify(token, self._secret)
            if len(self._verified) > _REMEMBERED:
                self._verified.clear()
            self._verified[token] = claims
        return claims


def credential(headers: Mapping[str, str]) -> str | None:
    """The token or key that counts, by the rules of hosted Supabase's gateway.

    `Authorization` wins, unless it holds an opaque key and `apikey` is there too.
    """
    bearer, apikey = _bearer(headers.get("authorization", "")), headers.get("apikey")
    if bearer is not None and not bearer.startswith("sb_"):
        return bearer
    return apikey or bearer


class _InvalidKeyError(ApiError):
    """Hosted Supabase refuses an unknown key before PostgREST sees it: no `code` in the body."""

    def __init__(self) -> None:
        hint = "Double check your Supabase `anon` or `service_role` API key."
        super().__init__(401, "", "Invalid API key", hint=hint)

    @property
    def body(self) -> dict[str, str | None]:
        """Two keys, as hosted Supabase answers."""
        return {"message": self.message, "hint": self.hint}


def _bearer(authorization: str) -> str | None:
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _caller(claims: dict[str, Any]) -> Caller:
    role = claims.get("role", ANONYMOUS)
    return Caller(role if isinstance(role, str) else encode(role).decode(), claims)


def _verify(token: str, secret: str) -> dict[str, Any]:
    if not token:
        raise unauthorized("PGRST301", "Empty JWT is sent in Authorization header")
    if (parts := token.count(".") + 1) != _PARTS:
        raise unauthorized("PGRST301", f"Expected 3 parts in JWT; got {parts}")
    try:
        payload = PyJWS().decode(token, secret, algorithms=_ALGORITHMS)
    except InvalidSignatureError as error:
        raise _no_key("None of the keys was able to decode the JWT") from error
    except InvalidAlgorithmError as error:
        raise _bad_algorithm(token) from error
    except InvalidTokenError as error:
        raise unauthorized("PGRST301", "JWT couldn't be decoded") from error
    return _claims_object(payload)


def _no_key(details: str) -> ApiError:
    return unauthorized("PGRST301", "No suitable key or wrong key type", details=details)


def _bad_algorithm(token: str) -> ApiError:
    try:
        algorithm = PyJWS().get_unverified_header(token).get("alg")
    except (InvalidTokenError, binascii.Error):
        algorithm = None
    if algorithm != "none":
        return _no_key("No suitable key was found to decode the JWT")
    details = "JWT is unsecured but expected 'alg' was not 'none'"
    return unauthorized("PGRST301", "Wrong or unsupported encoding algorithm", details=details)


def _claims_object(payload: bytes) -> dict[str, Any]:
    try:
        claims = json.loads(payload)
    except ValueError:
        claims = None
    if not isinstance(claims, dict):
        raise unauthorized("PGRST303", "Parsing claims failed")
    return claims


def _check_times(claims: dict[str, Any]) -> None:
    now = int(time.time())
    if (expires := _instant(claims, "exp")) is not None and expires < now - _SKEW:
        raise unauthorized("PGRST303", "JWT expired")
    if (begins := _instant(claims, "nbf")) is not None and begins > now + _SKEW:
        raise unauthorized("PGRST303", "JWT not yet valid")
    if (issued := _instant(claims, "iat")) is not None and issued > now + _SKEW:
        raise unauthorized("PGRST303", "JWT issued at future")
    _check_audience(claims.get("aud"))


def _instant(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise unauthorized("PGRST303", f"The JWT '{name}' claim must be a number")


def _check_audience(audience: object) -> None:
    """Any audience is accepted, as on Supabase, but not any type."""
    texts = audience if isinstance(audience, list) else [audience]
    if audience is not None and not all(isinstance(text, str) for text in texts):
        message = "The JWT 'aud' claim must be a string or an array of strings"
        raise unauthorized("PGRST303", message)
