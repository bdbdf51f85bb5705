"""The contenders: the ways to persist a backlog that ``make bench`` compares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.processes import OURS, PEERS
from bench.stage import ROUND_TRIP

OUR_NAME = "ours"
BARE_LOOP = "limit: the same RPC in a bare loop"
SQL = "limit: the same SQL function by psycopg"
STOCK = "rq Worker"
SIMPLE = "rq SimpleWorker"
ONE_BY_ONE = "ours, one event a call"
PEER_NAMES = ("celery", "dramatiq", "huey", "saq", "taskiq")


@dataclass(frozen=True)
class Contender:
    """One contender and its approximate speed; slow ones get fewer events, so that runs take equally long."""

    name: str
    queue: str
    """The module of ``bench.queues`` that loads the backlog; empty if there is no queue."""
    command: Sequence[str]
    at_once: int
    """The maximum number of concurrent calls."""
    pace: tuple[int, int]
    """Approximate events a second, next to the gateway and far from it; 0 if it is not measured there."""
    environment: Mapping[str, str] = field(default_factory=dict)


def _ours(*command: str) -> list[str]:
    return [str(OURS / command[0]), *command[1:]]


def _peer(*command: str) -> list[str]:
    return [str(PEERS / command[0]), *command[1:]]


def _stock(worker: str) -> list[str]:
    return _ours("rq", "worker", "-S", "json", "-w", f"bench.queues.rq.{worker}", "--quiet", "bench")


_CELERY = ("celery", "-A", "bench.queues.celery", "worker", "--loglevel=ERROR")
_DRAMATIQ = ("dramatiq", "bench.queues.dramatiq")
_HUEY = ("huey_consumer", "bench.queues.huey.huey", "-q")
_SAQ = ("saq", "bench.queues.saq.settings")
_TASKIQ = ("taskiq", "worker", "bench.queues.taskiq:broker", "--log-level", "ERROR")


def best(threads: int) -> list[Contender]:
    """Return the peers, each in one process with ``threads`` threads: their fastest set-up for an RPC."""
    number, at_once, pace = str(threads), threads, (450, 350)
    return [
        Contender("celery, best", "celery", _peer(*_CELERY, "-P", "threads", "-c", number), at_once, pace),
        Contender("dramatiq, best", "dramatiq", _peer(*_DRAMATIQ, "-p", "1", "-t", number), at_once, pace),
        Contender("huey, best", "huey", _peer(*_HUEY, "-w", number), at_once, pace),
        Contender("saq, best", "saq", _peer(*_SAQ), at_once, pace, {"SAQ_THREADS": number}),
        Contender(
            "taskiq, best",
            "taskiq",
            _peer(*_TASKIQ, "-w", "1", "--max-async-tasks", number, "--max-threadpool-threads", number),
            at_once,
            pace,
            {"TASKIQ_THREADS": number},
        ),
    ]


DEFAULTS = [
    Contender("celery, default", "celery", _peer(*_CELERY), 2, (450, 24)),
    Contender("dramatiq, default", "dramatiq", _peer(*_DRAMATIQ), 16, (450, 180)),
    Contender("huey, default", "huey", _peer(*_HUEY), 1, (250, 12)),
    Contender("saq, default", "saq", _peer(*_SAQ), 10, (350, 110)),
    Contender("taskiq, default", "taskiq", _peer(*_TASKIQ), 200, (350, 250)),
]

BEST_THREADS = {0: 16, ROUND_TRIP: 64}
"""The best number of threads by the milliseconds to the gateway, from ``python -m bench.sweep peers``."""

OURS_AS_IT_COMES = Contender(OUR_NAME, "botlive", _ours("botlive", "worker"), 2, (9_000, 7_000))


def contenders(delay: int) -> list[Contender]:
    """Return all contenders for a gateway ``delay`` milliseconds away; the limits are last.

    The limit by SQL has no gateway, so it is measured without a delay only.
    """
    one_by_one = {"BOTLIVE_BATCH": "1"}
    everyone = [
        OURS_AS_IT_COMES,
        Contender(ONE_BY_ONE, "botlive", _ours("botlive", "worker"), 2, (300, 24), one_by_one),
        Contender(STOCK, "rq", _stock("Worker"), 1, (40, 8)),
        Contender(SIMPLE, "rq", _stock("SimpleWorker"), 1, (170, 11)),
        *(peer for pair in zip(DEFAULTS, best(BEST_THREADS[delay]), strict=True) for peer in pair),
        Contender(BARE_LOOP, "", _ours("python", "-m", "bench.limits", "rpc"), 1, (10_000, 4_000)),
        Contender(SQL, "", _ours("python", "-m", "bench.limits", "sql"), 1, (10_000, 0)),
    ]
    return [contender for contender in everyone if contender.pace[bool(delay)]]
