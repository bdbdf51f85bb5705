"""Answers of Supabase's API, and of proxies or other servers at its address."""

import gzip
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import httpx

from events import AnyEvent, parse_event
from tests.fuzz import documents, samples
from tests.fuzz.canaries import PHONE, SECRET, VALUE
from tests.fuzz.dice import Dice

_CODES = (
    *("22001", "23505", "23514", "42501", "42P01", "40001", "57014", "P0001", "BL001", "BL002", "XX000"),
    *("PGRST000", "PGRST102", "PGRST202", "PGRST301", "502", "", "+2250759483726", "BL003"),
)
_STATUSES = (
    200,
    200,
    200,
    200,
    201,
    204,
    206,
    301,
    304,
    400,
    401,
    402,
    403,
    404,
    408,
    413,
    429,
    500,
    503,
    522,
    540,
    599,
)
_KINDS = ("persisted", "persisted", "duplicate", "unknown_company", "refused", "apart")
_TYPES = (
    "application/json",
    "text/html",
    "application/json; charset=nonsense",
    "text/plain; charset=utf-16",
    "\xff",
    "",
)
_ENCODED = ("gzip", "deflate", "br", "zstd", "identity", "gzip, gzip", "nonsense", "\xe9")
_PAUSES = ("5", "0", "-1", "٣", "²", "9" * 400, "1e9", "nan", "Wed, 21 Oct 2026 07:28:00 GMT", "", "inf")
_ERRORS: tuple[type[httpx.TransportError], ...] = (
    *(httpx.ConnectError, httpx.ReadTimeout, httpx.ReadError, httpx.RemoteProtocolError, httpx.ProxyError),
    *(httpx.PoolTimeout, httpx.WriteError, httpx.UnsupportedProtocol, httpx.LocalProtocolError),
)
_PAGE = f"<html><body><h1>{VALUE} {PHONE}</h1>{SECRET}</body></html>".encode()


class Answer(NamedTuple):
    """An answer, or the error that is raised instead."""

    asked: str
    events: Sequence[AnyEvent]
    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes
    error: type[httpx.TransportError] | None
    wire: bytes | None
    """The answer as raw bytes of a connection."""


def answer(dice: Dice, asked: str, size: int) -> Answer:
    """Return an answer to a call with this number of events, or to a read."""
    events = [
        parse_event(documents.written(documents.Steady(0), samples.event(dice, "shop"))) for _ in range(size)
    ]
    status = dice.choice(_STATUSES)
    document = GOOD[asked](dice, size) if status < 300 else _refusal(dice)
    body = dice.one_of(
        lambda: documents.written(documents.Steady(0), document),
        lambda: documents.any_bytes(dice, document),
        lambda: documents.any_bytes(dice, document),
        lambda: dice.choice((b"", b"null", b"[]", b"{}", b'""', b"0", _PAGE)),
    )
    headers = [*_headers(dice)]
    if dice.chance(0.05):
        body, headers = gzip.compress(body, mtime=0), [*headers, (b"Content-Encoding", b"gzip")]
    error = dice.choice(_ERRORS) if dice.chance(0.03) else None
    wire = _wire(dice, status, headers, body) if dice.chance(0.1) else None
    return Answer(asked, events, status, headers, body, error, wire)


def good(dice: Dice, asked: str, size: int) -> Answer:
    """Return an answer of the expected form."""
    body = documents.written(documents.Steady(0), GOOD[asked](dice, size))
    return Answer(asked, (), 200, (), body, None, None)


def _wire(dice: Dice, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bytes:
    length = (b"Content-Length", str(len(body) + dice.choice((0, 0, 0, 1, -1, 10**20))).encode())
    lines = b"".join(b"%b: %b\r\n" % header for header in (*headers, length))
    data = b"HTTP/1.1 %d OK\r\n%b\r\n%b" % (status, lines, body)
    return documents.broken(dice, data) if dice.chance(0.7) else data


def _headers(dice: Dice) -> Iterator[tuple[bytes, bytes]]:
    choices: dict[str, tuple[str, ...]] = {
        "Content-Type": _TYPES,
        "Retry-After": _PAUSES,
        "Content-Encoding": _ENCODED,
        "Content-Range": ("0-1/*", "*/x", "0-9/nan"),
        "Location": ("//", f"https://u:{SECRET}@h/", "\xff"),
    }
    for name, values in choices.items():
        if dice.chance(0.6 if name == "Content-Type" else 0.1):
            yield name.encode(), dice.choice(values).encode("utf-8")


def _refusal(dice: Dice) -> dict[str, Any]:
    """Return an error in the format of PostgREST, which may quote a row."""
    words = dice.choice((f"Failing row contains ({VALUE}, {PHONE})", f"{SECRET} is no key", dice.text()))
    return {
        "code": dice.choice(_CODES),
        "message": words,
        "details": words,
        "hint": dice.choice((None, words)),
    }


def _outcomes(dice: Dice, size: int) -> list[dict[str, Any]]:
    return [_outcome(dice) for _ in range(size)]


def _outcome(dice: Dice) -> dict[str, Any]:
    kind = dice.choice(_KINDS)
    reason = dice.choice(
        ("total_amount: too large for its column", f"call {PHONE}\nor {SECRET}", "\x1b[31m" * 999)
    )
    about: dict[str, Any] = {"reason": reason} if kind in {"refused", "apart"} else {}
    return {"outcome": kind, **about, **({"plain": {"company_id": "shop"}} if kind == "apart" else {})}


def _row(dice: Dice) -> dict[str, Any]:
    return {
        "id": "1",
        "type": "order",
        "title": VALUE,
        "description": PHONE,
        "created_at": "2026-11-20T08:00:00+00:00",
        "customer_name": VALUE,
        "total_amount": dice.choice((5, "1e400", "12.50")),
        "items": [{"name": VALUE}],
        "metadata": {"event": "x", "zone": VALUE, "phone": PHONE, "user_id": PHONE},
    }


def _rows(dice: Dice, _: int) -> list[dict[str, Any]]:
    return [_row(dice) for _ in dice.some(3)]


GOOD: dict[str, Callable[[Dice, int], Any]] = {
    "persist": _outcomes,
    "admits": lambda dice, size: [dice.choice((None, "its table is gone")) for _ in range(size)],
    "probe": lambda dice, size: dice.choice((None, [])),
    "activities": _rows,
    "orders": _rows,
    "session": lambda dice, size: {"session": dice.choice((None, _row(dice)))},
}
