"""Supabase's advisor finds nothing in what we make."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from operations.migrations import migrate
from tests.linter import RULES, Rule

_OURS_ALONE = (
    "the API does not show it; row level security without a policy keeps everyone out but the worker"
)
_OWNERS_READ = "owners read it, each the own rows, which is its purpose"
EXCLUDED = {  # what we make and leave so, and why
    "rls_enabled_no_policy": {
        f"botlive.{name}": _OURS_ALONE
        for name in (
            *("inbox", "toggles", "horizon", "erased", "erasure_salt"),
            *("migrations", "replaced_policies", "known_tables", "own_definitions"),
        )
    },
    "pg_graphql_authenticated_table_exposed": dict.fromkeys(
        ["orders", "activities", "bot_sessions", "companies", "company_mapping", "company_rag_configs"],
        _OWNERS_READ,
    ),
}


@pytest.fixture(scope="module")
def migrated(module_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A database with our tables alone."""
    migrate(module_database_url)
    with psycopg.connect(module_database_url, autocommit=True) as database:
        yield database


def findings(database: psycopg.Connection[Any], name: str) -> set[str]:
    """Return what breaks the rule, without the exceptions."""
    found = {row[0] for row in database.execute(RULES[name].query.encode())}
    return found - EXCLUDED.get(name, {}).keys()


@pytest.mark.parametrize("name", RULES)
def test_a_rule_of_the_advisor_holds(name: str, migrated: psycopg.Connection[Any]) -> None:
    """Nothing that we make breaks it, and it sees a planted fault."""
    assert findings(migrated, name) == set()
    rule: Rule = RULES[name]
    with migrated.transaction(force_rollback=True):
        migrated.execute(rule.fault.encode())
        assert rule.found in findings(migrated, name)


def test_what_is_excluded_is_there(migrated: psycopg.Connection[Any]) -> None:
    """No exclusion outlives its reason."""
    for name, reasons in EXCLUDED.items():
        found = {row[0] for row in migrated.execute(RULES[name].query.encode())}
        assert reasons.keys() <= found
