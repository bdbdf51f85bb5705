"""Sentry: what is reported, once, and without personal data."""

import json
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
import sentry_sdk
from pydantic import SecretStr
from sentry_sdk.envelope import Envelope
from sentry_sdk.scope import should_send_default_pii
from sentry_sdk.transport import Transport
from structlog.testing import capture_logs

from events.publishing.call import Call
from gateway.errors import OwnFault, TransientFault, UnknownCompany
from gateway.settings import TelemetrySettings
from operations import telemetry
from operations.telemetry import sentry
from tests.make import PHONE, payment
from tests.unit.scripted import ScriptedRedis
from worker import incidents
from worker.breaker import Breaker
from worker.claims import Claims
from worker.guard import GuardedWorker
from worker.held import Held
from worker.incidents import Incident
from worker.ledger import Ledger
from worker.own_faults import OwnFaults

_DSN = "https://public@sentry.test/1"


class Recorder(Transport):
    """Keeps the reports instead of sending them."""

    def __init__(self) -> None:
        super().__init__()
        self.reports: list[dict[str, Any]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        """Keep the report of the envelope."""
        for item in envelope.items:
            self.reports.append(json.loads(item.get_bytes()))


def fail(error: BaseException) -> None:
    """Raise the error."""
    raise error


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """The reports of this test. Afterwards nothing is reported any more."""
    monkeypatch.setattr(incidents, "_listeners", [])
    transport = Recorder()
    sentry.start(_DSN, transport=transport)
    yield transport.reports
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)


def test_an_event_that_failed_for_good_is_reported(reports: list[dict[str, Any]]) -> None:
    """With the reason, the event's type and its id; nothing of its content."""
    redis = ScriptedRedis()
    worker = GuardedWorker(["botlive"], connection=redis)
    claims = Claims(redis, "botlive", worker.name)
    call = Call.of(event := payment("shop"))
    redis.hset(f"rq:job:{call.own_id}", mapping=_hash(call))
    redis.zadd("rq:wip:botlive", {f"{call.own_id}:{worker.name}": "+inf"})
    Ledger(worker, claims).fail(call.own_id, UnknownCompany("shop"))
    [report] = reports
    assert report["level"] == "error"
    assert report["tags"] == {
        "incident": "event failed",
        "reason": "UnknownCompany",
        "event_type": "payment_validated",
        "event_id": str(event.event_id),
    }
    assert report["fingerprint"] == ["event failed", "UnknownCompany", "payment_validated"]
    [exception] = report["exception"]["values"]
    assert exception["type"] == "UnknownCompany"
    assert exception["value"].startswith("company shop is in no row of company_mapping")
    assert report["release"].startswith("botlive-events@")
    assert PHONE not in json.dumps(report)


def _hash(call: Call) -> dict[Any, Any]:
    return {
        "data": call.data,
        "origin": "botlive",
        "status": "started",
        "description": call.description,
        "created_at": "2026-11-26T00:00:00.000000Z",
    }


def test_names_from_a_job_are_harmless(reports: list[dict[str, Any]]) -> None:
    """A job's description and id may be anything: a number is masked, an unknown type is left out."""
    incidents.report(Incident("event failed", UnknownCompany(PHONE), f"{PHONE}\x1b[31m", f"of {PHONE}"))
    [report] = reports
    assert report["tags"] == {"incident": "event failed", "reason": "UnknownCompany", "event_id": "***?[31m"}
    assert PHONE not in json.dumps(report)


def test_a_held_worker_is_reported_once(reports: list[dict[str, Any]]) -> None:
    """At the begin of each outage, not at each retry."""
    held, breaker = Held(Mock()), Breaker(500)
    for _ in range(2):
        for _ in range(3):
            breaker.failed(["id"], TransientFault("Supabase is away"))
            held.report(breaker)
        breaker.passed()
        held.report(breaker)
    assert [report["tags"]["incident"] for report in reports] == ["worker held"] * 2
    assert [report["exception"]["values"][0]["value"] for report in reports] == ["Supabase is away"] * 2


def test_a_bug_is_reported_with_its_stack_but_not_its_text(reports: list[dict[str, Any]]) -> None:
    """The text of any other exception may quote an event; so may the variables of its frames."""
    name = "awA"[::-1]  # the report may quote this line, but not the value
    try:
        fail(ValueError(f"{name} {PHONE}"))
    except ValueError as error:
        fault = OwnFaults().fault(error)
    breaker = Breaker(500)
    breaker.failed(["id"], fault)
    Held(Mock()).report(breaker)
    [report] = reports
    bug, ours = report["exception"]["values"]
    assert (bug["type"], bug["value"]) == ("ValueError", "***")
    assert ours["type"] == OwnFault.__name__
    assert ours["value"].startswith("the worker failed (ValueError)")
    assert bug["stacktrace"]["frames"][-1]["function"] == "fail"
    assert "vars" not in bug["stacktrace"]["frames"][-1]
    assert report["tags"]["reason"] == "ValueError"
    assert name not in json.dumps(report)
    assert PHONE not in json.dumps(report)


