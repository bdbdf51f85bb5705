"""What waits apart: events that their shop's tables do not take, until they do.

They wait by kind, that is by company and event type, each kind in an RQ queue of its own, which no
worker takes from. From time to time a worker asks the database about the kinds, with a call that carries
no event. When it takes events of a kind again, they go back to the queue, without anybody's help.
"""

import json
import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

import redis
import structlog
from pydantic import AwareDatetime, BaseModel, TypeAdapter, ValidationError

from events.contracts import TYPES
from events.publishing.keys import QUEUES, Keys, raw
from gateway.answers import safe_text
from gateway.errors import TransientFault, WaitsApart, WorkerError
from gateway.letters import plain as printable
from worker.background import in_thread
from worker.control import passing_over_misfits
from worker.scripts import script

_LOOK = 1.0  # seconds between two looks at what waits
_SHORTEST, _LONGEST = 1.0, 30.0  # seconds between two questions about one kind
_MOST = 50  # kinds that one call asks about
_PART = 500  # jobs that one script moves
_VERDICT = 5.0  # seconds that the answer about one kind may take: a stop must not wait for longer


class Kind(NamedTuple):
    """What waits apart together."""

    company_id: str
    event_type: str

    @property
    def label(self) -> str:
        """Its field in the hash."""
        return json.dumps(self)


@dataclass(frozen=True, slots=True)
class Group:
    """Why the events of a kind wait, and since when."""

    reason: str
    since: datetime
    plain: Mapping[str, Any]
    """What ``botlive_admits`` is asked with: the kind's shape, and nothing of an event's own."""

    @classmethod
    def of(cls, fault: WaitsApart) -> "Group":
        """From now on, for that reason."""
        return cls(str(fault), datetime.now(UTC), fault.plain)

    def dump(self) -> str:
        """As the hash keeps it."""
        return json.dumps({"reason": self.reason, "since": self.since.isoformat(), "plain": dict(self.plain)})


class _Kept(BaseModel):
    """A group as the hash keeps it: whoever writes to Redis may have put anything in its place."""

    reason: str
    since: AwareDatetime
    plain: dict[str, Any]


_kept, _label = TypeAdapter(_Kept), TypeAdapter(tuple[str, str])


def _read(label: bytes, text: bytes) -> tuple[Kind, Group] | None:
    try:
        kept = _kept.validate_json(text)
        kind = Kind(*_label.validate_json(label))
    except ValidationError:
        return None  # no worker wrote this
    is_ours = kind.event_type in TYPES and kind.label.encode() == label
    return (kind, Group(safe_text(kept.reason), kept.since, kept.plain)) if is_ours else None


class Admits(Protocol):
    """What is asked of a gateway."""

    def admits(self, plain_events: Sequence[Mapping[str, Any]]) -> list[str | None]:
        """As ``Gateway.admits``."""


class Store:
    """The queues of what waits apart, in Redis."""

    def __init__(self, connection: redis.Redis, queue: str) -> None:
        self._redis = connection
        self._keys = Keys(queue)
        self._put, self._release = (script(connection, name) for name in ("put_apart", "release"))

    def groups(self) -> dict[Kind, Group]:
        """Everything that waits apart, by kind. Where that is no hash ``worker.control`` tells it."""
        found: Any = passing_over_misfits(lambda: self._redis.hgetall(self._keys.apart)) or {}
        return dict(pair for label, text in found.items() if (pair := _read(label, text)))

    def count(self, kind: Kind) -> int:
        """How many events of the kind wait."""
        return int(passing_over_misfits(lambda: self._redis.llen(self.list_of(kind))) or 0)

    def put(self, owner: str, kind: Kind, group: Group, job_ids: Sequence[str]) -> bool:
        """Put jobs of that owner apart; whether they are the first of the kind."""
        keys = [self._keys.started, self.list_of(kind), QUEUES, self._keys.apart]
        ids = map(raw, job_ids)
        return bool(self._put(keys=keys, args=[owner, kind.label, group.dump(), *ids]))

    def release(self, kind: Kind) -> int:
        """Bring all of the kind back to the end of the queue; how many that were."""
        keys = [self.list_of(kind), self._keys.queue, QUEUES, self._keys.apart]
        moved = 0
        while part := int(self._release(keys=keys, args=[kind.label, _PART])):
            moved += part
        return moved

    def note(self, kind: Kind, group: Group) -> None:
        """Write down the present reason, where the kind still waits."""
        if self._redis.hexists(self._keys.apart, kind.label):
            self._redis.hset(self._keys.apart, kind.label, group.dump())

    def list_of(self, kind: Kind) -> str:
        """The key of the kind's queue."""
        return self._keys.apart_queue(kind.event_type, kind.company_id)


