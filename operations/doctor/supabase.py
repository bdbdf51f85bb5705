"""Checks of the way to Supabase with the worker's key."""

from collections.abc import Iterator

from gateway.client import Gateway
from gateway.errors import WorkerError
from gateway.settings import Settings
from operations.doctor.result import Result, failure, ok


def check(settings: Settings) -> Iterator[Result]:
    """Check that events could be persisted, with a call that contains none and keeps no data."""
    gateway = Gateway.connect(settings)
    try:
        gateway.probe()
    except WorkerError as error:
        what, _, cure = str(error).partition(": ")
        yield failure("Supabase", what, cure or "do what it says, then run `botlive doctor` again")
    else:
        yield ok("Supabase", "answers, admits the key, and the worker's role can persist")
    finally:
        gateway.close()
