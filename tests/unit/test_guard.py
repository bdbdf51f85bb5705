"""Authorization: ``authorize`` gets the company that the endpoint uses, and only True allows the call."""

import asyncio
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any
from unittest.mock import AsyncMock, Mock

import httpx
import pytest
from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request

from dashboard import Reader
from dashboard.api import router
from gateway.errors import TransientFault
from tests.application import CALLS, PHONE, Client, Host, allow, call, problem

TOGGLE, ACTIVITY = "/toggle-live-mode", "/botlive/activity"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host application with a fake Supabase and a fake queue."""
    made = Host()
    monkeypatch.setattr(Reader, "from_env", made.reader)
    return made


class Door:
    """Allows calls for the shop `mine`, and records the shops that it was asked about."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, request: Request, company_id: str) -> bool:
        """Allows calls for the shop `mine`."""
        self.asked.append(company_id)
        return company_id == "mine"


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_the_default_refuses_everything(host: Host, method: str, path: str, body: Any) -> None:
    """Without ``authorize``, nothing is read or published."""
    app = FastAPI()
    app.include_router(router(publisher=host.publisher))
    document = problem(call(Client(app), method, path, body), 403)
    assert document["title"] == "Forbidden"
    assert host.used == []


FOOLING: dict[str, tuple[str, str, dict[str, Any]]] = {
    "query beside the body": (
        "POST",
        f"{TOGGLE}?company_id=mine",
        {"json": {"company_id": "yours", "enable": True}},
    ),
    "query beside the path": ("GET", f"{ACTIVITY}/yours?company_id=mine", {}),
    "header": ("GET", f"{ACTIVITY}/yours", {"headers": {"company_id": "mine", "company-id": "mine"}}),
    "cookie": ("GET", f"{ACTIVITY}/yours", {"headers": {"Cookie": "company_id=mine"}}),
    "body of a read": ("GET", f"{ACTIVITY}/yours", {"json": {"company_id": "mine"}}),
    "form": ("POST", TOGGLE, {"data": {"company_id": "mine", "enable": "true"}}),
    "multipart": ("POST", TOGGLE, {"files": {"company_id": (None, "mine"), "enable": (None, "true")}}),
    "two names": (
        "POST",
        TOGGLE,
        {"content": b'{"company_id":"yours","enable":true,"company_id":"mine"}', "headers": JSON},
    ),
    "two names, turned": (
        "POST",
        TOGGLE,
        {"content": b'{"company_id":"mine","enable":true,"company_id":"yours"}', "headers": JSON},
    ),
    "two names, escaped": (
        "POST",
        TOGGLE,
        {"content": rb'{"company_id":"mine","enable":true,"company\u005fid":"yours"}', "headers": JSON},
    ),
    "case of the name": ("POST", TOGGLE, {"json": {"company_id": "yours", "Company_Id": "mine"}}),
    "case of the id": ("GET", f"{ACTIVITY}/MINE", {}),
    "blank behind the id": ("GET", f"{ACTIVITY}/mine%20", {}),
    "slash in the id": ("GET", f"{ACTIVITY}/mine%2F..%2Fyours", {}),
    "dots in the path": ("GET", f"{ACTIVITY}/mine/../yours", {}),
    "escaped twice": ("GET", f"{ACTIVITY}/%256dine", {}),
    "a list": ("POST", TOGGLE, {"json": {"company_id": ["mine", "yours"], "enable": True}}),
    "no JSON by its type": (
        "POST",
        TOGGLE,
        {"content": b'{"company_id":"yours","enable":true}', "headers": {"Content-Type": "text/plain"}},
    ),
    "other UTF": (
        "POST",
        TOGGLE,
        {"content": '{"company_id":"yours","enable":true}'.encode("utf-16"), "headers": JSON},
    ),
}


@pytest.mark.parametrize("trick", FOOLING)
def test_nothing_beside_it_decides(host: Host, trick: str) -> None:
    """Whatever the request contains, only the shop that ``authorize`` got is used."""
    method, path, content = FOOLING[trick]
    door = Door()
    client = host.client(authorize=door)
    refused = client.request(method, path, **content)
    assert 400 <= refused.status_code < 500, refused.text
    assert host.used == []
    assert "mine" not in door.asked
    allowed = client.post(TOGGLE, json={"company_id": "mine", "enable": True})
    assert (allowed.status_code, host.used, door.asked[-1]) == (200, ["mine"], "mine")


def test_the_shop_that_is_asked_about_is_the_one_that_is_used(host: Host) -> None:
    """All three endpoints use the shop that ``authorize`` got, for ids with any characters."""
    door = Door()
    client = host.client(authorize=lambda request, company_id: asyncio.run(door(request, company_id)) or True)
    for shop in ("a b", "é", "x:y", "<%= 1 %>", "-x", "a%b", "\u202e", PHONE):
        for path in (ACTIVITY, "/botlive/orders/active"):
            quoted = httpx.QueryParams({"x": shop})
            assert client.get(f"{path}/{str(quoted)[2:].replace('+', '%20')}").status_code == 200
        assert client.post(TOGGLE, json={"company_id": shop, "enable": True}).status_code == 200
    assert sorted(host.used) == sorted(door.asked)
    assert len(host.used) == 24


