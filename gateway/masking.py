"""Replaces personal data and secrets by ``***`` in logs, messages and lists."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from events.privacy import private_fields

MASK = "***"

PRIVATE = private_fields() | {"password", "key", "token", "authorization", "apikey", "supabase_key"}
"""Keys (in lower case) whose values are never shown."""

_SHORTEST = 8  # characters; a phone number has at least eight digits
_LARGEST = 9_999_999  # the greatest number that cannot be a phone number

# Long runs of digits that are not phone numbers: UUIDs, hashes and dates. The id of a conflicting job is a
# UUID and a part of a hash. An IPv4 address is masked, because 77.12.34.56 may be a phone number.
_UUID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_HARMLESS = (
    rf"(?<![0-9A-Za-z]) (?: {_UUID} (?:-[0-9a-f]{{16}})?"
    r"""
      | (?=[0-9]*[a-f]) (?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})
      | (?:19|20)[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])
        (?:[Tt\ ][0-2][0-9]:[0-5][0-9](?::[0-6][0-9](?:[.,][0-9]{1,9})?)?(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})?)?
      | (?:0?[1-9]|[12][0-9]|3[01])/(?:0?[1-9]|1[0-2])/(?:19|20)[0-9]{2}
    ) (?![0-9A-Za-z])
"""
)
# Separators that people, phones and chats put between digits. Some of them are invisible.
_BETWEEN = r"\ .\-/()\u00a0\u00ad\u2000-\u200f\u2010-\u2015\u202a-\u202f\u2060\u2066-\u2069\ufeff"
_SENSITIVE = re.compile(
    rf"""
    (?P<harmless>{_HARMLESS})
  | (?P<login>://[^\s:/@]{{0,128}}:)\S{{0,512}}@
  | (?P<option>[?&;][\w\-]{{0,64}}(?:password|passwd|pwd|secret|token|key)=)[^\s&;\#]{{1,512}}
  | \+?\d(?:(?:[{_BETWEEN}]{{1,2}}(?!{_HARMLESS}))?\d){{7,}}
  | (?<![\w\-])eyJ[\w\-]+\.[\w\-]+(?:\.[\w\-]*)?
  | (?P<kind>sb_(?:secret|publishable)_)[\w\-]+
  # PostgreSQL's details quote rows.
  | (?P<quoting>Failing\ row\ contains\ |Key\ \([^)\n]{{0,512}}\)=)\([^\n]*
    """,
    re.VERBOSE | re.IGNORECASE,
)
_ONE_UUID = re.compile(_UUID)
_SUSPECT = re.compile(r"\d|eyJ|sb_|://|[?&;][\w\-]+=|row contains|\)=\(", re.IGNORECASE)


def mask_text(text: str) -> str:
    """Mask phone numbers, JWTs, Supabase keys, passwords in URLs and quoted rows in the text."""
    # Most texts in a log line are ids of events, and this comparison is much faster than the search.
    if len(text) < _SHORTEST or _ONE_UUID.fullmatch(text) or not _SUSPECT.search(text):
        return text
    return _SENSITIVE.sub(_masked, text)


def _masked(found: re.Match[str]) -> str:
    if found["harmless"]:
        return found["harmless"]
    if found["login"]:
        return f"{found['login']}{MASK}@"
    return (found["kind"] or found["quoting"] or found["option"] or "") + MASK


def mask(value: Any) -> Any:
    """Return the value as JSON types, masked at every level: by key, and inside every text."""
    match value:
        case str():
            return mask_text(value)
        case bool() | None:
            return value
        case int() | float():
            return MASK if abs(value) > _LARGEST else value
        case Mapping():
            return {_key(key): _under(key, element) for key, element in value.items()}
        case list() | tuple() | set() | frozenset():
            return [mask(element) for element in value]
        case _:
            return mask(value.model_dump()) if isinstance(value, BaseModel) else mask_text(str(value))


def _key(key: Any) -> str:
    return mask_text(str(key))


def _under(key: Any, value: Any) -> Any:
    return MASK if str(key).lower() in PRIVATE else mask(value)
