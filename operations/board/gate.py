"""Access control: checks the host name, the login, and that changes come from the dashboard's own pages."""

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
    """Why a request is refused, and what to do."""

    status: HTTPStatus
    words: str
    headers: tuple[tuple[str, str], ...] = ()


_STRANGE_HOST = Refusal(
    HTTPStatus.FORBIDDEN,
    f"The dashboard does not accept this host name. If it is yours, add it to {HOSTS} (separated by commas) "
    "or pass it with --host, and start `botlive dashboard` again.",
)
_LOGIN = Refusal(
    HTTPStatus.UNAUTHORIZED,
    "Log in with RQ_DASHBOARD_USERNAME and RQ_DASHBOARD_PASSWORD.",
    (("WWW-Authenticate", 'Basic realm="Botlive", charset="UTF-8"'),),
)
_NO_SUCH_REDIS = Refusal(HTTPStatus.NOT_FOUND, "The dashboard shows only one Redis, which has the number 0.")
_POST_ONLY = Refusal(
    HTTPStatus.METHOD_NOT_ALLOWED, "This request changes something: use POST.", (("Allow", "POST"),)
)
_READ_ONLY = Refusal(
    HTTPStatus.METHOD_NOT_ALLOWED, "This request changes nothing: use GET.", (("Allow", "GET, HEAD"),)
)
_FOREIGN = Refusal(
    HTTPStatus.FORBIDDEN,
    "A page of another site has sent this request: open the dashboard itself.",
)
_NOT_OUR_PAGE = Refusal(
    HTTPStatus.FORBIDDEN,
    "Only the dashboard's own pages may change something. A browser shows where a request comes from "
    "(Origin, Sec-Fetch-Site) only over HTTPS or on localhost: open the dashboard over HTTPS, or on "
    "localhost with `ssh -L`, or use `botlive failures`.",
)
_BODY = Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Requests to the dashboard must not have a body.")


class Login(NamedTuple):
    """The username and the password of the dashboard."""

    username: str
    password: str

    @classmethod
    def of(cls, settings: DashboardSettings) -> Self | None:
        """Return the login of the settings, or None if there is none.

        Raises:
            InvalidSetting: only one of the two is set.
        """
        username, password = settings.username, settings.password.get_secret_value()
        if bool(username) != bool(password):
            raise InvalidSetting(
                "RQ_DASHBOARD_USERNAME and RQ_DASHBOARD_PASSWORD", "one of the two is not set: set both"
            )
        return cls(username, password) if username else None

    def fits(self, request: Request) -> bool:
        """Return whether the request has this login; the comparison takes constant time."""
        given = request.authorization
        username, password = (given.username, given.password) if given else (None, None)
        is_name, is_password = _same(self.username, username), _same(self.password, password)
        return is_name and is_password


class Gate:
    """Refuses requests that do not come from an operator who uses this dashboard."""

    def __init__(self, hosts: Iterable[str] = (), login: Login | None = None) -> None:
        self._hosts = LOOPBACK | {*hosts}
        self._login = login

    def refusal(self, request: Request) -> Refusal | None:
        """Return why this request is refused, or None."""
        host = request.environ.get("HTTP_HOST", "").lower()
        if _name(host) not in self._hosts:
            return _STRANGE_HOST
        if self._login and not self._login.fits(request):
            return _LOGIN
        if (request.view_args or {}).get("instance_number", 0):
            return _NO_SUCH_REDIS
        return _route(request, host)


def named(texts: Iterable[str]) -> list[str]:
    """Parse host names that are separated by commas.

    Raises:
        InvalidSetting: one of them is not a host name.
    """
    names = [name.strip().lower().strip("[]") for text in texts for name in text.split(",") if name.strip()]
    if not all(map(_NAME.fullmatch, names)):
        raise InvalidSetting(
            f"{HOSTS} or --host",
            "must contain only host names, such as my-botlive.herokuapp.com: no https://, no port, no *",
        )
    return names


def _same(own: str, given: str | None) -> bool:
    return compare_digest(own.encode(errors="surrogateescape"), (given or "").encode())


def _name(host: str) -> str:
    found = _HOST.fullmatch(host)
    return found[1].strip("[]") if found else ""


def _route(request: Request, host: str) -> Refusal | None:
    """Check the route against the allow-list; a route that is not in it is refused."""
    endpoint, method = request.endpoint, request.method
    if endpoint is None:  # no such route: Flask answers 404
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
    """Allow links from other sites to a page; forbid other sites to embed a page or to read data."""
    if request.headers.get("Sec-Fetch-Site", "none") in {"none", "same-origin"}:
        return None
    purpose = (request.headers.get("Sec-Fetch-Mode"), request.headers.get("Sec-Fetch-Dest"))
    return None if request.endpoint in routes.PAGES and purpose == ("navigate", "document") else _FOREIGN
