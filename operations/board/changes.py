"""The views behind the dashboard's buttons: they replay jobs atomically and never unpickle."""

from http import HTTPStatus
from typing import Any, cast

import redis
from flask import Response, abort, current_app, jsonify

from events.publishing.keys import QUEUES, Keys, raw, text
from operations.failed.registry import FailedRegistry

_NOT_THERE = "The job is no longer in the failed registry, or no longer exists: nothing was changed."


def requeue(job_id: str) -> Response:
    """Replay one failed job."""
    queue = queue_of(connection(), job_id)
    if queue is None or not FailedRegistry(connection(), queue).replay([job_id]).done:
        abort(answer(_NOT_THERE, HTTPStatus.CONFLICT))
    return jsonify(status="OK", count=1)


def requeue_all(queue_name: str) -> Response:
    """Replay all failed jobs of a queue."""
    failures = FailedRegistry(connection(), queue_name)
    return _replay(failures, failures.ids())


def requeue_reason(reason: str, queue_name: str) -> Response:
    """Replay the failed jobs of a queue that have this kind of reason now."""
    failures = FailedRegistry(connection(), queue_name)
    return _replay(failures, [failure.job_id for failure in failures.all() if failure.reason.kind == reason])


def _replay(failures: FailedRegistry, ids: list[str]) -> Response:
    return jsonify(status="OK", count=len(failures.replay(ids).done))


def answer(words: str, status: int, headers: Any = ()) -> Response:
    """Return a plain-text response; its text is never markup."""
    return Response(f"{words}\n", status, dict(headers), mimetype="text/plain")


def queue_of(connection: redis.Redis, job_id: str) -> str | None:
    """Return the queue whose failed registry has the job, or None."""
    members = cast("set[bytes]", connection.smembers(QUEUES))
    queues = [text(member).removeprefix("rq:queue:") for member in members]
    with connection.pipeline(transaction=False) as pipeline:
        for queue in queues:
            pipeline.zscore(raw(Keys(queue).failed), raw(job_id))
        scores = pipeline.execute(raise_on_error=False)
    return next(
        (queue for queue, score in zip(queues, scores, strict=True) if isinstance(score, float)), None
    )


def connection() -> redis.Redis:
    """Return the connection of the dashboard that answers."""
    return cast("redis.Redis", current_app.redis_conn)  # type: ignore[attr-defined] # set by ``Board``
