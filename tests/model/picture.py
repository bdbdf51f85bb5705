"""The content of Redis at one moment, read in one step."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from events.publishing.keys import JOB, LEASE, Keys
from tests.model.client import Server
from worker.claims import PREFIX

ID = 36
"""Characters of an event's id, with which the ids of its jobs begin."""


@dataclass
class Picture:
    """The content of Redis."""

    queue: list[str] = field(default_factory=list)
    overflow: dict[str, list[str]] = field(default_factory=dict)
    """The overflow queues, by shop."""
    turn: list[str] = field(default_factory=list)
    apart: dict[str, list[str]] = field(default_factory=dict)
    """The queues of what waits apart, by the end of their key."""
    groups: set[str] = field(default_factory=set)
    claims: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """The jobs claimed by our workers, by owner."""
    running: list[str] = field(default_factory=list)
    """The jobs that RQ's own worker has taken."""
    failed: set[str] = field(default_factory=set)
    jobs: set[str] = field(default_factory=set)
    """The jobs that have a hash."""
    leases: set[str] = field(default_factory=set)
    """The owners that have a lease."""

    def places(self) -> defaultdict[str, list[str]]:
        """Return where the jobs of each event are; an entry without a hash is what a claim passes over."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        queues = [self.queue, *self.overflow.values(), *self.apart.values(), self.running, self.failed]
        names = ["queue", *self.overflow, *self.apart, "running", "failed"]
        for name, ids in [*zip(names, queues, strict=True), *self.claims.items()]:
            for job_id in ids:
                if job_id in self.jobs and name not in found[job_id[:ID]]:
                    found[job_id[:ID]].append(name)
        return found

    def abandoned(self) -> dict[str, list[str]]:
        """Return the claims of owners without a lease."""
        return {owner: ids for owner, ids in self.claims.items() if owner not in self.leases}


class Camera:
    """Takes pictures of a server."""

    def __init__(self, server: Server, queue: str) -> None:
        self._server = server
        keys = Keys(queue)
        self._queue, self._intermediate, self._turn = keys.queue, keys.intermediate, keys.turn
        self._started, self._failed, self._groups = keys.started, keys.failed, keys.apart
        self._overflow, self._apart = f"{keys.queue}:shop:", f"{keys.queue}:apart:"

    def take(self) -> Picture:
        """Read everything in one step."""
        picture, members = Picture(), self._server.look()
        # Sorted: each server lists its keys in another order, and one seed must make the same steps.
        for raw_key in sorted(members):
            key = raw_key.decode()
            if key.startswith(JOB):
                picture.jobs.add(key[len(JOB) :])
            elif key.startswith(LEASE):
                picture.leases.add(key[len(LEASE) :])
            else:
                self._add(picture, key, [member.decode() for member in members[raw_key]])
        return picture

    def _add(self, picture: Picture, key: str, members: list[str]) -> None:
        if key.startswith(self._overflow):
            picture.overflow[key.removeprefix(self._overflow)] = members
        elif key.startswith(self._apart):
            picture.apart[key.removeprefix(self._apart)] = members
        elif key == self._queue:
            picture.queue = members
        elif key == self._turn:
            picture.turn = members
        elif key == self._started:
            _split(picture, members)
        elif key == self._intermediate:
            picture.running += members
        elif key == self._failed:
            picture.failed |= {*members}
        elif key == self._groups:
            picture.groups |= {*members}


def _split(picture: Picture, members: Sequence[str]) -> None:
    for member in members:
        job_id, _, owner = member.rpartition(":")
        (picture.claims[owner] if owner.startswith(PREFIX) else picture.running).append(job_id)
