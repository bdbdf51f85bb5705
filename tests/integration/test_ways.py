"""Connections to Redis: a process that cannot connect or log in says why, and continues when it can."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import redis as client

from devstack.valkey import Valkey
from events import Publisher, PublishError
from events.publishing import address
from events.publishing.call import Call
from events.publishing.outbox import Outbox
from tests import forked
from tests.children import end
from tests.forked import Fork
from tests.integration.line import Line, until
from tests.integration.roads import TlsDoor, certificate, free_port, signed
from tests.make import order

SECRET = "hush-do-not-tell"  # noqa: S105 # of servers that live as long as a test
IN_TIME = 20.0
"""Seconds that may pass until something is said."""


class Place:
    """A Redis of a test's own, and the processes that go to it."""

    def __init__(self, directory: Path, line: Line) -> None:
        self.directory = directory
        self.line = line
        self.valkey = Valkey(directory / "valkey", free_port())
        self.valkey.start()
        self.redis = client.Redis(port=self.valkey.port)

    def url(self, login: str = "", database: str = "0", scheme: str = "redis") -> str:
        """Return its URL."""
        return f"{scheme}://{login}{'@' if login else ''}127.0.0.1:{self.valkey.port}/{database}"

    def environment(self, url: str) -> dict[str, str]:
        """Return the environment of a process that connects there."""
        return {**self.line.environment, "REDIS_URL": url}

    @contextmanager
    def worker(self, url: str) -> Iterator["Worker"]:
        """A worker, until the test is done with it."""
        with Worker(self.directory / "log", self.environment(url)) as worker:
            yield worker

    def command(self, url: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``botlive`` and return its result."""
        return forked.run(words, self.environment(url))

    def close(self) -> None:
        """Give it back."""
        self.redis.close()
        self.valkey.kill()


class Worker:
    """A worker's process and what it says."""

    def __init__(self, log: Path, environment: dict[str, str]) -> None:
        self._log = log
        log.write_bytes(b"")
        self.process = Fork(["worker"], environment, stderr=log)

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        end(self.process)
        assert SECRET not in self._log.read_text()

    @property
    def text(self) -> str:
        """Return its whole output."""
        return self._log.read_text()

    def said(self, event: str) -> list[dict[str, Any]]:
        """The lines of its log with this event."""
        lines = [json.loads(text) for text in self.text.splitlines() if text.startswith("{")]
        return [entry for entry in lines if entry["event"] == event]

    def says(self, event: str, words: str = "", seconds: float = IN_TIME) -> None:
        """Wait until it has printed such a line."""
        until(lambda: any(words in entry.get("reason", "") for entry in self.said(event)), seconds)

    def ends(self, words: str) -> None:
        """Assert that it ends in time with exit code 2, and that its last line says this."""
        assert self.process.wait(timeout=30) == 2
        *_, last = self.text.splitlines()
        assert words in last
        assert "Traceback" not in self.text

    def is_up(self) -> None:
        """Wait until the worker has started."""
        until(lambda: bool(self.said("started")), IN_TIME)


@pytest.fixture
def place(tmp_path: Path, line: Line) -> Iterator[Place]:
    """A Redis of its own."""
    made = Place(tmp_path, line)
    yield made
    made.close()


def _password(place: Place) -> str:
    place.redis.config_set("requirepass", SECRET)
    return place.url(f":{SECRET}x")


def _no_password(place: Place) -> str:
    place.redis.config_set("requirepass", SECRET)
    return place.url()


def _user(place: Place) -> str:
    return place.url(f"nobody:{SECRET}")


def _no_right(place: Place) -> str:
    place.redis.acl_setuser("weak", enabled=True, passwords=f"+{SECRET}", commands=["+@read", "+@connection"])
    return place.url(f"weak:{SECRET}")


def _right_to_ask_only(place: Place) -> str:
    place.redis.acl_setuser(
        "weak",
        enabled=True,
        passwords=f"+{SECRET}",
        keys=["*"],
        channels=["*"],
        commands=["+@all", "-zadd", "-set"],
    )
    return place.url(f"weak:{SECRET}")


def _database(place: Place) -> str:
    return place.url(database="99")


def _host(place: Place) -> str:
    return f"redis://:{SECRET}@no-such-host.invalid:6379/0"


def _no_redis(place: Place) -> str:
    return place.line.environment["SUPABASE_URL"].replace("http:", "redis:")


CLOSED_WAYS = [
    (_password, "Redis refuses the user or the password"),
    (_no_password, "Redis requires a password"),
    (_user, "Redis refuses the user or the password"),
    (_no_right, "lacks permissions in Redis"),
    (_right_to_ask_only, "lacks permissions in Redis"),
    (_database, "Redis has no database with that number"),
    (_host, "the host name of Redis is unknown"),
    (_no_redis, "the server at REDIS_URL is not Redis"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("way", "words"), CLOSED_WAYS)
def test_what_waiting_does_not_help_ends_a_worker_at_its_start(
    place: Place, way: Callable[[Place], str], words: str
) -> None:
    """Exit code 2 after a bounded time, and one line with the kind of cause and no password."""
    with place.worker(way(place)) as worker:
        worker.ends(words)


def _refused(_: Place) -> str:
    return f"redis://:{SECRET}@127.0.0.1:{free_port()}/0"


@pytest.mark.slow
@pytest.mark.parametrize("command", ["failures", "publish", "outbox", "reconcile", "dashboard"])
@pytest.mark.parametrize(
    ("way", "words"), [CLOSED_WAYS[0], CLOSED_WAYS[6], (_refused, "Redis refuses the connection")]
)
def test_a_command_names_the_cause(
    place: Place, way: Callable[[Place], str], words: str, command: str, tmp_path: Path
) -> None:
    """The cause is in one line, without the password."""
    file = tmp_path / "events.ndjson"
    file.write_text(order("shop").model_dump_json() + "\n")
    outbox = Outbox(tmp_path / "outbox.db")
    outbox.add([[Call.of(order("shop"))]])
    if command == "outbox":
        place.line.environment["BOTLIVE_OUTBOX"] = str(outbox.path)
    arguments = {"publish": [str(file)], "reconcile": [str(file)], "outbox": ["drain"]}
    told = place.command(way(place), command, *arguments.get(command, []))
    assert told.returncode in {1, 2, 3}
    assert words in told.stderr
    assert SECRET not in told.stderr
    assert "Traceback" not in told.stderr


Trouble = Callable[[Place], Callable[[], Any]]
"""Begins it, and gives what ends it."""


def _drop(place: Place) -> None:
    for kind in ("normal", "pubsub"):
        place.redis.client_kill_filter(_type=kind, skipme=True)


def _another_password(place: Place) -> Callable[[], Any]:
    place.redis.config_set("requirepass", SECRET)
    place.redis = client.Redis(port=place.valkey.port, password=SECRET)
    _drop(place)
    return lambda: place.redis.config_set("requirepass", "")


def _rights(place: Place, *rules: str) -> None:
    place.redis.execute_command("ACL", "SETUSER", "default", *rules)


def _fewer_rights(place: Place) -> Callable[[], Any]:
    _rights(place, "-zadd", "-set", "-hset")
    return lambda: _rights(place, "+@all")


def _fewer_rights_for_all(place: Place) -> Callable[[], Any]:
    _rights(place, "-evalsha", "-eval", "-exists", "-blmove", "-hset")
    return lambda: _rights(place, "+@all")


def _a_replica(place: Place) -> Callable[[], Any]:
    place.redis.replicaof("127.0.0.1", free_port())
    return lambda: place.redis.replicaof("NO", "ONE")


def _a_lost_replica(place: Place) -> Callable[[], Any]:
    place.redis.config_set("replica-serve-stale-data", "no")
    return _a_replica(place)


def _too_many_clients(place: Place) -> Callable[[], Any]:
    place.redis.config_set("maxclients", 1)
    _drop(place)
    return lambda: place.redis.config_set("maxclients", 100)


def _no_replicas(place: Place) -> Callable[[], Any]:
    place.redis.config_set("min-replicas-to-write", 1)
    return lambda: place.redis.config_set("min-replicas-to-write", 0)


def _a_long_script(place: Place) -> Callable[[], Any]:
    place.redis.config_set("busy-reply-threshold", 50)
    Thread(target=_endless, args=[place.valkey.port], daemon=True).start()
    return place.redis.script_kill


def _endless(port: int) -> None:
    with suppress(client.RedisError), client.Redis(port=port) as connection:
        connection.eval("while true do end", 0)


def _a_crash(place: Place) -> Callable[[], Any]:
    place.valkey.kill()
    return place.valkey.start


def _frozen(place: Place) -> Callable[[], Any]:
    [pid] = place.valkey.pids
    os.kill(pid, signal.SIGSTOP)
    return lambda: os.kill(pid, signal.SIGCONT)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (_another_password, "Redis requires a password"),
        (_fewer_rights, "lacks permissions in Redis"),
        (_fewer_rights_for_all, "lacks permissions in Redis"),
        (_a_replica, "Redis is a read-only replica"),
        (_a_lost_replica, "Redis is a replica that has lost its primary"),
        (_too_many_clients, "Redis accepts no more clients"),
        (_no_replicas, "Redis has too few replicas"),
        (_a_long_script, "Redis is busy with a script"),
        (_a_crash, "Redis refuses the connection"),
        (_frozen, "Redis did not answer in time"),
    ],
)
def test_a_worker_that_lost_its_redis_says_why_and_goes_on(
    place: Place, trouble: Trouble, words: str
) -> None:
    """One line with the kind of cause, one when it is over, and the same process persists what comes then."""
    company_id, uuid = place.line.shop()
    with place.worker(place.url()) as worker:
        worker.is_up()
        mend = trouble(place)
        worker.says("Redis away", words, 30)
        time.sleep(2)
        assert worker.process.poll() is None
        assert not worker.said("Redis back")
        mend()
        worker.says("Redis back", seconds=30)
        with Publisher(client.Redis(port=place.valkey.port), queue=place.line.name, within=10) as publisher:
            publisher.publish(order(company_id))
        until(lambda: len(place.line.rows([uuid]).orders) == 1, 30)
        assert worker.process.poll() is None
        reasons = [entry["reason"] for entry in worker.said("Redis away")]
        assert len(reasons) == len(set(reasons)) <= 3


