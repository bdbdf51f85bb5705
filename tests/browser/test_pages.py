"""The dashboard in a real Chromium: no hostile text runs as a script, and the pages work."""

from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Error, expect

from devstack.valkey import Valkey
from gateway.errors import UnknownCompany
from operations.failed.reason import Reason
from tests.browser.hostile import COMPANY, EVIL, FAILED, QUEUE, hostile
from tests.browser.visit import Visit, served
from tests.integration.line import until

pytestmark = pytest.mark.slow

PLACES = {
    "company",
    "description",
    "meta",
    "reason",
    "waiting",
    "function",
    "result",
    "current",
    "queue",
    "worker",
}


def addresses(redis: Any) -> list[str]:
    """Return the paths of all pages."""
    jobs = [
        key.decode().removeprefix("rq:job:")
        for key in redis.scan_iter("rq:job:*")
        if redis.type(key) == b"hash"
    ]
    pages = [
        "/",
        "/0/view/queues",
        "/0/view/workers",
        "/0/view/jobs",
        "/view/failed",
        f"/view/failed/{quote(QUEUE, safe='')}",
        *(f"/0/view/job/{job}" for job in jobs),
    ]
    registries = ("queued", "started", "finished", "failed", "deferred")
    return pages + [f"/0/view/jobs/botlive/{registry}/8/asc/1" for registry in registries]


def walk(visit: Visit, redis: Any) -> set[str]:
    """Visit every page; return the places whose text ran as a script."""
    ran: set[str] = set()
    for address in addresses(redis):
        try:
            visit.open(address)
        except Error:  # a page that does not come to its end, for what ran on it
            visit.troubles.append(f"{address} does not load")
        visit.page.wait_for_timeout(150)  # what is to be loaded is refused or run by then
        ran |= visit.hacks()
    return ran


def test_no_text_runs(visit: Visit, redis: Any) -> None:
    """On every page, no hostile text runs or loads anything, and there is no error."""
    assert walk(visit, redis) == set()
    assert (visit.elsewhere, visit.troubles) == ([], [])


def test_the_texts_would_run(browser: Browser, valkey: Valkey, redis: Any) -> None:
    """The hostile texts run in plain rq-dashboard, so the test above can fail."""
    with served(f"redis://127.0.0.1:{valkey.port}/0", stock=True) as address:
        stock = Visit(browser, address)
        stock.patience = 2_000
        redis.delete(*redis.scan_iter("*executions*"))  # it shows no worker that has a JSON job in hand
        assert walk(stock, redis) >= PLACES
        assert any(EVIL in url for url in stock.elsewhere)
        stock.close()


def test_texts_are_shown_as_they_are(visit: Visit, redis: Any) -> None:
    """Markup in a text is shown as text, escaped exactly once."""
    page = visit.open("/0/view/jobs/botlive/queued/8/asc/1")
    assert page.locator("#jobs .description").all_inner_texts() == [hostile("waiting")]
    page = visit.open("/view/failed")
    shown = page.locator("#failures .words").all_inner_texts()
    assert {hostile("reason"), Reason.of(UnknownCompany(COMPANY).report).words} <= set(shown)
    page = visit.open("/0/view/job/failed-4")
    assert page.locator(".words").inner_text() == hostile("reason")
    page = visit.open("/0/view/job/queued-1")
    assert page.locator(".description-scroll").inner_text() == hostile("waiting")
    page = visit.open("/0/view/workers")
    assert hostile("worker") in page.locator("#workers td").first.inner_text()
    page = visit.open("/")
    assert QUEUE in page.locator("#queues td").all_inner_texts()
    assert visit.troubles == []


def test_a_hostile_queues_page_opens(visit: Visit, redis: Any) -> None:
    """The page of a queue with a hostile name opens, and its queue selector works."""
    page = visit.open("/")
    row = page.locator("#queues tr", has_text="botlive:apart")
    row.locator("td.failed a").first.click()
    expect(page.locator("#failures tr[data-job-id=failed-3]")).to_have_count(1)
    assert page.locator(".intro strong").first.inner_text() == QUEUE
    page = visit.open("/")
    row.locator("td a").first.click()
    assert page.locator("#select-queue").input_value() == QUEUE
    page.locator("#select-queue").click()
    page.locator("#select-queue").dispatch_event("mouseout")
    assert page.locator("#select-queue").input_value() == QUEUE
    with page.expect_navigation():  # the page before it has no jobs either
        page.locator("#select-registry").select_option("finished")
    expect(page.locator("#jobs")).to_contain_text("No jobs.")
    assert (visit.hacks(), visit.elsewhere, visit.troubles) == (set(), [], [])


def test_the_pages_work(visit: Visit, redis: Any) -> None:
    """Requeue works in the list, on a job's page and for all jobs; nothing can be deleted."""
    waiting = "rq:queue:botlive"
    page = visit.open("/0/view/jobs/botlive/failed/8/asc/1")
    assert page.locator("#empty-btn, #compact-btn, [data-role=delete-job-btn]").count() == 0
    page.locator("tr[data-job-id=failed-2] button").click()
    until(lambda: redis.lrange(waiting, 0, -1) == [b"queued-1", b"failed-2"], 10)
    expect(page.locator("tr[data-job-id=failed-2]")).to_have_count(0)
    visit.open(f"/0/view/job/{FAILED}").get_by_role("button", name="Requeue").click()
    until(lambda: redis.lrange(waiting, 0, -1) == [b"queued-1", b"failed-2", b"failed-1"], 10)
    page = visit.open("/0/view/jobs/botlive/failed/8/asc/1")
    page.locator("#requeue-all-btn").click()
    page.locator("#confirmation-modal-yes").click()
    until(lambda: redis.zcard("rq:failed:botlive") == 0, 10)
    expect(page.locator("#failures")).to_contain_text("No event has failed.")  # by itself
    assert redis.zcard(f"rq:failed:{QUEUE}") == 1
    assert (visit.elsewhere, visit.troubles) == ([], [])


def test_a_refusal_is_told_on_the_page(visit: Visit, redis: Any) -> None:
    """If the job no longer exists, the page of the button shows the refusal."""
    page = visit.open("/0/view/jobs/botlive/failed/8/asc/1")
    page.locator("#autorefresh-switch").dispatch_event("click")
    redis.zrem("rq:failed:botlive", "failed-2")
    with page.expect_event("dialog") as told:
        page.locator("tr[data-job-id=failed-2] button").click()
    assert "nothing was changed" in told.value.message


def test_a_script_that_gets_in_does_not_run(visit: Visit, redis: Any) -> None:
    """Even without escaping, the policy blocks handlers, scripts, `eval` and other sites."""
    page = visit.open("/")
    page.evaluate("(text) => document.body.insertAdjacentHTML('beforeend', text)", hostile("body"))
    page.evaluate("(text) => $('body').append(text)", f"<div>{hostile('jquery')}</div>")
    page.evaluate(
        "() => { const made = document.createElement('script'); made.text = 'window.hacks = [1]';"
        " document.body.append(made) }"
    )
    page.evaluate(f"() => fetch('http://{EVIL}/').catch(() => 0)")
    page.evaluate(
        "() => new Promise((done) => setTimeout(() =>"
        " { try { eval('window.hacks = [2]') } finally { done() } }))"
    )
    page.wait_for_timeout(300)
    assert visit.hacks() == set()
    assert any("Content Security Policy" in text for text in visit.troubles)
