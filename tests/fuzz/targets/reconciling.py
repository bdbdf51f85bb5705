"""Files for ``botlive reconcile`` with malformed lines, and any state of their events in the servers."""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryFile
from typing import Any, NamedTuple, Self
from unittest.mock import Mock, patch

from redis.exceptions import ResponseError

from events import parse_event
from events.publishing.call import Call
from gateway.client import Gateway
from gateway.settings import Settings
from operations.commands import reconcile as command
from tests.fuzz.canaries import PHONE
from tests.fuzz.capture import capture, exit_code
from tests.fuzz.dice import Dice
from tests.fuzz.target import Target, one_line
from tests.fuzz.targets.decode import results
from tests.fuzz.targets.lines import REFUSAL, Line, content, count, line

_OUTCOMES = ("persisted", "waiting", "failed", "unknown", "bad")
_WRONG = ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value")
_SAID = re.compile(r"line \d+: [0-9a-f-]{36} (persisted|waiting|failed|unknown)(: .*)?")


class Known(NamedTuple):
    """A line, and the state of its event."""

    line: Line
    fields: Any
    score: float | None
    results: Any
    is_persisted: bool


class _Redis:
    """A fake Redis that knows the jobs of the cases."""

    def __init__(self, known: Mapping[str, Known]) -> None:
        self._known, self._replies = known, list[Any]()

    def pipeline(self, *, transaction: bool) -> Self:
        """Return itself."""
        return self

    def _of(self, key: str | bytes) -> Known | None:
        name = key if isinstance(key, str) else key.decode()
        return self._known.get(name.removeprefix("rq:job:").removeprefix("rq:results:")[:36])

    def hmget(self, key: bytes, *_: str) -> None:
        """Queue the answer: the digest and status of the job."""
        known = self._of(key)
        self._replies.append(known.fields if known else [None, None])

    def zscore(self, _: str, job_id: str) -> None:
        """Queue the answer: the score in the failed registry, if the job is there."""
        known = self._of(job_id)
        self._replies.append(known.score if known else None)

    def xrevrange(self, key: bytes, count: int) -> None:
        """Queue the answer: the newest result."""
        known = self._of(key)
        self._replies.append(known.results if known else [])

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Return all queued answers."""
        replies, self._replies = self._replies, []
        if raise_on_error:
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
        return replies


class Reconciling(Target):
    """Every line has one outcome, and malformed data in Redis does not end the command."""

    name, share, group = "reconciling", 120, 25
    outcomes = frozenset(_OUTCOMES)

    def enter(self, stack: ExitStack) -> None:
        """Replace the servers by the state of the cases."""
        self._persisted: Any = {}
        gateway = Mock(spec=Gateway, call=lambda *_: self._persisted)
        stack.enter_context(patch.object(Gateway, "connect", lambda _: gateway))
        stack.enter_context(patch.object(Settings, "from_env", lambda: Mock(redis_url="", queue="botlive")))
        stack.enter_context(patch.object(command, "redis_at", self._redis_at))

    def make(self, dice: Dice) -> Known:
        """Create a line and the state of its event."""
        made = line(dice)
        digest = dice.choice((None, b"", b"\xff", b"0" * 16, _digest(made)))
        status = dice.choice((None, b"queued", b"failed", b"finished", b"\xff", PHONE.encode()))
        fields = _WRONG if dice.chance(0.05) else [digest, status]
        score = dice.choice((None, 0.0, float("inf")))
        return Known(made, fields, score, _WRONG if dice.chance(0.05) else results(dice), dice.chance(0.3))

    def check_all(self, cases: Sequence[Known]) -> Iterable[str]:
        """Reconcile a file with these lines."""
        self._known = {key: each for each in cases if (key := _event_id(each.line))}
        self._persisted = {key: _content(each.line) for key, each in self._known.items() if each.is_persisted}
        lines = [each.line for each in cases]
        with TemporaryFile() as stream, capture() as captured:
            stream.write(content(lines))
            stream.seek(0)
            code = exit_code(command.reconcile, stream)
        *said, totals = captured.out.splitlines()
        for each in captured.err.splitlines():
            one_line(each, "a refusal")
            assert REFUSAL.fullmatch(each), "a refusal names no line and field"
        for each in said:
            one_line(each, "an outcome", values=False)
            assert _SAID.fullmatch(each)
        numbers = [int(part.split()[1]) for part in totals.split(", ")]
        assert sum(numbers) == count(lines), "a line is missing in the counts"
        assert code == (0 if 0 < sum(numbers) == numbers[0] else 1)
        return [name for name, number in zip(_OUTCOMES, numbers, strict=True) for _ in range(number)]

    @contextmanager
    def _redis_at(self, _: str) -> Any:
        yield _Redis(self._known)


def _event_id(line: Line) -> str | None:
    try:
        return str(parse_event(line.content).event_id)
    except ValueError:
        return None


def _content(line: Line) -> str:
    return parse_event(line.content).digest()


def _digest(line: Line) -> bytes | None:
    try:
        return Call.of(parse_event(line.content)).fingerprint.encode()
    except ValueError:
        return None
