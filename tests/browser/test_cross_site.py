"""Another site in the operator's browser cannot change or read anything in the dashboard."""

import json
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, cast

import pytest
from playwright.sync_api import Browser, expect

from devstack.valkey import Valkey
from tests.browser.hostile import EVIL
from tests.browser.visit import Visit, served
from tests.unit.board import contents

pytestmark = pytest.mark.slow

ATTACK = """<!DOCTYPE html><body><script>
const target = TARGET;
const paths = ["requeue/botlive", "job/failed-1/requeue", "job/failed-1/delete", "queue/botlive/queued/empty",
               "queue/botlive/failed/empty", "queue/botlive/compact"];
const tries = [];
for (const path of paths) {
    for (const type of ["text/plain", "application/x-www-form-urlencoded"]) {
        tries.push(fetch(target + path, {method: "POST", mode: "no-cors", credentials: "include",
                                         headers: {"Content-Type": type}, body: "x=1"}));
    }
    tries.push(fetch(target + path, {method: "POST", mode: "no-cors", credentials: "include"}));
    tries.push(fetch(target + path, {method: "POST", headers: {"X-Requested-With": "XMLHttpRequest"}}));
    tries.push(fetch(target + path, {mode: "no-cors", credentials: "include"}));
    navigator.sendBeacon(target + path, "x=1");
    new Image().src = target + path;
    const frame = document.createElement("iframe");
    frame.name = path;
    document.body.append(frame);
    const form = document.createElement("form");
    Object.assign(form, {method: "post", action: target + path, target: path});
    document.body.append(form);
    form.submit();
}
const read = fetch(target + "0/data/queues.json", {credentials: "include"})
    .then((answer) => answer.text(), () => "refused");
const frame = document.createElement("iframe");
frame.src = target;
frame.id = "page";
document.body.append(frame);
const script = document.createElement("script");
script.src = target + "0/data/queues.json";
document.body.append(script);
Promise.allSettled(tries).then(() => read).then((text) => setTimeout(() => { window.read = text }, 500));
</script><a href=TARGET>there</a>"""


@pytest.fixture(scope="module")
def evil() -> Iterator[int]:
    """Run a site that attacks the address in its query; yield its port."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Send a page that attacks the address in the query."""
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            target = json.dumps(self.path.partition("?")[2])
            self.wfile.write(ATTACK.replace("TARGET", target).encode())

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def attack(visit: Visit, site: str) -> str:
    """Visit the site and let it attack; return what it could read."""
    visit.page.goto(f"{site}/?{visit.origin}")
    visit.page.wait_for_function("window.read !== undefined", timeout=20_000)
    return cast("str", visit.page.evaluate("window.read"))


def submit(visit: Visit, path: str) -> None:
    """Let the site submit a form to the address, which makes a browser send the operator's login."""
    code = "(to) => Object.assign(document.querySelector('form'), {action: to, target: '_top'}).submit()"
    with visit.page.expect_navigation():
        visit.page.evaluate(code, visit.origin + path)


@pytest.mark.parametrize("name", [EVIL, "127.0.0.1"])
def test_another_site_does_nothing(visit: Visit, redis: Any, evil: int, name: str) -> None:
    """From elsewhere, and from another port of this machine: no change, no read, no frame.

    A link from there is followed.
    """
    before = contents(redis)
    assert attack(visit, f"http://{name}:{evil}") == "refused"
    frames = [frame for frame in visit.page.frames if frame.url.startswith(visit.origin)]
    assert not [frame for frame in frames if "Queues" in frame.content()]
    visit.page.locator("a").click()
    expect(visit.page.locator("h1")).to_have_text("Queues")
    for path in ("queue/botlive/queued/empty", "requeue/botlive", "job/failed-1/requeue"):
        visit.page.go_back()
        submit(visit, path)
    assert contents(redis) == before


def test_another_site_would_do_it(browser: Browser, valkey: Valkey, redis: Any, evil: int) -> None:
    """The same attacks succeed against plain rq-dashboard, so the test above can fail."""
    login = {"RQ_DASHBOARD_USERNAME": "support", "RQ_DASHBOARD_PASSWORD": "secret"}
    with served(f"redis://127.0.0.1:{valkey.port}/0", stock=True) as address:
        stock = Visit(browser, address)
        attack(stock, f"http://{EVIL}:{evil}")
        assert b"queued-1" not in redis.lrange("rq:queue:botlive", 0, -1)
        stock.close()
    redis.rpush("rq:queue:botlive", "again")
    with served(f"redis://127.0.0.1:{valkey.port}/0", stock=True, environment=login) as address:
        stock = Visit(browser, address, login)
        stock.open("/")
        attack(stock, f"http://{EVIL}:{evil}")
        submit(stock, "queue/botlive/queued/empty")
        assert redis.llen("rq:queue:botlive") == 0
        stock.close()


def test_a_login_is_no_key_for_other_sites(browser: Browser, valkey: Valkey, redis: Any, evil: int) -> None:
    """The attacks fail too when the operator is logged in."""
    login = {"RQ_DASHBOARD_USERNAME": "support", "RQ_DASHBOARD_PASSWORD": "secret"}
    before = contents(redis)
    with served(f"redis://127.0.0.1:{valkey.port}/0", environment=login) as address:
        visit = Visit(browser, address, login)
        visit.open("/")
        attack(visit, f"http://{EVIL}:{evil}")
        submit(visit, "requeue/botlive")
        assert "own pages" in visit.page.content()
        visit.close()
    assert contents(redis) == before


def test_a_rebound_name_is_refused(visit: Visit) -> None:
    """A foreign name that resolves to this machine is refused, and the page says what to do."""
    answer = visit.page.goto(visit.origin.replace("127.0.0.1", EVIL))
    assert answer
    assert answer.status == HTTPStatus.FORBIDDEN
    assert "BOTLIVE_DASHBOARD_HOSTS" in visit.page.locator("body").inner_text()
