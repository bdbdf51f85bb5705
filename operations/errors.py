"""Exceptions of the commands alone. As in ``gateway.errors``, the docstring is the default message."""

from gateway.errors import WorkerError


class EditRefused(WorkerError):
    """The event was not edited."""


class MigrationFailed(WorkerError):
    """The database could not be migrated to this version."""

    sqlstate: str | None = None


class CannotListen(WorkerError):
    """The dashboard cannot listen on its address and port."""

    def __init__(self, bind: str, port: int, why: str) -> None:
        super().__init__(
            f"cannot listen on {bind}, port {port} ({why}): stop the process that uses it, or choose another "
            "--bind or --port"
        )


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
            "in its repository, as the README says"
        )
