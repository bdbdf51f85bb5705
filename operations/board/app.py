"""The Flask application: rq-dashboard's blueprint with access control, patched pages and safe headers."""

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
from events.publishing.keys import QUEUE
from operations.board import changes, headers, monitor, pages, routes
from operations.board.gate import Gate
from operations.board.upstream import PACKAGE, blueprint


class _Name(BaseConverter):
    """A queue's or a job's name: any text, including slashes."""

    regex = r"[^\0]+"
    part_isolating = False

    def to_url(self, value: object) -> str:
        """Quote the name as one path segment, so that it cannot lead to another route."""
        return quote(str(value), safe="")


class Board(Flask):
    """The dashboard of one Redis."""

    jinja_options = {"finalize": pages.shown}  # noqa: RUF012 # declared so in Flask

    def __init__(self, connection: redis.Redis, address: str, gate: Gate, queue: str = QUEUE) -> None:
        super().__init__(PACKAGE, template_folder=str(monitor.TEMPLATES))  # before rq-dashboard's own
        self.redis_conn = connection  # rq-dashboard reads this attribute
        self.config.update(RQ_DASHBOARD_REDIS_URL=(_shown(address),), RQ_DASHBOARD_DISABLE_DELETE=True)
        self.config[monitor.QUEUE] = queue
        self._gate = gate
        self._route()
        pages.prepare(self.jinja_env)
        self.before_request(self._refusal)
        self.after_request(headers.seal)
        for kind, answer in ((HTTPException, _problem), (NoSuchJobError, _gone), (RedisError, _away)):
            self.register_error_handler(kind, answer)

    def create_global_jinja_loader(self) -> BaseLoader:  # type: ignore[override] # Flask names its own class
        """Return a loader of rq-dashboard's patched templates."""
        return pages.Loader(super().create_global_jinja_loader())

    def select_jinja_autoescape(self, filename: str | None) -> bool:
        """Escape in every file; Flask's rule would skip the scripts that the pages include."""
        return True

    def _route(self) -> None:
        self.url_map.converters["default"] = _Name
        # No redirects: they would have the scheme of this process, not that of a proxy in front of it.
        self.url_map.strict_slashes = self.url_map.merge_slashes = self.url_map.redirect_defaults = False
        self.register_blueprint(blueprint)
        self.register_blueprint(monitor.blueprint)
        self.view_functions |= {
            **{routes.REQUEUE: changes.requeue, routes.REQUEUE_ALL: changes.requeue_all},
            **{routes.JOBS: monitor.jobs, routes.JOB: monitor.job, routes.WORKERS: monitor.workers},
        }

    def _refusal(self) -> Response | None:
        refusal = self._gate.refusal(request)
        return changes.answer(refusal.words, refusal.status, refusal.headers) if refusal else None


def _shown(address: str) -> str:
    """Return the address of Redis without its login and options, which may hold passwords."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _problem(error: HTTPException) -> Response:
    if error.response is not None:
        return error.response  # type: ignore[return-value] # one of our own responses
    return changes.answer(error.name, error.code or HTTPStatus.INTERNAL_SERVER_ERROR)


def _gone(_: NoSuchJobError) -> Response:
    return changes.answer("This job does not exist: it is done, or it was discarded.", HTTPStatus.NOT_FOUND)


def _away(error: RedisError) -> Response:
    """Answer with the kind of cause; the message of the error may quote a password."""
    return changes.answer(f"{cause_of(error)}.", HTTPStatus.SERVICE_UNAVAILABLE)
