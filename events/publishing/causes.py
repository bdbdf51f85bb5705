"""The causes for which Redis cannot be reached or used, each with what to do."""

import errno
import re
import socket
from typing import NamedTuple

import redis
from redis.exceptions import InvalidResponse, RedisError


class Cause(NamedTuple):
    """A cause, with what happened and what to do."""

    what: str
    """What happened."""
    cure: str
    """What to do."""
    lasts: bool = False
    """Whether waiting cannot help, because somebody has to change something."""
    away: bool = True
    """Whether to handle it like a lost connection. If False, Redis answers and only refuses a command."""

    def __str__(self) -> str:
        return f"{self.what}: {self.cure}"


class CauseRule(NamedTuple):
    """A cause, and the errors that show it: some types of exception, or some messages of Redis."""

    cause: Cause
    text: str = "(?!)"  # matches nothing
    types: tuple[type[BaseException], ...] = ()

    def find(self, error: BaseException) -> Cause | None:
        """Return the cause if the error shows it, with the named groups of the text's pattern filled in."""
        if isinstance(error, self.types):
            return self.cause
        # redis-py puts the command of a pipeline before the message. The command may contain any data.
        message = str(error).rpartition("of pipeline caused error: ")[2]
        match = re.search(self.text, message) if isinstance(error, RedisError) else None
        return self.cause._replace(what=self.cause.what.format(**match.groupdict())) if match else None


_CHECK_SERVER = "check that it runs and that REDIS_URL has its port; use rediss:// only if that port uses TLS"
FAILS = Cause("the connection to Redis failed", _CHECK_SERVER)
LATE = Cause("Redis did not answer in time", _CHECK_SERVER)
CLOSED = Cause("the connection to Redis was closed", _CHECK_SERVER)
_UNREACHABLE = Cause("the host of Redis is unreachable", "check the network and REDIS_URL")
_FILE = Cause(
    "a file in REDIS_URL (a socket or a certificate) cannot be opened", "check its path and permissions"
)
NUMBERS = {
    errno.ECONNREFUSED: Cause(
        "Redis refuses the connection", "check that it runs and that REDIS_URL has its host and port"
    ),
    errno.ECONNRESET: CLOSED,
    errno.ECONNABORTED: CLOSED,
    errno.EPIPE: CLOSED,
    errno.ETIMEDOUT: LATE,
    errno.EHOSTUNREACH: _UNREACHABLE,
    errno.ENETUNREACH: _UNREACHABLE,
    errno.EHOSTDOWN: _UNREACHABLE,
    errno.EADDRNOTAVAIL: Cause("this machine has no free port", "close connections that are not used"),
    errno.EMFILE: Cause("this process has too many files open", "raise its limit (ulimit -n)"),
    errno.ENFILE: Cause("this machine has too many files open", "raise its limit (fs.file-max)"),
    errno.ENOENT: _FILE,
    errno.EACCES: _FILE,
    errno.EPERM: _FILE,
    errno.ENOTSOCK: _FILE,
}

