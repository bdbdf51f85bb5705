"""Events flow from the publisher through Redis and real worker processes to the rows."""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from events import AnyEvent, LiveToggled, PaymentValidated, parse_event
from tests.integration.line import BIN, BOTLIVE_WORKER, Line
from tests.make import PHONE, order, payment
from tests.oracle import TABLES, fold

DATA = Path(__file__).parents[1] / "data"


def stock_worker(line: Line) -> subprocess.CompletedProcess[str]:
    """RQ's own worker, as its documentation starts it. It holds no event in an outage."""
    line.environment["BOTLIVE_TIMEOUT"] = "60"
    command = [
        str(BIN / "rq"),
        "worker",
        "-S",
        "json",
        "--burst",
        "--url",
        line.environment["REDIS_URL"],
        line.name,
    ]
    return line.run(*command, cwd=Path(__file__).parents[2])


def own_worker(line: Line) -> subprocess.CompletedProcess[str]:
    """Ours."""
    return line.run(*BOTLIVE_WORKER, "--burst")


@pytest.mark.parametrize("worker", [own_worker, pytest.param(stock_worker, marks=pytest.mark.slow)])
def test_a_published_event_becomes_its_rows(
    line: Line, worker: Callable[[Line], subprocess.CompletedProcess[str]]
) -> None:
    """Our worker and a stock `rq worker` persist every type alike and leave the queue empty."""
    company_id, uuid = line.shop()
    events: list[AnyEvent] = [
        PaymentValidated(company_id=company_id, user_id=PHONE, amount=2000.5, reference=""),
        order(company_id),
        LiveToggled(company_id=company_id, enabled=True),
    ]
    line.publisher.publish_many(events)
    done = worker(line)
    assert done.returncode == 0, done.stderr
    assert line.rows([uuid]) == fold(events, {company_id: uuid})
    assert len(line.queue) == 0
    assert line.failed() == {}


@pytest.mark.parametrize("worker", [own_worker, pytest.param(stock_worker, marks=pytest.mark.slow)])
def test_an_event_that_cannot_be_persisted_stands_in_the_failed_registry(
    line: Line, worker: Callable[[Line], subprocess.CompletedProcess[str]]
) -> None:
    """The reason has no phone number, and other events are not affected."""
    company_id, uuid = line.shop()
    lost, kept = order("nobody-knows-it"), order(company_id)
    line.publisher.publish_many([lost, kept])
    done = worker(line)
    failed = line.failed()
    assert failed.keys() == {str(lost.event_id)}
    assert "botlive company add -- nobody-knows-it" in failed[str(lost.event_id)]
    assert line.rows([uuid]).orders.keys() == {kept.event_id}
    assert PHONE not in failed[str(lost.event_id)]
    assert PHONE not in done.stdout + done.stderr


def test_two_events_under_one_id_are_both_accounted_for(line: Line) -> None:
    """The first is persisted; the second, published while the first waits, fails as already used."""
    company_id, uuid = line.shop()
    first = order(company_id)
    second = order(company_id, event_id=first.event_id, total_amount=1)
    line.publisher.publish_many([first, second, first])
    line.work()
    assert line.rows([uuid]) == fold([first], {company_id: uuid})
    assert ["event id already used" in trace for trace in line.failed().values()] == [True]


def test_a_hostile_job_is_not_called(line: Line, tmp_path: Path) -> None:
    """A job that names another function is in the failed registry, and the worker continues."""
    company_id, uuid = line.shop()
    mark = tmp_path / "called"
    line.queue.enqueue("os.mkdir", str(mark))
    event = order(company_id)
    line.publisher.publish(event)
    line.work()
    assert not mark.exists()
    assert line.rows([uuid]).orders.keys() == {event.event_id}
    assert ["UnknownFunction" in trace for trace in line.failed().values()] == [True]


@pytest.mark.slow
def test_the_trading_day_twice_shuffled_by_three_workers(line: Line) -> None:
    """It ends in exactly the rows of a straight run in order, and in those of the oracle."""
    events = [parse_event(text) for text in (DATA / "trading-day.ndjson").read_bytes().splitlines()]
    shops = dict(line.shop(company_id) for company_id in sorted({event.company_id for event in events}))
    line.publisher.publish_many(events)
    line.work()
    straight = line.rows(list(shops.values()))
    _forget(line, list(shops.values()))
    stream = events * 2
    random.Random(20261120).shuffle(stream)
    line.publisher.publish_many(stream[:400])
    line.work(2)
    line.publisher.publish_many(stream[400:] + stream[:50])
    line.work(3)
    assert line.rows(list(shops.values())) == straight == fold(events, shops)
    assert [len(table) for table in straight] == [114, 330, 8]
    assert line.failed() == {}


def _forget(line: Line, shops: list[UUID]) -> None:
    for table in TABLES:
        line.database.execute(f"delete from public.{table} where company_id = any(%s)".encode(), [shops])
    line.database.execute("delete from botlive.toggles where company = any(%s)", [shops])
    line.database.execute(
        """delete from botlive.inbox i using public.company_mapping m
           where m.company_id = i.company_id and m.uuid = any(%s)""",
        [shops],
    )


