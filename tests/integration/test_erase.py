"""``botlive erase`` on real servers: a customer's data leaves each place, and comes back by no delivery."""

import random
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from events import AnyEvent, PaymentIssue
from events.publishing.call import Call
from events.publishing.outbox import Outbox
from gateway.errors import WaitsApart
from operations.erasure import jobs as erased_jobs
from operations.erasure.jobs import Jobs
from operations.failed.registry import FailedRegistry
from tests.integration.line import BIN, Line, until
from tests.integration.test_failures import failures
from tests.make import every_type, order, payment, persist
from worker.apart import Group, Kind, Store
from worker.claims import PREFIX, Claims
from worker.elements import element

pytestmark = pytest.mark.slow

# Private texts that stand nowhere else in the database. The user id is another one in each test.
NAME, ZONE, MESSAGE, REFERENCE, ITEM = "Awa-Xq", "Zone-Xq", "Bonjour-Xq", "WAVE-Xq", "Pagne-Xq"
TALK = UUID("6f1f64f1-33f5-4d61-8a4c-0a2ac2a3c4ab")
EARLIER = datetime.now(UTC) - timedelta(hours=1)


@pytest.fixture
def person() -> str:
    """A customer that no other test erases."""
    return f"+22507{random.randrange(10**8):08}"  # no secret


def personal(person: str, company_id: str, **fields: Any) -> list[AnyEvent]:
    """One event of each type that has a customer, with each private field set."""
    common = {"user_id": person, "occurred_at": EARLIER, "conversation_id": TALK, **fields}
    items = [{"name": ITEM, "quantity": 2, "price": 6000}]
    private: dict[str, dict[str, Any]] = {
        "payment_validated": {"reference": REFERENCE},
        "payment_issue": {"message": MESSAGE},
        "order_completed": {"customer_name": NAME, "zone": ZONE, "phone": person, "items": items},
    }
    return [
        type(event).model_validate(
            {**event.model_dump(exclude={"event_id"}), **common, **private[event.type]}
        )
        for event in every_type(company_id)
        if event.type in private
    ]


def marks(person: str, *texts: str) -> set[str]:
    """Return the private texts that stand in the texts."""
    return {mark for mark in (person, NAME, ZONE, MESSAGE, REFERENCE, ITEM) if mark in " ".join(texts)}


def erase(line: Line, person: str, *options: str, code: int = 0) -> dict[str, int]:
    """Run the command, which prints no private text. Return the counts that are not 0."""
    done = line.run(str(BIN / "botlive"), "erase", "-", "--yes", *options, input=person)
    assert done.returncode == code, done.stderr
    assert not marks(person, done.stdout, done.stderr)
    rows = [row.split(maxsplit=1)[1].rsplit(maxsplit=1) for row in done.stdout.splitlines()]
    return {place: int(count) for place, count in rows if int(count)}


def tables(line: Line, uuid: UUID) -> str:
    """Return all columns of all rows of a shop, as text."""
    query = """
        select coalesce(string_agg(r.text, ' '), '') as text from (
          select to_jsonb(x)::text as text from public.orders x where company_id = %(uuid)s
          union all select to_jsonb(x)::text from public.activities x where company_id = %(uuid)s) r
    """
    (row,) = line.database.execute(query, {"uuid": uuid})
    return str(row["text"])


def in_redis(line: Line) -> str:
    """Return the jobs, results and notes of the line, uncompressed."""
    # RQ cannot read the jobs that other tests have damaged.
    keys = list(line.redis.scan_iter("rq:job:*", _type="HASH"))
    ours = [key.decode() for key in keys if line.redis.hget(key, "origin") == line.name.encode()]
    jobs = [job for key in ours if (job := line.queue.fetch_job(key.removeprefix("rq:job:")))]
    results = [result.exc_string or "" for job in jobs for result in job.results()]
    notes = str(line.redis.xrange(f"botlive:edited:{line.name}"))
    return " ".join([*(str(job.args) for job in jobs), *results, notes])


