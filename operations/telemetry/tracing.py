"""Sends this process's spans to the collector of ``OTEL_EXPORTER_OTLP_ENDPOINT``."""

import atexit
from threading import Event, Thread

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import (
    SERVICE_NAME,
    SERVICE_VERSION,
    OTELResourceDetector,
    Resource,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from pydantic import AnyHttpUrl

from gateway.release import release

_SERVICE = "botlive-worker"
_LAST = 2.0  # seconds


def start(collector: str) -> None:
    """Record spans from now on, unless the process was started with a provider of its own.

    The library reads the ``OTEL_…`` variables itself: the collector, headers, sampler, name of the service.

    Raises:
        ValueError: ``collector`` is no URL; the library would drop every span in silence.
    """
    AnyHttpUrl(collector)
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return  # `opentelemetry-instrument botlive worker`
    ours = Resource.create({SERVICE_NAME: _SERVICE, SERVICE_VERSION: release()})
    provider = TracerProvider(
        resource=ours.merge(OTELResourceDetector().detect()),
        shutdown_on_exit=False,  # that would wait up to 30 s for a collector that is away
    )
    processor = BatchSpanProcessor(OTLPSpanExporter())
    provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)
    _end_with_process(processor)


def _end_with_process(processor: BatchSpanProcessor) -> None:
    """Send the last spans when the process ends, for ``_LAST`` seconds at most."""
    ends = Event()

    def wait_and_send() -> None:
        ends.wait()
        processor.shutdown()  # type: ignore[no-untyped-call] # untyped in OpenTelemetry

    def end() -> None:
        ends.set()
        thread.join(_LAST)

    # It starts now, because Python starts no threads in a process that ends.
    thread = Thread(target=wait_and_send, name="last spans", daemon=True)
    thread.start()
    atexit.register(end)
