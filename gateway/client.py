"""The Supabase client: it persists a batch by one call of a SQL function, through supabase-py.

PostgREST runs each request in its own transaction. Several ``table()`` calls would be several transactions,
so a batch is one ``rpc()`` (https://postgrest.org, "Transactions").
"""

import threading
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NotRequired, Self, cast

import httpx
from typing_extensions import TypedDict

from events import AnyEvent
from gateway.answers import safe_text, shaped, unexpected
from gateway.errors import CommandRefused, DeploymentFault, EventRefused, UnknownCompany, WaitsApart
from gateway.faults import FailedCall, classify
from gateway.settings import Settings
from gateway.transport import cause, preparing

if TYPE_CHECKING:
    from supabase import Client

PERSIST = "botlive_persist"
"""The SQL function that persists a batch."""

PROBE = "botlive_probe"
"""The SQL function that writes like an event does, and rolls back."""

ADMITS = "botlive_admits"
"""The SQL function that tests whether a shop's tables accept events of a type."""

_LONGEST_WAIT = 3600.0  # seconds

OURS = {"BL001": CommandRefused, "BL002": DeploymentFault}
"""The SQLSTATEs of our SQL functions. Their messages quote no value."""


OutcomeKind = Literal["persisted", "duplicate", "unknown_company", "refused", "apart"]


class Answer(TypedDict):
    """The answer of ``botlive_persist`` for one event."""

    outcome: OutcomeKind
    reason: NotRequired[str]
    plain: NotRequired[dict[str, Any]]
    session_written: NotRequired[bool]


class Outcome(NamedTuple):
    """The result for one event."""

    kind: OutcomeKind
    reason: str = ""
    session_written: bool = False
    plain: Mapping[str, Any] = MappingProxyType({})
    """For an event that waits apart: the fields that all events of its type and company share."""

    def error(self, event: AnyEvent) -> EventRefused | WaitsApart | None:
        """Return why the event is not in the tables, or None if it is."""
        match self.kind:
            case "unknown_company":
                return UnknownCompany(event.company_id)
            case "refused":
                return EventRefused(self.reason)
            case "apart":
                return WaitsApart(self.reason, plain=self.plain)
        return None


class Gateway:
    """Calls Supabase with the worker's key. Each process needs its own, because a fork breaks connections."""

    def __init__(self, client: "Client", http: httpx.Client, replies: "Replies") -> None:
        self._client = client
        self._http = http
        self._replies = replies

    @classmethod
    def connect(cls, settings: Settings, *, transport: httpx.BaseTransport | None = None) -> Self:
        """Create a gateway to ``SUPABASE_URL``. It opens no connection yet.

        Raises:
            InvalidSetting: the environment names a proxy or certificates that cannot be used.
        """
        from supabase import Client, ClientOptions

        replies = Replies()
        with preparing():
            http = httpx.Client(
                http2=False,  # its sync client is not thread-safe, and fails on GOAWAY (httpcore #45)
                timeout=settings.timeout,
                limits=httpx.Limits(max_connections=8, max_keepalive_connections=8, keepalive_expiry=60),
                event_hooks={"response": [replies.note]},
                transport=transport,
            )
        options = ClientOptions(
            httpx_client=http,
            auto_refresh_token=False,
            persist_session=False,
            postgrest_client_retry=False,  # a retry would sleep inside the call
        )
        key = settings.supabase_key.get_secret_value()
        return cls(Client(settings.supabase_url, key, options), http, replies)

    def persist(self, elements: Sequence[Mapping[str, object]], *, apart: bool = False) -> list[Outcome]:
        """Persist the events of these elements in one transaction. Return their outcomes in the same order.

        If a shop's tables accept no event of a type, the outcome of such an event is ``apart`` if ``apart``
        is set. Otherwise the whole call fails.

        Raises:
            WorkerError: the call failed. The events may be persisted; it is safe to repeat the call.
        """
        return _outcomes(self.call(PERSIST, {"events": elements, "apart": apart}), len(elements))

    def admits(self, plain_events: Sequence[Mapping[str, Any]]) -> list[str | None]:
        """Return for each event None if its shop's tables accept events of its type, else the reason.

        The answer may be shorter than the list of events.

        Raises:
            WorkerError: the call failed.
        """
        events = list(plain_events)
        answer = self.call(ADMITS, {"plain_events": events})
        reasons = shaped(answer, list[str | None])
        if len(reasons) > len(events):
            raise unexpected(answer)
        return [reason and safe_text(reason) for reason in reasons]

    def probe(self) -> None:
        """Check that events can be persisted, by calls without events.

        Raises:
            WorkerError: they cannot, for this reason.
        """
        self.call(PROBE, {})
        self.persist([])  # the probe's answer has no body; this one shows whether bodies arrive intact

    def call(self, function: str, arguments: Mapping[str, Any]) -> Any:
        """Call a function of the database and return its answer.

        Raises:
            WorkerError: the call failed; ``gateway.faults`` classified the failure.
        """
        from postgrest.exceptions import APIError

        self._replies.forget()
        try:
            return self._client.rpc(function, cast("dict[str, str]", arguments)).execute().data
        except APIError as error:
            if error.code in OURS:
                raise OURS[error.code](safe_text(error.message or "")) from None
            failure = self._replies.failure(error.code, error.message)
        except httpx.RequestError as error:
            failure = FailedCall(None, None, "", None, transport=True, trouble=cause(error))
        except (ValueError, RecursionError):  # the answer is not JSON, is truncated or nested too deeply
            if self._replies.status is None:
                raise  # there is no answer: the arguments cannot be written as JSON
            failure = self._replies.failure(None, None)
        # Raised outside the handlers, because a chained exception may quote a row in the traceback.
        raise classify(failure)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


class Replies(threading.local):
    """The HTTP status and headers of a thread's last call. The ``APIError`` of supabase-py lacks them."""

    status: int | None = None
    retry_after: str | None = None

    def forget(self) -> None:
        """Reset the state before a call."""
        self.status = self.retry_after = None

    def note(self, response: httpx.Response) -> None:
        """Store the status and the ``Retry-After`` header (an event hook of httpx)."""
        self.status = response.status_code
        self.retry_after = response.headers.get("Retry-After")

    def failure(self, code: str | None, message: str | None) -> FailedCall:
        """Return what is known about the failed call."""
        return FailedCall(self.status, code, message or "", _seconds(self.retry_after), transport=False)


def _seconds(retry_after: str | None) -> float | None:
    # RFC 9110 also allows a date, which is ignored. A longer pause than one hour is cut to one hour.
    return min(float(retry_after), _LONGEST_WAIT) if retry_after and retry_after.isdecimal() else None


def _outcomes(answer: Any, expected: int) -> list[Outcome]:
    outcomes = [_outcome(item) for item in shaped(answer, list[Answer])]
    if len(outcomes) != expected:
        raise unexpected(answer)
    return outcomes


def _outcome(answer: Answer) -> Outcome:
    reason = safe_text(answer.get("reason", ""))
    return Outcome(answer["outcome"], reason, answer.get("session_written", False), answer.get("plain", {}))
