"""The dashboard's pages and data: escaped, with security headers, and without phone numbers."""

import json
import re
from http import HTTPStatus
from pathlib import Path
from typing import Any

import fakeredis
import pytest
import rq_dashboard
from redis.exceptions import ConnectionError as RedisAway
from rq import Queue
from rq.serializers import JSONSerializer

from operations.board import pages
from operations.board.app import Board
from operations.board.functions import script
from operations.board.gate import Gate, Login
from tests.unit.board import OWN, PHONE, board, client, fail

TEMPLATES = Path(rq_dashboard.__file__).parent / "templates" / "rq_dashboard"
_ID = "01976f2e-5b7a-7c3d-9e21-3f6a8c0d1b42"
HOSTILE = """'"><script>hacked()</script>\\u0027</script>{{7*7}}<%= 1 %>\\"""
VIEWS = ("/", "/0/view/workers", "/0/view/jobs", f"/0/view/job/{_ID}", "/0/view/jobs/botlive/failed/8/asc/1")
WAITING = ("/0/view/job/waits", "/0/view/jobs/botlive/queued/8/asc/1")
DATA = ("queues", "workers", f"job/{_ID}", "jobs/botlive/failed/8/asc/1")


@pytest.fixture
def redis() -> fakeredis.FakeStrictRedis:
    """A Redis server with a failed job and a waiting job."""
    made = fakeredis.FakeStrictRedis()
    fail(made, _ID)
    Queue("botlive", connection=made, serializer=JSONSerializer).enqueue(
        "worker.job.persist", [{}], job_id="waits", description="order_completed"
    )
    return made


def test_every_patch_is_found_in_this_rq_dashboard() -> None:
    """Each patch matches once; a newer release with other templates fails here."""
    for name, patches in pages.PATCHES.items():
        source = (TEMPLATES / name).read_text(encoding="utf-8")
        assert [source.count(old) for old, _ in patches] == [1] * len(patches), name


def test_every_template_of_the_browsers_escapes(redis: fakeredis.FakeStrictRedis) -> None:
    """Each Underscore template is compiled to a function that escapes every value."""
    tags = 0
    for path in (*VIEWS, *WAITING):
        page = client(redis).get(path).text
        made = page[page.index("<script nonce") :]
        for text in re.findall(r'<script name="[\w-]+" type="text/template">(.*?)</script>', page, re.DOTALL):
            shown = re.findall(r"<%[=-]([\s\S]+?)%>", text)
            tags += len(shown)
            assert str(script([text])).count("_.escape(") == len(shown)
        assert made.count("_.escape(") == len(re.findall(r"<%[=-]", page))
    assert tags > 40


def test_what_the_server_writes_is_escaped(redis: fakeredis.FakeStrictRedis) -> None:
    """A queue's name and the address of Redis are escaped in markup and in scripts."""
    made = Board(redis, f"redis://u:p@x:pw@host{HOSTILE}:1/0?password=pw", Gate()).test_client()
    fail(redis, "j", queue=HOSTILE)
    data = made.get("/0/data/queues.json").get_json()["queues"]
    (address,) = {queue["queued_url"] for queue in data if queue["name"] == HOSTILE}
    page = made.get(address)
    assert page.status_code == HTTPStatus.OK
    assert "<script>hacked" not in page.text
    assert page.text.count("</script>") == page.text.count("<script ")
    assert f".val({json.dumps(HOSTILE)[:2]}" not in page.text
    written = re.search(r"\(this\)\.val\((\".+\")\);", page.text)
    assert written
    assert json.loads(written[1]) == HOSTILE
    assert not [secret for secret in ("pw", "u:p") if secret in page.text]


