"""Realtime Broadcast: who receives the messages, and no error or lock of Realtime stops a write."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from events import LiveToggled
from operations.migrations import check, migrate
from tests.integration.test_migrations import Database, connect, order, persist

pytestmark = pytest.mark.slow

_REALTIME = Path(__file__).with_name("realtime.sql").read_bytes()
_RAISES = """
create or replace function realtime.send(payload jsonb, event text, topic text, private boolean default true)
returns void language plpgsql as $$ begin raise exception 'no' using errcode = '42501'; end $$
"""
_OPEN = """
create policy "everyone listens" on realtime.messages for select using (true);
create policy "everyone sends" on realtime.messages for insert with check (true)
"""
_TRIGGERS = "select count(*) as n from pg_trigger where tgname ~ '^botlive_broadcast'"


@pytest.fixture
def url(database_url: str) -> str:
    """A migrated project with Realtime."""
    with connect(database_url) as database:
        database.execute(_REALTIME)
    migrate(database_url)
    return database_url


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """A connection to it as the project's owner, with one shop."""
    with connect(url) as connection:
        connection.execute("select botlive.map_company('shop')")
        connection.execute("delete from realtime.messages")
        yield connection


def _one(database: Database, query: str, *values: Any) -> Any:
    row = database.execute(query.encode(), values).fetchone()
    assert row
    return next(iter(row.values()))


def _shop(database: Database, text_id: str = "shop") -> UUID:
    made: UUID = _one(database, "select uuid from public.company_mapping where company_id = %s", text_id)
    return made


def _messages(database: Database) -> list[dict[str, Any]]:
    return database.execute(
        "select topic, event, private, payload from realtime.messages order by payload ->> 'table', event"
    ).fetchall()


def _persisted(database: Database, **fields: Any) -> str:
    """Persist an order and return its id."""
    event = order("shop", **fields)
    assert [said["outcome"] for said in persist(database, event)] == ["persisted"]
    return str(event.event_id)


def _failed(database: Database) -> int | None:
    """Return the counter of failed broadcasts."""
    counted: int | None = _one(
        database, "select max(last_value) from botlive.broadcasts_failed where is_called"
    )
    return counted


def _findings(url: str) -> str:
    return "\n".join(finding.words for finding in check(url))


@contextmanager
def _as(database: Database, role: str, user: UUID | None, topic: str) -> Iterator[None]:
    """Act as Realtime does for a client that joins a channel, and roll back."""
    with database.transaction(force_rollback=True):
        claims = json.dumps({"role": role, "sub": str(user) if user else None})
        database.execute(
            "select set_config('request.jwt.claims', %s, true), set_config('realtime.topic', %s, true)",
            [claims, topic],
        )
        database.execute(f"set local role {role}".encode())
        yield


def _hears(database: Database, role: str, user: UUID | None, topic: str) -> bool:
    database.execute("select realtime.send('{}', 'x', %s, true)", [topic])
    with _as(database, role, user, topic):
        return bool(_one(database, "select count(*) from realtime.messages where topic = %s", topic))


def _speaks(database: Database, role: str, user: UUID | None, topic: str) -> bool:
    with _as(database, role, user, topic):
        try:
            database.execute(
                "insert into realtime.messages (topic, extension) values (%s, 'broadcast')", [topic]
            )
        except psycopg.errors.InsufficientPrivilege:
            return False
    return True


def test_an_event_sends_messages_on_the_shops_channel(database: Database) -> None:
    """There is one message per table, with the ids and no other value of a row."""
    event_id = _persisted(database)
    topic = f"botlive:{_shop(database)}"
    assert _messages(database) == [
        {
            "topic": topic,
            "event": "INSERT",
            "private": True,
            "payload": {"table": table, "operation": "INSERT", "count": 1, "ids": [event_id]},
        }
        for table in ("activities", "orders")
    ]


