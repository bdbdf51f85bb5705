"""The Supabase client: it persists a batch by one call of a SQL function.

PostgREST runs each request in its own transaction. Several requests would be several transactions, so a batch
is one call of ``/rpc`` (https://postgrest.org, "Transactions").

supabase-py makes the address and the headers. The body is written here: supabase-py writes it in Python,
which takes three times as long.
"""

from collections.abc import Mapping, Sequence
from json import JSONDecodeError
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NotRequired, Self

import httpx
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError, to_json
from typing_extensions import TypedDict

from events import AnyEvent
from gateway.answers import safe_text, shaped, unexpected
from gateway.errors import CommandRefused, DeploymentFault, EventRefused, UnknownCompany, WaitsApart
from gateway.faults import FailedCall, classify
from gateway.settings import Settings
from gateway.transport import cause

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

    def __init__(self, client: "Client", http: httpx.Client) -> None:
        self._rest = client.postgrest
        self._http = http

    @classmethod
    def connect(cls, settings: Settings, *, transport: httpx.BaseTransport | None = None) -> Self:
        """Create a gateway to ``SUPABASE_URL``. It opens no connection yet."""
        from supabase import Client, ClientOptions

        http = httpx.Client(
            http2=False,  # with HTTP/2 the sync client is not thread-safe and fails on GOAWAY (httpcore #45)
            timeout=settings.timeout,
            limits=httpx.Limits(max_connections=8, max_keepalive_connections=8, keepalive_expiry=60),
            transport=transport,
        )
        options = ClientOptions(
            httpx_client=http,
            auto_refresh_token=False,
            persist_session=False,
        )
        key = settings.supabase_key.get_secret_value()
        return cls(Client(settings.supabase_url, key, options), http)

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
        try:
            response = self._http.post(
                f"{self._rest.base_url}/rpc/{function}",
                content=to_json(arguments),
                headers={**self._rest.headers, "Content-Type": "application/json"},
            )
        except httpx.RequestError as error:
            failure = FailedCall(None, None, "", None, transport=True, trouble=cause(error))
        except PydanticSerializationError:  # a text of the arguments is not Unicode
            failure = FailedCall(None, None, "", None, transport=False)
        else:
            if response.is_success:
                return _content(response)
            failure = _failed(response)
            if failure.code in OURS:
                raise OURS[failure.code](safe_text(failure.message))
        # Raised outside the handlers, because a chained exception may quote a row in the traceback.
        raise classify(failure)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


class _Problem(BaseModel):
    """What PostgREST says about a failed call. Another server may have answered with anything."""

    code: str | None = None
    message: str | None = None


def _content(response: httpx.Response) -> Any:
    """Return the JSON of an answer; its text if it is no JSON, and an empty list if it has no body."""
    try:
        return response.json() if response.content else []
    except JSONDecodeError:
        return response.text
    except (ValueError, RecursionError):  # it is no text, or is nested too deeply
        failure = _failure(response, _Problem())
    raise classify(failure)


def _failed(response: httpx.Response) -> FailedCall:
    try:
        problem = _Problem.model_validate_json(response.content)
    except ValidationError:
        problem = _Problem()
    return _failure(response, problem)


def _failure(response: httpx.Response, problem: _Problem) -> FailedCall:
    pause = _seconds(response.headers.get("Retry-After"))
    return FailedCall(response.status_code, problem.code, problem.message or "", pause, transport=False)


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
