"""Bugs in our own code: one in a handler affects one event, any other holds the queue and is logged."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from events import AnyEvent, LiveToggled, PaymentValidated, parse_event
from gateway.client import Gateway
from gateway.errors import WorkerEnded
from handlers import Rows, rows
from handlers.rows import Content
from tests.integration.line import BIN, BOTLIVE_WORKER, Line
from tests.make import PHONE, order
from worker import decode, elements
from worker.breaker import Breaker
from worker.consumer import Consumer

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
_BROKEN = """
from worker import elements
rows = elements.rows

def broken(event, content):
    return {}[event.user_id] if event.type == "payment_validated" else rows(event, content)

elements.rows = broken
"""
BURST = {  # a worker of each kind with that handler
    "ours": ["worker", "--burst"],
    "stock": ["worker", "-S", "json", "--burst", "--worker-class", "rq.SimpleWorker"],
}


def burst(line: Line, kind: str) -> subprocess.CompletedProcess[str]:
    """Empty the queue while one handler is broken."""
    arguments = [
        *BURST[kind],
        *([] if kind == "ours" else ["--url", line.environment["REDIS_URL"], line.name]),
    ]
    end = "from operations.cli import main" if kind == "ours" else "from rq.cli import main"
    code = f"import sys\n{_BROKEN}\nsys.argv[1:] = {arguments!r}\n{end}\nmain()"
    return line.run(sys.executable, "-c", code, cwd=ROOT)


@pytest.mark.parametrize("kind", BURST)
def test_one_handlers_bug_is_that_events_alone(line: Line, kind: str) -> None:
    """The event of a broken handler is set aside and can be replayed; five others are persisted."""
    company_id, uuid = line.shop()
    good = [order(company_id) for _ in range(5)]
    bad = PaymentValidated(company_id=company_id, user_id=PHONE, amount=1, reference="")
    line.publisher.publish_many([*good[:2], bad, *good[2:]])
    done = burst(line, kind)
    assert done.returncode == 0, done.stderr
    assert line.rows([uuid]).orders.keys() == {event.event_id for event in good}
    (report,) = line.failed().values()
    assert "HandlerFailed" in report
    assert "(KeyError)" in report
    assert PHONE not in report + done.stdout + done.stderr
    assert len(line.queue) == line.held() == 0
    line.run(str(BIN / "botlive"), "failures", "replay", "--reason", "HandlerFailed")
    line.work()
    assert bad.event_id in line.rows([uuid]).activities
    assert line.failed() == {}


def test_a_handlers_bug_is_listed_with_its_cure(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """`botlive failures` shows the exception's name and what to do."""
    line.publisher.publish(order(line.shop()[0]))
    monkeypatch.setattr(elements, "rows", lambda *_: 1 / 0)
    Consumer(line.name, line.redis, line.gateway, Breaker(500)).run(burst=True)
    told = line.run(str(BIN / "botlive"), "failures").stdout
    assert "HandlerFailed: " in told
    assert "(ZeroDivisionError)" in told
    assert "report it" in told