def test_the_rows_keep_their_sums_and_lose_the_person(line: Line, person: str) -> None:
    """Rows, amounts, status and times stay; nothing that the contracts call private stays."""
    company_id, uuid = line.shop()
    events = personal(person, company_id)
    other = order(company_id, customer_name="Other")
    persist(line.gateway, [*events, other])
    before = line.rows([uuid])
    assert len(marks(person, tables(line, uuid))) == 6
    assert erase(line, person, "--dry-run") == {"orders": 1, "activities": 3}
    assert line.rows([uuid]) == before
    assert erase(line, person) == {"orders": 1, "activities": 3}
    after = line.rows([uuid])
    assert not marks(person, tables(line, uuid))
    assert str(TALK) not in tables(line, uuid)
    assert [(row["total_amount"], row["status"], row["created_at"]) for row in after.orders.values()] == [
        (row["total_amount"], row["status"], row["created_at"]) for row in before.orders.values()
    ]
    assert after.activities.keys() == before.activities.keys()
    assert after.orders[other.event_id] == before.orders[other.event_id]
    assert after.activities[other.event_id] == before.activities[other.event_id]
    assert sorted((row["title"], row["description"]) for row in after.activities.values()) == [
        ("Commande de ***", "Montant: 9000.5 FCFA"),
        ("Commande de Other", "Montant: 9000 FCFA"),
        ("Intervention requise: payment_insufficient", "***"),
        ("Paiement validé: 2000 FCFA", "Référence: ***"),
    ]
    assert after.orders[events[2].event_id]["items"] == [{"name": "***", "quantity": 2, "price": 6000}]
    assert erase(line, person) == {}


def test_a_late_delivery_brings_nothing_back(line: Line, person: str) -> None:
    """Old events arrive masked, delivered ones count as duplicates, and later events are persisted whole."""
    company_id, uuid = line.shop()
    known, *late = personal(person, company_id)
    persist(line.gateway, [known])
    erase(line, person)
    outcomes = persist(line.gateway, [known, *late])
    assert [outcome.kind for outcome in outcomes] == ["duplicate", "persisted", "persisted"]
    assert [outcome.kind for outcome in persist(line.gateway, [known, *late])] == ["duplicate"] * 3
    assert not marks(person, tables(line, uuid))
    assert len(line.rows([uuid]).orders) == 1
    again = order(company_id, user_id=person, customer_name=NAME)
    persist(line.gateway, [again])
    assert line.rows([uuid]).orders[again.event_id]["customer_name"] == NAME


def test_a_write_that_has_begun_is_erased_too(line: Line, person: str) -> None:
    """The erasure waits for a worker's transaction, whose rows it would not see."""
    company_id, uuid = line.shop()
    events = [dict(element(event)) for event in personal(person, company_id)]
    waiting = "select from pg_locks l where not l.granted and l.relation = 'public.company_mapping'::regclass"
    with psycopg.connect(line.environment["DATABASE_URL"]) as worker:
        worker.execute("set local role service_role")
        worker.execute("select public.botlive_persist(%s)", [Jsonb(events)])
        found: list[dict[str, int]] = []
        erasing = threading.Thread(target=lambda: found.append(erase(line, person)))
        erasing.start()
        until(lambda: bool(line.database.execute(waiting).fetchall()), 30)
        worker.commit()
        erasing.join(60)
    assert found == [{"orders": 1, "activities": 3}]
    assert not marks(person, tables(line, uuid))


