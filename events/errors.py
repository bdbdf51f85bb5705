"""What can go wrong on the chat's side. An exception's docstring is its message."""

from inspect import cleandoc


class BotliveError(Exception):
    """Botlive Events could not do what was asked."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or cleandoc(type(self).__doc__ or "").partition("\n")[0])


class InvalidEvent(BotliveError, ValueError):
    """The event does not fit its contract.

    The message is ``field: problem``. It never repeats the value, which may be personal data.
    ``field`` is ``json`` where the text is no JSON object and ``type`` where the type is unknown.
    ``is_newer`` says that a newer release may know the event: only its version, its type or some of its
    fields are unknown here.
    """

    def __init__(self, field: str, problem: str, *, is_newer: bool = False) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem
        self.is_newer = is_newer


class InvalidRedisUrl(BotliveError, ValueError):
    """REDIS_URL is not the URL of a Redis, or has an option that is none."""


class PublishError(BotliveError):
    """Redis did not confirm the event: it may not be published. Publish the same event again."""


class PublisherClosed(PublishError):
    """The publisher is closed: nothing can be published through it any more."""


class OutboxFull(PublishError):
    """Redis did not confirm the event, and the outbox has no room for it: it may not be published."""


class OutboxFailed(PublishError):
    """Redis did not confirm the event, nor did the outbox's file in time: it may not be published."""
