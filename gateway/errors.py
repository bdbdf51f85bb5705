"""Exceptions of the worker, the commands and the dashboard.

The first line of an exception's docstring is its default message. Messages appear in logs and in RQ's failed
registry, for support people: one line that says what to do and never contains a value of an event.

WorkerError
├── TransientFault
├── DeploymentFault
├── WaitsApart
├── UnclassifiedFault
│   └── OwnFault
├── WorkerEnded
├── EventRefused            in the failed registry, with the event
│   ├── UnknownCompany
│   ├── UnknownFunction
│   ├── UndecodableJob
│   ├── NewerEvent
│   ├── OversizedJob
│   ├── HandlerFailed
│   ├── PoisonousEvent
│   └── OutageOfOne
├── CommandRefused
├── SettingError
│   ├── MissingSetting
│   ├── InvalidSetting
│   └── RedisUnusable
└── (``operations.errors``: those of the commands alone)
"""

import traceback
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from events.errors import BotliveError
from gateway.hints import word
from gateway.letters import printable
from gateway.masking import mask_text
from gateway.release import release


class WorkerError(BotliveError):
    """The worker or a command failed."""


class TransientFault(WorkerError):
    """Supabase or the network is away: the events wait and go through when it is back.

    ``retry_after`` is the pause in seconds that the server asked for, or None.
    """

    def __init__(self, message: str | None = None, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DeploymentFault(WorkerError):
    """The database accepts no event as it is deployed: the events wait, run `botlive migrate`."""


class WaitsApart(WorkerError):
    """The shop's tables accept no event of this type: it waits apart until they do.

    ``plain`` is the argument for ``botlive_admits``, without content of the event.
    """

    def __init__(
        self, message: str | None = None, *, plain: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        super().__init__(message)
        self.plain = plain


class UnclassifiedFault(WorkerError):
    """Supabase gave an unknown answer: the events wait until the worker has found the cause."""


class OwnFault(UnclassifiedFault):
    """The worker has a bug: the events wait. Report it with the log line `own fault`."""

    def __init__(self, error: BaseException | None = None) -> None:
        name = type(error).__name__ if error else "an exception"
        super().__init__(
            f"the worker failed ({name}) because of a bug in Botlive Events: the events wait; "
            "report it with the stack trace in the log line `own fault`"
        )


class WorkerEnded(WorkerError):
    """An exception ended the worker: the events wait. Report it with the last log lines and restart it."""


class EventRefused(WorkerError):
    """The database refuses this event and would refuse it again: edit or discard it.

    ``cause`` is for developers: codes and names, never a value.
    """

    cause = "botlive_persist refused the content of the event"

    def __init__(self, message: str | None = None, *, cause: str | None = None) -> None:
        super().__init__(message)
        self.cause = cause or self.cause

    @property
    def report(self) -> str:
        """The text in RQ's failed registry: the reason on the first line, the cause below it."""
        return f"{type(self).__name__}: {self}\ncause: {self.cause}"


def _place(error: BaseException | None) -> str:
    """Return where the error was raised: file, line and function, never a value."""
    for frame in traceback.extract_tb(error.__traceback__ if error else None)[-1:]:
        return f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno} in {frame.name}"
    return "an unknown place"


class UnknownCompany(EventRefused):
    """The shop has no row in company_mapping."""

    cause = "botlive_persist found no row of public.company_mapping with this company_id"

    def __init__(self, company_id: str) -> None:
        shown = printable(company_id)
        is_private = mask_text(shown) != shown
        shop = "TEXT_ID" if is_private else word(company_id)
        hint = (
            "the id looks like a phone number or a key: correct it with `botlive failures edit ID "
            "--set company_id=TEXT_ID`; if it is correct, "
        )
        super().__init__(
            f"company {mask_text(word(company_id))} is in no row of company_mapping: "
            f"{hint if is_private else ''}run `botlive company link -- {shop} UUID` "
            f"with its UUID in companies, or `botlive company add -- {shop}`, then "
            "`botlive failures replay --reason UnknownCompany`"
        )


class UnknownFunction(EventRefused):
    """The job calls a function that this worker does not run: Botlive did not create it, discard it."""

    cause = "the job's data, callbacks or webhooks name a function other than worker.job.persist"


class UndecodableJob(EventRefused):
    """The job's data is not a call with one event: Botlive did not create it, discard it."""

    cause = "the job's data is not the JSON of a call with one event, which has an id and a time"


class NewerEvent(EventRefused):
    """A newer release created the event: upgrade the worker, then replay the event."""

    cause = "InvalidEvent of events.parse_event: a version, a type or a field that this release does not know"

    def __init__(self, problem: str, unknown_field: str | None = None) -> None:
        upgrade = "upgrade the worker, then run `botlive failures replay --reason NewerEvent`"
        if unknown_field is None:
            super().__init__(
                f"a newer release than this worker ({release()}) created the event, "
                f"and the worker does not know it ({problem}): {upgrade}"
            )
        else:
            super().__init__(
                f"this worker ({release()}) does not know a field of the event ({problem}): "
                f"if a newer release created the event, {upgrade}; otherwise remove the field with "
                f"`botlive failures edit ID --unset {unknown_field}`"
            )


class OversizedJob(EventRefused):
    """The job's data is larger than any event: Botlive did not create it, discard it."""

    cause = "the job's data has more bytes than the largest event; the rest was not unpacked"


class HandlerFailed(EventRefused):
    """The code for this event has a bug: report it, and replay the event after the fix."""

    def __init__(self, error: BaseException | None = None) -> None:
        name = type(error).__name__ if error else "an exception"
        super().__init__(
            f"the code that reads or handles this event failed ({name}) because of a bug in Botlive Events: "
            "report it, and run `botlive failures replay --reason HandlerFailed` after the fix",
            cause=f"{name} at {_place(error)}",
        )


class PoisonousEvent(EventRefused):
    """The worker died three times while it processed only this event: report it before you replay it."""

    cause = "the number of worker deaths in the job's hash, which a replay keeps"


class OutageOfOne(EventRefused):
    """It fails alone, several times, while other events go through: report the cause, then replay it."""


class CommandRefused(WorkerError):
    """The database refused the command."""


class SettingError(WorkerError):
    """A setting in the environment is missing or cannot be used."""


class MissingSetting(SettingError):
    """A required setting is not in the environment."""

    def __init__(self, *names: str) -> None:
        super().__init__(f"not set in the environment: {', '.join(names)}")


class InvalidSetting(SettingError):
    """A setting has a value that cannot be used. The message never contains the value."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")


class RedisUnusable(SettingError):
    """The server at REDIS_URL refuses the login, or is not a Redis that can be used."""
