"""rq-dashboard's routes: which are open, and which are not. A new one is closed until it stands here."""

from operations.board.upstream import PACKAGE


def _of(*names: str) -> frozenset[str]:
    return frozenset(f"{PACKAGE}.{name}" for name in names)


PAGES = _of("queues_overview", "workers_overview", "jobs_overview", "job_view")
"""What a person opens."""

READS = PAGES | {"static"} | _of("static", "favicon", "list_queues", "list_jobs", "list_workers", "job_info")
"""What changes nothing."""

REQUEUE, REQUEUE_ALL = f"{PACKAGE}.requeue_job_view", f"{PACKAGE}.requeue_all"

CHANGES = frozenset({REQUEUE, REQUEUE_ALL})
"""What changes something, and is done by ``operations.failed.registry``."""

_DISCARD = (
    "The dashboard throws nothing away: `botlive failures discard ID --why TEXT` does, and keeps the reason. "
)
OFF = {
    **dict.fromkeys(_of("delete_job_view", "empty_queue"), _DISCARD + "What waits is never thrown away."),
    **dict.fromkeys(
        _of("compact_queue"),
        "The dashboard does not compact: RQ would lose the queue where that is interrupted, and the worker "
        "passes over what has no job.",
    ),
}
"""What is closed, and what to do instead."""

UNKNOWN = "This page is not open: Botlive Events does not know whether it changes something."
