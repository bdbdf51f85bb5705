"""Compatibility: an older worker with a newer event, and a newer worker with an older event."""

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
    """A payment of a later release: version 2, with one more field."""

    version: int = 2
    channel: str | None = None


def _refusal(**fields: Any) -> EventRefused:
    call = json.dumps(["worker.job.persist", None, [{**_PAYMENT, **fields}], {}]).encode()
    with pytest.raises(EventRefused) as refused:
        decode.read(call)
    return refused.value


@pytest.mark.parametrize("job", _JOBS, ids=lambda job: job["id"][-3:])
def test_jobs_of_version_1_are_read(job: dict[str, Any]) -> None:
    """Jobs of release 0.2.0 are read, and their digests are unchanged, because the inbox compares them."""
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
    """A newer version or type asks for an upgrade, not for a correction, and is listed as NewerEvent."""
    refusal = _refusal(**fields)
    assert isinstance(refusal, NewerEvent)
    assert f"a newer release than this worker ({release()})" in str(refusal)
    assert "upgrade the worker, then run `botlive failures replay --reason NewerEvent`" in str(refusal)
    assert "\n" not in str(refusal)
    assert Reason.of(refusal.report).error == "NewerEvent"


def test_an_unknown_field_is_a_newer_releases_or_a_mistake() -> None:
    """An unknown field comes from a newer release or from a wrong call; the message has both solutions."""
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
    """An invalid version, an invalid name or a wrong known field asks for a correction."""
    assert type(_refusal(**fields)) is EventRefused


def test_a_class_reads_its_older_versions() -> None:
    """A class reads its older versions, uses the newest by default and refuses newer ones."""
    assert NextPayment.model_validate(_PAYMENT).version == 1
    assert NextPayment.model_validate({**_PAYMENT, "version": 2, "channel": "wave"}).channel == "wave"
    with pytest.raises(ValueError, match="must be 1 to 2"):
        NextPayment.model_validate({**_PAYMENT, "version": 3})


def test_a_new_optional_field_changes_no_digest() -> None:
    """A new optional field changes no digest, so an older event stays a duplicate after the upgrade."""
    assert NextPayment.model_validate(_PAYMENT).digest() == _JOBS[0]["content_digest"]
