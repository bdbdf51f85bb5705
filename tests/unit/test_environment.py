"""Values of the environment as people write them: with Windows line ends, quotes and marks of a copy."""

from pathlib import Path
from typing import Any

import pytest

from events import InvalidRedisUrl, Publisher
from events.publishing import address
from gateway.settings import AlertSettings, DashboardSettings, HealthSettings, OutboxSettings, Settings

_WRAPPED = ["{}\r", '"{}"', "'{}'\r\n", " {} ", "\ufeff{}", "“{}”"]
_VALUES = {
    "REDIS_URL": "redis://redis.example:6380/3",
    "SUPABASE_URL": "https://shop.example",
    "SUPABASE_KEY": "sb_secret_x",
    "LOG_DIR": "/logs",
    "BOTLIVE_QUEUE": "boutique",
    "BOTLIVE_BATCH": "7",
    "BOTLIVE_TIMEOUT": "2.5",
    "BOTLIVE_CALLBACKS": "a.b",
    "BOTLIVE_OUTBOX": "/outbox.db",
    "BOTLIVE_METRICS_HOST": "::1",
    "BOTLIVE_METRICS_PORT": "9187",
    "BOTLIVE_DASHBOARD_HOSTS": "monitor.example",
    "RQ_DASHBOARD_USERNAME": "awa",
    "RQ_DASHBOARD_PASSWORD": '"s\'cr t"',
}


class _Options(Publisher):
    """A publisher that only keeps its options."""

    def __init__(self, _: Any, **options: Any) -> None:
        self.options = options


def _put(monkeypatch: pytest.MonkeyPatch, wrapping: str) -> None:
    for name, value in _VALUES.items():
        monkeypatch.setenv(name, value if "PASSWORD" in name else wrapping.format(value))


@pytest.mark.parametrize("wrapping", _WRAPPED)
def test_what_a_copy_adds_is_no_part_of_a_setting(monkeypatch: pytest.MonkeyPatch, wrapping: str) -> None:
    """Each setting has its plain value, whatever stands around it in the environment."""
    _put(monkeypatch, wrapping)
    settings = Settings.from_env()
    assert settings.redis_url == "redis://redis.example:6380/3"
    assert (settings.queue, settings.batch, settings.timeout, settings.callbacks) == (
        "boutique",
        7,
        2.5,
        "a.b",
    )
    assert (settings.log_dir, OutboxSettings.from_env().outbox) == (Path("/logs"), "/outbox.db")
    assert (HealthSettings.from_env().host, HealthSettings.from_env().port) == ("::1", 9187)
    dashboard = DashboardSettings.from_env()
    assert (dashboard.hosts, dashboard.username) == ("monitor.example", "awa")


@pytest.mark.parametrize("wrapping", _WRAPPED)
def test_the_chat_and_the_worker_mean_the_same_queue(
    monkeypatch: pytest.MonkeyPatch, wrapping: str, tmp_path: Path
) -> None:
    """The publisher cleans the same values in the same way: a worker of another queue would get no event."""
    _put(monkeypatch, wrapping)
    monkeypatch.setenv("BOTLIVE_OUTBOX", wrapping.format(tmp_path / "outbox.db"))
    options = _Options.from_env().options
    assert (options["queue"], options["outbox"].path) == ("boutique", tmp_path / "outbox.db")


@pytest.mark.parametrize("blank", ["", "\r", " ", '""', "''\r\n"])
def test_a_blank_value_counts_as_unset(monkeypatch: pytest.MonkeyPatch, blank: str) -> None:
    """A file with Windows line ends leaves a carriage return in each blank field."""
    for name in (
        "REDIS_URL",
        "BOTLIVE_QUEUE",
        "BOTLIVE_TIMEOUT",
        "BOTLIVE_ALERT_URL",
        "BOTLIVE_OUTBOX",
        "LOG_DIR",
    ):
        monkeypatch.setenv(name, blank)
    settings = AlertSettings.from_env()
    assert (settings.queue, settings.url, settings.outbox, settings.log_dir) == ("botlive", None, None, None)
    options = _Options.from_env().options
    assert (options["queue"], options["outbox"]) == ("botlive", None)


@pytest.mark.parametrize(("given", "meant"), [('"a b"\r', '"a b"'), ("' x", "' x"), ("y \r\n", "y ")])
def test_only_a_line_end_is_removed_from_a_password(
    monkeypatch: pytest.MonkeyPatch, given: str, meant: str
) -> None:
    """A password may begin or end with a quote or a space."""
    monkeypatch.setenv("RQ_DASHBOARD_PASSWORD", given)
    assert DashboardSettings.from_env().password.get_secret_value() == meant


@pytest.mark.parametrize(
    "url",
    [
        "redis://host/O",
        "redis://host:6379/botlive",
        "redis://host/1/2",
        "redis://host/-1",
        "redis://host/²",
        "sentinel://host/service/O",
        "redis://:p@ss#w@host:6379/0",
        "rediss://user:a@b#c@host",
    ],
)
def test_a_mistake_in_the_url_leads_to_no_other_redis(url: str) -> None:
    """redis-py would use the database 0, or take a part of the password for the host."""
    with pytest.raises(InvalidRedisUrl, match="percent-encode"):
        address.client(url)


@pytest.mark.parametrize(
    ("url", "database"),
    [("redis://host", 0), ("redis://host/", 0), ("redis://host/07", 7), ("sentinel://host/service/2/", 2)],
)
def test_the_number_of_the_database_is_the_end_of_the_url(url: str, database: int) -> None:
    """Without a number it is the database 0."""
    options: dict[str, Any] = address.client(url).connection_pool.connection_kwargs
    assert int(options.get("db") or 0) == database