def test_a_script_that_no_patch_is_for_is_escaped(
    redis: fakeredis.FakeStrictRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Templates whose names end in `.js` are escaped too, which Flask alone does not do."""
    monkeypatch.delitem(pages.PATCHES, "scripts/jobs.js")
    page = client(redis).get("/0/view/jobs/');hacked();//</queued/8/asc/1").text
    assert "');hacked()" not in page
    assert "&#39;);hacked();//&lt;" in page


def test_any_queues_page_can_be_opened(redis: fakeredis.FakeStrictRedis) -> None:
    """The page of any queue name opens, also with slashes and line breaks, and lists that queue."""
    browser = client(redis)
    for name in (
        "a/b",
        "https://x.test//y",
        "a b?c#d%é",
        "a%2Fb",
        "\\n\n",
        "x/queued/8/asc/1",
        "..%2f",
        "a;b=c",
        "/",
    ):
        fail(redis, "j", queue=name)
        queues = browser.get("/0/data/queues.json").get_json()["queues"]
        (address,) = {queue["failed_url"] for queue in queues if queue["name"] == name}
        assert browser.get(address).status_code == HTTPStatus.OK
        listed = browser.get(address.replace("/view/", "/data/") + ".json").get_json()
        assert (listed["name"], [job["id"] for job in listed["jobs"]]) == (name, ["j"])
        redis.delete("rq:queues", f"rq:failed:{name}")


def test_every_answer_is_sealed(redis: fakeredis.FakeStrictRedis) -> None:
    """Every response has the security headers, and allows only the page's own scripts."""
    browser = client(redis, Gate(login=Login("support", "secret")))
    asked = [("GET", path, 200) for path in (*VIEWS, *(f"/0/data/{name}.json" for name in DATA))]
    asked += [
        ("GET", "/static/css/main.css", 200),
        ("GET", "/nothing", 404),
        ("POST", "/", 405),
        ("PUT", "/", 405),
    ]
    asked += [("GET", "/1/view", 404), ("GET", "/0/view/job/none", 404), ("GET", "/requeue/botlive", 405)]
    asked += [("POST", f"/job/{_ID}/delete", 403), ("GET", "/0/data/jobs/x/failed/0/asc/1.json", 500)]
    browser.application.config["PROPAGATE_EXCEPTIONS"] = False
    nonces = set()
    for method, path, status in asked:
        got = browser.open(path, method=method, headers=OWN, auth=("support", "secret"), buffered=True)
        assert got.status_code == status, path
        policy = dict(rule.split(" ", 1) for rule in got.headers["Content-Security-Policy"].split("; "))
        scripts = policy.pop("script-src").split()
        assert scripts[0] == "'self'"
        nonces.update(scripts[1:])
        inline = re.findall(r"<script(?![^>]*(?: src=|text/template))[^>]*>", got.text)
        assert inline == [f'<script nonce="{word[7:-1]}">' for word in scripts[1:]]
        assert policy == {
            **dict.fromkeys(("default-src", "base-uri", "form-action", "frame-ancestors"), "'none'"),
            **{"style-src": "'self'", "style-src-attr": "'unsafe-inline'", "connect-src": "'self'"},
            "img-src": "'self' data:",
        }
        assert got.headers["X-Content-Type-Options"] == "nosniff"
        assert got.headers["X-Frame-Options"] == "DENY"
        assert got.headers["Referrer-Policy"] == "same-origin"
        assert got.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert got.headers["Cache-Control"] == ("no-store" if "static" not in path else "no-cache")
        assert not [name for name in dict(got.headers) if name.startswith("Access-Control-")]
    assert len(nonces) == len(VIEWS)
    assert browser.get("/").headers["Content-Security-Policy"]


def test_no_phone_number_is_shown(redis: fakeredis.FakeStrictRedis) -> None:
    """Phone numbers are masked in descriptions, reasons, meta and names; times are shown."""
    shop = f"botlive:apart:order_completed:{PHONE}"
    there: dict[str, Any] = {
        "description": f"of {PHONE}",
        "reason": f"E: {PHONE}",
        "meta": {"phone": "1", "customer_name": "Awa"},
    }
    fail(redis, _ID, **there)
    fail(redis, "other", queue=shop, **there)
    redis.sadd("rq:workers", f"rq:worker:{PHONE}")
    redis.hset(
        f"rq:worker:{PHONE}",
        mapping={"queues": shop, "state": "idle", "birth": "2026-11-26T01:02:03.456789Z"},
    )
    browser = client(redis)
    data = {name: browser.get(f"/0/data/{name}.json") for name in DATA}
    for name, answer in data.items():
        assert answer.status_code == HTTPStatus.OK
        visible = re.sub(r'"\w+_url": "[^"]*"', "", answer.text)
        assert not [text for text in (PHONE[1:], "Awa") if text in visible], name
    job = data[f"job/{_ID}"].get_json()
    assert (job["description"], job["exc_info"]) == ("of ***", "E: ***")
    assert json.loads(job["metadata"]) == {"phone": "***", "customer_name": "***"}
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00", job["created_at"])
    assert job["id"] == _ID
    for path in (*VIEWS, f"/0/view/jobs/{shop}/failed/8/asc/1"):
        page = browser.get(path).text
        assert PHONE[1:] not in re.sub(r'(href|data-post)="[^"]*"', "", page.partition("<script nonce")[0])


def test_a_redis_that_is_away_is_told(
    redis: fakeredis.FakeStrictRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If Redis is away, the response has the kind of cause, and no message that may hold a password."""
    made = board(redis)

    def away(*_: object, **__: object) -> None:
        raise RedisAway("Error 111 connecting to :secret@host")

    monkeypatch.setattr(redis, "execute_command", away)
    monkeypatch.setattr(redis, "pipeline", away)
    for path in ("/0/view/workers", "/0/data/queues.json"):
        got = made.test_client().get(path)
        assert got.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        assert "secret" not in got.text


def test_what_cannot_be_requeued_is_told(redis: fakeredis.FakeStrictRedis) -> None:
    """A job that is absent, no longer failed, or without a hash is reported; nothing changes."""
    browser = client(redis)
    redis.zadd("rq:failed:botlive", {"lost": 1})
    for job_id in ("nobody", "lost", "a/b", "<b>"):
        got = browser.post(f"/job/{job_id}/requeue", headers=OWN)
        assert (got.status_code, "nothing was changed" in got.text) == (HTTPStatus.CONFLICT, True)
    assert browser.post("/requeue/botlive", headers=OWN).get_json() == {"status": "OK", "count": 1}
    assert redis.zrange("rq:failed:botlive", 0, -1) == [b"lost"]


def test_a_requeued_job_is_as_it_was(redis: fakeredis.FakeStrictRedis) -> None:
    """A requeued job goes to the end of its queue, with unchanged data."""
    fail(redis, "mine", queue="other", meta={"by": "hand"})
    before = redis.hgetall("rq:job:mine")
    assert client(redis).post("/job/mine/requeue", headers=OWN).status_code == HTTPStatus.OK
    assert redis.lrange("rq:queue:other", 0, -1) == [b"mine"]
    after = redis.hgetall("rq:job:mine")
    kept = (b"data", b"meta", b"description", b"created_at", b"failure_ttl", b"origin")
    assert [before[name] for name in kept] == [after[name] for name in kept]
