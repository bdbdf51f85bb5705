"""What can go wrong on the worker's side. An exception's docstring is its message.

Messages are for support people and end up in RQ's failed registry and in logs: one line, what to
do, and never a value of an event.
"""

import traceback
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from events.errors import BotliveError
from gateway.hints import word
from gateway.letters import plain
from gateway.masking import mask_text
from gateway.release import release


class WorkerError(BotliveError):
    """The worker could not do its part."""


class TransientFault(WorkerError):
    """Supabase or the network is away: the events wait, and go through when it is back.

    ``retry_after`` holds the seconds that the server asked for, where it did.
    """

    def __init__(self, message: str | None = None, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DeploymentFault(WorkerError):
    """The installation admits no event, the events are fine: run `botlive migrate`."""


class WaitsApart(WorkerError):
    """The shop's tables take no event of this type: it waits apart until they do.

    ``plain`` is what ``botlive_admits`` is asked with.
    """

    def __init__(
        self, message: str | None = None, *, plain: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        super().__init__(message)
        self.plain = plain


class UnclassifiedFault(WorkerError):
    """Supabase gave an answer that is not foreseen: the events wait until it is known whose fault it is."""


class OwnFault(UnclassifiedFault):
    """The worker has a bug: the events wait, report it with the log's line `own fault`."""

    def __init__(self, error: BaseException | None = None) -> None:
        name = type(error).__name__ if error else "an exception"
        super().__init__(
            f"the worker itself failed ({name}), which is a bug of Botlive Events: the events wait; "
            "report it with the stack that the log's line `own fault` shows"
        )


class WorkerEnded(WorkerError):
    """The worker ended by an exception: the events wait; report it with the log's last lines, restart it."""


class EventRefused(WorkerError):
    """The database refuses this event, and will refuse it again.

    ``cause`` is for technical people: codes and names, never a value.
    """

    cause = "botlive_persist refused it for its own content"

    def __init__(self, message: str | None = None, *, cause: str | None = None) -> None:
        super().__init__(message)
        self.cause = cause or self.cause

    @property
    def report(self) -> str:
        """What stands in RQ's failed registry: the reason on the first line, the cause below."""
        return f"{type(self).__name__}: {self}\ncause: {self.cause}"


def _place(error: BaseException | None) -> str:
    """Where it was raised: file, line and function, never a value."""
    for frame in traceback.extract_tb(error.__traceback__ if error else None)[-1:]:
        return f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno} in {frame.name}"
    return "a place that is not known"


class UnknownCompany(EventRefused):
    """The shop has no row in company_mapping."""

    cause = "botlive_persist found no row of public.company_mapping with this company_id"

    def __init__(self, company_id: str) -> None:
        shown = plain(company_id)
        is_private = mask_text(shown) != shown
        shop = "TEXT_ID" if is_private else word(company_id)
        hint = (
            "the id looks like a phone number or a key: correct it with `botlive failures edit ID "
            "--set company_id=TEXT_ID`; if it is right, "
        )
        super().__init__(
            f"company {mask_text(word(company_id))} is in no row of company_mapping: "
            f"{hint if is_private else ''}run `botlive company link -- {shop} UUID` "
            f"with its UUID in companies, or `botlive company add -- {shop}`, then "
            "`botlive failures replay --reason UnknownCompany`"
        )


class UnknownFunction(EventRefused):
    """The job calls a function that this worker does not run: Botlive did not make it, discard it."""

    cause = "the job's data, callbacks or webhooks name another function than worker.job.persist"


class UndecodableJob(EventRefused):
    """The job's data is no call with one event: Botlive did not make it, discard it."""

    cause = "the job's data is not the JSON of a call with one event that has an id and a time"


class NewerEvent(EventRefused):
    """A newer release made the event: upgrade the worker, then replay it."""

    cause = "InvalidEvent of events.parse_event: a version, a type or a field that this release does not know"

    def __init__(self, problem: str, unknown_field: str | None = None) -> None:
        upgrade = "upgrade the worker, then run `botlive failures replay --reason NewerEvent`"
        if unknown_field is None:
            super().__init__(
                f"the event was made by a newer release than this worker ({release()}), "
                f"which does not know it ({problem}): {upgrade}"
            )
        else:
            super().__init__(
                f"this worker ({release()}) does not know a field of the event ({problem}): "
                f"if a newer release made the event, {upgrade}; if none did, take the field out with "
                f"`botlive failures edit ID --unset {unknown_field}`"
            )


class OversizedJob(EventRefused):
    """The job's data is larger than any event: Botlive did not make it, discard it."""

    cause = "the job's data has more bytes than the largest event, and was not unpacked beyond that"


class HandlerFailed(EventRefused):
    """Our code failed at this event: report it, and replay the event after the mend."""

    def __init__(self, error: BaseException | None = None) -> None:
        name = type(error).__name__ if error else "an exception"
        super().__init__(
            f"the code that reads or handles this event failed at it ({name}), a bug of Botlive Events: "
            "report it, and run `botlive failures replay --reason HandlerFailed` after the mend",
            cause=f"{name} at {_place(error)}",
        )


class PoisonousEvent(EventRefused):
    """The worker died three times with this event alone in hand: report it before you replay it."""

    cause = "the count of deaths in the job's hash, which a replay keeps"


class OutageOfOne(EventRefused):
    """It fails alone, again and again, while all else goes well: report the cause, then replay it."""


class EditRefused(WorkerError):
    """The event is not edited."""


class CommandRefused(WorkerError):
    """The database does not do what the command asks."""


class MigrationFailed(WorkerError):
    """The database could not be brought to this version."""

    sqlstate: str | None = None


class SettingError(WorkerError):
    """The environment does not say what is needed."""


class MissingSetting(SettingError):
    """A setting without a default is not in the environment."""

    def __init__(self, *names: str) -> None:
        super().__init__(f"not set in the environment: {', '.join(names)}")


class InvalidSetting(SettingError):
    """A setting has a value that cannot be used. The message never repeats it."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")


class RedisUnusable(SettingError):
    """What stands at REDIS_URL does not let us in, or is no Redis that can be used."""


class CannotListen(WorkerError):
    """The address or the port cannot be listened on."""

    def __init__(self, bind: str, port: int, why: str) -> None:
        super().__init__(
            f"cannot listen on {bind}, port {port} ({why}): end what listens there, or name another "
            "--bind or --port"
        )


class DevelopmentOnly(WorkerError):
    """`botlive stack` is for development and is not installed: run `make setup` and it in the repository."""


class MissingExtra(WorkerError):
    """This part of Botlive Events needs an extra that is not installed."""

    def __init__(self, command: str = "botlive", extra: str = "worker") -> None:
        super().__init__(
            f"{command} needs the extra [{extra}] of botlive-events: run `pip install '.[{extra}]'` "
            "in its repository, as the README says"
        )
