"""``botlive migrate`` reports why it cannot connect or write, says what to do, and shows no secret."""

import re
import threading
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from gateway.errors import SettingError
from operations import database, migrations
from operations.errors import MigrationFailed
from operations.migrations import Migration, migrate
from tests.integration.pooler import fatal, refusing, transaction_pooler

pytestmark = pytest.mark.slow

_SECRET = "s3cr3t"  # noqa: S105 # must not be in any message


def refused(url: str) -> str:
    """Migrate with this URL and return the error, which is one line without a secret."""
    with pytest.raises((MigrationFailed, SettingError)) as caught:
        migrate(url)
    said = str(caught.value)
    assert _SECRET not in said
    assert "\n" not in said
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return said


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        ("Tenant or user not found", "XX000", "the user is postgres.<project>"),
        ("(ENOTFOUND) tenant/user postgres.abc not found", "XX000", "the user is postgres.<project>"),
        ("Max client connections reached", "XX000", "no connection left"),
        ("MaxClientsInSessionMode: max clients reached - in Session mode", "XX000", "no connection left"),
        ("(EMAXCONNSESSION) max clients reached in session mode", "XX000", "no connection left"),
        ("sorry, too many clients already", "53300", "no connection left"),
        ('too many connections for role "s3cr3t"', "53300", "no connection left"),
        (
            "remaining connection slots are reserved for roles with the SUPERUSER",
            "53300",
            "no connection left",
        ),
        ("no more connections allowed (max_client_conn)", "08P01", "no connection left"),
        ("(ECIRCUITBREAKER) too many authentication failures", "XX000", "blocks logins"),
        (
            'no pg_hba.conf entry for host "1.2.3.4", user "s3cr3t", database "postgres", no encryption',
            *("28000", "?sslmode=require"),
        ),
        ('no pg_hba.conf entry for host "1.2.3.4", user "s3cr3t", SSL off', "28000", "?sslmode=require"),
        ("SSL connection is required", "XX000", "?sslmode=require"),
        ("connection is insecure (try using `sslmode=require`)", "XX000", "?sslmode=require"),
        ('no pg_hba.conf entry for host "1.2.3.4", user "s3cr3t", SSL encryption', "28000", "network rules"),
        ("the database system is starting up", "57P03", "in a minute"),
        ("the database system is not yet accepting connections", "57P03", "in a minute"),
        ("the database system is shutting down", "57P03", "in a minute"),
        ("the database system is in recovery mode", "57P03", "in a minute"),
        ('password authentication failed for user "s3cr3t"', "28P01", "user or password is wrong"),
        ("Wrong password", "XX000", "user or password is wrong"),
        ("SASL authentication failed", "08P01", "user or password is wrong"),
        ("server login failed: FATAL", "08P01", "user or password is wrong"),
        ('database "tenant" does not exist', "3D000", "Supabase's is called postgres"),
        ("no such database: s3cr3t", "08P01", "Supabase's is called postgres"),
        ('role "certificate" does not exist', "28000", "no such user"),
        ("no such user", "08P01", "no such user"),
        ("an unknown message, s3cr3t", "XX000", "the reason is not recognised"),
    ],
)
def test_a_refusal_is_recognised(words: str, code: str, why: str) -> None:
    """The exact messages of PostgreSQL, Supabase's pooler and PgBouncer are recognised, over a connection."""
    with refusing(fatal(words, code)) as port:
        assert why in refused(f"postgresql://postgres:{_SECRET}@127.0.0.1:{port}/postgres")


@pytest.mark.parametrize(
    ("parameters", "answer", "why"),
    [
        ("?sslmode=require", b"", "offers no encryption"),
        ("", b"HTTP/1.1 400 Bad Request\r\n\r\n", "not PostgreSQL"),
        ("", b"", "closed the connection"),
    ],
)
def test_another_protocol_is_recognised(parameters: str, answer: bytes, why: str) -> None:
    """The error names the problem if the server has no TLS, speaks HTTP, or closes the connection."""
    with refusing(answer) as port:
        assert why in refused(f"postgresql://postgres:{_SECRET}@127.0.0.1:{port}/postgres{parameters}")


