"""The compiler checks the TypeScript types: they match the rows of a day, and a front end can use them."""

import json
import shutil
import subprocess
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from events import parse_event
from tests.oracle import Row, fold

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_ROOT = Path(__file__).parents[2]
_AWAY = ("ENOTFOUND", "ECONNREFUSED", "EAI_AGAIN", "ETIMEDOUT", "ENETUNREACH")
_OPTIONS = [
    "--noEmit",
    "--strict",
    "--exactOptionalPropertyTypes",
    "--lib",
    "es2022",
    "--skipDefaultLibCheck",
]
_SCREEN = """
import type { Activity, BotSession, Change, Order } from "./botlive";

export function line(activity: Activity): string {
  const about = activity.metadata;
  switch (about.event) {
    case "paiement_valide": return `${about.amount} ${about.reference}`;
    case "payment_issue": return `${about.issue_type} ${about.detected_amount?.toFixed() ?? ""}`;
    case "commande_enregistree": return about.items.map((item) => `${item.quantity} ${item.name}`).join();
    case "session_started":
    case "session_ended": return `${about.mode} ${about.session_id ?? ""}`;
    default: { const never: never = about; return never; }
  }
}
export const place = (order: Order): string => order.metadata.zone ?? order.customer_name;
export const isOpen = (session: BotSession): boolean => session.ended_at === null;
export const known = (change: Change): boolean => change.ids.length === change.count;
"""
_WRONG = """
import type { Activity, ActivityStatus, ActivityType, BotSession, Order } from "./botlive";
declare const activity: Activity; declare const order: Order; declare const session: BotSession;

// @ts-expect-error no event makes the type message
export const a: boolean = activity.type === "message";
// @ts-expect-error no event makes the status error
export const b: boolean = activity.status === "error";
// @ts-expect-error no such status
export const c: boolean = order.status === "paid";
// @ts-expect-error a zone may be missing
export const d: string = order.metadata.zone;
// @ts-expect-error an open session has no end
export const e: string = session.ended_at;
// @ts-expect-error not every activity has an amount
export const f: number = activity.metadata.amount;
// @ts-expect-error no event makes the type message
export const h: ActivityType = "message";
// @ts-expect-error no event makes the status error
export const i: ActivityStatus = "error";
// @ts-expect-error no such column
export const g: string = order.user_id;
"""

Compile = Callable[[str], str]


@pytest.fixture(scope="module")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install TypeScript's compiler; `tests/types` pins its version and checksum."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed: install Node.js, on Debian with `apt-get install npm`")
    folder = tmp_path_factory.mktemp("types")
    for file in ("package.json", "package-lock.json"):
        shutil.copy(_ROOT / "tests" / "types" / file, folder)
    installed = _run([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], folder)
    if installed.returncode and any(code in installed.stderr for code in _AWAY):
        pytest.skip("npm cannot reach its registry, so TypeScript cannot be installed")
    assert installed.returncode == 0, installed.stderr
    return folder / "node_modules" / ".bin" / "tsc"


@pytest.fixture
def compile_(compiler: Path, tmp_path: Path) -> Compile:
    """Return a function that compiles a text with the types and returns the compiler's errors."""
    shutil.copy(_ROOT / "docs" / "types" / "botlive.d.ts", tmp_path)

    def run(text: str) -> str:
        (tmp_path / "text.ts").write_text(text, encoding="utf-8")
        return _run([str(compiler), *_OPTIONS, "text.ts", "botlive.d.ts"], tmp_path).stdout

    return run


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=200)


def _listed(rows: dict[UUID, Row]) -> str:
    return json.dumps([{"id": id_, **row} for id_, row in rows.items()], default=_plain)


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else str(value)


def test_the_rows_of_a_day_fit_the_types(compile_: Compile) -> None:
    """The types accept every order, activity and session that the oracle makes from the trading day."""
    lines = (_ROOT / "tests" / "data" / "trading-day.ndjson").read_bytes().splitlines()
    events = [parse_event(line) for line in lines]
    tables = fold(events, {event.company_id: uuid4() for event in events})
    assert tables.orders
    assert tables.sessions
    errors = compile_(
        'import type { Activity, BotSession, Order } from "./botlive";\n'
        f"export const activities: Activity[] = {_listed(tables.activities)};\n"
        f"export const orders: Order[] = {_listed(tables.orders)};\n"
        f"export const sessions: BotSession[] = {_listed(tables.sessions)};\n"
    )
    assert errors == ""


def test_a_front_end_can_distinguish_the_activities(compile_: Compile) -> None:
    """`metadata.event` distinguishes them, and the compiler checks that all cases are handled."""
    assert compile_(_SCREEN) == ""


def test_what_no_event_makes_is_an_error(compile_: Compile) -> None:
    """The compiler refuses each line: the types allow no value that events do not make."""
    assert compile_(_WRONG) == ""
