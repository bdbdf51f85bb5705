"""Replaces the views behind rq-dashboard's buttons: they replay jobs atomically and never unpickle."""

from http import HTTPStatus
from typing import Any, cast

import redis
from flask import Response, abort, current_app, jsonify

from events.publishing.keys import QUEUES, Keys
from operations.failed.registry import FailedRegistry

_NOT_THERE = "The job is no longer in the failed registry, or no longer exists: nothing was changed."


def requeue(job_id: str) -> Response:
    """Replay one failed job."""
    connection = _connection()
    queue = _queue_of(connection, job_id)
    if queue is None or not FailedRegistry(connection, queue).replay([job_id]).done:
        abort(text(_NOT_THERE, HTTPStatus.CONFLICT))
    return jsonify(status="OK")


def requeue_all(queue_name: str) -> Response:
    """Replay all failed jobs of a queue."""
    failures = FailedRegistry(_connection(), queue_name)
    return jsonify(status="OK", count=len(failures.replay(failures.ids()).done))


def text(words: str, status: int, headers: Any = ()) -> Response:
    """Return a plain-text response; its text is never markup."""
    return Response(f"{words}\n", status, dict(headers), mimetype="text/plain")


def _queue_of(connection: redis.Redis, job_id: str) -> str | None:
    """Return the queue whose failed registry has the job, or None."""
    members = cast("set[bytes]", connection.smembers(QUEUES))
    queues = [member.decode(errors="surrogateescape").removeprefix("rq:queue:") for member in members]
    with connection.pipeline(transaction=False) as pipeline:
        for queue in queues:
            pipeline.zscore(Keys(queue).failed, job_id)
        scores = pipeline.execute(raise_on_error=False)
    return next(
        (queue for queue, score in zip(queues, scores, strict=True) if isinstance(score, float)), None
    )


def _connection() -> redis.Redis:
    return cast("redis.Redis", current_app.redis_conn)  # type: ignore[attr-defined] # set by ``Board``
