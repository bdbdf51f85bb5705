"""Settings come only from the environment and never show a secret value."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import InvalidSetting, MissingSetting, SettingError
from gateway.masking import mask
from gateway.settings import DatabaseSettings, Environment, Settings

_ALL = (
    *("REDIS_URL", "SUPABASE_URL", "SUPABASE_KEY", "DATABASE_URL"),
    *("BOTLIVE_QUEUE", "BOTLIVE_OUTBOX", "BOTLIVE_TIMEOUT", "LOG_DIR"),
)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _ALL:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SUPABASE_URL", "https://shop.example")
    monkeypatch.setenv("SUPABASE_KEY", "sb_secret_s3cr3t")


def test_the_defaults() -> None:
    """Only the address and the key of Supabase are required."""
    settings = Settings.from_env()
    assert settings.redis_url == "redis://127.0.0.1:6379/0"
    assert (settings.queue, settings.timeout) == ("botlive", 10)
    assert settings.log_dir is None


def test_every_variable_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each setting has its variable."""
    values = ["rediss://r", "http://s", "k", "q", "2.5", "/l"]
    order = ["REDIS_URL", "SUPABASE_URL", "SUPABASE_KEY", "BOTLIVE_QUEUE", "BOTLIVE_TIMEOUT", "LOG_DIR"]
    for name, value in zip(order, values, strict=True):
        monkeypatch.setenv(name, value)
    settings = Settings.from_env()
    assert settings.redis_url == "rediss://r"
    assert settings.supabase_url == "http://s"
    assert settings.supabase_key.get_secret_value() == "k"
    assert (settings.queue, settings.timeout) == ("q", 2.5)
    assert settings.log_dir == Path("/l")


@pytest.mark.parametrize("missing", ["SUPABASE_URL", "SUPABASE_KEY"])
@pytest.mark.parametrize("blank", [True, False])
def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch, missing: str, blank: bool) -> None:
    """A missing or blank variable is named in one line without values."""
    monkeypatch.setenv(missing, "") if blank else monkeypatch.delenv(missing)
    with pytest.raises(MissingSetting) as caught:
        Settings.from_env()
    assert str(caught.value) == f"not set in the environment: {missing}"


def test_all_missing_settings_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One error names all missing variables."""
    monkeypatch.delenv("SUPABASE_URL")
    monkeypatch.delenv("SUPABASE_KEY")
    with pytest.raises(MissingSetting, match="SUPABASE_URL, SUPABASE_KEY"):
        Settings.from_env()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SUPABASE_URL", "postgres://pw-x@h"),
        ("SUPABASE_URL", "pw-x.example"),
        ("REDIS_URL", "http://pw-x"),
        ("BOTLIVE_TIMEOUT", "pw-x"),
        ("BOTLIVE_TIMEOUT", "0"),
        ("BOTLIVE_TIMEOUT", "inf"),
    ],
)
def test_an_unusable_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """The error is one line with the variable and the problem, without the value."""
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSetting) as caught:
        Settings.from_env()
    assert str(caught.value).startswith(f"{name}: ")
    assert "pw-x" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert isinstance(caught.value, SettingError)


@pytest.mark.parametrize("slashes", ["", "/", "//"])
def test_the_slash_at_the_end_is_stripped(monkeypatch: pytest.MonkeyPatch, slashes: str) -> None:
    """A final slash is removed, so that paths can be appended to the address."""
    monkeypatch.setenv("SUPABASE_URL", f"https://shop.example{slashes}")
    assert Settings.from_env().supabase_url == "https://shop.example"


def every(kind: type[Environment]) -> Iterator[type[Environment]]:
    """Returns this class of settings and all its subclasses."""
    yield kind
    for made in kind.__subclasses__():
        yield from every(made)


@pytest.mark.parametrize("kind", [*every(Environment)])
def test_no_repr_and_no_dump_shows_a_secret(monkeypatch: pytest.MonkeyPatch, kind: type[Environment]) -> None:
    """No output shows a key, or a password in a URL, before the host or in the query."""
    monkeypatch.setenv("REDIS_URL", "redis://:s3cr3t@redis/0?password=s3cr3t")
    monkeypatch.setenv("SUPABASE_URL", "https://u:s3cr3t@shop.example")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:s3cr3t@db/x?password=s3cr3t")
    monkeypatch.setenv("BOTLIVE_OUTBOX", "outbox.db")
    for name in ("RQ_DASHBOARD_PASSWORD", "RQ_DASHBOARD_REDIS_URL"):
        monkeypatch.setenv(name, "redis://:s3cr3t@redis/0")
    settings = kind.from_env()
    dumps = [settings.model_dump(), settings.model_dump(mode="json"), settings.model_dump_json()]
    assert "s3cr3t" not in f"{settings!r} {settings} {dumps} {mask(settings)}"


def test_a_file_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file ``.env`` changes nothing."""
    (tmp_path / ".env").write_text("BOTLIVE_QUEUE=other\n")
    monkeypatch.chdir(tmp_path)
    assert Settings.from_env().queue == "botlive"


def test_a_migration_needs_the_database_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration needs no key of Supabase."""
    monkeypatch.delenv("SUPABASE_KEY")
    with pytest.raises(MissingSetting, match="DATABASE_URL"):
        DatabaseSettings.from_env()
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/x")
    assert DatabaseSettings.from_env().database_url.get_secret_value() == "postgresql://db/x"
