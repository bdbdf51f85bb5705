"""The publisher's metrics: what it published, how long that took, and what waits in its outbox."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import fakeredis
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from events import Publisher, PublishError
from events.publishing import metrics, observer
from events.publishing.outbox import Outbox
from tests.children import ending
from tests.make import payment

_ROOT = Path(__file__).parents[2]


@pytest.fixture
def server() -> fakeredis.FakeServer:
    """A Redis that can be cut off."""
    return fakeredis.FakeServer()


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    """A file of the test's own."""
    return Outbox(tmp_path / "outbox.db", limit=7)


@pytest.fixture
def publisher(server: fakeredis.FakeServer, outbox: Outbox) -> Iterator[Publisher]:
    """A publisher with that outbox."""
    with Publisher(fakeredis.FakeStrictRedis(server=server), outbox=outbox, within=10) as made:
        yield made


def values(registry: CollectorRegistry) -> dict[str, float]:
    """The values of all samples that are not 0, but for times, by name and labels."""
    samples = [sample for metric in registry.collect() for sample in metric.samples]
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for sample in samples
        if sample.value and not sample.name.endswith(("_created", "_bucket", "_sum"))
    }


def test_each_way_of_publishing_is_counted(publisher: Publisher) -> None:
    """Events are counted one by one, durations by call."""
    metrics.export(publisher, registry := CollectorRegistry())
    publisher.publish(payment())
    publisher.publish_many([payment() for _ in range(5)])
    asyncio.run(publisher.apublish(payment()))
    publisher.publish_unchecked("payment_validated", {"amount": -1})
    assert values(registry) == {
        "botlive_published_events_total queued": 8,
        "botlive_publish_seconds_count": 4,
        "botlive_outbox_limit_events": 7,
    }


def test_what_the_outbox_keeps_or_refuses_is_counted(
    publisher: Publisher, server: fakeredis.FakeServer
) -> None:
    """The gauges show how full it is. An event that does not fit is refused to the caller."""
    metrics.export(publisher, registry := CollectorRegistry())
    server.connected = False
    publisher.publish_many([payment() for _ in range(4)])
    asyncio.run(publisher.apublish(payment()))
    with pytest.raises(PublishError):
        publisher.publish_many([payment() for _ in range(3)])
    assert values(registry) == {
        "botlive_published_events_total kept": 5,
        "botlive_published_events_total refused": 3,
        "botlive_publish_seconds_count": 3,
        "botlive_outbox_events": 5,
        "botlive_outbox_limit_events": 7,
    }


def test_each_result_starts_at_zero(publisher: Publisher) -> None:
    """Prometheus sees the first refused event as an increase only if it saw a 0 before."""
    metrics.export(publisher, registry := CollectorRegistry())
    for result in ("queued", "kept", "refused"):
        assert registry.get_sample_value("botlive_published_events_total", {"result": result}) == 0


def test_what_redis_forgot_is_counted(publisher: Publisher, server: fakeredis.FakeServer) -> None:
    """The events that the publisher published again have a counter of their own."""
    metrics.export(publisher, registry := CollectorRegistry())
    publisher.publish(payment())
    fakeredis.FakeStrictRedis(server=server).flushall()
    publisher.publish(payment())
    publisher._watch.check()
    assert values(registry)["botlive_published_again_events_total"] == 2
    assert values(registry)["botlive_published_events_total queued"] == 2


def test_a_cancelled_call_is_not_counted(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows its result: it is neither queued nor refused."""
    metrics.export(publisher, registry := CollectorRegistry())

    async def cancelled(*_: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr("events.publishing.publisher.wait_async", cancelled)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(publisher.apublish(payment()))
    assert values(registry) == {"botlive_outbox_limit_events": 7}


def test_an_outbox_that_cannot_be_read_has_no_values(publisher: Publisher, outbox: Outbox) -> None:
    """The other metrics are still there."""
    metrics.export(publisher, registry := CollectorRegistry())
    outbox.path.write_text("no database, but a text that is longer than the head of one" * 20)
    publisher.publish(payment())
    assert values(registry) == {
        "botlive_published_events_total queued": 1,
        "botlive_publish_seconds_count": 1,
    }


def test_without_an_outbox_it_has_no_gauges(server: fakeredis.FakeServer) -> None:
    """A gauge of 0 would look like an outbox that is empty."""
    with Publisher(fakeredis.FakeStrictRedis(server=server), within=10) as publisher:
        metrics.export(publisher, registry := CollectorRegistry())
        assert values(registry) == {}


def test_an_observer_that_fails_harms_nobody(
    publisher: Publisher, server: fakeredis.FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The chat gets the event's id, or the publisher's own error. One log line names the exception."""

    class Broken:
        def published(self, events: int, result: observer.Result, seconds: float) -> None:
            raise OSError(28, "No space left on device")

        def published_again(self, events: int) -> None:
            raise OSError(28, "No space left on device")

    publisher.observe(Broken())
    event = payment()
    assert publisher.publish(event) == event.event_id
    fakeredis.FakeStrictRedis(server=server).flushall()
    publisher.publish(payment())
    assert publisher._watch.check()
    server.connected = False
    with pytest.raises(PublishError):
        publisher.publish_many([payment() for _ in range(8)])
    assert caplog.text.count("its observer raised OSError") == 1


def test_a_fork_while_an_event_is_counted(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child can count too: it has not inherited a lock that nobody releases."""
    counts = metrics._Counts(CollectorRegistry())
    counting, lock = threading.Event(), threading.Lock()

    def inc(amount: float) -> None:
        with lock:
            counting.set()
            threading.Event().wait(0.1)

    monkeypatch.setattr(counts._again, "inc", inc)
    thread = threading.Thread(target=counts.published_again, args=[1])
    thread.start()
    counting.wait(10)
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        counts.published_again(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    thread.join()


_CHAT = """
    import sys
    from prometheus_client import REGISTRY
    from events.publishing.metrics import _Counts

    _Counts(REGISTRY).published(int(sys.argv[1]), "queued", 0.1)
"""


def test_several_chat_processes_are_counted_together(tmp_path: Path) -> None:
    """As prometheus-client does it, with PROMETHEUS_MULTIPROC_DIR, also after a process has ended."""
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    chat = [sys.executable, "-c", textwrap.dedent(_CHAT)]
    with (
        ending(subprocess.Popen([*chat, "3"], env=environment, cwd=_ROOT)) as first,
        ending(subprocess.Popen([*chat, "4"], env=environment, cwd=_ROOT)) as second,
    ):
        assert [first.wait(timeout=60), second.wait(timeout=60)] == [0, 0]
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(tmp_path))  # type: ignore[no-untyped-call] # untyped there
    assert values(registry) == {
        "botlive_published_events_total queued": 7,
        "botlive_publish_seconds_count": 2,
    }


def test_publishing_needs_no_library_for_metrics() -> None:
    """The chat need not install prometheus-client, and does not import it either."""
    code = "import sys, events; events.Publisher; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=_ROOT, timeout=60, check=False).returncode == 0
