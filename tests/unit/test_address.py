"""The URL of a Redis behind Sentinels."""

from typing import Any

import pytest

from events.errors import InvalidRedisUrl
from events.publishing.address import client


@pytest.mark.parametrize(
    "url", ["sentinel:///main", "sentinel://host", "sentinel://host/", "sentinel://:26379/main"]
)
def test_a_url_without_a_sentinel_or_a_service_is_refused(url: str) -> None:
    """The process says so at its start, instead of asking nobody."""
    with pytest.raises(InvalidRedisUrl):
        client(url)


def test_several_sentinels_are_asked_for_one_service() -> None:
    """A port and a database may be left out."""
    pool: Any = client("sentinel://one:1,two/main/3").connection_pool
    asked = [each.connection_pool.connection_kwargs for each in pool.sentinel_manager.sentinels]
    assert [(each["host"], each["port"]) for each in asked] == [("one", 1), ("two", 26379)]
    assert (pool.service_name, pool.connection_kwargs["db"]) == ("main", 3)
