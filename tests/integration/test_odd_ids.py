"""Unusual ids: no list of ours or of rq-dashboard breaks, and no job is mistaken for another one."""

import json
import os
import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from devstack.valkey import Valkey
from operations.failed.registry import FailedRegistry
from tests.integration.line import BIN
from tests.integration.planted import plant
from tests.integration.test_planted import PAGES, QUEUE, Site
from tests.integration.test_rq_native import DASHBOARD
from worker.control import kinds

pytestmark = pytest.mark.slow

IDS = [
    b"with spaces",
    b"a:b:c",
    b"../../etc/passwd",
    b"new\nline\r",
    b"<script>alert(1)</script>",
    b"[bold red]markup[/]",
    b"\x1b[2J\x1b]0;title\x07",
    b"x" * 10_240,
    b"\xff\xfe\x00",
    "é😀".encode(),
    b"",
    b"good:dependents",
    b"%2e%2e%2f?#",
]
COMMANDS = [
    ("failures",),
    ("failures", "--json"),
    ("failures", "replay", "--reason", "nothing has it"),
    ("failures", "discarded"),
    ("status",),
    ("status", "--json"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A Redis server in which each list of RQ and of ours has all of these ids."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    folder = tmp_path_factory.mktemp("odd")
    valkey = Valkey(folder / "valkey", port)
    valkey.start()
    with redis.Redis(port=port) as connection:
        plant(connection, QUEUE, folder)
        for job_id in IDS:
            _stand_everywhere(connection, job_id)
        yield Site(connection, {**os.environ, "REDIS_URL": f"redis://127.0.0.1:{port}/0"}, folder)
    valkey.stop()


def _stand_everywhere(connection: redis.Redis, job_id: bytes) -> None:
    hash_of: Any = b"rq:job:" + job_id
    connection.hset(
        hash_of, mapping={"data": job_id or b"x", "status": "failed", "origin": QUEUE, job_id: job_id}
    )
    results: Any = b"rq:results:" + job_id
    connection.xadd(results, {"type": "2", "exc_string": job_id, job_id: job_id})
    for key, kind in kinds(QUEUE).items():
        if kind == "list":
            connection.rpush(key, job_id)
        elif kind == "zset":
            connection.zadd(key, {job_id: 2**53})
        elif kind == "set":
            connection.sadd(key, job_id, b"rq:queue:" + job_id, b"rq:worker:" + job_id)
        elif kind == "hash":
            connection.hset(
                key, job_id.decode("latin-1"), json.dumps({"reason": 1, "since": "x", "plain": []})
            )
        else:
            connection.xadd(key, {b"id": job_id, b"fields": job_id, job_id: job_id})
    worker: Any = b"rq:worker:" + job_id
    connection.hset(
        worker, mapping={"queues": job_id, "state": job_id, "last_heartbeat": job_id, "birth": job_id}
    )


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_list_of_ours_breaks(site: Site, command: tuple[str, ...]) -> None:
    """Each entry is one line without control codes."""
    done = site.run(str(BIN / "botlive"), *command)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    if command == ("failures", "--json"):
        assert len(done.stdout.splitlines()) == len(IDS) + 10


@pytest.mark.parametrize("job_id", IDS)
def test_each_is_shown_by_its_id(site: Site, job_id: bytes) -> None:
    """Each job can be shown by the id in the list."""
    found = list(FailedRegistry(site.redis, QUEUE).find([job_id.decode(errors="surrogateescape")]))
    assert [detail.failure.job_id.encode(errors="surrogateescape") for detail in found] == [job_id]


def test_no_list_of_rq_dashboard_breaks(site: Site) -> None:
    """Each list and each job's page of rq-dashboard opens."""
    requests = [("GET", page) for page in PAGES]
    done = site.run(sys.executable, "-c", DASHBOARD, stdin=json.dumps(requests))
    assert done.returncode == 0, done.stderr[-2_000:]
    answers = [json.loads(text) for text in done.stdout.splitlines()]
    assert [(path, status) for path, status, _ in answers] == [(path, 200) for _, path in requests]


def test_to_discard_one_touches_no_other(site: Site) -> None:
    """A discard deletes no dependents and no hash of a job with a similar id."""
    site.redis.hset("rq:job:good", "data", "its own")
    before = {*site.redis.scan_iter(b"rq:job:*")}
    (doomed,) = FailedRegistry(site.redis, QUEUE).find(["with spaces"])
    assert FailedRegistry(site.redis, QUEUE).discard([doomed.failure], "odd")
    after = {*site.redis.scan_iter(b"rq:job:*")}
    assert before - after == {b"rq:job:with spaces"}
