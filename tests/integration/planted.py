"""Jobs that a writer to Redis plants: each leaves a mark if anything that it names is called."""

import json
import pickle
import time
import zlib
from base64 import b64encode
from pathlib import Path
from typing import Any

import redis

from events.publishing.call import FUNCTION

MARKS = """
import os
from pathlib import Path

def mark(*anything):
    Path(os.environ["MARKS"], f"called-{os.getpid()}").touch()
"""
_STATUSES = {
    "wip": "started",
    "failed": "failed",
    "finished": "finished",
    "deferred": "deferred",
    "ready": "ready_to_enqueue",
    "scheduled": "scheduled",
    "canceled": "canceled",
}


class _Reduced:
    """An object whose unpickling calls a function."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def hashes(marks: Path) -> dict[str, dict[str, Any]]:
    """Job hashes by name: what each of RQ's fields can name."""
    event = {"event_id": "0", "type": "order_completed"}
    pickled = pickle.dumps(_Reduced(marks / "unpickled"))
    call = json.dumps([FUNCTION, None, [event], {}])
    named = {f"{when}_callback_name": "marks.mark" for when in ("success", "failure", "stopped")}
    return {
        "pickle": {"data": pickled, "meta": pickled, "result": pickled},
        "packed": {"data": zlib.compress(pickled)},
        "system": {"data": json.dumps(["os.system", None, [f"touch {marks}/system"], {}])},
        "process": {"data": json.dumps(["subprocess.call", None, [["touch", f"{marks}/process"]], {}])},
        "instance": {"data": json.dumps([FUNCTION, "text", [event], {}])},
        "callbacks": {"data": call, **named},
        "repeat": {
            "data": json.dumps(["marks.mark", None, [], {}]),
            "repeats_left": 3,
            "repeat_intervals": "[0]",
        },
        "retry": {"data": json.dumps(["marks.mark", None, [], {}]), "retries_left": 3, **named},
        "limited": {"data": call, **named, "rate_limit_key": "k", "rate_limit_concurrency": 1},
        "meta": {"data": call, "meta": pickled, "result": pickled},
    }


def plant(connection: redis.Redis, queue: str, marks: Path) -> int:
    """On the queue, in every registry of RQ's and between its queues; how many jobs that are."""
    count = 0
    places = {"queue": "queued", "intermediate": "queued", **_STATUSES}
    result = {"type": "1", "return_value": b64encode(pickle.dumps(_Reduced(marks / "result"))).decode()}
    for place, status in places.items():
        for name, fields in hashes(marks).items():
            job_id = f"{place}-{name}"
            plain = {"status": status, "origin": queue, "created_at": "2026-11-20T10:00:00.000000Z"}
            waits_for = {"dependency_ids": '["wip-callbacks"]'} if place == "deferred" else {}
            told = plain | {"worker_name": "w"} | waits_for | fields
            connection.hset(f"rq:job:{job_id}", mapping=dict(told.items()))
            connection.xadd(f"rq:results:{job_id}", result)  # type: ignore[arg-type] # its values are texts
            _stand(connection, queue, place, job_id)
            count += 1
    connection.sadd(
        "rq:job:wip-callbacks:dependents", "deferred-system", "deferred-pickle", "deferred-callbacks"
    )
    connection.sadd("rq:queues", f"rq:queue:{queue}")
    _plant_workers(connection, queue)
    return count


def _stand(connection: redis.Redis, queue: str, place: str, job_id: str) -> None:
    if place == "queue":
        connection.rpush(f"rq:queue:{queue}", job_id)
    elif place == "intermediate":
        connection.rpush(f"rq:queue:{queue}:intermediate", job_id)
        connection.set(f"rq:queue:{queue}:intermediate:first_seen:{job_id}", time.time() - 3_600)
    else:
        member = f"{job_id}:execution" if place == "wip" else job_id
        connection.zadd(f"rq:{place}:{queue}", {member: 1 if place in {"wip", "scheduled"} else 2**53})


def _plant_workers(connection: redis.Redis, queue: str) -> None:
    """Register a worker that claims to run such a job."""
    key = "rq:worker:planted"
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
    fields = {
        "queues": queue,
        "state": "busy",
        "birth": now,
        "last_heartbeat": now,
        "current_job": "wip-pickle",
    }
    connection.hset(key, mapping=fields)  # type: ignore[arg-type] # its values are texts
    connection.sadd("rq:workers", key)
    connection.sadd(f"rq:workers:{queue}", key)
    connection.sadd(f"{key}:executions", "wip-pickle:execution")
    connection.hset("rq:execution:wip-pickle:execution", mapping={"created_at": "1", "last_heartbeat": "1"})
