"""A short run of the chaos harness, its way to find faults, and what it has found."""

import threading
from collections.abc import Iterator
from uuid import uuid4

import pytest

from devstack.stack import Stack
from tests.chaos.faults import act
from tests.chaos.proxy import Proxy
from tests.chaos.report import last_line, missing, troubles
from tests.chaos.run import run
from tests.chaos.schedule import Fault, Kind, schedule
from tests.integration.line import Line
from tests.make import order
from worker.claims import PREFIX, Claims

pytestmark = pytest.mark.slow


@pytest.mark.timeout(300)
def test_a_short_run_is_green() -> None:
    """Every kind of fault twice: nothing is lost, doubled, half-written or set aside without fault."""
    outcome = run(seed=1, events=1_000)
    assert troubles(outcome) == [], last_line(outcome)
    assert missing(outcome) == []
    assert outcome.landed.total() == len(schedule(1, 1_000))


@pytest.fixture
def proxy(stack: Stack, line: Line) -> Iterator[Proxy]:
    """A path to the gateway that this line's workers go."""
    made = Proxy(("127.0.0.1", stack.gateway.port))
    line.environment["SUPABASE_URL"] = made.url
    yield made
    made.close()


def test_a_path_that_cuts_answers_sets_nobody_aside(line: Line, proxy: Proxy) -> None:
    """Answers cut in half for some seconds are an outage: the event waits, and goes through after it."""
    company_id, uuid = line.shop()
    rule = proxy.arm(act(Fault(Kind.HALVED, 4.0, 1)), 4.0)
    line.publisher.publish(order(company_id))
    line.work()
    assert rule.landed.is_set()
    assert line.failed() == {}
    assert len(line.rows([uuid]).orders) == 1


def test_an_answer_is_dropped_after_the_write(line: Line, proxy: Proxy) -> None:
    """The rows are there when the answer is lost; the second call is a duplicate."""
    company_id, uuid = line.shop()
    seen: list[int] = []
    rule = proxy.arm(act(Fault(Kind.DROPPED, 0.0, 1)))

    def look() -> None:
        if rule.landed.wait(20):
            seen.append(len(line.rows([uuid]).orders))

    watch = threading.Thread(target=look)
    watch.start()
    line.publisher.publish(order(company_id))
    log = line.work()
    watch.join()
    assert seen == [1]
    assert '"event": "duplicate"' in log
    assert len(line.rows([uuid]).orders) == 1


def test_a_large_hand_is_run_again_in_few_calls(line: Line) -> None:
    """What a dead worker held comes back in groups, apart from others, which shrink with each death."""
    company_id, _ = line.shop()
    line.publisher.publish_many(order(company_id) for _ in range(100))
    _die(line, 100)
    line.publisher.publish_many(order(company_id) for _ in range(5))
    _die(line, 10)
    _die(line, 3)
    _die(line, 1)
    living = Claims(line.redis, line.name, PREFIX + uuid4().hex)
    sizes = [len(living.claim(500).claims) for _ in range(16)]
    assert sizes == [1, 1, 1, 3, 3, 3, *[10] * 8, 8, 5]


def _die(line: Line, holding: int) -> None:
    """A worker dies with so many in hand, and another gives them back."""
    dead = Claims(line.redis, line.name, PREFIX + uuid4().hex)
    assert len(dead.claim(500).claims) == holding
    Claims(line.redis, line.name, PREFIX + "living").recover()
