"""The way back from Supabase: each read is one call of one SQL function (``sql/…_reads.sql``)."""

import asyncio
import json
import logging
from datetime import UTC, datetime
from typing import Any, Self

import httpx
from pydantic import TypeAdapter, ValidationError

from dashboard.shapes import ActiveOrder, Activity, active_order, activity
from events.fields import Identifier
from gateway.answers import misshapen
from gateway.errors import EventRefused, InvalidSetting, TransientFault, UnclassifiedFault, WorkerError
from gateway.faults import FailedCall, classify
from gateway.masking import mask_text
from gateway.settings import Settings

BOUND = 5.0
"""Seconds that one read may take in all."""

_MOST = 2**31 - 1  # PostgreSQL's integer
_LONGEST_PAUSE = 3600.0  # seconds
_UNREADABLE = object()

_log = logging.getLogger("botlive.dashboard")
_identifier: TypeAdapter[str] = TypeAdapter(Identifier)


class Reader:
    """Reads what the shops' tables hold, with connections that it keeps alive: for one event loop.

    Every read raises what is wrong as a ``gateway.errors.WorkerError`` within the bound, a
    ``TransientFault`` while Supabase is away; no error quotes a key or a row. A company without a
    mapping has nothing to show, and a log line says so.
    """

    def __init__(
        self, url: str, key: str, *, bound: float = BOUND, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        if not (key.isascii() and key.isprintable()):  # httpx would quote it in its error
            raise InvalidSetting("SUPABASE_KEY", "must be printable ASCII")
        self._bound = bound
        self._http = httpx.AsyncClient(
            base_url=f"{url}/rest/v1/rpc/",
            headers={"apikey": key, "Authorization": f"Bearer {key}", "Content-Profile": "public"},
            timeout=bound,
            limits=httpx.Limits(max_connections=32, max_keepalive_connections=8, keepalive_expiry=60),
            transport=transport,
        )

    @classmethod
    def from_env(cls) -> Self:
        """A reader of ``SUPABASE_URL`` with ``SUPABASE_KEY``. Opens no connection yet.

        Raises:
            SettingError: one of them is missing or cannot be used.
        """
        settings = Settings.from_env()
        return cls(settings.supabase_url, settings.supabase_key.get_secret_value())

    async def get_realtime_activity(self, company_id: str, limit: int = 10) -> list[Activity]:
        """The newest activities, newest first."""
        rows = await self._rows("botlive_read_activities", company_id, at_most=_positive(limit))
        now = datetime.now(UTC)
        return [activity(row, now) for row in rows]

    async def get_active_orders(self, company_id: str, limit: int = 50) -> list[ActiveOrder]:
        """The newest pending orders, newest first."""
        return [active_order(row) for row in await self.get_orders(company_id, "pending", limit)]

    async def get_orders(
        self, company_id: str, status: str | None = "pending", limit: int = 50
    ) -> list[dict[str, Any]]:
        """The newest orders of a status (None: of any) as their rows, newest first."""
        return await self._rows(
            "botlive_read_orders", company_id, wanted_status=status, at_most=_positive(limit)
        )

    async def get_active_session(self, company_id: str) -> dict[str, Any] | None:
        """The row of the newest session that is open, or None."""
        answer = await self._ask("botlive_read_session", company_id)
        match answer:
            case None | {"session": None}:
                return None
            case {"session": dict() as session}:
                return session
        raise misshapen(answer)

    async def aclose(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _rows(self, function: str, company_id: str, **arguments: Any) -> list[dict[str, Any]]:
        answer = await self._ask(function, company_id, **arguments)
        rows = [] if answer is None else answer
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise misshapen(answer)
        return rows

    async def _ask(self, function: str, company_id: str, **arguments: Any) -> Any:
        """The function's answer; None, and a log line, where nobody knows the company."""
        answer = await self._call(function, {"text_id": _checked(company_id), **arguments})
        if answer is None:
            known_as = mask_text(company_id)
            _log.warning("company %r is in no row of company_mapping: run `botlive company add`", known_as)
        return answer

    async def _call(self, function: str, arguments: dict[str, Any]) -> Any:
        response = await self._post(function, arguments)
        if response is None:
            raise TransientFault("Supabase gave no answer: nothing was read, ask again")
        document = _document(response)
        if not response.is_success or document is _UNREADABLE:
            raise _fault(response, document)
        return document

    async def _post(self, function: str, arguments: dict[str, Any]) -> httpx.Response | None:
        """The answer, or None: what httpx raises may quote the key, so it goes no further."""
        try:
            async with asyncio.timeout(self._bound):
                return await self._http.post(function, json=arguments)
        except (httpx.RequestError, OSError, UnicodeError):  # a TimeoutError is an OSError
            return None


def _document(response: httpx.Response) -> Any:
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):  # half of a document, a gateway's HTML, a nest of brackets
        return _UNREADABLE


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
    # No event is read: what would be an event's fault is an answer that nobody foresaw.
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
    except ValidationError:  # it quotes the value
        raise ValueError("company_id must be a text of 1 to 128 characters without a zero byte") from None
