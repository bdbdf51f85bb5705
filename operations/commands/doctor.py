"""``botlive doctor``: check an installation, and say the cure of each fault."""

import json
from collections.abc import Iterable
from typing import Annotated

import typer
from rich.text import Text

from events import Publisher
from events.errors import BotliveError
from gateway.settings import DatabaseSettings
from operations import migrations
from operations.doctor.examination import examine
from operations.doctor.result import Fix, Level, Result
from operations.examples import examples
from operations.exits import ExitCode
from operations.output import Screen, report, say

_STYLES = {Level.OK: "green", Level.NOT_CHECKED: "dim", Level.WARNING: "yellow", Level.FAILURE: "red"}

EPILOG = examples(
    "botlive doctor",
    "botlive doctor --fix",
    "botlive doctor --json | jq 'select(.level == \"failure\")'",
)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per check.")] = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Run the safe cures (migrate, outbox drain), then check again.")
    ] = False,
) -> None:
    """Check Redis, Supabase, the database, the queue, the workers and the outbox, and say each cure.

    A part is checked if the environment names it: REDIS_URL, SUPABASE_URL and SUPABASE_KEY, DATABASE_URL,
    BOTLIVE_OUTBOX. What could not be checked is said.

    Exit codes: 0 no fault, 1 warnings, 2 failures.
    """
    results = [*examine()]
    if fix and (fixes := list(dict.fromkeys(result.fix for result in results if result.fix))):
        for each in fixes:
            report(f"running `{each}`")
            _run(each)
        results = [*examine()]
    (_say_json if as_json else _say)(results)
    raise typer.Exit(_code({result.level for result in results}))


def _code(levels: set[Level]) -> ExitCode:
    if Level.FAILURE in levels:
        return ExitCode.WRONG_CALL
    return ExitCode.FAILED if Level.WARNING in levels else ExitCode.DONE


def _run(fix: Fix) -> None:
    try:
        if fix is Fix.MIGRATE:
            migrations.migrate(DatabaseSettings.from_env().database_url.get_secret_value())
        else:
            with Publisher.from_env() as publisher:
                publisher.drain()
    except BotliveError as error:
        report(f"`{fix}` failed: {error}")


def _say_json(results: Iterable[Result]) -> None:
    for result in results:
        say(json.dumps({**result._asdict(), "level": str(result.level)}))


def _say(results: Iterable[Result]) -> None:
    screen = Screen()
    for result in results:
        style = _STYLES[result.level]
        screen.print(Text.assemble((f"{result.level:<12}", style), str(result)), soft_wrap=True)
