"""Jobs that no publisher of ours makes: malformed hashes, and one that calls another function."""

import random
from typing import Any
from uuid import UUID

from tests.chaos.site import QUEUE, Site

_CALL = '["worker.job.persist",null,[{}],{{}}]'
_PLAIN = {"origin": QUEUE, "status": "queued", "created_at": "2026-01-05T08:00:00.000000Z", "timeout": "60"}
_DAMAGE: tuple[tuple[dict[str, Any], str], ...] = (
    ({"data": b"\x80 no json"}, "UndecodableJob"),
    ({"data": _CALL.format('{"type":"payment_validated"}')}, "the event does not fit its contract"),
    ({"data": '["os.system",null,["true"],{}]'}, "UnknownFunction"),
    ({"data": "[" * 100_000}, "UndecodableJob"),
    ({"created_at": "yesterday", "data": "{}"}, "UndecodableJob"),
    ({"timeout": "soon", "data": "{}"}, "UndecodableJob"),
    ({"status": "unheard of", "data": "{}"}, "UndecodableJob"),
)
_EVERY = 10  # portions, of which one brings an intruder


def intruders(seed: int, portions: int) -> dict[str, str]:
    """Return their job ids, each with the words that the failed registry must contain."""
    return {
        _job_id(seed, number): _DAMAGE[number % len(_DAMAGE)][1] for number in range(-(-portions // _EVERY))
    }


def intrude(site: Site, seed: int, portion: int) -> None:
    """Put this portion's intruder on the queue, if it has one."""
    number, rest = divmod(portion, _EVERY)
    if rest:
        return
    job_id, (damage, _) = _job_id(seed, number), _DAMAGE[number % len(_DAMAGE)]
    fields: dict[Any, Any] = {**_PLAIN, **damage}
    with site.redis.pipeline() as pipeline:
        pipeline.hset(f"rq:job:{job_id}", mapping=fields)
        pipeline.rpush(f"rq:queue:{QUEUE}", job_id)
        pipeline.execute()


def _job_id(seed: int, number: int) -> str:
    return str(UUID(int=random.Random(f"intruder {seed} {number}").getrandbits(128), version=4))
