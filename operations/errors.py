"""Exceptions of the commands alone. As in ``gateway.errors``, the docstring is the default message."""

from gateway.errors import WorkerError


class EditRefused(WorkerError):
    """The event was not edited."""


class MigrationFailed(WorkerError):
    """The database could not be migrated to this version."""

    sqlstate: str | None = None


class CannotListen(WorkerError):
    """The dashboard or a worker cannot listen on its address and port; ``settings`` are those of the two."""

    def __init__(self, bind: str, port: int, why: str, settings: tuple[str, str]) -> None:
        super().__init__(
            f"cannot listen on {bind}, port {port} ({why}): set {settings[0]} to an address of this machine "
            f"and {settings[1]} to a free port"
        )


class ProcessesUnusable(WorkerError):
    """A worker process cannot run with these settings, so all were stopped: do what its own line says."""


class ProcessKilled(WorkerError):
    """A worker process did not stop in time and was killed: its events run again within 15 s."""


class FileUnusable(WorkerError):
    """A file or folder that the command needs cannot be used."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}: check the path, its permissions and its disk, then run this again")


class DevelopmentOnly(WorkerError):
    """`botlive stack` is not installed, as it is for development: run it in the repository (`make setup`)."""


class MissingExtra(WorkerError):
    """This part of Botlive Events needs an extra that is not installed."""

    def __init__(self, command: str = "botlive", extra: str = "worker") -> None:
        super().__init__(
            f"{command} needs the extra [{extra}] of botlive-events: run `pip install '.[{extra}]'` "
            "in its repository"
        )
