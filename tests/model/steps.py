"""The steps of the model. Each argument has a few values, of which a seed or hypothesis chooses one."""

from typing import get_args

from events.publishing.memory import YOUNG
from tests.model.client import How
from tests.model.gateway import Loss
from tests.model.publisher import Loss as ToRedis
from tests.model.releases import Known, Newer
from tests.model.step import STEPS, step
from tests.model.workers import Worker
from tests.model.world import World

__all__ = ["STEPS"]

_SHOPS = ("a", "b", "c")
_PUBLISHER = (0, 1)
_TO_REDIS = (None, None, None, None, "before", "after", "once")
_LOSS = (None, None, None, "before", "after")
_HOW: tuple[How, ...] = ("before", "after", "twice", "twice")
_BOTH = (False, True)
_PICK = range(12)
_MOST_WORKERS, _MOST_EVENTS = 3, 24


def _has_room(world: World) -> bool:
    return len(world.picture.jobs) < _MOST_EVENTS


def _has_workers(world: World) -> bool:
    return bool(world.living)


def _pick(world: World, number: int) -> Worker:
    living = world.living
    return living[number % len(living)]


# Publishers.


@step(_has_room, 2, shop=_SHOPS, number=range(1, 9), by=_PUBLISHER, kind=get_args(Known), loss=_TO_REDIS)
def publish(world: World, shop: str, number: int, by: int, kind: Known, loss: ToRedis | None) -> None:
    """Publish new events of a shop. Without an answer of Redis they go into the outbox."""
    world.publish(shop, number, by=by, kind=kind, loss=loss)


@step(_has_room, shop=_SHOPS, number=range(1, 4), by=_PUBLISHER, kind=get_args(Newer), loss=_TO_REDIS)
def publish_newer(world: World, shop: str, number: int, by: int, kind: Newer, loss: ToRedis | None) -> None:
    """Publish events that only the newer release knows."""
    world.publish(shop, number, by=by, kind=kind, loss=loss)


@step(_has_room, shop=_SHOPS)
def enqueue(world: World, shop: str) -> None:
    """Publish in the shape of RQ."""
    world.enqueue(shop)


@step(lambda world: world.events, number=_PICK, by=_PUBLISHER)
def publish_again(world: World, number: int, by: int) -> None:
    """Publish a duplicate."""
    world.publish_again(number, by)


@step(lambda world: any(each.waiting for each in world.publishers), by=_PUBLISHER, loss=_TO_REDIS)
def drain(world: World, by: int, loss: ToRedis | None) -> None:
    """Bring the events of an outbox to the queue."""
    world.drain(by, loss)


@step(lambda world: world.events, by=_PUBLISHER, loss=_TO_REDIS)
def look_for_forgotten(world: World, by: int, loss: ToRedis | None) -> None:
    """Let a publisher look for what Redis has forgotten, and publish it again."""
    world.look_for_forgotten(by, loss)


# Workers.


@step(lambda world: len(world.living) < _MOST_WORKERS)
def start_worker(world: World) -> None:
    """Start a worker."""
    world.start_worker()


@step(lambda world: len(world.living) < _MOST_WORKERS)
def start_older_worker(world: World) -> None:
    """Deploy a worker of an older release beside."""
    world.start_worker(is_older=True)


@step(lambda world: any(worker.is_older for worker in world.living))
def upgrade(world: World) -> None:
    """Replace the workers of the older release."""
    world.upgrade()


@step(_has_workers, 3, number=_PICK, passes=range(1, 4), commands=(*[None] * 8, *range(8)), how=_HOW)
def turn(world: World, number: int, passes: int, commands: int | None, how: How) -> None:
    """Let a worker claim, send and conclude. Something may happen at one of its commands."""
    worker = _pick(world, number)
    if commands is not None:
        worker.gate.arm(commands, how)
    for _ in range(passes):
        if worker.is_alive:
            worker.turn()


@step(_has_workers, 2, shop=_SHOPS, number=_PICK, loss=_LOSS)
def work(world: World, shop: str, number: int, loss: Loss | None) -> None:
    """Let a worker take an event and meet the answer, as it does most of the time."""
    worker = _pick(world, number)
    if _has_room(world):
        world.publish(shop, 1)
    for _ in range(3):
        if worker.is_alive:
            worker.turn()
        if world.calls.pending:
            world.database.loss = loss
            world.calls.pending[-1].run()


