"""Releases side by side: an older worker and a newer event, a newer worker and an older event."""

import json
from pathlib import Path
from typing import Any

import pytest

from events.contracts import PaymentValidated
from gateway.errors import EventRefused, NewerEvent
from gateway.release import release
from operations.failed.reason import Reason
from worker import decode

_JOBS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "data" / "jobs-v1.json").read_text(encoding="utf-8")
)
_PAYMENT = json.loads(_JOBS[0]["job"]["data"])[2][0]


class NextPayment(PaymentValidated):
    """The payment of a later release: version 2, with one more field."""

    version: int = 2
    channel: str | None = None


def _refusal(**fields: Any) -> EventRefused:
    call = json.dumps(["worker.job.persist", None, [{**_PAYMENT, **fields}], {}]).encode()
    with pytest.raises(EventRefused) as refused:
        decode.read(call)
    return refused.value


@pytest.mark.parametrize("job", _JOBS, ids=lambda job: job["id"][-3:])
def test_jobs_of_version_1_are_read(job: dict[str, Any]) -> None:
    """Frozen as release 0.2.0 wrote them. The digest of each stays too: the inbox compares it."""
    call = job["job"]["data"].encode()
    if job["content_digest"] is None:  # published unchecked
        with pytest.raises(EventRefused, match="total_amount: must be a number"):
            decode.read(call)
    else:
        event = decode.read(call)
        assert (str(event.event_id), event.digest()) == (job["id"], job["content_digest"])


@pytest.mark.parametrize(
    "fields",
    [
        {"version": 2},
        {"version": 2, "amount": {"value": 2000}, "channel": "wave"},
        {"type": "refund_issued"},
    ],
)
def test_another_version_or_type_asks_for_an_upgrade(fields: dict[str, Any]) -> None:
    """Not for a correction, whatever else is unknown in it; `failures` lists it by that name."""
    refusal = _refusal(**fields)
    assert isinstance(refusal, NewerEvent)
    assert f"made by a newer release than this worker ({release()})" in str(refusal)
    assert "upgrade the worker, then run `botlive failures replay --reason NewerEvent`" in str(refusal)
    assert "\n" not in str(refusal)
    assert Reason.of(refusal.report).error == "NewerEvent"


def test_an_unknown_field_is_a_newer_releases_or_a_mistake() -> None:
    """A wrong call of the drop-in looks the same: both cures are named."""
    refusal = _refusal(channel="wave")
    assert isinstance(refusal, NewerEvent)
    assert "upgrade the worker" in str(refusal)
    assert "`botlive failures edit ID --unset channel`" in str(refusal)
    assert "wave" not in str(refusal)


@pytest.mark.parametrize(
    "fields",
    [
        {"version": 0},
        {"version": True},
        {"version": "2"},
        {"type": "+2250700000000"},
        {"type": 5},
        {"+2250700000000": 1},
        {"channel": "wave", "amount": "2 000"},
    ],
)
def test_what_no_release_writes_asks_for_a_correction(fields: dict[str, Any]) -> None:
    """A version that is none, a name that is none, or a known field that is wrong as well."""
    assert type(_refusal(**fields)) is EventRefused


def test_a_class_reads_its_older_versions() -> None:
    """The newest version is the default of its class; what is newer still is refused."""
    assert NextPayment.model_validate(_PAYMENT).version == 1
    assert NextPayment.model_validate({**_PAYMENT, "version": 2, "channel": "wave"}).channel == "wave"
    with pytest.raises(ValueError, match="must be 1 to 2"):
        NextPayment.model_validate({**_PAYMENT, "version": 3})


def test_a_new_optional_field_changes_no_digest() -> None:
    """A redelivery of an older event stays a duplicate after the upgrade."""
    assert NextPayment.model_validate(_PAYMENT).digest() == _JOBS[0]["content_digest"]
