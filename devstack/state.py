"""The state that a stack keeps between runs: its ports and its secrets."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from devstack import tokens

_FILE = "stack.json"


@dataclass(slots=True)
class Ports:
    """The loopback ports of a stack's servers."""

    postgres: int = 0
    valkey: int = 0
    gateway: int = 0
    postgrest: int = 0
    postgrest_admin: int = 0


@dataclass(frozen=True, slots=True)
class Secrets:
    """Passwords and keys, random for each state directory."""

    postgres_password: str
    authenticator_password: str
    jwt_secret: str
    service_key: str
    anon_key: str
    secret_key: str
    publishable_key: str

    @classmethod
    def random(cls) -> "Secrets":
        """Return new secrets. The two legacy keys are JWTs that are signed with the new JWT secret."""
        jwt_secret = tokens.random_secret()
        return cls(
            postgres_password=tokens.random_secret(),
            authenticator_password=tokens.random_secret(),
            jwt_secret=jwt_secret,
            service_key=tokens.api_key("service_role", jwt_secret),
            anon_key=tokens.api_key("anon", jwt_secret),
            secret_key=f"sb_secret_{tokens.random_secret()}",
            publishable_key=f"sb_publishable_{tokens.random_secret()}",
        )


@dataclass(frozen=True, slots=True)
class StackState:
    """Ports and secrets of the stack in one directory."""

    ports: Ports = field(default_factory=Ports)
    secrets: Secrets = field(default_factory=Secrets.random)

    @property
    def authenticator_url(self) -> str:
        """The connection of the REST API, which takes the role of each caller."""
        password = self.secrets.authenticator_password
        return f"postgresql://authenticator:{password}@127.0.0.1:{self.ports.postgres}/postgres"

    @classmethod
    def load(cls, directory: Path) -> "StackState":
        """Read the state of the directory's last stack, or return a new one."""
        path = directory / _FILE
        if not path.exists():
            return cls()
        saved = json.loads(path.read_text())
        return cls(Ports(**saved["ports"]), Secrets(**saved["secrets"]))

    def save(self, directory: Path) -> None:
        """Write the file at once, readable by its owner only."""
        draft = directory / f"{_FILE}.new"
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(asdict(self), indent=2))
        draft.replace(directory / _FILE)

    def choose_ports(self) -> None:
        """Keep each port that is still free, and choose a free port for the others."""
        with self.hold_ports():
            pass

    @contextmanager
    def hold_ports(self) -> Iterator[None]:
        """Choose the ports, and occupy them until the context ends."""
        with ExitStack() as held:
            for name in Ports.__slots__:
                listener = held.enter_context(_bind(getattr(self.ports, name)))
                setattr(self.ports, name, listener.getsockname()[1])
            yield


def _bind(port: int) -> socket.socket:
    listener = socket.socket()
    # The servers do the same: a port with connections in TIME_WAIT counts as free.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.bind(("127.0.0.1", 0))
    listener.listen()  # without it another socket could be bound to the same port
    return listener