def test_a_batch_sends_one_message_per_shop_and_table(database: Database) -> None:
    """A message has 100 ids at most; each shop has its own channel."""
    database.execute("select botlive.map_company('other')")
    persist(database, *(order("shop") for _ in range(150)), order("other"))
    sent = [
        (each["topic"], each["payload"]["count"], len(each["payload"]["ids"])) for each in _messages(database)
    ]
    shop, other = (f"botlive:{_shop(database, name)}" for name in ("shop", "other"))
    assert sorted(sent) == sorted([(shop, 150, 100), (other, 1, 1)] * 2)


def test_changes_by_people_and_of_sessions_are_sent(database: Database) -> None:
    """A changed status, a deleted order and a deleted session each send a message."""
    event_id = _persisted(database)
    persist(database, LiveToggled(company_id="shop", enabled=True))
    database.execute("delete from realtime.messages")
    database.execute("update public.orders set status = 'completed'")
    database.execute("delete from public.orders")
    database.execute("delete from public.bot_sessions")
    assert [(each["payload"]["table"], each["event"]) for each in _messages(database)] == [
        ("bot_sessions", "DELETE"),
        ("orders", "DELETE"),
        ("orders", "UPDATE"),
    ]
    assert event_id in _messages(database)[1]["payload"]["ids"]


def test_a_duplicate_and_a_refused_event_send_nothing(database: Database) -> None:
    """A duplicate writes no row; the message of a refused event is rolled back."""
    event = order("shop")
    persist(database, event)
    database.execute("delete from realtime.messages")
    assert persist(database, event)[0]["outcome"] == "duplicate"
    assert persist(database, order("shop", event_id=event.event_id))[0]["outcome"] == "refused"
    assert _messages(database) == []


@pytest.mark.parametrize("is_open", [False, True], ids=["closed", "with policies open to everyone"])
def test_only_the_owner_listens_and_no_user_sends(database: Database, *, is_open: bool) -> None:
    """This holds whatever other policies the project has; its other channels are not affected."""
    owner, other = uuid4(), uuid4()
    database.execute("insert into auth.users (id) values (%s), (%s)", [owner, other])
    database.execute("update public.company_mapping set user_id = %s", [owner])
    if is_open:
        database.execute(_OPEN.encode())
    topic = f"botlive:{_shop(database)}"
    people: list[tuple[str, UUID | None]] = [
        ("authenticated", owner),
        ("authenticated", other),
        ("anon", None),
    ]
    assert [_hears(database, *person, topic) for person in people] == [True, False, False]
    assert [_speaks(database, *person, topic) for person in people] == [False] * 3
    assert [_hears(database, *person, "room:1") for person in people] == [is_open] * 3
    assert [_speaks(database, *person, "room:1") for person in people] == [is_open] * 3


def test_an_owner_who_writes_needs_no_right_to_send(database: Database) -> None:
    """An owner without the right to send changes an order's status, and a message is sent."""
    owner = uuid4()
    database.execute("insert into auth.users (id) values (%s)", [owner])
    database.execute("update public.company_mapping set user_id = %s", [owner])
    _persisted(database)
    database.execute("delete from realtime.messages")
    with database.transaction():
        database.execute(
            "select set_config('request.jwt.claims', %s, true)", [json.dumps({"sub": str(owner)})]
        )
        database.execute("set local role authenticated")
        assert database.execute("update public.orders set status = 'completed'").rowcount == 1
    assert [each["event"] for each in _messages(database)] == ["UPDATE"]


def test_without_realtime_nothing_is_made(database_url: str) -> None:
    """No trigger and no finding; with Realtime, the next `botlive migrate` makes the triggers."""
    migrate(database_url)
    with connect(database_url) as database:
        database.execute("select botlive.map_company('shop')")
        assert _one(database, _TRIGGERS) == 0
        _persisted(database)
        assert "Realtime" not in _findings(database_url)
        database.execute(_REALTIME)
        assert "a trigger is missing; cure: `botlive migrate`" in _findings(database_url)
        migrate(database_url)
        assert _one(database, _TRIGGERS) == 9
        assert "trigger" not in _findings(database_url)
        _persisted(database)
        assert len(_messages(database)) == 2


