"""Proxies and certificates of the environment that httpx cannot use: one line names the variable."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboard.reader import Reader
from gateway.client import Gateway
from gateway.errors import InvalidSetting
from gateway.settings import Settings
from operations.alerts.webhook import Message, Webhook

_CLIENTS: list[Callable[[], Any]] = [
    lambda: Gateway.connect(Settings(supabase_url="http://supabase", supabase_key="key")),  # type: ignore[arg-type]
    lambda: Reader("http://supabase", "key"),
    lambda: Webhook("http://hook"),
]


@pytest.mark.parametrize("client", _CLIENTS, ids=["gateway", "reader", "webhook"])
@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("ALL_PROXY", "socks5://s3cr3t@proxy:1080", "SOCKS"),
        ("HTTPS_PROXY", "ftp://s3cr3t@proxy", "http://HOST:PORT"),
        ("HTTP_PROXY", "http://s3cr3t@proxy\r", "http://HOST:PORT"),
        ("NO_PROXY", "[::1", "NO_PROXY"),
        ("SSL_CERT_FILE", "/s3cr3t/no-such-file.pem", "PEM"),
        ("SSLKEYLOGFILE", "/s3cr3t/no-such-folder/keys", "path"),
    ],
)
def test_what_httpx_cannot_use_is_named(
    monkeypatch: pytest.MonkeyPatch, client: Callable[[], Any], variable: str, value: str, words: str
) -> None:
    """The worker, the reads and the alerts end with the variable and its cure, and do not quote the value."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidSetting) as caught:
        client()
    assert variable in str(caught.value)
    assert words in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_a_file_without_certificates_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A certificate in another form, such as DER, is not found in the file."""
    (tmp_path / "company.der").write_bytes(b"\x30\x82")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "company.der"))
    with pytest.raises(InvalidSetting, match=r"SSL_CERT_FILE: .* PEM"):
        Reader("http://supabase", "key")


def test_a_webhook_that_cannot_be_reached_is_explained() -> None:
    """The reason is in plain words, not the name of an exception."""

    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("s3cr3t") from ConnectionRefusedError(111, "s3cr3t")

    webhook = Webhook("http://hook/s3cr3t", httpx.MockTransport(refuse))
    assert webhook.send(Message("botlive", ["x"], [])) == "nothing listens there"
