"""RQ classes for rq-dashboard: an unreadable entry in Redis breaks no page, and no named function is called.

rq-dashboard uses RQ's own classes for jobs, queues and workers; ``install`` replaces them by these. They use
RQ's private attributes ``Job._status``, ``Job._unreadable_meta`` and ``BaseWorker._state``.
"""

import re
from base64 import b64decode
from types import ModuleType
from typing import Any, cast

import redis
import rq.queue
import rq.registry
import rq.worker_registration
from rq import Queue, Worker
from rq.exceptions import NoSuchJobError
from rq.job import JobStatus
from rq.registry import BaseRegistry
from rq.results import Result

from worker.control import none_if_wrong_type
from worker.event_job import EventJob
from worker.event_queue import EventQueue
from worker.unpacking import is_oversized

_CALL = re.compile(r"\A([\w.]+)\(.*", re.DOTALL)
"""RQ's description of a job that was enqueued without one: the function with its arguments."""

_ENDED = {JobStatus.FAILED, JobStatus.FINISHED}


class ShownJob(EventJob):
    """A job without its unreadable parts, and without arguments in its name."""

    def restore(self, raw_data: Any) -> None:
        """Restore the job; a time that our jobs do not have is taken from where it is known."""
        super().restore(raw_data)
        self.enqueued_at = self.enqueued_at or self.created_at
        if self.description:
            self.description = _CALL.sub(r"\1(…)", self.description)
        if self.ended_at is None and self._status in _ENDED and (result := self.latest_result()):
            self.ended_at = result.created_at

    def latest_result(self, timeout: int = 0) -> Result | None:
        """Return the latest result, or None if it is missing, unreadable or too large."""
        try:
            entries = cast("list[Any]", self.connection.xrevrange(f"rq:results:{self.id}", count=1))
            packed = b64decode(entries[0][1].get(b"exc_string", b"")) if entries else b""
            result = None if is_oversized(packed) else super().latest_result(timeout)
            return result if result and isinstance(result.exc_string, str | None) else None
        except Exception:  # noqa: BLE001 # RQ raises any exception for an unreadable result
            return None

    def get_status(self, refresh: bool = True) -> Any:
        """Return the status, or the one that was read before if the present one is not valid."""
        try:
            return super().get_status(refresh)
        except Exception:  # noqa: BLE001 # as above
            return self._status

    def get_call_string(self) -> str:
        """Return the description instead of the call: its arguments are personal data."""
        return self.description or "?"

    def get_meta(self, refresh: bool = True) -> dict[Any, Any]:
        """Return the metadata as it was read, or a mark if it is unreadable."""
        return self.meta if self._unreadable_meta is None else {"unreadable": True}


class ShownQueue(EventQueue):
    """A queue of ``ShownJob``."""

    job_class = ShownJob

    @property
    def count(self) -> int:
        """The number of jobs; 0 if the key is not a list."""
        return none_if_wrong_type(lambda: super(ShownQueue, self).count) or 0

    def fetch_job(self, job_id: str) -> Any:
        """Fetch a job; None if it does not exist or its key is not a hash.

        RQ returns only jobs whose origin is this queue, and removes the ids of jobs that do not exist. The
        jobs of a shop's queue have another origin, and a page must change nothing.
        """
        try:
            return none_if_wrong_type(lambda: self.job_class.fetch(job_id, self.connection))
        except NoSuchJobError:
            return None


class ShownWorker(Worker):
    """A worker without the unreadable parts of its hash."""

    job_class = ShownJob
    queue_class: type[Queue] = ShownQueue

    @classmethod
    def all(cls, connection: Any = None, *_: Any, **__: Any) -> list[Any]:
        """Return the workers in RQ's set of workers; an entry that is no worker key is ignored."""
        keys = none_if_wrong_type(lambda: rq.worker_registration.get_keys(connection=connection)) or set()
        prefix = cls.redis_worker_namespace_prefix
        found = (cls.find_by_key(key, connection) for key in sorted(keys) if key.startswith(prefix))
        return [worker for worker in found if worker]

    def refresh(self) -> None:
        """Read the hash; the fields after an unreadable field stay unknown."""
        try:
            super().refresh()  # type: ignore[no-untyped-call] # untyped in RQ
        except Exception:  # noqa: BLE001 # RQ raises any exception for an unreadable field
            self._state = "?"

    def get_current_job(self) -> Any:
        """Return the current job, or None if it cannot be read."""
        try:
            return super().get_current_job()
        except Exception:  # noqa: BLE001 # as above
            return None


def install(web: ModuleType) -> None:
    """Make rq-dashboard (its module ``web``) use these classes, in the whole process."""
    web.Job, web.Queue, web.Worker, web.requeue_job = ShownJob, ShownQueue, ShownWorker, _requeue  # type: ignore[attr-defined] # the module has these names
    for module in (rq.queue, rq.registry, rq.worker_registration):
        module.as_text = _text  # type: ignore[attr-defined] # RQ imports the function there
    rq.registry.parse_composite_key = _parted  # type: ignore[attr-defined, assignment] # an id may have colons
    BaseRegistry.get_job_count = _counted  # type: ignore[assignment, method-assign] # for a key of any type
    EventJob.callbacks = frozenset()


def _requeue(job_id: str, connection: redis.Redis) -> Any:
    return ShownJob.fetch(job_id, connection).requeue()


def _counted(registry: BaseRegistry, cleanup: bool = False) -> int:  # a clean-up is never run
    return int(none_if_wrong_type(lambda: registry.connection.zcard(registry.key)) or 0)


def _parted(entry: str) -> tuple[str, str]:
    job_id, _, execution = entry.rpartition(":")
    return job_id or execution, execution


def _text(value: bytes | str) -> str:
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value
