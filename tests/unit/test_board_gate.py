"""The dashboard's access control: which requests may read, and which may change something."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import fakeredis
import pytest
from flask.testing import FlaskClient

from operations.board import routes
from operations.board.gate import Gate
from tests.unit.board import OWN, board, client, contents, fail

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY")
_ID = "01976f2e-5b7a-7c3d-9e21-3f6a8c0d1b42"
_ARGUMENTS = {
    "instance_number": 0,
    "queue_name": "botlive",
    "registry_name": "failed",
    "per_page": 8,
    "order": "asc",
    "page": 1,
    "job_id": _ID,
    "reason": "UnknownCompany",
    "filename": "js/underscore-umd-min.js",
}


@pytest.fixture
def redis() -> fakeredis.FakeStrictRedis:
    """A Redis server with a failed job and a waiting job."""
    made = fakeredis.FakeStrictRedis()
    fail(made, _ID)
    made.rpush("rq:queue:botlive", "waits", "has-no-job")
    made.hset("rq:job:waits", mapping={"data": '["worker.job.persist",null,[{}],{}]', "origin": "botlive"})
    return made


@pytest.fixture
def browser(redis: fakeredis.FakeStrictRedis) -> FlaskClient:
    """The browser of an operator on localhost."""
    return client(redis)


FOREIGN = [
    {},
    {"Origin": "http://localhost"},
    {"Sec-Fetch-Site": "same-origin"},
    *(
        {**OWN, "Origin": origin}
        for origin in ("null", "http://evil.test", "http://localhost:81", "localhost", "")
    ),
    *(
        {**OWN, "Origin": origin}
        for origin in ("http://localhost.evil.test", "http://localhost/", "ftp://localhost")
    ),
    *({**OWN, "Sec-Fetch-Site": site} for site in ("cross-site", "same-site", "none", "", "Same-Origin")),
    *({**OWN, "Content-Type": kind} for kind in ("text/plain", "application/json", "multipart/form-data")),
    {**OWN, "Content-Type": "application/x-www-form-urlencoded"},
]


@pytest.mark.parametrize("path", [f"/job/{_ID}/requeue", "/requeue/botlive"])
def test_only_its_own_pages_change_something(redis: fakeredis.FakeStrictRedis, path: str) -> None:
    """A change needs the right Origin and Sec-Fetch-Site and no body; then the job waits again."""
    browser, before = client(redis), contents(redis)
    for told in FOREIGN:
        got = browser.post(path, headers=told)
        assert got.status_code in {HTTPStatus.FORBIDDEN, HTTPStatus.UNSUPPORTED_MEDIA_TYPE}, told
    assert browser.post(path, headers=OWN, data="x=1").status_code == HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    assert contents(redis) == before
    assert browser.post(path, headers=OWN).status_code == HTTPStatus.OK
    assert redis.lrange("rq:queue:botlive", 0, -1) == [b"waits", b"has-no-job", _ID.encode()]
    assert redis.hget(f"rq:job:{_ID}", "status") == b"queued"


def test_the_origin_is_that_of_the_host(redis: fakeredis.FakeStrictRedis) -> None:
    """Behind a TLS proxy the https origin is accepted; another known host is another origin."""
    behind = client(redis, Gate(["my.app", "other.app"]))
    path = f"/job/{_ID}/requeue"
    for host, origin, status in (
        ("my.app", "https://other.app", HTTPStatus.FORBIDDEN),
        ("my.app", "https://localhost", HTTPStatus.FORBIDDEN),
        ("my.app", "https://my.app", HTTPStatus.OK),
    ):
        got = behind.post(path, headers={**OWN, "Host": host, "Origin": origin})
        assert got.status_code == status, origin


def _arguments(endpoint: str) -> dict[str, Any]:
    return _ARGUMENTS | ({"filename": "monitor.js"} if endpoint == f"{routes.BLUEPRINT}.static" else {})


def every_request(browser: FlaskClient) -> Iterator[tuple[str, str, int]]:
    """Send each method to each route as the dashboard's own page; yield endpoint, method, status."""
    rules = list(browser.application.url_map.iter_rules())
    with browser.application.test_request_context():
        adapter = browser.application.create_url_adapter(None) or browser.application.url_map.bind(
            "localhost"
        )
        paths = [(rule.endpoint, adapter.build(rule.endpoint, _arguments(rule.endpoint))) for rule in rules]
    for endpoint, path in paths:
        for method in METHODS:
            got = browser.open(path.partition("?")[0], method=method, headers=OWN, buffered=True)
            yield endpoint, method, got.status_code