def test_an_exception_that_a_library_logs_is_reported(reports: list[dict[str, Any]]) -> None:
    """RQ logs so what ends a worker. Of the log line neither the text nor the arguments are sent."""
    try:
        fail(KeyError(PHONE))
    except KeyError:
        logging.getLogger("rq.worker").exception("job of %s", PHONE, extra={"arguments": [PHONE]})
    [report] = reports
    assert report["logger"] == "rq.worker"
    assert [exception["type"] for exception in report["exception"]["values"]] == ["KeyError"]
    assert not {"extra", "logentry", "breadcrumbs", "contexts", "modules"} & report.keys()
    assert PHONE not in json.dumps(report)


@pytest.mark.parametrize("name", ["botlive", "opentelemetry.exporter.otlp", "sentry_sdk.errors"])
def test_some_log_lines_are_no_reports(reports: list[dict[str, Any]], name: str) -> None:
    """Our own lines, because the incidents are reported, and failed exports."""
    try:
        fail(KeyError())
    except KeyError:
        logging.getLogger(name).exception("failed")
    logging.getLogger("rq.worker").error("an error without an exception")
    assert not reports


def test_what_ends_a_thread_is_reported(
    reports: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As what ends the process is."""
    monkeypatch.setattr(threading, "excepthook", lambda _: None)

    thread = threading.Thread(target=fail, args=[RuntimeError(PHONE)])
    thread.start()
    thread.join()
    [report] = reports
    assert [exception["type"] for exception in report["exception"]["values"]] == ["RuntimeError"]
    assert PHONE not in json.dumps(report)


def test_the_library_adds_nothing_by_itself(reports: list[dict[str, Any]]) -> None:
    """Its default integrations would send the arguments of jobs and the commands of Redis."""
    assert not reports
    assert not should_send_default_pii()
    assert {*sentry_sdk.get_client().integrations} == {"atexit", "excepthook", "logging", "threading"}


def test_a_report_that_cannot_be_made_harms_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listener that fails is logged."""
    monkeypatch.setattr(incidents, "_listeners", [lambda _: fail(RuntimeError(PHONE))])
    with capture_logs() as lines:
        incidents.report(Incident("worker held", TransientFault()))
    assert [line["event"] for line in lines] == ["an incident could not be reported"]
    assert PHONE not in str(lines)


@pytest.mark.parametrize(
    ("settings", "part", "reason"),
    [
        (TelemetrySettings(dsn=SecretStr("https://secret")), "sentry", "cannot be used (BadDsn)"),
        (TelemetrySettings(dsn=SecretStr(_DSN)), "sentry", "requirements/sentry.txt"),
        (TelemetrySettings(collector="secret:4318"), "tracing", "cannot be used (ValidationError)"),
        (TelemetrySettings(collector="http://localhost:1"), "tracing", "requirements/tracing.txt"),
    ],
)
def test_what_cannot_start_is_logged(
    monkeypatch: pytest.MonkeyPatch, settings: TelemetrySettings, part: str, reason: str
) -> None:
    """The worker goes on. The line says which setting and what to do, and holds no value."""
    if "requirements" in reason:
        missing = {"sentry": "sentry_sdk", "tracing": "opentelemetry"}[part]
        monkeypatch.delitem(sys.modules, f"operations.telemetry.{part}", raising=False)
        monkeypatch.setitem(sys.modules, missing, None)
    with capture_logs() as lines:
        telemetry.start(settings)
    [line] = lines
    assert (line["event"], line["part"]) == ("telemetry is off", part)
    assert reason in line["reason"]
    assert "secret" not in str(line)


def test_without_settings_nothing_starts() -> None:
    """Neither library is used."""
    with capture_logs() as lines:
        telemetry.start(TelemetrySettings())
    assert not lines
    assert not sentry_sdk.get_client().is_active()


def test_texts_are_masked_at_every_level() -> None:
    """In a list and in a mapping; a value that is no text stays. Unknown fields are left out."""
    raw: Any = {
        "message": PHONE,
        "fingerprint": ["a", PHONE],
        "tags": {"number": 3, "who": PHONE},
        "user": PHONE,
    }
    assert sentry.without_personal_data(raw, {}) == {
        "message": "***",
        "fingerprint": ["a", "***"],
        "tags": {"number": 3, "who": "***"},
    }
