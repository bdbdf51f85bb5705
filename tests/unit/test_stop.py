"""The request to stop, which a signal handler makes at any moment."""

import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from functools import partial
from types import FrameType
from typing import Any
from unittest.mock import Mock

import fakeredis
import pytest

from worker.breaker import Breaker
from worker.consumer import Consumer
from worker.stop import Stop


def _interrupt_each_line(wait: Any, request: Any) -> None:
    """Call ``wait``, and at each of its Python lines ``request``, as a signal handler could."""

    def trace(_frame: FrameType, event: str, _argument: object) -> Any:
        if event == "line":
            sys.settrace(None)
            request()
            sys.settrace(trace)
        return trace

    sys.settrace(trace)
    try:
        wait()
    finally:
        sys.settrace(None)


def test_a_request_may_interrupt_the_wait_anywhere() -> None:
    """No line of ``wait`` holds a lock that ``request`` needs: ``threading.Event`` fails this test."""
    stop = Stop()
    waiting = threading.Thread(
        target=_interrupt_each_line, args=[stop.wait, lambda: stop.request(15)], daemon=True
    )
    waiting.start()
    waiting.join(5)
    assert not waiting.is_alive()


def test_a_request_before_the_wait_is_not_forgotten() -> None:
    """The wait gives the number of the signal; without a request it gives None."""
    stop = Stop()
    assert stop.wait(0.001) is None
    stop.request(15)
    assert stop.wait() == 15


def test_a_second_signal_at_once_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor and systemd or a terminal may both send it. It must not interrupt the stop."""
    monkeypatch.setattr("rq.worker.base.now", partial(datetime.fromtimestamp, 0, UTC))
    monkeypatch.setattr("worker.consumer.now", partial(datetime.fromtimestamp, 0, UTC))
    worker = Consumer("botlive", fakeredis.FakeStrictRedis(), Mock(), Breaker(1))
    before = signal.getsignal(signal.SIGTERM)
    try:
        worker.request_stop(signal.SIGTERM, None)
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert worker._stop.wait() == signal.SIGTERM


@pytest.mark.slow
def test_a_late_stop_kills_the_process() -> None:
    """The process ends with 128 + the signal, though its main thread never ends."""
    code = "from worker.stop import Stop; s = Stop(); s.limit(0.01); s.request(15); Stop().wait()"
    assert subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode == 143