@dataclass
class Pause:
    """When a kind is asked about next."""

    due: float = 0.0
    length: float = _SHORTEST / 2

    def postpone(self) -> None:
        """Ask more rarely, up to a bound, with jitter: workers do not ask all at once."""
        self.length = min(_LONGEST, self.length * 2)
        self.due = time.monotonic() + random.uniform(0.5, 1) * self.length  # noqa: S311 - no secret


@dataclass
class Apart:
    """One worker's part in it: puts events apart, and asks about the kinds that wait."""

    store: Store
    gateway: Admits
    owner: str
    _groups: dict[Kind, Group] = field(default_factory=dict, init=False)
    _pauses: dict[Kind, Pause] = field(default_factory=dict, init=False)
    _most: int = field(default=_MOST, init=False)
    _stopped: threading.Event = field(default_factory=threading.Event, init=False)

    def __post_init__(self) -> None:
        self._log = structlog.stdlib.get_logger("botlive")

    def group(self, kind: Kind) -> Group | None:
        """Why events of the kind wait apart, as far as this worker knows: then others of it join them."""
        return self._groups.get(kind)

    def put(self, job_ids: Sequence[str], kind: Kind, group: Group) -> None:
        """Let jobs of this worker wait apart."""
        if self.store.put(self.owner, kind, group, job_ids):
            self._log.error("waits apart", reason=group.reason, **_named(kind))
        # A new mapping: the thread that tends may be reading the one before.
        self._groups = {**self._groups, kind: group}

    def judge(self, kind: Kind, plain: Mapping[str, Any]) -> WaitsApart | None:
        """Whether it is the shop that takes no event of the kind, and not one event's doing."""
        try:
            [reason] = in_thread(lambda: self.gateway.admits([plain])).result(_VERDICT)
        except (TimeoutError, TransientFault):
            reason = "the shop's tables give no answer in time: see to their triggers and locks"
        except Exception as error:  # noqa: BLE001 # a fault of ours says nothing of the shop
            self._log.warning("no judgement of the shop", error=type(error).__name__, **_named(kind))
            return None
        return WaitsApart(reason, plain=plain) if reason else None

    def start(self) -> None:
        """Say what waits apart, and look after it until ``stop``."""
        for kind, group in self.store.groups().items():
            self._log.warning("still apart", reason=group.reason, jobs=self.store.count(kind), **_named(kind))
        threading.Thread(target=self._tend_on, name="apart", daemon=True).start()

    def stop(self) -> None:
        """Look after it no more."""
        self._stopped.set()

    def tend(self) -> None:
        """Learn what waits, ask about the kinds that are due, and let go what is taken again."""
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
        try:
            answers = self.gateway.admits([plain for _, plain in about])
        except WorkerError:
            # One kind's tables may take all the time that a call has: fewer together, the slow one rarely.
            if len(about) == 1:
                self._pauses[about[0][0]].postpone()
            self._most = max(1, len(about) // 2)
            return []
        self._most = min(_MOST, self._most * 2)
        return answers

    def _answered(self, kind: Kind, group: Group, reason: str | None) -> None:
        if reason is None:
            self._groups = {other: kept for other, kept in self._groups.items() if other != kind}
            self._log.info("no longer apart", jobs=self.store.release(kind), **_named(kind))
            return
        self._pauses[kind].postpone()
        if reason != group.reason:
            self.store.note(kind, Group(reason, group.since, group.plain))

    def _tend_on(self) -> None:
        # A thread of its own: no event waits for the answers about what waits apart.
        while not self._stopped.wait(_LOOK):
            try:
                self.tend()
            except redis.RedisError:
                continue  # the main thread says what is wrong
            except Exception as error:  # noqa: BLE001 # what waits apart must not wait for a fault of ours
                self._log.error("looking after what waits apart failed", error=type(error).__name__)


def _named(kind: Kind) -> dict[str, str]:
    return {"company_id": printable(kind.company_id), "event_type": printable(kind.event_type)}
