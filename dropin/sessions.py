"""Sessions of a shop's live mode. Replaces the old module ``core.sessions_manager``."""

from uuid import UUID

from dropin.guard import guarded
from dropin.sender import Key, send
from events.clock import new_id
from events.contracts import LiveToggled

_started: dict[str, str] = {}  # company_id → id of the last start in this process


@guarded(LiveToggled, lambda: None)
async def start_session(
    company_id: str,
    mode: str = "live",
    *,
    conversation_id: UUID | str | None = None,
    key: Key | None = None,
) -> str | None:
    """Publish that the live mode was switched on.

    Returns:
        The id of the event, which is also the id of the session if the event starts one. None if the event
        does not fit its contract: it goes to RQ's failed registry, and the log names the field.
    """
    about = {"company_id": company_id, "conversation_id": conversation_id, "key": key}
    sent = await send(LiveToggled, {**about, "enabled": True, "mode": mode})
    if not sent.fits:
        return None
    _started[company_id] = sent.event_id
    return sent.event_id


@guarded(LiveToggled, bool)
async def end_session(
    session_id: str | None,
    company_id: str,
    *,
    conversation_id: UUID | str | None = None,
    key: Key | None = None,
) -> bool:
    """Publish that the live mode was switched off, which ends the company's open session.

    The database finds the session from the company's toggles; ``session_id`` is ignored.

    Returns:
        The same as ``log_payment_validated``.
    """
    about = {"company_id": company_id, "conversation_id": conversation_id, "key": key}
    return (await send(LiveToggled, {**about, "enabled": False})).accepted


@guarded(None, lambda: {"id": str(new_id()), "company_id": ""})
async def get_active_session(company_id: str) -> dict[str, str]:
    """Return a handle for ``end_session``, even if no session was started in this process.

    It does not read Supabase, because the row may not be written yet. ``dashboard.get_active_session`` reads
    the row.
    """
    started = _started.get(company_id) if isinstance(company_id, str) else None
    return {"id": started or str(new_id()), "company_id": company_id}
