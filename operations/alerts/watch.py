"""Watches a queue and sends alerts. Of several watches on one queue, one sends at a time.

Sent problems are kept in Redis (a hash per queue), so that a restart or another watch does not send them
again. A message that could not be sent is sent at the next look.
"""

import threading
from collections.abc import Mapping
from typing import Self, cast
from uuid import uuid4

import redis
import structlog

from events.errors import OutboxFailed
from events.publishing.address import client
from events.publishing.cause import cause_of
from events.publishing.keys import Keys, text
from events.publishing.outbox import LIMIT, Outbox
from gateway.settings import AlertSettings
from operations import status
from operations.alerts.problem import Problem, outbox_problem, problems
from operations.alerts.webhook import Message, Webhook
from operations.failed.known import KnownFailures
from operations.outbox import count
from worker.stop import Stop

EVERY = 20.0
"""Seconds between two looks: a problem is sent within a minute, and all that a look finds in one message."""

_ANSWER = 10.0  # seconds that one answer of Redis may take
_LEASE = 50  # seconds that one watch sends alone
_KEPT = 30 * 24 * 3600  # seconds that the sent problems of a queue are kept without a look
_MOST = 20  # problems that one message names
_UNREACHABLE = "redis"


class AlertWatch:
    """Looks at one queue."""

    def __init__(self, settings: AlertSettings, connection: redis.Redis, webhook: Webhook) -> None:
        self._settings = settings
        self._redis = connection
        self._webhook = webhook
        self._keys = Keys(settings.queue)
        self._failures = KnownFailures(connection, settings.queue)
        self._name = uuid4().hex
        self._unreachable: Problem | None = None
        self._stop = Stop()
        self._log = structlog.stdlib.get_logger("botlive")

    @classmethod
    def of(cls, settings: AlertSettings) -> Self | None:
        """The watch that the settings ask for; None where BOTLIVE_ALERT_URL is not set."""
        if settings.url is None:
            return None
        connection = client(settings.redis_url, socket_timeout=_ANSWER, socket_connect_timeout=_ANSWER)
        return cls(settings, connection, Webhook(settings.url.get_secret_value()))

    def start(self) -> None:
        """Look until ``stop``, in a thread of its own that ends with the process."""
        threading.Thread(target=self.run, name="alerts", daemon=True).start()

    def stop(self, signum: int) -> None:
        """End after the present look. A signal handler may call it."""
        self._stop.request(signum)

    def run(self) -> None:
        """Look until ``stop``. Nothing that fails here ends the process."""
        while True:
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 # an alert must never harm a worker
                self._log.error("looking for problems failed", error=type(error).__name__)
            if self._stop.wait(EVERY) is not None:
                return

    def test(self) -> str | None:
        """Send a test message. Returns why it could not be sent, or None."""
        return self._webhook.send(Message(self._settings.queue, ["this is a test"], []))

    def look(self) -> None:
        """Look once, and send what has begun and what is over."""
        try:
            if self._is_sender():
                self._compare({problem.key: problem for problem in self._found()})
        except redis.RedisError as error:
            self._away(Problem.of(_UNREACHABLE, f"Redis cannot be used: {cause_of(error)}"))
        else:
            self._away(None)

    def _found(self) -> list[Problem]:
        found = status.read(self._redis, self._settings.queue, memory=self._failures)
        oldest, workers = self._settings.oldest, self._settings.workers
        return [*problems(found, oldest=oldest, workers=workers), *self._outbox()]

    def _outbox(self) -> list[Problem]:
        if not self._settings.outbox:
            return []
        try:
            problem = outbox_problem(count(Outbox.named(self._settings.outbox)) or 0, LIMIT)
        except OutboxFailed:
            problem = Problem.of("outbox", "the chat's outbox cannot be read; run `botlive doctor`")
        return [problem] if problem else []

    def _is_sender(self) -> bool:
        key = f"{self._keys.alerts}:sender"
        self._redis.set(key, self._name, nx=True, ex=_LEASE)
        mine = self._redis.get(key) == self._name.encode()
        if mine:
            self._redis.expire(key, _LEASE)
        return mine

    def _compare(self, found: Mapping[str, Problem]) -> None:
        sent = {
            text(key): text(words)
            for key, words in cast("dict[bytes, bytes]", self._redis.hgetall(self._keys.alerts)).items()
        }
        begun = [problem for key, problem in found.items() if key not in sent][:_MOST]
        over = [key for key in sent if key not in found][:_MOST]
        if not self._send([problem.words for problem in begun], [sent[key] for key in over]):
            return
        with self._redis.pipeline() as pipeline:
            for problem in begun:
                pipeline.hset(self._keys.alerts, problem.key, problem.words)
            for key in over:
                pipeline.hdel(self._keys.alerts, key)
            pipeline.expire(self._keys.alerts, _KEPT)
            pipeline.execute()

    def _away(self, problem: Problem | None) -> None:
        """Send that Redis is away, or back: this watch remembers it, for Redis cannot."""
        before = self._unreachable
        if problem and not before and self._send([problem.words], []):
            self._unreachable = problem
        elif before and not problem and self._send([], [before.words]):
            self._unreachable = None

    def _send(self, begun: list[str], over: list[str]) -> bool:
        if not begun and not over:
            return True
        why = self._webhook.send(Message(self._settings.queue, begun, over))
        if why:
            self._log.warning("an alert could not be sent; it is sent again", reason=why)
        return why is None
