"""Combines the calls of many callers, and hands them over together in a background thread."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import NamedTuple

from events.errors import PublishError
from events.publishing.call import Call
from events.publishing.forks import renew_in_children

Group = Sequence[Call]
"""The calls of one caller. They are taken together, or none of them is."""

Handle = Callable[[Sequence[Group]], Sequence[PublishError | None]]
"""Takes groups, and returns for each one why it was not taken, or None."""


class Ticket(NamedTuple):
    """The calls of one caller, and the future that the caller waits for."""

    group: Group
    done: Future[None]


class Coalescer:
    """Calls ``handle`` in its thread with all groups that arrived during the previous call.

    A caller that stops waiting cancels its future. A cancelled group is left out if it was not handed over.

    If no thread can be started, because the process is ending (Python 3.12) or has too many, ``fallback`` is
    called in the caller's thread. Its default is ``handle``.
    """

    def __init__(self, name: str, handle: Handle, fallback: Handle | None = None) -> None:
        self._name = name
        self._handle = handle
        self._fallback = fallback or handle
        self._renew()
        renew_in_children(self._renew)

    def submit(self, group: Group) -> Future[None]:
        """Submit the group. The future raises PublishError if the group was not taken."""
        ticket = Ticket(group, Future())
        self._waiting.put(ticket)
        if self._thread is None:
            try:
                self._start()
            except RuntimeError:
                self._hand_over(self._rest(), self._fallback)
        return ticket.done

    def close(self) -> None:
        """Let the thread end after it has handed over everything that waits."""
        self._waiting.put(None)

    def _renew(self) -> None:
        self._waiting: SimpleQueue[Ticket | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._starting = Lock()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                # A daemon, because a name look-up that hangs must not keep the process of the chat alive.
                thread = Thread(target=self._run, name=self._name, daemon=True)
                thread.start()
                self._thread = thread

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            self._hand_over([first, *self._rest()], self._handle)

    def _rest(self) -> list[Ticket]:
        rest: list[Ticket] = []
        try:
            while (ticket := self._waiting.get_nowait()) is not None:
                rest.append(ticket)
        except Empty:
            return rest
        self._waiting.put(None)  # _run ends when it reads this
        return rest

    def _hand_over(self, waiting: Sequence[Ticket], handle: Handle) -> None:
        tickets = [ticket for ticket in waiting if ticket.done.set_running_or_notify_cancel()]
        if not tickets:
            return
        try:
            answers: Sequence[BaseException | None] = handle([ticket.group for ticket in tickets])
        except BaseException as error:  # noqa: BLE001 # the callers get it
            answers = [error] * len(tickets)
        for ticket, answer in zip(tickets, answers, strict=True):
            if answer is None:
                ticket.done.set_result(None)
            else:
                ticket.done.set_exception(_for_one(answer))


def _for_one(error: BaseException) -> PublishError:
    """Return a copy for one caller, because each raise of a shared exception makes its traceback longer."""
    copy = type(error)(str(error)) if isinstance(error, PublishError) else PublishError()
    copy.__cause__ = error.__cause__ or error
    return copy
