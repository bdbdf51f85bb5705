"""The failure monitor in a real Chromium, with a real worker and a local stack.

With BOTLIVE_SCREENSHOTS=docs/img the tests also save the pictures of docs/dashboard.md.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect
from rq import Queue
from rq.serializers import JSONSerializer

from devstack.stack import Stack
from events import Publisher
from events.publishing.keys import Keys
from operations.failed.job import FailedJob
from operations.failed.registry import FailedRegistry
from tests.browser.visit import Visit, served
from tests.integration.line import Line
from tests.integration.test_apart import trigger
from tests.make import PHONE, order, payment

pytestmark = pytest.mark.slow

QUEUE = "botlive-demo"
WIDTHS = (1280, 390)
_TOO_WIDE = """() => [...document.querySelectorAll('body, button, a.btn, select, input, td')]
    .filter((part) => part.offsetParent && part.getBoundingClientRect().right > innerWidth + 1)
    .map((part) => part.outerHTML)"""


class Shops(Line):
    """A queue with failed events, events that wait apart, and workers in different states."""

    redis: Any  # redis-py's types allow text and bytes in each reply

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        suffix = uuid4().hex[:4]
        self.name, self.environment["BOTLIVE_QUEUE"] = QUEUE, QUEUE
        self.queue = Queue(QUEUE, connection=self.redis, serializer=JSONSerializer)
        self.publisher.close()
        self.publisher = Publisher(self.redis, queue=QUEUE, within=10)
        self.unknown = dict(zip(WIDTHS, (f"boutique-awa-{suffix}", f"marche-kone-{suffix}"), strict=True))
        self.apart, self.uuid = self.shop(f"chez-binta-{suffix}")

    def fill(self) -> None:
        """Let a real worker refuse events for two reasons, and put others apart."""
        self.redis.delete(Keys(QUEUE).failed)
        unknown = self.unknown.values()
        self.publisher.publish_many([make(company) for company in unknown for make in (order, payment)])
        self.publisher.publish(payment(PHONE))
        wrong = {"type": "payment_validated", "version": 1, "company_id": self.apart, "amount": "much"}
        self.queue.enqueue("worker.job.persist", {**wrong, "user_id": PHONE, "customer_name": "Awa"})
        with trigger(self, self.uuid, "raise exception 'the shop is closed';"):
            self.publisher.publish_many([order(self.apart), order(self.apart)])
            self.work()

    def start_workers(self) -> None:
        """Register a worker that works, one that holds and one that is dead."""
        now = datetime.now(UTC)
        self.register("botlive-host1-a", now)
        self.register("botlive-host1-b", now, held="Supabase answers 503: the project is paused")
        self.register("botlive-host2-a", now - timedelta(minutes=5))

    def register(self, name: str, seen: datetime, **fields: str) -> None:
        """Write the hash of a worker."""
        key = f"rq:worker:{name}"
        self.redis.sadd("rq:workers", key)
        beat = seen.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        fields |= {"queues": self.name, "state": "idle", "last_heartbeat": beat, "birth": beat}
        self.redis.hset(key, mapping={**fields, "botlive_version": "0.2.0", "successful_job_count": "1200"})

    def close(self) -> None:
        """Remove the workers and the jobs too."""
        self.queue.empty()  # type: ignore[no-untyped-call] # untyped in RQ
        keys = [key for key in self.redis.smembers("rq:workers") if b":botlive-host" in key]
        self.redis.srem("rq:workers", *keys)
        self.redis.delete(*keys)
        super().close()


@pytest.fixture(scope="module")
def shops(stack: Stack) -> Iterator[Shops]:
    """The queue, filled once: each test uses other events of it."""
    made = Shops(stack)
    made.fill()
    yield made
    made.close()


@pytest.fixture(scope="module")
def address(shops: Shops) -> Iterator[str]:
    """`botlive dashboard` of this queue."""
    with served(shops.environment["REDIS_URL"], environment={"BOTLIVE_QUEUE": QUEUE}) as running:
        yield running


@pytest.fixture(params=WIDTHS)
def width(request: pytest.FixtureRequest) -> int:
    """The width of a desktop and of a telephone, in pixels."""
    return int(request.param)


@pytest.fixture
def visit(browser: Browser, address: str, shops: Shops) -> Iterator[Visit]:
    """A page of an operator; the workers have just sent their heartbeats."""
    shops.start_workers()
    made = Visit(browser, address)
    yield made
    made.close()


def resize(page: Page, width: int) -> None:
    """Change the size of the window."""
    page.set_viewport_size({"width": width, "height": 720})


def picture(page: Page, name: str) -> None:
    """Save a screenshot if the environment asks for it."""
    if folder := os.environ.get("BOTLIVE_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"dashboard-{name}.png")


def check_fits(page: Page) -> None:
    """Check that the page and all its buttons are inside the window."""
    assert page.evaluate(_TOO_WIDE) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def failed(shops: Shops) -> list[FailedJob]:
    """Return all failed events."""
    return list(FailedRegistry(shops.redis, QUEUE).all())


def test_all_pages_fit_the_window(visit: Visit, shops: Shops, width: int) -> None:
    """On a desktop and on a telephone, no button is cut off on any page."""
    resize(visit.page, width)
    (apart,) = shops.redis.lrange(Keys(QUEUE).apart_queue("order_completed", shops.apart), 0, 0)
    jobs = (apart.decode(), *(failure.job_id for failure in failed(shops)))
    for path in (
        *("/", "/0/view/workers", "/0/view/jobs", f"/0/view/jobs/{QUEUE}/queued/8/asc/1", "/view/failed"),
        *(f"/0/view/jobs/{QUEUE}:apart:order_completed:{shops.apart}/queued/8/asc/1",),
        *(f"/0/view/job/{job_id}" for job_id in jobs),
    ):
        check_fits(visit.open(path))


def test_workers_and_events_that_wait_apart_are_distinct(visit: Visit, shops: Shops) -> None:
    """A held worker, a dead worker and events that wait apart each show their state and its reason."""
    page = visit.open("/view/failed")
    apart = page.locator("#apart tbody tr")
    expect(apart).to_have_count(1)
    expect(apart).to_contain_text("waiting apart")
    expect(apart).to_contain_text("the project's function")
    expect(apart.locator("[data-label=Events]")).to_have_text("2")
    expect(apart.locator("[data-label=Company]")).to_have_text(shops.apart)
    expect(page.locator(".alert-warning", has_text="host1-b")).to_contain_text("the project is paused")
    resize(page, WIDTHS[0])
    page = visit.open("/0/view/workers")
    rows = page.locator("#workers tbody tr", has_text="botlive-host").all()
    states = {row.get_attribute("data-state"): row.inner_text() for row in rows}
    assert "host1-a" in states["working"]
    assert "holds all events: Supabase answers 503" in states["held"]
    assert "ended without a stop" in states["dead"]
    picture(page, "workers")
    assert (visit.elsewhere, visit.troubles) == ([], [])


def test_no_personal_data_is_on_the_pages(visit: Visit, shops: Shops) -> None:
    """A company that looks like a phone number is masked; arguments are no name of a job."""
    for path in ("/view/failed", *(f"/0/view/job/{failure.job_id}" for failure in failed(shops))):
        text = visit.open(path).locator("body").inner_text()
        assert not [private for private in (PHONE[1:], "customer_name", "'Awa'") if private in text], path
    page = visit.open("/view/failed")
    expect(page.locator("#failures [data-label=Company]", has_text="***")).to_have_count(1)
    hand = Queue("by-hand", connection=shops.redis, serializer=JSONSerializer)
    hand.enqueue("worker.job.persist", {"user_id": PHONE, "customer_name": "Awa"})
    page = visit.open("/0/view/jobs/by-hand/queued/8/asc/1")
    expect(page.locator("#jobs .description")).to_have_text("worker.job.persist(…)")
    hand.delete(delete_jobs=True)


def test_the_queue_of_a_shop_lists_its_jobs(visit: Visit, shops: Shops) -> None:
    """Links lead to a shop's queue with a slash in its name, and list jobs whose origin is the main queue."""
    name = f"{QUEUE}:shop:a/b"
    job = shops.queue.create_job("worker.job.persist", [{}], description="order_completed")
    job.save()
    shops.redis.sadd("rq:queues", f"rq:queue:{name}")
    shops.redis.rpush(f"rq:queue:{name}", job.id)
    visit.open("/").locator("#queues tr", has_text=name).locator("a").first.click()
    expect(visit.page.locator("#jobs .job_id")).to_have_text(job.id)
    visit.open("/").locator("#queues tr", has_text=name).locator("td.failed a").first.click()
    expect(visit.page.locator(".intro strong").first).to_have_text(name)
    assert visit.troubles == []
    shops.redis.delete(f"rq:queue:{name}", job.key)
    shops.redis.srem("rq:queues", f"rq:queue:{name}")


