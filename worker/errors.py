"""What can go wrong on the worker's side. An exception's docstring is its message.

Messages are for support people and end up in RQ's failed registry and in logs: one line, what to
do, and never a value of an event.
"""

import shlex

from events.errors import BotliveError


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
    """The installation admits no event, the events are fine: run `botlive doctor`."""


class UnclassifiedFault(WorkerError):
    """Supabase gave an answer that is not foreseen: the events wait until it is known whose fault it is."""


class EventRefused(WorkerError):
    """The database refuses this event, and will refuse it again."""


class UnknownCompany(EventRefused):
    """The shop has no row in company_mapping."""

    def __init__(self, company_id: str) -> None:
        shop = shlex.quote("".join(letter if letter.isprintable() else "?" for letter in company_id))
        super().__init__(
            f"company {shop} is in no row of company_mapping: run `botlive company link {shop} UUID` "
            f"with its UUID in companies, or `botlive company add {shop}`, then replay the event"
        )
        self.company_id = company_id


class UnknownFunction(EventRefused):
    """The job calls a function that this worker does not run: Botlive did not make it, discard it."""


class UndecodableJob(EventRefused):
    """The job's data is no call with one event: Botlive did not make it, discard it."""


class PoisonousEvent(EventRefused):
    """The worker died three times with this event alone in hand: report it before you replay it."""


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
        self.names = names


class InvalidSetting(SettingError):
    """A setting has a value that cannot be used. The message never repeats it."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name


class MissingExtra(WorkerError):
    """This part of Botlive Events needs an extra: pip install 'botlive-events[worker]'"""

    def __init__(self, command: str = "botlive", extra: str = "worker") -> None:
        super().__init__(f"{command} needs the extra [{extra}]: pip install 'botlive-events[{extra}]'")
        self.extra = extra
