"""The job function, as RQ finds it by name. ``events.job.FUNCTION`` names it."""

import json
from typing import Any

from rq import get_current_job

from worker.origin import check

check()  # before the rest: a stock worker then says the cause at each job

from events import AnyEvent, InvalidEvent, parse_event  # noqa: E402
from worker.bootstrap import persister  # noqa: E402
from worker.errors import EventRefused, NewerEvent, UndecodableJob  # noqa: E402
from worker.persister import Delivery  # noqa: E402

_IDENTITY = {"event_id", "occurred_at"}


def persist(payload: dict[str, Any]) -> None:
    """Persist one event. A stock ``rq worker -S json botlive`` runs it just as ours does.

    Raises:
        WorkerError: the event is not in the tables; the message says why and what to do.
    """
    event = decode(payload)
    job = get_current_job()
    delivery = Delivery.of(job.id if job else str(event.event_id), event)
    for error in persister().persist([delivery]):
        if error:
            raise error


def decode(payload: Any) -> AnyEvent:
    """The event of a job's argument.

    Raises:
        UndecodableJob: it is none, or one without an identity, which would be new at every run.
        NewerEvent: its version, its type or one of its fields is not known to this release.
        EventRefused: it does not fit its contract.
    """
    if not isinstance(payload, dict):
        raise UndecodableJob
    try:
        text = json.dumps(payload)
    except (TypeError, ValueError, RecursionError):  # nested deeper than it can be written
        raise UndecodableJob from None
    return decode_text(text)


def decode_text(text: str | bytes) -> AnyEvent:
    """As ``decode``, from JSON."""
    try:
        event = parse_event(text)
    except InvalidEvent as error:
        refusal = _refusal(error)
    else:
        if event.model_fields_set >= _IDENTITY:
            return event
        raise UndecodableJob
    raise refusal  # without the error behind it


def _refusal(error: InvalidEvent) -> EventRefused:
    if error.is_newer:
        is_known = error.field in {"type", "version"}
        return NewerEvent(str(error), unknown_field=None if is_known else error.field)
    return EventRefused(
        f"the event does not fit its contract: {error}; "
        "correct it with `botlive failures edit --set FIELD=VALUE -- ID`, or discard it",
        cause="InvalidEvent of events.parse_event, before any call of Supabase",
    )
