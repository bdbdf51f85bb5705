"""``botlive doctor``: each fault that is injected is found, at its level, with its cure."""

import json
import os
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import psycopg
import pytest
import redis

from devstack.stack import Stack
from devstack.valkey import Valkey
from gateway.release import release
from operations import cli
from operations.doctor.examination import examine
from operations.doctor.result import Level, Result
from operations.migrations import migrate
from tests.make import order

QUEUE = "doctor"


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A server whose configuration the tests may spoil."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    server = Valkey(tmp_path_factory.mktemp("doctor") / "valkey", port)
    server.start()
    yield server
    server.stop()


class Site(NamedTuple):
    """A healthy installation: what the tests spoil."""

    redis: redis.Redis
    url: str
    set: Callable[[str, str], None]
    """Set a variable of the environment."""
    folder: Path


@pytest.fixture
def site(valkey: Valkey, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    """Redis with a worker that is alive; no Supabase, no database and no outbox are named."""
    for name in os.environ:
        if name.startswith(("SUPABASE_", "BOTLIVE_", "DATABASE_URL", "REDIS_URL")):
            monkeypatch.delenv(name)
    url = f"redis://127.0.0.1:{valkey.port}/0"
    monkeypatch.setenv("REDIS_URL", url)
    monkeypatch.setenv("BOTLIVE_QUEUE", QUEUE)
    with redis.Redis.from_url(url) as connection:
        connection.replicaof("NO", "ONE")
        connection.flushall()
        connection.config_set("appendonly", "yes")
        connection.config_set("maxmemory-policy", "noeviction")
        connection.config_set("maxmemory", 0)
        worker(connection, "botlive-one", 1)
        yield Site(connection, url, monkeypatch.setenv, tmp_path)
        connection.acl_setuser(
            "default", enabled=True, nopass=True, reset=True, keys="*", channels="*", categories=["+@all"]
        )


def worker(connection: redis.Redis, name: str, seconds: float, **fields: str) -> None:
    """A worker that gave its last heartbeat that many seconds ago."""
    beat = (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    kept = {"last_heartbeat": beat, "state": "idle", "botlive_version": release(), **fields}
    connection.hset(f"rq:worker:{name}", mapping=dict(kept.items()))
    connection.sadd(f"rq:workers:{QUEUE}", f"rq:worker:{name}")


def waiting(connection: redis.Redis, minutes: float) -> None:
    """An event that has waited for so long."""
    then = (datetime.now(UTC) - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    connection.hset("rq:job:old", "created_at", then)
    connection.rpush(f"rq:queue:{QUEUE}", "old")


def failed(connection: redis.Redis) -> None:
    """An event that failed, and whose reason is gone."""
    connection.zadd(f"rq:failed:{QUEUE}", {"gone": 1})


def fill(connection: redis.Redis) -> None:
    """A server that is nearly full."""
    connection.config_set("maxmemory", int(connection.info("memory")["used_memory"]) * 11 // 10)


def silent(connection: redis.Redis) -> None:
    """A Redis user that is not allowed to call INFO."""
    connection.acl_setuser(
        "default", enabled=True, nopass=True, keys="*", channels="*", categories=["+@all"], commands=["-info"]
    )


def of(results: list[Result], level: Level) -> list[Result]:
    """The results of that level."""
    return [result for result in results if result.level is level]


def test_a_healthy_installation_has_no_fault(site: Site, stack: Stack) -> None:
    """Each part is checked, and every line is green."""
    for name, value in stack.environment.items():
        if name.startswith(("SUPABASE", "DATABASE")):
            site.set(name, value)
    site.set("BOTLIVE_OUTBOX", str(site.folder / "outbox"))
    results = [result for result in examine() if result.part != "database"]
    assert of(results, Level.OK) == results
    assert {result.part for result in results} == {"Redis", "queue", "workers", "Supabase", "outbox"}


def test_what_is_not_named_is_not_checked(site: Site) -> None:
    """A missing variable is named, and is not a failure."""
    said = {result.part: result.what for result in of([*examine()], Level.NOT_CHECKED)}
    assert said == {
        "Supabase": "not set in the environment: SUPABASE_URL, SUPABASE_KEY",
        "database": "not set in the environment: DATABASE_URL",
        "outbox": "not set in the environment: BOTLIVE_OUTBOX",
    }


FAULTS: dict[str, tuple[Callable[[Site], object], Level, str, str]] = {
    "no append-only file": (
        lambda site: site.redis.config_set("appendonly", "no"),
        Level.FAILURE,
        "no append-only file",
        "appendonly yes",
    ),
    "eviction": (
        lambda site: site.redis.config_set("maxmemory-policy", "allkeys-lru"),
        Level.FAILURE,
        "maxmemory-policy is allkeys-lru",
        "noeviction",
    ),
    "nearly full": (
        lambda site: fill(site.redis),
        Level.WARNING,
        "% of its memory is in use",
        "raise maxmemory",
    ),
    "a replica": (
        lambda site: site.redis.replicaof("127.0.0.1", 1),
        Level.FAILURE,
        "is a replica",
        "name the primary",
    ),
    "no INFO": (lambda site: silent(site.redis), Level.NOT_CHECKED, "may not call INFO", "+info"),
    "no such host": (
        lambda site: site.set("REDIS_URL", "redis://no-such-host.invalid:6379/0"),
        Level.FAILURE,
        "the host name of Redis is unknown",
        "check the host",
    ),
    "a closed port": (
        lambda site: site.set("REDIS_URL", "redis://127.0.0.1:1/0"),
        Level.FAILURE,
        "Redis refuses the connection",
        "",
    ),
    "a password too much": (
        lambda site: site.set("REDIS_URL", site.url.replace("//", "//user:secret@")),
        Level.FAILURE,
        "Redis refuses the user or the password",
        "",
    ),
    "no Redis URL": (
        lambda site: site.set("REDIS_URL", "nonsense"),
        Level.FAILURE,
        "REDIS_URL: is not a valid Redis URL",
        "correct",
    ),
    "a key of another type": (
        lambda site: site.redis.set(f"rq:queue:{QUEUE}", "x"),
        Level.FAILURE,
        f"rq:queue:{QUEUE} is a string and must be a list",
        "RENAME",
    ),
    "an event that waits for an hour": (
        lambda site: waiting(site.redis, 60),
        Level.FAILURE,
        "the oldest for 3",
        "start more",
    ),
    "an event that waits for two minutes": (
        lambda site: waiting(site.redis, 2),
        Level.WARNING,
        "the oldest for 12",
        "start more",
    ),
    "no worker": (
        lambda site: site.redis.delete(f"rq:workers:{QUEUE}"),
        Level.FAILURE,
        "no worker is alive",
        "botlive worker",
    ),
    "a dead worker": (
        lambda site: worker(site.redis, "botlive-two", 300),
        Level.WARNING,
        "botlive-two has given no sign for 300 s",
        "restart it",
    ),
    "a worker that holds": (
        lambda site: worker(site.redis, "botlive-two", 1, held="Supabase does not admit the key"),
        Level.FAILURE,
        "botlive-two holds all events",
        "do what the reason says",
    ),
    "another release": (
        lambda site: worker(site.redis, "botlive-two", 1, botlive_version="0.1.0"),
        Level.WARNING,
        "workers of other releases run: 0.1.0",
        "upgrade in this order",
    ),
    "suspended": (lambda site: site.redis.set("rq:suspended", 1), Level.FAILURE, "suspended", "rq resume"),
    "a failed event": (
        lambda site: failed(site.redis),
        Level.WARNING,
        "1 events failed: Gone",
        "botlive failures --reason Gone",
    ),
    "no Supabase at the address": (
        lambda site: (
            site.set("SUPABASE_URL", "http://127.0.0.1:1"),
            site.set("SUPABASE_KEY", "sb_secret_x"),
        ),
        Level.FAILURE,
        "Supabase gave no answer",
        "check SUPABASE_URL",
    ),
    "the publishable key": (
        lambda site: (
            site.set("SUPABASE_URL", "http://127.0.0.1:1"),
            site.set("SUPABASE_KEY", "sb_publishable_x"),
        ),
        Level.FAILURE,
        "SUPABASE_KEY: is the publishable key",
        "correct",
    ),
    "no database URL": (
        lambda site: site.set("DATABASE_URL", "mysql://x"),
        Level.FAILURE,
        "DATABASE_URL is not a PostgreSQL URL",
        "",
    ),
    "a file that is no outbox": (
        lambda site: (
            (site.folder / "outbox").write_text("no database"),
            site.set("BOTLIVE_OUTBOX", str(site.folder / "outbox")),
        ),
        Level.FAILURE,
        "no outbox",
        "BOTLIVE_OUTBOX",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_with_its_cure(site: Site, name: str) -> None:
    """It is among the lines at its level, and its cure names what to do."""
    inject, level, what, cure = FAULTS[name]
    inject(site)
    found = [result for result in of([*examine()], level) if what in result.what]
    assert len(found) == 1, "\n".join(map(str, examine()))
    assert cure in str(found[0])


class Project(NamedTuple):
    """A migrated database of the test's own."""

    database: psycopg.Connection[Any]


@pytest.fixture
def project(site: Site, database_url: str) -> Iterator[Project]:
    """A healthy one, with one shop that is complete."""
    migrate(database_url)
    site.set("DATABASE_URL", database_url)
    with psycopg.connect(database_url, autocommit=True) as database:
        owner = uuid4()
        database.execute("insert into auth.users (id) values (%s)", [owner])
        database.execute("select botlive.map_company('boutique', null, %s)", [owner])
        yield Project(database)


SQL_FAULTS = {
    "a drifted table": (
        "alter table public.orders disable row level security",
        Level.FAILURE,
        "changed after the migrations",
        "botlive migrate",
    ),
    "a missing record": (
        "delete from botlive.migrations where version = (select min(version) from botlive.migrations)",
        Level.FAILURE,
        "not migrated",
        "botlive migrate",
    ),
    "a shop that is not mapped": (
        "insert into public.company_rag_configs (company_id) values ('kiosque');"
        "delete from public.company_mapping where company_id = 'kiosque'",
        Level.FAILURE,
        "without a row in company_mapping: their events fail: kiosque",
        "botlive company add",
    ),
    "a shop without an owner": (
        "update public.company_mapping set user_id = null",
        Level.WARNING,
        "without an owner",
        "--owner",
    ),
    "a column that takes nothing": (
        "alter table public.orders add column tax numeric not null",
        Level.FAILURE,
        "tax",
        "",
    ),
    "a trigger that refuses": (
        "create function public.no() returns trigger language plpgsql"
        " as $$ begin raise exception 'no'; end $$;"
        "create trigger no before insert on public.activities for each row execute function public.no()",
        Level.FAILURE,
        "a new shop can take no such event: the project's function no fails",
        "run `botlive doctor` again",
    ),
    "a function that PostgreSQL may call instead of its own": (
        "do $$ begin create role outsider nologin; exception when duplicate_object then null; end $$;"
        "create function public.format(text, text) returns text language sql as 'select null::text';"
        "alter function public.format(text, text) owner to outsider",
        Level.FAILURE,
        "the database was not checked: the function public.format(text,text) of the role outsider",
        "drop function public.format(text,text)",
    ),
    "a policy for everybody who signed in": (
        "create policy wide on public.orders for select to authenticated using (auth.uid() is not null)",
        Level.WARNING,
        "wide",
        "",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SQL_FAULTS)
def test_a_fault_of_the_database_is_found(project: Project, name: str) -> None:
    """The same, of what the database holds."""
    statement, level, what, cure = SQL_FAULTS[name]
    project.database.execute(statement.encode())
    found = [
        result for result in of([*examine()], level) if result.part == "database" and what in str(result)
    ]
    assert found, "\n".join(map(str, examine()))
    assert any(cure in str(result) for result in found)


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """The exit code of ``botlive doctor``, stdout and stderr."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["doctor", *arguments])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def test_the_exit_code_says_how_bad_it_is(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """0 without a fault, 1 with warnings, 2 with failures; JSON has one object per check."""
    assert run([], capsys)[0] == 0
    worker(site.redis, "botlive-two", 300)
    code, said, _ = run(["--json"], capsys)
    levels = {json.loads(line)["level"] for line in said.splitlines()}
    assert (code, levels) == (1, {"ok", "not checked", "warning"})
    site.redis.set("rq:suspended", 1)
    code, said, _ = run([], capsys)
    assert code == 2
    assert "failure     workers: all workers are suspended (`rq suspend`); cure: run `rq resume`\n" in said


def test_fix_names_what_it_does_and_does_only_what_is_safe(
    site: Site, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """It migrates, but does not resume workers that somebody suspended on purpose."""
    project.database.execute("alter table public.orders disable row level security")
    site.redis.set("rq:suspended", 1)
    code, said, told = run(["--fix"], capsys)
    assert "running `botlive migrate`\n" in told
    assert "nothing was changed after the migrations" in said
    assert (code, site.redis.get("rq:suspended")) == (2, b"1")


def test_the_outbox_is_found_filling(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Events that wait in it are a warning; ``--fix`` delivers them."""
    from events.publishing.call import Call  # noqa: PLC0415
    from events.publishing.outbox import Outbox  # noqa: PLC0415

    outbox = Outbox.named(str(site.folder / "outbox"))
    outbox.add([[Call.of(order())]])
    site.set("BOTLIVE_OUTBOX", str(outbox.path))
    assert [result.what for result in of([*examine()], Level.WARNING)] == ["1 of at most 100000 events wait"]
    run(["--fix"], capsys)
    assert (len(outbox), site.redis.llen(f"rq:queue:{QUEUE}")) == (0, 1)