def test_a_contracts_bug_is_that_events_alone(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in a contract affects only its event too."""
    company_id, uuid = line.shop()
    bad, good = order(company_id, zone="trap"), order(company_id)
    line.publisher.publish_many([bad, good])

    def broken(text: bytes) -> AnyEvent:
        if b"trap" in text:
            raise KeyError(PHONE)
        return parse_event(text)

    monkeypatch.setattr(decode, "parse_event", broken)
    Consumer(line.name, line.redis, line.gateway, Breaker(500)).run(burst=True)
    assert line.rows([uuid]).orders.keys() == {good.event_id}
    assert "HandlerFailed" in line.failed()[str(bad.event_id)]


def test_a_number_that_json_lacks_is_that_events_alone(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that makes a NaN affects only its event."""
    company_id, uuid = line.shop()
    bad, good = order(company_id), [order(company_id) for _ in range(3)]
    line.publisher.publish_many([good[0], bad, *good[1:]])

    def broken(event: AnyEvent, content: Content) -> Rows:
        made = rows(event, content)
        if event.event_id == bad.event_id:
            made.activity["metadata"]["total_amount"] = math.nan
        return made

    monkeypatch.setattr(elements, "rows", broken)
    Consumer(line.name, line.redis, line.gateway, Breaker(500)).run(burst=True)
    assert line.rows([uuid]).orders.keys() == {event.event_id for event in good}
    assert "HandlerFailed" in line.failed()[str(bad.event_id)]


class Faulty:
    """A gateway with a bug: it fails for the first calls, or for calls with one event."""

    def __init__(self, gateway: Gateway, guilty: str = "", calls: int = 0) -> None:
        self._gateway, self._guilty, self._calls = gateway, guilty, calls
        self.probes = 0

    def persist(self, made: Any, *, apart: bool = False) -> Any:
        """See ``Gateway``."""
        self._calls -= 1
        if self._calls >= 0 or self._guilty in {element["event_id"] for element in made}:
            raise KeyError(PHONE)
        return self._gateway.persist(made, apart=apart)

    def admits(self, plain_events: Any) -> Any:
        """See ``Gateway``."""
        return self._gateway.admits(plain_events)

    def probe(self) -> None:
        """See ``Gateway``; the probe after the first call fails with a bug too."""
        self.probes += 1
        if self.probes == 2:  # one is sent at the start
            raise IndexError(PHONE)
        self._gateway.probe()


def test_a_bug_anywhere_else_holds_and_is_said(line: Line) -> None:
    """A bug in the gateway sets no event aside and ends no worker; reason and stack are logged."""
    company_id, uuid = line.shop()
    events = [order(company_id) for _ in range(5)]
    line.publisher.publish_many(events)
    faulty: Any = Faulty(line.gateway, calls=1)
    with capture_logs() as log:
        Consumer(line.name, line.redis, faulty, Breaker(500, sleep=lambda _: None)).run(burst=True)
    assert line.rows([uuid]).orders.keys() == {event.event_id for event in events}
    assert line.failed() == {}
    assert faulty.probes >= 3
    (held,) = [entry["reason"] for entry in log if entry["event"] == "held"]
    assert "the worker failed (KeyError)" in held
    assert PHONE not in held
    stacks = [type(entry["exc_info"]) for entry in log if entry["event"] == "own fault"]
    assert stacks == [KeyError, IndexError]


def test_a_bug_at_one_event_is_isolated(line: Line) -> None:
    """An event that triggers a bug in the gateway each time is set aside; all others are persisted."""
    company_id, uuid = line.shop()
    events = [order(company_id) for _ in range(9)]
    guilty = events[4]
    line.publisher.publish_many(events)
    faulty: Any = Faulty(line.gateway, str(guilty.event_id))
    Consumer(line.name, line.redis, faulty, Breaker(500, sleep=lambda _: None)).run(burst=True)
    assert line.failed().keys() == {str(guilty.event_id)}
    assert len(line.rows([uuid]).orders) == 8


@pytest.mark.parametrize(
    "broken",
    [
        "worker.claims.Claims.claim",
        "worker.claims.Claims.give_back_strays",
        "worker.ledger.Ledger.acknowledge",
        "worker.batches.Batches.send",
        "rq.worker.BaseWorker.should_run_maintenance_tasks",
        "rq.SimpleWorker.execute_job",
    ],
)
def test_a_worker_that_an_exception_ends_says_so(line: Line, broken: str) -> None:
    """A worker that an exception ends has exit code 1 and a last line; its events wait again."""
    event = order(line.shop()[0])
    if "execute_job" in broken:  # a dependent makes it RQ's own
        line.queue.enqueue("worker.job.persist", event.model_dump(mode="json"), job_id="parent")
        line.queue.enqueue("worker.job.persist", {}, depends_on="parent")
    else:
        line.publisher.publish(event)
    module, _, name = broken.rpartition(".")
    code = f"""
import sys
from pkgutil import resolve_name
def broken(*_): raise LookupError("{PHONE}")
owner = resolve_name("{module}")
setattr(owner, "{name}", property(broken) if isinstance(getattr(owner, "{name}"), property) else broken)
sys.argv[1:] = ["worker", "--burst"]
from operations.cli import main
main()
"""
    done = line.run(sys.executable, "-c", code, cwd=ROOT)
    *log, last = done.stderr.splitlines()
    assert done.returncode == 1, done.stderr
    assert last == str(WorkerEnded())
    assert any("LookupError" in json.loads(entry).get("exception", "") for entry in log)
    assert PHONE not in done.stderr
    if "execute_job" not in broken:
        line.work()
        assert line.failed() == {}


def test_a_good_end_is_exit_code_0(line: Line) -> None:
    """A burst has exit code 0, with or without events."""
    assert line.run(*BOTLIVE_WORKER, "--burst").returncode == 0
    line.publisher.publish(LiveToggled(company_id=line.shop()[0], enabled=True))
    assert line.run(*BOTLIVE_WORKER, "--burst").returncode == 0
