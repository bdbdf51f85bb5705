"""What the dashboard and `botlive reconcile` read."""

from uuid import uuid4

from events import LiveToggled
from tests.contract.conftest import Shop, Target
from tests.make import order, persist


def test_the_newest_come_first_up_to_the_limit(target: Target, shop: Shop) -> None:
    """Activities and orders of that shop alone, by the time of the event, as JSON of their rows."""
    events = [order(shop.company_id, total_amount=9000.5) for _ in range(4)]
    persist(target.gateway, [*reversed(events), order(target.shop().company_id)])
    newest = [str(event.event_id) for event in reversed(events[1:])]
    for function in ("botlive_read_activities", "botlive_read_orders"):
        rows = target.gateway.call(function, {"text_id": shop.company_id, "at_most": 3})
        assert [row["id"] for row in rows] == newest
    (row,) = target.gateway.call("botlive_read_orders", {"text_id": shop.company_id, "at_most": 1})
    assert row["total_amount"] == 9000.5
    assert row["items"] == [{"name": "Pagne", "quantity": 1, "price": 9000}]


def test_orders_are_read_by_status(target: Target, shop: Shop) -> None:
    """Pending ones unless another status is asked for; null asks for all."""
    done, waiting = order(shop.company_id, total_amount=9000.5), order(shop.company_id, total_amount=9000.5)
    persist(target.gateway, [done, waiting])
    target.database.execute("update public.orders set status = 'completed' where id = %s", [done.event_id])

    def ids(**arguments: str | None) -> set[str]:
        rows = target.gateway.call("botlive_read_orders", {"text_id": shop.company_id, **arguments})
        return {row["id"] for row in rows}

    assert ids() == {str(waiting.event_id)}
    assert ids(wanted_status="completed") == {str(done.event_id)}
    assert ids(wanted_status=None) == {str(done.event_id), str(waiting.event_id)}


def test_the_open_session_is_read(target: Target, shop: Shop) -> None:
    """The newest open one, or null where none is open."""
    read = {"text_id": shop.company_id}
    assert target.gateway.call("botlive_read_session", read) == {"session": None}
    on = LiveToggled(company_id=shop.company_id, enabled=True)
    persist(target.gateway, [on])
    assert target.gateway.call("botlive_read_session", read)["session"]["id"] == str(on.event_id)
    persist(target.gateway, [LiveToggled(company_id=shop.company_id, enabled=False)])
    assert target.gateway.call("botlive_read_session", read) == {"session": None}


def test_an_unknown_company_is_null(target: Target) -> None:
    """Not an empty list, which would pretend to know."""
    for function in ("botlive_read_activities", "botlive_read_orders", "botlive_read_session"):
        assert target.gateway.call(function, {"text_id": f"contract-{uuid4()}"}) is None


def test_rows_without_a_date_hide_nothing(target: Target, shop: Shop) -> None:
    """Rows that were made by hand without a date come last."""
    target.database.execute(
        """insert into public.activities (company_id, type, title, created_at)
           select %s, 'system', 'undated', null from generate_series(1, 3)""",
        [shop.uuid],
    )
    event = order(shop.company_id, total_amount=9000.5)
    persist(target.gateway, [event])
    (row,) = target.gateway.call("botlive_read_activities", {"text_id": shop.company_id, "at_most": 1})
    assert row["id"] == str(event.event_id)


def test_what_is_in_the_inbox_is_said(target: Target, shop: Shop) -> None:
    """Of the given ids, those that were persisted are returned with their digest."""
    event = order(shop.company_id, total_amount=9000.5)
    persist(target.gateway, [event])
    asked = {"event_ids": [str(event.event_id), str(uuid4())]}
    assert target.gateway.call("botlive_persisted", asked) == {str(event.event_id): event.digest()}


def test_the_probe_passes_and_writes_nothing(target: Target, shop: Shop) -> None:
    """It carries no event."""
    target.gateway.probe()
    assert target.rows(shop).activities == {}
