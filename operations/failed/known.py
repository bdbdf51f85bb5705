"""Remembers the failed jobs of a queue for a program that looks at them again and again."""

import threading
from typing import NamedTuple

import redis

from operations.failed.job import FailedJob
from operations.failed.registry import FailedRegistry


class _Known(NamedTuple):
    version: bytes
    failure: FailedJob


class KnownFailures:
    """Reads a failed job again only if it has changed since the last look."""

    def __init__(self, connection: redis.Redis, queue: str) -> None:
        self._registry = FailedRegistry(connection, queue)
        self._known: dict[str, _Known] = {}
        self._one_look = threading.Lock()

    def all(self) -> list[FailedJob]:
        """Return all failed jobs as they are now, in no particular order."""
        with self._one_look:
            # The version comes first: a job that changes before it is read is read again at the next look.
            versions = self._registry.versions(self._registry.ids())
            known = {
                job_id: found
                for job_id, version in versions.items()
                if (found := self._known.get(job_id)) and found.version == version
            }
            for detail in self._registry.find([job_id for job_id in versions if job_id not in known]):
                job_id = detail.failure.job_id
                known[job_id] = _Known(versions[job_id], detail.failure)
            self._known = known
            return [found.failure for found in known.values()]
