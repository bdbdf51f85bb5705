"""Sends this process's spans to the collector of ``OTEL_EXPORTER_OTLP_ENDPOINT``."""

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

from gateway.release import release

_SERVICE = "botlive-worker"


def start() -> None:
    """Record spans from now on, unless the process was started with a provider of its own.

    The library reads the ``OTEL_…`` variables itself: headers, sampler, name of the service.
    """
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return  # `opentelemetry-instrument botlive worker`
    ours = Resource.create({SERVICE_NAME: _SERVICE, SERVICE_VERSION: release()})
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
