"""``botlive dashboard``: rq-dashboard for operators, and safe for them."""

import sys
from typing import Annotated

import typer

from gateway.settings import DashboardSettings
from operations.board import gate, server
from operations.board.app import Board
from operations.logs import configure
from operations.output import say
from operations.terminal import redis_at

_ANY = {"0.0.0.0", "::"}  # noqa: S104 # compared, not bound


def dashboard(
    bind: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(envvar="PORT", min=0, max=65_535, help="The port to listen on; 0 takes a free one.")
    ] = 9181,
    host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=f"A host name that it is reached by, besides those of {gate.HOSTS}; repeatable.",
        ),
    ] = None,
) -> None:
    """Show the queue REDIS_URL and its failed jobs in a browser.

    It shows customers' data. It answers to this machine's own names, to the address that it listens on,
    and to the names that --host and BOTLIVE_DASHBOARD_HOSTS say. On another address than this machine's
    own, and under another name, it asks for RQ_DASHBOARD_USERNAME and RQ_DASHBOARD_PASSWORD.
    """
    settings = DashboardSettings.from_env()
    hosts = gate.named([settings.hosts, *(host or ())])
    login = gate.Login.of(settings)
    if login is None and {bind, *hosts} - gate.LOOPBACK:
        raise typer.BadParameter("set RQ_DASHBOARD_USERNAME and RQ_DASHBOARD_PASSWORD to open it to others")
    address = settings.own_redis_url or settings.redis_url
    configure()
    with redis_at(address) as connection:
        connection.ping()
        board = Board(connection, address, gate.Gate({*hosts, bind} - _ANY, login))
        listening = server.listening(board, bind, port)
        for place in server.addresses(listening):
            say(f"dashboard: http://{place}/")
        sys.stdout.flush()  # whoever reads it waits for it, and there is no more
        listening.run()