def test_jobs_are_masked_where_they_wait_and_go_on(line: Line, person: str) -> None:
    """Waiting, put off, waiting apart and failed: each job is masked in its place, and persisted once."""
    company_id, uuid = line.shop()
    unknown = order(f"flow-{company_id}", user_id=person, customer_name=NAME, conversation_id=TALK)
    line.publisher.publish(unknown)
    line.work()
    # As a stock worker writes it: a traceback that quotes the event.
    job = line.queue.fetch_job(str(unknown.event_id))
    assert job
    (result,) = job.results()
    result.exc_string = f"Traceback (most recent call last):\nValueError: {NAME} has no shop\n"
    result.connection.delete(f"rq:results:{job.id}")
    result.save(ttl=-1)  # type: ignore[no-untyped-call] # untyped in RQ
    events = [*personal(person, company_id), *personal(person, company_id, key=f"wamid-{person}")]
    line.publisher.publish_many([*events, *(order(company_id) for _ in range(30))])
    claims = Claims(line.redis, line.name, f"{PREFIX}one")
    first, *_ = claims.claim(10).claims
    assert line.redis.exists(f"rq:queue:{line.name}:shop:{company_id}")
    kind = Kind(company_id, "payment_validated")
    Store(line.redis, line.name).put(f"{PREFIX}one", kind, Group.of(WaitsApart("no")), [first.job_id])
    dry = erase(line, person, "--dry-run")
    assert (dry["waiting"] + dry["claimed"], dry["failed"]) == (6, 1)
    claims.give_back()
    assert len(marks(person, in_redis(line))) == 6
    registry = FailedRegistry(line.redis, line.name)
    before = registry.versions(registry.ids())
    assert erase(line, person) == {"waiting": 6, "failed": 1}
    assert not marks(person, in_redis(line))
    assert str(TALK) not in in_redis(line)
    assert "ValueError: *** has no shop" in in_redis(line)
    assert registry.versions(registry.ids()) != before, "a reader that remembers the job reads it again"
    Store(line.redis, line.name).release(kind)
    line.work()
    assert len(line.rows([uuid]).orders) == 32
    assert len(line.rows([uuid]).activities) == 36
    # The originals are delivered again, as after a failover.
    line.publisher.publish_many(events)
    line.work()
    assert list(line.failed()) == [str(unknown.event_id)]
    assert not marks(person, tables(line, uuid))


def test_the_notes_of_edits_are_deleted(line: Line, person: str) -> None:
    """A note that keeps an old value goes, also if its event is persisted; the notes of others stay."""
    company_id, uuid = line.shop()
    mine, other = (
        payment(f"flow-{name}", user_id=user, reference=REFERENCE)
        for name, user in ((uuid, person), ("other", "+2250700000001"))
    )
    line.publisher.publish_many([mine, other])
    line.work()
    for event in (mine, other):
        failures(
            line, "edit", str(event.event_id), "--set", "reference=W-2", "--set", f"company_id={company_id}"
        )
    line.work()
    assert erase(line, person) == {"activities": 1, "edit notes": 1}
    entries: Any = line.redis.xrange(f"botlive:edited:{line.name}")
    assert [note[b"id"].decode() for _, note in entries] == [str(other.event_id)]


def test_the_outbox_is_masked(line: Line, person: str, tmp_path: Path) -> None:
    """Events in the outbox lose the person and are delivered; no copy of the old data stays in its files."""
    company_id, uuid = line.shop()
    outbox = Outbox(tmp_path / "outbox")
    long = PaymentIssue(
        company_id=company_id,
        user_id=person,
        issue_type="x",
        message=f"{MESSAGE} {person} " * 2_000,
        occurred_at=EARLIER,
    )  # SQLite keeps it in pages of its own
    for event in [*personal(person, company_id), long, order(company_id)]:
        outbox.add([[Call.of(event)]])
    line.environment["BOTLIVE_OUTBOX"] = str(outbox.path)
    assert erase(line, person, "--dry-run") == {"outbox": 4}
    with closing(sqlite3.connect(outbox.path)) as chat:  # SQLite then keeps its log
        chat.execute("select count(*) from waiting").fetchone()
        assert erase(line, person) == {"outbox": 4}
        assert not [path for path in tmp_path.iterdir() if person.encode() in path.read_bytes()]
    assert line.run(str(BIN / "botlive"), "outbox", "drain").stdout == "delivered 5\n"
    line.work()
    assert len(line.rows([uuid]).orders) == 2
    assert not marks(person, tables(line, uuid))


