"""The gateway: any answer, or none, gives an error of ours that says what to do."""

import socket
import ssl
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from events import LiveToggled
from gateway.client import Gateway
from gateway.errors import DeploymentFault, TransientFault, UnclassifiedFault, WorkerError
from gateway.settings import Settings
from tests.make import persist


def gateway(answer: httpx.Response) -> Gateway:
    """Returns a gateway that always gets this answer."""
    settings = Settings(supabase_url="http://supabase", supabase_key=SecretStr("key"))
    return Gateway.connect(settings, transport=httpx.MockTransport(lambda _: answer))


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (
            httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip")),
            TransientFault,
        ),
        (httpx.Response(200, text="[" * 100_000), WorkerError),
        (httpx.Response(200, text='[{"outcome": "pers'), WorkerError),
        (httpx.Response(200, json={"outcome": "persisted"}), UnclassifiedFault),
        (httpx.Response(200, text="<html>"), WorkerError),
    ],
    ids=["encoding", "depth", "half", "object", "html"],
)
def test_a_spoilt_answer_holds_the_events(answer: httpx.Response, fault: type[WorkerError]) -> None:
    """A damaged answer gives a ``WorkerError`` that blames no event."""
    with pytest.raises(fault):
        persist(gateway(answer), [])


_HTML = "<html><body>+2250700000000</body></html>"
_GOOD = [{"outcome": "persisted"}]


@pytest.mark.parametrize(
    "answer",
    [
        *[
            {"outcome": "persisted"},
            [],
            [*_GOOD, *_GOOD],
            [{}],
            [None],
            ["persisted"],
            [[]],
            [{"outcome": 7}],
        ],
        *[[{"outcome": "unheard of"}], [{"outcome": "refused", "reason": {}}], [{"outcome": None}], [_HTML]],
    ],
    ids=str,
)
def test_what_is_not_said_to_be_persisted_is_not_taken_for_it(answer: Any) -> None:
    """An answer of another form, or an unknown outcome, holds the events until a migration."""
    with pytest.raises(UnclassifiedFault, match="run `botlive migrate`") as caught:
        persist(gateway(httpx.Response(200, json=answer)), [LiveToggled(company_id="shop", enabled=True)])
    assert "+225" not in str(caught.value)


@pytest.mark.parametrize("status", [200, 201, 202, 203, 206])
@pytest.mark.parametrize("body", [_HTML, "ok", "null", "7", '"text"', "true"])
def test_somebody_elses_success_is_no_answer(status: int, body: str) -> None:
    """A successful answer of another server (a login page, a captive portal) asks for no migration."""
    with pytest.raises(UnclassifiedFault, match="not the database's API") as caught:
        gateway(httpx.Response(status, text=body)).probe()
    assert "migrate" not in str(caught.value)
    assert "+225" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx.Response(401, json={"message": "Invalid API key", "hint": "…"}), "SUPABASE_KEY"),
        (httpx.Response(401, json={"message": "No API key found in request"}), "SUPABASE_KEY"),
        (httpx.Response(401, text="<html>"), "SUPABASE_KEY"),
        (httpx.Response(402, json={"message": "exceed_egress_quota"}), "its quota is used up"),
        (httpx.Response(403, text=_HTML), "a proxy or firewall"),
        (httpx.Response(403, json={"error": "blocked"}), "a proxy or firewall"),
        (
            httpx.Response(404, json={"message": "no Route matched with those values"}),
            "of an existing project",
        ),
        (httpx.Response(404, text=_HTML), "of an existing project"),
        (httpx.Response(404, json=["not", "an", "object"]), "of an existing project"),
        (httpx.Response(302, headers={"Location": "https://secret/"}), "the address that it redirects to"),
        (httpx.Response(540, json={"message": "Project paused"}), "is paused"),
        (httpx.Response(522, text=_HTML), "Cloudflare"),
        (httpx.Response(500, text=_HTML), "away or overloaded"),
        (httpx.Response(418, text=_HTML), "an unknown answer"),
    ],
    ids=str,
)
def test_who_speaks_is_told(answer: httpx.Response, words: str) -> None:
    """The message says which server answered and what to do, and never asks for `botlive migrate`."""
    with pytest.raises(WorkerError) as caught:
        gateway(answer).probe()
    assert words in str(caught.value)
    assert "migrate" not in str(caught.value)
    assert isinstance(caught.value, DeploymentFault | TransientFault | UnclassifiedFault)


def test_a_migration_that_is_missing_is_told() -> None:
    """PostgREST's answer for a missing function asks for a migration."""
    body = {"code": "PGRST202", "message": "Could not find the function", "hint": None, "details": None}
    with pytest.raises(DeploymentFault, match="run `botlive migrate`"):
        gateway(httpx.Response(404, json=body)).probe()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def _refused(url: str, **options: Any) -> str:
    read: dict[str, Any] = {"supabase_url": url, "supabase_key": "key", "BOTLIVE_TIMEOUT": 0.3}
    settings = Settings(**read, **options)
    with pytest.raises(TransientFault) as caught:
        Gateway.connect(settings).probe()
    return str(caught.value)


def test_no_answer_is_told_with_its_kind(listener: socket.socket) -> None:
    """The message names the cause: no answer, a closed port, an unknown host, or a server without TLS."""
    port = listener.getsockname()[1]
    assert "(no answer in time)" in _refused(f"http://127.0.0.1:{port}")
    assert "(its host name is unknown)" in _refused("http://nowhere.invalid") or "(its host name cannot" in (
        _refused("http://nowhere.invalid")
    )
    listener.close()
    assert "(nothing listens there)" in _refused(f"http://127.0.0.1:{port}")


def not_strict() -> ssl.SSLCertVerificationError:
    """Returns the error of a certificate without Authority Key Identifier."""
    error = ssl.SSLCertVerificationError(1, "secret")
    error.verify_code = 85
    return error


@pytest.mark.parametrize(
    ("behind", "words"),
    [
        (ssl.SSLCertVerificationError(1, "secret"), "its certificate is not trusted"),
        (not_strict(), "lacks an extension that Python requires since 3.13"),
        (ssl.SSLError(1, "secret"), "it does not use TLS"),
        (socket.gaierror(socket.EAI_AGAIN, "secret"), "cannot be looked up at the moment"),
        (OSError(101, "secret"), "which may be an IPv6 network"),
        (ConnectionResetError(104, "secret"), "the connection was closed"),
        (OSError(24, "secret"), "too many files"),
        (OSError(9999, "secret"), "ConnectError"),
        (None, "ConnectError"),
    ],
    ids=str,
)
def test_the_kind_is_that_of_the_first_cause(behind: Exception | None, words: str) -> None:
    """The message names the root cause and does not repeat the text of httpx, which may quote an address."""

    def fail(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("secret") from behind

    settings = Settings(supabase_url="http://supabase", supabase_key=SecretStr("key"))
    with pytest.raises(TransientFault) as caught:
        Gateway.connect(settings, transport=httpx.MockTransport(fail)).probe()
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)