def test_a_failure_is_found_repaired_and_requeued(visit: Visit, shops: Shops, width: int) -> None:
    """Failed list, detail, repair, requeue: the event's row is in the table, and nothing else changed."""
    company, before = shops.unknown[width], {failure.job_id for failure in failed(shops)}
    resize(visit.page, width)
    page = visit.open("/view/failed")
    row = page.locator("#failures tr", has_text=company).filter(has_text="order_completed")
    expect(row.locator("td").first).to_contain_text("UnknownCompany")
    expect(row.locator("[data-label=Failed]")).to_contain_text("1")
    expect(row.locator("[data-label=When]")).to_contain_text(f"{datetime.now(UTC):%Y-%m-}")
    picture(page, f"failed-{width}")
    page.locator("#failures").evaluate("(table) => table.scrollIntoView()")
    picture(page, f"list-{width}")
    job_id = row.get_attribute("data-job-id")
    row.locator("a.reason").click()
    expect(page.locator("#reason")).to_have_text("UnknownCompany")
    expect(page.locator("#cause")).to_contain_text("found no row of public.company_mapping")
    expect(page.locator("#facts")).to_contain_text(company)
    picture(page, f"event-{width}")
    uuid = shops.shop(company)[1]
    page.get_by_role("button", name="Requeue").click()
    expect(page.locator("#outcome")).to_have_text("1 event is back in the queue.")
    assert shops.redis.lrange(Keys(QUEUE).queue, 0, -1) == [(job_id or "").encode()]
    assert {failure.job_id for failure in failed(shops)} == before - {job_id}
    shops.work()
    rows = shops.rows([uuid])
    assert (len(rows.orders), len(rows.activities)) == (1, 1)
    page.get_by_role("link", name="All failed events").click()
    expect(page.locator("#failures tbody tr")).to_have_count(len(before) - 1)
    assert (visit.elsewhere, visit.troubles) == ([], [])


