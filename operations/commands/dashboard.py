"""``botlive dashboard``: a secured rq-dashboard for operators."""

import sys
from typing import Annotated

import typer

from gateway.settings import DashboardSettings
from operations.board import gate, server
from operations.board.app import Board
from operations.examples import examples
from operations.logs import configure
from operations.output import say
from operations.terminal import redis_at

_ANY = {"0.0.0.0", "::"}  # noqa: S104 # only compared

EPILOG = examples(
    "botlive dashboard",
    "botlive dashboard --port 8080",
    "RQ_DASHBOARD_USERNAME=awa RQ_DASHBOARD_PASSWORD=$SECRET \\",
    "    botlive dashboard --bind 0.0.0.0 --host monitor.example.com",
)


def dashboard(
    bind: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(envvar="PORT", min=0, max=65_535, help="The port to listen on; 0 takes a free one.")
    ] = 9181,
    host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=f"A host name of the dashboard, in addition to those in {gate.HOSTS}; repeatable.",
        ),
    ] = None,
) -> None:
    """Show the queues of REDIS_URL and their failed jobs in a browser.

    The pages show customers' data. The dashboard accepts requests for localhost, for the address in --bind,
    and for the host names in --host and BOTLIVE_DASHBOARD_HOSTS. If it is open to more than localhost,
    RQ_DASHBOARD_USERNAME and RQ_DASHBOARD_PASSWORD are required.
    """
    settings = DashboardSettings.from_env()
    hosts = gate.named([settings.hosts, *(host or ())])
    login = gate.Login.of(settings)
    if login is None and {bind, *hosts} - gate.LOOPBACK:
        raise typer.BadParameter(
            "set RQ_DASHBOARD_USERNAME and RQ_DASHBOARD_PASSWORD to open the dashboard to more than localhost"
        )
    address = settings.own_redis_url or settings.redis_url
    configure()
    with redis_at(address) as connection:
        connection.ping()
        board = Board(connection, address, gate.Gate({*hosts, bind} - _ANY, login), settings.queue)
        listening = server.listening(board, bind, port)
        for place in server.addresses(listening):
            say(f"dashboard: http://{place}/")
        sys.stdout.flush()  # a program that reads this line must get it now
        listening.run()
