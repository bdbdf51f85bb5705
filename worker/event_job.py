"""The allow-list: of what a job in Redis may name, what is called; and what of it is read.

Of RQ's private names it relies on ``Job._id``, ``_success_callback_name``, ``_failure_callback_name`` and
``_stopped_callback_name``.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar

from rq.job import Job
from rq.serializers import JSONSerializer

from events.publishing.call import FUNCTION
from gateway.errors import EventRefused, OversizedJob, UndecodableJob, UnknownFunction
from worker.unpacking import is_oversized

_PACKED = (b"data", b"exc_info")  # the fields that RQ compresses


class EventJob(Job):
    """A job that calls our function and no other: JSON alone lets it name any function there is.

    Its callbacks are functions too; those that BOTLIVE_CALLBACKS names are called. Webhooks are not:
    whoever writes to Redis would make the worker speak to any address. Whatever serializer RQ's command
    is started with, it is read as JSON: to read pickle is to call what it names.
    """

    callbacks: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, id: str | None = None, connection: Any = None, serializer: Any = None) -> None:  # noqa: A002 # as RQ names them
        super().__init__(connection=connection, serializer=JSONSerializer)
        self._id = id  # RQ's check of it would end a list in which one such job stands
        self.refusal: EventRefused | None = None
        """Why it cannot be run, whatever it calls."""
        self.is_damaged = False
        """Whether its hash holds what RQ cannot read; that is left out."""
        self._oversized: bytes | None = None

    @classmethod
    def fetch(cls, id: str, connection: Any = None, serializer: Any = None) -> "EventJob":  # noqa: A002 # the same
        """As RQ's, by the whole id: RQ takes what stands before a colon."""
        job = cls(id, connection=connection)
        job.refresh()  # type: ignore[no-untyped-call] # RQ's
        return job

    def restore(self, raw_data: Any) -> None:
        """As RQ's; one field that it cannot read costs that field and not the whole job."""
        fields = {name: value for name, value in raw_data.items() if name.isascii()}
        data = fields.setdefault(b"data", b"")
        if is_oversized(data):
            self._oversized, self.refusal = data, OversizedJob()
        try:
            super().restore(fields)
        except Exception:  # noqa: BLE001 # RQ raises anything, an AssertionError too, at what it cannot read
            self.is_damaged = True
            super().restore({name: value for name, value in fields.items() if self._reads(name, value)})
        self.is_damaged |= b"data" not in raw_data

    def to_dict(self, include_meta: bool = True, include_result: bool = True) -> dict[str, Any]:
        """As RQ's; what was too large to be read is written back as it was found."""
        fields = super().to_dict(include_meta, include_result)
        return fields if self._oversized is None else {**fields, "data": self._oversized}

    def perform(self) -> Any:
        """Run it.

        Raises:
            OversizedJob: it is larger than any event.
            UndecodableJob: its data is no call.
            UnknownFunction: the job names another function, or a webhook; none is called.
        """
        if self.refusal:
            raise self.refusal
        try:
            is_ours = self.func_name == FUNCTION and self.instance is None
        except Exception:  # noqa: BLE001 # RQ raises its own error for anything that the JSON is
            raise UndecodableJob from None
        named = (self._success_callback_name, self._failure_callback_name, self._stopped_callback_name)
        if not is_ours or self.webhooks or not {*filter(None, named)} <= self.callbacks:
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

    def _reads(self, name: bytes, value: bytes) -> bool:
        try:
            Job(connection=self.connection, serializer=JSONSerializer).restore({b"data": b"", name: value})
        except Exception:  # noqa: BLE001 # the same
            return False
        return True


def _bounded(restore: Callable[[Job, Any], Any]) -> Callable[[Job, Any], Any]:
    @wraps(restore)
    def restore_bounded(job: Job, raw_data: Any) -> Any:
        too_large = {name for name in _PACKED if is_oversized(raw_data.get(name) or b"")}
        return restore(job, {**raw_data, **dict.fromkeys(too_large, b"")} if too_large else raw_data)

    return restore_bounded


# RQ makes plain jobs itself, for what it schedules and for what depends on a job that it cleans up.
Job.restore = _bounded(Job.restore)  # type: ignore[assignment, method-assign]
