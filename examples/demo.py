"""``make demo``: publishes the events of an example day and shows the rows that shop owners see.

It runs inside ``botlive stack run``, which sets the environment.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import redis
from rich.console import Console
from rich.table import Table
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from events.publishing.keys import QUEUE
from gateway.client import Gateway
from gateway.settings import Settings

DAY = Path(__file__).with_name("day.ndjson")
SHOPS = {"boutique-awa": "Boutique Awa", "chez-kofi": "Chez Kofi", "mode-fatou": "Mode Fatou"}
MORNING = 60  # the first lines of the day
SHOWN = 6  # rows to show of each table

console = Console(width=None if sys.stdout.isatty() else 120)


def command(*arguments: str) -> list[str]:
    """Print the command and return it with the path of the console script."""
    console.rule(f"[bold]botlive {' '.join(arguments)}", align="left")
    return [str(Path(sys.executable).with_name("botlive")), *arguments]


def main() -> None:
    """Publish a day's events, a part of them twice, and show what was persisted, what failed and why."""
    connection = redis.Redis.from_url(os.environ["REDIS_URL"])
    queue = Queue(QUEUE, connection=connection, serializer=JSONSerializer)
    with tempfile.TemporaryFile("w+") as log:
        worker = subprocess.Popen(command("worker"), stderr=log)
        add_shops()
        day = DAY.read_text(encoding="utf-8")
        # As after a crash of the chat, the morning is published again. Nothing is written twice.
        published = publish(queue, day) + publish(queue, "".join(day.splitlines(keepends=True)[:MORNING]))
        worker.terminate()
        worker.wait(timeout=30)
        log.seek(0)
        logged = Counter(outcome for line in log for outcome in outcomes(json.loads(line)))
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as database:
        written = persisted(database)
        show_tables(database)
    failed = show_failed(queue)
    console.print(f"the worker's log: {dict(logged)}")
    print(
        f"demo: {published} published, {written} persisted, {logged['duplicate']} duplicate, {failed} failed"
    )


def add_shops() -> None:
    """Create the shops, like ``botlive company add``."""
    gateway = Gateway.connect(Settings.from_env())
    for company_id, name in SHOPS.items():
        console.rule(f"[bold]botlive company add {company_id} --name '{name}'", align="left")
        gateway.call("botlive_company_add", {"text_id": company_id, "shop_name": name})
    gateway.close()


def publish(queue: Queue, lines: str) -> int:
    """Publish events, wait until the queue is empty, and return the number of published events."""
    done = subprocess.run(command("publish", "-"), input=lines, capture_output=True, text=True, check=False)
    console.print(f"{done.stderr}{done.stdout}", end="", highlight=False)
    while len(queue) or queue.connection.zcard(queue.started_job_registry.key):
        time.sleep(0.05)
    return int(done.stdout.split()[1].rstrip(","))


def outcomes(line: dict[str, Any]) -> list[str]:
    """Return the outcome of each event in a line of the worker's log."""
    counted = {"ACTIVITIES": "persisted", "duplicates": "duplicate"}
    events = [word for name, word in counted.items() for _ in line.get(name, [])]
    return [*events, "set aside"] if line["event"] == "set aside" else events


def persisted(database: psycopg.Connection[Any]) -> int:
    """Return the number of persisted events."""
    row = database.execute("select count(*) from botlive.inbox").fetchone()
    return int(row[0]) if row else 0


def show_tables(database: psycopg.Connection[Any]) -> None:
    """Show the newest rows of each table."""
    show(
        database,
        "orders",
        """select c.name as shop, o.customer_name as customer, o.items -> 0 ->> 'name' as item,
                  o.total_amount || ' FCFA' as total, o.metadata ->> 'zone' as zone, o.status
           from orders o join companies c on c.id = o.company_id order by o.created_at desc""",
    )
    show(
        database,
        "activities",
        """select c.name as shop, to_char(a.created_at, 'HH24:MI') as at, a.type, a.status, a.title,
                  a.description
           from activities a join companies c on c.id = a.company_id order by a.created_at desc""",
    )
    show(
        database,
        "bot_sessions",
        """select c.name as shop, s.mode, to_char(s.started_at, 'HH24:MI') as started,
                  coalesce(to_char(s.ended_at, 'HH24:MI'), 'live') as ended
           from bot_sessions s join companies c on c.id = s.company_id order by s.started_at desc""",
    )


def show(database: psycopg.Connection[Any], name: str, query: str) -> None:
    """Show the newest rows of one table and the number of its rows."""
    cursor = database.execute(query.encode())
    rows = cursor.fetchall()
    table = Table(
        *[column.name for column in cursor.description or ()],
        title=f"{name}: {len(rows)} rows, the newest {min(SHOWN, len(rows))}",
        title_justify="left",
    )
    for row in rows[:SHOWN]:
        table.add_row(*["" if value is None else str(value) for value in row])
    console.print(table)


def show_failed(queue: Queue) -> int:
    """Show the failed events with their reasons, and return their number."""
    jobs = Job.fetch_many(
        queue.failed_job_registry.get_job_ids(), connection=queue.connection, serializer=JSONSerializer
    )
    table = Table("event", "type", "reason", title="failed registry", title_justify="left")
    for job in filter(None, jobs):
        table.add_row(str(UUID(job.id[:36])), job.description, reason(job))
    console.print(table)
    return table.row_count


def reason(job: Job) -> str:
    """Return the line that says why the job failed and what to do."""
    result = job.latest_result()
    trace = (result.exc_string if result else "") or ""
    return trace.partition("\n")[0].partition(": ")[2]


if __name__ == "__main__":
    main()
