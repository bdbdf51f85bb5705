"""``botlive prune`` as a process, with a real queue and a database of its own."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from devstack.stack import Stack
from operations import unfinished
from operations.migrations import migrate
from tests.integration.conftest import empty_database
from tests.integration.line import BIN, Line
from tests.integration.old import OldDatabase, days_ago
from tests.make import PHONE, order, payment

pytestmark = pytest.mark.slow

PRUNE = [str(BIN / "botlive"), "prune", "--older-than"]
OLD = days_ago(200)


@pytest.fixture
def old(stack: Stack, line: Line) -> Iterator[OldDatabase]:
    """A database that the line's commands use."""
    with empty_database(stack) as url:
        migrate(url)
        line.environment["DATABASE_URL"] = url
        database = OldDatabase(url)
        yield database
        database.database.close()


def test_it_counts_then_deletes_then_finds_nothing(line: Line, old: OldDatabase) -> None:
    """A dry run changes nothing; a second run has nothing to delete."""
    company_id, _ = old.shop()
    old.persist(order(company_id, occurred_at=OLD), payment(company_id))
    day = days_ago(180).date()
    rows = "1 events in the inbox, 1 activities, 0 toggles"
    dry = line.run(*PRUNE, "180d", "--dry-run")
    assert (dry.returncode, dry.stdout) == (0, f"would delete what is older than {day}: {rows}\n")
    assert old.count("botlive.inbox") == 2
    assert old.one("select kept_since = '-infinity' from botlive.horizon")
    first = line.run(*PRUNE, "180d")
    assert (first.returncode, first.stdout) == (0, f"deleted what is older than {day}: {rows}\n")
    assert old.count("botlive.inbox") == old.count("public.activities") == old.count("public.orders") == 1
    again = line.run(*PRUNE, "180d")
    assert (again.returncode, again.stdout) == (0, first.stdout.replace(rows, rows.replace("1", "0")))


def test_older_events_that_are_not_persisted_block_it(line: Line, old: OldDatabase) -> None:
    """A failed event of that time must still be replayable: nothing is deleted, and its id is shown."""
    company_id, _ = old.shop()
    old.persist(order(company_id, occurred_at=OLD))
    failed = order(f"nobody-{uuid4()}", occurred_at=OLD)
    line.publisher.publish_many([failed, order(f"nobody-{uuid4()}")])
    line.work()
    for more, counted in ((["--dry-run"], True), ([], False)):
        done = line.run(*PRUNE, "180d", *more)
        assert done.returncode == 1
        assert done.stderr.startswith(
            f"nothing deleted: 1 events that occurred before {days_ago(180).date()}"
        )
        assert f"afterwards: {failed.event_id}; let the workers" in done.stderr
        assert PHONE not in done.stdout + done.stderr
        assert bool(done.stdout) is counted
    assert old.count("botlive.inbox") == 1
    assert old.one("select kept_since = '-infinity' from botlive.horizon")
    line.run(str(BIN / "botlive"), "failures", "discard", "--why", "old", str(failed.event_id))
    assert line.run(*PRUNE, "180d").returncode == 0


def test_an_older_event_is_found_wherever_it_waits(line: Line) -> None:
    """It is found on the queue, in an overflow queue, waiting apart, started or failed."""
    events = [order(f"shop-{number}", occurred_at=OLD) for number in range(5)]
    ids = [str(event.event_id) for event in events]
    line.publisher.publish_many([*events, order("shop")])
    queue, shop = f"rq:queue:{line.name}", '["shop-2","order_completed"]'
    line.redis.lrem(queue, 0, ids[0])
    line.redis.rpush(f"{queue}:shop:x", ids[0])
    line.redis.rpush(f"botlive:turn:{line.name}", "x")
    line.redis.lrem(queue, 0, ids[1])
    line.redis.zadd(f"rq:wip:{line.name}", {f"{ids[1]}:botlive-1": 1})
    line.redis.lrem(queue, 0, ids[2])
    line.redis.rpush(f"{queue}:apart:order_completed:shop-2", ids[2])
    reason = '{"reason": "", "since": "2026-01-01T00:00:00Z", "plain": {}}'
    line.redis.hset(f"botlive:apart:{line.name}", shop.replace('","', '", "'), reason)
    line.redis.lrem(queue, 0, ids[3])
    line.redis.zadd(f"rq:failed:{line.name}", {ids[3]: -1})
    assert sorted(unfinished.older_than(days_ago(180), line.redis, line.name)) == sorted(ids)
    assert list(unfinished.older_than(days_ago(365), line.redis, line.name)) == []


@pytest.mark.parametrize("days", ["29d", "180", "d", "-40d", "99999d", "180D"])
def test_other_ages_are_wrong_arguments(days: str, line: Line) -> None:
    """The exit code is 2, and the message says what to write."""
    done = line.run(*PRUNE, days)
    assert done.returncode == 2
    assert "from 30 to 36500, such as 180d" in " ".join(done.stderr.split())


def test_it_needs_the_address_of_redis(line: Line) -> None:
    """Another Redis by default would hide the events that wait."""
    del line.environment["REDIS_URL"]
    done = line.run(*PRUNE, "180d")
    assert (done.returncode, done.stderr) == (2, "not set in the environment: REDIS_URL\n")


def test_a_database_of_an_older_release_is_named(stack: Stack, line: Line) -> None:
    """The message says to migrate, and nothing is deleted."""
    with empty_database(stack) as url:
        line.environment["DATABASE_URL"] = url
        done = line.run(*PRUNE, "180d")
    assert done.returncode == 1
    assert "run `botlive migrate`" in done.stderr
