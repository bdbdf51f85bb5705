"""Stand-ins for what answers at a DATABASE_URL: a refusal in its words, a pooler in transaction mode."""

import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg

_SSL, _GSS = 80877103, 80877104  # what a client asks for before it says who it is


@contextmanager
def refusing(*answers: bytes) -> Iterator[int]:
    """Listen on a port where every client gets these bytes after its first message."""

    def serve(client: socket.socket) -> None:
        _startup(client)
        client.sendall(b"".join(answers))

    with _serving(serve) as port:
        yield port


def fatal(words: str, code: str = "XX000") -> bytes:
    """A server's refusal, as PostgreSQL's protocol has it."""
    fields = b"".join(
        kind + text.encode() + b"\0" for kind, text in ((b"S", "FATAL"), (b"C", code), (b"M", words))
    )
    return _message(b"E", fields + b"\0")


@contextmanager
def transaction_pooler(database_url: str) -> Iterator[int]:
    """A port that gives each transaction the next of two connections, which outlive their clients."""
    with psycopg.connect(database_url) as one, psycopg.connect(database_url) as other:
        backends = [socket.socket(fileno=os.dup(connection.fileno())) for connection in (one, other)]
        for backend in backends:
            backend.setblocking(True)
        turn = threading.Lock()

        def serve(client: socket.socket) -> None:
            _startup(client)
            parameters = (b"server_version\x0018.0\0", b"client_encoding\0UTF8\0")
            answers = [_message(b"R", struct.pack("!i", 0)), *(_message(b"S", each) for each in parameters)]
            client.sendall(b"".join(answers) + _message(b"Z", b"I"))
            while True:
                with turn:
                    _transaction(client, backends[0])
                    backends.reverse()

        with _serving(serve) as port:
            yield port
        for backend in backends:
            backend.close()


def _transaction(client: socket.socket, backend: socket.socket) -> None:
    """Pass on what the client says and what comes back, until no transaction is open."""
    while True:
        kind, message = _read(client)
        backend.sendall(message)
        if kind in b"QS":
            while kind != b"Z":
                kind, message = _read(backend)
                client.sendall(message)
            if message.endswith(b"I"):
                return


@contextmanager
def _serving(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def one(client: socket.socket) -> None:
            with client, suppress(OSError, EOFError):
                serve(client)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client = listener.accept()[0]
                    threading.Thread(target=one, args=[client], daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)


def _startup(client: socket.socket) -> None:
    while True:
        size, code = struct.unpack("!ii", _exactly(client, 8))
        _exactly(client, size - 8)
        if code not in {_SSL, _GSS}:
            return
        client.sendall(b"N")


def _read(peer: socket.socket) -> tuple[bytes, bytes]:
    head = _exactly(peer, 5)
    if head[:1] == b"X":
        raise EOFError
    return head[:1], head + _exactly(peer, struct.unpack("!i", head[1:])[0] - 4)


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _exactly(peer: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = peer.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data
