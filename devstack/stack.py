"""The whole stack: PostgreSQL, Valkey and the REST gateway on free loopback ports.

With a real PostgREST on the machine that is a fourth server, behind the gateway (``devstack.postgrest``).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from devstack import postgrest, registry, tokens
from devstack.gateway import GatewayServer
from devstack.postgres import Postgres
from devstack.postgrest import Postgrest
from devstack.server import Server
from devstack.state import StackState
from devstack.valkey import Valkey


class Stack:
    """A local Supabase and Redis.

    With a `state` directory the data, the secrets and, where they are free, the ports stay the
    same from run to run; without one everything is temporary. `migrations=False` leaves the
    database like a hosted project without our migrations. With `durable=False` the database does not
    wait for the disk: only a crash of the whole machine can damage it.
    """

    postgres: Postgres
    valkey: Valkey
    gateway: GatewayServer
    postgrest: Postgrest | None
    """None where the gateway answers by itself."""

    def __init__(self, state: Path | None = None, *, migrations: bool = True, durable: bool = True) -> None:
        self._wanted = state
        self._migrations = migrations
        self._durable = durable
        self._claim: registry.Reservation | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables with which all other programs use this stack."""
        return {
            "REDIS_URL": self.valkey.url,
            "SUPABASE_URL": self.gateway.url,
            "SUPABASE_KEY": self.state.secrets.service_key,
            "SUPABASE_ANON_KEY": self.state.secrets.anon_key,
            "SUPABASE_JWT_SECRET": self.state.secrets.jwt_secret,
            "DATABASE_URL": self.postgres.url,
        }

    def token(self, user_id: UUID | str, *, lifetime: int = 3600) -> str:
        """Return the JWT of a signed-in user; `lifetime` is in seconds."""
        return tokens.user_token(user_id, self.state.secrets.jwt_secret, lifetime=lifetime)

    def start(self) -> None:
        """Start the servers, migrate, and wait until each answers.

        Raises:
            StackRunningError: another stack uses the state directory.
            ServerError: a server did not start.
        """
        with self._stopping_on_failure():
            self._claim = registry.claim(self._wanted)
            self._set_up(self._claim.directory)
            # The gateway starts while PostgreSQL initialises; nothing uses it before the end.
            self.valkey.launch()
            self.gateway.launch()
            self.postgres.start()
            self._prepare_database()
            if self.postgrest is not None:
                self.postgrest.start()
            self.valkey.wait()
            self.gateway.wait()

    def stop(self) -> None:
        """Stop the servers, and delete their files if they are temporary."""
        if self._claim is not None:
            for server in self._servers():
                server.terminate()
            for server in self._servers():
                server.join()
            self._claim.release()
            self._claim = None

    def _set_up(self, directory: Path) -> None:
        program = postgrest.program()
        self.state = StackState.load(directory)
        self.state.choose_ports()
        self.state.save(directory)
        ports = self.state.ports
        password = self.state.secrets.postgres_password
        self.postgres = Postgres(directory / "postgres", ports.postgres, password, durable=self._durable)
        self.valkey = Valkey(directory / "valkey", ports.valkey)
        self.postgrest = Postgrest(directory / "postgrest", program, self.state) if program else None
        upstream = self.postgrest.url if self.postgrest else None
        self.gateway = GatewayServer(directory / "gateway", ports.gateway, upstream)

    def _servers(self) -> list[Server]:
        """Return the servers that were set up; each before those that it uses."""
        names = ("gateway", "postgrest", "postgres", "valkey")
        return [server for name in names if (server := getattr(self, name, None))]

    def _prepare_database(self) -> None:
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            connection.execute(resources.files("devstack").joinpath("supabase.sql").read_bytes())
            password = Literal(self.state.secrets.authenticator_password)
            change = SQL("alter role {} password {}").format(Identifier("authenticator"), password)
            connection.execute(change)
        if self._migrations:
            # Imported here: the stack without migrations does not need the worker's dependencies.
            from operations.migrations import migrate  # noqa: PLC0415

            migrate(self.postgres.url)

    @contextmanager
    def _stopping_on_failure(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.stop()
            raise
