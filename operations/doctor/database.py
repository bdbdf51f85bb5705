"""Checks of the database: migrations, tables, policies, shops and the clock."""

import time
from collections.abc import Iterator

import psycopg

from gateway.letters import printable
from gateway.masking import mask_text
from operations import migrations
from operations.database import connect, translated_errors
from operations.doctor import clock
from operations.doctor.result import Fix, Result, failure, ok, warning

_PART = "database"
_CLOCK = "select extract(epoch from clock_timestamp())::float8"
_SYNCHRONISE = "synchronise this machine's clock (NTP): keys with a time limit are refused otherwise"
_MOST = 20  # shops that one line names

_CURE = "change that table, trigger or policy of the project, then run `botlive doctor` again"

_DRIFTED = "; cure: `botlive migrate`"  # the end of a finding that the migrations repair
_UNMAPPED = """
select c.company_id from public.company_rag_configs c
where not exists (select from public.company_mapping m where m.company_id = c.company_id::text)
order by 1
"""
_WITHOUT_COMPANY = """
select m.company_id from public.company_mapping m
where not exists (select from public.companies c where c.id = m.uuid) order by 1
"""
_WITHOUT_OWNER = "select company_id from public.company_mapping where user_id is null order by 1"


def check(database_url: str) -> Iterator[Result]:
    """Check what ``botlive migrate`` makes, what the tables can take, and who may read them.

    The rehearsal writes sample events and takes them back.

    Raises:
        MigrationFailed: the database is out of reach.
    """
    pending = migrations.pending(database_url)
    if pending:
        cure = "run `botlive migrate`"
        yield failure(_PART, f"not migrated: {', '.join(pending[:_MOST])}", cure, Fix.MIGRATE)
    else:
        yield ok(_PART, "all migrations are applied")
    with connect(database_url) as connection:
        yield from clock.check(_PART, lambda: _now(connection), _SYNCHRONISE)
        if not pending:
            yield from _shops(connection)
    if not pending:
        yield from _findings(database_url)


def _now(connection: psycopg.Connection) -> float:
    with translated_errors("reading the clock"), connection.transaction():
        (seconds,) = connection.execute(_CLOCK).fetchone() or (time.time(),)
    return float(seconds)


def _shops(connection: psycopg.Connection) -> Iterator[Result]:
    asked = (
        (
            _UNMAPPED,
            "shops of company_rag_configs without a row in company_mapping: their events fail",
            "run `botlive company add -- TEXT_ID` or `botlive company link -- TEXT_ID UUID` for each",
        ),
        (
            _WITHOUT_COMPANY,
            "shops whose UUID is in no row of companies: their events fail",
            "run `botlive company link -- TEXT_ID UUID` with the UUID of a company that exists",
        ),
        (
            _WITHOUT_OWNER,
            "shops without an owner: nobody sees their orders in the front end",
            "run `botlive company link --owner USER_ID -- TEXT_ID`",
        ),
    )
    for query, words, cure in asked:
        with translated_errors("reading the shops"), connection.transaction():
            names = [printable(mask_text(str(name))) for (name,) in connection.execute(query.encode())]
        if names:
            more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
            level = warning if query is _WITHOUT_OWNER else failure
            yield level(_PART, f"{len(names)} {words}: {', '.join(names[:_MOST])}{more}", cure)
    if not names:
        yield ok(_PART, "every mapped shop has an owner")


def _findings(database_url: str) -> Iterator[Result]:
    found = migrations.check(database_url)
    drifted = [finding for finding in found if finding.words.endswith(_DRIFTED)]
    for finding in drifted:
        what = f"changed after the migrations: {finding.words.removesuffix(_DRIFTED)}"
        yield failure(_PART, what, "run `botlive migrate`", Fix.MIGRATE)
    if not drifted:
        yield ok(_PART, "nothing was changed after the migrations")
    for finding in (each for each in found if each not in drifted):
        what, _, cure = finding.words.partition("; cure: ")
        level = failure if finding.blocks else warning
        yield level(_PART, what, cure or _CURE)
    if not found:
        yield ok(_PART, "the tables take every type of event, and nothing is open to others")
