"""The test double for a host's tests: it has the publisher's interface and refuses what a worker refuses."""

import asyncio
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import dropin
from events import (
    EventPublisher,
    InvalidEvent,
    LiveToggled,
    PaymentValidated,
    Publisher,
    PublisherClosed,
    PublishError,
)
from events.testing import RecordingPublisher

_GUIDE = Path(__file__).parents[2] / "docs" / "integration.md"
_PHONE = "+2250700000000"


def _payment(**fields: Any) -> PaymentValidated:
    plain = {"company_id": "shop", "user_id": _PHONE, "amount": 2000, "reference": "WAVE-123"}
    return PaymentValidated(**{**plain, **fields})


def _surface(of: type) -> dict[str, str]:
    """Returns the public members, each with its signature."""
    members = inspect.getmembers_static(of)
    named = [
        (name, value)
        for name, value in members
        if not name.startswith("_") or name in {"__enter__", "__exit__"}
    ]
    return {name: _signature(value) for name, value in named}


def _signature(member: Any) -> str:
    if isinstance(member, property):
        return f"property {inspect.signature(member.fget).return_annotation}"  # type: ignore[arg-type]
    function = inspect.unwrap(getattr(member, "__func__", member))
    kind = "async " if inspect.iscoroutinefunction(function) else ""
    return f"{type(member).__name__} {kind}{inspect.signature(function)}"


def test_the_double_and_the_protocol_have_the_publishers_surface() -> None:
    """The double, the protocol and the publisher have the same names, arguments, types and coroutines."""
    publisher, double, protocol = map(_surface, (Publisher, RecordingPublisher, EventPublisher))
    own = {"events", "refused", "events_of", "clear", "away"}
    assert {name: double[name] for name in double.keys() - own} == publisher
    assert protocol == {name: publisher[name] for name in publisher.keys() - {"from_env"}}


def test_it_records_once_in_order_and_by_class() -> None:
    """Each way to publish records an event once; `clear` removes the events."""
    publisher = RecordingPublisher.from_env()
    paid, toggled = _payment(), LiveToggled(company_id="shop", enabled=True)
    assert publisher.publish(paid) == paid.event_id
    assert publisher.publish_many([paid, toggled]) == [paid.event_id, toggled.event_id]
    assert asyncio.run(publisher.apublish(toggled)) == toggled.event_id
    assert publisher.events == (paid, toggled)
    assert publisher.events_of(LiveToggled) == [toggled]
    assert (publisher.waiting, publisher.drain()) == (0, 0)
    publisher.clear()
    assert not publisher.events


def test_it_refuses_what_a_worker_would_refuse() -> None:
    """It refuses an event that bypassed its contract, and another event with a known id."""
    publisher = RecordingPublisher()
    paid = _payment()
    with pytest.raises(InvalidEvent, match=r"^amount: must not be negative$"):
        publisher.publish(paid.model_copy(update={"amount": -1}))
    publisher.publish(paid)
    with pytest.raises(InvalidEvent, match=r"^event_id: is already used"):
        publisher.publish(_payment(event_id=paid.event_id, amount=1))
    assert publisher.events == (paid,)


def test_what_fits_no_contract_is_recorded_with_the_reason() -> None:
    """An unchecked payload is recorded with the reason, or as an event if it fits its contract."""
    publisher = RecordingPublisher()
    event_id = publisher.publish_unchecked("payment_validated", {"company_id": "shop", "amount": "2 000"})
    (refused,) = publisher.refused
    assert (refused.event_id, refused.event_type, refused.error.field) == (
        event_id,
        "payment_validated",
        "user_id",
    )
    content = {name: value for name, value in _payment().content().items() if name != "event_id"}
    asyncio.run(publisher.apublish_unchecked("payment_validated", content))
    assert len(publisher.events_of(PaymentValidated)) == len(publisher.refused) == 1


def test_an_outage_and_a_closed_publisher_raise_as_the_real_one() -> None:
    """`away` and `close` raise like the real publisher; the recorded events stay."""
    with RecordingPublisher() as publisher:
        publisher.publish(_payment())
        with publisher.away(), pytest.raises(PublishError):
            publisher.publish(_payment())
        publisher.publish(_payment())
    with pytest.raises(PublisherClosed):
        publisher.publish(_payment())
    assert len(publisher.events) == 2


def test_the_old_names_publish_through_it() -> None:
    """The drop-in publishes through the double after `dropin.use`."""
    publisher = RecordingPublisher()
    dropin.use(publisher)
    try:
        accepted = asyncio.run(dropin.log_payment_validated("shop", _PHONE, 2000, "R"))
        refused = asyncio.run(dropin.log_payment_validated("shop", _PHONE, "2 000", "R"))  # type: ignore[arg-type]
    finally:
        dropin.use(None)
    assert (accepted, refused) == (True, False)
    assert len(publisher.events) == len(publisher.refused) == 1


@pytest.mark.slow
def test_the_guides_fixture_works(tmp_path: Path) -> None:
    """The fixture in docs/integration.md works in a host's test file."""
    section = _GUIDE.read_text(encoding="utf-8").partition("## Your own tests\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(blocks) == 2
    (tmp_path / "conftest.py").write_text(blocks[0], encoding="utf-8")
    (tmp_path / "test_chat.py").write_text(blocks[1], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout + done.stderr
