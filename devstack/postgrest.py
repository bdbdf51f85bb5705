"""A real PostgREST as a server of the stack, where the machine has one.

Options: https://docs.postgrest.org/en/stable/references/configuration.html. Environment variables override
PostgREST's file, and none is given.
"""

import os
import shutil
from pathlib import Path

from devstack.gateway import responds
from devstack.server import Server, ServerError
from devstack.state import StackState

VARIABLE = "BOTLIVE_POSTGREST"
"""The variable that names the program. Empty means the stand-in."""

_MAX_ROWS = "1000"  # the value of a new project on hosted Supabase


def program() -> str | None:
    """Return the PostgREST to start, or None for the stand-in.

    Raises:
        ServerError: ``BOTLIVE_POSTGREST`` names no program.
    """
    named = os.environ.get(VARIABLE)
    if named == "":
        return None
    found = shutil.which(named or "postgrest")
    if named and not found:
        raise ServerError(
            f"{VARIABLE} is {named}, which is not a program that can be run: set it to the path of a "
            "PostgREST, or to nothing for the local stand-in"
        )
    return found and str(Path(found).absolute())


class Postgrest(Server):
    """PostgREST on the loopback, with the settings of a hosted Supabase project."""

    name = "PostgREST"

    def __init__(self, directory: Path, program: str, state: StackState) -> None:
        super().__init__(directory, state.ports.postgrest)
        self._program = program
        self._state = state

    @property
    def url(self) -> str:
        """The address of the API, which has no prefix."""
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """Link the program into the directory: the command line then names both (``processes``)."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._link.unlink(missing_ok=True)
        self._link.symlink_to(self._program)

    def command(self) -> list[str]:
        """Return the command line, which names the directory."""
        return [str(self._link)]

    def environment(self) -> dict[str, str]:
        """Return the settings."""
        return {
            "PGRST_DB_URI": self._state.authenticator_url,
            "PGRST_DB_SCHEMAS": "public",
            "PGRST_DB_ANON_ROLE": "anon",
            "PGRST_DB_MAX_ROWS": _MAX_ROWS,
            "PGRST_JWT_SECRET": self._state.secrets.jwt_secret,
            "PGRST_SERVER_HOST": "127.0.0.1",
            "PGRST_SERVER_PORT": str(self.port),
            "PGRST_ADMIN_SERVER_PORT": str(self._state.ports.postgrest_admin),
        }

    def answers(self) -> bool:
        """Return whether its connections and schema cache are ready ("Health Check" in its documentation)."""
        return responds(f"http://127.0.0.1:{self._state.ports.postgrest_admin}/ready")

    @property
    def _link(self) -> Path:
        return self.directory / "postgrest"
