"""Cleans and checks the project's address and key, which people copy and paste.

Each error is a ValueError that says what to set instead and never contains the value.
"""

import base64
import json
import re
from typing import Any
from urllib.parse import urlsplit

from events.environment import unwrapped

_API = "https://<project>.supabase.co"
_KEY = "the project's secret key (sb_secret_…) or its service_role key"
_ROLES = {"anon", "authenticated"}
_PROBLEMS = {
    r"$": "is empty",
    r"\S*\s": "has a space or a line break inside",
    r".*[^!-~]": "has a character that no key has, such as the dots of a hidden key",
    r".*://": "is a URL, not a key",
    r"sb_publishable_": "is the publishable key, which has no write permission",
    r"sbp_": "is a personal access token, not a project's key",
}
_ADDRESS = re.compile(
    r"https?://(?:[^/\s?#@\\]*@)?(?:\[[0-9a-f:.]+\]|[\w.~%-]+)(?::\d*)?", re.ASCII | re.IGNORECASE
)
_SERVICE = re.compile(r"/(rest|auth|storage|functions|graphql|realtime)/v1/*$")


def secret_key(text: str) -> str:
    """Return the cleaned key, which is safe in an HTTP header.

    Raises:
        ValueError: the text cannot be a key with write permission.
    """
    key = unwrapped(text)
    if problem := _problem(key):
        raise ValueError(f"{problem}: set {_KEY}")
    return key


def _problem(key: str) -> str | None:
    found = next((problem for pattern, problem in _PROBLEMS.items() if re.match(pattern, key)), None)
    return found or (_problem_of_jwt(key) if key.startswith("eyJ") else None)


def _problem_of_jwt(key: str) -> str | None:
    claims = _claims(key)
    if claims is None:
        return "is an incomplete or damaged JWT"
    role = claims.get("role")
    return f"is the {role} key, which has no write permission" if role in _ROLES else None


def _claims(jwt: str) -> dict[str, Any] | None:
    """Return the claims of the JWT without verifying it, which Supabase does."""
    try:
        _, payload, _ = jwt.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None


def web_address(text: str) -> str:
    """Return the address of the project's API, without a path.

    Raises:
        ValueError: the text is not such an address.
    """
    url = _SERVICE.sub("", unwrapped(text)).rstrip("/")
    scheme, _, rest = url.partition("://")
    url = f"{scheme.lower()}://{rest}"
    host = _host(url)
    if scheme.lower().startswith(("postgres", "redis")):
        raise ValueError(f"is the URL of a database: set the address of the project's API, {_API}")
    if re.fullmatch(r"(.*\.)?supabase\.com", host):
        raise ValueError(f"is a page of the Supabase website: set the address of the project's API, {_API}")
    if re.fullmatch(r"db\..*\.supabase\.co", host):
        raise ValueError(f"is the project's database: set the address of its API, {_API}")
    if not host or not url.isascii() or not _ADDRESS.fullmatch(url):
        raise ValueError(f"must be http:// or https:// and a host, without a path, such as {_API}")
    return url


def webhook(text: str) -> str:
    """Return the address of a webhook.

    Raises:
        ValueError: the text is not such an address.
    """
    url = unwrapped(text)
    if not url.lower().startswith(("http://", "https://")) or not _host(url):
        raise ValueError("must be the whole address of a webhook, which begins with https:// and a host")
    return url


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # the host or the port is not valid
        return ""
    return "" if port == 0 else parts.hostname or ""
