"""A worker process with OpenTelemetry and Sentry, with both out of reach, and with neither installed."""

import gzip
import json
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from events import Event
from tests.integration.line import Line, until
from tests.make import PHONE, payment

pytestmark = pytest.mark.slow

_CHAT = trace.SpanContext(
    0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, False, trace.TraceFlags(trace.TraceFlags.SAMPLED)
)


class Receiver(ThreadingHTTPServer):
    """An OpenTelemetry collector and a Sentry, on a port of this machine."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.bodies: list[tuple[str, bytes]] = []
        Thread(target=self.serve_forever, daemon=True).start()

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a process that sends here."""
        return settings(self.server_address[1])

    @property
    def groups(self) -> list[ResourceSpans]:
        """All spans, by the process that sent them."""
        bodies = [body for path, body in self.bodies if path == "/v1/traces"]
        return [
            group for body in bodies for group in ExportTraceServiceRequest.FromString(body).resource_spans
        ]

    @property
    def spans(self) -> list[Span]:
        """All spans of the worker, by their name."""
        found = [span for group in self.groups for scope in group.scope_spans for span in scope.spans]
        return sorted(found, key=lambda span: span.name)

    @property
    def services(self) -> set[str]:
        """The names of the services that sent spans."""
        attributes = [each for group in self.groups for each in group.resource.attributes]
        return {each.value.string_value for each in attributes if each.key == "service.name"}

    @property
    def reports(self) -> list[dict[str, Any]]:
        """All reports to Sentry."""
        bodies = [body for path, body in self.bodies if path == "/api/1/envelope/"]
        parts = [json.loads(line) for body in bodies for line in body.splitlines() if line.startswith(b"{")]
        return [part for part in parts if "exception" in part]


class _Request(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        """Keep the body."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.bodies.append((self.path, body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def settings(port: int) -> dict[str, str]:
    """The settings of a process that sends spans and reports to this port."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "SENTRY_DSN": f"http://public@127.0.0.1:{port}/1",
    }


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """What receives spans and reports in this test."""
    with Receiver() as made:
        yield made
        made.shutdown()


def publish(line: Line, *events: Event) -> None:
    """Publish within the chat's span."""
    with trace.use_span(trace.NonRecordingSpan(_CHAT)):
        line.publisher.publish_many(events)


def test_a_worker_sends_spans_and_reports(line: Line, receiver: Receiver) -> None:
    """One trace goes from the chat to Supabase, and the event that failed for good is in Sentry."""
    shop, _ = line.shop()
    good, bad = payment(shop), payment("no-shop")
    publish(line, good, bad)
    empty = dict.fromkeys(["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_SERVICE_NAME", "SENTRY_ENVIRONMENT"], "")
    line.environment |= {**receiver.environment, **empty, "BOTLIVE_BATCH": "1"}  # as compose.yaml sets them
    line.work()
    assert receiver.services == {"botlive-worker"}
    calls, batches = receiver.spans[:2], receiver.spans[2:]
    assert [span.name for span in calls] == ["POST botlive_persist"] * 2
    assert [span.name for span in batches] == [f"process {line.name}"] * 2
    assert {span.trace_id.hex() for span in receiver.spans} == {f"{_CHAT.trace_id:032x}"}
    assert {span.parent_span_id.hex() for span in batches} == {f"{_CHAT.span_id:016x}"}
    assert {span.parent_span_id for span in calls} == {span.span_id for span in batches}
    [report] = receiver.reports
    assert report["tags"]["reason"] == "UnknownCompany"
    assert report["tags"]["event_id"] == str(bad.event_id)
    assert report["environment"] == "production"
    assert not [path for path, body in receiver.bodies if PHONE.encode() in body]


def test_a_worker_does_without_a_receiver(line: Line) -> None:
    """They never answer: the event is persisted, and a stop is complete before its limit (exit code 143)."""
    shop, uuid = line.shop()
    event = payment(shop)
    publish(line, event)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        line.environment |= settings(silent.getsockname()[1])
        with line.worker() as worker:
            until(lambda: {*line.rows([uuid]).activities} == {event.event_id} and not line.held(), 60)
            worker.terminate()
            assert worker.wait(60) == 0


def test_a_worker_does_without_the_packages(line: Line, tmp_path: Path) -> None:
    """The events are persisted, also those with a trace context; the log says what is missing."""
    shop, uuid = line.shop()
    event = payment(shop)
    publish(line, event)
    blocked = "import sys\nsys.modules['opentelemetry'] = sys.modules['sentry_sdk'] = None\n"
    (tmp_path / "sitecustomize.py").write_text(blocked)
    line.environment |= {**settings(9), "PYTHONPATH": str(tmp_path)}
    lines = [json.loads(said) for said in line.work().splitlines()]
    assert {*line.rows([uuid]).activities} == {event.event_id}
    assert [said["part"] for said in lines if said["event"] == "telemetry is off"] == ["tracing", "sentry"]
