"""Pruning with a real PostgreSQL: once, whatever was deleted, and the same sessions as before."""

import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devstack.stack import Stack
from events import LiveToggled
from operations import pruning
from operations.errors import MigrationFailed
from operations.migrations import migrate
from tests import strategies
from tests.integration.conftest import empty_database
from tests.integration.old import OldDatabase, days_ago
from tests.make import every_type, order, payment
from tests.oracle import Tables, fold

pytestmark = pytest.mark.slow

OLD, HORIZON, YOUNG = 200, 100, 50  # days


@pytest.fixture(scope="module")
def module_old(stack: Stack) -> Iterator[OldDatabase]:
    """The database of this module."""
    with empty_database(stack) as url:
        migrate(url)
        old = OldDatabase(url)
        yield old
        old.database.close()


@pytest.fixture
def old(module_old: OldDatabase) -> OldDatabase:
    """The same, with no horizon yet and without rows of other tests."""
    module_old.forget_horizon()
    module_old.database.execute("truncate botlive.inbox, botlive.toggles, public.activities, public.orders")
    return module_old


def sleeping(monkeypatch: pytest.MonkeyPatch, pause: Callable[[float], None]) -> None:
    """Replace the pauses of a run."""
    monkeypatch.setattr(pruning, "time", SimpleNamespace(monotonic=time.monotonic, sleep=pause))


def test_what_was_pruned_is_refused_and_not_persisted_twice(old: OldDatabase) -> None:
    """A redelivery of a pruned event is refused with a reason and a cure; it changes no row."""
    company_id, shop = old.shop()
    events = [event.model_copy(update={"occurred_at": days_ago(OLD)}) for event in every_type(company_id)]
    assert old.outcomes(*events) == ["persisted"] * 4
    before = old.rows(shop)
    old.prune(HORIZON)
    answers = old.persist(*events)
    assert [answer["outcome"] for answer in answers] == ["refused"] * 4
    assert f"it occurred before {days_ago(HORIZON).date()}" in answers[0]["reason"]
    assert "botlive failures edit --set occurred_at=TIME -- ID" in answers[0]["reason"]
    assert old.rows(shop) == Tables(before.orders, {}, before.sessions)
    assert old.count("botlive.inbox") == 0


def test_a_late_event_of_before_the_horizon_is_refused_alone(old: OldDatabase) -> None:
    """An event at the horizon is persisted, in the same batch, and so is an edited one."""
    company_id, _ = old.shop()
    old.prune(HORIZON)
    late = order(company_id, occurred_at=days_ago(HORIZON + 1))
    exact = order(company_id, occurred_at=days_ago(HORIZON))
    assert old.outcomes(late, exact) == ["refused", "persisted"]
    assert old.outcomes(late.model_copy(update={"occurred_at": days_ago(YOUNG)})) == ["persisted"]


def test_what_is_still_in_the_inbox_is_a_duplicate(old: OldDatabase) -> None:
    """The horizon alone makes no event unknown: until its row is deleted, a redelivery is recognised."""
    company_id, _ = old.shop()
    event = order(company_id, occurred_at=days_ago(OLD))
    old.persist(event)
    old.one("select botlive.raise_horizon(%s)::text", days_ago(HORIZON))
    other = event.model_copy(update={"total_amount": 1})
    assert old.outcomes(event, event) == ["duplicate", "duplicate"]
    assert old.persist(other) == [{"outcome": "refused", "reason": "event id already used"}]


def test_an_unknown_company_stays_the_reason(old: OldDatabase) -> None:
    """Events of an unknown company are refused for this reason, whatever their age."""
    old.prune(HORIZON)
    assert old.outcomes(order("nobody", occurred_at=days_ago(OLD))) == ["unknown_company"]


def test_young_rows_and_rows_of_people_stay(old: OldDatabase) -> None:
    """Only activities that old events made are deleted."""
    company_id, shop = old.shop()
    young = payment(company_id, occurred_at=days_ago(YOUNG))
    old.persist(young, payment(company_id, occurred_at=days_ago(OLD)))
    mine = uuid4()
    old.database.execute(
        "insert into public.activities (id, company_id, type, created_at) values (%s, %s, 'message', %s)",
        [mine, shop, days_ago(OLD)],
    )
    old.prune(HORIZON)
    assert old.rows(shop).activities.keys() == {young.event_id, mine}
    assert old.outcomes(young) == ["duplicate"]


def test_the_horizon_is_never_lowered(old: OldDatabase) -> None:
    """A later run with more days deletes less and accepts no more."""
    company_id, _ = old.shop()
    old.prune(YOUNG)
    old.prune(HORIZON)
    assert old.outcomes(order(company_id, occurred_at=days_ago((YOUNG + HORIZON) / 2))) == ["refused"]


def test_a_run_deletes_only_what_it_was_asked_to(old: OldDatabase) -> None:
    """If the run has more days than the horizon, rows between the two stay."""
    company_id, _ = old.shop()
    events = [payment(company_id, occurred_at=days_ago(days)) for days in (OLD, (YOUNG + HORIZON) / 2)]
    old.persist(*events)
    old.one("select botlive.raise_horizon(%s)::text", days_ago(YOUNG))
    old.prune(HORIZON)
    assert old.outcomes(*events) == ["refused", "duplicate"]