def raising(error: BaseException) -> Callable[[Request, str], bool]:
    """Returns a function of the host that raises this error."""

    def authorize(request: Request, company_id: str) -> bool:
        raise error

    return authorize


ANSWERS: list[Any] = [None, False, 0, 1, "", "yes", [], [True], {"ok": True}, object(), True.__and__, allow]


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
def test_only_true_lets_in(host: Host, caplog: pytest.LogCaptureFixture, answer: Any) -> None:
    """Any result other than True refuses the call, plain or async, and the log says why."""
    for authorize in (Mock(return_value=answer), AsyncMock(return_value=answer)):
        client = host.client(authorize=authorize)
        for each in CALLS:
            problem(call(client, *each), 403)
    assert host.used == []
    assert ("not True" in caplog.text) is (answer is not False)


@pytest.mark.parametrize(
    "error", [ValueError(PHONE), KeyError("sub"), RecursionError(), StopIteration(), TimeoutError(PHONE)]
)
def test_what_it_raises_lets_nobody_in(
    host: Host, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """An exception gives 403 and a log line with its type and place, without its message."""
    for authorize in (raising(error), AsyncMock(side_effect=error)):
        problem(call(host.client(authorize=authorize), *CALLS[0]), 403)
    assert host.used == []
    assert "authorize failed (" in caplog.text
    assert PHONE not in caplog.text


def test_it_may_say_that_it_cannot_tell(host: Host) -> None:
    """An error of ours, such as a failed read, gives 503."""
    problem(call(host.client(authorize=raising(TransientFault("x"))), *CALLS[0]), 503)
    assert host.used == []


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_an_http_exception_of_the_hosts_is_the_answer(host: Host, method: str, path: str, body: Any) -> None:
    """An ``HTTPException`` of the host is the answer, with its status, headers and any detail."""
    login = HTTPException(401, "log in", {"WWW-Authenticate": "Bearer"})
    response = call(host.client(authorize=raising(login)), method, path, body)
    assert problem(response, 401)["detail"] == "log in"
    assert response.headers["www-authenticate"] == "Bearer"
    response = call(host.client(authorize=raising(HTTPException(418, {"user": PHONE}))), method, path, body)
    assert "detail" not in problem(response, 418)
    own = call(host.client(authorize=raising(HTTPException(499, "gone"))), method, path, body)
    assert problem(own, 499)["title"] == "Error"
    elsewhere = HTTPException(307, headers={"Location": "/login"})
    response = call(host.client(authorize=raising(elsewhere)), method, path, body)
    assert (response.status_code, response.headers["location"]) == (HTTPStatus.TEMPORARY_REDIRECT, "/login")
    assert host.used == []


def test_forms_of_the_function_that_are_taken(host: Host) -> None:
    """Plain and async functions, objects and partials are accepted, with the names in any order."""

    def turned(company_id: str, request: Request) -> bool:
        return company_id == "shop" and isinstance(request, Request)

    def with_more(more: str, request: Request, company_id: str) -> bool:
        return (more, company_id) == ("more", "shop")

    taken = [
        turned,
        partial(with_more, "more"),
        lambda r, c: isinstance(r, Request) and c == "shop",
        lambda *args: args[1] == "shop",
        lambda request, company_id: allow(request, company_id=company_id),
        AsyncMock(return_value=True),
    ]
    for authorize in taken:
        assert call(host.client(authorize=authorize), *CALLS[0]).status_code == 200
    assert host.used == ["shop"] * len(taken)


def by_dependency(request: Request, company_id: str, login: str = Depends(allow)) -> bool:
    """A FastAPI dependency in the old style."""
    return True


def by_annotation(request: Request, company_id: str, token: Annotated[str, Header()] = "") -> bool:
    """A FastAPI dependency in the current style."""
    return True


def by_query(company_id: str = Query()) -> bool:
    """A function whose company comes from the query."""
    return company_id == "mine"


def generator(request: Request, company_id: str) -> Any:
    """A dependency with a clean-up step."""
    yield True


async def agenerator(request: Request, company_id: str) -> Any:
    """An async dependency with a clean-up step."""
    yield True


REFUSED: list[Any] = [
    by_dependency,
    by_annotation,
    by_query,
    generator,
    agenerator,
    lambda: True,
    lambda company_id: True,
    lambda request: True,
    lambda company_id, r: True,
    lambda c, request: True,
    lambda request, company_id, more: True,
    lambda request, *, company_id=None, more=1: True,
    lambda **names: True,
    None,
    True,
    Depends(allow),
]


@pytest.mark.parametrize("authorize", REFUSED)
def test_a_function_that_fastapi_would_fill_in_is_refused_at_once(authorize: Any) -> None:
    """Such a function is refused when the router is made, because the caller could choose what it checks."""
    with pytest.raises(
        TypeError, match=r"^authorize must be a function of \(request, company_id\) that returns"
    ):
        router(authorize=authorize)


def test_who_may_not_call_learns_nothing_of_the_limits(host: Host) -> None:
    """The call is authorized before the query is validated."""
    problem(host.client(authorize=Door()).get(f"{ACTIVITY}/yours?limit=x"), 403)
