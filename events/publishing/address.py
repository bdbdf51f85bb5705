"""Creates a Redis client from REDIS_URL: a URL of redis-py, or our own URL for Sentinels."""

import socket
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import RedisError
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelManagedConnection, SentinelManagedSSLConnection

from events.errors import InvalidRedisUrl

DEFAULT = "redis://127.0.0.1:6379/0"
"""The URL that is used if the environment has none: Redis on this machine."""

INVALID = (
    "is not a valid Redis URL, or has an unknown option: write redis://:PASSWORD@HOST:PORT/NUMBER (rediss:// "
    "with TLS), and percent-encode @ : / ? # % in the password, for example %40 for @ (see docs/deploy.md)"
)
"""The problem of a URL that cannot be used, for a message after the variable's name."""

_SCHEMES = {
    "sentinel": "redis",
    "sentinels": "rediss",
    "redis+sentinel": "redis",
    "rediss+sentinel": "rediss",
}
_SENTINEL_PORT = 26379
_SENTINEL_PATIENCE = 0.5  # seconds for each step; the next Sentinel is then asked

# NAT and load balancers drop idle connections, often after a minute. Keepalive probes prevent that, and
# detect a dead connection within half a minute.
_KEEPALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
KEEPALIVE: dict[str, Any] = {
    "socket_keepalive": True,
    "socket_keepalive_options": {
        getattr(socket, name): value for name, value in _KEEPALIVE.items() if hasattr(socket, name)
    },
}
"""The TCP keepalive options of a connection."""

PLAIN: dict[str, Any] = {"protocol": 2}
"""The older protocol. No command of ours needs the newer one, which takes further round trips for each
connection, and which some proxies do not know."""


class _FindsPrimary:
    """Asks the Sentinels at each connect, because redis-py would connect to the old primary again."""

    def _connect(self: Any) -> Any:
        self.host, self.port = self.connection_pool.get_master_address()
        return super()._connect()  # type: ignore[misc] # this class is a mixin


class _Managed(_FindsPrimary, SentinelManagedConnection):
    """Without TLS."""


class _ManagedTls(_FindsPrimary, SentinelManagedSSLConnection):
    """With TLS."""


def client(url: str, **options: Any) -> redis.Redis:
    """Create a client for the Redis at this URL. It connects at its first use.

    An option in the URL overrides the same one in ``options``. The URL is one of redis-py, or
    ``sentinel://[USER:PASSWORD@]HOST[:PORT][,HOST…]/SERVICE[/DB]`` (``sentinels://`` with TLS). Options after
    ``?`` are for Redis, as in redis-py. ``sentinel_username`` and ``sentinel_password`` are for Sentinels.

    Raises:
        InvalidRedisUrl: the URL is not valid, or has an unknown option.
    """
    try:
        made = _client(url, options)
        pool = made.connection_pool
        connection = pool.connection_class(**pool.connection_kwargs)  # raises for an unknown option
        if isinstance(connection, redis.Connection):
            connection.host.encode("idna")
    except (ValueError, TypeError, RedisError):  # their messages may contain the password
        raise InvalidRedisUrl(f"REDIS_URL {INVALID}") from None
    return made


def _client(url: str, options: dict[str, Any]) -> redis.Redis:
    parts = urlsplit(url)
    if parts.fragment:
        raise ValueError("a password with # that is not percent-encoded")
    if parts.scheme in _SCHEMES:
        return _behind_sentinels(parts, options)
    if parts.scheme == "unix":
        return redis.Redis.from_url(url, **{**PLAIN, **options})
    _check_database(parts.path.strip("/"))
    return redis.Redis.from_url(url, **{**KEEPALIVE, **PLAIN, **options})


def _check_database(number: str) -> None:
    if number and not (number.isascii() and number.isdecimal()):  # redis-py would use the database 0
        raise ValueError("no number of a database")


def _behind_sentinels(parts: SplitResult, options: dict[str, Any]) -> redis.Redis:
    login, at, hosts = parts.netloc.rpartition("@")
    service, _, database = parts.path.strip("/").partition("/")
    if not service or not hosts:
        raise ValueError("no service, or no Sentinel")
    _check_database(database)
    plain = SplitResult(_SCHEMES[parts.scheme], f"{login}{at}redis", f"/{database or 0}", parts.query, "")
    found = {**KEEPALIVE, **PLAIN, **options, **parse_url(urlunsplit(plain))}
    found.pop("host")
    tls = found.pop("connection_class", None) is not None
    own = {"username": found.pop("sentinel_username", None), "password": found.pop("sentinel_password", None)}
    asked = {
        **KEEPALIVE,
        **PLAIN,
        **{name: value for name, value in found.items() if name.startswith("ssl_")},
        **own,
        "ssl": tls,
        "socket_timeout": _SENTINEL_PATIENCE,
        "socket_connect_timeout": _SENTINEL_PATIENCE,
        "retry": Retry(NoBackoff(), 0),
    }
    sentinel = Sentinel([_place(host) for host in hosts.split(",")], sentinel_kwargs=asked)
    made: redis.Redis = sentinel.master_for(
        unquote(service), connection_class=_ManagedTls if tls else _Managed, **found
    )
    return made


def _place(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("no host")
    return parts.hostname, parts.port or _SENTINEL_PORT
