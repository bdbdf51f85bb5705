"""What may stand between a process and its Redis: TLS, and a path that drops what is silent."""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def free_port() -> int:
    """Return a port on which no server listens."""
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        return int(unheard.getsockname()[1])


def certificate(directory: Path, *, host: str = "127.0.0.1", days: int = 1) -> Path:
    """A self-signed certificate with its key, in one file; with negative days it has expired."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = _unsigned(host, key, issuer=host, days=days).sign(key, hashes.SHA256())
    return _written(directory / f"{host}{days}.pem", made, key)


def signed(directory: Path) -> tuple[Path, Path]:
    """A certificate with its key, and the one of its home-made authority, which has no key usage."""
    theirs, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _unsigned("home", theirs, issuer="home").sign(theirs, hashes.SHA256())
    made = _unsigned("127.0.0.1", key, issuer="home", is_authority=False).sign(theirs, hashes.SHA256())
    return _written(directory / "signed.pem", made, key), _written(directory / "home.pem", authority, theirs)


def _unsigned(
    host: str, key: ec.EllipticCurvePrivateKey, *, issuer: str, days: int = 1, is_authority: bool = True
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    name: x509.GeneralName = x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([name]), critical=False)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )


def _written(file: Path, made: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Path:
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return file


class Road:
    """A TCP proxy on the loopback to a port there.

    After ``silent_after`` seconds without a byte it drops all that comes on a connection, and tells neither
    end.
    """

    def __init__(self, target: int, *, silent_after: float = float("inf")) -> None:
        self.target = target
        self._silent_after = silent_after
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """Take no more, and drop what is open."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # else it goes on accepting
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(5)

    def cut(self) -> None:
        """Close all that is open."""
        for end in self._open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accepted(self, near: socket.socket) -> socket.socket:
        return near

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                thread = threading.Thread(target=self._serve, args=[near], daemon=True)
                thread.start()
                self._threads.append(thread)

    def _serve(self, accepted: socket.socket) -> None:
        with accepted, suppress(OSError):
            near = self._accepted(accepted)
            far = socket.create_connection(("127.0.0.1", self.target))
            self.connections += 1
            self._open += [near, far]
            last = [time.monotonic()]
            back = threading.Thread(target=self._carry, args=[far, near, last], daemon=True)
            back.start()
            self._carry(near, far, last)
            back.join()
            near.close()
            far.close()

    def _carry(self, source: socket.socket, target: socket.socket, last: list[float]) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if time.monotonic() - last[0] > self._silent_after:
                    last[0] = float("-inf")  # for good
                    continue
                last[0] = time.monotonic()
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class TlsDoor(Road):
    """A Redis that speaks TLS, seen from outside."""

    def __init__(self, target: int, chosen: Callable[[], Path]) -> None:
        self._chosen = chosen
        super().__init__(target)

    def _accepted(self, near: socket.socket) -> socket.socket:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._chosen())
        return context.wrap_socket(near, server_side=True)
