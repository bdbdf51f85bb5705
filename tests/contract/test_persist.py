"""What the SQL function does with a batch: once, in any order, whole."""

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import AnyEvent, LiveToggled, PaymentIssue, PaymentValidated
from gateway.errors import EventRefused
from tests import strategies
from tests.contract.conftest import Shop, Target
from tests.make import PHONE, order, persist
from tests.oracle import fold
from worker.elements import element


def renamed(events: Sequence[Any]) -> list[Any]:
    """The events under ids that no other example has used."""
    salt = uuid4().int
    return [event.model_copy(update={"event_id": UUID(int=event.event_id.int ^ salt)}) for event in events]


def kinds(target: Target, events: Sequence[AnyEvent]) -> list[str]:
    """Return the outcome of each event."""
    return [outcome.kind for outcome in persist(target.gateway, events)]


def test_each_event_makes_the_rows_of_the_specification(target: Target, shop: Shop) -> None:
    """Every type, persisted alone, ends in exactly the rows that the oracle derives from the spec."""
    own, talk = shop.company_id, uuid4()
    events: list[AnyEvent] = [
        PaymentValidated(
            company_id=own, conversation_id=talk, user_id=PHONE, amount=2000, reference="WAVE-123"
        ),
        PaymentIssue(
            company_id=own,
            conversation_id=talk,
            user_id=PHONE,
            issue_type="payment_insufficient",
            message="Montant insuffisant",
        ),
        order(shop.company_id, zone="Cocody", phone=PHONE, conversation_id=talk),
        LiveToggled(company_id=own, conversation_id=talk, enabled=True, mode="rag"),
        LiveToggled(company_id=own, conversation_id=talk, enabled=False),
    ]
    events = target.plain(events)
    for event in events:
        assert kinds(target, [event]) == ["persisted"]
    assert target.rows(shop) == fold(events, {shop.company_id: shop.uuid})


@pytest.mark.slow
@settings(max_examples=40)
@given(data=st.data())
def test_any_order_and_any_repetition_end_in_the_same_rows(target: Target, data: st.DataObject) -> None:
    """A shuffled stream of two shops with duplicates, cut into any batches, ends in the oracle's rows."""
    shops = [target.shop(), target.shop()]
    ids = st.integers(0, 1).map(lambda number: shops[number].company_id)
    drawn = st.lists(strategies.events(ids), min_size=1, max_size=12, unique_by=lambda e: e.event_id)
    events = target.plain(renamed(data.draw(drawn)))
    repeats = data.draw(st.lists(st.sampled_from(events), max_size=6))
    stream = data.draw(st.permutations(events + repeats))
    while stream:
        size = data.draw(st.integers(1, 6))
        persist(target.gateway, stream[:size])
        stream = stream[size:]
    assert target.rows(*shops) == fold(events, {shop.company_id: shop.uuid for shop in shops})


@pytest.mark.slow
@settings(max_examples=60)
@given(data=st.data())
def test_sessions_follow_from_the_set_of_toggles(target: Target, data: st.DataObject) -> None:
    """Sessions, durations and session ids depend on all toggles, even if some arrive late."""
    shop = target.shop()
    toggles = strategies.toggles(st.just(shop.company_id))
    drawn = st.lists(toggles, min_size=2, max_size=14, unique_by=lambda e: e.event_id)
    events = target.plain(renamed(data.draw(drawn)))
    for event in data.draw(st.permutations(events)):
        persist(target.gateway, [event])
    assert target.rows(shop) == fold(events, {shop.company_id: shop.uuid})


def test_concurrent_workers_with_the_same_events_persist_each_once(target: Target) -> None:
    """Eight workers with all events in different orders cause no duplicate and no deadlock."""
    shops = [target.shop() for _ in range(3)]
    events = [order(shop.company_id) for shop in shops for _ in range(60)]

    def work(seed: int) -> int:
        stream = random.Random(seed).sample(events, len(events))
        batches = [stream[start : start + 30] for start in range(0, len(stream), 30)]
        return sum(kind == "persisted" for batch in batches for kind in kinds(target, batch))

    with ThreadPoolExecutor(8) as pool:
        persisted = sum(pool.map(work, range(8)))
    assert persisted == len(events)
    assert target.rows(*shops) == fold(events, {shop.company_id: shop.uuid for shop in shops})


def test_concurrent_toggles_of_one_shop_end_in_its_sessions(target: Target, shop: Shop) -> None:
    """Eight at once, each with toggles of its own, between them and repeated, make the set's sessions."""
    draw = random.Random(20261123)
    events = [LiveToggled(company_id=shop.company_id, enabled=draw.random() < 0.5) for _ in range(160)]

    def work(part: int) -> None:
        stream = random.Random(part).sample(events[part::8] + events[:8], 28)
        while stream:
            size = draw.randrange(1, 4)
            persist(target.gateway, stream[:size])
            stream = stream[size:]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert target.rows(shop) == fold(events, {shop.company_id: shop.uuid})


def test_a_repeat_is_a_duplicate_and_leaves_a_persons_edit(target: Target, shop: Shop) -> None:
    """After a person completed the order and deleted its activity, a repeat changes neither."""
    event = order(shop.company_id)
    persist(target.gateway, [event])
    target.database.execute("update public.orders set status = 'completed' where id = %s", [event.event_id])
    target.database.execute("delete from public.activities where id = %s", [event.event_id])
    assert kinds(target, [event, event]) == ["duplicate", "duplicate"]
    rows = target.rows(shop)
    assert rows.orders[event.event_id]["status"] == "completed"
    assert rows.activities == {}


