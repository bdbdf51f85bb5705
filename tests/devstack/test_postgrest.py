"""A stack that starts a PostgREST. A program that records its settings takes PostgREST's place."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from devstack import postgrest, processes
from devstack.server import ServerError
from devstack.stack import Stack

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).with_name("recorder.py")


def executable(path: Path, script: str) -> Path:
    """Write a program that can be run."""
    path.write_text(f"#!/bin/bash\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a program that keeps the name it was called by, as wrappers of package managers do."""
    directory = tmp_path_factory.mktemp("program")
    return executable(directory / "postgrest", f'exec -a "$0" {sys.executable} {PROGRAM}')


@pytest.fixture(scope="module")
def real(program: Path) -> Iterator[Stack]:
    """Start a stack in an environment that names the program."""
    stack = Stack(migrations=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(postgrest.VARIABLE, str(program))
        stack.start()
    try:
        yield stack
    finally:
        stack.stop()


@pytest.fixture
def api(real: Stack) -> Iterator[httpx.Client]:
    """Return a client of that stack's API, without a credential."""
    with httpx.Client(base_url=f"{real.environment['SUPABASE_URL']}/rest/v1", timeout=20) as client:
        yield client


def received(answer: httpx.Response) -> dict[str, Any]:
    """Return what reached the program."""
    assert answer.status_code == 200, answer.text
    parts: dict[str, Any] = answer.json()
    return parts


def test_it_is_started_with_the_settings_of_a_hosted_project(real: Stack) -> None:
    """Its settings are environment variables, and its database URL is that of ``authenticator``."""
    assert real.postgrest
    settings = json.loads((real.postgrest.directory / "settings.json").read_text())
    ports, secrets = real.state.ports, real.state.secrets
    assert settings == {
        "PGRST_DB_URI": f"postgresql://authenticator:{secrets.authenticator_password}"
        f"@127.0.0.1:{ports.postgres}/postgres",
        "PGRST_DB_SCHEMAS": "public",
        "PGRST_DB_ANON_ROLE": "anon",
        "PGRST_DB_MAX_ROWS": "1000",
        "PGRST_JWT_SECRET": secrets.jwt_secret,
        "PGRST_SERVER_HOST": "127.0.0.1",
        "PGRST_SERVER_PORT": str(ports.postgrest),
        "PGRST_ADMIN_SERVER_PORT": str(ports.postgrest_admin),
    }
    with psycopg.connect(settings["PGRST_DB_URI"]) as connection:
        assert connection.execute("select current_user").fetchone() == ("authenticator",)


def test_it_is_known_by_its_command_line(real: Stack) -> None:
    """A later start finds it, so a killed stack leaves no server behind."""
    assert real.postgrest
    assert [found.pid for found in processes.serving(real.postgrest.directory)] == real.postgrest.pids
    assert len(processes.serving(real.postgrest.directory.parent)) == 4


def test_the_stack_waits_until_it_is_ready(real: Stack) -> None:
    """The program is ready when it is asked for the third time, and the stack has started."""
    asked_again = httpx.get(f"http://127.0.0.1:{real.state.ports.postgrest_admin}/ready")
    assert asked_again.status_code == 200


def test_the_prefix_is_stripped_and_nothing_else(api: httpx.Client) -> None:
    """Method, path, query string, headers and body arrive as they were sent."""
    answer = api.patch(
        "/a%20b/c%2Fd?select=x,y&id=in.(%221%22,2)&e=%C3%A9",
        content='{"é": 1}',
        headers={"Prefer": "return=representation", "Content-Type": "application/json"},
    )
    parts = received(answer)
    assert parts["method"] == "PATCH"
    assert parts["path"] == "/a%20b/c%2Fd?select=x,y&id=in.(%221%22,2)&e=%C3%A9"
    assert parts["body"] == '{"é": 1}'
    assert parts["headers"]["prefer"] == ["return=representation"]
    assert parts["headers"]["content-type"] == ["application/json"]
    assert answer.headers["Content-Range"] == "0-0/7"
    assert received(api.get("/"))["path"] == "/"


def test_credentials_arrive_as_a_jwt(api: httpx.Client, real: Stack) -> None:
    """The gateway replaces an opaque key by a JWT for PostgREST. A user's JWT is not changed."""

    def authorization(**headers: str) -> list[str] | None:
        found: list[str] | None = received(api.get("/orders", headers=headers))["headers"].get(
            "authorization"
        )
        return found

    secrets = real.state.secrets
    assert authorization() is None
    assert authorization(apikey=secrets.secret_key) == [f"Bearer {secrets.service_key}"]
    assert authorization(Authorization=f"Bearer {secrets.publishable_key}") == [f"Bearer {secrets.anon_key}"]
    assert authorization(apikey=secrets.anon_key, Authorization="Bearer a.b.c") == ["Bearer a.b.c"]
    assert authorization(Authorization="Bearer") == ["Bearer"]
    assert api.get("/orders", headers={"apikey": "sb_secret_other"}).status_code == 401


def test_statuses_and_head_are_passed_on(api: httpx.Client) -> None:
    """An error's status and headers are PostgREST's, and a HEAD has no body."""
    answer = api.get("/gone")
    assert (answer.status_code, answer.headers["Content-Range"]) == (404, "0-0/7")
    head = api.head("/orders")
    assert (head.status_code, head.content, head.headers["Content-Range"]) == (200, b"", "0-0/7")


def test_a_postgrest_that_is_away_is_503(api: httpx.Client, real: Stack) -> None:
    """The gateway says that PostgREST is away, and where its log is."""
    assert real.postgrest
    real.postgrest.kill()
    try:
        answer = api.get("/orders")
    finally:
        real.postgrest.start()
    message = "PostgREST gave no answer: see postgrest.log in the stack's directory"
    assert (answer.status_code, answer.json()) == (503, {"message": message, "hint": None})
    assert answer.headers["Retry-After"] == "1"
    assert api.get("/orders").status_code == 200


def test_a_postgrest_that_ends_at_once_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error has the end of its log."""
    broken = executable(tmp_path / "broken", "echo 'no such option' >&2; exit 3")
    monkeypatch.setenv(postgrest.VARIABLE, str(broken))
    with pytest.raises(ServerError, match=r"(?s)PostgREST ended at once with exit code 3.*no such option"):
        Stack(migrations=False).start()


@pytest.mark.parametrize("named", [None, "", "{program}", "postgrest"])
def test_the_program_is_named_or_found_on_the_path(
    program: Path, monkeypatch: pytest.MonkeyPatch, named: str | None
) -> None:
    """Without the variable it is the one on the PATH; the empty variable means the stand-in."""
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv(postgrest.VARIABLE)
    if named is not None:
        monkeypatch.setenv(postgrest.VARIABLE, named.format(program=program))
    assert postgrest.program() == (None if named == "" else str(program))


def test_a_machine_without_postgrest_uses_the_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """No program on the PATH and no variable is no error."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv(postgrest.VARIABLE)
    assert postgrest.program() is None


def test_a_variable_that_names_no_program_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stack does not start the stand-in in its place."""
    monkeypatch.setenv(postgrest.VARIABLE, "/no/such/postgrest")
    with pytest.raises(ServerError, match="BOTLIVE_POSTGREST is /no/such/postgrest, which is not a program"):
        Stack(migrations=False).start()
