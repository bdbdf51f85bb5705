"""The worker's spans, after OpenTelemetry's conventions for messaging and HTTP; needs ``opentelemetry-api``.

A batch has a consumer span, which is linked to the context that each job carries. A batch of one event is
also a child of that context, so that one trace goes from the chat to Supabase. The call of Supabase has a
client span. No attribute holds a shop or a customer.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
import redis
from opentelemetry import trace
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from events.publishing.keys import raw
from events.publishing.tracing import LONGEST_STATE, PARENT, STATE
from gateway.client import Gateway
from gateway.errors import EventRefused, WaitsApart
from gateway.release import release
from worker.persister import Delivery, Persister, Persists
from worker.scripts import script

_LONGEST_PARENT = 55  # bytes of a traceparent of version 00
_W3C = TraceContextTextMapPropagator()

_tracer = trace.get_tracer("botlive.events", release())


def has_provider() -> bool:
    """Return whether this process records spans."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


class Contexts:
    """Reads the contexts that jobs carry. Its connection must not retry: spans do not delay a batch."""

    def __init__(self, connection: redis.Redis) -> None:
        self._read = script(connection, "contexts")

    def of(self, job_ids: Sequence[str]) -> list[SpanContext]:
        """Return the context of each job. It is invalid if the job has none, or if Redis does not answer."""
        try:
            found = self._read(args=[_LONGEST_PARENT, LONGEST_STATE, *map(raw, job_ids)])
        except (redis.RedisError, OSError):
            return [trace.INVALID_SPAN_CONTEXT] * len(job_ids)
        return [_context(*pair) for pair in zip(found[::2], found[1::2], strict=True)]


class TracedPersister(Persister):
    """A persister that makes a span for each batch."""

    def __init__(self, gateway: Persists, contexts: Contexts, queue: str) -> None:
        super().__init__(gateway, apart=True)
        self._contexts = contexts
        self._queue = queue

    def persist(self, deliveries: Sequence[Delivery]) -> list[EventRefused | WaitsApart | None]:
        """Persist a batch, see ``Persister.persist``."""
        with self._span(deliveries) as span:
            errors = super().persist(deliveries)
            _note(span, [error for error in errors if error])
        return errors

    @contextmanager
    def _span(self, deliveries: Sequence[Delivery]) -> Iterator[Span]:
        contexts = self._contexts.of([delivery.job_id for delivery in deliveries])
        links = [
            Link(context, _event(delivery))
            for delivery, context in zip(deliveries, contexts, strict=True)
            if context.is_valid
        ]
        is_single = len(deliveries) == 1
        parent = links[0].context if is_single and links else trace.INVALID_SPAN_CONTEXT
        attributes: dict[str, str | int] = {
            "messaging.system": "rq",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": self._queue,
            **(_event(deliveries[0]) if is_single else {"messaging.batch.message_count": len(deliveries)}),
        }
        with (
            _tracer.start_as_current_span(
                f"process {self._queue}",
                trace.set_span_in_context(trace.NonRecordingSpan(parent)),
                SpanKind.CONSUMER,
                attributes,
                links,
                record_exception=False,  # its text and its stack may quote an event
                set_status_on_exception=False,
            ) as span,
            _failing(span),
        ):
            yield span


class TracedGateway(Gateway):
    """A gateway that makes a span for each call within another span, and sends its context to Supabase."""

    def __init__(self, client: Any, http: httpx.Client, replies: Any) -> None:
        super().__init__(client, http, replies)
        http.event_hooks["request"].append(_describe)

    def call(self, function: str, arguments: Mapping[str, Any]) -> Any:
        """Call a function of the database, see ``Gateway.call``."""
        if not trace.get_current_span().get_span_context().is_valid:
            return super().call(function, arguments)
        with (
            _tracer.start_as_current_span(
                f"POST {function}",
                kind=SpanKind.CLIENT,
                record_exception=False,
                set_status_on_exception=False,
            ) as span,
            _failing(span),
        ):
            try:
                return super().call(function, arguments)
            finally:
                if (status := self._replies.status) is not None:
                    span.set_attribute("http.response.status_code", status)


def _describe(request: httpx.Request) -> None:
    """Describe the request in its span, and add the context to its headers (an event hook of httpx)."""
    span = trace.get_current_span()
    if span.get_span_context().is_valid:
        url = request.url.copy_with(username=None, password=None)
        span.set_attributes(
            {
                "http.request.method": request.method,
                "server.address": url.host,
                "server.port": url.port or (443 if url.scheme == "https" else 80),
                "url.full": str(url),
            }
        )
        _W3C.inject(request.headers)


def _context(parent: bytes, state: bytes) -> SpanContext:
    carrier = {PARENT: parent.decode(errors="replace"), STATE: state.decode(errors="replace")}
    return trace.get_current_span(_W3C.extract(carrier)).get_span_context()


def _event(delivery: Delivery) -> dict[str, str]:
    return {
        "messaging.message.id": str(delivery.event.event_id),
        "botlive.event.type": delivery.event.type,
    }


def _note(span: Span, errors: Iterable[Exception]) -> None:
    """Note in the span the events that were not persisted."""
    names = [type(error).__name__ for error in errors]
    if names:
        span.set_attributes({"botlive.events.not_persisted": len(names), "error.type": names[0]})
        span.set_status(Status(StatusCode.ERROR, ", ".join(sorted({*names}))))


@contextmanager
def _failing(span: Span) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        span.set_attribute("error.type", type(error).__name__)
        span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        raise
