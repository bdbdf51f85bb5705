"""Keys of RQ and of ours, except jobs, with contents from other programs, and the commands that read them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple
from unittest.mock import patch

from events import parse_event
from operations import cli
from tests.fuzz import documents, samples
from tests.fuzz.bench import Bench
from tests.fuzz.canaries import OBEYED, PHONE, SECRET
from tests.fuzz.capture import capture, exit_code
from tests.fuzz.dice import Dice
from tests.fuzz.target import Target, no_canary

_QUEUE = "fuzz"
_IDS = (
    b"one",
    b"one:botlive-gone",
    b":",
    b"",
    b"a:b:botlive-x",
    b"\xff\xfe",
    b"a b",
    b"x" * 2_000,
    b"\n",
    b"[/]",
    b"<%= 1 %>",
    b"two:rq-worker",
)
_SCORES = (0, 1, -1, 1e300, float("inf"), float("-inf"), 2**53, 1763625600)
_REGISTRIES = ("wip", "failed", "finished", "deferred", "scheduled", "canceled")
_SHOPS = (b"shop", b"", b"\xff", b"a:b", b"x" * 300)


class Planted(NamedTuple):
    """A key, its type and its content."""

    key: bytes
    kind: str
    content: Any


class Control(Target):
    """A valid event is still persisted, and every list can be shown."""

    name, share, group = "control", 5, 20
    outcomes = frozenset({"zset", "list", "set", "hash", "stream", "string"})

    def open(self, stack: ExitStack) -> None:
        """Start a Valkey."""
        self._bench = Bench(stack)
        self._environment = {
            "REDIS_URL": f"redis://127.0.0.1:{self._bench.port}/0",
            "SUPABASE_URL": "http://127.0.0.1:1",
            "SUPABASE_KEY": SECRET,
            "BOTLIVE_QUEUE": _QUEUE,
        }

    def enter(self, stack: ExitStack) -> None:
        """Set the environment variables for this Valkey."""
        stack.enter_context(patch.dict("os.environ", self._environment))
        stack.enter_context(patch("operations.cli.gc.freeze"))

    def make(self, dice: Dice) -> Planted:
        """Create a key."""
        return dice.choice(_MAKERS)(dice)

    def check_all(self, cases: Sequence[Planted]) -> Iterable[str]:
        """Write the keys, run a worker, then run the commands that show them."""
        bench, steady = self._bench, documents.Steady(5)
        bench.empty()
        event = parse_event(documents.written(steady, samples.event(steady, "shop")))
        kinds = {case.key: case for case in cases}.values()
        for case in kinds:
            _WRITERS[case.kind](bench.redis, case.key, case.content)
        bench.publish(event)
        with capture() as captured:
            bench.work()
            for typed in (
                ["failures"],
                ["failures", "--json"],
                ["failures", "discarded"],
                ["failures", "show", "one", "--payload"],
                ["failures", "replay", "--all"],
            ):
                assert exit_code(cli.main, typed) in {0, 1}, f"{typed} has another exit code"
        no_canary(captured.all, "the output")
        assert not OBEYED.search(captured.out), "the output contains control codes"
        assert "own fault" not in captured.all, "a bug of the worker"
        assert str(event.event_id) in bench.tables.events, "the event is not persisted"
        return [case.kind for case in kinds]


def _key(name: str) -> bytes:
    return f"{name}:{_QUEUE}".encode()


def _ids(dice: Dice) -> list[bytes]:
    return [dice.choice(_IDS) for _ in dice.some(4)]


def _entry(dice: Dice) -> dict[bytes, bytes]:
    names = (b"id", b"at", b"fields", b"before", b"why", b"reason", b"error", b"\xff", b"company_id")
    values = (b"one", b"[", b"[1, {}]", b'["amount"]', b"\xff", b"", b"{}", b"\x1b[2J", b"2026-11-20")
    return {dice.choice(names): dice.choice(values) for _ in dice.some(6)}


def _note(dice: Dice) -> dict[bytes, bytes]:
    return {
        b"id": b"one",
        b"at": b"2026-11-20",
        b"fields": b'["amount"]',
        b"before": b"{}",
        **(_entry(dice) if dice.chance(0.8) else {}),
    }


def _groups(dice: Dice) -> dict[bytes, bytes]:
    label = documents.any_bytes(
        dice, [dice.choice(("shop", "x")), dice.choice(("live_toggled", "order_completed"))]
    )
    plain = {"event_type": "live_toggled", "company_id": "shop"}
    return {
        label: documents.any_bytes(
            dice, {"reason": "gone", "since": "2026-11-20T08:00:00+00:00", "plain": plain}
        )
    }


def _result(dice: Dice) -> dict[bytes, bytes]:
    return {
        b"type": dice.choice((b"2", b"x")),
        b"exc_string": dice.choice((b"", b"\xff", b"eJwDAAAAAAE=", PHONE.encode())),
    }


_MAKERS: Sequence[Callable[[Dice], Planted]] = (
    lambda d: Planted(
        _key(f"rq:{d.choice(_REGISTRIES)}"), "zset", {each: d.choice(_SCORES) for each in _ids(d)}
    ),
    lambda d: Planted(_key("rq:wip"), "zset", {each: float("inf") for each in _ids(d)}),
    lambda d: Planted(_key("rq:queue"), "list", _ids(d)),
    lambda d: Planted(b"rq:queues", "set", [b"rq:queue:fuzz", *_ids(d)]),
    lambda d: Planted(b"rq:workers", "set", [b"rq:worker:gone", *_ids(d)]),
    lambda d: Planted(_key("rq:workers"), "set", [b"rq:worker:gone", *_ids(d)]),
    lambda d: Planted(_key("botlive:turn"), "list", [d.choice(_SHOPS) for _ in d.some(3)]),
    lambda d: Planted(b"rq:queue:fuzz:shop:" + d.choice(_SHOPS), "list", _ids(d)),
    lambda d: Planted(b"rq:queue:fuzz:apart:live_toggled:" + d.choice(_SHOPS), "list", _ids(d)),
    lambda d: Planted(_key("botlive:apart"), "hash", _groups(d)),
    lambda d: Planted(_key("botlive:apart"), "hash", _groups(d)),
    lambda d: Planted(_key("botlive:discarded"), "stream", _entry(d)),
    lambda d: Planted(_key("botlive:edited"), "stream", _note(d)),
    lambda d: Planted(b"rq:results:one", "stream", _result(d)),
    lambda d: Planted(b"rq:results:one", d.choice(("set", "string")), [b"x"]),
    lambda d: Planted(b"rq:job:one", d.choice(("set", "string")), [b"x"]),
    lambda d: Planted(b"botlive:lease:botlive-gone", "string", [d.choice(_IDS)]),
    lambda d: Planted(b"rq:executions:one", "zset", {each: d.choice(_SCORES) for each in _ids(d)}),
    lambda d: Planted(b"rq:job:one:dependents", "set", _ids(d)),
)
_WRITERS: Mapping[str, Callable[[Any, bytes, Any], Any]] = {
    "zset": lambda redis, key, content: redis.zadd(key, content),
    "list": lambda redis, key, content: redis.rpush(key, *content),
    "set": lambda redis, key, content: redis.sadd(key, *content),
    "hash": lambda redis, key, content: redis.hset(key, mapping=content),
    "stream": lambda redis, key, content: redis.xadd(key, content),
    "string": lambda redis, key, content: redis.set(key, content[0]),
}
