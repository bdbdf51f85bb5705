"""The content of Redis at one moment, read in one step."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from events.publishing.keys import JOB, LEASE, Keys
from tests.model.client import Server
from worker.claims import PREFIX

_Members = Mapping[bytes, Sequence[bytes]]

ID = 36
"""Characters of an event's id, with which the ids of its jobs begin."""


@dataclass
class Picture:
    """The content of Redis."""

    queue: list[str] = field(default_factory=list)
    turn: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    overflow: dict[str, list[str]] = field(default_factory=dict)
    """The overflow queues, by shop."""
    apart: dict[str, list[str]] = field(default_factory=dict)
    """The queues of what waits apart, by the end of their key."""
    jobs: dict[str, list[str]] = field(default_factory=dict)
    """The jobs that have a hash; the lists are empty."""
    leases: dict[str, list[str]] = field(default_factory=dict)
    """The owners that have a lease; the lists are empty."""
    claims: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """The jobs claimed by our workers, by owner."""
    running: list[str] = field(default_factory=list)
    """The jobs that RQ's own worker has taken."""

    def places(self) -> defaultdict[str, list[str]]:
        """Return where the jobs of each event are; an entry without a hash is what a claim passes over."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        queues = [self.queue, *self.overflow.values(), *self.apart.values(), self.running, self.failed]
        names = ["queue", *self.overflow, *self.apart, "running", "failed"]
        for name, ids in [*zip(names, queues, strict=True), *self.claims.items()]:
            for event_id in {job_id[:ID] for job_id in ids if job_id in self.jobs}:
                found[event_id].append(name)
        return found

    def abandoned(self) -> dict[str, list[str]]:
        """Return the claims of owners without a lease."""
        return {owner: ids for owner, ids in self.claims.items() if owner not in self.leases}


class Camera:
    """Keeps a picture of a server up to date."""

    def __init__(self, server: Server, queue: str) -> None:
        self.picture = picture = Picture()
        self._server = server
        self._found: _Members = {}
        self._started: list[str] = []
        self._intermediate: list[str] = []
        self._keys = keys = Keys(queue)
        self._lists = {keys.queue: "queue", keys.turn: "turn", keys.failed: "failed", keys.apart: "groups"}
        self._families = {
            JOB: picture.jobs,
            LEASE: picture.leases,
            f"{keys.queue}:shop:": picture.overflow,
            f"{keys.queue}:apart:": picture.apart,
        }

    def look(self) -> None:
        """Read everything in one step, and renew what has changed."""
        before, self._found = self._found, self._server.look()
        for key in before.keys() - self._found.keys():
            self._renew(key.decode(), None)
        # Sorted: each server lists its keys in another order, and one seed must make the same steps.
        changed = sorted(key for key, members in self._found.items() if before.get(key) != members)
        for key in changed:
            self._renew(key.decode(), [member.decode() for member in self._found[key]])

    def _renew(self, key: str, members: list[str] | None) -> None:
        if key in self._lists:
            setattr(self.picture, self._lists[key], members or [])
        elif key == self._keys.started:
            self._split(members or [], self._intermediate)
        elif key == self._keys.intermediate:
            self._split(self._started, members or [])
        for start, family in self._families.items():
            if key.startswith(start) and members is not None:
                family[key.removeprefix(start)] = members
            elif key.startswith(start):
                del family[key.removeprefix(start)]

    def _split(self, started: list[str], intermediate: list[str]) -> None:
        """Tell the claims of our workers from the jobs that RQ's own worker has taken."""
        self._started, self._intermediate = started, intermediate
        claims: defaultdict[str, list[str]] = defaultdict(list)
        running = [*intermediate]
        for member in started:
            job_id, _, owner = member.rpartition(":")
            (claims[owner] if owner.startswith(PREFIX) else running).append(job_id)
        self.picture.claims, self.picture.running = claims, running
