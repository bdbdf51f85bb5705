"""Classifies a failed call to Supabase: bad event, bad deployment, or transient.

No I/O. Sources: appendix A of PostgreSQL (SQLSTATE), the error list of PostgREST (PGRST…), RFC 9110.
"""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.errors import DeploymentFault, EventRefused, TransientFault, UnclassifiedFault, WorkerError

_SQLSTATE_OR_POSTGREST = re.compile(r"[0-9A-Z]{5}|PGRST[0-9X][0-9]{2}")
_HTTP_STATUS = re.compile(r"[1-5][0-9]{2}")


@dataclass(frozen=True, slots=True)
class FailedCall:
    """What is known about a failed call."""

    status: int | None
    """The status of the HTTP answer, if there was one."""
    code: str | None
    """The code in the body: a SQLSTATE, a code of PostgREST, an HTTP status as text (of a proxy), or None."""
    message: str = field(repr=False)
    """The message of the server. It may quote a row, so it is never shown."""
    retry_after: float | None
    """The pause that the server asked for, in seconds."""
    transport: bool
    """Whether there was no answer at all."""
    trouble: str = ""
    """Why there was no answer (from ``gateway.transport``)."""


class Rule(NamedTuple):
    """The error and the message for some codes or statuses."""

    codes: re.Pattern[str]
    error: type[WorkerError]
    message: str


_AWAY = "Supabase is away or overloaded ({cause}): the events wait and go through when it is back"
_CLOUDFLARE = (
    "Cloudflare cannot reach the project in Supabase ({cause}): the project is starting, paused or deleted, "
    "see Supabase's dashboard; the events wait"
)
_PAUSED = "the project is paused ({cause}): restore it in Supabase's dashboard; the events wait"
_QUOTA = (
    "Supabase has restricted the project because its quota is used up or a bill is unpaid ({cause}): "
    "see Usage and Billing in Supabase's dashboard; the events wait"
)
_KEY = (
    "Supabase does not accept the key ({cause}): check that SUPABASE_KEY is a valid secret (sb_secret_…) or "
    "service_role key of the project in SUPABASE_URL; the events wait"
)
_RIGHTS = (
    "the worker's role lacks a permission in the database ({cause}): check that SUPABASE_KEY is this "
    "project's secret or service_role key, then run `botlive migrate`, which grants the permissions"
)
_IN_BETWEEN = (
    "a proxy or firewall in front of Supabase refuses the call ({cause}): configure it to allow calls from "
    "this machine to SUPABASE_URL; the events wait"
)
_ADDRESS = (
    "no API of Supabase answers at SUPABASE_URL ({cause}): check that it is https://<project>.supabase.co "
    "of an existing project; the events wait"
)
_REDIRECT = (
    "SUPABASE_URL redirects to another address ({cause}): set the address that it redirects to, usually with "
    "https://; the events wait"
)
_HIDDEN = (
    "the project's API does not expose the schema public ({cause}): add it to the exposed schemas in the API "
    "settings of Supabase's dashboard; the events wait"
)
_SCHEMA = "the database lacks a table, column or function of Botlive Events ({cause}): run `botlive migrate`"
_CONSTRAINT = (
    "a constraint, trigger or column of the shop's tables accepts no event ({cause}): "
    "the database's own log names it; the events wait"
)
_VALUE = "a value of the event does not fit its column ({cause})"
_TAKEN = "another row already has this key ({cause})"
_REQUEST = "Supabase cannot read the request for this event ({cause})"
_UNFORESEEN = "Supabase gave an unknown answer ({cause}): report it; the events wait"


def _rule(codes: str, error: type[WorkerError], message: str) -> Rule:
    return Rule(re.compile(codes), error, message)