def test_a_worker_that_writes_a_job_back_is_waited_for(
    line: Line, person: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claimed job is erased again after its worker has failed it; one that stays claimed is named."""
    company_id, _ = line.shop()
    (event, *_) = personal(person, company_id)
    line.publisher.publish(event)
    Claims(line.redis, line.name, f"{PREFIX}one").claim(1)
    key = f"rq:job:{event.event_id}"
    original = line.redis.hget(key, "data")
    jobs = Jobs(line.redis, line.name, person)
    (found,) = jobs.erase(dry_run=False)
    assert found == (str(event.event_id), "claimed")
    monkeypatch.setattr(erased_jobs, "_PATIENCE", -1)
    assert jobs.settle([found.job_id]) == [found.job_id]
    line.redis.hset(key, mapping={"data": original or b"", "status": "failed"})
    assert jobs.settle([found.job_id]) == []
    assert not marks(person, in_redis(line))


def test_a_job_that_changes_meanwhile_is_not_spoilt(line: Line, person: str) -> None:
    """The script edits a job only if its data has not changed since it was read, and creates no job."""
    company_id, _ = line.shop()
    (event, *_) = personal(person, company_id)
    line.publisher.publish(event)
    jobs, key = Jobs(line.redis, line.name, person), f"rq:job:{event.event_id}"
    data = line.redis.hget(key, "data")
    keys = [key, f"rq:results:{event.event_id}"]
    assert jobs._erase(keys=keys, args=[b"other", b"new"]) == -2
    assert line.redis.hget(key, "data") == data
    line.redis.delete(key)
    assert jobs._erase(keys=keys, args=[data, b"new"]) == 0
    assert not line.redis.exists(key)


def test_another_queue_is_not_touched(line: Line, person: str) -> None:
    """The jobs of another queue in the same Redis belong to another installation."""
    company_id, _ = line.shop()
    (event, *_) = personal(person, company_id)
    line.publisher.publish(event)
    assert list(Jobs(line.redis, f"{line.name}-other", person).erase(dry_run=False)) == []
    assert person in in_redis(line)


def test_only_the_owner_of_the_tables_erases(line: Line) -> None:
    """The worker's role can mask arriving events, and cannot erase, find or forget a customer."""
    query = """
        select p.proname, r.rolname from pg_proc p, pg_roles r
        where p.pronamespace = 'botlive'::regnamespace
          and r.rolname in ('anon', 'authenticated', 'service_role')
          and p.proname in ('remember_erasure', 'rows_of_person', 'erase_rows')
          and has_function_privilege(r.oid, p.oid, 'execute')
    """
    assert line.database.execute(query).fetchall() == []
    for role, deed in (("service_role", "delete"), ("authenticated", "select"), ("anon", "select")):
        rights = "select has_table_privilege(%s, 'botlive.erased', %s) as has"
        assert line.database.execute(rights, [role, deed]).fetchone() == {"has": False}


@pytest.mark.parametrize(
    ("arguments", "typed"),
    [
        (["+2250799887766"], ""),
        (["+22507", "99887766", "--yes"], ""),
        (["-", "--yes"], ""),
        (["-", "--yes"], "***"),
        (["+2250799887766" * 20, "--yes"], ""),
    ],
)
def test_a_wrong_call_is_refused_without_the_number(line: Line, arguments: list[str], typed: str) -> None:
    """Without a terminal --yes is needed; a user id that cannot be one is refused; no message quotes it."""
    done = line.run(str(BIN / "botlive"), "erase", *arguments, input=typed)
    assert done.returncode == 2
    assert "99887766" not in done.stdout + done.stderr


def test_a_database_of_an_older_release_is_named(line: Line, database_url: str) -> None:
    """Nothing is erased anywhere if the database cannot mask late deliveries."""
    line.environment["DATABASE_URL"] = database_url
    done = line.run(str(BIN / "botlive"), "erase", "-", "--yes", input="+2250799887766")
    assert (done.returncode, done.stdout) == (1, "")
    assert "run `botlive migrate` first" in done.stderr
