"""``botlive status --watch``: a live view on a terminal, one line or one JSON object per look elsewhere."""

import json
import os
import pty
import re
import signal
import subprocess
from typing import Any

import pytest
import redis

from gateway.errors import RedisUnusable, TransientFault, WaitsApart
from operations import status, watch
from operations.shops import Shop, most
from operations.watch import looks
from tests.children import ending
from tests.integration.line import BIN, Line
from tests.integration.test_status import ALIVE, stand_in
from tests.make import PHONE, order
from worker.apart import Group, Kind, Store
from worker.claims import PREFIX, Claims

pytestmark = pytest.mark.slow

COMMAND = [str(BIN / "botlive"), "status", "--watch", "0.1"]


def start(line: Line, *options: str, **files: Any) -> subprocess.Popen[str]:
    """Start the command."""
    environment = {**line.environment, "COLUMNS": "200", "TERM": "xterm-256color"}
    return subprocess.Popen([*COMMAND, *options], env=environment, text=True, **files)


def test_it_prints_one_object_per_look_until_ctrl_c(line: Line) -> None:
    """Each line of --json is a whole object; Ctrl-C ends the command with 0 and without a word."""
    line.publisher.publish(order("shop"))
    stand_in(line, "botlive-a", ALIVE, state="suspended", held="Supabase is away")
    with ending(start(line, "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE)) as process:
        assert process.stdout
        first, second = (json.loads(process.stdout.readline()) for _ in range(2))
        process.send_signal(signal.SIGINT)
        assert (process.communicate(timeout=30)[1], process.returncode) == ("", 0)
    assert (first["waiting"], first["rate"], first["breaker"]) == (1, None, "open")
    assert (second["rate"], second["workers"][0]["reason"]) == (0, "Supabase is away")
    assert second["shops"] == [{"company_id": "shop", "waiting": 1}]
    assert second["at"] > first["at"]


def test_it_prints_plain_lines_where_there_is_no_terminal(line: Line) -> None:
    """A log gets one line per look, without control codes; a closed pipe ends the command."""
    line.publisher.publish(order("shop"))
    stand_in(line, "botlive-a", ALIVE, state="busy")
    with ending(start(line, stdout=subprocess.PIPE)) as process:
        assert process.stdout
        said = process.stdout.readline()
        process.stdout.close()
        assert process.wait(30) == 0
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d waiting 1; apart 0; claimed 0; failed 0; oldest \d+ s; rate -; breaker closed; "
        r"workers 1 working\n",
        said,
    )


def test_it_is_a_live_view_on_a_terminal(line: Line) -> None:
    """The view is drawn over itself, with each worker and shop, and Ctrl-C ends it with 0."""
    line.publisher.publish(order(f"shop {PHONE}\x1b[2J"))
    stand_in(line, "botlive-a", ALIVE, state="suspended", held="Supabase is away")
    master, slave = pty.openpty()
    with ending(start(line, stdin=slave, stdout=slave, stderr=slave)) as process:
        os.close(slave)
        said = b""
        while said.count(b"breaker       open in 1 workers") < 2:
            said += os.read(master, 65_536)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    os.close(master)
    text = said.decode()
    assert "\x1b[2J" not in text
    assert "\x1b[1A" in text, "the cursor moves up, to the begin of the view"
    assert "1 waiting of shop shop ***" in text
    assert "botlive-a held, 0 finished, 0 failed" in text


def test_the_rate_follows_from_two_looks(line: Line) -> None:
    """The rate counts what the workers finished and failed since the last look."""
    stand_in(line, "botlive-a", ALIVE, state="busy", successful_job_count="10", failed_job_count="1")
    seen = looks(line.redis, line.name, 0)
    assert next(seen).rate is None
    assert next(seen).rate == 0
    line.redis.hset("rq:worker:botlive-a", "successful_job_count", "14")
    rate = next(seen).rate
    assert rate
    assert rate > 0
    line.redis.hset("rq:worker:botlive-a", "successful_job_count", "2")
    assert next(seen).rate == 0


def test_the_shops_with_the_most_come_first(line: Line) -> None:
    """Events on the queue, put off and apart count; a shop's id that is a phone number is masked."""
    line.publisher.publish_many([order("few"), *(order("flood") for _ in range(40)), order(PHONE)])
    claims = Claims(line.redis, line.name, f"{PREFIX}one")
    taken = [claim.job_id for claim in claims.claim(10).claims]
    kind = Kind("flood", "order_completed")
    Store(line.redis, line.name).put(f"{PREFIX}one", kind, Group.of(WaitsApart("no")), taken[1:3])
    claims.give_back()
    line.redis.rpush(f"rq:queue:{line.name}", "nobody")
    found = most(line.redis, line.name)
    assert found[0] == Shop("flood", 40)
    assert sorted(found[1:]) == [Shop("***", 1), Shop("few", 1)]


def test_an_outage_of_redis_does_not_end_it(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look must succeed; later ones report why Redis cannot be read, and the next goes on."""
    answers: list[Exception | None] = [redis.ConnectionError("refused"), None, redis.ConnectionError(), None]
    read = status.read

    def unsteady(*arguments: Any, **options: Any) -> Any:
        if answers and (error := answers.pop(0)):
            raise error
        return read(*arguments, **options)

    monkeypatch.setattr(watch, "read", unsteady)
    with pytest.raises((TransientFault, RedisUnusable)):
        next(looks(line.redis, line.name, 0))
    seen = looks(line.redis, line.name, 0)
    assert next(seen).status
    away = next(seen)
    assert "trying again" in away.to_dict()["error"]
    assert next(seen).status


def test_seconds_are_only_for_watch(line: Line) -> None:
    """A number without --watch is refused instead of ignored."""
    done = line.run(str(BIN / "botlive"), "status", "5")
    assert done.returncode == 2
    assert "is only for --watch" in done.stderr
