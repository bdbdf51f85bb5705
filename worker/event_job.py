"""The allow-list: limits which functions a job from Redis may call, and how much of a job is read.

It uses the private attributes ``_id``, ``_success_callback_name``, ``_failure_callback_name`` and
``_stopped_callback_name`` of ``rq.job.Job``.
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


MOST_RETRIES = 1_000
"""Retries of a job that RQ runs itself, whatever its hash says: RQ repeats them without a pause."""


class EventJob(Job):
    """A job that can call only our function; with JSON alone, a job could name any importable function.

    Callbacks are functions too: only those in BOTLIVE_CALLBACKS are called. Webhooks are never sent:
    otherwise anybody who can write to Redis could make the worker call any address. The data is always read
    as JSON, whatever serializer RQ's command was started with: unpickling can call any function.
    """

    callbacks: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, id: str | None = None, connection: Any = None, serializer: Any = None) -> None:  # noqa: A002 # as RQ names them
        super().__init__(connection=connection, serializer=JSONSerializer)
        self._id = id  # not checked: RQ's check raises, so one invalid id would break a whole list
        self.refusal: EventRefused | None = None
        """Why the job cannot be run, independent of its function."""
        self.is_damaged = False
        """Whether the job's hash has fields that RQ cannot read; they are left out."""
        self._oversized: bytes | None = None

    @classmethod
    def fetch(cls, id: str, connection: Any = None, serializer: Any = None) -> "EventJob":  # noqa: A002 # the same
        """Fetch a job by its whole id; RQ would cut the id at a colon."""
        job = cls(id, connection=connection)
        job.refresh()  # type: ignore[no-untyped-call] # untyped in RQ
        return job

    def restore(self, raw_data: Any) -> None:
        """Restore the job as RQ does, without the fields that RQ cannot read."""
        fields = {name: value for name, value in raw_data.items() if name.isascii()}
        data = fields.setdefault(b"data", b"")
        if is_oversized(data):
            self._oversized, self.refusal = data, OversizedJob()
        try:
            super().restore(fields)
        except Exception:  # noqa: BLE001 # RQ raises any exception here, even an AssertionError
            self.is_damaged = True
            super().restore({name: value for name, value in fields.items() if self._reads(name, value)})
        self.is_damaged |= b"data" not in raw_data
        if self.retries_left is not None:
            self.retries_left = min(self.retries_left, MOST_RETRIES)

    def to_dict(self, include_meta: bool = True, include_result: bool = True) -> dict[str, Any]:
        """Return the fields as RQ does; data that was too large to be read is written back unchanged."""
        fields = super().to_dict(include_meta, include_result)
        return fields if self._oversized is None else {**fields, "data": self._oversized}

    def perform(self) -> Any:
        """Run the job. If it is refused, RQ does not retry it.

        Raises:
            OversizedJob: the job is larger than any event.
            UndecodableJob: its data is not a call.
            UnknownFunction: the job names another function, or a webhook; nothing is called.
        """
        try:
            self._check()
            return super().perform()
        except EventRefused:
            self.retries_left = 0  # a retry would be refused again
            raise

    def _check(self) -> None:
        if self.refusal:
            raise self.refusal
        try:
            is_ours = self.func_name == FUNCTION and self.instance is None
        except Exception:  # noqa: BLE001 # RQ raises several exceptions, depending on the JSON
            raise UndecodableJob from None
        named = (self._success_callback_name, self._failure_callback_name, self._stopped_callback_name)
        if not is_ours or self.webhooks or not {*filter(None, named)} <= self.callbacks:
            raise UnknownFunction

    @property
    def success_callback(self) -> Any:
        """The callback for a success, if it is allowed."""
        return super().success_callback if self._success_callback_name in self.callbacks else None

    @property
    def failure_callback(self) -> Any:
        """The callback for a failure, if it is allowed."""
        return super().failure_callback if self._failure_callback_name in self.callbacks else None

    @property
    def stopped_callback(self) -> Any:
        """The callback for a stopped job, if it is allowed."""
        return super().stopped_callback if self._stopped_callback_name in self.callbacks else None

    def send_webhooks(self, *_: Any, **__: Any) -> None:
        """Send nothing."""

    def _reads(self, name: bytes, value: bytes) -> bool:
        try:
            Job(connection=self.connection, serializer=JSONSerializer).restore({b"data": b"", name: value})
        except Exception:  # noqa: BLE001 # as in ``restore``
            return False
        return True


def _bounded(restore: Callable[[Job, Any], Any]) -> Callable[[Job, Any], Any]:
    @wraps(restore)
    def restore_bounded(job: Job, raw_data: Any) -> Any:
        too_large = {name for name in _PACKED if is_oversized(raw_data.get(name) or b"")}
        return restore(job, {**raw_data, **dict.fromkeys(too_large, b"")} if too_large else raw_data)

    return restore_bounded


# RQ creates plain ``Job`` objects too, for scheduled jobs and for dependents of jobs that it cleans up.
Job.restore = _bounded(Job.restore)  # type: ignore[assignment, method-assign]
