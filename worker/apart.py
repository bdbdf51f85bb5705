"""Events that wait apart because their shop's tables reject them.

They wait by kind, that is by company and event type. Each kind has its own RQ queue, from which no
worker takes jobs. Workers regularly ask the database about the kinds, with a call that carries no event.
When the tables accept a kind again, its events return to the queue automatically.
"""

import json
import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import redis
import structlog
from pydantic import AwareDatetime, BaseModel, TypeAdapter, ValidationError

from events.contracts import TYPES
from events.publishing.keys import QUEUES, Keys, raw
from events.publishing.notices import Notices
from gateway.answers import safe_text
from gateway.errors import WaitsApart, WorkerError
from gateway.letters import printable
from worker.control import none_if_wrong_type
from worker.scripts import script
from worker.slowness import PATIENCE, SLOW, Admits, reasons_within, slow_company

_LOOK = 1.0  # seconds between two checks of all kinds
_SHORTEST, _LONGEST = 1.0, 30.0  # seconds between two calls about one kind
_MOST = 50  # kinds in one call, at most
_PART = 500  # jobs that one script call moves, at most


class Kind(NamedTuple):
    """A company and an event type: their events wait apart together."""

    company_id: str
    event_type: str

    @property
    def label(self) -> str:
        """The field of this kind in the hash."""
        return json.dumps(self)


@dataclass(frozen=True, slots=True)
class Group:
    """Why the events of a kind wait, and since when."""

    reason: str
    since: datetime
    plain: Mapping[str, Any]
    """The plain event for ``botlive_admits``: the form of the kind, without data of an event."""

    @classmethod
    def of(cls, fault: WaitsApart) -> "Group":
        """Create a group that waits from now on, with the fault as its reason."""
        return cls(str(fault), datetime.now(UTC), fault.plain)

    def dump(self) -> str:
        """Return the group as JSON, for the hash."""
        return json.dumps({"reason": self.reason, "since": self.since.isoformat(), "plain": dict(self.plain)})


class _Kept(BaseModel):
    """A group as stored in the hash. It is validated: other programs may write to Redis too."""

    reason: str
    since: AwareDatetime
    plain: dict[str, Any]


_kept, _label = TypeAdapter(_Kept), TypeAdapter(tuple[str, str])


def _read(label: bytes, text: bytes) -> tuple[Kind, Group] | None:
    try:
        kept = _kept.validate_json(text)
        kind = Kind(*_label.validate_json(label))
    except ValidationError:
        return None  # not written by a worker
    is_ours = kind.event_type in TYPES and kind.label.encode() == label
    return (kind, Group(safe_text(kept.reason), kept.since, kept.plain)) if is_ours else None


class Store:
    """The queues in Redis of the events that wait apart."""

    def __init__(self, connection: redis.Redis, queue: str) -> None:
        self._redis = connection
        self._keys = Keys(queue)
        self._put, self._release = (script(connection, name) for name in ("put_apart", "release"))

    def groups(self) -> dict[Kind, Group]:
        """Return all groups by kind; none if the key has the wrong type (``worker.control`` reports that)."""
        found: Any = none_if_wrong_type(lambda: self._redis.hgetall(self._keys.apart)) or {}
        return dict(pair for label, text in found.items() if (pair := _read(label, text)))

    def count(self, kind: Kind) -> int:
        """Return how many events of the kind wait."""
        return int(none_if_wrong_type(lambda: self._redis.llen(self.list_of(kind))) or 0)

    def put(self, owner: str, kind: Kind, group: Group, job_ids: Sequence[str]) -> bool:
        """Move claimed jobs of the owner apart. Return whether they are the first of their kind."""
        keys = [self._keys.started, self.list_of(kind), QUEUES, self._keys.apart]
        ids = map(raw, job_ids)
        return bool(self._put(keys=keys, args=[owner, kind.label, group.dump(), *ids]))

    def release(self, kind: Kind) -> int:
        """Move all jobs of the kind back to the end of the queue. Return their number."""
        keys = [self.list_of(kind), self._keys.queue, QUEUES, self._keys.apart]
        moved = 0
        while part := int(self._release(keys=keys, args=[kind.label, _PART])):
            moved += part
        return moved

    def note(self, kind: Kind, group: Group) -> None:
        """Store the current reason, if the kind still waits."""
        if self._redis.hexists(self._keys.apart, kind.label):
            self._redis.hset(self._keys.apart, kind.label, group.dump())

    def list_of(self, kind: Kind) -> str:
        """Return the key of the kind's queue."""
        return self._keys.apart_queue(kind.event_type, kind.company_id)


