"""Whose fault a failed call to Supabase is: the events', the installation's or the weather's.

Pure. Sources: PostgreSQL's appendix A (SQLSTATE), PostgREST's list of errors (PGRST…), RFC 9110.
"""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.errors import DeploymentFault, EventRefused, TransientFault, UnclassifiedFault, WorkerError

_SQLSTATE_OR_POSTGREST = re.compile(r"[0-9A-Z]{5}|PGRST[0-9X][0-9]{2}")
_HTTP_STATUS = re.compile(r"[1-5][0-9]{2}")


@dataclass(frozen=True, slots=True)
class FailedCall:
    """What is known of a failed call."""

    status: int | None
    """Of the HTTP answer, where one came."""
    code: str | None
    """The body's: a SQLSTATE, PostgREST's own, an HTTP status as text (a gateway's), or none."""
    message: str = field(repr=False)
    """The server's words. They may quote a row, so nothing here ever repeats them."""
    retry_after: float | None
    """Seconds."""
    transport: bool
    """No answer came at all."""
    trouble: str = ""
    """Why, in words of ours (``gateway.transport``)."""


class Rule(NamedTuple):
    """Which fault a code or status stands for, and the words that say so."""

    codes: re.Pattern[str]
    error: type[WorkerError]
    reason: str


_AWAY = "Supabase is away or overloaded ({cause}): the events wait and go through when it is back"
_CLOUDFLARE = (
    "Cloudflare, in front of Supabase, does not reach the project ({cause}): it is starting, paused or gone, "
    "see its dashboard; the events wait"
)
_PAUSED = "the project is paused ({cause}): restore it in Supabase's dashboard; the events wait"
_QUOTA = (
    "Supabase has restricted the project, for its quota is used up or a bill is open ({cause}): "
    "see Usage and Billing in its dashboard; the events wait"
)
_KEY = (
    "Supabase does not admit the key ({cause}): check that SUPABASE_KEY is a secret (sb_secret_…) or "
    "service_role key, still in force, of the project that SUPABASE_URL names"
)
_RIGHTS = (
    "the worker's role lacks a right in the database ({cause}): check that SUPABASE_KEY is this project's "
    "secret or service_role key, then run `botlive migrate`, which gives that role what it needs"
)
_IN_BETWEEN = (
    "a proxy or firewall on the way to Supabase refuses the call ({cause}): have it let this machine's calls "
    "to SUPABASE_URL through; the events wait"
)
_ADDRESS = (
    "no API of Supabase answers at SUPABASE_URL ({cause}): check that it is https://<project>.supabase.co, "
    "of a project that exists; the events wait"
)
_REDIRECT = (
    "SUPABASE_URL leads elsewhere ({cause}): set the address that it redirects to, as a rule with https://; "
    "the events wait"
)
_HIDDEN = (
    "the project's API does not show the schema public ({cause}): add it to the exposed schemas in the API "
    "settings of Supabase's dashboard"
)
_SCHEMA = "the database lacks a table, column or function of ours ({cause}): run `botlive migrate`"
_CONSTRAINT = (
    "a constraint, trigger or column of the shop's tables admits no event ({cause}): "
    "the database's own log names it"
)
_VALUE = "a value of the event does not fit its column ({cause})"
_TAKEN = "another row already has this key ({cause})"
_REQUEST = "Supabase cannot read the request that this event makes ({cause})"
_UNFORESEEN = "Supabase gave an answer that is not foreseen ({cause}): report it"


def _rule(codes: str, error: type[WorkerError], reason: str) -> Rule:
    return Rule(re.compile(codes), error, reason)


_BY_CODE = (
    _rule("08...|40001|40P01|53...|55P03|57014|57P0[1-3]|58...|25006", TransientFault, _AWAY),
    _rule("PGRST00[0-3]", TransientFault, _AWAY),
    _rule("28...|PGRST30[0-3]", DeploymentFault, _KEY),
    _rule("42501", DeploymentFault, _RIGHTS),
    _rule("PGRST106", DeploymentFault, _HIDDEN),
    _rule("PGRST117|PGRST125", DeploymentFault, _ADDRESS),
    _rule("42P01|42703|42883|PGRST20[2-5]", DeploymentFault, _SCHEMA),
    # What an event's own value caused, our SQL has caught: these reach us for every event alike.
    _rule("23502|23503|23514", DeploymentFault, _CONSTRAINT),
    _rule("22...", EventRefused, _VALUE),
    # On the event's own key our SQL answers "duplicate": this is somebody else's key.
    _rule("23505", EventRefused, _TAKEN),
    _rule("PGRST1(0[0-57-9]|1[0-9]|2[0-8])", EventRefused, _REQUEST),
)
# Whatever the body says, the key is not admitted: PostgREST gives 401 and 22023 for an unknown role, and
# 401 and 42501 for nobody's.
_NOT_ADMITTED = (_rule("401", DeploymentFault, _KEY),)
_FORBIDDEN = (_rule("403", DeploymentFault, _RIGHTS),)
_BY_STATUS = (
    _rule("540", TransientFault, _PAUSED),
    _rule("52[0-7]|530", TransientFault, _CLOUDFLARE),
    # 413 and 500 may be one event's doing: isolation finds out, after a probe passed.
    _rule("408|413|425|429|5..", TransientFault, _AWAY),
)
# PostgREST gives a code with every error: without one somebody else speaks.
_BY_STATUS_ALONE = (
    _rule("402", DeploymentFault, _QUOTA),
    _rule("403|407|451", DeploymentFault, _IN_BETWEEN),
    _rule("404|405|410", UnclassifiedFault, _ADDRESS),
    _rule("3..", UnclassifiedFault, _REDIRECT),
    _rule("400|406|422", EventRefused, _REQUEST),
)
_OTHER = _rule("", UnclassifiedFault, _UNFORESEEN)


def classify(failure: FailedCall) -> WorkerError:
    """The error to raise: by SQLSTATE or PostgREST's code, then by HTTP status.

    A code that is not listed (somebody's trigger that raises P0001) is never taken for the event's
    fault because of the status 400 that PostgREST gives it.
    """
    if failure.transport:
        return TransientFault(
            f"Supabase gave no answer ({failure.trouble or 'the connection failed'}): the events wait and go "
            "through when it is back; if this lasts, check SUPABASE_URL and the way to it"
        )
    rule = _matching(failure)
    message = rule.reason.format(cause=_cause(failure))
    if rule.error is TransientFault:
        return TransientFault(message, retry_after=failure.retry_after)
    return rule.error(message)


def _matching(failure: FailedCall) -> Rule:
    code, status = _code(failure), _status(failure)
    if code:
        by_code = _first(_FORBIDDEN, status) or _first(_BY_CODE, code)
    else:
        by_code = _first(_BY_STATUS_ALONE, status)
    return _first(_NOT_ADMITTED, status) or by_code or _first(_BY_STATUS, status) or _OTHER


def _first(rules: tuple[Rule, ...], code: str) -> Rule | None:
    return next((rule for rule in rules if rule.codes.fullmatch(code)), None)


def _code(failure: FailedCall) -> str:
    """Only what has a code's form is believed and repeated: a gateway may send any text."""
    code = failure.code or ""
    return code if _SQLSTATE_OR_POSTGREST.fullmatch(code) else ""


def _status(failure: FailedCall) -> str:
    status = str(failure.status or failure.code or "")
    return status if _HTTP_STATUS.fullmatch(status) else ""


def _cause(failure: FailedCall) -> str:
    status = _status(failure)
    parts = [_code(failure), f"HTTP {status}" if status else ""]
    return ", ".join(filter(None, parts)) or "no code"