def test_a_redis_that_comes_later_is_waited_for(place: Place) -> None:
    """It is away when the worker starts: that is said, and when it comes the worker works."""
    place.valkey.kill()
    with place.worker(place.url()) as worker:
        worker.says("Redis away", "Redis refuses the connection")
        time.sleep(1)
        place.valkey.start()
        worker.says("Redis back")
        worker.is_up()
        assert len(worker.said("Redis away")) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("host", "days", "options", "words"),
    [
        ("127.0.0.1", 1, "", "the certificate of Redis is self-signed"),
        ("127.0.0.1", -1, "ssl_ca_certs={file}", "the certificate of Redis has expired"),
        ("redis.example", 1, "ssl_ca_certs={file}", "the certificate of Redis is for another host"),
        ("127.0.0.1", 1, "ssl_ca_certs={file}", None),
        ("127.0.0.1", 1, "ssl_cert_reqs=none", None),
    ],
)
def test_certificates(place: Place, host: str, days: int, options: str, words: str | None) -> None:
    """A refused certificate ends a worker, and the chat logs it. With the README's options both connect."""
    file = certificate(place.directory, host=host, days=days)
    door = TlsDoor(place.valkey.port, lambda: file)
    url = f"rediss://127.0.0.1:{door.port}/0?{options.format(file=file)}"
    with Publisher(address.client(url), queue=place.line.name, within=5) as publisher:
        if words is None:
            publisher.publish(order("shop"))
        else:
            with pytest.raises(PublishError, match=words):
                publisher.publish(order("shop"))
    with place.worker(url) as worker:
        if words is None:
            worker.is_up()
        else:
            worker.ends(words)
    door.close()


