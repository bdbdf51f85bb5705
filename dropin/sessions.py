"""When a shop's live mode is on. The old module: ``core.sessions_manager``."""

from uuid import UUID

from dropin.guard import guarded
from dropin.sender import Key, send
from events.clock import new_id
from events.contracts import LiveToggled

_begun: dict[str, str] = {}  # company_id: the id of the last start in this process


@guarded(LiveToggled, lambda: None)
async def start_session(
    company_id: str,
    mode: str = "live",
    *,
    conversation_id: UUID | str | None = None,
    key: Key | None = None,
) -> str | None:
    """The live mode was switched on. The answer is the event's id: the session's, if it begins one.

    None: it fits no contract, the log names the field, and it stands in RQ's failed registry.
    """
    about = {"company_id": company_id, "conversation_id": conversation_id, "key": key}
    sent = await send(LiveToggled, {**about, "enabled": True, "mode": mode})
    if not sent.fits:
        return None
    _begun[company_id] = sent.event_id
    return sent.event_id


@guarded(LiveToggled, bool)
async def end_session(
    session_id: str | None,
    company_id: str,
    *,
    conversation_id: UUID | str | None = None,
    key: Key | None = None,
) -> bool:
    """The live mode was switched off: the company's open session ends. Whether that is on its way.

    Which session that is follows from the company's toggles; ``session_id`` is not looked at.
    """
    about = {"company_id": company_id, "conversation_id": conversation_id, "key": key}
    return (await send(LiveToggled, {**about, "enabled": False})).accepted


@guarded(None, lambda: {"id": str(new_id()), "company_id": ""})
async def get_active_session(company_id: str) -> dict[str, str]:
    """A handle to end the company's session with, also where none was begun in this process.

    It is not a look into Supabase, where the row may not have been written yet: the true read is
    ``dashboard.get_active_session``.
    """
    begun = _begun.get(company_id) if isinstance(company_id, str) else None
    return {"id": begun or str(new_id()), "company_id": company_id}
