"""OpenTelemetry: the chat's trace context in the job, and the worker's spans."""

import asyncio
import runpy
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Never

import fakeredis
import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from pydantic import SecretStr
from rq.job import Job
from rq.serializers import JSONSerializer

from events import AnyEvent, Event, Publisher
from events.publishing import tracing as publishing
from events.publishing.call import Call
from events.publishing.outbox import Outbox
from gateway.errors import EventRefused, TransientFault, WaitsApart, WorkerError
from gateway.settings import Settings
from tests.make import PHONE, every_type, order, payment
from worker import tracing
from worker.persister import Delivery
from worker.scripts import script

_QUEUE = "botlive"
_KEY = "_".join(("sb", "secret", "abcdefgh"))  # in parts, so that secret scanners ignore it
_PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def spans() -> InMemorySpanExporter:
    """The spans of this test that have ended."""
    return InMemorySpanExporter()


@pytest.fixture
def tracer(spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> trace.Tracer:
    """The tracer of the chat and of the worker. The provider of the process stays as it is."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    made = provider.get_tracer("test")
    monkeypatch.setattr(tracing, "_tracer", made)
    return made


@pytest.fixture
def redis() -> fakeredis.FakeStrictRedis:
    """A Redis server of this test."""
    return fakeredis.FakeStrictRedis(server=fakeredis.FakeServer())


@pytest.fixture
def publisher(redis: fakeredis.FakeStrictRedis) -> Iterator[Publisher]:
    """The chat's publisher."""
    with Publisher(redis, within=10) as made:
        yield made


def carried(redis: fakeredis.FakeStrictRedis, event: Event) -> dict[bytes, bytes]:
    """Return the fields of the job that hold its trace context."""
    found: Any = redis.hgetall(f"rq:job:{event.event_id}")
    return {name: found[name] for name in (b"traceparent", b"tracestate") if name in found}


def written(span: trace.Span) -> str:
    """Return the span's context as W3C writes it."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


# The chat.


@pytest.mark.parametrize("event", every_type(), ids=lambda event: event.type)
def test_the_job_carries_the_context_of_the_chats_span(
    redis: fakeredis.FakeStrictRedis, publisher: Publisher, tracer: trace.Tracer, event: Event
) -> None:
    """RQ, as an older worker does, reads the job as before: it ignores the two fields."""
    with tracer.start_as_current_span("message") as span:
        publisher.publish(event)
    assert carried(redis, event) == {b"traceparent": written(span).encode()}
    job = Job.fetch(str(event.event_id), connection=redis, serializer=JSONSerializer)
    assert job.args == [event.content()]
    assert job.meta == {}


def test_a_coroutine_publishes_its_own_context(
    redis: fakeredis.FakeStrictRedis, publisher: Publisher, tracer: trace.Tracer
) -> None:
    """The thread that sends the events of many coroutines together has no part in it."""
    events = [payment() for _ in range(5)]

    async def publish(event: Event) -> str:
        with tracer.start_as_current_span("message") as span:
            await publisher.apublish(event)
        return written(span)

    async def publish_all() -> list[str]:
        return await asyncio.gather(*map(publish, events))

    parents = asyncio.run(publish_all())
    assert len({*parents}) == 5
    assert [carried(redis, event)[b"traceparent"].decode() for event in events] == parents


def test_no_span_no_field(redis: fakeredis.FakeStrictRedis, publisher: Publisher) -> None:
    """The job of a chat without a span has the same fields as before."""
    event = payment()
    publisher.publish(event)
    assert redis.hkeys(f"rq:job:{event.event_id}") == [
        *(b"digest", b"data", b"origin", b"status", b"failure_ttl", b"description", b"created_at")
    ]


@pytest.mark.parametrize(("length", "is_carried"), [(512, True), (513, False)])
def test_tracestate_is_carried_up_to_its_limit(
    redis: fakeredis.FakeStrictRedis, publisher: Publisher, length: int, is_carried: bool
) -> None:
    """It may come from a stranger's request. Without it the context is still of use."""
    members = [("a", "x" * 200), ("b", "y" * 200), ("c", "z" * (length - 408))]
    context = trace.SpanContext(1, 2, True, trace.TraceFlags(1), trace.TraceState(members))
    event = payment()
    with trace.use_span(trace.NonRecordingSpan(context)):
        publisher.publish(event)
    assert len(carried(redis, event).get(b"tracestate", b"")) == (length if is_carried else 0)
    assert b"traceparent" in carried(redis, event)


def test_baggage_is_not_carried(
    redis: fakeredis.FakeStrictRedis, publisher: Publisher, tracer: trace.Tracer
) -> None:
    """The host may have put personal data there."""
    from opentelemetry import baggage, context  # noqa: PLC0415 # for this test only

    token = context.attach(baggage.set_baggage("customer", PHONE))
    event = payment()
    with tracer.start_as_current_span("message"):
        publisher.publish(event)
    context.detach(token)
    assert b"baggage" not in redis.hkeys(f"rq:job:{event.event_id}")


class BrokenSpan(trace.NonRecordingSpan):
    """A span of a host whose tracing has a bug."""

    def get_span_context(self) -> Never:
        """Fail."""
        raise RuntimeError


def test_a_broken_span_loses_no_event(redis: fakeredis.FakeStrictRedis, publisher: Publisher) -> None:
    """The event is published without a context."""
    event = payment()
    with trace.use_span(BrokenSpan(trace.INVALID_SPAN_CONTEXT)):
        publisher.publish(event)
    assert redis.exists(f"rq:job:{event.event_id}")
    assert not carried(redis, event)


def test_the_same_event_in_another_trace_is_the_same_event(
    redis: fakeredis.FakeStrictRedis, publisher: Publisher, tracer: trace.Tracer
) -> None:
    """The context is no part of the event's digest: no second job, and the first one stays as it is."""
    event = payment()
    calls = []
    for name in ("first", "second"):
        with tracer.start_as_current_span(name) as span:
            publisher.publish(event)
            calls.append(Call.of(event))
        if name == "first":
            first = written(span)
    assert calls[0] == calls[1]
    assert calls[0].fingerprint == calls[1].fingerprint
    assert calls[0].trace != calls[1].trace
    assert redis.llen("rq:queue:botlive") == 1
    assert carried(redis, event) == {b"traceparent": first.encode()}


def test_the_outbox_keeps_the_event_without_its_context(tmp_path: Path, tracer: trace.Tracer) -> None:
    """Its file has no column for it, so that older releases can read the file."""
    outbox, event = Outbox(tmp_path / "outbox"), payment()
    with tracer.start_as_current_span("message"):
        outbox.add([[Call.of(event)]])
    [(_, call)] = outbox.oldest(1)
    assert call == Call.of(event)
    assert call.trace == ()


# The worker.


class Answers:
    """A Supabase that records requests and answers them."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.outcomes: list[dict[str, Any]] = []
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.requests.append(request)
        return httpx.Response(self.status, json=self.outcomes if self.status == 200 else {"message": PHONE})


Persist = Callable[..., Sequence[EventRefused | WaitsApart | None]]


@pytest.fixture
def answers() -> Answers:
    """What Supabase answers in this test."""
    return Answers()


@pytest.fixture
def persist(redis: fakeredis.FakeStrictRedis, answers: Answers, tracer: trace.Tracer) -> Persist:
    """Persist events as a worker does, with jobs of the events' own ids."""
    assert tracer
    settings = Settings(supabase_url="https://user:secret@supabase.test", supabase_key=SecretStr(_KEY))
    gateway = tracing.TracedGateway.connect(settings, transport=httpx.MockTransport(answers))
    persister = tracing.TracedPersister(gateway, tracing.Contexts(redis), _QUEUE)

    def run(*events: AnyEvent, outcome: str = "persisted") -> Sequence[EventRefused | WaitsApart | None]:
        answers.outcomes = [{"outcome": outcome, "reason": "no"} for _ in events]
        return persister.persist([Delivery.of(str(event.event_id), event) for event in events])

    return run


def ended(spans: InMemorySpanExporter) -> tuple[ReadableSpan, ReadableSpan]:
    """Return the span of the batch and that of the call."""
    call, batch = (span for span in spans.get_finished_spans() if span.kind is not SpanKind.INTERNAL)
    assert (batch.kind, call.kind) == (SpanKind.CONSUMER, SpanKind.CLIENT)
    assert call.parent == batch.get_span_context()
    return batch, call


def context_of(span: ReadableSpan) -> trace.SpanContext:
    """Return the context of a span that has ended."""
    context = span.get_span_context()
    assert context
    return context


def test_one_event_is_one_trace_from_the_chat_to_supabase(
    publisher: Publisher,
    tracer: trace.Tracer,
    persist: Persist,
    spans: InMemorySpanExporter,
    answers: Answers,
) -> None:
    """Its consumer span is a child of the chat's span and linked to it; the call's span is its child."""
    event = payment()
    with tracer.start_as_current_span("message") as chat:
        publisher.publish(event)
    assert persist(event) == [None]
    batch, call = ended(spans)
    assert batch.parent
    assert batch.parent.span_id == chat.get_span_context().span_id
    assert {context_of(span).trace_id for span in (batch, call)} == {chat.get_span_context().trace_id}
    assert batch.name == "process botlive"
    assert batch.attributes == {
        "messaging.system": "rq",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "botlive",
        "messaging.message.id": str(event.event_id),
        "botlive.event.type": "payment_validated",
    }
    [link] = batch.links
    assert link.context.span_id == chat.get_span_context().span_id
    [request] = answers.requests
    assert request.headers["traceparent"].split("-")[1:3] == [
        f"{context_of(call).trace_id:032x}",
        f"{context_of(call).span_id:016x}",
    ]


def test_a_batch_is_linked_to_each_trace(
    publisher: Publisher, tracer: trace.Tracer, persist: Persist, spans: InMemorySpanExporter
) -> None:
    """It has a trace of its own. An event without a context has no link."""
    events, parents = every_type(), []
    for event in events[:3]:
        with tracer.start_as_current_span("message") as chat:
            publisher.publish(event)
        parents.append(chat.get_span_context())
    publisher.publish(events[3])
    persist(*events)
    batch, _ = ended(spans)
    assert batch.parent is None
    assert batch.attributes
    assert batch.attributes["messaging.batch.message_count"] == 4
    assert [link.context.span_id for link in batch.links] == [parent.span_id for parent in parents]
    assert [dict(link.attributes or {}) for link in batch.links] == [
        {"messaging.message.id": str(event.event_id), "botlive.event.type": event.type}
        for event in events[:3]
    ]


@pytest.mark.parametrize(
    "parent",
    [
        b"",
        b"00",
        b"\xff\xfe\x00",
        b"00-00000000000000000000000000000000-b7ad6b7169203331-01",
        b"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        b"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
        "00-\u0660f7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".encode(),
        _PARENT.encode() + b"-x",
        b"x" * 1_000_000,
    ],
)
def test_a_hostile_traceparent_is_ignored(
    redis: fakeredis.FakeStrictRedis,
    publisher: Publisher,
    persist: Persist,
    spans: InMemorySpanExporter,
    parent: bytes,
) -> None:
    """The event is persisted, and its span has neither a link nor a parent."""
    event = payment()
    publisher.publish(event)
    redis.hset(f"rq:job:{event.event_id}", "traceparent", parent)
    assert persist(event) == [None]
    batch, _ = ended(spans)
    assert batch.parent is None
    assert not batch.links


@pytest.mark.parametrize("state", [b"a=1,a=2", b"=", b"\xff", b"a=" + b"x" * 600, b"a=\r\nX-Evil: 1"])
def test_a_hostile_tracestate_is_left_out(
    redis: fakeredis.FakeStrictRedis,
    persist: Persist,
    spans: InMemorySpanExporter,
    answers: Answers,
    state: bytes,
) -> None:
    """The rest of the context is used, and nothing of it reaches Supabase."""
    event = payment()
    redis.hset(f"rq:job:{event.event_id}", mapping={"traceparent": _PARENT, "tracestate": state})
    assert persist(event) == [None]
    batch, _ = ended(spans)
    [link] = batch.links
    assert not link.context.trace_state
    assert "tracestate" not in answers.requests[0].headers


def test_a_context_that_is_too_long_is_not_read(redis: fakeredis.FakeStrictRedis) -> None:
    """The worker does not load what may be 500 MB. What has the length of a valid context is read."""
    long: dict[Any, Any] = {"traceparent": "x" * 56, "tracestate": "y" * 513}
    good: dict[Any, Any] = {"traceparent": "x" * 55, "tracestate": "y" * 512}
    redis.hset("rq:job:long", mapping=long)
    redis.hset("rq:job:good", mapping=good)
    found = script(redis, "contexts")(args=[55, 512, "long", "good"])
    assert found == [b"", b"", b"x" * 55, b"y" * 512]


def test_a_job_of_any_kind_harms_no_span(
    redis: fakeredis.FakeStrictRedis, persist: Persist, spans: InMemorySpanExporter
) -> None:
    """A job that is gone, or whose key has the wrong type, has no context."""
    gone, wrong, good = payment(), payment(), payment()
    redis.set(f"rq:job:{wrong.event_id}", "text")
    redis.hset(f"rq:job:{good.event_id}", "traceparent", _PARENT)
    assert persist(gone, wrong, good) == [None] * 3
    batch, _ = ended(spans)
    assert [link.attributes and link.attributes["messaging.message.id"] for link in batch.links] == [
        str(good.event_id)
    ]


def test_redis_away_costs_the_links_only(
    redis: fakeredis.FakeStrictRedis, persist: Persist, spans: InMemorySpanExporter
) -> None:
    """The batch is persisted."""
    redis.connection_pool.connection_kwargs["server"].connected = False
    assert persist(payment()) == [None]
    batch, _ = ended(spans)
    assert not batch.links


def test_an_event_that_is_not_persisted_marks_the_span(persist: Persist, spans: InMemorySpanExporter) -> None:
    """The span says how many events were not persisted, and why."""
    [first, second] = persist(payment("one"), payment("two"), outcome="unknown_company")
    assert first
    assert second
    batch, call = ended(spans)
    assert batch.status.status_code is StatusCode.ERROR
    assert batch.status.description == "UnknownCompany"
    assert batch.attributes
    assert batch.attributes["error.type"] == "UnknownCompany"
    assert batch.attributes["botlive.events.not_persisted"] == 2
    assert call.status.status_code is StatusCode.UNSET


def test_a_call_that_fails_marks_both_spans(
    persist: Persist, spans: InMemorySpanExporter, answers: Answers
) -> None:
    """With the kind of error and the status of the answer, and without the text of the answer."""
    answers.status = 503
    with pytest.raises(TransientFault):
        persist(payment())
    for span in ended(spans):
        assert span.status.status_code is StatusCode.ERROR
        assert span.attributes
        assert span.attributes["error.type"] == "TransientFault"
    assert ended(spans)[1].attributes == {
        "http.request.method": "POST",
        "http.response.status_code": 503,
        "server.address": "supabase.test",
        "server.port": 443,
        "url.full": "https://supabase.test/rest/v1/rpc/botlive_persist",
        "error.type": "TransientFault",
    }


@pytest.mark.parametrize("status", [200, 409, 503])
def test_no_span_holds_data_of_a_customer(
    publisher: Publisher,
    tracer: trace.Tracer,
    persist: Persist,
    spans: InMemorySpanExporter,
    answers: Answers,
    status: int,
) -> None:
    """Nor a shop, nor a secret."""
    answers.status = status
    for events in (every_type("shop-of-awa"), [order("shop-of-awa")]):
        with tracer.start_as_current_span("message"):
            publisher.publish_many(events)
        with suppress(WorkerError):
            persist(*events, outcome="refused")
    texts = "".join(span.to_json() for span in spans.get_finished_spans())
    assert texts.count('"messaging.message.id"') == 6  # five links, and the span of one event
    for private in (PHONE, PHONE[1:], "Awa", "shop-of-awa", "WAVE", "Yopougon", "Pagne", "secret", _KEY):
        assert private not in texts


def test_an_unsampled_trace_stays_unsampled(
    redis: fakeredis.FakeStrictRedis, persist: Persist, spans: InMemorySpanExporter, answers: Answers
) -> None:
    """The worker follows the chat's decision, and so does Supabase."""
    event = payment()
    redis.hset(f"rq:job:{event.event_id}", "traceparent", f"{_PARENT[:-2]}00")
    assert persist(event) == [None]
    assert not spans.get_finished_spans()
    assert answers.requests[0].headers["traceparent"].endswith("-00")


def test_a_call_outside_of_a_span_makes_none(
    redis: fakeredis.FakeStrictRedis, spans: InMemorySpanExporter, tracer: trace.Tracer
) -> None:
    """A probe has no span: it would be a trace of its own, every few seconds of an outage."""
    assert redis
    assert tracer
    answers = Answers()
    settings = Settings(supabase_url="http://supabase.test", supabase_key=SecretStr(_KEY))
    tracing.TracedGateway.connect(settings, transport=httpx.MockTransport(answers)).probe()
    assert not spans.get_finished_spans()
    assert not [request for request in answers.requests if "traceparent" in request.headers]


def test_without_a_provider_nothing_is_traced() -> None:
    """The package alone, which FastAPI brings, changes nothing."""
    assert not tracing.has_provider()


class Damaged:
    """A package whose import fails in its own way."""

    def __getattr__(self, name: str) -> Never:
        """Fail."""
        raise RuntimeError(name)


@pytest.mark.parametrize("package", [None, Damaged()], ids=["missing", "damaged"])
def test_without_the_package_no_job_carries_a_context(
    monkeypatch: pytest.MonkeyPatch, package: Damaged | None
) -> None:
    """The chat's process imports the module all the same, and publishes."""
    monkeypatch.setitem(sys.modules, "opentelemetry.trace.propagation.tracecontext", package)
    fields = runpy.run_path(publishing.__file__)["fields"]
    with trace.use_span(trace.NonRecordingSpan(trace.SpanContext(1, 2, False))):
        assert publishing.fields()
        assert fields() == ()
