"""Breaks the code in a known way, and says after how many steps the model finds it.

``python -m tests.model.mutations [NAME…]``; STEPS (default 20,000) and SEED (default 1) as in ``make model``.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any
from unittest.mock import patch

from rich.console import Console

from events.errors import PublishError
from events.publishing.call import Call
from events.publishing.courier import Courier
from events.publishing.delivery import deliver
from events.publishing.memory import Memory
from gateway.errors import EventRefused, NewerEvent
from tests.model.releases import NextIssue
from tests.model.run import explore
from tests.model.server import serving
from worker import decode, elements, scripts
from worker.apart import Group, Kind
from worker.batches import Batches
from worker.claims import Batch, Claim, Claims
from worker.persister import Delivery
from worker.slowness import SLOW
from worker.underway import UnderWay

Mutation = Callable[[], AbstractContextManager[Any]]


def _acknowledge_first() -> AbstractContextManager[Any]:
    send = Batches.send

    def sends(self: Batches, batch: Batch) -> None:
        if batch.kind != "stock":
            self._ledger.acknowledge([claim.job_id for claim in batch.claims])
        send(self, batch)

    return patch.object(Batches, "send", sends)


def _claim_in_two_steps() -> AbstractContextManager[Any]:
    def claim(self: Claims, most: int) -> Batch:
        ids = [raw.decode() for raw in self.connection.lpop(self._keys.queue, most) or ()]  # type: ignore[union-attr]
        for job_id in ids:
            self.connection.zadd(self._keys.started, {f"{job_id}:{self.owner}": float("inf")})
            self.connection.hset(f"rq:job:{job_id}", "status", "started")
        data: Any = [self.connection.hget(f"rq:job:{job_id}", "data") for job_id in ids]
        return Batch([Claim(job_id, each or b"") for job_id, each in zip(ids, data, strict=True)])

    return patch.object(Claims, "claim", claim)


def _fail_all() -> AbstractContextManager[Any]:
    def refused(self: Batches, batch: UnderWay, error: EventRefused) -> None:
        for job_id in batch.job_ids:
            self._ledger.fail(job_id, error)

    return patch.object(Batches, "_refused", refused)


def _empty_outbox_first() -> AbstractContextManager[Any]:
    def put(self: Courier, waiting: Sequence[tuple[int, Call]]) -> list[int]:
        with suppress(PublishError):
            deliver(self._queue, [call for _, call in waiting])
        return [number for number, _ in waiting]

    return patch.object(Courier, "_put", put)


def _drop_newer() -> AbstractContextManager[Any]:
    read = Batches._read

    def drops(self: Batches, claim: Claim, call: bytes) -> Delivery | None:
        try:
            decode.read(call)
        except NewerEvent:
            self._ledger.acknowledge([claim.job_id])
            return None
        except EventRefused:
            pass
        return read(self, claim, call)

    return patch.object(Batches, "_read", drops)


def _fail_with_the_newer() -> AbstractContextManager[Any]:
    deliveries = Batches._deliveries

    def fails(self: Batches, batch: Batch) -> list[Delivery]:
        made = deliveries(self, batch)
        if made and len(made) < len(batch.claims):
            for delivery in made:
                self._ledger.fail(delivery.job_id, NewerEvent("the batch has an event of a newer release"))
            return []
        return made

    return patch.object(Batches, "_deliveries", fails)


def _forget_the_others() -> AbstractContextManager[Any]:
    put_apart = Batches._put_apart

    def puts(self: Batches, deliveries: Sequence[Delivery], groups: Mapping[Kind, Group]) -> list[Delivery]:
        rest = put_apart(self, deliveries, groups)
        return [] if any(group.reason == SLOW for group in groups.values()) else rest

    return patch.object(Batches, "_put_apart", puts)


def _newer_as_bad() -> AbstractContextManager[Any]:
    return patch.object(decode, "_refusal", lambda error: EventRefused(str(error)))


def _digest_of_the_newest() -> AbstractContextManager[Any]:
    made = elements._made
    return patch.object(elements, "_made", lambda event: {**made(event), "digest": event.upcast().digest()})


def _without(name: str, line: str, instead: str) -> Mutation:
    """Return a mutation that changes a script."""

    @contextmanager
    def change() -> Iterator[None]:
        text = scripts._text

        def changed(script: str) -> str:
            before = text(script)
            assert script != name or line in before, f"{name}.lua has no {line!r}"
            return before.replace(line, instead) if script == name else before

        with patch.object(scripts, "_text", changed):
            yield

    return change


MUTATIONS: dict[str, Mutation] = {
    "acknowledge before the write": _acknowledge_first,
    "give-back does nothing": lambda: patch.object(Claims, "give_back", lambda *_: None),
    "the lease is ignored": _without("recover", "redis.call('EXISTS', ARGV[2] .. owner) == 0", "true"),
    "no recovery": lambda: patch.object(Claims, "recover", lambda _: 0),
    "the claim is not atomic": _claim_in_two_steps,
    "an overflow queue has no turn": _without("claim", "redis.call('RPUSH', turn, name)", ""),
    "who waits apart is not asked about": _without(
        "put_apart", "redis.call('HSETNX', KEYS[4], ARGV[2], ARGV[3])", "0"
    ),
    "an acknowledgement leaves the claim": _without(
        "acknowledge", "redis.call('ZREM', KEYS[1], unpack(held))", "#held"
    ),
    "an acknowledgement needs no claim": _without("acknowledge", "if score then", "if true then"),
    "a refused call fails all its events": _fail_all,
    "claims of a lost answer stay": lambda: patch.object(Claims, "give_back_strays", lambda *_: 0),
    "a slow shop's batch is forgotten": _forget_the_others,
    "what Redis forgot is not noticed": lambda: patch.object(Memory, "check", lambda *_: None),
    "the outbox is emptied before the answer": _empty_outbox_first,
    "a replay forgets the queue": _without("replay", "redis.call('RPUSH', KEYS[2], id)", ""),
    "a failure needs no claim": _without("set_aside", "not redis.call('ZSCORE', KEYS[1], claim)", "false"),
    "a failure stays claimed": _without("set_aside", "\nredis.call('ZREM', KEYS[1], claim)", ""),
    "an older worker acknowledges a newer event": _drop_newer,
    "a newer event fails the others of its batch": _fail_with_the_newer,
    "a newer event fails as one to correct": _newer_as_bad,
    "an older event is not upcast": lambda: patch.object(NextIssue, "upcast", lambda event: event),
    "the digest is that of the upcast event": _digest_of_the_newest,
}
"""Each is a fault that the model must find."""


def steps_to_find(name: str, steps: int, first: int, redis: str = "fakeredis") -> tuple[int | None, str]:
    """Return after how many steps the mutation is found, or None; and what was wrong."""
    with serving(redis) as server, MUTATIONS[name]():
        outcome = explore(server, steps, first)
    fault = (outcome.fault or "").partition("\n")[0][:120]
    return (outcome.steps if outcome.fault else None), fault


def main() -> None:
    """Try the named mutations, or all."""
    out = Console(width=150)
    steps, first = int(os.environ.get("STEPS") or 20_000), int(os.environ.get("SEED") or 1)
    missed = False
    for name in sys.argv[1:] or MUTATIONS:
        found, fault = steps_to_find(name, steps, first)
        missed |= found is None
        result = f"not found in {steps:,} steps" if found is None else f"found in {found:,} steps: {fault}"
        out.print(f"{name}: {result}", markup=False, highlight=False)
    sys.exit(missed)


if __name__ == "__main__":
    main()