def test_nothing_younger_than_the_horizon_can_be_deleted(old: OldDatabase) -> None:
    """The functions look at the horizon themselves."""
    company_id, _ = old.shop()
    old.persist(*(LiveToggled(company_id=company_id, enabled=True) for _ in range(2)))
    future = days_ago(-1)
    assert old.one("select (botlive.prune_inbox(%s, 0, 100)).events", future) == 0
    assert old.one("select botlive.prune_toggles(%s, 0, 100)", future) == 0


def test_thirty_days_are_kept(old: OldDatabase) -> None:
    """The database refuses a later horizon."""
    with pytest.raises(MigrationFailed, match="at least 30 days ago"):
        old.prune(29)


def test_the_horizon_waits_for_transactions_that_have_read_it(
    old: OldDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that has accepted an old event ends first, so its row is seen and no second one is made."""
    company_id, _ = old.shop()
    event = order(company_id, occurred_at=days_ago(OLD))
    worker = OldDatabase(old.url)
    waited: list[float] = []

    def end(seconds: float) -> None:
        waited.append(seconds)
        worker.database.commit()

    sleeping(monkeypatch, end)
    worker.database.autocommit = False
    worker.database.execute("select")
    assert worker.outcomes(event) == ["persisted"]
    with old.pruner(HORIZON) as work:
        progress = list(work.run())
    assert waited[0] >= 1
    assert progress[-1].deleted == (1, 1, 0)
    assert old.outcomes(event) == ["refused"]
    worker.database.close()


def test_a_piece_that_cannot_lock_is_tried_again(old: OldDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pieces get smaller and the pause longer, until the lock is free."""
    company_id, _ = old.shop()
    old.persist(*(payment(company_id, occurred_at=days_ago(OLD)) for _ in range(500)))
    pauses: list[float] = []
    with (
        psycopg.connect(old.url) as busy,
        old.pruner(HORIZON) as work,
    ):
        work.pace.pages = 8
        busy.execute("lock table public.activities in share mode")

        def end(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 2:
                busy.commit()

        sleeping(monkeypatch, end)
        first = next(iter(work.run()))
    assert pauses[:2] == [1, 2]
    assert first.pages == 2
    assert first.deleted.events == first.deleted.activities > 0


def test_a_database_that_stays_busy_ends_the_run(old: OldDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some attempts the run fails, and nothing of the piece is deleted."""
    company_id, _ = old.shop()
    old.persist(payment(company_id, occurred_at=days_ago(OLD)))
    sleeping(monkeypatch, lambda _: None)
    monkeypatch.setattr(pruning, "_TRIES", 1)
    with psycopg.connect(old.url) as busy:
        busy.execute("lock table public.activities in share mode")
        with pytest.raises(MigrationFailed, match="run this command again later"):
            old.prune(HORIZON)
    assert old.count("botlive.inbox") == old.count("public.activities") == 1


def test_two_runs_at_once_delete_each_row_once(old: OldDatabase) -> None:
    """Both runs succeed, and their counts add up."""
    company_id, _ = old.shop()
    old.persist(*(payment(company_id, occurred_at=days_ago(OLD)) for _ in range(2_000)))
    totals: list[Any] = []

    def run() -> None:
        with old.pruner(HORIZON) as work:
            totals.append([*work.run()][-1].deleted)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [sum(column) for column in zip(*totals, strict=True)] == [2_000, 2_000, 0]
    assert old.count("botlive.inbox") == old.count("public.activities") == 0


def test_a_count_is_what_a_run_deletes(old: OldDatabase) -> None:
    """The dry run changes nothing and does not raise the horizon."""
    company_id, _ = old.shop()
    days = (OLD, OLD - 1, YOUNG)
    toggles = [LiveToggled(company_id=company_id, enabled=True, occurred_at=days_ago(n)) for n in days]
    old.persist(*toggles, order(company_id, occurred_at=days_ago(OLD)))
    with old.pruner(HORIZON) as work:
        counted = work.count()
        assert old.outcomes(order(company_id, occurred_at=days_ago(OLD))) == ["persisted"]
        old.database.execute("delete from botlive.inbox where event_type = 'order_completed'")
        old.database.execute("delete from public.activities where type = 'order'")
        old.persist(order(company_id, occurred_at=days_ago(OLD)))
        assert [*work.run()][-1].deleted == counted == (3, 3, 1)


def test_a_table_that_refers_to_activities_is_named_with_a_cure(old: OldDatabase) -> None:
    """The error says what to change; the inbox keeps its rows."""
    company_id, _ = old.shop()
    event = payment(company_id, occurred_at=days_ago(OLD))
    old.persist(event)
    old.database.execute("create table public.likes (activity uuid references public.activities (id))")
    old.database.execute("insert into public.likes values (%s)", [event.event_id])
    try:
        with pytest.raises(MigrationFailed, match="on delete cascade"):
            old.prune(HORIZON)
    finally:
        old.database.execute("drop table public.likes")
    assert old.count("botlive.inbox") == 1


def test_ids_of_another_type_are_found(database_url: str) -> None:
    """In some projects the id of an activity is a text."""
    with psycopg.connect(database_url) as database:
        database.execute(
            "create table public.activities (id text primary key, company_id uuid, type text,"
            " title text, description text, status text, metadata jsonb)"
        )
    migrate(database_url)
    old = OldDatabase(database_url)
    company_id, _ = old.shop()
    old.persist(payment(company_id, occurred_at=days_ago(OLD)))
    with old.pruner(HORIZON) as work:
        assert work.count() == [*work.run()][-1].deleted == (1, 1, 0)
    old.database.close()


def test_the_workers_role_may_only_read_the_horizon(old: OldDatabase) -> None:
    """The worker's role can neither call the functions nor change the table."""
    functions = old.one(
        """select count(*) from pg_proc p where p.pronamespace = 'botlive'::regnamespace
           and p.proname ~ '^(raise_horizon|prune_|count_prunable|is_pruned)'
           and has_function_privilege('service_role', p.oid, 'execute')"""
    )
    assert functions == 0
    privileges = "select string_agg(privilege_type, ' ') from information_schema.role_table_grants"
    where = "where table_name = 'horizon' and grantee = 'service_role'"
    assert old.one(f"{privileges} {where}") == "SELECT"


def test_a_missing_horizon_fails_the_call_and_no_shop_pays(old: OldDatabase) -> None:
    """It is a fault of the installation: no event is refused or waits apart for it."""
    company_id, _ = old.shop()
    with old.database.transaction(force_rollback=True):
        old.database.execute("drop table botlive.horizon")
        with pytest.raises(psycopg.errors.UndefinedTable):
            old.persist(order(company_id))


def test_facts_of_a_pruned_event_stay_protected(old: OldDatabase) -> None:
    """The owner of another shop cannot change an old order, even with a policy that allows it."""
    (company_id, _), (_, other) = old.shop(), old.shop()
    event = order(company_id, occurred_at=days_ago(OLD))
    old.persist(event)
    owner = uuid4()
    with old.database.transaction(force_rollback=True):
        old.database.execute("insert into auth.users (id) values (%s)", [owner])
        old.database.execute("update public.company_mapping set user_id = %s where uuid = %s", [owner, other])
        old.database.execute("create policy open on public.orders to authenticated using (true)")
        old.database.execute("grant select, update on public.orders to authenticated")
        old.database.execute("delete from botlive.inbox")
        old.database.execute("update botlive.horizon set kept_since = %s", [days_ago(HORIZON)])
        old.database.execute("set local role authenticated")
        old.one("select set_config('request.jwt.claims', %s, true)", f'{{"sub": "{owner}"}}')
        change = "update public.orders set total_amount = 1 where id = %s"
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="made by an event"):
            old.database.execute(change.encode(), [event.event_id])


# Moments at which the horizon may be, and between two of them.
_DAYS = st.integers(0, 12).map(lambda step: 104 - step / 2)
_STREAM = st.lists(
    st.tuples(strategies.toggles(st.just("shop")), _DAYS, st.booleans()), min_size=4, max_size=25
)
_PRUNING = st.one_of(
    st.none(),
    st.tuples(st.integers(100, 104), st.none()),  # whole
    st.tuples(st.integers(100, 104), st.integers(0, 3)),  # interrupted after so many pieces
)


@settings(max_examples=30)
@given(_STREAM, st.lists(_PRUNING, min_size=25, max_size=25))
def test_sessions_are_those_of_all_toggles_that_were_accepted(
    module_old: OldDatabase,
    stream: list[tuple[LiveToggled, float, bool]],
    prunings: list[tuple[int, int | None] | None],
) -> None:
    """In any order, with whole and interrupted runs in between: no session depends on pruning."""
    old = module_old
    old.forget_horizon()
    company_id, shop = old.shop()
    accepted: list[LiveToggled] = []
    horizon = days_ago(1_000)
    batch: list[LiveToggled] = []
    for (toggle, days, is_last), pruning_now in zip(stream, prunings, strict=False):
        identity = {"event_id": uuid4(), "company_id": company_id, "occurred_at": days_ago(days)}
        batch.append(toggle.model_copy(update=identity))
        if not is_last:
            continue
        outcomes = old.outcomes(*batch)
        assert outcomes == ["persisted" if event.occurred_at >= horizon else "refused" for event in batch]
        accepted += [event for event in batch if event.occurred_at >= horizon]
        batch = []
        if pruning_now is not None:
            days_kept, pieces = pruning_now
            old.prune(days_kept, pieces)
            if pieces != 0:
                horizon = max(horizon, days_ago(days_kept))
        expected, found = fold(accepted, {company_id: shop}), old.rows(shop)
        assert found.sessions == expected.sessions
        young = {key: row for key, row in expected.activities.items() if row["created_at"] >= horizon}
        assert {key: row for key, row in found.activities.items() if key in young} == young
