"""A whole run: the stack, the processes, the faults, the wait for the rest, and the verdict."""

import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from devstack.stack import Stack
from tests.chaos.conductor import Conductor, NotLanded
from tests.chaos.faults import TIMEOUT
from tests.chaos.proxy import Proxy
from tests.chaos.publishers import PublisherProcess
from tests.chaos.reruns import Reruns
from tests.chaos.schedule import Fault, Kind, schedule
from tests.chaos.site import QUEUE, Site
from tests.chaos.stream import Plan
from tests.chaos.verdict import Verdict, judge, recovered
from tests.chaos.workers import Workers

WORKERS = 4
PUBLISHERS = 3
BATCH = 40
"""Events in one call, at most: small, so that there are many calls to hit."""

_BIN = Path(sys.executable).parent
_STANDSTILL = 60.0  # seconds without progress, after which what is left is lost
_INFO = 3.0  # seconds between two looks of `rq info`


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a run."""

    seed: int
    events: int
    landed: Counter[Kind]
    stray: int
    verdict: Verdict
    stuck: str
    """Which fault did not come about; the rest was published without faults. Empty where all did."""
    robbed: int
    """Jobs that were recovered on top of what killed workers held: from the living."""
    left: int
    """Jobs that nobody worked off."""
    rerun_max: float
    """Seconds from a kill until what the worker held was taken again, at most."""
    stop_max: float
    """Seconds from SIGTERM to the exit, at most."""
    exits: list[str]
    """Workers that ended of themselves."""
    infos: int
    """How often `rq info` looked."""
    took: float
    """Seconds."""


def run(seed: int, events: int, progress: Callable[[tuple[Fault, ...]], Iterable[Fault]] = iter) -> Outcome:
    """Publish so many events under the seed's faults, and judge what became of them."""
    started = time.monotonic()
    faults = schedule(seed, events)
    plan = Plan(seed, events, PUBLISHERS, len(faults))
    with ExitStack() as resources:
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="botlive-chaos-")))
        site = Site(resources.enter_context(Stack()))
        shops = site.add_shops(plan.shops())
        proxy = Proxy(("127.0.0.1", site.stack.gateway.port))
        resources.callback(proxy.close)
        workers = _workers(site, proxy, folder)
        resources.callback(workers.kill_all)
        publishers = [PublisherProcess(plan, n, site.environment, folder) for n in range(PUBLISHERS)]
        for publisher in publishers:
            resources.callback(publisher.stop)
        reruns = Reruns(site)
        conductor = Conductor(plan, site, proxy, workers, publishers, reruns)
        with _looking(site) as looks:
            stuck = _go(conductor, progress(faults))
            _drain(site, publishers)
            left = _wait_for_the_rest(site, workers)
        reruns.close()
        workers.stop_all()
        return Outcome(
            seed=seed,
            events=events,
            landed=conductor.landed,
            stray=conductor.stray,
            verdict=judge(
                site, plan, [one.acknowledged for one in publishers], shops, folder.glob("worker-*.log")
            ),
            stuck=stuck,
            left=left,
            robbed=recovered(folder.glob("worker-*.log")) - reruns.held,
            rerun_max=reruns.longest,
            stop_max=max(workers.stops),
            exits=workers.exits,
            infos=len(looks),
            took=time.monotonic() - started,
        )


def _go(conductor: Conductor, faults: Iterable[Fault]) -> str:
    """All steps; from a fault on that cannot be made to happen only the publishing, and why."""
    stuck = ""
    for portion, fault in enumerate(faults):
        if stuck:
            conductor.publish(portion)
            continue
        try:
            conductor.step(portion, fault)
        except NotLanded as error:
            stuck = str(error)
    return stuck


def _workers(site: Site, proxy: Proxy, folder: Path) -> Workers:
    environment = {
        **site.environment,
        "SUPABASE_URL": proxy.url,
        "BOTLIVE_BATCH": str(BATCH),
        "BOTLIVE_TIMEOUT": str(TIMEOUT),
    }
    return Workers(site, WORKERS, environment, folder)


def _drain(site: Site, publishers: list[PublisherProcess]) -> None:
    for publisher in publishers:
        publisher.finish()
        publisher.stop()
        environment = {**site.environment, "BOTLIVE_OUTBOX": str(publisher.outbox)}
        command = [str(_BIN / "botlive"), "outbox", "drain"]
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, timeout=60, check=True)


def _wait_for_the_rest(site: Site, workers: Workers) -> int:
    """Until no job waits or is in hand, or nothing moves any more; how many are left."""
    left, moved = site.left(), time.monotonic()
    while left and time.monotonic() - moved < _STANDSTILL:
        time.sleep(0.1)
        workers.supervise()
        before, left = left, site.left()
        moved = moved if before == left else time.monotonic()
    return left


@contextmanager
def _looking(site: Site) -> Iterator[list[str]]:
    """Run `rq info` in a loop: it cleans RQ's registries, and must neither fail nor remove a job."""
    stopped, looks = threading.Event(), list[str]()
    thread = threading.Thread(target=_look, args=(site, stopped, looks))
    thread.start()
    try:
        yield looks
    finally:
        stopped.set()
        thread.join()


def _look(site: Site, stopped: threading.Event, looks: list[str]) -> None:
    command = [str(_BIN / "rq"), "info", "--url", site.environment["REDIS_URL"], QUEUE]
    while not stopped.wait(_INFO):
        # Redis may be away just now: that is told by the exit code, and is no fault.
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode == 0:
            looks.append(done.stdout)
