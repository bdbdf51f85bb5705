"""A batch on its way to the database."""

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
    """Whether nothing else may be in hand meanwhile: a death would be blamed on that, too."""
    deadline: float
    """By the monotonic clock: what has not been answered by then is taken for not done."""

    @property
    def job_ids(self) -> list[str]:
        """Its jobs."""
        return [delivery.job_id for delivery in self.deliveries]

    def wait_for_fault(self, timeout: float | None) -> BaseException | None:
        """Why it is not persisted, or None.

        Raises:
            TimeoutError: there is no answer within ``timeout`` seconds, which may still come.
        """
        left = max(0.0, self.deadline - time.monotonic())
        try:
            return self.answer.exception(left if timeout is None else min(left, timeout))
        except TimeoutError:
            if time.monotonic() < self.deadline:
                raise
        return TransientFault(
            "Supabase gave no whole answer in time: the events wait for it to be well again"
        )
