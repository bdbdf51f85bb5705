"""Reads from Supabase. Each read is one call of one SQL function (``sql/functions/46_reads.sql``)."""

import asyncio
import json
import logging
import re
from datetime import UTC, datetime
from typing import Any, Self

import httpx
from pydantic import TypeAdapter, ValidationError

from dashboard.shapes import ActiveOrder, Activity, active_order, activity
from events.fields import Identifier
from gateway.answers import unexpected
from gateway.errors import EventRefused, InvalidSetting, TransientFault, UnclassifiedFault, WorkerError
from gateway.faults import FailedCall, classify
from gateway.masking import mask_text
from gateway.settings import Settings
from gateway.transport import preparing

BOUND = 5.0
"""Maximum duration of one read, in seconds."""

_MOST = 2**31 - 1  # PostgreSQL's integer
_LONGEST_PAUSE = 3600.0  # seconds
_UNREADABLE = object()
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")  # half of a pair, escaped or raw

_log = logging.getLogger("botlive.dashboard")
_identifier: TypeAdapter[str] = TypeAdapter(Identifier)


class Reader:
    """Reads the shops' tables through a pool of connections. Each event loop needs its own reader.

    Each read returns or raises within ``bound`` seconds. It raises a ``gateway.errors.WorkerError``: a
    ``TransientFault`` while Supabase is away. No error quotes a key or a row. For a company without a
    mapping, a read returns nothing and logs a warning.
    """

    def __init__(
        self, url: str, key: str, *, bound: float = BOUND, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        if not (key.isascii() and key.isprintable()):  # the error of httpx would quote it
            raise InvalidSetting("SUPABASE_KEY", "must be printable ASCII")
        self._bound = bound
        with preparing():
            self._http = httpx.AsyncClient(
                base_url=f"{url}/rest/v1/rpc/",
                headers={"apikey": key, "Authorization": f"Bearer {key}", "Content-Profile": "public"},
                timeout=bound,
                limits=httpx.Limits(max_connections=32, max_keepalive_connections=8, keepalive_expiry=60),
                transport=transport,
            )

    @classmethod
    def from_env(cls) -> Self:
        """Create a reader from ``SUPABASE_URL`` and ``SUPABASE_KEY``. It opens no connection yet.

        Raises:
            SettingError: a setting is missing or cannot be used.
        """
        settings = Settings.from_env()
        return cls(settings.supabase_url, settings.supabase_key.get_secret_value())

    async def get_realtime_activity(self, company_id: str, limit: int = 10) -> list[Activity]:
        """Return the newest activities, newest first."""
        rows = await self._rows("botlive_read_activities", company_id, at_most=_positive(limit))
        now = datetime.now(UTC)
        return [activity(row, now) for row in rows]

    async def get_active_orders(self, company_id: str, limit: int = 50) -> list[ActiveOrder]:
        """Return the newest pending orders, newest first."""
        return [active_order(row) for row in await self.get_orders(company_id, "pending", limit)]

    async def get_orders(
        self, company_id: str, status: str | None = "pending", limit: int = 50
    ) -> list[dict[str, Any]]:
        """Return the rows of the newest orders with this status (None: any status), newest first."""
        return await self._rows(
            "botlive_read_orders", company_id, wanted_status=status, at_most=_positive(limit)
        )

    async def get_active_session(self, company_id: str) -> dict[str, Any] | None:
        """Return the row of the newest open session, or None."""
        answer = await self._ask("botlive_read_session", company_id)
        match answer:
            case None | {"session": None}:
                return None
            case {"session": dict() as session}:
                return session
        raise unexpected(answer)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _rows(self, function: str, company_id: str, **arguments: Any) -> list[dict[str, Any]]:
        answer = await self._ask(function, company_id, **arguments)
        rows = [] if answer is None else answer
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise unexpected(answer)
        return rows

    async def _ask(self, function: str, company_id: str, **arguments: Any) -> Any:
        """Return the function's answer. If the company is unknown, return None and log a warning."""
        answer = await self._call(function, {"text_id": _checked(company_id), **arguments})
        if answer is None:
            masked = mask_text(company_id)
            _log.warning("company %r is in no row of company_mapping: run `botlive company add`", masked)
        return answer

    async def _call(self, function: str, arguments: dict[str, Any]) -> Any:
        response = await self._post(function, arguments)
        if response is None:
            raise TransientFault("Supabase gave no answer: nothing was read, try again later")
        document = _document(response)
        if not response.is_success or document is _UNREADABLE:
            raise _fault(response, document)
        return document

    async def _post(self, function: str, arguments: dict[str, Any]) -> httpx.Response | None:
        """Return the answer, or None without one. An exception of httpx is dropped: it may quote the key."""
        try:
            async with asyncio.timeout(self._bound):
                return await self._http.post(function, json=arguments)
        except (httpx.RequestError, OSError, UnicodeError):  # a TimeoutError is an OSError
            return None


def _document(response: httpx.Response) -> Any:
    """Return the answer. Half a surrogate pair becomes a ``?``: no answer of ours could carry it."""
    try:
        document = json.loads(response.content)
    except (ValueError, RecursionError):  # a truncated body, the HTML of a proxy, nesting too deep
        return _UNREADABLE
    if _SURROGATE.search(response.content):
        return json.loads(json.dumps(document, ensure_ascii=False).encode(errors="replace"))
    return document


def _fault(response: httpx.Response, document: Any) -> WorkerError:
    code = document.get("code") if isinstance(document, dict) else None
    fault = classify(
        FailedCall(
            status=response.status_code,
            code=code if isinstance(code, str) else None,
            message="",
            retry_after=_seconds(response.headers.get("Retry-After", "")),
            transport=False,
        )
    )
    # A read carries no event, so no event can be at fault.
    return UnclassifiedFault() if isinstance(fault, EventRefused) else fault


def _seconds(retry_after: str) -> float | None:
    return min(float(retry_after), _LONGEST_PAUSE) if retry_after.isdecimal() else None


def _positive(limit: int) -> int:
    if not 1 <= limit <= _MOST:
        raise ValueError("limit must be at least 1")
    return limit


def _checked(company_id: str) -> str:
    try:
        return _identifier.validate_python(company_id)
    except ValidationError:  # its message quotes the value
        raise ValueError("company_id must be a text of 1 to 128 characters without a zero byte") from None
