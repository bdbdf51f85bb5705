"""What Redis knows of a worker: a Redis that knows less than before has forgotten its last writes."""

from typing import Any

import structlog

from worker.guard import GuardedWorker, unbooked
from worker.ledger import Ledger

_REASON = (
    "its last writes are lost (failover, power loss, or a restart without its file): jobs that this worker "
    "acknowledged may run again, as duplicates; jobs that it set aside may be missing from the failed "
    "registry until they run again"
)


class Standing:
    """Of one worker: its registration with RQ, and how many jobs it has acknowledged."""

    def __init__(self, worker: GuardedWorker, ledger: Ledger) -> None:
        self._worker = worker
        self._ledger = ledger
        self._log = structlog.stdlib.get_logger("botlive")

    def tell(self) -> None:
        """Register again where Redis does not know the worker any more, and say what it has forgotten."""
        with unbooked():
            is_known, acknowledged = self._found()
            if not is_known:
                self._worker.register_again()
            if not is_known or acknowledged < self._ledger.acknowledged:
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
