"""The application: rq-dashboard's blueprint, behind the gate, with patched pages and sealed answers."""

from http import HTTPStatus
from urllib.parse import quote, urlsplit

import redis
from flask import Flask, Response, request
from jinja2 import BaseLoader
from redis.exceptions import RedisError
from rq.exceptions import NoSuchJobError
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter

from events.publishing.cause import cause_of
from operations.board import headers, pages, routes, views
from operations.board.gate import Gate
from operations.board.upstream import PACKAGE, blueprint


class _Name(BaseConverter):
    """A queue's or a job's name: any text, and so a slash too."""

    regex = r"[^\0]+"
    part_isolating = False

    def to_url(self, value: object) -> str:
        """As one segment of a path: no name may lead to another route."""
        return quote(str(value), safe="")


class Board(Flask):
    """The dashboard of one Redis."""

    jinja_options = {"finalize": pages.shown}  # noqa: RUF012 # as Flask declares it

    def __init__(self, connection: redis.Redis, address: str, gate: Gate) -> None:
        super().__init__(PACKAGE)
        self.redis_conn = connection  # where rq-dashboard looks for it
        self.config.update(RQ_DASHBOARD_REDIS_URL=(_shown(address),), RQ_DASHBOARD_DISABLE_DELETE=True)
        self._gate = gate
        self._route()
        pages.prepare(self.jinja_env)
        self.before_request(self._refusal)
        self.after_request(headers.seal)
        for kind, answer in ((HTTPException, _problem), (NoSuchJobError, _gone), (RedisError, _away)):
            self.register_error_handler(kind, answer)

    def create_global_jinja_loader(self) -> BaseLoader:  # type: ignore[override] # Flask names its own class
        """rq-dashboard's templates, patched."""
        return pages.Loader(super().create_global_jinja_loader())

    def select_jinja_autoescape(self, filename: str | None) -> bool:
        """Always: Flask's own rule leaves out the scripts that the pages include."""
        return True

    def _route(self) -> None:
        self.url_map.converters["default"] = _Name
        # Redirects would name this process's own scheme, which is not that of the proxy before it.
        self.url_map.strict_slashes = self.url_map.merge_slashes = self.url_map.redirect_defaults = False
        self.register_blueprint(blueprint)
        self.view_functions |= {routes.REQUEUE: views.requeue, routes.REQUEUE_ALL: views.requeue_all}

    def _refusal(self) -> Response | None:
        refusal = self._gate.refusal(request)
        return views.text(refusal.words, refusal.status, refusal.headers) if refusal else None


def _shown(address: str) -> str:
    """Where the Redis is, without the login and the options, which may hold passwords too."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _problem(error: HTTPException) -> Response:
    if error.response is not None:
        return error.response  # type: ignore[return-value] # it is one of ours
    return views.text(error.name, error.code or HTTPStatus.INTERNAL_SERVER_ERROR)


def _gone(_: NoSuchJobError) -> Response:
    return views.text("There is no such job: it is done, or it was discarded.", HTTPStatus.NOT_FOUND)


def _away(error: RedisError) -> Response:
    """Its own words may quote a password."""
    return views.text(f"{cause_of(error)}.", HTTPStatus.SERVICE_UNAVAILABLE)
