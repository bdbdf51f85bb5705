"""The coalescer hands waiting calls over together, and each caller gets its own result."""

import os
import signal
import threading
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import CancelledError

import pytest

from events import PaymentValidated, PublishError
from events.errors import OutboxFull
from events.publishing.call import Call
from events.publishing.coalescer import Coalescer, Group, Handle


class Door:
    """A handler that waits until it is opened, and records the groups."""

    def __init__(self, answer: PublishError | None = None) -> None:
        self.opened = threading.Event()
        self.entered = threading.Semaphore(0)
        self.goes: list[list[Group]] = []
        self.answer = answer

    def __call__(self, groups: Sequence[Group]) -> Sequence[PublishError | None]:
        """Handle the groups."""
        self.goes.append(list(groups))
        self.entered.release()
        assert self.opened.wait(10)
        return [self.answer] * len(groups)


def group() -> Group:
    """Return a group of one call."""
    event = PaymentValidated(company_id="shop", user_id="+2250700000000", amount=1, reference="")
    return [Call.of(event)]


def test_what_came_during_a_go_is_the_next() -> None:
    """All groups that arrive during a call of the handler are in the next one, in their order."""
    door = Door()
    coalescer = Coalescer("test", door)
    groups = [group() for _ in range(50)]
    futures = [coalescer.submit(groups[0])]
    assert door.entered.acquire(timeout=10)
    futures += [coalescer.submit(each) for each in groups[1:]]
    door.opened.set()
    assert [future.result(10) for future in futures] == [None] * 50
    assert door.goes == [groups[:1], groups[1:]]
    coalescer.close()


def test_who_waits_no_longer_is_left_out_unless_his_go_has_begun() -> None:
    """A cancelled group is left out, unless it was already handed over."""
    door = Door()
    coalescer = Coalescer("test", door)
    begun, left, stays = group(), group(), group()
    first = coalescer.submit(begun)
    assert door.entered.acquire(timeout=10)
    second, third = coalescer.submit(left), coalescer.submit(stays)
    assert not first.cancel()
    assert second.cancel()
    door.opened.set()
    assert third.result(10) is None
    with pytest.raises(CancelledError):
        second.result()
    assert door.goes == [[begun], [stays]]
    coalescer.close()


def test_each_hears_of_his_own() -> None:
    """The error of one group does not affect another one."""

    def handle(groups: Sequence[Group]) -> Sequence[PublishError | None]:
        return [OutboxFull() if len(each) > 1 else None for each in groups]

    coalescer = Coalescer("test", handle)
    small, large = coalescer.submit(group()), coalescer.submit([*group(), *group()])
    assert small.result(10) is None
    with pytest.raises(OutboxFull):
        large.result(10)
    coalescer.close()


def test_an_error_of_many_is_raised_by_each_for_himself() -> None:
    """Each caller gets its own copy of the error, whose traceback does not grow with their number."""
    shared = OutboxFull()
    shared.__cause__ = OSError(28, "no space")
    door = Door(shared)
    coalescer = Coalescer("test", door)
    futures = [coalescer.submit(group()) for _ in range(20)]
    door.opened.set()
    lengths = []
    for future in futures:
        with pytest.raises(OutboxFull) as failure:
            future.result(10)
        assert failure.value.__cause__ is shared.__cause__
        lengths.append(len(traceback.extract_tb(failure.value.__traceback__)))
    assert len(set(lengths)) == 1
    coalescer.close()


def test_a_handler_that_breaks_is_a_publish_error() -> None:
    """An exception of the handler is the cause of a PublishError, and the next call works."""
    breaks = iter([True])

    def handle(groups: Sequence[Group]) -> Sequence[PublishError | None]:
        if next(breaks, False):
            raise ZeroDivisionError
        return [None] * len(groups)

    coalescer = Coalescer("test", handle)
    with pytest.raises(PublishError) as failure:
        coalescer.submit(group()).result(10)
    assert isinstance(failure.value.__cause__, ZeroDivisionError)
    assert coalescer.submit(group()).result(10) is None
    coalescer.close()


def test_closing_lets_those_who_wait_through() -> None:
    """Waiting groups are handed over before the thread ends."""
    door = Door()
    coalescer = Coalescer("test-closing", door)
    futures = [coalescer.submit(group())]
    assert door.entered.acquire(timeout=10)
    futures += [coalescer.submit(group()) for _ in range(3)]
    coalescer.close()
    door.opened.set()
    assert [future.result(10) for future in futures] == [None] * 4
    deadline = time.monotonic() + 10
    while any(thread.name == "test-closing" for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "its thread goes on"
        time.sleep(0.01)


def test_it_has_no_thread_before_it_has_work() -> None:
    """The thread starts with the first group, and there is only one for any number of callers."""
    door = Door()
    coalescer = Coalescer("test-lazy", door)

    def threads() -> int:
        return sum(thread.name == "test-lazy" for thread in threading.enumerate())

    assert threads() == 0
    callers = [threading.Thread(target=coalescer.submit, args=[group()]) for _ in range(16)]
    with coalescer._starting:
        for caller in callers:
            caller.start()
        time.sleep(0.05)
    for caller in callers:
        caller.join()
    assert threads() == 1
    door.opened.set()
    coalescer.close()


def test_a_forked_child_has_a_thread_of_its_own() -> None:
    """A forked child hands over its own groups, and none that waited in its parent."""
    door = Door()
    coalescer = Coalescer("test", door)
    coalescer.submit(group())
    assert door.entered.acquire(timeout=10)
    parents = coalescer.submit(group())
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        code = 1
        try:
            door.opened = threading.Event()
            door.opened.set()
            door.goes.clear()
            mine = group()
            coalescer.submit(mine).result(5)
            code = 0 if door.goes == [[mine]] else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not parents.done()
    door.opened.set()
    assert parents.result(10) is None
    coalescer.close()


def test_without_a_new_thread_the_caller_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """If no thread can be started, the fallback runs in the caller's thread; the next call has a thread."""
    start, failures = threading.Thread.start, [RuntimeError("can't create new thread at shutdown")]
    seen: list[tuple[str, threading.Thread]] = []

    def once_too_many(thread: threading.Thread) -> None:
        if failures:
            raise failures.pop()
        start(thread)

    def handler(name: str) -> Handle:
        def handle(groups: Sequence[Group]) -> Sequence[PublishError | None]:
            seen.append((name, threading.current_thread()))
            return [None] * len(groups)

        return handle

    monkeypatch.setattr(threading.Thread, "start", once_too_many)
    coalescer = Coalescer("test-late", handler("handle"), handler("fallback"))
    assert coalescer.submit(group()).done()
    coalescer.submit(group()).result(5)
    coalescer.close()
    assert [(name, thread.name) for name, thread in seen] == [
        ("fallback", threading.current_thread().name),
        ("handle", "test-late"),
    ]


def test_what_fails_in_the_callers_own_thread_is_told_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the handler fails in the caller's thread, the future raises the error."""

    def no_more(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_more)
    coalescer = Coalescer("test", lambda groups: [PublishError()] * len(groups))
    with pytest.raises(PublishError):
        coalescer.submit(group()).result(0)
