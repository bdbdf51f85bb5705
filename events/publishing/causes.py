"""The kinds of causes why Redis cannot be reached or used, in words, with what to do."""

import errno
import re
import socket
from typing import NamedTuple

import redis
from redis.exceptions import InvalidResponse, RedisError


class Cause(NamedTuple):
    """One kind of cause. Its text says what happened and what to do."""

    what: str
    """What happened."""
    cure: str
    """What to do."""
    lasts: bool = False
    """Whether waiting does not help: somebody has to change something."""
    away: bool = True
    """Whether it is as good as a lost connection; else Redis answers, and only refuses a command."""

    def __str__(self) -> str:
        return f"{self.what}: {self.cure}"


class CauseRule(NamedTuple):
    """A cause, and by what it is known: the type of an error, or what an answer of Redis says."""

    cause: Cause
    text: str = "(?!)"  # which fits nothing
    types: tuple[type[BaseException], ...] = ()

    def fits(self, error: BaseException) -> bool:
        """Whether this error is of the kind."""
        if isinstance(error, self.types):
            return True
        # redis-py puts a pipeline's command before it, and with it whatever somebody has written.
        words = str(error).rpartition("of pipeline caused error: ")[2]
        return isinstance(error, RedisError) and re.search(self.text, words) is not None


_TLS_OPTIONS = (
    "give its authority with ?ssl_ca_certs=FILE in REDIS_URL, or ?ssl_cert_reqs=none (see the README)"
)
CERTIFICATE = Cause("the certificate of Redis is not accepted", _TLS_OPTIONS, lasts=True)
_SELF_SIGNED = Cause("the certificate of Redis is self-signed", _TLS_OPTIONS, lasts=True)
_NO_AUTHORITY = Cause("the certificate of Redis is signed by nobody known here", _TLS_OPTIONS, lasts=True)
_OTHER_HOST = Cause(
    "the certificate of Redis is for another host", "use the host name that it was made for", lasts=True
)
CERTIFICATES = {  # X509_V_ERR_… of OpenSSL
    2: _NO_AUTHORITY,
    9: Cause("the certificate of Redis is not valid yet", "check the clocks of both machines", lasts=True),
    10: Cause("the certificate of Redis has expired", "renew it", lasts=True),
    18: _SELF_SIGNED,
    19: _SELF_SIGNED,
    20: _NO_AUTHORITY,
    21: _NO_AUTHORITY,
    62: _OTHER_HOST,
    64: _OTHER_HOST,
}
_NO_TLS = Cause("what answers at REDIS_URL speaks no TLS", "use redis:// or the port for TLS", lasts=True)
_OWN_CERTIFICATE = Cause(
    "Redis asks for a certificate of ours",
    "give it with ?ssl_certfile=FILE&ssl_keyfile=FILE in REDIS_URL",
    lasts=True,
)
HANDSHAKES = {
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
    "PACKET_LENGTH_TOO_LONG": _NO_TLS,
    "CERTIFICATE_REQUIRED": _OWN_CERTIFICATE,
    "BAD_CERTIFICATE": _OWN_CERTIFICATE,
}
_SEE = "see that it runs, and that REDIS_URL names its port, with rediss:// where that is for TLS"
FAILS = Cause("the connection to Redis fails", _SEE)
LATE = Cause("Redis gave no answer in time", _SEE)
CLOSED = Cause("the connection to Redis was closed", _SEE)
_PLACE = Cause("there is no way to the host of Redis", "check the network and REDIS_URL")
_FILE = Cause(
    "a file that REDIS_URL names cannot be opened", "check its path and rights: a socket or a certificate"
)
NUMBERS = {
    errno.ECONNREFUSED: Cause(
        "Redis refuses the connection", "see that it runs, and that REDIS_URL has its host and port"
    ),
    errno.ECONNRESET: CLOSED,
    errno.ECONNABORTED: CLOSED,
    errno.EPIPE: CLOSED,
    errno.ETIMEDOUT: LATE,
    errno.EHOSTUNREACH: _PLACE,
    errno.ENETUNREACH: _PLACE,
    errno.EHOSTDOWN: _PLACE,
    errno.EADDRNOTAVAIL: Cause("this machine has no free port", "close connections that are not used"),
    errno.EMFILE: Cause("this process has too many files open", "raise its limit (ulimit -n)"),
    errno.ENFILE: Cause("this machine has too many files open", "raise its limit (fs.file-max)"),
    errno.ENOENT: _FILE,
    errno.EACCES: _FILE,
    errno.EPERM: _FILE,
    errno.ENOTSOCK: _FILE,
}

