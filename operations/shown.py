"""What rq-dashboard shows: one odd entry in Redis breaks no list, and nothing that it names is called.

Of RQ's private names it relies on ``Job._status``, ``Job._unreadable_meta`` and ``BaseWorker._state``.

rq-dashboard makes RQ's own jobs, queues and workers; ``install`` gives it these in their place.
"""

from base64 import b64decode
from types import ModuleType
from typing import Any, cast

import redis
import rq.queue
import rq.registry
import rq.worker_registration
from rq import Queue, Worker
from rq.registry import BaseRegistry
from rq.results import Result

from worker.control import passing_over_misfits
from worker.event_job import EventJob
from worker.event_queue import EventQueue
from worker.unpacking import is_oversized


class ShownJob(EventJob):
    """A job of which what cannot be read is left out."""

    def latest_result(self, timeout: int = 0) -> Result | None:
        """As RQ's, or None: where it is none, or too large."""
        try:
            entries = cast("list[Any]", self.connection.xrevrange(f"rq:results:{self.id}", count=1))
            packed = b64decode(entries[0][1].get(b"exc_string", b"")) if entries else b""
            result = None if is_oversized(packed) else super().latest_result(timeout)
            return result if result and isinstance(result.exc_string, str | None) else None
        except Exception:  # noqa: BLE001 # RQ raises anything at what it cannot read
            return None

    def get_status(self, refresh: bool = True) -> Any:
        """As RQ's; as it was read where it is none."""
        try:
            return super().get_status(refresh)
        except Exception:  # noqa: BLE001 # the same
            return self._status

    def get_call_string(self) -> str:
        """The function, and none of its arguments: they are personal data, and may be no call at all."""
        return self.description or "?"

    def get_meta(self, refresh: bool = True) -> dict[Any, Any]:
        """As RQ's, as it was read; what cannot be read is not shown."""
        return self.meta if self._unreadable_meta is None else {"unreadable": True}


class ShownQueue(EventQueue):
    """A queue of them."""

    job_class = ShownJob

    @property
    def count(self) -> int:
        """As RQ's, or 0 where that is no queue."""
        return passing_over_misfits(lambda: super(ShownQueue, self).count) or 0

    def fetch_job(self, job_id: str) -> Any:
        """As RQ's, or None where that is no job."""
        return passing_over_misfits(lambda: super(ShownQueue, self).fetch_job(job_id))


class ShownWorker(Worker):
    """A worker, as far as its hash can be read."""

    job_class = ShownJob
    queue_class: type[Queue] = ShownQueue

    @classmethod
    def all(cls, connection: Any = None, *_: Any, **__: Any) -> list[Any]:
        """Those that RQ's set of workers names; what is no name of a worker is passed over."""
        keys = passing_over_misfits(lambda: rq.worker_registration.get_keys(connection=connection)) or set()
        prefix = cls.redis_worker_namespace_prefix
        found = (cls.find_by_key(key, connection) for key in sorted(keys) if key.startswith(prefix))
        return [worker for worker in found if worker]

    def refresh(self) -> None:
        """As RQ's; what comes before what cannot be read is shown."""
        try:
            super().refresh()  # type: ignore[no-untyped-call] # RQ's
        except Exception:  # noqa: BLE001 # RQ raises anything at what it cannot read
            self._state = "?"

    def get_current_job(self) -> Any:
        """As RQ's, or None."""
        try:
            return super().get_current_job()
        except Exception:  # noqa: BLE001 # the same
            return None


def install(web: ModuleType) -> None:
    """Let rq-dashboard (its module ``web``) read by these alone, in this process."""
    web.Job, web.Queue, web.Worker, web.requeue_job = ShownJob, ShownQueue, ShownWorker, _requeue  # type: ignore[attr-defined] # these names it has
    for module in (rq.queue, rq.registry, rq.worker_registration):
        module.as_text = _text  # type: ignore[attr-defined] # RQ imports it there
    rq.registry.parse_composite_key = _parted  # type: ignore[attr-defined, assignment] # an id may have colons
    BaseRegistry.get_job_count = _counted  # type: ignore[assignment, method-assign] # of a key of any type
    EventJob.callbacks = frozenset()


def _requeue(job_id: str, connection: redis.Redis) -> Any:
    return ShownJob.fetch(job_id, connection).requeue()


def _counted(registry: BaseRegistry, cleanup: bool = False) -> int:  # none is run
    return int(passing_over_misfits(lambda: registry.connection.zcard(registry.key)) or 0)


def _parted(entry: str) -> tuple[str, str]:
    job_id, _, execution = entry.rpartition(":")
    return job_id or execution, execution


def _text(value: bytes | str) -> str:
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value
