"""The router in a host's application: its answers, and the text of its errors."""

from typing import Any

import httpx
import pytest

from dashboard import Reader
from events import LiveToggled, Publisher, PublishError
from gateway.errors import DeploymentFault, MissingSetting, TransientFault
from tests.application import CALLS, PHONE, PROBLEM, Host, Recorder, call, problem


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host application with a fake Supabase and a fake queue."""
    made = Host()
    monkeypatch.setattr(Reader, "from_env", made.reader)
    return made


def test_a_toggle_is_published(host: Host) -> None:
    """A toggle publishes an event. Only an enable returns a session id, which is the event's id."""
    client = host.client()
    on = client.post("/toggle-live-mode", json={"company_id": "shop", "enable": True})
    off = client.post("/toggle-live-mode", json={"company_id": "shop", "enable": False})
    first, second = host.publisher.events
    assert (on.status_code, on.json()) == (200, {"status": "enabled", "session_id": str(first.event_id)})
    assert (off.status_code, off.json()) == (200, {"status": "disabled"})
    assert isinstance(first, LiveToggled)
    assert isinstance(second, LiveToggled)
    assert (first.company_id, first.enabled, first.mode, second.enabled) == ("shop", True, "live", False)


def test_a_toggle_that_is_sent_twice_is_one_event(host: Host) -> None:
    """Two toggles with the same key are one event and return the same id, in any process."""
    client = host.client()
    body = {"company_id": "shop", "enable": True, "key": "click-1"}
    answers = [client.post("/toggle-live-mode", json=body).json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert {str(event.event_id) for event in host.publisher.events} == {answers[0]["session_id"]}
    problem(client.post("/toggle-live-mode", json={**body, "key": ""}), 422)


def test_without_a_publisher_one_is_made_once_and_late(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mounting needs no Redis. The first toggle creates the publisher; later ones reuse it."""
    made: list[Recorder] = []

    def from_env() -> Publisher:
        made.append(Recorder())
        return made[-1]

    monkeypatch.setattr(Publisher, "from_env", from_env)
    client = host.client(publisher=None)
    assert made == []
    for _ in range(2):
        assert call(client, *CALLS[0]).status_code == 200
    assert [len(one.events) for one in made] == [2]


def test_activities_are_answered_in_their_shape(host: Host) -> None:
    """Activities are returned in their form, with the given limit or 10."""
    host.answer = httpx.Response(200, json=[{"title": "T", "type": "system"}])
    response = host.client().get("/botlive/activity/shop")
    assert response.json() == {
        "success": True,
        "activities": [{"type": "system", "client": "T", "produit": "", "timestamp": "récemment"}],
    }
    host.client().get("/botlive/activity/shop?limit=100")
    assert host.asked == [{"text_id": "shop", "at_most": 10}, {"text_id": "shop", "at_most": 100}]


def test_active_orders_are_answered_in_their_shape(host: Host) -> None:
    """Active orders are returned with their number, with the given limit or 50."""
    host.answer = httpx.Response(200, json=[{"customer_name": "Awa", "total_amount": 5.0}, {}])
    document = host.client().get("/botlive/orders/active/shop").json()
    assert document["total"] == 2
    assert document["success"] is True
    assert document["orders"][0] == {
        "user_id": "Awa",
        "user_name": "Awa",
        "produit": "",
        "paiement": "✅ 5 FCFA",
        "zone": "❌",
        "numero": "❌",
        "completion_rate": 25,
        "created_at": "",
    }
    host.client().get("/botlive/orders/active/shop?limit=500")
    assert [asked["at_most"] for asked in host.asked] == [50, 500]


def test_an_unknown_company_is_an_empty_list(host: Host) -> None:
    """An unknown company gives an empty list, not an error."""
    host.answer = httpx.Response(200, content=b"null")
    assert host.client().get("/botlive/activity/x").json() == {"success": True, "activities": []}
    assert host.client().get("/botlive/orders/active/x").json() == {"success": True, "orders": [], "total": 0}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"company_id": "", "enable": True}, {"company_id"}),
        ({"company_id": "x" * 129, "enable": True}, {"company_id"}),
        ({"company_id": f"{PHONE}\0", "enable": True}, {"company_id"}),
        ({"company_id": 5, "enable": True}, {"company_id"}),
        ({"company_id": "shop", "enable": PHONE}, {"enable"}),
        ({"company_id": "shop", "enable": 1}, {"enable"}),
        ({"company_id": "shop", "enable": "true"}, {"enable"}),
        ({"company_id": "shop", "enable": None}, {"enable"}),
        ({"company_id": "shop", "enable": True, PHONE: 1}, {"body"}),
        ({"company_id": "shop", "enable": True, "mode": "rag"}, {"body"}),
        ({}, {"company_id", "enable"}),
        ([PHONE], {"body"}),
        (None, {"body"}),
        (PHONE, {"body"}),
    ],
)
def test_a_body_that_does_not_fit_is_refused(host: Host, body: Any, fields: set[str]) -> None:
    """The error names the field, but shows neither the value nor a name that the sender chose."""
    response = host.client().post("/toggle-live-mode", json=body)
    document = problem(response, 422)
    assert document["errors"].keys() == fields
    assert all(field in document["detail"] for field in fields)
    assert PHONE not in response.text
    assert "mode" not in response.text
    assert host.publisher.events == []


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/botlive/activity/shop?limit=0", "limit"),
        ("/botlive/activity/shop?limit=101", "limit"),
        ("/botlive/activity/shop?limit=%2B2250700000000", "limit"),
        ("/botlive/activity/shop?limit=dix", "limit"),
        (f"/botlive/activity/shop?limit={'9' * 5000}", "limit"),
        ("/botlive/activity/a%00b", "company_id"),
        (f"/botlive/activity/{'x' * 129}", "company_id"),
        ("/botlive/orders/active/shop?limit=0", "limit"),
        ("/botlive/orders/active/shop?limit=501", "limit"),
        ("/botlive/orders/active/a%00b", "company_id"),
    ],
)
def test_a_path_or_query_that_does_not_fit_is_refused(host: Host, path: str, field: str) -> None:
    """A limit must be 1 to 100 or 1 to 500; a company's id has 1 to 128 characters and no zero byte."""
    response = host.client().get(path)
    assert problem(response, 422)["errors"].keys() == {field}
    assert "225" not in response.text
    assert host.asked == []


@pytest.mark.parametrize("path", [path for method, path, _ in CALLS if method == "GET"])
@pytest.mark.parametrize(
    ("answer", "error", "pause"),
    [
        (httpx.Response(503, headers={"Retry-After": "17"}), None, "17"),
        (httpx.Response(503), None, "5"),
        (httpx.Response(401, json={"message": PHONE}), None, "5"),
        (httpx.Response(200, html=f"<h1>{PHONE}</h1>"), None, "5"),
        (None, httpx.ConnectError(PHONE), "5"),
        (None, httpx.ReadTimeout(PHONE), "5"),
    ],
)
def test_without_supabase_nothing_pretends(
    host: Host,
    caplog: pytest.LogCaptureFixture,
    path: str,
    answer: httpx.Response | None,
    error: Exception | None,
    pause: str,
) -> None:
    """The answer is 503 with ``Retry-After``. Only the log has the cause, without request data."""
    host.answer, host.error = answer or host.answer, error
    response = host.client().get(path)
    document = problem(response, 503)
    assert document["detail"] == "temporarily unavailable, try again later"
    assert response.headers["retry-after"] == pause
    assert "Fault: Supabase" in caplog.text
    assert PHONE not in caplog.text + response.text


@pytest.mark.parametrize(
    "error", [PublishError(), TransientFault("x"), DeploymentFault(), MissingSetting("REDIS_URL")]
)
def test_without_redis_nothing_pretends(
    host: Host, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """A toggle gets 503, and the log says why."""
    host.publisher.error = error
    response = call(host.client(), *CALLS[0])
    problem(response, 503)
    assert response.headers["retry-after"] == "5"
    assert caplog.messages[-1] == f"{type(error).__name__}: {error}"


def test_the_hosts_own_routes_keep_their_own_errors(host: Host) -> None:
    """Only our routes answer with problem documents."""
    client = host.client()

    @client.app.get("/own")
    def own(number: int) -> int:
        return number

    assert client.get("/own?number=x").json()["detail"][0]["loc"] == ["query", "number"]
    assert client.get("/nowhere").json() == {"detail": "Not Found"}


def test_the_openapi_description(host: Host) -> None:
    """Each endpoint has examples, a response model and its problems."""
    description = host.client().app.openapi()
    operations = {path: next(iter(item.items())) for path, item in description["paths"].items()}
    assert {path: method for path, (method, _) in operations.items()} == {
        "/toggle-live-mode": "post",
        "/botlive/activity/{company_id}": "get",
        "/botlive/orders/active/{company_id}": "get",
    }
    for _, operation in operations.values():
        responses = operation["responses"]
        assert {"200", "400", "401", "403", "422", "503"} <= responses.keys()
        problems = [response["content"].keys() for status, response in responses.items() if status != "200"]
        assert all(media == {PROBLEM} for media in problems)
        assert "Retry-After" in responses["503"]["headers"]
        for parameter in operation.get("parameters", []):
            assert parameter["schema"]["examples"]
    schemas = description["components"]["schemas"]
    for name in ("Toggle", "Enabled", "Disabled", "Activities", "ActiveOrders"):
        assert schemas[name]["examples"]
    assert "HTTPValidationError" not in schemas
