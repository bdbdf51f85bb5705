"""``botlive dashboard``: rq-dashboard, with what it needs for our JSON jobs."""

import os
from typing import Annotated, Any

import redis
import rq.serializers
import typer

# Before rq-dashboard is imported: its pages for requeue, delete and workers ignore the JSON flag, and
# a requeue would turn a job's JSON into pickle (rq-dashboard 0.9.0, web.py).
rq.serializers.DefaultSerializer = rq.serializers.JSONSerializer  # type: ignore[misc, assignment]
rq.serializers.PickleSerializer = rq.serializers.JSONSerializer  # type: ignore[assignment]

import rq_dashboard.web  # type: ignore[import-untyped]  # noqa: E402
from rq_dashboard.app import create_app  # type: ignore[import-untyped]  # noqa: E402

from events.address import client  # noqa: E402
from worker.shown import install  # noqa: E402
from worker.terminal import redis_at  # noqa: E402

_DEFAULT = "redis://127.0.0.1:6379/0"
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def _connect(url: str, *, client_options: dict[str, Any], **_: object) -> tuple[None, redis.Redis]:
    """As ``redis_sentinel_url.connect``, which knows neither our Sentinels' URLs nor their TLS."""
    given = {name: value for name, value in client_options.items() if value is not None}
    return None, client(url, **given)


rq_dashboard.web.from_url = _connect
install(rq_dashboard.web)


def dashboard(
    bind: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="PORT", help="The port to listen on.")] = 9181,
) -> None:
    """Show the queue REDIS_URL and its failed jobs in a browser.

    It shows customers' data and answers to whoever reaches it: on another address than this
    machine's own it asks for RQ_DASHBOARD_USERNAME and RQ_DASHBOARD_PASSWORD.
    """
    if bind not in LOOPBACK and not (
        os.environ.get("RQ_DASHBOARD_USERNAME") and os.environ.get("RQ_DASHBOARD_PASSWORD")
    ):
        raise typer.BadParameter("set RQ_DASHBOARD_USERNAME and RQ_DASHBOARD_PASSWORD to open it to others")
    os.environ.setdefault("RQ_DASHBOARD_JSON_SERIALIZER", "1")
    os.environ.setdefault("RQ_DASHBOARD_URL_PREFIX", "/")
    address = os.environ.get("RQ_DASHBOARD_REDIS_URL") or os.environ.get("REDIS_URL") or _DEFAULT
    os.environ["RQ_DASHBOARD_REDIS_URL"] = address
    with redis_at(address) as connection:
        connection.ping()
    create_app().run(host=bind, port=port)
