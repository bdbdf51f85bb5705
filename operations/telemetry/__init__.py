"""Spans to an OpenTelemetry collector and reports to Sentry, where these are installed and set."""

from importlib import import_module

import structlog

from gateway.settings import TelemetrySettings


def start(settings: TelemetrySettings) -> None:
    """Start what the settings ask for. What cannot start is logged; it does not end the process."""
    if settings.collector:
        _start("tracing", "OTEL_EXPORTER_OTLP_ENDPOINT", settings.collector)
    if settings.dsn:
        _start("sentry", "SENTRY_DSN", settings.dsn.get_secret_value())


def _start(part: str, variable: str, *arguments: str) -> None:
    """Start the module of this name. Its extra has the same name."""
    try:
        import_module(f"operations.telemetry.{part}").start(*arguments)
    except ImportError:
        reason = f"the extra [{part}] is not installed: run `pip install -r requirements/{part}.txt`"
    except Exception as error:  # noqa: BLE001 # a wrong setting raises anything, and its text may hold a secret
        reason = f"its value, or a setting that goes with it, cannot be used ({type(error).__name__})"
    else:
        return
    structlog.stdlib.get_logger("botlive").warning(
        "telemetry is off", part=part, reason=f"{variable} is set, but {reason}"
    )
