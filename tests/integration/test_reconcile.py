"""``botlive reconcile`` with real tables and a real queue."""

from pathlib import Path
from uuid import uuid4

import pytest

from events import Event
from tests.integration.line import BIN, Line
from tests.make import PHONE, order, persist

pytestmark = pytest.mark.slow

RECONCILE = [str(BIN / "botlive"), "reconcile"]


def _file(path: Path, *events: Event) -> str:
    path.write_text("".join(f"{event.model_dump_json(exclude_none=True)}\n" for event in events))
    return str(path)


def test_each_event_is_where_it_is_said_to_be(line: Line, tmp_path: Path) -> None:
    """It reports persisted, failed, waiting and unknown events, and exit code 0 when all are persisted."""
    company_id, _ = line.shop()
    stranger = f"nobody-{uuid4()}"
    written, other, lost = order(company_id), order(company_id), order(stranger)
    taken = order(company_id, event_id=written.event_id, total_amount=1)
    line.publisher.publish_many([written, lost, taken])
    line.work()
    waits, unknown = order(company_id), order(company_id)
    line.publisher.publish(waits)
    events = [written, lost, taken, waits, unknown]
    done = line.run(*RECONCILE, _file(tmp_path / "all.ndjson", *events))
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert lines[0].startswith(
        f"line 2: {lost.event_id} failed: UnknownCompany: company {stranger} is in no row"
    )
    assert lines[1:] == [
        f"line 3: {written.event_id} failed: EventRefused: event id already used",
        f"line 4: {waits.event_id} waiting",
        f"line 5: {unknown.event_id} unknown",
        "persisted 1, waiting 1, failed 2, unknown 1, bad 0",
    ]
    assert PHONE not in done.stdout + done.stderr
    persist(line.gateway, [waits, unknown, other])
    text = Path(_file(tmp_path / "good.ndjson", written, waits, unknown, other)).read_text()
    good = line.run(*RECONCILE, "-", input=text)
    assert (good.returncode, good.stdout) == (0, "persisted 4, waiting 0, failed 0, unknown 0, bad 0\n")
