"""The content of Redis at one moment, read in one step. It can be saved and restored."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from events.publishing.keys import JOB, LEASE, Keys, text
from worker.claims import PREFIX

ID = 36
"""Characters of an event's id, with which the ids of its jobs begin."""

_LOOK = """
local out = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', key).ok
  if kind == 'list' then
    out[#out + 1] = {key, redis.call('LRANGE', key, 0, -1)}
  elseif kind == 'zset' then
    out[#out + 1] = {key, redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')}
  elseif key == ARGV[1] then
    out[#out + 1] = {key, redis.call('HKEYS', key)}
  else
    out[#out + 1] = {key, {}}
  end
end
return out
"""
_DUMP = """
local out = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  out[#out + 1] = key
  out[#out + 1] = math.max(0, redis.call('PTTL', key))
  out[#out + 1] = redis.call('DUMP', key)
end
return out
"""
_RESTORE = """
redis.call('FLUSHALL')
for index = 1, #ARGV, 3 do
  redis.call('RESTORE', ARGV[index], ARGV[index + 1], ARGV[index + 2])
end
"""


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

    def places(self) -> dict[str, list[str]]:
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
    """Takes pictures of a server, and brings back an older state."""

    def __init__(self, client: Any, queue: str) -> None:
        self._keys = Keys(queue)
        self._look, self._dump, self._restore = map(client.register_script, (_LOOK, _DUMP, _RESTORE))

    def take(self) -> Picture:
        """Read everything."""
        picture = Picture()
        # Sorted: each server lists its keys in another order, and one seed must make the same steps.
        for raw_key, members in sorted(self._look(args=[self._keys.apart])):
            self._add(picture, text(raw_key), [text(member) for member in members])
        return picture

    def dump(self) -> list[Any]:
        """Return all keys with their values."""
        dumped: list[Any] = self._dump()
        return dumped

    def restore(self, dumped: list[Any]) -> None:
        """Replace all keys by what they were then."""
        self._restore(args=dumped)

    def _add(self, picture: Picture, key: str, members: list[str]) -> None:
        keys = self._keys
        for prefix, add in (
            (JOB, picture.jobs.add),
            (LEASE, picture.leases.add),
            (f"{keys.queue}:shop:", lambda shop: picture.overflow.update({shop: members})),
            (f"{keys.queue}:apart:", lambda kind: picture.apart.update({kind: members})),
        ):
            if key.startswith(prefix):
                add(key.removeprefix(prefix))
                return
        if key == keys.started:
            _split(picture, members[::2])
        elif key == keys.failed:
            picture.failed |= {*members[::2]}
        else:
            lists = {keys.queue: picture.queue, keys.turn: picture.turn, keys.intermediate: picture.running}
            lists.get(key, []).extend(members)
            picture.groups |= {*members} if key == keys.apart else set()


def _split(picture: Picture, members: list[str]) -> None:
    for member in members:
        job_id, _, owner = member.rpartition(":")
        (picture.claims[owner] if owner.startswith(PREFIX) else picture.running).append(job_id)