@step(_has_workers, shop=_SHOPS, number=_PICK, seconds=(0.0, 3.0))
def lose_claim(world: World, shop: str, number: int, seconds: float) -> None:
    """Let the answer to a claim be lost. Later the worker looks whether it holds what it does not know."""
    worker = _pick(world, number)
    if _has_room(world):
        world.publish(shop, 1)
    worker.turn_with_lost_claim()
    world.clock.sleep(seconds)
    if worker.is_alive:
        worker.turn()


@step(_has_workers, number=_PICK)
def renew(world: World, number: int) -> None:
    """Let a worker renew its lease and recover."""
    world.renew(_pick(world, number))


@step(_has_workers, number=_PICK, commands=range(6), how=_HOW)
def arm(world: World, number: int, commands: int, how: How) -> None:
    """Let something happen at one of the worker's next commands."""
    _pick(world, number).gate.arm(commands, how)


@step(_has_workers, number=_PICK)
def kill(world: World, number: int) -> None:
    """Kill a worker."""
    _pick(world, number).kill()


@step(_has_workers, number=_PICK)
def stop(world: World, number: int) -> None:
    """Stop a worker in order."""
    _pick(world, number).stop()


@step(lambda world: world.workers, number=_PICK)
def end_lease(world: World, number: int) -> None:
    """Let a lease run out."""
    world.end_lease(world.workers[number % len(world.workers)])


@step(
    lambda world: len(world.living) > 1,
    4,
    shop=_SHOPS,
    is_refused=(False, False, True),
    is_back=(False, True, True),
)
def take_over(world: World, shop: str, is_refused: bool, is_back: bool) -> None:
    """Let a slow worker's lease run out, and another take an event over, which may be refused."""
    if _has_room(world):
        world.publish(shop, 1)
    world.take_over(is_refused=is_refused, is_back=is_back)


@step(_has_workers, number=_PICK)
def check_apart(world: World, number: int) -> None:
    """Let a worker ask about what waits apart."""
    _pick(world, number).check_apart()


@step(_has_workers, number=_PICK)
def clean_up(world: World, number: int) -> None:
    """Let RQ clean up."""
    world.clean_up(_pick(world, number))


@step(lambda world: world.events, commands=(*[None] * 6, *range(18)))
def run_stock(world: World, commands: int | None) -> None:
    """Let RQ's own worker run a job. It may be killed at one of its commands."""
    world.run_stock(commands)


# The database.


@step(lambda world: world.calls.pending, 2, number=_PICK, loss=_LOSS)
def answer(world: World, number: int, loss: Loss | None) -> None:
    """Let the database answer any call; the answer may be lost."""
    pending = world.calls.pending
    world.database.loss = loss
    pending[number % len(pending)].run()


@step(is_away=_BOTH)
def outage(world: World, is_away: bool) -> None:
    """Let the database go away or come back."""
    world.database.is_away = is_away


@step(is_narrow=_BOTH)
def narrow(world: World, is_narrow: bool) -> None:
    """Let the database refuse large calls."""
    world.database.is_narrow = is_narrow


@step(shop=_SHOPS)
def close(world: World, shop: str) -> None:
    """Let a shop's tables take no event, or take them again."""
    world.database.closed ^= {shop}


@step(shop=_SHOPS)
def hang(world: World, shop: str) -> None:
    """Let a shop's tables not answer, or answer again."""
    world.database.hanging ^= {shop}


@step(lambda world: world.events, number=_PICK, is_poisonous=_BOTH)
def spoil(world: World, number: int, is_poisonous: bool) -> None:
    """Let an event be one that the database refuses, or one that makes its calls fail."""
    world.spoil(number, is_poisonous=is_poisonous)


@step(seconds=(0.25, 1.0, 3.0, 40.0))
def wait(world: World, seconds: float) -> None:
    """Let time pass."""
    world.clock.sleep(seconds)


# The operator, and Redis.


@step(lambda world: world.picture.failed)
def replay(world: World) -> None:
    """Replay what failed."""
    world.replay()


@step(lambda world: world.picture.failed)
def discard(world: World) -> None:
    """Discard one that failed."""
    world.discard()


@step(is_suspended=_BOTH)
def suspend(world: World, is_suspended: bool) -> None:
    """Suspend RQ's workers, or resume them."""
    world.redis.set("rq:suspended", 1) if is_suspended else world.redis.delete("rq:suspended")


@step()
def remember(world: World) -> None:
    """Let Redis write down what it has."""
    world.remember()


@step(lambda world: world.memory and world.clock.now - world.memory.since < YOUNG, 2)
def forget(world: World) -> None:
    """Let Redis forget what it has not written down."""
    world.forget()
