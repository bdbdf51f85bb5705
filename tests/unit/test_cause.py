"""Causes: each error of Redis, the network or TLS has a message, which contains no secret."""

import errno
import socket
import ssl
from typing import Any

import pytest
import redis
from redis import exceptions
from redis.exceptions import ConnectionError as Lost
from redis.exceptions import ResponseError
from redis.sentinel import MasterNotFoundError

from events import PublishError
from events.errors import OutboxFull
from events.publishing.cause import cause_of
from worker.fitness import unfit

SECRET = "hush-do-not-tell"  # noqa: S105 # of no server


def wrapped(inner: BaseException, outer: BaseException | None = None) -> BaseException:
    """Wraps the error like redis-py does."""
    error = outer or Lost(f"Error connecting to {SECRET}:6379. {inner}.")
    error.__context__ = inner
    return error


def certificate(code: int) -> ssl.SSLCertVerificationError:
    """Returns a certificate error with this number of OpenSSL."""
    error = ssl.SSLCertVerificationError(1, f"certificate verify failed: {SECRET}")
    error.verify_code = code
    return error


def tls(reason: str) -> ssl.SSLError:
    """Returns an error of a failed handshake."""
    error = ssl.SSLError(1, f"[SSL: {reason}] {SECRET}")
    error.reason = reason
    return error


LASTING: list[tuple[BaseException, str]] = [
    (
        wrapped(socket.gaierror(socket.EAI_NONAME, "Name or service not known")),
        "host name of Redis is unknown",
    ),
    (wrapped(socket.gaierror(socket.EAI_AGAIN, "Temporary failure")), "host name of Redis is unknown"),
    (Lost("Error -2 connecting to x:6379. Name or service not known."), "host name of Redis is unknown"),
    (UnicodeError("encoding with 'idna' codec failed"), "REDIS_URL cannot be used"),
    (TypeError("unexpected keyword argument 'foo'"), "REDIS_URL cannot be used"),
    (wrapped(certificate(18)), "is self-signed"),
    (wrapped(certificate(19)), "is self-signed"),
    (wrapped(certificate(20)), "signed by an unknown authority"),
    (wrapped(certificate(10)), "has expired"),
    (wrapped(certificate(9)), "not valid yet"),
    (wrapped(certificate(62)), "is for another host"),
    (wrapped(certificate(64)), "is for another host"),
    (wrapped(certificate(23)), "is not accepted"),
    (wrapped(certificate(85)), "lacks an extension that Python requires since 3.13"),
    (wrapped(certificate(92)), "ssl_exclude_verify_flags=VERIFY_X509_STRICT"),
    (wrapped(tls("WRONG_VERSION_NUMBER")), "does not use TLS"),
    (wrapped(tls("TLSV13_ALERT_CERTIFICATE_REQUIRED")), "requires a client certificate"),
    (wrapped(tls("UNSUPPORTED_PROTOCOL")), "TLS with Redis failed (UNSUPPORTED_PROTOCOL)"),
    (redis.AuthenticationError("invalid username-password pair or user is disabled."), "refuses the user"),
    (redis.AuthenticationError("Authentication required."), "requires a password"),
    (
        ResponseError("NOAUTH HELLO must be called with the client already authenticated"),
        "requires a password",
    ),
    (
        redis.AuthenticationError("AUTH <password> called without any password configured for the default"),
        "has no password",
    ),
    (exceptions.AuthenticationWrongNumberOfArgsError("wrong number"), "refuses the user"),
    (
        exceptions.NoPermissionError("this user has no permissions to run the 'x' command"),
        "lacks permissions",
    ),
    (
        ResponseError("The user executing the script can't run this command or subcommand"),
        "lacks permissions",
    ),
    (exceptions.MovedError("3999 10.0.0.1:6381"), "runs in Cluster mode"),
    (exceptions.ClusterCrossSlotError("Keys in request don't hash"), "runs in Cluster mode"),
    (
        ResponseError("Error compiling script (new function): user_script:1: unexpected symbol"),
        "older than 7",
    ),
    *(
        (ResponseError(message), "Redis does not know the command EVALSHA: use Redis 7")
        for message in (
            "unknown command `EVALSHA`, with args beginning with: `x`",  # Redis 5
            f"unknown command 'EVALSHA', with args beginning with: '{SECRET}' ",
            "unsupported command 'EVALSHA'",  # Envoy
            "Command is not available: 'EVALSHA'. See https://docs.example",  # hosted services
        )
    ),
    (ResponseError("Unknown Redis command called from script: f_1, on @user_script:1."), "older than 7"),
    (ResponseError("DENIED Redis is running in protected mode because"), "protected mode"),
    (ResponseError("DB index is out of range"), "no database with that number"),
    (exceptions.InvalidResponse("Protocol Error: b'HTTP/1.1 400'"), "is not Redis"),
    (
        MasterNotFoundError("No master found for 'x' : S - auth:AuthenticationError"),
        "the Sentinels refuse the login",
    ),
]
PASSING: list[tuple[BaseException, str]] = [
    (wrapped(ConnectionRefusedError(errno.ECONNREFUSED, "refused")), "refuses the connection"),
    (wrapped(ConnectionResetError(errno.ECONNRESET, "reset")), "was closed"),
    (wrapped(BrokenPipeError(errno.EPIPE, "pipe")), "was closed"),
    (Lost("Connection closed by server."), "was closed"),
    (wrapped(ssl.SSLEOFError(8, "EOF occurred in violation of protocol")), "was closed"),
    (redis.TimeoutError("Timeout connecting to server"), "did not answer in time"),
    (wrapped(OSError(errno.EHOSTUNREACH, "no route")), "is unreachable"),
    (wrapped(OSError(errno.ENETUNREACH, "unreachable")), "is unreachable"),
    (wrapped(OSError(errno.EMFILE, "too many")), "too many files open"),
    (wrapped(FileNotFoundError(errno.ENOENT, "no such file")), "a file in REDIS_URL"),
    (Lost(f"something new {SECRET}"), "the connection to Redis failed"),
    (Lost("max number of clients reached"), "accepts no more clients"),
    (ResponseError("max number of clients + cluster connections reached"), "accepts no more clients"),
    (redis.BusyLoadingError("Redis is loading the dataset in memory"), "loading its data"),
    (redis.ReadOnlyError("You can't write against a read only replica."), "read-only replica"),
    (
        ResponseError("Error running script (call to f_1): @user_script:1: -READONLY You can't"),
        "read-only replica",
    ),
    (exceptions.MasterDownError("Link with MASTER is down"), "lost its primary"),
    (ResponseError("UNBLOCKED force unblock from blocking operation, instance state changed"), "its role"),
    (ResponseError("NOREPLICAS Not enough good replicas to write."), "too few replicas"),
    (ResponseError("BUSY Valkey is busy running a script."), "busy with a script"),
    (ResponseError("MISCONF Redis is configured to save RDB snapshots"), "cannot write to its disk"),
    (exceptions.ClusterDownError("Hash slot not served"), "Cluster is down"),
    (exceptions.TryAgainError("Multiple keys request during rehashing"), "Cluster is down"),
    (MasterNotFoundError("No master found for 'x'"), "no Sentinel knows a primary"),
]
ANSWERS: list[tuple[BaseException, str]] = [
    (redis.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), "Redis is full"),
    (ResponseError("WRONGTYPE Operation against a key holding the wrong kind"), "cannot be used (WRONGTYPE)"),
    (ResponseError(f"Command # 1 (HSET {SECRET} READONLY) of pipeline caused error: oh"), "ResponseError"),
    (ResponseError("unknown command 'x', with args beginning with: 'AWA'"), "be used (ResponseError): check"),
    (exceptions.NoScriptError("No matching script."), "cannot be used (NoScriptError)"),
    (wrapped(TimeoutError("before"), ResponseError("WRONGTYPE")), "cannot be used (WRONGTYPE)"),
]


