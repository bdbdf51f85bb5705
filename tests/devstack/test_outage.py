"""Servers that go away and come back on the same port."""

import time

import httpx
import psycopg
import redis

from devstack.stack import Stack


def test_the_gateway_survives_a_restart_of_postgresql(stack: Stack, service: httpx.Client) -> None:
    """503 at once while PostgreSQL is away, service again after, and the listener as well."""
    assert service.post("rpc/add", json={"a": 1}).json() == 11
    stack.postgres.stop()
    try:
        begun = time.monotonic()
        answers = [service.post("rpc/add", json={"a": 1}) for _ in range(12)]
        assert {answer.status_code for answer in answers} == {503}
        assert answers[-1].json()["code"] == "PGRST000"
        assert answers[-1].headers["Retry-After"] == "1"
        assert time.monotonic() - begun < 5
    finally:
        stack.postgres.start()
    assert eventually(lambda: service.post("rpc/add", json={"a": 1}).status_code == 200)
    with psycopg.connect(stack.postgres.url, autocommit=True) as connection:
        connection.execute(
            "create or replace function public.add3(a int) returns int language sql as 'select a'"
        )
        connection.execute("notify pgrst, 'reload schema'")
    assert eventually(lambda: service.post("rpc/add3", json={"a": 1}).status_code == 200)


def test_postgresql_comes_back_after_a_kill(stack: Stack) -> None:
    """Same port, same password, and what was committed is there."""
    with psycopg.connect(stack.postgres.url, autocommit=True) as connection:
        connection.execute("create table if not exists public.kept (id int)")
        connection.execute("insert into public.kept values (1)")
    stack.postgres.kill()
    assert stack.postgres.pids == []
    stack.postgres.start()
    with psycopg.connect(stack.postgres.url) as connection:
        assert connection.execute("select count(*) from public.kept").fetchone() == (1,)


def test_valkey_keeps_what_it_acknowledged(stack: Stack) -> None:
    """A killed Valkey reads its append-only file when it comes back."""
    with redis.Redis.from_url(stack.valkey.url) as client:
        client.set("kept", "yes")
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    stack.valkey.kill()
    stack.valkey.start()
    with redis.Redis.from_url(stack.valkey.url, decode_responses=True) as client:
        assert client.get("kept") == "yes"


def test_the_gateway_restarts(stack: Stack, service: httpx.Client) -> None:
    """The same port again, and the keys still count."""
    stack.gateway.restart()
    assert eventually(lambda: service.post("rpc/add", json={"a": 1}).status_code == 200)


def eventually(condition: object, timeout: float = 10.0) -> bool:
    """Whether `condition` comes to hold within `timeout` seconds."""
    assert callable(condition)
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            if condition():
                return True
        except httpx.TransportError:
            pass  # the connection that the old server had closed
        time.sleep(0.05)
    return False
