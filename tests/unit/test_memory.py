"""The memory of a publisher finds exactly the events that Redis confirmed and forgot, in their order."""

import os
import signal
from collections.abc import Callable, Sequence

import pytest

from events import PaymentValidated
from events.publishing import memory as module
from events.publishing.call import Call
from events.publishing.memory import YOUNG, Memory


class Hand:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.time


@pytest.fixture
def hand() -> Hand:
    """The clock of the memory."""
    return Hand()


@pytest.fixture
def memory(hand: Hand) -> Memory:
    """An empty memory."""
    return Memory(hand)


def call(data: str = "") -> Call:
    """Return the call of an event."""
    event = PaymentValidated(company_id="shop", user_id="+2250700000000", amount=1, reference=data)
    return Call.of(event)


def kept(memory: Memory, *counts: int) -> list[Call]:
    """Keep one event for each of these counts."""
    calls = [call() for _ in counts]
    for count, each in zip(counts, calls, strict=True):
        memory.keep(memory.mark, count, [each])
    return calls


def forgotten(memory: Memory) -> list[Call]:
    """Return all forgotten events."""
    return memory.forgotten(10**6)


def test_a_counter_that_goes_on_has_forgotten_nothing(memory: Memory) -> None:
    """The counter may jump, because unconfirmed publications count too."""
    kept(memory, 1, 2, 7, 8)
    memory.check(memory.mark, 8)
    memory.check(memory.mark, 11)
    assert forgotten(memory) == []


def test_what_stands_behind_the_counter_is_forgotten(memory: Memory) -> None:
    """Events with a higher count than the counter are forgotten, in order, and a new counter begins."""
    calls = kept(memory, 1, 2, 3, 4)
    before = memory.mark
    memory.check(memory.mark, 2)
    assert forgotten(memory) == calls[2:]
    assert memory.mark[0] != before[0]
    assert memory.mark[1] == 0


def test_a_counter_that_is_gone_has_forgotten_all(memory: Memory) -> None:
    """If the counter is gone, as after a restart without a file, all events are forgotten."""
    mark, calls = memory.mark, [call() for _ in range(3)]
    for count in (2, 1, 3):
        memory.keep(mark, count, [calls[count - 1]])
    memory.check(memory.mark, 0)
    assert forgotten(memory) == calls


def test_an_answer_that_is_behind_shows_it_too(memory: Memory) -> None:
    """An answer with a low count shows the loss; its own event is published again as well."""
    calls = kept(memory, 11, 13, 14)
    last = call()
    memory.keep(memory.mark, 12, [last])
    assert forgotten(memory) == [*calls[1:], last]


def test_answers_that_come_out_of_order(memory: Memory) -> None:
    """Two threads may get their counts in reverse order. This is not a loss."""
    mark = memory.mark
    later, earlier = call(), call()
    memory.keep(mark, 2, [later])
    memory.keep(mark, 1, [earlier])
    assert forgotten(memory) == []
    memory.check(memory.mark, 1)
    assert forgotten(memory) == [later]


def test_one_count_for_two_events_shows_it(memory: Memory) -> None:
    """Two events with the same count show that Redis has forgotten the first one."""
    mark = memory.mark
    first, second = call(), call()
    memory.keep(mark, 1, [first])
    memory.keep(mark, 1, [second])
    assert second in forgotten(memory)
    memory.check(memory.mark, 0)
    assert first in forgotten(memory) or not memory.is_empty


def test_an_answer_to_the_counter_before(memory: Memory) -> None:
    """The answer of an old counter may be from before or after the loss, so its event is published again."""
    mark = memory.mark
    kept(memory, 1, 2)
    memory.check(memory.mark, 1)
    memory.settle(1)
    late = call()
    memory.keep(mark, 3, [late])
    memory.check(mark, 0)
    assert forgotten(memory) == [late]


def test_a_late_look_at_the_counter_before(memory: Memory) -> None:
    """A late check of an old counter shows the known loss, and nothing about the new counter."""
    _, second = kept(memory, 1, 2)
    mark = memory.mark
    memory.check(mark, 1)
    memory.settle(1)
    memory.keep(memory.mark, 5, [second])
    memory.check(mark, 1)
    assert forgotten(memory) == []
    assert not memory.is_empty


