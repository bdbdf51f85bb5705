"""Hypothesis strategies: events as Botlive may publish them."""

from datetime import UTC, datetime, timedelta
from typing import Any, assert_never, get_args

from hypothesis import strategies as st

from events import AnyEvent, EventType, Item, LiveToggled, OrderCompleted, PaymentIssue, PaymentValidated

_MORNING = datetime(2026, 11, 20, 8, tzinfo=UTC)

# Few instants, so that ties occur, and seconds, so that durations round.
instants = st.integers(0, 40).map(lambda steps: _MORNING + timedelta(seconds=45 * steps))
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
amounts = st.one_of(
    st.integers(0, 10**15),
    st.floats(0, 10**9, allow_nan=False, allow_infinity=False),
    st.decimals(0, 10**9, places=2),
)
phones = st.from_regex(r"\+225\d{10}", fullmatch=True)
_items = st.builds(Item, name=texts, quantity=st.integers(1, 99), price=amounts)


def _shared(company_id: st.SearchStrategy[str]) -> dict[str, Any]:
    return {
        "event_id": st.uuids(),
        "company_id": company_id,
        "occurred_at": instants,
        "conversation_id": st.none() | st.uuids(),
    }


def toggles(company_id: st.SearchStrategy[str]) -> st.SearchStrategy[LiveToggled]:
    """Switches of the live mode."""
    return st.builds(
        LiveToggled, **_shared(company_id), enabled=st.booleans(), mode=st.sampled_from(["live", "rag"])
    )


def events(company_id: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Events of every type."""
    return st.one_of(_of_type(kind, company_id) for kind in get_args(EventType))


def _of_type(kind: EventType, company_id: st.SearchStrategy[str]) -> st.SearchStrategy[AnyEvent]:
    shared = _shared(company_id)
    match kind:
        case "payment_validated":
            return st.builds(PaymentValidated, **shared, user_id=phones, amount=amounts, reference=texts)
        case "payment_issue":
            return st.builds(
                PaymentIssue,
                **shared,
                user_id=phones,
                issue_type=texts,
                message=texts,
                detected_amount=st.none() | amounts,
                required_amount=st.none() | amounts,
            )
        case "order_completed":
            return st.builds(
                OrderCompleted,
                **shared,
                user_id=phones,
                customer_name=texts,
                total_amount=amounts,
                items=st.lists(_items, min_size=1, max_size=3).map(tuple),
                zone=st.none() | texts,
                phone=st.none() | phones,
            )
        case "live_toggled":
            return toggles(company_id)
    assert_never(kind)