def test_what_is_open_is_named(redis: fakeredis.FakeStrictRedis, browser: FlaskClient) -> None:
    """Only the reading routes (GET, HEAD) and the three requeue routes (POST) are open."""
    before = contents(redis)
    answers = list(every_request(browser))
    for endpoint, method, status in answers:
        reads = endpoint in routes.READS and method in {"GET", "HEAD"}
        changes = endpoint in routes.CHANGES and method == "POST"
        assert (status == HTTPStatus.OK) == (reads or changes), (endpoint, method, status)
        assert status < HTTPStatus.INTERNAL_SERVER_ERROR
    seen = {endpoint for endpoint, _, _ in answers}
    assert seen == routes.READS | routes.CHANGES | routes.OFF.keys()
    after = contents(redis)
    assert after.pop(b"rq:queue:botlive") == [*before[b"rq:queue:botlive"], _ID.encode()]
    assert {key for key in before if key not in after} == {
        b"rq:failed:botlive",
        b"rq:queue:botlive",
        f"rq:results:{_ID}".encode(),
    }


def test_a_new_route_is_closed(redis: fakeredis.FakeStrictRedis) -> None:
    """A route that a newer rq-dashboard may add is closed for every method."""
    made = board(redis)
    called: list[str] = []

    def view() -> str:
        called.append("new")
        return "done"

    made.add_url_rule("/new", "rq_dashboard.new", view, methods=METHODS)
    for method in METHODS:
        got = made.test_client().open("/new", method=method, headers=OWN)
        assert got.status_code == HTTPStatus.FORBIDDEN
    assert called == []


def test_what_throws_away_is_off_and_says_what_to_do(
    redis: fakeredis.FakeStrictRedis, browser: FlaskClient
) -> None:
    """Deleting routes are closed and name the command to use; the page has no button for them."""
    before = contents(redis)
    for path in (f"/job/{_ID}/delete", "/queue/botlive/failed/empty", "/queue/botlive/queued/empty"):
        got = browser.post(path, headers=OWN)
        assert (got.status_code, "botlive failures discard" in got.text) == (HTTPStatus.FORBIDDEN, True)
    compact = browser.post("/queue/botlive/compact", headers=OWN)
    assert (compact.status_code, "RQ would lose" in compact.text) == (HTTPStatus.FORBIDDEN, True)
    for path in (
        "/0/view/jobs/botlive/queued/8/asc/1",
        "/0/view/jobs/botlive/failed/8/asc/1",
        f"/0/view/job/{_ID}",
    ):
        page = browser.get(path).text
        assert not [
            button for button in ("empty-btn", "compact-btn", "delete-job-btn") if f'"{button}"' in page
        ]
    assert contents(redis) == before


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/requeue/botlive",
            "//requeue/botlive",
            "/requeue%2Fbotlive",
            "/./requeue/botlive",
            "/x/../requeue/botlive",
        ),
        *("/requeue/botlive/", "/requeue//botlive", "/requeue/botlive?_method=POST", "/REQUEUE/botlive"),
        *(f"/job/{_ID}/requeue", f"/job/{_ID}/requeue/", f"/job/{_ID}%2Frequeue", f"/job//{_ID}/requeue"),
        *("/queue/botlive/queued/empty", "/queue/botlive/queued%2Fempty", "/queue/botlive/compact"),
    ],
)
def test_no_way_round(redis: fakeredis.FakeStrictRedis, browser: FlaskClient, path: str) -> None:
    """Safe methods, method-override headers and unusual paths change nothing."""
    before = contents(redis)
    over = {"X-HTTP-Method-Override": "POST", "X-Method-Override": "POST", "X-HTTP-Method": "POST"}
    for method in ("GET", "HEAD", "OPTIONS"):
        browser.open(path, method=method, headers={**OWN, **over})
    browser.post(path, headers={**over, "Origin": "http://evil.test", "Sec-Fetch-Site": "cross-site"})
    assert contents(redis) == before


def test_a_list_that_is_read_stays(redis: fakeredis.FakeStrictRedis, browser: FlaskClient) -> None:
    """Reading a list changes nothing; RQ itself would remove ids without a job."""
    before = contents(redis)
    listed = browser.get("/0/data/jobs/botlive/queued/8/asc/1.json").get_json()
    assert [job["id"] for job in listed["jobs"]] == ["waits"]
    assert contents(redis) == before


def test_other_sites_may_link_and_not_look(browser: FlaskClient) -> None:
    """Other sites may link to a page; frames, scripts, images and data requests are refused."""
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert browser.get("/", headers=link).status_code == HTTPStatus.OK
    assert browser.get("/0/data/queues.json", headers=link).status_code == HTTPStatus.FORBIDDEN
    for other in ({"Sec-Fetch-Dest": "iframe"}, {"Sec-Fetch-Mode": "no-cors"}, {"Sec-Fetch-Dest": "object"}):
        assert browser.get("/", headers={**link, **other}).status_code == HTTPStatus.FORBIDDEN
    for path in ("/static/js/jquery-3.5.1.min.js", "/0/data/jobs/botlive/failed/8/asc/1.json"):
        for site in ("cross-site", "same-site"):
            assert browser.get(path, headers={"Sec-Fetch-Site": site}).status_code == HTTPStatus.FORBIDDEN
    assert (
        browser.get("/0/data/queues.json", headers={"Sec-Fetch-Site": "same-origin"}).status_code
        == HTTPStatus.OK
    )
