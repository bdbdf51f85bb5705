"""The connection of a migration: opened, used in transactions, and its refusals in words with their cure.

libpq, servers and poolers may quote a piece of the URL, so their words are recognised and not repeated.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import conninfo_to_dict

from gateway.masking import mask_text
from operations.errors import MigrationFailed

_CONNECT_TIMEOUT = 10  # seconds
_SESSION_POOLER = "take the session pooler's URL from Supabase's dashboard (Connect)"
_ESCAPE = "in a password a blank and @ : / ? # % [ ] have to be written in their percent form, as %40 for @"

_NO_POSTGRESQL_URL = "DATABASE_URL is no PostgreSQL URL (postgresql://…)"
_NO_URL = {  # what makes a URL unusable before anything is asked
    r"invalid (uri query parameter|connection option)": (
        "it has a parameter that PostgreSQL does not know, as Prisma's pgbouncer=true: take it off its end"
    ),
    r"percent-encoded|unexpected spaces|in ipv6 host|unexpected character|invalid integer": _ESCAPE,
}
_FULL = (
    "it has no connection left: end others, raise the pool's size in Supabase's dashboard, "
    "or take the transaction pooler's URL (port 6543)"
)
_ENCRYPTION = "it wants encryption: put ?sslmode=require behind the URL"
_NOT_POSTGRES = "what listens there is no PostgreSQL: check its port, 5432 or 6543 as a rule"
_NO_WAY = f"this machine has no way to it, as a rule because it has an IPv6 address only: {_SESSION_POOLER}"
_REFUSALS = {  # what is said, in lower case, and what it means; a server's own words before the network's
    r"tenant|enotfound": (
        "the pooler knows no such project or user: the user is postgres.<project>, and the host that of the "
        "project's region, as Supabase's dashboard (Connect) shows them; a paused project has to be restored"
    ),
    r"max[ _]?client|connection slots|too many (connections|clients)|no more connections": _FULL,
    r"circuit ?breaker|too many authentication": (
        "it blocks logins for a while after wrong passwords: correct the password, wait some minutes"
    ),
    r"no encryption|ssl off|ssl connection is required|insecure|sslmode=require|ssl required": _ENCRYPTION,
    r"no pg_hba.conf entry": "its network rules do not admit this machine or user: allow them there",
    r"does not support ssl|but ssl was required": (
        "it offers no encryption, which the URL asks for: take sslmode out, if the way to it is safe"
    ),
    r"starting up|not yet accepting|shutting down|recovery mode|not accepting connections|going down": (
        "it is starting or stopping: run this again in a minute"
    ),
    r"root certificate file|sslrootcert": (
        "the file with the certificate that sslmode=verify-… needs is not there: name it by sslrootcert=…"
    ),
    r"certificate": (
        "its certificate is not trusted, has expired, or is another host's: name Supabase's by "
        "sslrootcert=…, or put sslmode=require"
    ),
    r"no password|fe_sendauth": "the URL holds no password",
    r"authentication failed|wrong password|sasl|scram|login failed|password": (
        f"its user or password is wrong; {_ESCAPE}"
    ),
    r"database .*does not exist|no such database": (
        "it has no database of that name: Supabase's is called postgres"
    ),
    r"role .*does not exist|no such user": "it has no such user, or another password",
    r"servname|invalid port|invalid integer": f"its port is no number; {_ESCAPE}",
    r"sslmode|invalid .* value": "a parameter behind its ? has a value that PostgreSQL does not know",
    r"expected authentication|ssl negotiation|invalid response|unsupported frontend protocol": _NOT_POSTGRES,
    r"unexpectedly|connection reset|eof detected|ssl error|tlsv1|ssl syscall": (
        "it cut the connection off: check its port (5432 or 6543), sslmode, and any firewall between"
    ),
    r"network is unreachable|no route to host|cannot assign|address family|no address associated": _NO_WAY,
    r"resolve host|translate host|name or service": "its host is unknown",
    r"refused": "nothing listens at its host and port",
    r"on socket|no such file": "it names no host",
    r"timeout|timed out": (
        f"no answer within {_CONNECT_TIMEOUT} s: check its host, its port, its network rules; "
        f"with an IPv6 address only, {_SESSION_POOLER}"
    ),
}
_CURES = {  # by SQLSTATE, of what a connection that is open is refused
    "42501": "the user of DATABASE_URL does not own what is there: take its owner, Supabase's postgres",
    "25006": "it takes no writes, as a replica or with a full disk: take the main one, or make room",
    "53100": "its disk is full: make room",
    "55P03": "somebody else is at work there: run this again later",
    "57014": "it was cancelled, by a limit of the server's or by a person: run this again",
}
_LOST = "the connection was lost: run this again, what is done stays done"


def connect(url: str) -> psycopg.Connection:
    """A connection that works through any pooler: nothing of it outlives a transaction.

    Raises:
        MigrationFailed: there is none; the reason and the cure, never the URL.
    """
    if problem := _problem(url):
        raise MigrationFailed(problem)
    try:
        return psycopg.connect(
            url,
            autocommit=True,
            connect_timeout=_CONNECT_TIMEOUT,
            application_name="botlive migrate",
            prepare_threshold=None,  # a pooler in transaction mode has another server for the next one
        )
    except (psycopg.Error, OSError, ValueError) as error:
        raise MigrationFailed(f"DATABASE_URL cannot be reached: {_why(error, url)}") from None


def _problem(url: str) -> str | None:
    """What libpq would misread, or not read at all."""
    if "[your-password]" in url.lower():
        return "DATABASE_URL still holds [YOUR-PASSWORD]: put the database's password there"
    try:
        host = str(conninfo_to_dict(url).get("host") or "")
    except (psycopg.Error, ValueError) as error:
        why = _known(_NO_URL, str(error)) if url.startswith(("postgresql://", "postgres://")) else None
        return f"DATABASE_URL cannot be used: {why}" if why else _NO_POSTGRESQL_URL
    if "@" in host or ("/" in host and not host.startswith("/")):
        return f"DATABASE_URL cannot be used: {_ESCAPE}"
    return None


def _why(error: Exception, url: str) -> str:
    why = _known(_REFUSALS, str(error)) or "no connection"
    is_direct = re.search(r"@db\.[^.]+\.supabase\.co\b", url)
    return _NO_WAY if is_direct and why == "its host is unknown" else why


def _known(table: dict[str, str], said: str) -> str | None:
    # What stands in quotes is the URL's: a database may be called anything.
    plain = re.sub(r"\"[^\"]*\"|'[^']*'", "", said).lower()
    return next((why for pattern, why in table.items() if re.search(pattern, plain)), None)


@contextmanager
def told(what: str) -> Iterator[None]:
    """What the server refuses meanwhile, as one line that says at what, why and the cure.

    Raises:
        MigrationFailed: it refused; with its SQLSTATE.
    """
    try:
        yield
    except psycopg.Error as error:
        raise _failed(what, error) from None


def _failed(what: str, error: psycopg.Error) -> MigrationFailed:
    said, code = error.diag.message_primary, error.sqlstate
    if said is None or code is None or code.startswith("08") or code in {"57P01", "57P02"}:
        failed = MigrationFailed(f"{what}: {_LOST}")
    else:
        cure = _CURES.get(code)
        failed = MigrationFailed(f"{what}: {mask_text(said)} ({code}){f'; {cure}' if cure else ''}")
    failed.sqlstate = code
    return failed