def test_it_can_be_switched_off(database: Database) -> None:
    """With the database's setting `off` no message is sent, and no failure is counted."""
    database.execute("set botlive.broadcast = 'off'")
    _persisted(database)
    assert _messages(database) == []
    database.execute("reset botlive.broadcast")
    _persisted(database)
    assert len(_messages(database)) == 2


def test_a_removed_realtime_stops_no_write(database: Database) -> None:
    """The event is persisted, and no failure is counted."""
    database.execute("drop schema realtime cascade")
    _persisted(database)
    assert _failed(database) is None


def test_a_send_that_raises_stops_no_write_and_is_reported(url: str, database: Database) -> None:
    """The rows are written, the statements are counted, and the findings say why and what to do."""
    database.execute(_RAISES.encode())
    _persisted(database)
    assert _one(database, "select count(*) from public.orders") == 1
    assert _failed(database) == 2  # the order's statement and the activity's
    findings = _findings(url)
    assert "changes are not broadcast: realtime.send fails (SQLSTATE 42501); cure: open Realtime" in findings
    assert "2 statements could not be broadcast" in findings
    assert "select setval('botlive.broadcasts_failed', 1, false);" in findings
    database.execute("select setval('botlive.broadcasts_failed', 1, false)")
    database.execute("drop function realtime.send")
    assert "broadcast" not in _findings(url)


def test_a_send_that_loses_messages_is_reported(url: str, database: Database) -> None:
    """Supabase's function turns its error, such as a missing partition, into a warning."""
    database.execute("drop table realtime.messages_now")
    _persisted(database)
    assert _failed(database) is None
    assert "changes are not broadcast: realtime.send keeps no message" in _findings(url)


def test_a_dropped_counter_stops_no_write(database: Database) -> None:
    """The event is persisted although its failed message cannot be counted."""
    database.execute(_RAISES.encode())
    database.execute("drop sequence botlive.broadcasts_failed")
    _persisted(database)


def test_a_locked_channel_blocks_no_write(url: str, database: Database) -> None:
    """A lock on realtime.messages that is not released blocks no write."""
    with psycopg.connect(url) as other:
        other.execute("lock table realtime.messages in access exclusive mode")
        database.execute("set statement_timeout = '20s'")
        _persisted(database)
        other.rollback()
    assert _messages(database) == []


def test_a_changed_table_stops_no_write(database: Database) -> None:
    """A column that the message needs was renamed after the migration."""
    database.execute("alter table public.bot_sessions rename company_id to shop_id")
    database.execute("insert into public.bot_sessions default values")
    assert _failed(database) == 1


def test_policies_that_cannot_be_made_are_reported_with_the_sql(database_url: str) -> None:
    """The migration succeeds; the reported SQL makes the policies."""
    with connect(database_url) as database:
        database.execute(_REALTIME)
        database.execute(
            """create function realtime.refuse() returns event_trigger language plpgsql as $$
               begin raise insufficient_privilege; end $$;
               create event trigger refuse on ddl_command_start when tag in ('CREATE POLICY')
                 execute function realtime.refuse();
               alter event trigger refuse disable"""
        )
        migrate(database_url)
        database.execute("drop policy botlive_nobody_else on realtime.messages")
        database.execute("alter event trigger refuse enable")
        lines = migrate(database_url)
        assert "botlive: changes are not broadcast: insufficient_privilege (SQLSTATE 42501)" in lines
        (named,) = [
            words
            for words in _findings(database_url).splitlines()
            if "the policy botlive_nobody_else" in words
        ]
        database.execute("alter event trigger refuse disable")
        database.execute(named.partition("as its owner run: ")[2].encode())
        assert "botlive_nobody_else on realtime.messages is missing" not in _findings(database_url)
