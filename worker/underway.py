"""A batch in flight: sent to the database, and not yet concluded."""

import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple

from gateway.errors import EventRefused, TransientFault, WaitsApart
from worker.persister import Delivery


class UnderWay(NamedTuple):
    """A batch that was sent."""

    deliveries: Sequence[Delivery]
    answer: Future[list[EventRefused | WaitsApart | None]]
    is_suspect: bool
    """Whether the worker may hold no other job: if the worker died, that job would be a suspect too."""
    deadline: float
    """On the monotonic clock. Without an answer by then, the batch counts as not persisted."""

    @property
    def job_ids(self) -> list[str]:
        """The ids of its jobs, in order."""
        return [delivery.job_id for delivery in self.deliveries]

    def wait_for_fault(self, timeout: float | None) -> BaseException | None:
        """Wait for the answer. Return why the batch is not persisted, or None.

        Raises:
            TimeoutError: there was no answer within ``timeout`` seconds; it may still come.
        """
        left = max(0.0, self.deadline - time.monotonic())
        try:
            return self.answer.exception(left if timeout is None else min(left, timeout))
        except TimeoutError:
            if time.monotonic() < self.deadline:
                raise
        return TransientFault("Supabase gave no complete answer in time: the events wait until it does")
