"""Who may ask for what: the hosts it answers to, the login, and that its own pages alone change anything."""

import re
from collections.abc import Iterable
from hmac import compare_digest
from http import HTTPStatus
from typing import NamedTuple, Self

from flask import Request

from gateway.errors import InvalidSetting
from gateway.settings import DashboardSettings
from operations.board import routes

HOSTS = "BOTLIVE_DASHBOARD_HOSTS"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|[0-9a-f.]*:[0-9a-f:.]*")
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::[0-9]{1,5})?")
_READING = frozenset({"GET", "HEAD"})


class Refusal(NamedTuple):
    """Why a request is not answered, and what to do."""

    status: HTTPStatus
    words: str
    headers: tuple[tuple[str, str], ...] = ()


_STRANGE_HOST = Refusal(
    HTTPStatus.FORBIDDEN,
    f"The dashboard does not answer to this host name. If it is yours, write it into {HOSTS} (several with "
    "commas between them) or behind --host, and start `botlive dashboard` again.",
)
_LOGIN = Refusal(
    HTTPStatus.UNAUTHORIZED,
    "Log in with RQ_DASHBOARD_USERNAME and RQ_DASHBOARD_PASSWORD.",
    (("WWW-Authenticate", 'Basic realm="Botlive", charset="UTF-8"'),),
)
_NO_SUCH_REDIS = Refusal(HTTPStatus.NOT_FOUND, "The dashboard shows one Redis: its number is 0.")
_POST_ONLY = Refusal(
    HTTPStatus.METHOD_NOT_ALLOWED, "This changes something: it takes POST alone.", (("Allow", "POST"),)
)
_READ_ONLY = Refusal(
    HTTPStatus.METHOD_NOT_ALLOWED, "This changes nothing: it takes GET alone.", (("Allow", "GET, HEAD"),)
)
_FOREIGN = Refusal(
    HTTPStatus.FORBIDDEN,
    "Another site's page asked for this: open the dashboard itself.",
)
_NOT_OUR_PAGE = Refusal(
    HTTPStatus.FORBIDDEN,
    "Only the dashboard's own pages may change something, and a browser tells where a request comes from "
    "(Origin, Sec-Fetch-Site) only over HTTPS or to this machine: open it so, for example through `ssh -L`, "
    "or use `botlive failures`.",
)
_BODY = Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The dashboard's own requests have no content.")


class Login(NamedTuple):
    """The one name and password."""

    username: str
    password: str

    @classmethod
    def of(cls, settings: DashboardSettings) -> Self | None:
        """The settings' login; None where they have none.

        Raises:
            InvalidSetting: one half of it is missing.
        """
        username, password = settings.username, settings.password.get_secret_value()
        if bool(username) != bool(password):
            raise InvalidSetting(
                "RQ_DASHBOARD_USERNAME and RQ_DASHBOARD_PASSWORD", "one of the two is not set, set both"
            )
        return cls(username, password) if username else None

    def fits(self, request: Request) -> bool:
        """Whether the request has them, in a time that does not depend on what it has."""
        given = request.authorization
        username, password = (given.username, given.password) if given else (None, None)
        is_name, is_password = _same(self.username, username), _same(self.password, password)
        return is_name and is_password


class Gate:
    """Refuses what is not for this dashboard's operator, by his own hand."""

    def __init__(self, hosts: Iterable[str] = (), login: Login | None = None) -> None:
        self._hosts = LOOPBACK | {*hosts}
        self._login = login

    def refusal(self, request: Request) -> Refusal | None:
        """Why this request is refused, or None."""
        host = request.environ.get("HTTP_HOST", "").lower()
        if _name(host) not in self._hosts:
            return _STRANGE_HOST
        if self._login and not self._login.fits(request):
            return _LOGIN
        if (request.view_args or {}).get("instance_number", 0):
            return _NO_SUCH_REDIS
        return _route(request, host)


def named(texts: Iterable[str]) -> list[str]:
    """The host names in these texts.

    Raises:
        InvalidSetting: one is none.
    """
    names = [name.strip().lower().strip("[]") for text in texts for name in text.split(",") if name.strip()]
    if not all(map(_NAME.fullmatch, names)):
        raise InvalidSetting(
            f"{HOSTS} or --host",
            "must hold host names alone, as my-botlive.herokuapp.com: no https://, no port, no *",
        )
    return names


def _same(own: str, given: str | None) -> bool:
    return compare_digest(own.encode(errors="surrogateescape"), (given or "").encode())


def _name(host: str) -> str:
    found = _HOST.fullmatch(host)
    return found[1].strip("[]") if found else ""


def _route(request: Request, host: str) -> Refusal | None:
    """By the allow-list: a route that it does not name is refused."""
    endpoint, method = request.endpoint, request.method
    if endpoint is None:  # there is no such route: Flask says so
        return None
    if endpoint in routes.CHANGES:
        return _change(request, host) if method == "POST" else _POST_ONLY
    if endpoint not in routes.READS:
        return Refusal(HTTPStatus.FORBIDDEN, routes.OFF.get(endpoint, routes.UNKNOWN))
    return _read(request) if method in _READING else _READ_ONLY


def _change(request: Request, host: str) -> Refusal | None:
    is_own = request.headers.get("Origin", "").lower() in {f"http://{host}", f"https://{host}"}
    if not is_own or request.headers.get("Sec-Fetch-Site") != "same-origin":
        return _NOT_OUR_PAGE
    return _BODY if request.content_type or request.content_length else None


def _read(request: Request) -> Refusal | None:
    """A link from elsewhere may open a page; no page from elsewhere may have one in its own, nor the data."""
    if request.headers.get("Sec-Fetch-Site", "none") in {"none", "same-origin"}:
        return None
    told = (request.headers.get("Sec-Fetch-Mode"), request.headers.get("Sec-Fetch-Dest"))
    return None if request.endpoint in routes.PAGES and told == ("navigate", "document") else _FOREIGN
