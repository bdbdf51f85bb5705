"""``botlive migrate``: updates the database to this release."""

import sys
from typing import Annotated

import typer

from gateway.settings import DatabaseSettings
from operations.examples import examples
from operations.exits import ExitCode
from operations.migrations import check, script
from operations.migrations import migrate as apply
from operations.output import report, say

EPILOG = examples("botlive migrate", "botlive migrate --sql > migrate.sql")


def migrate(
    sql: Annotated[
        bool, typer.Option("--sql", help="Print one script for an SQL editor, and change nothing.")
    ] = False,
) -> None:
    """Update the database at DATABASE_URL to this release, and report what was done and what cannot work.

    The exit code is 1 if a table cannot take an event; a line names the column and the cure.
    """
    if sql:
        sys.stdout.write(script())
        return
    database_url = DatabaseSettings.from_env().database_url.get_secret_value()
    try:
        for line in apply(database_url):
            say(line)
    except KeyboardInterrupt:
        report("interrupted: what is done stays done; run it again to do the rest")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    findings = check(database_url)
    for finding in findings:
        say(f"{'cannot work' if finding.blocks else 'note'}: {finding.words}")
    raise typer.Exit(ExitCode.FAILED if any(finding.blocks for finding in findings) else ExitCode.DONE)
