"""The failure monitor's pages and buttons, without a server."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from http import HTTPStatus
from typing import Any

import fakeredis
import pytest
from flask.testing import FlaskClient
from rq import Queue
from rq.serializers import JSONSerializer

from operations.board import groups
from tests.unit.board import OWN, PHONE, client, contents, fail

MARKUP = "<script>hacked()</script>"


@pytest.fixture
def redis() -> fakeredis.FakeStrictRedis:
    """A Redis server with two reasons of failure in one queue, and one of them in another queue."""
    made = fakeredis.FakeStrictRedis()
    for job_id in ("unknown-1", "unknown-2"):
        fail(made, job_id)
    fail(made, "refused", reason="EventRefused: the event does not fit its contract")
    fail(made, "elsewhere", queue="other")
    return made


@pytest.fixture
def browser(redis: fakeredis.FakeStrictRedis) -> FlaskClient:
    """The browser of an operator on localhost."""
    return client(redis)


def cells(page: str, table: str) -> list[list[str]]:
    """Return the texts of a table's cells, row by row."""
    body = page.partition(f'<table id="{table}"')[2].partition("<tbody>")[2].partition("</tbody>")[0]
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in body.split("</tr>")[:-1]]
    return [[" ".join(unescape(re.sub("<[^>]+>", " ", cell)).split()) for cell in row] for row in rows]


def event(redis: fakeredis.FakeStrictRedis, job_id: str, company: str, reason: str) -> None:
    """Add a failed payment of this company."""
    queue = Queue("botlive", connection=redis, serializer=JSONSerializer)
    job = fail(redis, job_id, reason=reason)
    call = queue.create_job("worker.job.persist", [{"type": "payment_validated", "company_id": company}])
    redis.hset(job.key, "data", call.data)


