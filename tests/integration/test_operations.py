"""The steps of docs/operations.md work."""

import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from tests.integration.line import BIN, Line, until
from tests.make import every_type

pytestmark = pytest.mark.slow

_GUIDE = Path(__file__).parents[2] / "docs/operations.md"
_HEALTH = [sys.executable, "-m", "operations.heartbeat"]
_RECONCILE = [str(BIN / "botlive"), "reconcile", "-"]
_PUBLISH = [str(BIN / "botlive"), "publish", "-"]


def _export(line: Line, company_id: str) -> list[str]:
    """The events of one shop, as the guide's query finds them."""
    (query,) = re.findall(r"```sql\n(.*?)```", _GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    rows = line.database.execute(query.replace(":'since'", "'-infinity'").rstrip(";\n").encode()).fetchall()
    texts: list[str] = [text for row in rows for text in row.values()]
    return [text for text in texts if json.loads(text)["company_id"] == company_id]


def test_a_container_is_healthy_while_its_worker_lives(line: Line) -> None:
    """The health check of the image finds the worker of this host, and misses it after a stop."""
    with line.worker() as worker:
        until(lambda: line.run(*_HEALTH).returncode == 0, 30)
        os.kill(worker.pid, signal.SIGTERM)
        assert worker.wait(timeout=15) == 0
        assert line.run(*_HEALTH).returncode == 1


def test_events_are_brought_again_after_a_restore(line: Line) -> None:
    """The guide's query writes the events exactly as they were; published again, they make the same rows."""
    company_id, company = line.shop()
    events = every_type(company_id)
    line.publisher.publish_many(events)
    line.work()
    before = line.rows([company])
    exported = _export(line, company_id)
    assert line.run(*_RECONCILE, input="\n".join(exported)).stdout == (
        f"persisted {len(events)}, waiting 0, failed 0, unknown 0, bad 0\n"
    )
    for table in ("public.activities", "public.orders", "public.bot_sessions"):
        line.database.execute(f"delete from {table} where company_id = %s".encode(), [company])
    line.database.execute("delete from botlive.toggles where company = %s", [company])
    line.database.execute("delete from botlive.inbox where company_id = %s", [company_id])
    assert line.run(*_RECONCILE, input="\n".join(exported)).stdout.endswith(
        f"persisted 0, waiting 0, failed 0, unknown {len(events)}, bad 0\n"
    )
    line.run(*_PUBLISH, input="\n".join(exported))
    line.work()
    assert line.run(*_RECONCILE, input="\n".join(exported)).returncode == 0
    assert line.rows([company]) == before
