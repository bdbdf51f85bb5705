"""What an answer proves: why a probe fails, or nothing where it passes."""

from typing import Any

import httpx

from tests.probes.facts import Facts
from tests.probes.people import Person
from tests.probes.request import Request

_NOT_FOUND = {"PGRST106", "PGRST125", "PGRST202", "PGRST205", "42501"}
_NOT_ONE = "PGRST116"


def attack(person: Person, request: Request, answer: httpx.Response, victim: Facts) -> str | None:
    """Return why this answer to an attacker is neither a denial nor an empty result."""
    shown = sorted(secret for secret in victim.secrets if secret in answer.text)
    if shown:
        return f"the answer shows {len(shown)} of the victim's secrets"
    status, code = answer.status_code, _code(answer)
    if person.standing == "intruder":
        return None if status == 401 else f"a token that must be refused was answered {status} {code}"
    if status == 401 and person.standing == "nobody":
        return None
    if request.hidden:
        return None if code in _NOT_FOUND else f"what is not shown was answered {status} {code}"
    if status in {401, 403} and (code == "42501" or request.method == "HEAD"):  # which has no body
        return None
    return _empty(request, answer)


def _empty(request: Request, answer: httpx.Response) -> str | None:
    status, code = answer.status_code, _code(answer)
    if request.method == "OPTIONS":
        return None if answer.is_success and not answer.text else f"OPTIONS was answered {status} {code}"
    if request.path.startswith("/rpc/") or request.method in {"POST", "PUT"}:
        return f"it was not denied: {status} {code}"
    if code == _NOT_ONE:
        return None
    if not answer.is_success:
        return f"no clean denial: {status} {code}"
    if request.aimed and (_rows(answer) or _counted(request, answer)):
        return f"it got rows of the shop: {status}, {_total(answer)} of them"
    return None


def _counted(request: Request, answer: httpx.Response) -> bool:
    """Return whether rows were counted. A planned count is an estimate of all rows, at least 1."""
    return _total(answer) not in {"*", "0"} and "count=planned" not in request.headers.get("Prefer", "")


def control(request: Request, answer: httpx.Response) -> str | None:
    """Return why this answer to a permitted person does not prove that the request works."""
    if not answer.is_success:
        said = f"{answer.status_code} {_code(answer)} {answer.text[:150]}"
        return f"control: {request.control} was answered {said}"
    sees = request.method in {"GET", "HEAD"} or "representation" in request.headers.get("Prefer", "")
    if request.shows and sees and not _rows(answer) and _total(answer) in {"*", "0"}:
        return f"control: {request.control} got no row"
    return None


def is_unspoken(answer: httpx.Response) -> bool:
    """Return whether the local stand-in, or a PostgREST without aggregates, does not support the request."""
    return _code(answer) in {"LOCAL501", "PGRST123"}


def _code(answer: httpx.Response) -> Any:
    body = _body(answer)
    return body.get("code") if isinstance(body, dict) and not answer.is_success else ""


def _rows(answer: httpx.Response) -> Any:
    return _body(answer) or []


def _body(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def _total(answer: httpx.Response) -> str:
    return str(answer.headers.get("content-range", "*/*")).rpartition("/")[2]
