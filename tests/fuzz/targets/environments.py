"""Settings in the environment."""

import os
import ssl
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any
from unittest.mock import patch

import psycopg

from dashboard.reader import Reader
from events import InvalidRedisUrl, Publisher
from gateway.client import Gateway
from gateway.errors import SettingError
from gateway.settings import DatabaseSettings, QueueSettings, Settings
from operations.database import connect
from operations.errors import MigrationFailed
from tests.fuzz import documents
from tests.fuzz.canaries import PASSWORD, PHONE, SECRET
from tests.fuzz.capture import capture
from tests.fuzz.dice import Dice
from tests.fuzz.target import Target, no_canary, one_line
from worker.bootstrap import connect_redis

_JWT = ".".join(("eyJhbGciOiJIUzI1NiJ9", "eyJyb2xlIjoic2VydmljZV9yb2xlIn0", "c2lnbmVk"))
_GOOD = {
    "REDIS_URL": (
        f"redis://:{PASSWORD}@redis:6379/0",
        f"rediss://u:{PASSWORD}@redis/1?ssl_cert_reqs=none",
        f"unix://u:{PASSWORD}@/run/redis?db=1",
        f"sentinel://:{PASSWORD}@a:1,b:2/mine/0?sentinel_password={PASSWORD}&socket_timeout=3",
        "redis://[::1]:6379",
        f"redis://redis/0?password={PASSWORD}&health_check_interval=1&retry_on_timeout=yes&max_connections=3",
    ),
    "SUPABASE_URL": (
        "https://project.supabase.co",
        "http://127.0.0.1:8000/rest/v1/",
        f"https://u:{PASSWORD}@host",
        "https://[::1]:3",
    ),
    "SUPABASE_KEY": (SECRET, f" '{SECRET}' ", _JWT, f"Bearer {SECRET}"),
    "DATABASE_URL": (
        f"postgresql://postgres:{PASSWORD}@h:5432/postgres?sslmode=require",
        f"host=h password={PASSWORD} dbname=x",
        f"postgres://u:{PASSWORD}@h",
    ),
    "BOTLIVE_QUEUE": ("botlive", "q:1", "é"),
    "BOTLIVE_TIMEOUT": ("10", "0.5"),
    "BOTLIVE_BATCH": ("500",),
    "BOTLIVE_CALLBACKS": ("a.b, c.d",),
    "BOTLIVE_OUTBOX": ("outbox.db", "~/outbox.db"),
    "LOG_DIR": ("/logs", "~/logs", "~nobody-has-this-name/logs"),
}
_NAMES = {*_GOOD}


def _gateway() -> None:
    Gateway.connect(Settings.from_env()).close()


def _redis() -> None:
    connect_redis(QueueSettings.from_env().redis_url).close()


def _publisher() -> None:
    Publisher.from_env().close()


def _database() -> None:
    connect(DatabaseSettings.from_env().database_url.get_secret_value())


_READERS: dict[str, Callable[[], Any]] = {
    "gateway": _gateway,
    "redis": _redis,
    "publisher": _publisher,
    "reader": Reader.from_env,
    "database": _database,
}


class Environments(Target):
    """A setting is accepted, or refused in one line that names the variable and never shows its value."""

    name, share = "environments", 20
    outcomes = frozenset(
        {*_READERS, *(f"{name} refused" for name in _READERS)} - {"database", "publisher refused"}
    )

    def open(self, stack: ExitStack) -> None:
        """Read the certificates of the machine once, because this takes most of the time of a client."""
        self._certificates = ssl.create_default_context()

    def enter(self, stack: ExitStack) -> None:
        """Replace the database and what is slow."""
        stack.enter_context(patch.object(psycopg, "connect", _refuse))
        stack.enter_context(patch("events.publishing.publisher.Courier"))
        stack.enter_context(patch("redis.utils.get_lib_version", return_value="8"))
        stack.enter_context(patch("ssl.create_default_context", partial(_context, self._certificates)))

    def make(self, dice: Dice) -> tuple[str, Mapping[str, str]]:
        """Choose a reader and create an environment."""
        chosen = {name: dice.choice(values) for name, values in _GOOD.items() if dice.chance(0.9)}
        mutated = dice.sample(sorted(_NAMES), dice.choice((0, 1, 1, 2)))
        return dice.choice([*_READERS]), {**chosen, **{name: _held(_mutated(dice, name)) for name in mutated}}

    def check(self, case: tuple[str, Mapping[str, str]]) -> Iterable[str]:
        """Read the environment."""
        name, environment = case
        with patch.dict(os.environ, environment, clear=True), capture() as captured:
            named = True
            try:
                _READERS[name]()
            except (SettingError, InvalidRedisUrl) as error:
                one_line(str(error), "a refused setting")
                named = any(variable in str(error) for variable in _NAMES)
                outcome = f"{name} refused"
            except MigrationFailed as error:
                one_line(str(error), "a refused database")
                outcome = f"{name} refused"
            else:
                outcome = name
        assert named, "a refused setting is not named"
        no_canary(captured.all, "the output")
        return [outcome]


def _context(context: ssl.SSLContext, *_: Any, **__: Any) -> ssl.SSLContext:
    return context


def _refuse(conninfo: str, **_: Any) -> None:
    """Fail with an error that contains the URL and the password."""
    raise psycopg.OperationalError(f"connection to {conninfo} failed: {PASSWORD}")


def _held(text: str) -> str:
    """Return the text as an operating system would pass it, without zero bytes."""
    return text.replace("\0", "").encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")


def _mutated(dice: Dice, name: str) -> str:
    good = dice.choice(_GOOD[name])
    made: str = dice.one_of(
        dice.text,
        lambda: documents.broken(dice, good.encode()).decode("utf-8", "surrogateescape"),
        lambda: documents.broken(dice, good.encode()).decode("latin-1"),
        lambda: good + dice.text(),
        lambda: dice.choice(
            (good.upper(), good * 3, f"'{good}'", good.replace(":", "\uff1a"), PHONE, "9" * 5_000)
        ),
        lambda: dice.choice(_GOOD[dice.choice(sorted(_NAMES))]),
    )
    return made
