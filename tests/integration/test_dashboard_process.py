"""`botlive dashboard` as a process: its server, its addresses, and its end."""

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx
import pytest

from devstack.stack import Stack
from tests.integration.line import BIN, end
from tests.integration.roads import free_port

pytestmark = pytest.mark.slow


def started(stack: Stack, *options: str, **environment: str) -> subprocess.Popen[str]:
    """Start the command with this environment."""
    kept = {"REDIS_URL": stack.environment["REDIS_URL"], "PATH": str(BIN), "LC_ALL": "C.UTF-8"}
    return subprocess.Popen(
        [str(BIN / "botlive"), "dashboard", *options],
        env=kept | environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@contextmanager
def running(stack: Stack, *options: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the command; yield its process and the address that it prints."""
    process = started(stack, *options, **environment)
    assert process.stdout
    try:
        yield process, process.stdout.readline().removeprefix("dashboard: ").strip()
    finally:
        end(process)
        process.communicate(timeout=10)


def test_it_answers_until_it_is_stopped(stack: Stack) -> None:
    """A production server answers on the printed port until SIGTERM; a used port is reported."""
    login = {"RQ_DASHBOARD_USERNAME": "support", "RQ_DASHBOARD_PASSWORD": "secret"}
    port = free_port()
    hosts = {"BOTLIVE_DASHBOARD_HOSTS": "my.app", "PORT": str(port)}
    with running(stack, "--host", "other.app", **login, **hosts) as (process, address):
        assert urlsplit(address).port == port
        with httpx.Client(auth=("support", "secret"), base_url=address) as browser:
            got = browser.get("/")
            assert (got.status_code, "server" in got.headers) == (HTTPStatus.OK, False)
            for host, status in (
                ("my.app", 200),
                ("other.app:443", 200),
                ("evil.test", 403),
                ("10.0.0.1", 403),
            ):
                assert browser.get("/", headers={"Host": host}).status_code == status
            told = {"Host": "evil.test", "X-Forwarded-Host": "my.app", "Forwarded": "host=my.app"}
            assert browser.get("/", headers=told).status_code == HTTPStatus.FORBIDDEN
        assert raw(port, "GET http://my.app/ HTTP/1.1\r\nHost: evil.test\r\n\r\n") == HTTPStatus.FORBIDDEN
        assert raw(port, "GET / HTTP/1.0\r\n\r\n") == HTTPStatus.FORBIDDEN
        assert (
            raw(port, "GET / HTTP/1.1\r\nHost: my.app\r\nHost: evil.test\r\n\r\n") >= HTTPStatus.BAD_REQUEST
        )
        other = started(stack, "--port", str(port))
        said = other.communicate(timeout=30)
        assert (other.returncode, said[0]) == (1, "")
        (line,) = said[1].splitlines()
        assert line.startswith(f"cannot listen on 127.0.0.1, port {port} (Address already in use)")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0


def has_ipv6() -> bool:
    """Return whether this machine can listen on its IPv6 loopback address."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def raw(port: int, request: str) -> int:
    """Return the status of the response to a request that no HTTP library would send."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request.encode())
        return int(connection.recv(1_000).split()[1])


def test_it_listens_on_an_address_of_ipv6_too(stack: Stack) -> None:
    """An IPv6 address is printed in brackets, as a browser needs it; SIGINT ends the server too."""
    if not has_ipv6():
        pytest.skip("this machine has no IPv6")
    with running(stack, "--bind", "::1", "--port", "0") as (process, address):
        assert address.startswith("http://[::1]:")
        assert httpx.get(address).status_code == HTTPStatus.OK
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=15) == 0


def test_what_is_no_address_is_told(stack: Stack) -> None:
    """An invalid address is reported in one line, with exit code 1."""
    login = {"RQ_DASHBOARD_USERNAME": "support", "RQ_DASHBOARD_PASSWORD": "secret"}
    process = started(stack, "--bind", "no-such-host.invalid", **login)
    said = process.communicate(timeout=30)
    assert process.returncode == 1
    (line,) = said[1].splitlines()
    assert line.startswith("cannot listen on no-such-host.invalid, port 9181 (")
