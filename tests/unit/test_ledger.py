"""The fields in a job's hash that RQ would pass to Redis."""

from typing import Any
from unittest.mock import Mock

import fakeredis
import pytest

from worker.claims import Claims
from worker.ledger import Ledger

NUMBERS = ("timeout", "ttl", "result_ttl", "failure_ttl")


@pytest.fixture
def connection() -> fakeredis.FakeRedis:
    """A Redis."""
    return fakeredis.FakeRedis()


def read(connection: fakeredis.FakeRedis, **fields: Any) -> Any:
    """The job of this hash, as the books read it."""
    mapping: dict[Any, Any] = {"data": "{}", "status": "started", "origin": "botlive", **fields}
    connection.hset("rq:job:one", mapping=mapping)
    return Ledger(Mock(connection=connection), Claims(connection, "botlive", "botlive-me")).job("one")


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize("value", [str(2**31 + 1), "9" * 400, "-2", "-" + "9" * 400])
def test_a_number_that_redis_takes_from_nobody_is_dropped(
    connection: fakeredis.FakeRedis, field: str, value: str
) -> None:
    """Alone, in any of the fields: Redis would refuse the command in which RQ names it."""
    job = read(connection, **{field: value})
    assert getattr(job, field) in {None, -1}
    assert connection.hget("rq:job:one", field) != value.encode()
    assert connection.hget("rq:job:one", "data") == b"{}"


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize("value", [-1, 0, 180, 2**31])
def test_a_number_that_redis_takes_stays(connection: fakeredis.FakeRedis, field: str, value: int) -> None:
    """A number that Redis accepts is kept, also -1 (no end)."""
    assert getattr(read(connection, **{field: value}), field) == value
    assert connection.hget("rq:job:one", field) == str(value).encode()
