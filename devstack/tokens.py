"""JSON Web Tokens as Supabase issues them (HS256)."""

import secrets
import time
from collections.abc import Mapping
from uuid import UUID

import jwt

_YEAR = 365 * 24 * 3600


def random_secret() -> str:
    """Return a secret of 256 bits, in base64url."""
    return secrets.token_urlsafe(32)


def api_key(role: str, secret: str) -> str:
    """Return a project's legacy API key: a JWT of `role` that is valid for ten years."""
    return sign({"iss": "supabase", "ref": "local", "role": role}, secret, lifetime=10 * _YEAR)


def user_token(user_id: UUID | str, secret: str, *, lifetime: int = 3600) -> str:
    """Return the JWT that a signed-in user's browser sends; `lifetime` is in seconds."""
    claims = {"aud": "authenticated", "role": "authenticated", "sub": str(user_id)}
    return sign(claims, secret, lifetime=lifetime)


def sign(claims: Mapping[str, object], secret: str, *, lifetime: int) -> str:
    """Return a JWT that is issued now and expires after `lifetime` seconds (negative: in the past)."""
    now = int(time.time())
    return jwt.encode({"iat": now, "exp": now + lifetime, **claims}, secret, algorithm="HS256")
