"""The health check of a worker's container: ``python -m operations.heartbeat``.

Exit code 0: a worker of this host gives heartbeats, or Redis does not answer. A new container would not
bring Redis back, and the worker waits for it. Exit code 1: Redis answers, and no such worker is alive.
"""

import socket
import sys
from datetime import UTC, datetime
from typing import Any

import redis

from events.errors import BotliveError
from events.publishing.keys import Keys
from gateway.errors import TransientFault
from gateway.settings import QueueSettings
from operations.terminal import redis_at

_LATE = 30.0  # seconds without a heartbeat; a worker gives one every 10 s


def is_healthy(connection: redis.Redis, queue: str, host: str) -> bool:
    """Whether a worker of this queue on this host gave a heartbeat a short time ago."""
    workers: Any = connection.smembers(Keys(queue).workers)
    hashes: Any = [connection.hmget(key, "hostname", "last_heartbeat", "death") for key in workers]
    return any(name == host.encode() and not death and _is_recent(beat) for name, beat, death in hashes)


def _is_recent(beat: bytes | None) -> bool:
    try:
        then = datetime.fromisoformat((beat or b"").decode()).astimezone(UTC)
    except (ValueError, OverflowError):
        return False
    return (datetime.now(UTC) - then).total_seconds() < _LATE


def main() -> int:
    """Check, and return the exit code."""
    try:
        settings = QueueSettings.from_env()
        with redis_at(settings.redis_url) as connection:
            if is_healthy(connection, settings.queue, socket.gethostname()):
                return 0
    except TransientFault as fault:
        sys.stdout.write(f"not checked: {fault}\n")
        return 0
    except BotliveError as error:
        sys.stdout.write(f"{error}\n")
        return 1
    sys.stdout.write(f"no worker of this host gave a heartbeat in the last {_LATE:.0f} s\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