@pytest.mark.parametrize(
    ("error", "words", "kind"),
    [
        *((*one, (True, True)) for one in LASTING),
        *((*one, (False, True)) for one in PASSING),
        *((*one, (False, False)) for one in ANSWERS),
    ],
    ids=repr,
)
def test_each_error_has_its_kind(error: BaseException, words: str, kind: tuple[bool, bool]) -> None:
    """Each error has a message, and says whether waiting helps and whether it is like a lost connection."""
    cause = cause_of(error)
    assert words in str(cause)
    assert (cause.lasts, cause.away) == kind
    assert SECRET not in str(cause)


def test_what_the_publisher_raises_has_the_kind_of_what_led_to_it() -> None:
    """The cause is found in a chain of any length; without one, the answer was late."""
    error = PublishError()
    error.__cause__ = wrapped(redis.AuthenticationError("invalid password"))
    assert "refuses the user" in str(cause_of(error))
    assert "did not answer in time" in str(cause_of(OutboxFull()))


def test_a_ring_of_errors_ends() -> None:
    """A chain of errors with a cycle ends."""
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert "cannot be used (ValueError)" in str(cause_of(one))


class Told:
    """A server that reports this about itself."""

    def __init__(self, **told: Any) -> None:
        self.told = told

    def info(self, section: str) -> dict[str, Any]:
        """Returns all values, for any section."""
        return self.told


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"redis_version": "7.2.4", "valkey_version": "9.1.2", "cluster_enabled": 0}, None),
        ({"redis_version": "7.0.0"}, None),
        ({"redis_version": "8.0-m01"}, None),
        ({"redis_version": "255.255.255"}, None),
        ({"redis_version": "unstable"}, None),
        ({}, None),
        ({"redis_version": "6.2.14"}, "older than 7 (it is 6.2.14)"),
        ({"redis_version": "6.3.4", "keydb": 1}, "older than 7"),
        ({"redis_version": "5.0.9"}, "older than 7"),
        ({"redis_version": "7.4.0", "cluster_enabled": 1}, "Cluster mode"),
    ],
)
def test_which_server_a_worker_can_use(told: dict[str, Any], words: str | None) -> None:
    """Redis 7 or newer or a compatible server works, without Cluster mode; an unknown server is tried."""
    reason = unfit(Told(**told))  # type: ignore[arg-type] # stands for a client
    assert (reason is None) if words is None else (words in (reason or ""))
