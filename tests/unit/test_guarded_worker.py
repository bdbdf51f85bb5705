"""The RQ worker with our guards."""

import fakeredis
from rq.serializers import JSONSerializer

from gateway.release import release
from worker.guard import GuardedWorker


def test_the_release_stands_in_the_workers_hash() -> None:
    """The worker's hash has our release; RQ's own version keeps its field."""
    redis = fakeredis.FakeStrictRedis()
    worker = GuardedWorker(["q"], connection=redis, serializer=JSONSerializer)
    worker.register_birth()
    assert redis.hget(worker.key, "botlive_version") == release().encode()
    assert redis.hget(worker.key, "version") == worker.version.encode()
