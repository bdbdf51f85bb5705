"""The dashboard's access control: host names, the login, and starts that are refused."""

from http import HTTPStatus

import fakeredis
import pytest

from operations import cli
from operations.board.gate import Gate, Login, named
from tests.unit.board import OWN, client, contents, fail

_ID = "01976f2e-5b7a-7c3d-9e21-3f6a8c0d1b42"


@pytest.fixture
def redis() -> fakeredis.FakeStrictRedis:
    """A Redis server with one failed job."""
    made = fakeredis.FakeStrictRedis()
    fail(made, _ID)
    return made


KNOWN = ("localhost", "LocalHost:9181", "127.0.0.1:80", "[::1]:9181", "[::1]", "my.app")
UNKNOWN = (
    *("evil.test", "localhost.evil.test", "evil.test:9181", "my.app.evil.test", "xmy.app", "sub.my.app"),
    *("localhost@evil.test", "evil.test@localhost", "localhost:80:80", "localhost:x", "localhost, evil.test"),
    *("127.0.0.1.evil.test", "10.0.0.1", "127.1", "[::2]", "::1", "[::1", " ", "localhost.", "0x7f.1"),
    *("localhost/x", "localhost#x", "localhost?x", "lo\tcalhost", "*", "<script>"),
)


def test_hosts_that_are_known_are_answered(redis: fakeredis.FakeStrictRedis) -> None:
    """Only localhost, with any port, and the configured names are accepted, whatever other headers say.

    The refusal says what to do, and does not quote the host.
    """
    browser = client(redis, Gate(["my.app"]))
    for host in KNOWN:
        assert browser.get("/", headers={"Host": host}).status_code == HTTPStatus.OK, host
    for host in UNKNOWN:
        told = {"Host": host, "X-Forwarded-Host": "localhost", "Forwarded": "host=localhost"}
        for path in ("/", "/0/data/queues.json", "/static/css/main.css", "/nothing-there"):
            got = browser.get(path, headers=told)
            assert got.status_code == HTTPStatus.FORBIDDEN, host
            assert "BOTLIVE_DASHBOARD_HOSTS" in got.text
            assert "evil" not in got.text
    assert browser.get("/", environ_overrides={"HTTP_HOST": ""}).status_code == HTTPStatus.FORBIDDEN


def test_host_names_are_taken_alone() -> None:
    """Host names are separated by commas, in any case; URLs and patterns are refused."""
    assert named(["A.example, b.example,", "[FE80::1]"]) == ["a.example", "b.example", "fe80::1"]
    for wrong in ("https://a.example", "a.example:80", "*.example", ".example", "a/b", "a b", "a@b"):
        with pytest.raises(Exception, match="must contain only host names"):
            named([wrong])


def test_the_login_is_asked_for_everywhere(redis: fakeredis.FakeStrictRedis) -> None:
    """Pages, data, static files, unknown routes and changes need the login."""
    guarded = client(redis, Gate(login=Login("support", "pässword")))
    before = contents(redis)
    wrong = [
        None,
        ("support", ""),
        ("support", "passwor"),
        ("suppor", "pässword"),
        ("", ""),
        ("pässword", "support"),
    ]
    for path in ("/", "/0/data/queues.json", "/static/css/main.css", "/nothing-there", "/favicon.ico"):
        for auth in wrong:
            got = guarded.get(path, auth=auth)
            assert got.status_code == HTTPStatus.UNAUTHORIZED
            assert got.headers["WWW-Authenticate"] == 'Basic realm="Botlive", charset="UTF-8"'
    for header in (
        "Bearer pässword",
        "Basic",
        "Basic !!!",
        "Basic " + "A" * 9_000,
        "Digest username=support",
    ):
        assert guarded.get("/", headers={"Authorization": header}).status_code == HTTPStatus.UNAUTHORIZED
    assert guarded.post(f"/job/{_ID}/requeue", headers=OWN).status_code == HTTPStatus.UNAUTHORIZED
    assert guarded.get("/", auth=("support", "pässword")).status_code == HTTPStatus.OK
    assert contents(redis) == before


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (["--bind", "::"], {}, "set RQ_DASHBOARD_USERNAME and RQ_DASHBOARD_PASSWORD"),
        (["--host", "my.app"], {}, "set RQ_DASHBOARD_USERNAME and RQ_DASHBOARD_PASSWORD"),
        ([], {"BOTLIVE_DASHBOARD_HOSTS": "my.app"}, "set RQ_DASHBOARD_USERNAME and RQ_DASHBOARD_PASSWORD"),
        ([], {"RQ_DASHBOARD_USERNAME": "support"}, "one of the two is not set"),
        ([], {"RQ_DASHBOARD_PASSWORD": "x", "RQ_DASHBOARD_USERNAME": ""}, "one of the two is not set"),
        (["--host", "https://my.app"], {}, "must contain only host names"),
        (["--port", "65536"], {}, "Invalid value for '--port'"),
        ([], {"PORT": "http"}, "Invalid value for '--port'"),
    ],
)
def test_a_start_that_would_not_be_safe_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    environment: dict[str, str],
    words: str,
) -> None:
    """An unsafe configuration ends with exit code 2 and what to do, before Redis is used."""
    for name in ("RQ_DASHBOARD_USERNAME", "RQ_DASHBOARD_PASSWORD", "BOTLIVE_DASHBOARD_HOSTS", "PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        cli.main(["dashboard", *arguments])
    assert ended.value.code == 2
    assert words in " ".join(capsys.readouterr().err.split())
