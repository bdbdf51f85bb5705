"""The fast worker, under whatever stream there may be: once, in any order, whole."""

import random
from collections.abc import Sequence
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import AnyEvent
from tests import strategies
from tests.integration.line import Line
from tests.make import persist
from tests.oracle import fold
from worker.breaker import Breaker
from worker.claims import PREFIX, Claims
from worker.consumer import Consumer
from worker.decode import read

pytestmark = pytest.mark.slow

SHOPS = ("awa", "kofi")
STREAMS = st.lists(st.one_of(*map(strategies.events, map(st.just, SHOPS))), max_size=40)


def work(line: Line, batch: int) -> None:
    """A worker with batches of that size, until the queue is empty."""
    Consumer(line.name, line.redis, line.gateway, Breaker(batch)).run(burst=True)


def die(line: Line, number: int, *, persisted: bool) -> None:
    """A worker takes some and is killed, before or after the database's commit."""
    dead = Claims(line.redis, line.name, PREFIX + uuid4().hex)
    events = [read(claim.data) for claim in dead.claim(number).claims if claim.data]
    if persisted:
        persist(line.gateway, events)


def in_shops(events: Sequence[AnyEvent], shops: dict[str, str]) -> list[AnyEvent]:
    """The same events, of shops that only this example knows, each id once."""
    known = {event.event_id: event for event in events}.values()
    return [
        event.model_copy(update={"event_id": uuid4(), "company_id": shops[event.company_id]})
        for event in known
    ]


@settings(max_examples=25)
@given(STREAMS, st.integers(1, 50), st.randoms(use_true_random=False), st.booleans())
def test_any_stream_ends_in_the_rows_that_it_means(
    line: Line, stream: list[AnyEvent], batch: int, dice: random.Random, persisted: bool
) -> None:
    """Shuffled, duplicated, in batches of any size and with a dying worker, the rows are the same."""
    shops = {name: line.shop() for name in SHOPS}
    events = in_shops(stream, {name: company_id for name, (company_id, _) in shops.items()})
    published = [event for event in events for _ in range(dice.choice((1, 1, 2)))]
    dice.shuffle(published)
    half = len(published) // 2
    line.publisher.publish_many(published[:half])
    die(line, dice.randrange(1, 20), persisted=persisted)
    work(line, batch)
    line.publisher.publish_many(published[half:])
    work(line, batch)
    ids = dict(shops.values())
    assert line.rows(list(ids.values())) == fold(events, ids)
    assert line.failed() == {}
    assert line.held() == len(line.queue) == 0