_BY_CODE = (
    _rule("08...|40001|40P01|53...|55P03|57014|57P0[1-3]|58...|25006", TransientFault, _AWAY),
    _rule("PGRST00[0-3]", TransientFault, _AWAY),
    _rule("28...|PGRST30[0-3]", DeploymentFault, _KEY),
    _rule("42501", DeploymentFault, _RIGHTS),
    _rule("PGRST106", DeploymentFault, _HIDDEN),
    _rule("PGRST117|PGRST125", DeploymentFault, _ADDRESS),
    _rule("42P01|42703|42883|PGRST20[2-5]", DeploymentFault, _SCHEMA),
    # Our SQL catches these if an event's own value causes them. Here they are about every event.
    _rule("23502|23503|23514", DeploymentFault, _CONSTRAINT),
    _rule("22...", EventRefused, _VALUE),
    # For the event's own key our SQL answers "duplicate", so this is another unique key.
    _rule("23505", EventRefused, _TAKEN),
    _rule("PGRST1(0[0-57-9]|1[0-9]|2[0-8])", EventRefused, _REQUEST),
)
# A 401 means that the key is not accepted, whatever the body says: PostgREST answers 401 with 22023 for an
# unknown role, and 401 with 42501 for the anonymous role.
_UNAUTHORIZED = (_rule("401", DeploymentFault, _KEY),)
_FORBIDDEN = (_rule("403", DeploymentFault, _RIGHTS),)
_BY_STATUS = (
    _rule("540", TransientFault, _PAUSED),
    _rule("52[0-7]|530", TransientFault, _CLOUDFLARE),
    # One event may cause a 413 or a 500: the worker isolates it after a probe has passed.
    _rule("408|413|425|429|5..", TransientFault, _AWAY),
)
# PostgREST sends a code with every error. Without a code, a proxy or another server answered.
_BY_STATUS_ALONE = (
    _rule("402", DeploymentFault, _QUOTA),
    _rule("403|407|451", DeploymentFault, _IN_BETWEEN),
    _rule("404|405|410", UnclassifiedFault, _ADDRESS),
    _rule("3..", UnclassifiedFault, _REDIRECT),
    _rule("400|406|422", EventRefused, _REQUEST),
)
_OTHER = _rule("", UnclassifiedFault, _UNFORESEEN)


def classify(failure: FailedCall) -> WorkerError:
    """Return the error to raise, by SQLSTATE or PostgREST code first, then by HTTP status.

    PostgREST sends status 400 with an unlisted code, such as P0001 from a customer's trigger. Such a code is
    never classified as a bad event.
    """
    if failure.transport:
        return TransientFault(
            f"Supabase gave no answer ({failure.trouble or 'the connection failed'}): the events wait and go "
            "through when it is back; if this lasts, check SUPABASE_URL, the network and, if it is set, "
            "HTTPS_PROXY"
        )
    rule = _matching(failure)
    message = rule.message.format(cause=_cause(failure))
    if rule.error is TransientFault:
        return TransientFault(message, retry_after=failure.retry_after)
    return rule.error(message)


def _matching(failure: FailedCall) -> Rule:
    code, status = _code(failure), _status(failure)
    if code:
        by_code = _first(_FORBIDDEN, status) or _first(_BY_CODE, code)
    else:
        by_code = _first(_BY_STATUS_ALONE, status)
    return _first(_UNAUTHORIZED, status) or by_code or _first(_BY_STATUS, status) or _OTHER


def _first(rules: tuple[Rule, ...], code: str) -> Rule | None:
    return next((rule for rule in rules if rule.codes.fullmatch(code)), None)


def _code(failure: FailedCall) -> str:
    """Return the code if it looks like one, because a proxy may send any text as the code."""
    code = failure.code or ""
    return code if _SQLSTATE_OR_POSTGREST.fullmatch(code) else ""


def _status(failure: FailedCall) -> str:
    status = str(failure.status or failure.code or "")
    return status if _HTTP_STATUS.fullmatch(status) else ""


def _cause(failure: FailedCall) -> str:
    status = _status(failure)
    parts = [_code(failure), f"HTTP {status}" if status else ""]
    return ", ".join(filter(None, parts)) or "no code"
