"""What a stack remembers between runs: its ports and its secrets."""

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
        """New ones; the two legacy keys are tokens signed with the new secret."""
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

    @classmethod
    def load(cls, directory: Path) -> "StackState":
        """What the directory's stack used last, or a new state."""
        path = directory / _FILE
        if not path.exists():
            return cls()
        saved = json.loads(path.read_text())
        return cls(Ports(**saved["ports"]), Secrets(**saved["secrets"]))

    def save(self, directory: Path) -> None:
        """Write it for the owner's eyes only, whole or not at all."""
        draft = directory / f"{_FILE}.new"
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(asdict(self), indent=2))
        draft.replace(directory / _FILE)

    def choose_ports(self) -> None:
        """Keep each port that is still free, take a free one for the others."""
        with self.hold_ports():
            pass

    @contextmanager
    def hold_ports(self) -> Iterator[None]:
        """Choose the ports and keep others off them for a while."""
        with ExitStack() as held:
            for name in Ports.__slots__:
                listener = held.enter_context(_bind(getattr(self.ports, name)))
                setattr(self.ports, name, listener.getsockname()[1])
            yield


def _bind(port: int) -> socket.socket:
    listener = socket.socket()
    # As the servers do: a port with connections in TIME_WAIT is free.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.bind(("127.0.0.1", 0))
    listener.listen()  # until then another socket could be bound to the same port
    return listener