@dataclass
class Pause:
    """The time of the next call about a kind."""

    due: float = 0.0
    length: float = _SHORTEST / 2

    def postpone(self) -> None:
        """Double the pause up to a limit, with jitter, so that workers do not all call at once."""
        self.length = min(_LONGEST, self.length * 2)
        self.due = time.monotonic() + random.uniform(0.5, 1) * self.length  # noqa: S311 - no secret


@dataclass
class Apart:
    """Moves events of one worker apart, and asks the database about the kinds that wait."""

    store: Store
    gateway: Admits
    owner: str
    _groups: dict[Kind, Group] = field(default_factory=dict, init=False)
    _pauses: dict[Kind, Pause] = field(default_factory=dict, init=False)
    _most: int = field(default=_MOST, init=False)
    _stopped: threading.Event = field(default_factory=threading.Event, init=False)

    def __post_init__(self) -> None:
        self._log = structlog.stdlib.get_logger("botlive")
        self._notices = Notices()

    def group(self, kind: Kind) -> Group | None:
        """Return the group that new events of the kind must join, if this worker knows one."""
        return self._groups.get(kind)

    def put(self, job_ids: Sequence[str], kind: Kind, group: Group) -> None:
        """Move jobs of this worker apart."""
        if self.store.put(self.owner, kind, group, job_ids):
            self._log.error("waits apart", reason=group.reason, **_named(kind))
        # A new dict, because the thread of ``start`` may be reading the old one.
        self._groups = {**self._groups, kind: group}

    def judge(self, kind: Kind, plain: Mapping[str, Any]) -> WaitsApart | None:
        """Return the fault if the shop's tables reject every event of the kind, not only one event."""
        try:
            reasons = reasons_within(PATIENCE, self.gateway, [plain])
            [reason] = [SLOW] if reasons is None else reasons
        except Exception as error:  # noqa: BLE001 # a bug in our code says nothing about the shop
            self._log.warning("shop not checked", error=type(error).__name__, **_named(kind))
            return None
        return WaitsApart(reason, plain=plain) if reason else None

    def slow(self, plains: Sequence[Mapping[str, Any]]) -> str | None:
        """Return the company whose tables do not answer in time, although those of another do."""
        return slow_company(self.gateway, plains)

    def start(self) -> None:
        """Log what waits apart, and check it in a thread until ``stop``."""
        for kind, group in self.store.groups().items():
            self._log.warning("still apart", reason=group.reason, jobs=self.store.count(kind), **_named(kind))
        threading.Thread(target=self._keep_checking, name="apart", daemon=True).start()

    def stop(self) -> None:
        """Stop checking."""
        self._stopped.set()

    def check(self) -> None:
        """Read the groups, ask about the kinds that are due, and release those that are accepted again."""
        groups = self._groups = self.store.groups()
        self._pauses = {kind: self._pauses.get(kind, Pause()) for kind in groups}
        due = [kind for kind, pause in self._pauses.items() if pause.due <= time.monotonic()]
        while due and not self._stopped.is_set():
            asked = due[: self._most]
            answers = self._ask([(kind, groups[kind].plain) for kind in asked])
            for kind, reason in zip(asked, answers, strict=False):
                self._answered(kind, groups[kind], reason)
            if not answers:
                return
            due = due[len(answers) :]

    def _ask(self, about: Sequence[tuple[Kind, Mapping[str, Any]]]) -> list[str | None]:
        started = time.monotonic()
        try:
            answers = self.gateway.admits([plain for _, plain in about])
        except WorkerError:
            # The tables of one kind may use up the timeout: ask about fewer kinds at once. Alone, a slow
            # kind is asked about less often.
            if len(about) == 1:
                self._pauses[about[0][0]].postpone()
            self._most = max(1, len(about) // 2)
            return []
        self._most = min(_MOST, self._most * 2)
        if answers and time.monotonic() - started > PATIENCE:
            answers[-1] = answers[-1] or SLOW  # after a second the database answers about no further kind
        return answers

    def _answered(self, kind: Kind, group: Group, reason: str | None) -> None:
        if reason is None:
            self._groups = {other: kept for other, kept in self._groups.items() if other != kind}
            self._log.info("no longer apart", jobs=self.store.release(kind), **_named(kind))
            return
        self._pauses[kind].postpone()
        if reason != group.reason:
            self.store.note(kind, Group(reason, group.since, group.plain))

    def _keep_checking(self) -> None:
        # In its own thread, so that no event waits for these answers.
        while not self._stopped.wait(_LOOK):
            try:
                self.check()
            except redis.RedisError:
                continue  # the main thread reports it
            except Exception as error:  # noqa: BLE001 # after a bug in our code, the checks must go on
                if self._notices.is_due(name := type(error).__name__):
                    self._log.error("check of what waits apart failed", error=name)


def _named(kind: Kind) -> dict[str, str]:
    return {"company_id": printable(kind.company_id), "event_type": printable(kind.event_type)}