_CHECK_LOGIN = "check the user and password in REDIS_URL"
# In their order: the first that fits is it. The codes stand in the text where a script met them.
RULES = (
    CauseRule(
        Cause(
            "the host of Redis has no address", "check the host in REDIS_URL and the name server", lasts=True
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
        Cause("no Sentinel lets us in", "check sentinel_username and sentinel_password", lasts=True),
        "No master found for .*(AuthenticationError|NoPermissionError)",
    ),
    CauseRule(
        Cause(
            "no Sentinel names a server for the service",
            "see that Sentinels run and have elected one, and check the service in REDIS_URL",
        ),
        "No master found for",
    ),
    CauseRule(
        Cause("Redis asks for a password", "put it into REDIS_URL, before the host", lasts=True),
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
            "the user of REDIS_URL may not do in Redis what is needed here",
            "give it ~* &* +@all -@dangerous +info (ACL SETUSER)",
            lasts=True,
        ),
        "NOPERM|can't run this command|can't access|ACL failure|o permissions to|has no permission",
        (redis.exceptions.NoPermissionError,),
    ),
    CauseRule(
        Cause("Redis takes no more clients", "raise maxclients, or end clients that are not needed"),
        "max number of clients|Too many connections",
        (redis.exceptions.MaxConnectionsError,),
    ),
    CauseRule(
        Cause("Redis is loading its data", "wait for it"),
        "LOADING|loading the dataset",
        (redis.BusyLoadingError,),
    ),
    CauseRule(
        Cause("Redis is a replica that takes no writes", "wait for the failover, or name the primary"),
        "READONLY|read[- ]?only replica|is now a slave",
        (redis.ReadOnlyError,),
    ),
    CauseRule(
        Cause("Redis is a replica that has lost its primary", "wait for the failover, or name the primary"),
        "MASTERDOWN",
        (redis.exceptions.MasterDownError,),
    ),
    CauseRule(
        Cause("Redis is changing its role", "wait for the failover"),
        "UNBLOCKED|REDIRECT|FAILOVER",
    ),
    CauseRule(
        Cause("Redis has too few replicas to write", "bring them back, or lower min-replicas-to-write"),
        "NOREPLICAS",
    ),
    CauseRule(
        Cause("Redis is busy with a script or a module", "wait for it, or end it (SCRIPT KILL)"),
        r"BUSY (?!GROUP)|is busy running a script",
    ),
    CauseRule(
        Cause("Redis cannot write to its disk", "make room, or see why (MISCONF)"),
        "MISCONF",
    ),
    CauseRule(
        Cause("Redis is full", "raise its maxmemory, or make room", away=False),
        types=(redis.OutOfMemoryError,),
    ),
    CauseRule(
        Cause("Redis Cluster is down", "use a Redis outside Cluster mode, which is not supported"),
        "CLUSTERDOWN|TRYAGAIN",
        (redis.exceptions.ClusterDownError, redis.exceptions.TryAgainError),
    ),
    CauseRule(
        Cause(
            "Redis runs in Cluster mode", "use a Redis outside it: Cluster mode is not supported", lasts=True
        ),
        "MOVED|CROSSSLOT",
        (redis.exceptions.AskError, redis.exceptions.ClusterCrossSlotError),
    ),
    CauseRule(
        Cause("Redis is older than 7", "use Redis 7 or newer, or Valkey", lasts=True),
        "[Ee]rror compiling script|[Uu]nknown (Redis )?command|Unknown command",
    ),
    CauseRule(
        Cause(
            "Redis takes connections from its own machine only (protected mode)",
            "set a password there, or bind",
            lasts=True,
        ),
        "DENIED",
    ),
    CauseRule(
        Cause("Redis has no database of that number", "check the number at REDIS_URL's end", lasts=True),
        "DB index|Invalid Database|SELECT is not allowed",
    ),
    CauseRule(
        Cause("what answers at REDIS_URL is no Redis", "check its host and port", lasts=True),
        "Protocol [Ee]rror|Invalid RESP version",
        (InvalidResponse,),
    ),
    CauseRule(LATE, types=(redis.TimeoutError, TimeoutError)),
    CauseRule(CLOSED, "closed by server|Connection has data|Connection not ready|health check"),
)
