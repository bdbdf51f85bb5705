"""Measures how long the jobs of a killed worker wait until another worker claims them."""

import threading
import time
from dataclasses import dataclass

from tests.chaos.site import Site

_POLL = 0.05  # seconds


@dataclass(slots=True)
class Hand:
    """The jobs that a worker held when it was killed."""

    owner: str
    killed: float
    waiting: set[str]
    """Those that nobody has taken since."""


class Reruns:
    """Watches the hands of the dead."""

    def __init__(self, site: Site) -> None:
        self.longest = 0.0
        """Seconds from a kill until the last of a hand was taken again."""
        self.held = 0
        """Jobs that killed workers held, all in all."""
        self._site = site
        self._hands: list[Hand] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def add(self, owner: str, killed: float) -> int:
        """The worker of that name was killed at that instant; how many jobs it held."""
        held = {job_id for job_id, holder in self._site.holders().items() if holder == owner}
        self.held += len(held)
        if held:
            self._hands.append(Hand(owner, killed, held))
        return len(held)

    @property
    def are_over(self) -> bool:
        """Whether nothing waits that a killed worker held."""
        return not self._hands

    def close(self) -> None:
        """Look for the last time. What still waits counts as long as it has waited by then."""
        self._stopped.set()
        self._thread.join()
        self._look()
        for hand in self._hands:
            self.longest = max(self.longest, time.monotonic() - hand.killed)

    def _watch(self) -> None:
        while not self._stopped.wait(_POLL):
            self._look()

    def _look(self) -> None:
        for hand in self._hands[:]:
            holders = self._site.holders()
            free = [job_id for job_id in hand.waiting if job_id not in holders]
            still = {job_id for job_id in hand.waiting if holders.get(job_id) == hand.owner}
            hand.waiting = still | self._site.queued(free)
            if not hand.waiting:
                self.longest = max(self.longest, time.monotonic() - hand.killed)
                self._hands.remove(hand)
