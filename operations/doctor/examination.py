"""The whole examination: each part by itself, so that a fault of one hides none of another."""

from collections.abc import Callable, Iterator

from events.errors import BotliveError
from gateway.errors import MissingSetting, SettingError
from gateway.settings import DatabaseSettings, OutboxSettings, QueueSettings, Settings
from operations import status
from operations.doctor import database, outbox, queue, server, supabase
from operations.doctor.result import Result, failure, not_checked
from operations.terminal import redis_at


def examine() -> Iterator[Result]:
    """Check every part that the environment names, and say which it does not name."""
    for part, check in (
        ("Redis", _redis),
        ("Supabase", _supabase),
        ("database", _database),
        ("outbox", _outbox),
    ):
        yield from _guarded(part, check)


def _guarded(part: str, check: Callable[[], Iterator[Result]]) -> Iterator[Result]:
    try:
        yield from check()
    except MissingSetting as error:
        yield not_checked(part, str(error), "set it, and run `botlive doctor` again")
    except SettingError as error:
        yield failure(part, str(error), "correct the setting")
    except BotliveError as error:
        what, _, cure = str(error).partition("; ")
        yield failure(part, what, cure)


def _redis() -> Iterator[Result]:
    settings = QueueSettings.from_env()
    with redis_at(settings.redis_url) as connection:
        yield from server.check(connection)
        yield from queue.check(status.read(connection, settings.queue))


def _supabase() -> Iterator[Result]:
    yield from supabase.check(Settings.from_env())


def _database() -> Iterator[Result]:
    yield from database.check(DatabaseSettings.from_env().database_url.get_secret_value())


def _outbox() -> Iterator[Result]:
    yield from outbox.check(OutboxSettings.from_env().outbox)