def test_every_bad_line_is_refused_with_its_number_and_field(line: Line) -> None:
    """None is published, each is named on stderr, and the exit code says that there were some."""
    fields = (
        "event_id type company_id occurred_at amount amount items items.0.quantity enabled version message"
    )
    expected = [*fields.split(), "json", "json", "json"]
    done = line.run(str(BIN / "botlive"), "publish", str(DATA / "bad.ndjson"))
    assert done.returncode == 1
    said = [text.split(": ")[:2] for text in done.stderr.splitlines()]
    assert said == [[f"line {number}", field] for number, field in enumerate(expected, 1)]
    assert len(line.queue) == 0


def written(log: str) -> list[dict[str, Any]]:
    """The lines that say what was written."""
    return [said for text in log.splitlines() if (said := json.loads(text))["event"] == "persisted"]


def test_the_log_says_what_was_written_where(line: Line) -> None:
    """A line an event: its id, type and job by name, the tables that got its rows, and nothing it carries."""
    company_id, _ = line.shop()
    on, again = (LiveToggled(company_id=company_id, enabled=True) for _ in range(2))
    bought = order(company_id, customer_name="Awa Konaté")
    line.publisher.publish_many([bought, on, again])
    log = line.work()
    ids = [str(event.event_id) for event in (bought, on, again)]
    assert [(said["event_id"], said["event_type"], said["job_id"]) for said in written(log)] == [
        (ids[0], "order_completed", ids[0]),
        (ids[1], "live_toggled", ids[1]),
        (ids[2], "live_toggled", ids[2]),
    ]
    words = ("ORDERS", "ACTIVITIES", "SESSIONS")
    assert [{word: said[word] for word in words if word in said} for said in written(log)] == [
        {"ORDERS": [ids[0]], "ACTIVITIES": [ids[0]]},
        {"ACTIVITIES": [ids[1]], "SESSIONS": [ids[1]]},
        {"ACTIVITIES": [ids[2]]},
    ]
    assert PHONE not in log
    assert "Awa" not in log


def test_each_event_has_one_line_with_its_outcome_and_durations(line: Line, tmp_path: Path) -> None:
    """``waited``: seconds from its publication to the call. ``call_ms``: milliseconds of the call.

    An error has one more line, at warning, with the reason. RQ's lines about its own work are not there. The
    customer's command finds what was written.
    """
    line.environment["LOG_DIR"] = str(tmp_path / "logs" / "server")
    company_id, _ = line.shop()
    old = payment(company_id, occurred_at=datetime.now(UTC) - timedelta(days=3))
    bought, stranger = order(company_id), payment("nobody-knows-it")
    line.publisher.publish_many([old, bought, stranger])
    log = [json.loads(text) for text in line.work().splitlines()]
    ids = [str(event.event_id) for event in (old, bought, stranger)]
    found = {said["event_id"]: said for said in log if "call_ms" in said}
    assert [found[event_id]["event"] for event_id in ids] == ["persisted", "persisted", "unknown_company"]
    for said in found.values():
        assert said["level"] == "info"
        assert 0 <= said["waited"] < timedelta(hours=1).total_seconds()
        assert said["call_ms"] > 0
    assert [said["job_id"] for said in log if said["level"] == "warning"] == [ids[2]]
    assert {said["logger"] for said in log} == {"botlive"}
    assert _grepped(tmp_path) == [found[event_id] for event_id in ids[:2]]


def _grepped(folder: Path) -> list[Any]:
    """What the customer's command prints; his ``tail -f`` here ends with a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    tail = f"tail -f -s 0.1 --pid={ended.pid}"
    command = f"""{tail} logs/server/*.json | grep -E "ORDERS|ACTIVITIES|SESSIONS" """
    done = subprocess.run(command, shell=True, cwd=folder, text=True, capture_output=True, check=True)  # noqa: S602
    return [json.loads(text) for text in done.stdout.splitlines()]


@pytest.mark.slow
def test_of_a_large_batch_there_is_one_line(line: Line) -> None:
    """The line names all its events, grouped by the tables that got their rows, and the longest wait."""
    company_id, _ = line.shop()
    events = [order(company_id) for _ in range(50)]
    line.publisher.publish_many(events)
    (said,) = written(line.work())
    assert said["ORDERS"] == said["ACTIVITIES"] == [str(event.event_id) for event in events]
    assert {"waited", "call_ms"} <= said.keys()


@pytest.mark.slow
def test_companies_are_added_linked_and_listed(line: Line) -> None:
    """An event of an unknown shop is persisted after the console script linked the shop."""
    botlive = str(BIN / "botlive")
    company_id, uuid = f"flow-{uuid4()}", uuid4()
    line.database.execute("insert into public.companies (id, name) values (%s, 'Kiosque')", [uuid])
    linked = line.run(botlive, "company", "link", company_id, str(uuid))
    assert linked.stdout == f"linked {company_id} {uuid} owner=nobody\n"
    listed = line.run(botlive, "company", "list")
    assert "Kiosque" in listed.stdout
    nobody = line.run(botlive, "company", "link", company_id, str(uuid4()))
    assert nobody.returncode == 1
    assert "there is no company" in nobody.stderr
