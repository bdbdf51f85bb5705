"""The way to Supabase: one call of one SQL function per batch, through supabase-py.

One request is one transaction, and several ``table()`` calls would be several: so a batch is one
``rpc()`` (https://postgrest.org, "Transactions").
"""

import threading
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, NotRequired, Self, cast

import httpx
from postgrest.exceptions import APIError
from supabase import Client, ClientOptions
from typing_extensions import TypedDict

from events import AnyEvent
from gateway.answers import misshapen, shaped, words
from gateway.errors import CommandRefused, DeploymentFault, EventRefused, UnknownCompany, WaitsApart
from gateway.faults import FailedCall, classify
from gateway.settings import Settings
from gateway.transport import cause

PERSIST = "botlive_persist"
"""The SQL function that persists a batch."""

PROBE = "botlive_probe"
"""The SQL function that writes what events write, and takes it back."""

ADMITS = "botlive_admits"
"""The SQL function that says whether a shop's tables take events of a type."""

_LONGEST_WAIT = 3600.0  # seconds

OURS = {"BL001": CommandRefused, "BL002": DeploymentFault}
"""The SQLSTATEs whose messages are ours: they quote no value."""


OutcomeKind = Literal["persisted", "duplicate", "unknown_company", "refused", "apart"]


class Answer(TypedDict):
    """How ``botlive_persist`` says what became of one event."""

    outcome: OutcomeKind
    reason: NotRequired[str]
    plain: NotRequired[dict[str, Any]]
    session_written: NotRequired[bool]


class Outcome(NamedTuple):
    """What became of one event."""

    kind: OutcomeKind
    reason: str = ""
    session_written: bool = False
    plain: Mapping[str, Any] = MappingProxyType({})
    """Of one that waits apart: what all events of its type and company share."""

    def error(self, event: AnyEvent) -> EventRefused | WaitsApart | None:
        """Why the event is not in the tables, or None where it is."""
        match self.kind:
            case "unknown_company":
                return UnknownCompany(event.company_id)
            case "refused":
                return EventRefused(self.reason)
            case "apart":
                return WaitsApart(self.reason, plain=self.plain)
        return None


class Gateway:
    """Calls Supabase with the worker's key. Build one per process: connections survive no fork."""

    def __init__(self, client: Client, http: httpx.Client, replies: "Replies") -> None:
        self._client = client
        self._http = http
        self._replies = replies

    @classmethod
    def connect(cls, settings: Settings, *, transport: httpx.BaseTransport | None = None) -> Self:
        """A gateway to ``SUPABASE_URL``. Opens no connection yet."""
        replies = Replies()
        http = httpx.Client(
            http2=False,  # its sync client is not thread-safe and breaks on GOAWAY (httpcore #45)
            timeout=settings.timeout,
            limits=httpx.Limits(max_connections=8, max_keepalive_connections=8, keepalive_expiry=60),
            event_hooks={"response": [replies.note]},
            transport=transport,
        )
        options = ClientOptions(
            httpx_client=http,
            auto_refresh_token=False,
            persist_session=False,
            postgrest_client_retry=False,  # it would sleep inside the call
        )
        key = settings.supabase_key.get_secret_value()
        return cls(Client(settings.supabase_url, key, options), http, replies)

    def persist(self, elements: Sequence[Mapping[str, object]], *, apart: bool = False) -> list[Outcome]:
        """Persist the events of these elements in one transaction; what became of each, in their order.

        With ``apart`` what a shop's tables do not take at all is among the outcomes; without it the call
        fails.

        Raises:
            WorkerError: nothing is known to be persisted; calling again with the same is harmless.
        """
        return _outcomes(self.call(PERSIST, {"events": elements, "apart": apart}), len(elements))

    def admits(self, plain_events: Sequence[Mapping[str, Any]]) -> list[str | None]:
        """For each null where its shop's tables take events of its type, or why not; maybe not for the last.

        Raises:
            WorkerError: the call failed as a whole.
        """
        asked = list(plain_events)
        answer = self.call(ADMITS, {"plain_events": asked})
        reasons = shaped(answer, list[str | None])
        if len(reasons) > len(asked):
            raise misshapen(answer)
        return [reason and words(reason) for reason in reasons]

    def probe(self) -> None:
        """Find out whether events would go through, by a call that carries none.

        Raises:
            WorkerError: why they would not.
        """
        self.call(PROBE, {})
        self.persist([])  # that answer has no body, which a path that spoils bodies would let through

    def call(self, function: str, arguments: Mapping[str, Any]) -> Any:
        """Call a function of the database and return its answer.

        Raises:
            WorkerError: why it failed, classified (``gateway.faults``).
        """
        self._replies.forget()
        try:
            return self._client.rpc(function, cast("dict[str, str]", arguments)).execute().data
        except APIError as error:
            if error.code in OURS:
                raise OURS[error.code](words(error.message or "")) from None
            failure = self._replies.failure(error.code, error.message)
        except httpx.RequestError as error:
            failure = FailedCall(None, None, "", None, transport=True, trouble=cause(error))
        except (ValueError, RecursionError):  # the answer is no JSON, or half of one, or too deep
            failure = self._replies.failure(None, None)
        # Outside the handlers: the cause may quote a row, and tracebacks would show it.
        raise classify(failure)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()


class Replies(threading.local):
    """The HTTP side of a thread's last call, which supabase-py's ``APIError`` does not tell."""

    status: int | None = None
    retry_after: str | None = None

    def forget(self) -> None:
        """Before a call: what is noted is of the one before."""
        self.status = self.retry_after = None

    def note(self, response: httpx.Response) -> None:
        """An event hook of httpx."""
        self.status = response.status_code
        self.retry_after = response.headers.get("Retry-After")

    def failure(self, code: str | None, message: str | None) -> FailedCall:
        """What is known of the call that failed."""
        return FailedCall(self.status, code, message or "", _seconds(self.retry_after), transport=False)


def _seconds(retry_after: str | None) -> float | None:
    # RFC 9110 also allows a date; a server that asks for longer than an hour is probed all the same.
    return min(float(retry_after), _LONGEST_WAIT) if retry_after and retry_after.isdecimal() else None


def _outcomes(answer: Any, expected: int) -> list[Outcome]:
    outcomes = [_outcome(said) for said in shaped(answer, list[Answer])]
    if len(outcomes) != expected:
        raise misshapen(answer)
    return outcomes


def _outcome(said: Answer) -> Outcome:
    reason = words(said.get("reason", ""))
    return Outcome(said["outcome"], reason, said.get("session_written", False), said.get("plain", {}))
