"""Many callers, few goes: what waits is handed over together, in a thread of its own."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import NamedTuple

from events.errors import PublishError
from events.publishing.call import Call
from events.publishing.forks import renew_in_children

Group = Sequence[Call]
"""What one caller brings: taken as a whole or not at all."""

Handle = Callable[[Sequence[Group]], Sequence[PublishError | None]]
"""Takes groups, and answers for each."""


class Ticket(NamedTuple):
    """One caller's calls, and the answer that he waits for."""

    group: Group
    done: Future[None]


class Coalescer:
    """Hands groups over, all that came while the last go was under way in one.

    ``handle`` answers for each group with why it was not taken, or None. A caller who waits no longer
    cancels his future; what has not begun by then is left out.

    Where no thread can be started, because the process ends (Python 3.12) or has too many, ``hurried``
    is called in the caller's own; by default that is ``handle``.
    """

    def __init__(self, name: str, handle: Handle, hurried: Handle | None = None) -> None:
        self._name = name
        self._handle = handle
        self._hurried = hurried or handle
        self._renew()
        renew_in_children(self._renew)

    def submit(self, group: Group) -> Future[None]:
        """The future raises PublishError where the group was not taken."""
        ticket = Ticket(group, Future())
        self._waiting.put(ticket)
        if self._thread is None:
            try:
                self._start()
            except RuntimeError:
                self._hand_over(self._rest(), self._hurried)
        return ticket.done

    def close(self) -> None:
        """Let the thread end when it has handed over what waits."""
        self._waiting.put(None)

    def _renew(self) -> None:
        self._waiting: SimpleQueue[Ticket | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._starting = Lock()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                # A daemon: a name look-up that hangs must not keep the chat's process from its end.
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
        self._waiting.put(None)  # the end is for the next look
        return rest

    def _hand_over(self, waiting: Sequence[Ticket], handle: Handle) -> None:
        tickets = [ticket for ticket in waiting if ticket.done.set_running_or_notify_cancel()]
        if not tickets:
            return
        try:
            answers: Sequence[BaseException | None] = handle([ticket.group for ticket in tickets])
        except BaseException as error:  # noqa: BLE001 # it is the callers' to see
            answers = [error] * len(tickets)
        for ticket, answer in zip(tickets, answers, strict=True):
            if answer is None:
                ticket.done.set_result(None)
            else:
                ticket.done.set_exception(_for_one(answer))


def _for_one(error: BaseException) -> PublishError:
    """An exception that nobody else raises: each raise makes its traceback longer."""
    own = type(error)(str(error)) if isinstance(error, PublishError) else PublishError()
    own.__cause__ = error.__cause__ or error
    return own
