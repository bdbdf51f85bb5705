"""The allow-list of the dashboard's routes. A route that is not listed is closed."""

from operations.board.upstream import PACKAGE


def _of(*names: str) -> frozenset[str]:
    return frozenset(f"{PACKAGE}.{name}" for name in names)


BLUEPRINT = "botlive"
"""Our own blueprint; the names of its routes begin with it."""

WORKERS, JOBS, JOB = (f"{PACKAGE}.{name}" for name in ("workers_overview", "jobs_overview", "job_view"))

PAGES = _of("queues_overview") | {WORKERS, JOBS, JOB, f"{BLUEPRINT}.failed"}
"""The pages that a person opens."""

READS = (
    PAGES
    | {"static", f"{BLUEPRINT}.static"}
    | _of("static", "favicon", "list_queues", "list_jobs", "list_workers", "job_info")
)
"""The routes that change nothing."""

REQUEUE, REQUEUE_ALL = f"{PACKAGE}.requeue_job_view", f"{PACKAGE}.requeue_all"

CHANGES = frozenset({REQUEUE, REQUEUE_ALL, f"{BLUEPRINT}.requeue_reason"})
"""The routes that change something; ``operations.failed.registry`` does their work."""

_DISCARD = (
    "The dashboard deletes nothing: use `botlive failures discard ID --why TEXT`, which keeps the reason. "
)
OFF = {
    **dict.fromkeys(_of("delete_job_view", "empty_queue"), _DISCARD + "Waiting events are never deleted."),
    **dict.fromkeys(
        _of("compact_queue"),
        "The dashboard does not compact a queue: RQ would lose the queue if it were interrupted. It is not "
        "needed, because workers ignore ids without a job.",
    ),
}
"""Closed routes, and what to do instead."""

UNKNOWN = "This page is closed: Botlive Events does not know whether it changes something."
