"""What the environment says. No file is read: whoever starts a process gives it its environment."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, PlainSerializer, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from events.errors import InvalidRedisUrl
from events.publishing.address import DEFAULT, client
from events.publishing.keys import QUEUE
from gateway.credentials import secret_key, unwrapped, web_address
from gateway.errors import InvalidSetting, MissingSetting, SettingError
from gateway.masking import MASK


def _secret_key(key: SecretStr) -> SecretStr:
    return SecretStr(secret_key(key.get_secret_value()))


def _unwrapped(url: SecretStr) -> SecretStr:
    return SecretStr(unwrapped(url.get_secret_value()))


def _folder(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError("names the home of a user who has none") from None


def _redis_address(url: str) -> str:
    try:
        client(url)
    except InvalidRedisUrl:
        raise ValueError("is not the URL of a Redis, or has an option that is none") from None
    return url


_UNSEEN = PlainSerializer(lambda _: MASK)


class Environment(BaseSettings):
    """Settings that say on one line, by the variable's name, what they lack, and never a value."""

    # An empty variable counts as unset: deployment tools write one for what was left blank.
    model_config = SettingsConfigDict(
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    @classmethod
    def from_env(cls) -> Self:
        """Read the environment of this process.

        Raises:
            MissingSetting: variables without a default are not set.
            InvalidSetting: a variable has a value that cannot be used.
        """
        try:
            return cls()
        except ValidationError as error:
            raise _setting_error(error.errors(include_url=False, include_input=False)) from None


def _setting_error(details: list[ErrorDetails]) -> SettingError:
    missing = [_variable(detail) for detail in details if detail["type"] == "missing"]
    if missing:
        return MissingSetting(*missing)
    return InvalidSetting(_variable(details[0]), _words(details[0]))


def _variable(detail: ErrorDetails) -> str:
    return str(detail["loc"][0]).upper()


def _words(detail: ErrorDetails) -> str:
    words = detail["msg"].removeprefix("Value error, ").replace("Input should", "should")
    return words[:1].lower() + words[1:]


class QueueSettings(Environment):
    """What one needs to know who looks after the queue."""

    redis_url: Annotated[str, AfterValidator(_redis_address), _UNSEEN] = Field(default=DEFAULT, repr=False)
    """It may hold a password, hence no repr and no dump shows it."""
    queue: str = Field(default=QUEUE, validation_alias="BOTLIVE_QUEUE")
    log_dir: Annotated[Path, AfterValidator(_folder)] | None = None


class Settings(QueueSettings):
    """What a worker needs to know."""

    supabase_url: Annotated[str, AfterValidator(web_address), _UNSEEN] = Field(repr=False)
    """Without a slash at its end."""
    supabase_key: Annotated[SecretStr, AfterValidator(_secret_key)]
    """A secret key (``sb_secret_…``) or the legacy service-role JWT."""
    timeout: float = Field(default=10, gt=0, allow_inf_nan=False, validation_alias="BOTLIVE_TIMEOUT")
    """Seconds that one request to Supabase may take."""
    batch: int = Field(default=500, ge=1, le=5_000, validation_alias="BOTLIVE_BATCH")
    """Events in one call, at most."""
    callbacks: str = Field(default="", validation_alias="BOTLIVE_CALLBACKS")
    """The functions, by dotted names and commas, that a job of RQ's may name as its callbacks."""


class OutboxSettings(Environment):
    """Settings of the commands that read a chat's outbox."""

    outbox: str = Field(validation_alias="BOTLIVE_OUTBOX")
    """The file, as the chat's environment names it."""


class DashboardSettings(QueueSettings):
    """Settings of the dashboard."""

    own_redis_url: Annotated[str, AfterValidator(_redis_address), _UNSEEN] | None = Field(
        default=None, repr=False, validation_alias="RQ_DASHBOARD_REDIS_URL"
    )
    """Another Redis than ``REDIS_URL``, which RQ's own dashboard reads too."""
    hosts: str = Field(default="", validation_alias="BOTLIVE_DASHBOARD_HOSTS")
    """Host names that it is reached by, separated by commas or spaces."""
    username: str = Field(default="", validation_alias="RQ_DASHBOARD_USERNAME")
    password: SecretStr = Field(default=SecretStr(""), validation_alias="RQ_DASHBOARD_PASSWORD")


class DatabaseSettings(Environment):
    """What a migration needs to know, so that it runs where no key of Supabase is."""

    database_url: Annotated[SecretStr, AfterValidator(_unwrapped)]
    """Of any connection: direct, or through a pooler in session or transaction mode."""
