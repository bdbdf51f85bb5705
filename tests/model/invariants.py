"""What holds after each step of the model, and at the end of each run."""

from tests.model.picture import ID
from tests.model.world import World


def check(world: World) -> None:
    """Check what holds after each step."""
    _one_place(world)
    _turns(world)
    _claims(world)
    _innocents(world)


def check_end(world: World) -> None:
    """Check that each event is persisted or discarded, and that nothing is left in Redis."""
    picture = world.picture
    left = {job_id: places for job_id, places in picture.places().items() if job_id in world.events}
    assert not left, f"still in Redis at the end: {left}"
    missing = {*world.events} - {*world.database.inbox} - world.discarded
    assert not missing, f"neither persisted nor discarded: {missing}"


def _one_place(world: World) -> None:
    """Each event is in one place: an outbox, a place in Redis, the inbox, or discarded."""
    places = world.picture.places()
    nowhere = world.events.keys() - places.keys() - world.database.inbox.keys() - world.discarded
    for publisher in world.publishers:
        nowhere -= publisher.waiting
        for event_id in publisher.waiting:
            places[event_id].append("an outbox")
    if nowhere:
        nowhere -= world.forgotten()
        assert not nowhere, f"nowhere: {sorted(nowhere)}"
    several = {event_id for event_id, found in places.items() if len(found) > 1} & world.events.keys()
    for event_id in several - world.twice:
        raise AssertionError(f"{event_id} is in several places: {places[event_id]}")


def _turns(world: World) -> None:
    """Each overflow queue has a turn, and each queue of events that wait apart has its group."""
    picture = world.picture
    for shop in picture.overflow:
        assert picture.turn.count(shop) == 1, f"the overflow queue of {shop} has no turn"
    for kind in picture.apart:
        event_type, company = kind.split(":")
        assert f'["{company}", "{event_type}"]' in picture.groups, f"nobody asks about {kind}"


def _claims(world: World) -> None:
    """A living worker holds what it works on, nobody else removes that, and it knows what it holds."""
    for worker in world.workers:
        if not worker.is_alive or worker.is_doubtful:
            continue
        in_redis = {*world.picture.claims.get(worker.owner, ())}
        # A duplicate is claimed by the same worker; the first answer ends the claim.
        lost = {job_id for job_id in worker.held - in_redis if job_id[:ID] not in world.twice}
        assert not lost, f"{worker.owner} works on what it no longer holds: {lost}"
        removed = {
            job_id for job_id in in_redis - world.picture.jobs.keys() if job_id[:ID] not in world.twice
        }
        assert not removed, f"{worker.owner} holds what somebody else has removed: {removed}"
        unknown = in_redis - worker.held
        assert not unknown or worker.gate.has_resent, f"{worker.owner} holds without knowing: {unknown}"


def _innocents(world: World) -> None:
    """No event is set aside for another's fault."""
    innocent = {job_id for job_id in world.picture.failed if not world.is_guilty(job_id)}
    assert not innocent, f"set aside without a fault of their own: {innocent}"
