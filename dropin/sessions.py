"""When a shop's live mode is on. The old module: ``core.sessions_manager``."""

from uuid import UUID

from dropin.guard import guarded
from dropin.sender import send
from events import LiveToggled
from events.clock import new_id

_begun: dict[str, str] = {}  # company_id: the id of the last start in this process


@guarded(LiveToggled, lambda: None)
async def start_session(
    company_id: str, mode: str = "live", *, conversation_id: UUID | str | None = None
) -> str:
    """The live mode was switched on. The answer is the event's id: the session's, if it begins one."""
    fields = {"company_id": company_id, "conversation_id": conversation_id, "enabled": True, "mode": mode}
    session_id = (await send(LiveToggled, fields)).event_id
    if isinstance(company_id, str):
        _begun[company_id] = session_id
    return session_id


@guarded(LiveToggled, bool)
async def end_session(
    session_id: str | None, company_id: str, *, conversation_id: UUID | str | None = None
) -> bool:
    """The live mode was switched off: the company's open session ends. Whether it is on the queue.

    Which session that is follows from the company's toggles; ``session_id`` is not looked at.
    """
    fields = {"company_id": company_id, "conversation_id": conversation_id, "enabled": False}
    return (await send(LiveToggled, fields)).published


@guarded(None, lambda: {"id": str(new_id()), "company_id": ""})
async def get_active_session(company_id: str) -> dict[str, str]:
    """A handle to end the company's session with, also where none was begun in this process.

    It is not a look into Supabase, where the row may not have been written yet: the true read is
    ``dashboard.get_active_session``.
    """
    begun = _begun.get(company_id) if isinstance(company_id, str) else None
    return {"id": begun or str(new_id()), "company_id": company_id}
