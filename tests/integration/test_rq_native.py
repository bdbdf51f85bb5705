"""RQ's own tools work with our worker: rq's commands, rq-dashboard and stock workers."""

import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest
from rq import Callback
from rq.job import Job
from rq.registry import clean_registries
from rq.serializers import JSONSerializer

from devstack.stack import Stack
from events import PaymentValidated
from tests.children import ending
from tests.integration.line import BIN, Line, until
from tests.integration.test_worker import frozen_gateway
from tests.make import PHONE, order
from tests.replies import octets
from worker.claims import PREFIX, Claims

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
_LONG = "90"  # seconds: a call that no answer ends is under way while other programs look at the queue
DASHBOARD = """
import json, os, sys
from events.publishing.address import client
from operations.board.app import Board
from operations.board.gate import Gate
url = os.environ["REDIS_URL"]
browser = Board(client(url), url, Gate()).test_client()
own = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
for method, path in json.load(sys.stdin):
    answer = browser.open(path, method=method, headers=own)
    print(json.dumps([path, answer.status_code, answer.get_data(as_text=True)]))
"""


class Info(NamedTuple):
    """What `rq info` shows about a queue and its one worker."""

    waiting: int
    executing: int
    failed: int
    state: str
    finished: int
    refused: int


def rq(line: Line, command: str, *arguments: str) -> str:
    """Run a command of RQ; return its output."""
    done = line.run(str(BIN / "rq"), command, "--url", line.environment["REDIS_URL"], *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def info(line: Line) -> Info:
    """Return the output of `rq info` for the line's queue."""
    said = rq(line, "info", "--raw", line.name)
    counts = re.search(r"^queue \S+ (\d+), (\d+) executing, \d+ finished, (\d+) failed$", said, re.MULTILINE)
    worker = re.search(
        rf"^worker {PREFIX}.* (\w+) {line.name}\. jobs: (\d+) finished, (\d+) failed$", said, re.MULTILINE
    )
    assert counts, said
    assert worker, said
    waiting, executing, failed = map(int, counts.groups())
    state, finished, refused = worker.groups()
    return Info(waiting, executing, failed, state, int(finished), int(refused))


def worker_keys(line: Line) -> list[bytes]:
    """Return the keys of the registered workers of this line's queue."""
    return [octets(key) for key in line.redis.smembers(f"rq:workers:{line.name}")]


@contextmanager
def stock_worker(line: Line, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a stock worker beside ours, until the end of the test."""
    command = [str(BIN / "rq"), "worker", "-S", "json", "--url", line.environment["REDIS_URL"], *options]
    started = subprocess.Popen(
        [*command, line.name], env=line.environment, cwd=ROOT, stderr=subprocess.DEVNULL
    )
    with ending(started) as process:
        yield process
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)


def browse(line: Line, *requests: tuple[str, str]) -> dict[str, str]:
    """Get pages of rq-dashboard from `botlive dashboard`; each must exist."""
    done = line.run(sys.executable, "-c", DASHBOARD, cwd=ROOT, input=json.dumps(requests))
    assert done.returncode == 0, done.stderr[-2_000:]
    pages = [json.loads(text) for text in done.stdout.splitlines()]
    assert [(path, status) for path, status, _ in pages] == [(path, 200) for _, path in requests]
    return {path: text for path, _, text in pages}


def pages(line: Line, job_id: str) -> dict[str, str]:
    """Return the paths of all pages for one job's queue."""
    registries = ("queued", "started", "failed", "finished", "deferred", "scheduled", "canceled")
    views = [f"/0/view{page}" for page in ("", "/queues", "/workers", "/jobs", f"/job/{job_id}")]
    data = [f"/0/data/{page}.json" for page in ("queues", "workers", f"job/{job_id}")]
    lists = [f"/0/data/jobs/{line.name}/{registry}/10/asc/1.json" for registry in registries]
    return browse(line, *(("GET", path) for path in (*views, *data, *lists)))


def test_suspended_workers_take_nothing_until_they_are_resumed(line: Line) -> None:
    """After `rq suspend` events wait within 5 s; after `rq resume` they are persisted."""
    company_id, uuid = line.shop()
    with line.worker():
        until(lambda: bool(worker_keys(line)), 20)
        rq(line, "suspend")
        try:
            until(lambda: info(line).state == "suspended", 10)
            line.publisher.publish_many([order(company_id) for _ in range(3)])
            time.sleep(3)
            assert info(line)[:4] == (3, 0, 0, "suspended")
            assert line.rows([uuid]).orders == {}
        finally:
            rq(line, "resume")
        until(lambda: len(line.rows([uuid]).orders) == 3, 10)
        until(lambda: info(line) == Info(0, 0, 0, "idle", 3, 0), 10)


def test_a_suspended_burst_ends_at_once(line: Line) -> None:
    """A suspended burst ends with nothing done, and the events wait."""
    company_id, _ = line.shop()
    line.publisher.publish(order(company_id))
    rq(line, "suspend")
    try:
        line.work()
        assert len(line.queue) == 1
    finally:
        rq(line, "resume")
    line.work()
    assert len(line.queue) == 0


def test_rq_info_tells_what_the_worker_does(line: Line, stack: Stack) -> None:
    """`rq info` shows idle, busy and idle again, and the numbers of claimed, finished and failed jobs."""
    company_id, uuid = line.shop()
    with line.worker():
        until(lambda: bool(worker_keys(line)), 20)
        assert info(line) == Info(0, 0, 0, "idle", 0, 0)
        line.publisher.publish(order("nobody-knows-it"))
        until(lambda: info(line) == Info(0, 0, 1, "idle", 0, 1), 10)
        with frozen_gateway(stack):
            line.publisher.publish_many([order(company_id) for _ in range(30)])
            until(lambda: line.held() == 30, 10)
            assert info(line) == Info(0, 30, 1, "busy", 0, 1)
        until(lambda: info(line) == Info(0, 0, 1, "idle", 30, 1), 15)
        assert len(line.rows([uuid]).orders) == 30
        assert len(worker_keys(line)) == 1


def test_an_idle_worker_stays_registered(line: Line) -> None:
    """An idle worker renews its key before it expires."""
    with line.worker() as process:
        until(lambda: bool(worker_keys(line)), 20)
        (key,) = worker_keys(line)
        line.redis.expire(key, 14)
        until(lambda: line.redis.ttl(key) > 60, 13)
        process.terminate()
        assert process.wait(timeout=12) == 0
    assert worker_keys(line) == []
    assert line.redis.hexists(key, "death")
    assert 0 < line.redis.ttl(key) <= 60


def by_rq(line: Line, job_id: str) -> None:
    """Requeue with `rq requeue`."""
    rq(line, "requeue", "-S", "json", "--queue", line.name, job_id)


def by_dashboard(line: Line, job_id: str) -> None:
    """Requeue with the button of one job."""
    browse(line, ("POST", f"/job/{job_id}/requeue"))


def all_by_dashboard(line: Line, job_id: str) -> None:
    """Requeue with the button for all jobs."""
    browse(line, ("POST", f"/requeue/{line.name}"))


@pytest.mark.parametrize("requeue", [by_rq, by_dashboard, all_by_dashboard])
def test_others_ways_to_requeue(line: Line, requeue: Callable[[Line, str], None]) -> None:
    """The event is persisted, its job stays JSON, and publishing it again makes no second job."""
    company_id = f"flow-{uuid4()}"
    event = order(company_id)
    line.publisher.publish(event)
    line.redis.hset(f"rq:job:{event.event_id}", "meta", '{"by": "hand"}')
    line.work()
    assert line.failed().keys() == {str(event.event_id)}
    requeue(line, str(event.event_id))
    line.publisher.publish(event)
    assert line.queue.get_job_ids() == [str(event.event_id)]
    job = Job.fetch(str(event.event_id), connection=line.redis, serializer=JSONSerializer)
    assert job.meta == {"by": "hand"}
    assert job.args[0]["event_id"] == str(event.event_id)
    _, uuid = line.shop(company_id)
    line.work()
    assert line.rows([uuid]).orders.keys() == {event.event_id}
    assert line.failed() == {}


def test_the_dashboard_shows_whatever_the_worker_does(line: Line, stack: Stack) -> None:
    """Every page opens while events wait, are claimed, or have failed, without customers' data."""
    company_id, _ = line.shop()
    line.environment["BOTLIVE_TIMEOUT"] = _LONG
    waiting, lost, held = order(company_id), order("nobody-knows-it"), order(company_id)
    line.publisher.publish(waiting)
    shown = [pages(line, str(waiting.event_id))]
    with line.worker():
        until(lambda: len(line.queue) == line.held() == 0, 20)
        line.publisher.publish(lost)
        until(lambda: bool(line.redis.zcard(f"rq:failed:{line.name}")), 20)
        with frozen_gateway(stack):
            line.publisher.publish(held)
            until(lambda: line.held() == 1, 10)
            shown += [pages(line, str(held.event_id)), pages(line, str(lost.event_id))]
    assert PHONE not in json.dumps(shown)
    lists = f"/0/data/jobs/{line.name}/{{}}/10/asc/1.json"
    for there, registry, event in zip(
        shown, ("queued", "started", "failed"), (waiting, held, lost), strict=True
    ):
        (job,) = json.loads(there[lists.format(registry)])["jobs"]
        assert (job["id"], job["description"]) == (str(event.event_id), "order_completed")
    (worker,) = [
        worker
        for worker in json.loads(shown[1]["/0/data/workers.json"])["workers"]
        if line.name in worker["queues"]
    ]
    assert (worker["state"], worker["failed_job_count"], worker["successful_job_count"]) == ("busy", 1, 1)
    assert "UnknownCompany" in json.loads(shown[2][f"/0/data/job/{lost.event_id}.json"])["exc_info"]


def test_the_dashboard_shows_what_a_stock_worker_does(line: Line, stack: Stack) -> None:
    """The workers page opens while a stock worker runs our job, which rq-dashboard would unpickle."""
    line.environment["BOTLIVE_TIMEOUT"] = _LONG
    event = order(line.shop()[0])
    with stock_worker(line):
        until(lambda: len(worker_keys(line)) == 1, 20)
        with frozen_gateway(stack):
            line.publisher.publish(event)
            until(lambda: line.held() == 1, 20)
            shown = pages(line, str(event.event_id))
    (worker,) = (
        worker
        for worker in json.loads(shown["/0/data/workers.json"])["workers"]
        if line.name in worker["queues"]
    )
    assert worker["current_job"]["job_id"] == str(event.event_id)
    assert PHONE not in json.dumps(shown)


def test_an_overflow_queue_is_shown_by_its_name(line: Line) -> None:
    """The page of an overflow queue opens, even if the shop's id does not fit a URL."""
    line.publisher.publish_many([order("a/b?c#d %é") for _ in range(300)])
    Claims(line.redis, line.name, PREFIX + "one").claim(100)
    shown = browse(line, ("GET", "/0/view/queues"), ("GET", "/0/data/queues.json"))
    counts = {queue["name"]: queue["count"] for queue in json.loads(shown["/0/data/queues.json"])["queues"]}
    assert counts[f"{line.name}:shop:a/b?c#d %é"] == 200
    assert f"{line.name}:shop:a/b?c#d" in rq(line, "info", "--raw")


CALLBACKS = """
from pathlib import Path

def written(job, connection, result):
    Path(__file__).with_name(f"{job.id}.written").touch()

def refused(job, connection, *error):
    Path(__file__).with_name(f"{job.id}.refused").write_text(error[0].__name__)

def hostile(job, connection, *anything):
    Path(__file__).with_name(f"{job.id}.hostile").touch()
"""


def test_allowed_callbacks_are_called(line: Line, tmp_path: Path) -> None:
    """The callbacks in BOTLIVE_CALLBACKS are called at success and failure, and no others."""
    company_id, uuid = line.shop()
    (tmp_path / "marks.py").write_text(CALLBACKS)
    line.environment |= {"PYTHONPATH": str(tmp_path), "BOTLIVE_CALLBACKS": "marks.written, marks.refused"}
    for job_id, event, names in (
        ("good", order(company_id), ("written", "refused")),
        ("bad", order("nobody-knows-it"), ("written", "refused")),
        ("ugly", order(company_id), ("written", "hostile")),
    ):
        line.queue.enqueue(
            "worker.job.persist",
            event.model_dump(mode="json", exclude_none=True),
            job_id=job_id,
            description=event.type,
            on_success=Callback(f"marks.{names[0]}"),
            on_failure=Callback(f"marks.{names[1]}"),
        )
    line.work()
    called = {
        path.name: path.read_text() for path in tmp_path.iterdir() if path.stem in {"good", "bad", "ugly"}
    }
    assert called == {"good.written": "", "bad.refused": "UnknownCompany"}
    assert len(line.rows([uuid]).orders) == 1
    assert line.failed().keys() == {"bad", "ugly"}


def finished(line: Line) -> Counter[str]:
    """Return how many jobs our worker and the stock workers have finished."""
    counts: Counter[str] = Counter()
    for key in worker_keys(line):
        kind = "ours" if key.decode().startswith(f"rq:worker:{PREFIX}") else "stock"
        counts[kind] += int(line.redis.hget(key, "successful_job_count") or 0)
    return counts


def test_a_stock_worker_beside_ours(line: Line) -> None:
    """On one queue both workers run thousands of events; each has its effect once, and none fails."""
    company_id, uuid = line.shop()
    with stock_worker(line):
        line.publisher.publish_many(payments(company_id, 3))
        until(lambda: finished(line)["stock"] > 0, 40)
        with line.worker():
            for _ in range(8):
                line.publisher.publish_many(payments(company_id, 300))
                time.sleep(0.3)
            until(lambda: len(line.queue) == line.held() == 0, 40)
            done = finished(line)
    assert done["stock"] > 0
    assert done["ours"] > 0
    assert done.total() == 2_403
    assert len(line.rows([uuid]).activities) == 2_403
    assert line.failed() == {}


def payments(company_id: str, count: int) -> Iterator[PaymentValidated]:
    """Return this number of payments."""
    return (
        PaymentValidated(company_id=company_id, user_id=PHONE, amount=1, reference="") for _ in range(count)
    )


def test_rqs_scheduler_and_maintenance_beside_ours(line: Line, stack: Stack) -> None:
    """A scheduled event is persisted; RQ's clean-up does not touch our worker's claims."""
    company_id, uuid = line.shop()
    late = order(company_id)
    with stock_worker(line, "--with-scheduler"), line.worker():
        until(lambda: len(worker_keys(line)) == 2, 20)
        line.queue.enqueue_at(
            datetime.now(UTC) + timedelta(seconds=1),
            "worker.job.persist",
            late.model_dump(mode="json", exclude_none=True),
            job_id=str(late.event_id),
        )
        until(lambda: len(line.rows([uuid]).orders) == 1, 20)
    with line.worker(), frozen_gateway(stack):
        line.publisher.publish_many([order(company_id) for _ in range(5)])
        until(lambda: line.held() == 5, 8)
        clean_registries(line.queue)
        assert line.held() == 5
    with line.worker():  # it waits for the killed one's lease to end, which a burst does not
        until(lambda: len(line.rows([uuid]).orders) == 6, 30)
    assert line.failed() == {}
