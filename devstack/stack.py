"""The whole stack: PostgreSQL, Valkey and the REST gateway on free loopback ports."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from devstack import registry, tokens
from devstack.postgres import Postgres
from devstack.rest.server import GatewayServer
from devstack.server import Server
from devstack.state import StackState
from devstack.valkey import Valkey


class Stack:
    """Three servers that stand in for Supabase and Redis on this machine.

    With a `state` directory the data, the secrets and, where they are free, the ports stay the
    same from run to run; without one everything is temporary. `migrations=False` leaves the
    database as a hosted project is before ours.
    """

    postgres: Postgres
    valkey: Valkey
    gateway: GatewayServer

    def __init__(self, state: Path | None = None, *, migrations: bool = True) -> None:
        self._wanted = state
        self._migrations = migrations
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
        """The variables that point everything else at this stack."""
        return {
            "REDIS_URL": self.valkey.url,
            "SUPABASE_URL": self.gateway.url,
            "SUPABASE_KEY": self.state.secrets.service_key,
            "SUPABASE_ANON_KEY": self.state.secrets.anon_key,
            "SUPABASE_JWT_SECRET": self.state.secrets.jwt_secret,
            "DATABASE_URL": self.postgres.url,
        }

    def token(self, user_id: UUID | str, *, lifetime: int = 3600) -> str:
        """A signed-in user's token; `lifetime` in seconds."""
        return tokens.user_token(user_id, self.state.secrets.jwt_secret, lifetime=lifetime)

    def start(self) -> None:
        """Start all three, migrate, and wait until each answers."""
        with self._stopping_on_failure():
            self._claim = registry.claim(self._wanted)
            self._set_up(self._claim.directory)
            # The gateway loads while PostgreSQL initialises; it is asked only in the end.
            self.valkey.launch()
            self.gateway.launch()
            self.postgres.start()
            self._prepare_database()
            self.valkey.wait()
            self.gateway.wait()

    def stop(self) -> None:
        """Stop all three, and forget them if they were temporary."""
        if self._claim is not None:
            for server in self._servers():
                server.terminate()
            for server in self._servers():
                server.join()
            self._claim.release()
            self._claim = None

    def _set_up(self, directory: Path) -> None:
        self.state = StackState.load(directory)
        self.state.choose_ports()
        self.state.save(directory)
        ports = self.state.ports
        self.postgres = Postgres(directory / "postgres", ports.postgres, self.state.secrets.postgres_password)
        self.valkey = Valkey(directory / "valkey", ports.valkey)
        self.gateway = GatewayServer(directory / "gateway", ports.gateway)

    def _servers(self) -> list[Server]:
        """Clients before what they are clients of."""
        names = ("gateway", "postgres", "valkey")
        return [getattr(self, name) for name in names if hasattr(self, name)]

    def _prepare_database(self) -> None:
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            connection.execute(resources.files("devstack").joinpath("supabase.sql").read_bytes())
            password = Literal(self.state.secrets.authenticator_password)
            change = SQL("alter role {} password {}").format(Identifier("authenticator"), password)
            connection.execute(change)
        if self._migrations:
            # Here, so that the stack can be had without the worker's dependencies.
            from operations.migrations import migrate  # noqa: PLC0415

            migrate(self.postgres.url)

    @contextmanager
    def _stopping_on_failure(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.stop()
            raise