def test_all_events_of_one_reason_are_requeued(visit: Visit, shops: Shops) -> None:
    """The button of a reason puts back the events with this reason, and no others."""
    reasons = {failure.job_id: failure.reason.kind for failure in failed(shops)}
    chosen = [job_id for job_id, kind in reasons.items() if kind == "UnknownCompany"]
    page = visit.open("/view/failed")
    group = page.locator("#reasons tr[data-reason=UnknownCompany]")
    expect(group.locator("[data-label=Events]")).to_have_text(str(len(chosen)))
    group.get_by_role("button").click()
    page.locator("#confirmation-modal-no").click()
    expect(page.locator("#confirmation-modal")).to_be_hidden()
    assert shops.redis.llen(Keys(QUEUE).queue) == 0
    group.get_by_role("button").click()
    expect(page.locator("#confirmation-modal-action")).to_contain_text("UnknownCompany")
    page.locator("#confirmation-modal-yes").click()
    expect(page.locator("#outcome")).to_have_text(f"{len(chosen)} events are back in the queue.")
    expect(group).to_have_count(0)  # by itself
    expect(page.locator("#failures tbody tr")).to_have_count(len(reasons) - len(chosen))
    queued = shops.redis.lrange(Keys(QUEUE).queue, 0, -1)
    assert {job_id.decode() for job_id in queued} == set(chosen)
    assert (visit.elsewhere, visit.troubles) == ([], [])
