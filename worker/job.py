"""The job function. RQ imports it by the name in ``events.publishing.call.FUNCTION``."""

from typing import Any

from rq import get_current_job

from gateway.origin import check

check()  # before the other imports, so that a stock worker reports the cause at each job

from worker.bootstrap import persister  # noqa: E402
from worker.decode import decode  # noqa: E402
from worker.persister import Delivery  # noqa: E402


def persist(payload: dict[str, Any]) -> None:
    """Persist one event. A stock ``rq worker -S json botlive`` calls this function.

    Raises:
        WorkerError: the event was not persisted; the message says why and what to do.
    """
    event = decode(payload)
    job = get_current_job()
    job_id, published = (job.id, job.created_at) if job else (str(event.event_id), None)
    delivery = Delivery.of(job_id, event, published)
    for error in persister().persist([delivery]):
        if error:
            raise error
