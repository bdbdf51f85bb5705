"""Servers that stop and start again on the same port."""

import time

import httpx
import psycopg
import pytest
import redis

from devstack.stack import Stack

pytestmark = pytest.mark.slow


def test_the_gateway_survives_a_restart_of_postgresql(stack: Stack, service: httpx.Client) -> None:
    """It answers 503 while PostgreSQL is stopped, and works again afterwards."""
    assert service.post("rpc/add", json={"a": 1}).json() == 11
    stack.postgres.stop()
    try:
        answers = [service.post("rpc/add", json={"a": 1}) for _ in range(12)]
        assert {answer.status_code for answer in answers} == {503}
        assert answers[-1].json()["code"] == "PGRST000"
        assert answers[-1].headers["Retry-After"] == "1"
    finally:
        stack.postgres.start()
    assert eventually(lambda: service.post("rpc/add", json={"a": 1}).status_code == 200)


def test_postgresql_comes_back_after_a_kill(stack: Stack) -> None:
    """Port, password and committed rows are the same as before."""
    with psycopg.connect(stack.postgres.url, autocommit=True) as connection:
        connection.execute("create table if not exists public.kept (id int)")
        connection.execute("insert into public.kept values (1)")
    stack.postgres.kill()
    assert stack.postgres.pids == []
    stack.postgres.start()
    with psycopg.connect(stack.postgres.url) as connection:
        assert connection.execute("select count(*) from public.kept").fetchone() == (1,)


def test_valkey_keeps_what_it_acknowledged(stack: Stack) -> None:
    """A killed Valkey reads its append-only file when it starts again."""
    with redis.Redis.from_url(stack.valkey.url) as client:
        client.set("kept", "yes")
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    stack.valkey.kill()
    stack.valkey.start()
    with redis.Redis.from_url(stack.valkey.url, decode_responses=True) as client:
        assert client.get("kept") == "yes"


def test_the_gateway_restarts(stack: Stack, service: httpx.Client) -> None:
    """It has the same port, and the keys are still valid."""
    stack.gateway.restart()
    assert eventually(lambda: service.post("rpc/add", json={"a": 1}).status_code == 200)


def eventually(condition: object, timeout: float = 10.0) -> bool:
    """Return whether `condition` becomes true within `timeout` seconds."""
    assert callable(condition)
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            if condition():
                return True
        except httpx.TransportError:
            pass  # the old server closed this connection
        time.sleep(0.05)
    return False