@pytest.mark.parametrize(
    ("unusable", "why"),
    [
        ("postgresql://u:s3cr3t@127.0.0.1:1/x", "no server listens"),
        ("postgresql://u:s3cr3t@certificate.invalid/x", "host is unknown"),
        ("postgresql://u:s3cr3t@db.abcdefghijklmnopqrst.supabase.co.invalid/x", "session pooler"),
        ("mysql://u:s3cr3t@127.0.0.1/x", "not a PostgreSQL URL"),
        ("https://s3cr3t.supabase.co", "not a PostgreSQL URL"),
        ("postgresql+asyncpg://u:s3cr3t@127.0.0.1/x", "not a PostgreSQL URL"),
        ("jdbc:postgresql://127.0.0.1/x?password=s3cr3t", "not a PostgreSQL URL"),
        ("s3cr3t", "not a PostgreSQL URL"),
        ("postgresql://u:s3cr3t@127.0.0.1:port/x", "the port is not a valid number"),
        ("postgresql://u:s3cr3t@127.0.0.1:99999/x", "the port is not a valid number"),
        ("postgresql://u:s3cr3t@127.0.0.1:1/x?pgbouncer=true", "remove it"),
        ("postgresql://u:s3cr3t@127.0.0.1:1/x?connection_limit=1", "remove it"),
        ("postgresql://u:s3cr3t@127.0.0.1:1/x?sslmode=s3cr3t", "a value that PostgreSQL does not know"),
        ("postgresql://u:[YOUR-PASSWORD]@127.0.0.1:1/x", "still contains [YOUR-PASSWORD]"),
        ("postgresql://u:s3cr3t%zz@127.0.0.1:1/x", "%40 for @"),
        ("postgresql://u:s3cr3t@s3cr3t@127.0.0.1:1/x", "%40 for @"),
        ("postgresql://u:s3cr3t/s3cr3t@127.0.0.1:1/x", "%40 for @"),
        ("postgresql://u:s3 cr3t@127.0.0.1:1/x", "%40 for @"),
        ("postgresql://[s3cr3t", "%40 for @"),
    ],
)
def test_an_unusable_url_is_reported(unusable: str, why: str) -> None:
    """The error names the variable, the reason and what to do."""
    said = refused(unusable)
    assert "DATABASE_URL" in said
    assert why in said


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("Network is unreachable", "IPv6"),
        ("No route to host", "IPv6"),
        ("Cannot assign requested address", "IPv6"),
        ("failed to resolve host 'db.x.supabase.co': [Errno -5] No address associated with hostname", "IPv6"),
        ("connection timeout expired", "did not answer within"),
        ("SSL error: certificate verify failed", "sslrootcert"),
        ("SSL error: certificate has expired", "sslrootcert"),
        ('root certificate file "/s3cr3t/root.crt" does not exist', "does not exist"),
        ("SSL error: tlsv1 alert protocol version", "closed the connection"),
        ("SSL SYSCALL error: EOF detected", "closed the connection"),
    ],
)
def test_an_error_of_the_network_is_recognised(monkeypatch: pytest.MonkeyPatch, words: str, why: str) -> None:
    """Messages of libpq that cannot all be produced on this machine are recognised."""

    def connect(*_: object, **__: object) -> None:
        raise psycopg.OperationalError(f'connection to server at "s3cr3t", port 5432 failed: {words}')

    monkeypatch.setattr(psycopg, "connect", connect)
    assert why in refused("postgresql://u:s3cr3t@127.0.0.1/x")


def test_a_wrong_login_and_database_are_reported(database_url: str) -> None:
    """A real server refuses them, and the error says what to do."""
    assert "user or password is wrong" in refused(make_conninfo(database_url, user="nobody"))
    assert "is called postgres" in refused(make_conninfo(database_url, dbname="tenant"))


def test_a_user_who_does_not_own_the_tables_is_reported(database_url: str) -> None:
    """The error says which user to use."""
    name = f"stranger_{uuid4().hex}"
    with psycopg.connect(database_url, autocommit=True) as server:
        server.execute(f"create role {name} login password '{_SECRET}'".encode())
        try:
            assert "use the owner" in refused(make_conninfo(database_url, user=name, password=_SECRET))
        finally:
            server.execute(f"drop role {name}".encode())


def test_a_read_only_database_is_reported(database_url: str) -> None:
    """A replica, or a project with a full disk, is reported with what to do."""
    url = make_conninfo(database_url, options="-c default_transaction_read_only=on")
    assert "is read-only" in refused(url)


def test_a_lost_connection_is_reported(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is lost during a file is reported: running the command again is safe."""
    carried = [Migration("1_a", b"select pg_terminate_backend(pg_backend_pid())")]
    monkeypatch.setattr(migrations, "bundled", lambda: carried)
    assert refused(database_url) == f"1_a: {database._LOST}"


def test_an_error_at_commit_is_reported(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of a constraint that is checked at commit names the file too."""
    sql = b"""create table one (n int unique deferrable initially deferred);
        insert into one values (1), (1)"""
    monkeypatch.setattr(migrations, "bundled", lambda: [Migration("1_a", sql)])
    assert refused(database_url).startswith("1_a: duplicate key")


def through(port: int, database_url: str) -> str:
    """Return the URL of that database through the pooler."""
    return f"postgresql://postgres:{_SECRET}@127.0.0.1:{port}/{conninfo_to_dict(database_url)['dbname']}"


def test_a_pooler_in_transaction_mode_works(database_url: str) -> None:
    """Each transaction may get another server: all files are applied, and no lock is left."""
    with transaction_pooler(database_url) as port:
        first = migrate(through(port, database_url))
        assert len([line for line in first if line.endswith(" applied")]) == len(migrations.bundled())
        assert all(line.endswith(" already applied") for line in migrate(through(port, database_url)))
        with psycopg.connect(database_url) as direct:
            assert direct.execute("select count(*) from pg_locks where locktype = 'advisory'").fetchone() == (
                0,
            )
        # A direct connection at the same time works too.
        assert all(line.endswith(" already applied") for line in migrate(database_url))


def test_two_runs_through_a_pooler_and_a_direct_one(database_url: str) -> None:
    """Each file is applied once."""
    lines: list[str] = []
    with transaction_pooler(database_url) as port:
        urls = [through(port, database_url), through(port, database_url), database_url]
        runs = [threading.Thread(target=lambda url=url: lines.extend(migrate(url))) for url in urls]
        for run in runs:
            run.start()
        for run in runs:
            run.join()
    applied = [line for line in lines if re.fullmatch(r"\w+ applied", line)]
    assert len(applied) == len(set(applied)) == len(migrations.bundled())