def test_what_was_left_is_forgotten_with_all_that_came_after(memory: Memory) -> None:
    """A second loss may also include events that were kept at the first loss."""
    first, second = kept(memory, 1, 2)
    memory.check(memory.mark, 1)
    assert forgotten(memory) == [second]
    memory.settle(1)
    memory.keep(memory.mark, 1, [second])
    memory.check(memory.mark, 1)
    assert forgotten(memory) == []
    memory.check(memory.mark, 0)
    assert forgotten(memory) == [first, second]


def test_what_is_old_is_let_go(memory: Memory, hand: Hand) -> None:
    """Old events are dropped once Redis has shown that it still has them."""
    kept(memory, 1)
    hand.time += YOUNG / 2
    (young,) = kept(memory, 2)
    hand.time += YOUNG / 2 + 1
    memory.check(memory.mark, 2)
    memory.drop_old()
    memory.check(memory.mark, 0)
    assert forgotten(memory) == [young]


def test_an_outage_makes_nothing_old(memory: Memory, hand: Hand) -> None:
    """No event is dropped during an outage, however long, because Redis may have lost it."""
    calls = kept(memory, 1)
    hand.time += 100 * YOUNG
    memory.drop_old()
    memory.check(memory.mark, 0)
    assert forgotten(memory) == calls


def test_a_day_of_silence_is_no_alarm(memory: Memory, hand: Hand) -> None:
    """If the counter expired while no event was kept, the next event counts from the beginning."""
    kept(memory, 40, 41)
    hand.time += YOUNG + 1
    memory.check(memory.mark, 41)
    memory.drop_old()
    assert memory.is_empty
    hand.time += 86_400
    kept(memory, 1, 2)
    memory.check(memory.mark, 2)
    assert forgotten(memory) == []


def test_it_takes_so_many_bytes(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the memory is full, the oldest events are dropped."""
    size = len(call("x" * 100).data) + module._OVERHEAD
    monkeypatch.setattr(module, "MOST_BYTES", 2 * size)
    calls = [call("x" * 100) for _ in range(5)]
    for number, each in enumerate(calls, 1):
        memory.keep(memory.mark, number, [each])
    memory.check(memory.mark, 0)
    assert forgotten(memory) == calls[3:]


def test_what_cannot_be_published_again_stays(memory: Memory) -> None:
    """Events that were not published again stay before newly forgotten ones."""
    calls = kept(memory, 1, 2, 3)
    memory.check(memory.mark, 0)
    part = memory.forgotten(2)
    later = kept(memory, 1)
    memory.check(memory.mark, 0)
    memory.settle(2, part[1:])
    assert forgotten(memory) == [*calls[1:], *later]


@pytest.mark.parametrize(("young", "expected"), [(False, [2]), (True, [0, 1, 2])])
def test_what_is_left_at_the_end(memory: Memory, *, young: bool, expected: Sequence[int]) -> None:
    """``clear`` returns the forgotten events, or all, and the memory is then empty."""
    calls = kept(memory, 1, 2, 3)
    memory.check(memory.mark, 2)
    assert {id(each) for each in memory.clear(young=young)} == {id(calls[number]) for number in expected}
    assert memory.is_empty


def test_it_says_when_there_is_work(memory: Memory) -> None:
    """``on_work`` is called for the first event and for each loss, not for each event."""
    told: list[int] = []
    memory.on_work = lambda: told.append(1)
    kept(memory, 1, 2, 3)
    assert len(told) == 1
    memory.keep(memory.mark, 1, [call()])
    assert len(told) == 2


def _in_child(works: Callable[[], bool]) -> bool:
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        os._exit(0 if works() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_forked_child_counts_for_itself(memory: Memory) -> None:
    """A forked child has its own counter and no events of its parent. A shared counter would hide a loss."""
    kept(memory, 1, 2)
    parents = memory.mark
    with memory._lock:  # as if another thread of the parent were at it
        assert _in_child(lambda: memory.is_empty and memory.mark[0] != parents[0] and bool(kept(memory, 1)))
    assert memory.mark == parents
