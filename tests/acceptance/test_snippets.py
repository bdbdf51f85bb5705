"""The customer's own snippets (steps 2 and 3 of their document), of which only the imports change.

They are executed as they stand, in a host of which no more is made up than what they name. So are
those of our guide, whose diffs are held against the customer's code.
"""

import ast
import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

import dropin
from devstack.stack import Stack
from events import AnyEvent, LiveToggled, PaymentIssue, parse_event
from tests.acceptance.guide import blocks, python
from tests.integration.line import Line
from tests.oracle import fold

pytestmark = pytest.mark.slow

_DOCUMENT = Path(__file__).parents[1] / "data" / "integration-todo.md"
_OLD_IMPORT = re.compile(r"from core\.(?:activities_logger|orders_manager|sessions_manager) import")
_PHONE = "+2250700001234"


def snippets(step: int) -> list[str]:
    """The python blocks of a step, with the import lines changed."""
    text = _DOCUMENT.read_text(encoding="utf-8")
    section = text.partition(f"### **ÉTAPE {step} :")[2].partition("### **ÉTAPE")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    return [_OLD_IMPORT.sub("from dropin import", block) for block in blocks]


def execute(snippet: str, names: dict[str, Any]) -> None:
    """Run a snippet as if it stood in a coroutine of a module that has these names."""
    code = compile(snippet, _DOCUMENT.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    coroutine = eval(code, names)  # noqa: S307 - the customer's document, word for word
    if coroutine is not None:
        asyncio.run(coroutine)


@pytest.fixture
def line(stack: Stack) -> Iterator[Line]:
    """A queue of the test's own, to which the drop-in publishes."""
    made = Line(stack)
    dropin.use(made.publisher)
    yield made
    dropin.use(None)
    made.close()


def waiting(line: Line) -> list[AnyEvent]:
    """The events on the queue, for the oracle."""
    return [parse_event(json.dumps(job.args[0])) for job in line.queue.get_jobs()]


class LiveModeManager:
    """The customer's own switch, of which the snippet needs these two."""

    calls: ClassVar[list[str]] = []

    def enable_live_mode(self) -> None:
        """Noted."""
        self.calls.append("enabled")

    def disable_live_mode(self) -> None:
        """Noted."""
        self.calls.append("disabled")


class ToggleLiveRequest(BaseModel):
    """As in the customer's ``app.py``, with the field that it lacked."""

    company_id: str
    enable: bool


Toggle = Callable[[str, bool], Any]


@pytest.fixture
def toggle(monkeypatch: pytest.MonkeyPatch) -> Toggle:
    """Calls a host whose endpoint is the snippet of step 2."""
    module = ModuleType("core.live_mode_manager")
    vars(module).update(LiveModeManager=LiveModeManager)
    monkeypatch.setitem(sys.modules, "core", ModuleType("core"))
    monkeypatch.setitem(sys.modules, "core.live_mode_manager", module)
    app = FastAPI()
    names = {"app": app, "HTTPException": HTTPException, "ToggleLiveRequest": ToggleLiveRequest}
    execute(snippets(2)[-1], names)
    LiveModeManager.calls.clear()

    async def called(company_id: str, enable: bool) -> Any:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://host") as client:
            body = {"company_id": company_id, "enable": enable}
            return (await client.post("/toggle-live-mode", json=body)).json()

    return lambda company_id, enable: asyncio.run(called(company_id, enable))


def test_step_2_begins_and_ends_a_session(line: Line, toggle: Toggle) -> None:
    """The endpoint of step 2: the session's id in the answer, one session, one activity a toggle."""
    company_id, uuid = line.shop()
    enabled = toggle(company_id, True)
    disabled = toggle(company_id, False)
    events = waiting(line)
    assert enabled == {"status": "enabled", "session_id": str(events[0].event_id)}
    assert disabled == {"status": "disabled"}
    assert LiveModeManager.calls == ["enabled", "disabled"]
    line.work()
    rows = line.rows([uuid])
    assert rows == fold(events, {company_id: uuid})
    (session,) = rows.sessions.values()
    assert (session["mode"], session["ended_at"] is None, len(rows.activities)) == ("live", False, 2)
    assert line.failed() == {}


def test_step_2_ends_a_session_that_another_process_began(line: Line, toggle: Toggle) -> None:
    """Without any memory of an enable the disable is published all the same."""
    company_id, _ = line.shop()
    assert toggle(company_id, False) == {"status": "disabled"}
    (event,) = waiting(line)
    assert isinstance(event, LiveToggled)
    assert not event.enabled


class OrderState(SimpleNamespace):
    """A complete version of the customer's class."""

    def is_complete(self) -> bool:
        """Whether all four steps are done."""
        return True


def test_step_3_makes_one_activity_an_event_and_one_order(line: Line) -> None:
    """All three places where the chat logs: payment validated, payment short, order complete."""
    company_id, uuid = line.shop()
    names: dict[str, Any] = {
        "company_id": company_id,
        "user_id": _PHONE,
        "payment_validation": {
            "valid": True,
            "total_received": 2000,
            "reference": "WAVE-123",
            "error": "MONTANT_INSUFFISANT",
        },
        "detected_amount": 500,
        "required_amount": 2000,
        "order_state": OrderState(numero=None, produit="Pagne à 12000"),
        "calculate_total_amount": lambda state: 12000,
        "extract_price": lambda product: float(product.rpartition(" ")[2]),
    }
    blocks = snippets(3)
    assert len(blocks) == 3
    for block in blocks:
        execute(block, names)
    events = waiting(line)
    line.work()
    rows = line.rows([uuid])
    assert rows == fold(events, {company_id: uuid})
    written = sorted(row["metadata"]["event"] for row in rows.activities.values())
    assert written == ["commande_enregistree", "paiement_valide", "payment_issue"]
    (order_id,) = rows.orders
    assert order_id == UUID(names["order"]["id"])
    assert rows.orders[order_id]["customer_name"] == "1234"
    assert rows.orders[order_id]["items"] == [{"name": "Pagne à 12000", "quantity": 1, "price": 12000}]
    assert line.failed() == {}


def test_the_guides_diffs_are_of_the_customers_code() -> None:
    """Every line that a diff takes away, or leaves, stands in the customer's document."""
    theirs = set(_DOCUMENT.read_text(encoding="utf-8").splitlines())
    lines = [line for block in blocks("diff") for line in block.splitlines()]
    gone = [line[1:] for line in lines if line[0] in "- "]
    assert len(gone) > 15
    assert [line for line in gone if line not in theirs] == []


def test_the_guides_new_lines_can_be_imported() -> None:
    """Every import that a diff brings names something that is there."""
    lines = [line[1:].strip() for block in blocks("diff") for line in block.splitlines() if line[0] == "+"]
    imports = [line for line in lines if line.startswith("from ")]
    assert len(imports) == 7
    for line in imports:
        execute(line, {})


def test_the_guides_way_to_publish(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """The native snippet of step 3 puts one event on the queue."""
    for name in ("REDIS_URL", "BOTLIVE_QUEUE"):
        monkeypatch.setenv(name, line.environment[name])
    names: dict[str, Any] = {}
    execute(python("payment_is_short"), names)
    asyncio.run(names["payment_is_short"]("shop", _PHONE, 500, 2000))
    names["publisher"].close()
    (event,) = waiting(line)
    assert isinstance(event, PaymentIssue)
    assert (event.detected_amount, event.required_amount) == (500, 2000)


def test_the_guides_backfill_makes_the_same_events_each_time() -> None:
    """Ids and times come from the records, so each run creates the same events."""
    records = (
        "id,company_id,phone,amount,reference,paid_at\n"
        f"17,boutique-awa,{_PHONE},2000,WAVE-123,2026-03-01T09:30:00+00:00\n"
        f"18,kiosque,{_PHONE},1500.5,,2026-03-01T09:45:00+01:00\n"
    )
    command = [sys.executable, "-c", python("csv.DictReader")]
    first, second = (
        subprocess.run(command, input=records, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    )
    events = [parse_event(line) for line in first.splitlines()]
    assert first == second
    assert len({event.event_id for event in events}) == 2
    assert [event.occurred_at.isoformat() for event in events] == [
        "2026-03-01T09:30:00+00:00",
        "2026-03-01T08:45:00+00:00",
    ]
