"""The trace context of the caller's span (W3C), which the event's job carries to the worker.

It needs the package ``opentelemetry-api`` in the chat's process; without it, no job carries one. Baggage is
not carried, because it may hold personal data.
"""

from collections.abc import Callable

PARENT, STATE = "traceparent", "tracestate"
"""The fields of the job's hash. RQ and older workers ignore them."""

LONGEST_STATE = 512
"""Characters of ``tracestate``; a longer one is left out. W3C asks for no more."""

_inject: Callable[[dict[str, str]], None] | None
try:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    _inject = TraceContextTextMapPropagator().inject
except Exception:  # noqa: BLE001 # it is not installed, or damaged: the chat publishes without a context
    _inject = None


def fields() -> tuple[str, ...]:
    """Return names and values for the hash of the job; nothing if the caller has no span."""
    if _inject is None:
        return ()
    context: dict[str, str] = {}
    try:
        _inject(context)
    except Exception:  # noqa: BLE001 # the span is the host's own: no event is lost because of it
        return ()
    if PARENT not in context:
        return ()
    state = context.get(STATE, "")
    return (PARENT, context[PARENT], *((STATE, state) if 0 < len(state) <= LONGEST_STATE else ()))
