"""Whose fault a failed call to Supabase is: the events', the installation's or the weather's.

Pure. Sources: PostgreSQL's appendix A (SQLSTATE), PostgREST's list of errors (PGRST…), RFC 9110.
"""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from worker.errors import DeploymentFault, EventRefused, TransientFault, UnclassifiedFault, WorkerError

_SQLSTATE_OR_POSTGREST = re.compile(r"[0-9A-Z]{5}|PGRST[0-9X][0-9]{2}")
_HTTP_STATUS = re.compile(r"[1-5][0-9]{2}")


@dataclass(frozen=True, slots=True)
class Failure:
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


class Rule(NamedTuple):
    """Which fault a code or status stands for, and the words that say so."""

    codes: re.Pattern[str]
    error: type[WorkerError]
    reason: str


_AWAY = "Supabase is away or overloaded ({cause}): the events wait and go through when it is back"
_KEY = (
    "Supabase does not admit the worker ({cause}): check that SUPABASE_KEY is this project's secret "
    "or service_role key, then run `botlive migrate`"
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
    _rule("28...|42501|PGRST30[0-3]", DeploymentFault, _KEY),
    _rule("42P01|42703|42883|PGRST106|PGRST117|PGRST125|PGRST20[2-5]", DeploymentFault, _SCHEMA),
    # What an event's own value caused, our SQL has caught: these reach us for every event alike.
    _rule("23502|23503|23514", DeploymentFault, _CONSTRAINT),
    _rule("22...", EventRefused, _VALUE),
    # On the event's own key our SQL answers "duplicate": this is somebody else's key.
    _rule("23505", EventRefused, _TAKEN),
    _rule("PGRST1(0[0-57-9]|1[0-9]|2[0-8])", EventRefused, _REQUEST),
)
# Whatever the body says, the key is not admitted: PostgREST gives 401 and 22023 for an unknown role.
_NOT_ADMITTED = (_rule("401|403", DeploymentFault, _KEY),)
_BY_STATUS = (
    # 413 and 500 may be one event's doing: isolation finds out, after a probe passed.
    _rule("408|413|425|429|5..", TransientFault, _AWAY),
)
_BY_STATUS_ALONE = (_rule("400|406|422", EventRefused, _REQUEST),)
_OTHER = _rule("", UnclassifiedFault, _UNFORESEEN)


def classify(failure: Failure) -> WorkerError:
    """The error to raise: by SQLSTATE or PostgREST's code, then by HTTP status.

    A code that is not listed (somebody's trigger that raises P0001) is never taken for the event's
    fault because of the status 400 that PostgREST gives it.
    """
    if failure.transport:
        return TransientFault("Supabase gave no answer: the events wait and go through when it is back")
    rule = _matching(failure)
    message = rule.reason.format(cause=_cause(failure))
    if rule.error is TransientFault:
        return TransientFault(message, retry_after=failure.retry_after)
    return rule.error(message)


def _matching(failure: Failure) -> Rule:
    code, status = _code(failure), _status(failure)
    by_status = _BY_STATUS if code else _BY_STATUS + _BY_STATUS_ALONE
    return _first(_NOT_ADMITTED, status) or _first(_BY_CODE, code) or _first(by_status, status) or _OTHER


def _first(rules: tuple[Rule, ...], code: str) -> Rule | None:
    return next((rule for rule in rules if rule.codes.fullmatch(code)), None)


def _code(failure: Failure) -> str:
    """Only what has a code's form is believed and repeated: a gateway may send any text."""
    code = failure.code or ""
    return code if _SQLSTATE_OR_POSTGREST.fullmatch(code) else ""


def _status(failure: Failure) -> str:
    status = str(failure.status or failure.code or "")
    return status if _HTTP_STATUS.fullmatch(status) else ""


def _cause(failure: Failure) -> str:
    status = _status(failure)
    parts = [_code(failure), f"HTTP {status}" if status else ""]
    return ", ".join(filter(None, parts)) or "no code"