def test_a_repeat_within_one_batch_is_persisted_once(target: Target, shop: Shop) -> None:
    """Of two deliveries in one call the first is persisted and the second a duplicate."""
    event = order(shop.company_id)
    assert kinds(target, [event, event]) == ["persisted", "duplicate"]
    assert len(target.rows(shop).orders) == 1


@pytest.mark.parametrize("together", [True, False])
def test_the_same_id_with_other_content_is_refused(target: Target, shop: Shop, together: bool) -> None:
    """The second event under an id is refused with that reason, in one batch or a later one."""
    first = order(shop.company_id)
    second = order(shop.company_id, event_id=first.event_id, total_amount=1)
    batches = [[first, second]] if together else [[first], [second]]
    outcomes = [outcome for batch in batches for outcome in persist(target.gateway, batch)]
    assert [outcome.kind for outcome in outcomes] == ["persisted", "refused"]
    assert outcomes[1].reason == "event id already used"
    assert target.rows(shop).orders[first.event_id]["total_amount"] == 9000


def test_equal_content_written_otherwise_is_a_duplicate(target: Target, shop: Shop) -> None:
    """9000 and 9000.0 are one amount: the content is compared, not its spelling."""
    first = order(shop.company_id)
    again = order(
        shop.company_id, event_id=first.event_id, occurred_at=first.occurred_at, total_amount=9000.0
    )
    assert kinds(target, [first, again]) == ["persisted", "duplicate"]


def test_an_unknown_company_is_said_and_leaves_no_trace(target: Target, shop: Shop) -> None:
    """It is reported for its event alone, its neighbour is persisted, and after mapping it goes through."""
    stray = Shop(f"contract-{uuid4()}", uuid4(), uuid4(), shop.api)
    lost, kept = order(stray.company_id), order(shop.company_id)
    assert kinds(target, [lost, kept]) == ["unknown_company", "persisted"]
    inbox = target.database.execute("select from botlive.inbox where event_id = %s", [lost.event_id])
    assert inbox.fetchall() == []
    made = target.gateway.call("botlive_company_add", {"text_id": stray.company_id})
    target.shops.append(Shop(stray.company_id, UUID(made["uuid"]), uuid4(), shop.api))
    assert kinds(target, [lost]) == ["persisted"]


def test_a_value_that_does_not_fit_fails_alone(target: Target, shop: Shop) -> None:
    """What PostgreSQL cannot hold is refused for its event, unquoted; its neighbours are whole."""
    good, bad = [order(shop.company_id), order(shop.company_id)], order(shop.company_id)
    elements = [element(event) for event in (good[0], bad, good[1])]
    damaged = elements[1]["order"]
    assert damaged
    damaged["total_amount"] = "no number"  # type: ignore[typeddict-item] # what the database refuses
    said = target.gateway.call("botlive_persist", {"events": elements})
    assert [outcome["outcome"] for outcome in said] == ["persisted", "refused", "persisted"]
    assert said[1]["reason"] == "a value does not fit its column (22P02)"
    assert target.rows(shop) == fold(good, {shop.company_id: shop.uuid})


def test_a_zero_byte_is_refused_by_the_database_too(target: Target, shop: Shop) -> None:
    """A text that PostgreSQL cannot hold is refused as such, and nothing of it is written."""
    bad = element(order(shop.company_id))
    assert bad["order"]
    bad["order"]["customer_name"] = "zero \0 byte"
    with pytest.raises(EventRefused, match="22P05"):
        target.gateway.call("botlive_persist", {"events": [bad]})
    assert target.rows(shop) == fold([], {})


def test_a_deleted_session_is_not_made_again(target: Target, shop: Shop) -> None:
    """Neither a repeat of its enable nor the disable that ends it brings a deleted session back."""
    on = LiveToggled(company_id=shop.company_id, enabled=True)
    off = LiveToggled(company_id=shop.company_id, enabled=False)
    persist(target.gateway, [on])
    assert target.rows(shop).sessions.keys() == {on.event_id}
    target.database.execute("delete from public.bot_sessions where id = %s", [on.event_id])
    persist(target.gateway, [on])
    persist(target.gateway, [off])
    assert target.rows(shop).sessions == {}
    assert target.rows(shop).activities[off.event_id]["metadata"]["session_id"] == str(on.event_id)


def test_a_deleted_session_stays_deleted_when_an_earlier_toggle_moved_it(target: Target, shop: Shop) -> None:
    """A session that was deleted, then swallowed by an earlier one, is not made again by a split."""
    early, between, late = (
        LiveToggled(company_id=shop.company_id, enabled=enabled) for enabled in (True, False, True)
    )
    persist(target.gateway, [late])
    target.database.execute("delete from public.bot_sessions where id = %s", [late.event_id])
    persist(target.gateway, [early])
    persist(target.gateway, [between])
    assert target.rows(shop).sessions.keys() == {early.event_id}


def test_sessions_that_no_event_made_are_left_alone(target: Target, shop: Shop) -> None:
    """A session opened by hand is neither ended nor counted by toggles."""
    made = target.database.execute(
        """insert into public.bot_sessions (company_id, mode, started_at)
           values (%s, 'live', now()) returning id""",
        [shop.uuid],
    ).fetchone()
    assert made
    off = LiveToggled(company_id=shop.company_id, enabled=False)
    persist(target.gateway, [off])
    rows = target.rows(shop)
    assert rows.sessions[made["id"]]["ended_at"] is None
    assert rows.activities[off.event_id]["metadata"]["session_id"] is None


def test_an_empty_batch_is_fine(target: Target) -> None:
    """The answer has no outcomes."""
    assert persist(target.gateway, []) == []
