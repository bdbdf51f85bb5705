"""``make bench``: prints ratios and writes ``bench/results/persist.json``. Runs inside the stack."""

import json
import os
import platform
import statistics
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.contenders import contenders, persisted
from events import Event, Item, OrderCompleted
from worker.gateway import Gateway
from worker.settings import Settings

RESULTS = Path(__file__).with_name("results")
SHOPS = 3
QUICK = bool(os.environ.get("QUICK"))
EVENTS = 4_000 if QUICK else 20_000
ROUNDS = 3


def main() -> None:
    """Every contender in turn, round after round: the machine's moods are everybody's."""
    shops = _shops()
    speeds: dict[str, list[float]] = {}
    for _ in track(range(ROUNDS), "persist", console=Console(stderr=True), transient=True):
        for contender in contenders():
            events = _orders(shops, max(30, int(EVENTS * contender.share)))
            seconds = contender.run(events)
            assert persisted(events), f"{contender.name} lost or doubled events"
            speeds.setdefault(contender.name, []).append(len(events) / seconds)
    _show(speeds)
    _write(speeds)


def _shops() -> list[str]:
    gateway = Gateway.connect(Settings.from_env())
    names = [f"bench-{number}" for number in range(SHOPS)]
    for name in names:
        gateway.call("botlive_company_add", {"text_id": name})
    gateway.close()
    return names


def _orders(shops: list[str], number: int) -> list[Event]:
    items = (Item(name="Couches bébé", quantity=2, price=6000),)
    return [
        OrderCompleted(
            company_id=shops[index % len(shops)],
            user_id="+2250700000000",
            customer_name="Awa",
            total_amount=12000,
            items=items,
            zone="Cocody",
        )
        for index in range(number)
    ]


def _show(speeds: dict[str, list[float]]) -> None:
    medians = {name: statistics.median(rounds) for name, rounds in speeds.items()}
    table = Table("persist: order_completed, one process", "ours is … times as fast", "events/s", "rounds")
    for name, median in medians.items():
        rounds = " ".join(f"{speed:,.0f}" for speed in sorted(speeds[name]))
        table.add_row(name, f"{medians['ours'] / median:.2f}", f"{median:,.0f}", rounds)
    Console(width=110).print(table)


def _write(speeds: dict[str, list[float]]) -> None:
    RESULTS.mkdir(exist_ok=True)
    found = {
        "events_per_second": speeds,
        "events": EVENTS,
        "machine": {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "system": platform.system(),
        },
        "versions": {name: version(name) for name in ("rq", "redis", "supabase", "httpx", "pydantic")},
    }
    (RESULTS / "persist.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