def test_a_certificate_that_python_refuses_since_3_13(place: Place) -> None:
    """The message has the option that accepts a certificate of a home-made authority again, and it works."""
    file, authority = signed(place.directory)
    door = TlsDoor(place.valkey.port, lambda: file)
    url = f"rediss://127.0.0.1:{door.port}/0?ssl_ca_certs={authority}"
    with (
        Publisher(address.client(f"{url}&ssl_include_verify_flags=VERIFY_X509_STRICT"), within=5) as strict,
        pytest.raises(PublishError, match=r"since 3\.13.* ssl_exclude_verify_flags=VERIFY_X509_STRICT"),
    ):
        strict.publish(order("shop"))
    lax = address.client(f"{url}&ssl_exclude_verify_flags=VERIFY_X509_STRICT")
    with Publisher(lax, queue=place.line.name, within=5) as publisher:
        publisher.publish(order("shop"))
    door.close()


@pytest.mark.slow
def test_a_certificate_that_expires_holds_a_worker(place: Place) -> None:
    """The worker logs it, retries, and continues when the server has a new certificate."""
    good = certificate(place.directory)
    chosen = [good]
    door = TlsDoor(place.valkey.port, lambda: chosen[0])
    with place.worker(f"rediss://127.0.0.1:{door.port}/0?ssl_ca_certs={good}") as worker:
        worker.is_up()
        chosen[0] = certificate(place.directory, days=-1)
        door.cut()
        worker.says("Redis away", "the certificate of Redis")
        time.sleep(7)
        assert worker.process.poll() is None
        chosen[0] = good
        worker.says("Redis back")
    door.close()


