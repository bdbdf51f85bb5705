"""Exceptions of the chat process. The first line of an exception's docstring is its default message.

BotliveError
├── InvalidEvent       also a ValueError
├── InvalidRedisUrl    also a ValueError
├── PublishError
│   ├── PublisherClosed
│   ├── OutboxFull
│   └── OutboxFailed
└── WorkerError        with subclasses of its own, see ``gateway.errors``
"""

from inspect import cleandoc


class BotliveError(Exception):
    """Botlive Events could not complete the operation."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or cleandoc(type(self).__doc__ or "").partition("\n")[0])


class InvalidEvent(BotliveError, ValueError):
    """The event does not fit its contract.

    The message is ``field: problem``. It never contains the value, which may be personal data.
    ``field`` is ``json`` if the text is not a JSON object, and ``type`` if the type is unknown.
    ``is_newer`` is true if a newer release may know the event, because the version is newer, or because only
    the type or some fields are unknown.
    """

    def __init__(self, field: str, problem: str, *, is_newer: bool = False) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem
        self.is_newer = is_newer


class InvalidRedisUrl(BotliveError, ValueError):
    """REDIS_URL is not a valid Redis URL, or has an unknown option: see docs/deploy.md."""


class PublishError(BotliveError):
    """Redis did not confirm the event: it may not be published. Publish the same event again."""


class PublisherClosed(PublishError):
    """The publisher is closed: create a new one and publish the event with that."""


class OutboxFull(PublishError):
    """Redis did not confirm the event, and the outbox or its disk is full: bring Redis back or free space."""


class OutboxFailed(PublishError):
    """The outbox's file failed or was too slow. Check the path in BOTLIVE_OUTBOX, its rights and its disk."""
