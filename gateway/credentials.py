"""The project's address and key as people paste them: cleaned, or refused with what is wanted instead.

Every error is a ValueError that never repeats the value.
"""

import base64
import json
import re
from typing import Any
from urllib.parse import urlsplit

_API = "https://<project>.supabase.co"
_KEY = "the project's secret key (sb_secret_…) or its service_role key"
_ROLES = {"anon", "authenticated"}
_INVISIBLE = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202c\u2060\ufeff"
_QUOTES = "'\"`´‘’‚“”„«»‹›"  # noqa: RUF001 # what word processors and chats make of quotes
_WRAPPING = re.compile(rf"^[\s{_INVISIBLE}{_QUOTES}]+|[\s{_INVISIBLE}{_QUOTES}]+$")
_NO_KEYS = {
    r"$": "is empty",
    r"\S*\s": "has a space or a line break inside",
    r".*[^!-~]": "has a character that no key has, such as the dots of a key that is not shown",
    r".*://": "is a URL and no key",
    r"sb_publishable_": "is the publishable key, which may write nothing",
    r"sbp_": "is a person's access token and no project's key",
}
_ADDRESS = re.compile(
    r"https?://(?:[^/\s?#@\\]*@)?(?:\[[0-9a-f:.]+\]|[\w.~%-]+)(?::\d*)?", re.ASCII | re.IGNORECASE
)
_SERVICE = re.compile(r"/(rest|auth|storage|functions|graphql|realtime)/v1/*$")


def unwrapped(text: str) -> str:
    """The text without what comes along when it is copied: blanks, line ends, quotes, invisible letters."""
    return _WRAPPING.sub("", text)


def secret_key(text: str) -> str:
    """The key, fit for an HTTP header.

    Raises:
        ValueError: it cannot be a key that persists events.
    """
    key = unwrapped(text)
    if problem := _problem(key):
        raise ValueError(f"{problem}: set {_KEY}")
    return key


def _problem(key: str) -> str | None:
    found = next((words for pattern, words in _NO_KEYS.items() if re.match(pattern, key)), None)
    return found or (_problem_of_jwt(key) if key.startswith("eyJ") else None)


def _problem_of_jwt(key: str) -> str | None:
    claims = _claims(key)
    if claims is None:
        return "is a piece of a JWT, or a spoilt one"
    role = claims.get("role")
    return f"is the {role} key, which may write nothing" if role in _ROLES else None


def _claims(jwt: str) -> dict[str, Any] | None:
    """What the JWT says, unverified: Supabase verifies it."""
    try:
        _, payload, _ = jwt.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None


def web_address(text: str) -> str:
    """The address of the project's API, without a path.

    Raises:
        ValueError: it is the address of something else, or of nothing.
    """
    url = _SERVICE.sub("", unwrapped(text)).rstrip("/")
    scheme, _, rest = url.partition("://")
    url = f"{scheme.lower()}://{rest}"
    host = _host(url)
    if scheme.lower().startswith(("postgres", "redis")):
        raise ValueError(f"is the URL of a database: set the address of the project's API, {_API}")
    if re.fullmatch(r"(.*\.)?supabase\.com", host):
        raise ValueError(f"is a page of Supabase's own: set the address of the project's API, {_API}")
    if re.fullmatch(r"db\..*\.supabase\.co", host):
        raise ValueError(f"is the project's database: set the address of its API, {_API}")
    if not host or not url.isascii() or not _ADDRESS.fullmatch(url):
        raise ValueError(f"must be http:// or https:// and a host, without a path, as {_API}")
    return url


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # no host, or no port, where one stands
        return ""
    return "" if port == 0 else parts.hostname or ""
