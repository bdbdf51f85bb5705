"""Finds the shop whose tables do not answer in time, although those of other shops do."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import structlog

from gateway.errors import TransientFault
from worker.background import in_thread

PATIENCE = 5.0
"""Seconds that a shop's tables may take for one event; a longer wait would delay a stop of the worker."""
SLOW = "the shop's tables do not answer in time: check their triggers and locks"
"""The reason why the events of such a shop wait apart."""
_SEARCH = 2.0  # seconds after which no further shop is asked
_CONTROL = 1.0  # seconds in which another shop must answer
_CONTROLS = 2  # other shops that are asked, because one of them may be slow too

Plain = Mapping[str, Any]
"""The form of a company's events of one type, without data of an event (``worker.elements``)."""


class Admits(Protocol):
    """The part of the gateway that this module needs."""

    def admits(self, plain_events: Sequence[Plain]) -> list[str | None]:
        """See ``Gateway.admits``."""


def slow_company(gateway: Admits, plains: Sequence[Plain]) -> str | None:
    """Ask about these companies one after the other, and return the first whose tables do not answer in time.

    It counts only if the tables of another company answer afterwards: otherwise the database is slow for all.
    """
    companies: dict[str, list[Plain]] = {}
    for plain in plains:
        companies.setdefault(plain["company_id"], []).append(plain)
    if len(companies) == 1:
        return None
    try:
        if (slow := _first_slow(gateway, companies)) is None:
            return None
        others = [asked for company, asked in companies.items() if company != slow][:_CONTROLS]
        return slow if any(reasons_within(_CONTROL, gateway, asked) is not None for asked in others) else None
    except Exception as error:  # noqa: BLE001 # a bug in our code says nothing about a shop
        log = structlog.stdlib.get_logger("botlive")
        log.warning("shop not checked", error=type(error).__name__)
        return None


def _first_slow(gateway: Admits, companies: Mapping[str, Sequence[Plain]]) -> str | None:
    started = time.monotonic()
    for company, plains in companies.items():
        if time.monotonic() - started > _SEARCH:
            break
        if reasons_within(PATIENCE, gateway, plains) is None:
            return company
    return None


def reasons_within(seconds: float, gateway: Admits, plains: Sequence[Plain]) -> list[str | None] | None:
    """Return the answer of ``Gateway.admits``, or None if the tables do not answer within ``seconds``."""
    try:
        return in_thread(lambda: gateway.admits(plains)).result(seconds)
    except (TimeoutError, TransientFault):
        return None
