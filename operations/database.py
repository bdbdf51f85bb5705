"""Connects to PostgreSQL, and translates its errors into messages that say what to do.

The messages of libpq, servers and poolers may quote a part of the URL. Errors of connecting are therefore
recognised by patterns and never quoted.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import conninfo_to_dict

from gateway.errors import SettingError
from gateway.masking import mask_text
from operations.errors import MigrationFailed

_CONNECT_TIMEOUT = 10  # seconds
_UNKNOWN = "the reason is not recognised: try the URL with psql"
_SESSION_POOLER = "use the session pooler's URL from Supabase's dashboard (Connect)"
_ESCAPE = "percent-encode spaces and @ : / ? # % [ ] in the password, for example %40 for @"
_MALFORMED = f"it is malformed: {_ESCAPE}"

_NOT_A_POSTGRESQL_URL = (
    "DATABASE_URL is not a PostgreSQL URL: it must begin with postgresql:// or postgres://"
)
_URL_PROBLEMS = {  # patterns of libpq's messages about a URL, before it connects
    r"invalid (uri query parameter|connection option)": (
        "it has a parameter that PostgreSQL does not know, such as Prisma's pgbouncer=true: remove it"
    ),
    r"percent-encoded|unexpected spaces|in ipv6 host|unexpected character|invalid integer": _MALFORMED,
}
_FULL = (
    "the server has no connection left: close others, raise the pool size in Supabase's dashboard, "
    "or use the transaction pooler's URL (port 6543)"
)
_ENCRYPTION = "the server requires encryption: add ?sslmode=require to the URL"
_NOT_POSTGRES = "the server is not PostgreSQL: check the port, which is usually 5432 or 6543"
_UNKNOWN_HOST = "the host is unknown: check its name"
_UNREACHABLE = f"the host is unreachable, usually because it has only an IPv6 address: {_SESSION_POOLER}"
# Patterns of messages in lower case, and what they mean. The first match counts: the messages of servers are
# before those of the network.
_REFUSALS = {
    r"tenant|enotfound": (
        "the pooler does not know the project or the user: the user is postgres.<project>, and the host is "
        "that of the project's region (Connect in Supabase's dashboard); if the project is paused, restore it"
    ),
    r"max[ _]?client|connection slots|too many (connections|clients)|no more connections": _FULL,
    r"circuit ?breaker|too many authentication": (
        "the server blocks logins for some minutes after wrong passwords: correct the password, then wait"
    ),
    r"no encryption|ssl off|ssl connection is required|insecure|sslmode=require|ssl required": _ENCRYPTION,
    r"no pg_hba.conf entry": "the server's network rules refuse this machine or user: allow them there",
    r"does not support ssl|but ssl was required": (
        "the server offers no encryption, and the URL requires it: remove sslmode if the network is safe"
    ),
    r"starting up|not yet accepting|shutting down|recovery mode|not accepting connections|going down": (
        "the server is starting or stopping: run this command again in a minute"
    ),
    r"root certificate file|sslrootcert": (
        "the root certificate that sslmode=verify-… needs does not exist: set sslrootcert=FILE"
    ),
    r"certificate": (
        "the server's certificate is not trusted, has expired, or is for another host: set sslrootcert=FILE "
        "to Supabase's root certificate, or use sslmode=require"
    ),
    r"no password|fe_sendauth": "the URL has no password: add it after the user",
    r"authentication failed|wrong password|sasl|scram|login failed|password": (
        f"the user or password is wrong: correct it, and {_ESCAPE}"
    ),
    r"database .*does not exist|no such database": (
        "the server has no database with that name: Supabase's is called postgres"
    ),
    r"role .*does not exist|no such user": "the server has no such user, or its password differs: check both",
    r"servname|invalid port|invalid integer": f"the port is not a valid number: correct it, and {_ESCAPE}",
    r"sslmode|invalid .* value": (
        "a parameter after the ? has a value that PostgreSQL does not know: correct or remove it"
    ),
    r"expected authentication|ssl negotiation|invalid response|unsupported frontend protocol": _NOT_POSTGRES,
    r"unexpectedly|connection reset|eof detected|ssl error|tlsv1|ssl syscall": (
        "the server closed the connection: check the port (5432 or 6543), sslmode, and firewalls"
    ),
    r"network is unreachable|no route to host|cannot assign|address family|no address associated": (
        _UNREACHABLE
    ),
    r"resolve host|translate host|name or service": _UNKNOWN_HOST,
    r"refused": "no server listens at the host and port: check both",
    r"on socket|no such file": "the URL has no host: add it after the @",
    r"timeout|timed out": (
        f"the server did not answer within {_CONNECT_TIMEOUT} s: check host, port and network rules; "
        f"if the host has only an IPv6 address, {_SESSION_POOLER}"
    ),
}
_CURES = {  # by SQLSTATE, for the errors of an open connection
    "42501": "the user of DATABASE_URL does not own the tables: use the owner, which is postgres on Supabase",
    "25006": "the server is read-only (a replica, or a full disk): use the primary, or free some space",
    "53100": "the server's disk is full: free some space",
    "55P03": "another session holds a lock: run this command again later",
    "57014": "a time limit of the server or an operator cancelled it: run this command again",
}
_LOST = "the connection was lost: run this command again, finished steps are kept"


def connect(url: str) -> psycopg.Connection:
    """Open a connection that works through any pooler: no state lasts longer than a transaction.

    Raises:
        SettingError: the URL cannot be used.
        MigrationFailed: the connection cannot be opened.

    Both messages say why and what to do, and never contain the URL.
    """
    if problem := _problem(url):
        raise SettingError(problem)
    try:
        return psycopg.connect(
            url,
            autocommit=True,
            connect_timeout=_CONNECT_TIMEOUT,
            application_name="botlive migrate",
            prepare_threshold=None,  # a pooler may give the next transaction another server
        )
    except (psycopg.Error, OSError, ValueError) as error:
        raise MigrationFailed(f"cannot connect to DATABASE_URL: {_why(error, url)}") from None


def _problem(url: str) -> str | None:
    """Return why libpq cannot read the URL, or would read it wrongly."""
    if "[your-password]" in url.lower():
        return "DATABASE_URL still contains [YOUR-PASSWORD]: replace it by the password of the database"
    try:
        host = str(conninfo_to_dict(url).get("host") or "")
    except (psycopg.Error, ValueError) as error:
        why = _known(_URL_PROBLEMS, str(error)) if url.startswith(("postgresql://", "postgres://")) else None
        return f"DATABASE_URL cannot be used: {why}" if why else _NOT_A_POSTGRESQL_URL
    if "@" in host or ("/" in host and not host.startswith("/")):
        return f"DATABASE_URL cannot be used: {_MALFORMED}"
    return None


def _why(error: Exception, url: str) -> str:
    why = _known(_REFUSALS, str(error)) or _UNKNOWN
    is_direct = re.search(r"@db\.[^.]+\.supabase\.co\b", url)
    return _UNREACHABLE if is_direct and why == _UNKNOWN_HOST else why


def _known(table: dict[str, str], message: str) -> str | None:
    # Quoted text comes from the URL and could match a pattern: a database may have any name.
    unquoted = re.sub(r"\"[^\"]*\"|'[^']*'", "", message).lower()
    return next((why for pattern, why in table.items() if re.search(pattern, unquoted)), None)


@contextmanager
def translated_errors(step: str) -> Iterator[None]:
    """Translate the server's errors in the ``with`` block into one line: the step, the reason, what to do.

    Raises:
        MigrationFailed: the server reported an error. ``sqlstate`` is its code.
    """
    try:
        yield
    except psycopg.Error as error:
        raise _failed(step, error) from None


def _failed(step: str, error: psycopg.Error) -> MigrationFailed:
    message, code = error.diag.message_primary, error.sqlstate
    if message is None or code is None or code.startswith("08") or code in {"57P01", "57P02"}:
        failed = MigrationFailed(f"{step}: {_LOST}")
    else:
        cure = _CURES.get(code)
        failed = MigrationFailed(f"{step}: {mask_text(message)} ({code}){f'; {cure}' if cure else ''}")
    failed.sqlstate = code
    return failed
