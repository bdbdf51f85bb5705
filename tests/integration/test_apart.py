"""Events that a shop's tables reject wait apart, and all other events are persisted."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

import pytest

from events import AnyEvent, LiveToggled
from tests.integration.line import BIN, Line, until
from tests.make import order, payment
from worker.apart import Kind, Store


@contextmanager
def trigger(line: Line, shop: UUID, body: str, table: str = "orders") -> Iterator[None]:
    """Create a trigger that affects one shop."""
    name = f"trap_{uuid4().hex}"
    line.database.execute(
        f"""create function public.{name}() returns trigger language plpgsql as $$ begin
            if new.company_id = '{shop}' then {body} end if; return new; end $$;
            create trigger {name} before insert on public.{table}
              for each row execute function public.{name}()""".encode()
    )
    try:
        yield
    finally:
        line.database.execute(f"drop function public.{name} cascade".encode())


_TIMEOUT = "perform pg_sleep(1); raise query_canceled;"
"""What a statement does that reaches its timeout, in a shorter time."""


def waiting(line: Line) -> dict[Kind, int]:
    """Return the number of events that wait apart, by kind."""
    store = Store(line.redis, line.name)
    return {kind: store.count(kind) for kind in store.groups()}


@pytest.mark.slow
def test_what_a_shop_does_not_take_waits_and_all_else_flows(line: Line) -> None:
    """Other types of the shop and other shops are persisted; the reason is logged and listed."""
    (broken, uuid), (well, other) = line.shop(), line.shop()
    events = [each for _ in range(20) for each in (order(broken), order(well), payment(broken))]
    with trigger(line, uuid, "perform 1 / 0;"):
        line.publisher.publish_many(events)
        log = line.work()
        assert len(line.rows([uuid]).activities) == 20
        assert line.rows([uuid]).orders == {}
        assert len(line.rows([other]).orders) == 20
        assert line.failed() == {}
        assert waiting(line) == {Kind(broken, "order_completed"): 20}
        assert log.count('"waits apart"') == 1
        listed = line.run(str(BIN / "botlive"), "failures")
        assert f"20 order_completed of {broken}: the project's function" in listed.stderr
    line.work()
    assert len(line.rows([uuid]).orders) == 20
    assert waiting(line) == {}


def test_it_goes_through_by_itself_once_the_tables_are_mended(line: Line) -> None:
    """After the tables are fixed a running worker persists the events, without a restart or an operator."""
    broken, uuid = line.shop()
    with line.worker():
        with trigger(line, uuid, "raise exception 'closed';"):
            line.publisher.publish_many([order(broken) for _ in range(5)])
            until(lambda: waiting(line) == {Kind(broken, "order_completed"): 5}, 30)
        until(lambda: len(line.rows([uuid]).orders) == 5, 60)
    assert waiting(line) == {}
    assert line.failed() == {}


@pytest.mark.slow
def test_events_that_come_later_join_those_that_wait(line: Line) -> None:
    """Later events of the kind wait too, also at another worker, which knows it from Redis."""
    broken, uuid = line.shop()
    with trigger(line, uuid, "raise exception 'closed';"):
        line.publisher.publish(order(broken))
        line.work()
        line.publisher.publish_many([order(broken) for _ in range(3)])
        line.work(2)
        assert waiting(line) == {Kind(broken, "order_completed"): 4}


@pytest.mark.slow
def test_the_same_event_again_waits_and_is_persisted_once(line: Line) -> None:
    """A second delivery of an event that waits apart has no second effect."""
    broken, uuid = line.shop()
    event = order(broken)
    with trigger(line, uuid, "raise exception 'closed';"):
        for _ in range(2):
            line.publisher.publish(event)
            line.work()
    line.work()
    assert line.rows([uuid]).orders.keys() == {event.event_id}
    assert waiting(line) == {}
    assert line.failed() == {}


@pytest.mark.slow
def test_toggles_wait_too_and_sessions_come_out_right(line: Line) -> None:
    """Sessions are correct when toggles that waited apart are written late."""
    broken, uuid = line.shop()
    on, off = (LiveToggled(company_id=broken, enabled=enabled) for enabled in (True, False))
    with trigger(line, uuid, "raise exception 'closed';", "bot_sessions"):
        line.publisher.publish_many([off, payment(broken), on])
        line.work()
        assert waiting(line) == {Kind(broken, "live_toggled"): 2}
    line.work()
    assert line.rows([uuid]).sessions[on.event_id]["ended_at"] == off.occurred_at


@pytest.mark.slow
def test_an_event_that_a_trigger_refuses_for_its_content_does_not_wait(line: Line) -> None:
    """If the shop accepts other events of the type, the one event is set aside."""
    company_id, uuid = line.shop()
    large, small = order(company_id, total_amount=999_999), order(company_id)
    with trigger(line, uuid, "if new.total_amount > 500000 then raise exception 'too much'; end if;"):
        line.publisher.publish_many([large, small])
        line.work()
    assert line.failed().keys() == {str(large.event_id)}
    assert line.rows([uuid]).orders.keys() == {small.event_id}
    assert waiting(line) == {}


@pytest.mark.slow
def test_a_shop_whose_trigger_hangs_holds_nobody(line: Line) -> None:
    """The events of a shop whose trigger hangs wait apart after a while; all others are persisted."""
    (hanging, uuid), (_, other) = line.shop(), line.shop()
    line.environment["BOTLIVE_TIMEOUT"] = "1"
    with trigger(line, uuid, "perform pg_sleep(20);"), line.worker():
        line.publisher.publish_many([order(hanging) for _ in range(3)])
        until(lambda: sum(waiting(line).values()) >= 1, 90)
        line.publisher.publish_many([order(line.shops[1]) for _ in range(3)])
        until(lambda: len(line.rows([other]).orders) == 3, 60)
        assert line.failed() == {}


@pytest.mark.slow
def test_a_shop_whose_tables_hang_is_found_among_others(line: Line) -> None:
    """All its events wait apart together, whatever their types, and no event of another shop fails."""
    hanging, uuid = line.shop()
    others = [line.shop() for _ in range(5)]
    events: list[AnyEvent] = []
    for _ in range(3):
        events += [order(hanging), payment(hanging), *(order(company) for company, _ in others)]
    with trigger(line, uuid, _TIMEOUT, "activities"), line.worker():
        line.publisher.publish_many(events)
        until(lambda: len(line.rows([each for _, each in others]).orders) == 15, 60)
        assert waiting(line) == {Kind(hanging, "order_completed"): 3, Kind(hanging, "payment_validated"): 3}
    assert line.failed() == {}


@pytest.mark.slow
def test_a_killed_worker_loses_nothing_of_what_waits_apart(line: Line) -> None:
    """Events that wait apart are stored in Redis and survive the death of their worker."""
    broken, uuid = line.shop()
    with trigger(line, uuid, "raise exception 'closed';"):
        with line.worker():
            line.publisher.publish_many([order(broken) for _ in range(5)])
            until(lambda: sum(waiting(line).values()) == 5, 30)
        assert waiting(line) == {Kind(broken, "order_completed"): 5}
    line.work()
    assert len(line.rows([uuid]).orders) == 5