_NO_CLUSTER = "use a Redis without Cluster mode, which is not supported"
_CHECK_LOGIN = "check the user and password in REDIS_URL, with @ : / ? # % in them percent-encoded"
# The first rule that fits wins. A text has an error code where a Lua script reports it in its message.
RULES = (
    CauseRule(
        Cause(
            "the host name of Redis is unknown", "check the host in REDIS_URL and the name server", lasts=True
        ),
        r"[Nn]ame or service not known|nodename nor servname|name resolution",
        (socket.gaierror,),
    ),
    CauseRule(
        Cause("REDIS_URL cannot be used", "check its host name and its options", lasts=True),
        "Invalid SSL Certificate Requirements|protocol must be",
        (UnicodeError, TypeError),
    ),
    CauseRule(
        Cause("the Sentinels refuse the login", "check sentinel_username and sentinel_password", lasts=True),
        "No master found for .*(AuthenticationError|NoPermissionError)",
    ),
    CauseRule(
        Cause(
            "no Sentinel knows a primary for the service",
            "check that the Sentinels run and have elected one, and check the service in REDIS_URL",
        ),
        "No master found for",
    ),
    CauseRule(
        Cause("Redis requires a password", "add it to REDIS_URL, before the host", lasts=True),
        "NOAUTH|Authentication required|must be called with the client already authenticated",
    ),
    CauseRule(
        Cause("Redis has no password, and REDIS_URL has one", _CHECK_LOGIN, lasts=True),
        "without any password|no password is set",
    ),
    CauseRule(
        Cause("Redis refuses the user or the password", _CHECK_LOGIN, lasts=True),
        "WRONGPASS|invalid password|invalid username-password",
        (
            redis.AuthenticationError,
            redis.exceptions.AuthorizationError,
            redis.exceptions.AuthenticationWrongNumberOfArgsError,
        ),
    ),
    CauseRule(
        Cause(
            "the user of REDIS_URL lacks permissions in Redis",
            "grant ~* &* +@all -@dangerous +info (ACL SETUSER)",
            lasts=True,
        ),
        "NOPERM|can't run this command|can't access|ACL failure|o permissions to|has no permission",
        (redis.exceptions.NoPermissionError,),
    ),
    CauseRule(
        Cause("Redis accepts no more clients", "raise maxclients, or stop clients that are not needed"),
        "max number of clients|Too many connections",
        (redis.exceptions.MaxConnectionsError,),
    ),
    CauseRule(
        Cause("Redis is loading its data", "wait until it has loaded them"),
        "LOADING|loading the dataset",
        (redis.BusyLoadingError,),
    ),
    CauseRule(
        Cause("Redis is a read-only replica", "wait for the failover, or set REDIS_URL to the primary"),
        "READONLY|read[- ]?only replica|is now a slave",
        (redis.ReadOnlyError,),
    ),
    CauseRule(
        Cause(
            "Redis is a replica that has lost its primary",
            "wait for the failover, or set REDIS_URL to the primary",
        ),
        "MASTERDOWN",
        (redis.exceptions.MasterDownError,),
    ),
    CauseRule(
        Cause("Redis is changing its role", "wait for the failover"),
        "UNBLOCKED|REDIRECT|FAILOVER",
    ),
    CauseRule(
        Cause("Redis has too few replicas to accept writes", "restart them, or lower min-replicas-to-write"),
        "NOREPLICAS",
    ),
    CauseRule(
        Cause("Redis is busy with a script or a module", "wait until it ends, or stop it (SCRIPT KILL)"),
        r"BUSY (?!GROUP)|is busy running a script",
    ),
    CauseRule(
        Cause("Redis cannot write to its disk (MISCONF)", "free some disk space, or check the log of Redis"),
        "MISCONF",
    ),
    CauseRule(
        Cause("Redis is full", "raise its maxmemory, or delete data", away=False),
        types=(redis.OutOfMemoryError,),
    ),
    CauseRule(
        Cause("Redis Cluster is down", _NO_CLUSTER),
        "CLUSTERDOWN|TRYAGAIN",
        (redis.exceptions.ClusterDownError, redis.exceptions.TryAgainError),
    ),
    CauseRule(
        Cause("Redis runs in Cluster mode", _NO_CLUSTER, lasts=True),
        "MOVED|CROSSSLOT",
        (redis.exceptions.AskError, redis.exceptions.ClusterCrossSlotError),
    ),
    CauseRule(
        Cause("Redis is older than 7", "use Redis 7 or newer, or Valkey", lasts=True),
        "[Ee]rror compiling script|[Uu]nknown Redis command called",
    ),
    CauseRule(
        Cause(
            "Redis does not know the command {command}",
            "use Redis 7 or newer, or Valkey, and allow the command: the server or a proxy may block it",
            lasts=True,
        ),
        r"(?:[Uu]nknown|[Uu]nsupported|not available)\W.{0,20}?\W(?P<command>[A-Z]{3,12})\b",
    ),
    CauseRule(
        Cause(
            "Redis accepts connections from its own machine only (protected mode)",
            "set a password or a bind address in its configuration",
            lasts=True,
        ),
        "DENIED",
    ),
    CauseRule(
        Cause(
            "Redis has no database with that number", "check the number at the end of REDIS_URL", lasts=True
        ),
        "DB index|Invalid Database|SELECT is not allowed",
    ),
    CauseRule(
        Cause("the server at REDIS_URL is not Redis", "check its host and port", lasts=True),
        "Protocol [Ee]rror|Invalid RESP version",
        (InvalidResponse,),
    ),
    CauseRule(LATE, types=(redis.TimeoutError, TimeoutError)),
    CauseRule(CLOSED, "closed by server|Connection has data|Connection not ready|health check"),
)
