"""The allow-list: of what a job in Redis may name, what is called.

Of RQ's private names it relies on ``Job._success_callback_name``, ``_failure_callback_name`` and
``_stopped_callback_name``.
"""

from typing import Any, ClassVar

from rq.job import Job

from events.job import FUNCTION
from worker.errors import UnknownFunction


class EventJob(Job):
    """A job that calls our function and no other: JSON alone lets it name any function there is.

    Its callbacks are functions too; those that BOTLIVE_CALLBACKS names are called. Webhooks are not:
    whoever writes to Redis would make the worker speak to any address.
    """

    callbacks: ClassVar[frozenset[str]] = frozenset()

    def perform(self) -> Any:
        """Run it.

        Raises:
            UnknownFunction: the job names another function, or a webhook; none is called.
        """
        named = (self._success_callback_name, self._failure_callback_name, self._stopped_callback_name)
        if self.func_name != FUNCTION or self.webhooks or not {*filter(None, named)} <= self.callbacks:
            raise UnknownFunction
        return super().perform()

    @property
    def success_callback(self) -> Any:
        """As RQ's, of the functions that are allowed."""
        return super().success_callback if self._success_callback_name in self.callbacks else None

    @property
    def failure_callback(self) -> Any:
        """As RQ's, of the functions that are allowed."""
        return super().failure_callback if self._failure_callback_name in self.callbacks else None

    @property
    def stopped_callback(self) -> Any:
        """As RQ's, of the functions that are allowed."""
        return super().stopped_callback if self._stopped_callback_name in self.callbacks else None

    def send_webhooks(self, *_: Any, **__: Any) -> None:
        """None is sent."""
