"""Compares what Redis knows of a worker with what it knew: if it knows less, it forgot its last writes."""

from typing import Any

import structlog

from worker.guard import GuardedWorker, best_effort
from worker.ledger import Ledger

_REASON = (
    "its last writes are lost (failover, power loss, or a restart without its file): jobs that this worker "
    "acknowledged may run again, as duplicates; jobs that it set aside may be missing from the failed "
    "registry until they run again"
)


class Standing:
    """The registration of one worker with RQ, and the number of jobs that it has acknowledged."""

    def __init__(self, worker: GuardedWorker, ledger: Ledger) -> None:
        self._worker = worker
        self._ledger = ledger
        self._log = structlog.stdlib.get_logger("botlive")

    def check(self) -> None:
        """Register the worker again if Redis no longer knows it; log that Redis has forgotten writes."""
        with best_effort():
            is_known, acknowledged = self._found()
            was_known = self._worker.is_registered  # a full Redis may have refused it
            if not is_known:
                self._worker.register_again()
            if (was_known and not is_known) or acknowledged < self._ledger.acknowledged:
                self._ledger.acknowledged = acknowledged
                self._log.warning("Redis forgot", reason=_REASON)

    def _found(self) -> tuple[bool, int]:
        key = self._worker.key
        with self._worker.connection.pipeline(transaction=False) as pipeline:
            pipeline.sismember(self._worker.redis_workers_keys, key)
            pipeline.hmget(key, "pid", "successful_job_count")
            member, (pid, count) = pipeline.execute()
        return bool(member and pid), _number(count)


def _number(text: Any) -> int:
    return int(text) if text and text.isdigit() else 0
