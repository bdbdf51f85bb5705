"""Reports incidents and unexpected exceptions to Sentry, without personal data.

Sentry is another company's service. So a report has only parts that are known to be harmless: no local
variables, no log lines, no arguments, and the text of an exception only if the exception is one of ours.
"""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import sentry_sdk
from sentry_sdk.integrations.atexit import AtexitIntegration
from sentry_sdk.integrations.excepthook import ExcepthookIntegration
from sentry_sdk.integrations.logging import LoggingIntegration, ignore_logger
from sentry_sdk.integrations.threading import ThreadingIntegration

from events.contracts import TYPES
from gateway.letters import printable
from gateway.masking import MASK, mask_text
from gateway.release import release
from worker.incidents import Incident, listen

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

_FACTS = (
    "event_id",
    "timestamp",
    "level",
    "platform",
    "logger",
    "release",
    "environment",
    "server_name",
    "sdk",
)
_TEXTS = ("message", "tags", "fingerprint")
_OURS = {"events.errors", "gateway.errors", "operations.errors"}
_IGNORED = ("botlive", "opentelemetry.*")  # our own lines: the incidents are reported; and failed exports


def start(dsn: str, **options: Any) -> None:
    """Report from now on. The library reads ``SENTRY_ENVIRONMENT`` and its other variables itself."""
    for name in _IGNORED:
        ignore_logger(name)
    sentry_sdk.init(
        dsn=dsn,
        release=f"botlive-events@{release()}",
        # Personal data is off by default, and newer versions warn of the option send_default_pii.
        include_local_variables=False,
        max_breadcrumbs=0,
        auto_session_tracking=False,
        before_send=without_personal_data,
        # The default ones send arguments of jobs, commands of Redis and log lines.
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            AtexitIntegration(callback=lambda *_: None),  # its own one prints
            ExcepthookIntegration(),
            ThreadingIntegration(propagate_scope=False),
            LoggingIntegration(level=None, event_level=logging.ERROR, sentry_logs_level=None),
        ],
        **options,
    )
    listen(report)


def report(incident: Incident) -> None:
    """Report an incident. Sentry groups the reports by kind, reason and type of event."""
    reason = type(incident.error.__cause__ or incident.error).__name__
    event_type = incident.event_type if incident.event_type in TYPES else None
    tags = {
        "incident": incident.kind,
        "reason": reason,
        "event_type": event_type,
        "event_id": incident.job_id,
    }
    with sentry_sdk.new_scope() as scope:
        scope.fingerprint = [incident.kind, reason, event_type or "-"]
        scope.set_tags({name: printable(text) for name, text in tags.items() if text})
        sentry_sdk.capture_exception(incident.error)


def without_personal_data(event: "Event", hint: "Hint") -> "Event | None":
    """Return a report with the harmless parts of this one; None for a log line without an exception."""
    raw = cast("dict[str, Any]", event)
    exceptions = raw.get("exception", {}).get("values", [])
    if "log_record" in hint and not exceptions:
        return None
    kept = {name: raw[name] for name in _FACTS if name in raw}
    kept |= {name: _masked(raw[name]) for name in _TEXTS if name in raw}
    if exceptions:
        kept["exception"] = {"values": [_exception(exception) for exception in exceptions]}
    return cast("Event", kept)


def _exception(exception: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: exception.get(name) for name in ("type", "module", "mechanism", "stacktrace")}
    is_ours = exception.get("module") in _OURS
    return {**kept, "value": _masked(exception.get("value")) if is_ours else MASK}


def _masked(value: Any) -> Any:
    match value:
        case str():
            return mask_text(value)
        case Mapping():
            return {name: _masked(element) for name, element in value.items()}
        case list() | tuple():
            return [_masked(element) for element in value]
    return value