@pytest.mark.slow
def test_tls_on_one_side_only_is_told(place: Place) -> None:
    """Whichever side it is: the worker says what may be wrong, and waits."""
    with place.worker(place.url(scheme="rediss")) as worker:
        worker.says("Redis away", "rediss:// only if that port uses TLS")
    door = TlsDoor(place.valkey.port, lambda: certificate(place.directory))
    with place.worker(f"redis://127.0.0.1:{door.port}/0") as worker:
        worker.says("Redis away", "rediss:// only if that port uses TLS")
    door.close()


@pytest.mark.slow
def test_the_users_of_the_documents_are_enough(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """The chat publishes and checks its counter, and the worker persists, with no other right in Redis."""
    text = Path("docs/reliability.md").read_text(encoding="utf-8")
    for line in re.findall("^ACL SETUSER .*", text, re.MULTILINE):
        place.redis.execute_command(*line.replace("PASSWORD", SECRET).split())
    company_id, uuid = place.line.shop()
    chat = address.client(place.url(f"chat:{SECRET}"))
    with (
        place.worker(place.url(f"worker:{SECRET}")) as worker,
        Publisher(chat, queue=place.line.name, within=5) as publisher,
    ):
        publisher.publish(order(company_id))
        publisher._queue.check_counter()
        until(lambda: len(place.line.rows([uuid]).orders) == 1, 20)
        assert not worker.said("RQ's commands are off")
    assert place.redis.acl_log() == []
    assert place.command(place.url(f"worker:{SECRET}"), "failures").returncode == 0
    assert caplog.records == []


@pytest.mark.slow
def test_cluster_mode_is_told_at_the_start(place: Place) -> None:
    """One line says it at the start, because no event could be processed."""
    place.valkey.kill()
    place.valkey.prepare()
    with place.valkey.configuration.open("a") as file:
        file.write(f"cluster-enabled yes\ncluster-port {free_port()}\n")
    place.valkey.prepare = lambda: None  # type: ignore[method-assign] # it would write its own anew
    place.valkey.start()
    with place.worker(place.url()) as worker:
        worker.ends("Redis runs in Cluster mode")