def register(redis: Any, name: str, age: float = 0, **fields: str) -> None:
    """Register a worker whose last heartbeat is so many seconds old."""
    beat = (datetime.now(UTC) - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    redis.sadd("rq:workers", f"rq:worker:{name}")
    redis.hset(f"rq:worker:{name}", mapping={"state": "idle", "last_heartbeat": beat, **fields})


def test_reasons_are_grouped(browser: FlaskClient) -> None:
    """Each reason of the queue has one row with its number of events; the largest comes first."""
    rows = cells(browser.get("/view/failed").text, "reasons")
    assert [(row[0].split()[0], row[1]) for row in rows] == [("UnknownCompany", "2"), ("EventRefused", "1")]
    assert all(re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC", row[2]) for row in rows)


def test_an_event_is_listed_with_its_reason_first(
    redis: fakeredis.FakeStrictRedis, browser: FlaskClient
) -> None:
    """A row has the reason, type, company (masked like a phone number), number and time of failures."""
    event(redis, "known", "boutique-awa", "UnknownCompany: it is in no row")
    event(redis, "phone", PHONE, "UnknownCompany: it is in no row")
    rows = cells(browser.get("/view/failed").text, "failures")
    assert [row[:3] for row in rows if row[1] != "-"] == [
        ["UnknownCompany it is in no row", "payment_validated", "***"],
        ["UnknownCompany it is in no row", "payment_validated", "boutique-awa"],
    ]
    assert {row[3] for row in rows} == {"1×"}  # noqa: RUF001 # as the page shows it


def test_one_reason_can_be_chosen(browser: FlaskClient) -> None:
    """The link of a reason lists only its events."""
    rows = cells(browser.get("/view/failed?reason=EventRefused").text, "failures")
    assert [row[0] for row in rows] == ["EventRefused the event does not fit its contract"]


def test_a_long_list_has_pages(redis: fakeredis.FakeStrictRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page has a limited number of events; a number that does not exist leads to the nearest page."""
    monkeypatch.setattr(groups, "_PER_PAGE", 2)
    browser = client(redis)
    shown = [
        len(cells(browser.get(f"/view/failed?page={page}").text, "failures")) for page in (-1, 1, 2, 99, "x")
    ]
    assert shown == [2, 2, 1, 1, 2]


def test_no_text_is_markup(redis: fakeredis.FakeStrictRedis, browser: FlaskClient) -> None:
    """Reasons, companies, queues, job ids, workers and their reasons are escaped."""
    event(redis, "odd", MARKUP, f"E: {MARKUP}")
    redis.zadd("rq:failed:botlive", {MARKUP: 1})  # a job that does not exist
    fail(redis, "there", queue=MARKUP)
    register(redis, MARKUP, held=MARKUP, queues=MARKUP, botlive_version=MARKUP)
    for path in (
        "/view/failed",
        f"/view/failed/{MARKUP}",
        f"/0/view/job/{MARKUP}",
        "/0/view/job/odd",
        "/0/view/workers",
    ):
        page = browser.get(path)
        assert page.status_code == HTTPStatus.OK
        assert "<script>hacked" not in page.text
        assert "&lt;script&gt;hacked" in page.text


def test_only_one_reason_is_requeued(redis: fakeredis.FakeStrictRedis, browser: FlaskClient) -> None:
    """The events of the reason go to the end of their queue; nothing else changes."""
    before = contents(redis)
    got = browser.post("/requeue-reason/UnknownCompany/botlive", headers=OWN)
    assert got.get_json() == {"status": "OK", "count": 2}
    after = contents(redis)
    assert redis.lrange("rq:queue:botlive", 0, -1) == [b"unknown-1", b"unknown-2"]
    assert redis.zrange("rq:failed:botlive", 0, -1) == [b"refused"]
    for key in (b"rq:job:refused", b"rq:failed:other", b"rq:job:elsewhere", b"rq:queues"):
        assert after[key] == before[key]


def test_another_site_requeues_no_reason(redis: fakeredis.FakeStrictRedis, browser: FlaskClient) -> None:
    """A request of another site, and a GET, are refused and change nothing."""
    before = contents(redis)
    path = "/requeue-reason/UnknownCompany/botlive"
    foreign: list[dict[str, str]] = [{}, {**OWN, "Origin": "http://evil.test"}]
    for headers in foreign:
        assert browser.post(path, headers=headers).status_code == HTTPStatus.FORBIDDEN
    assert browser.get(path, headers=OWN).status_code == HTTPStatus.METHOD_NOT_ALLOWED
    assert contents(redis) == before


def test_a_failed_jobs_page_shows_the_cause(redis: fakeredis.FakeStrictRedis, browser: FlaskClient) -> None:
    """The page of a failed job has its reason and cause; that of a waiting job is rq-dashboard's."""
    fail(redis, "mine", reason="UnknownCompany: it is in no row\ncause: the table has no such row")
    page = browser.get("/0/view/job/mine").text
    assert '<h1 id="reason">UnknownCompany</h1>' in page
    assert "the table has no such row" in page.partition('id="cause"')[2].partition("</pre>")[0]
    browser.post("/job/mine/requeue", headers=OWN)
    assert 'id="job-data"' in browser.get("/0/view/job/mine").text


def test_each_state_of_a_worker_is_distinct(redis: fakeredis.FakeStrictRedis, browser: FlaskClient) -> None:
    """The states differ, with the reason; the failed list shows the workers that do not work."""
    register(redis, "botlive-a")
    register(redis, "botlive-b", held="Supabase is away")
    register(redis, "botlive-c", age=300)
    register(redis, "botlive-d", state="suspended")
    redis.sadd("rq:workers", "rq:worker:botlive-e")  # its hash has expired
    rows = {row[0].split()[0]: row for row in cells(browser.get("/0/view/workers").text, "workers")}
    states = {name: row[1] for name, row in rows.items()}
    assert states == {
        **{"botlive-a": "working", "botlive-b": "held", "botlive-c": "dead", "botlive-d": "suspended"},
        "botlive-e": "dead",
    }
    assert "holds all events: Supabase is away" in rows["botlive-b"][0]
    assert "its last heartbeat was 300 s ago" in rows["botlive-c"][0]
    page = browser.get("/view/failed").text
    shown = [f"botlive-{name}" for name in "abcde" if f"<strong>botlive-{name}</strong>" in page]
    assert shown == ["botlive-b", "botlive-c", "botlive-d", "botlive-e"]


def job(browser: FlaskClient, job_id: str) -> Any:
    """Return what rq-dashboard's page of a job reads."""
    return browser.get(f"/0/data/job/{job_id}.json").get_json()


def test_a_failed_job_ended_when_its_result_was_stored(redis: Any, browser: FlaskClient) -> None:
    """The times of the result and of creation are shown: our jobs have no other times."""
    redis.hdel("rq:job:refused", "ended_at", "enqueued_at")
    stored = int(redis.xrevrange("rq:results:refused", count=1)[0][0].partition(b"-")[0]) / 1000
    shown = job(browser, "refused")
    assert datetime.fromisoformat(shown["ended_at"]).timestamp() == pytest.approx(stored, abs=0.001)
    assert shown["enqueued_at"] == shown["created_at"]
    redis.hset("rq:job:refused", "status", "queued")  # a stock worker keeps the results of earlier runs
    assert job(browser, "refused")["ended_at"] is None


def test_the_arguments_of_a_job_are_no_name(redis: fakeredis.FakeStrictRedis, browser: FlaskClient) -> None:
    """RQ names a job that was made by hand by its call: only the function is shown."""
    queue = Queue("botlive", connection=redis, serializer=JSONSerializer)
    queue.enqueue("worker.job.persist", {"customer_name": "Awa"}, job_id="hand")
    assert job(browser, "hand")["description"] == "worker.job.persist(…)"
    listed = browser.get("/0/data/jobs/botlive/queued/8/asc/1.json").text
    assert "Awa" not in listed


def test_the_queue_of_a_shop_lists_its_jobs(redis: fakeredis.FakeStrictRedis, browser: FlaskClient) -> None:
    """The jobs of a shop's queue are listed, although their origin is the main queue."""
    queue = Queue("botlive", connection=redis, serializer=JSONSerializer)
    queue.create_job("worker.job.persist", [{}], job_id="mine").save()
    redis.rpush("rq:queue:botlive:shop:a/b", "mine", "gone")
    listed = browser.get("/0/data/jobs/botlive:shop:a%2Fb/queued/8/asc/1.json").get_json()
    assert [row["id"] for row in listed["jobs"]] == ["mine"]
    assert redis.lrange("rq:queue:botlive:shop:a/b", 0, -1) == [b"mine", b"gone"]
