"""Settings from environment variables. No file is read."""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, PlainSerializer, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from events.environment import unwrapped
from events.errors import InvalidRedisUrl
from events.publishing.address import DEFAULT, INVALID, client
from events.publishing.keys import QUEUE
from gateway.credentials import secret_key, web_address, webhook
from gateway.errors import InvalidSetting, MissingSetting, SettingError
from gateway.masking import MASK


def _secret_key(key: SecretStr) -> SecretStr:
    return SecretStr(secret_key(key.get_secret_value()))


def _webhook(url: SecretStr) -> SecretStr:
    return SecretStr(webhook(url.get_secret_value()))


def _folder(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError("starts with ~ of a user without a home directory") from None


def _redis_address(url: str) -> str:
    try:
        client(url)
    except InvalidRedisUrl:
        raise ValueError(INVALID) from None
    return url


def _cleaned(variable: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    # A password may begin or end with a quote or a space, but not with a line end.
    return value.strip("\r\n") if "PASSWORD" in variable.upper() else unwrapped(value)


_UNSEEN = PlainSerializer(lambda _: MASK)


class Environment(BaseSettings):
    """Base of the settings. An error is one line that names the variable and never contains its value."""

    model_config = SettingsConfigDict(
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _as_meant(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Clean the values. A blank one counts as unset: deployment tools set one for a blank field."""
        cleaned = {name: _cleaned(name, value) for name, value in given.items()}
        return {name: value for name, value in cleaned.items() if value != ""}

    @classmethod
    def from_env(cls) -> Self:
        """Read the environment of this process.

        Raises:
            MissingSetting: required variables are not set.
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
    return InvalidSetting(_variable(details[0]), _problem(details[0]))


def _variable(detail: ErrorDetails) -> str:
    return str(detail["loc"][0]).upper()


def _problem(detail: ErrorDetails) -> str:
    message = detail["msg"].removeprefix("Value error, ").replace("Input should", "should")
    return message[:1].lower() + message[1:]


class QueueSettings(Environment):
    """Settings for commands that need only Redis."""

    redis_url: Annotated[str, AfterValidator(_redis_address), _UNSEEN] = Field(default=DEFAULT, repr=False)
    """It may contain a password, so ``repr`` and dumps do not show it."""
    queue: str = Field(default=QUEUE, validation_alias="BOTLIVE_QUEUE")
    log_dir: Annotated[Path, AfterValidator(_folder)] | None = None


class Settings(QueueSettings):
    """Settings of the worker and of everything else that calls Supabase."""

    supabase_url: Annotated[str, AfterValidator(web_address), _UNSEEN] = Field(repr=False)
    """The address of the project's API, without a slash at the end."""
    supabase_key: Annotated[SecretStr, AfterValidator(_secret_key)]
    """A secret key (``sb_secret_…``) or the legacy service-role JWT."""
    timeout: float = Field(default=10, gt=0, allow_inf_nan=False, validation_alias="BOTLIVE_TIMEOUT")
    """Timeout of one request to Supabase, in seconds."""
    batch: int = Field(default=500, ge=1, le=5_000, validation_alias="BOTLIVE_BATCH")
    """Maximum number of events in one call."""
    callbacks: str = Field(default="", validation_alias="BOTLIVE_CALLBACKS")
    """Functions that an RQ job may use as callbacks: dotted names, separated by commas."""


class AlertSettings(QueueSettings):
    """Settings of the alerts."""

    url: Annotated[SecretStr, AfterValidator(_webhook)] | None = Field(
        default=None, validation_alias="BOTLIVE_ALERT_URL"
    )
    """The webhook: Slack-compatible, Telegram's (``…/sendMessage?chat_id=…``), or one that takes JSON."""
    oldest: float = Field(default=300, gt=0, allow_inf_nan=False, validation_alias="BOTLIVE_ALERT_AGE")
    """Seconds that an event may wait."""
    workers: int = Field(default=1, ge=0, validation_alias="BOTLIVE_ALERT_WORKERS")
    """The number of workers that must be alive."""
    outbox: str | None = Field(default=None, validation_alias="BOTLIVE_OUTBOX")


class HealthSettings(QueueSettings):
    """Settings of a worker's HTTP endpoints."""

    host: str = Field(default="127.0.0.1", validation_alias="BOTLIVE_METRICS_HOST")
    port: int | None = Field(default=None, ge=1, le=65_535, validation_alias="BOTLIVE_METRICS_PORT")
    """Without it there are none. With ``--processes`` each process takes the next port."""


class TelemetrySettings(Environment):
    """Settings of spans and of reports to Sentry. The libraries read their other variables themselves."""

    collector: Annotated[str, _UNSEEN] | None = Field(
        default=None, repr=False, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT"
    )
    """The address of an OpenTelemetry collector, for OTLP over HTTP."""
    dsn: SecretStr | None = Field(default=None, validation_alias="SENTRY_DSN")


class OutboxSettings(Environment):
    """Settings of the commands that read an outbox."""

    outbox: str = Field(validation_alias="BOTLIVE_OUTBOX")
    """The outbox's file, the same as in the environment of the chat."""


class DashboardSettings(QueueSettings):
    """Settings of the dashboard."""

    own_redis_url: Annotated[str, AfterValidator(_redis_address), _UNSEEN] | None = Field(
        default=None, repr=False, validation_alias="RQ_DASHBOARD_REDIS_URL"
    )
    """The URL of a Redis to use instead of ``REDIS_URL``. RQ's own dashboard reads this variable too."""
    hosts: str = Field(default="", validation_alias="BOTLIVE_DASHBOARD_HOSTS")
    """The host names of the dashboard, separated by commas or spaces."""
    username: str = Field(default="", validation_alias="RQ_DASHBOARD_USERNAME")
    password: SecretStr = Field(default=SecretStr(""), validation_alias="RQ_DASHBOARD_PASSWORD")


class DatabaseSettings(Environment):
    """Settings of a migration, which needs no key of Supabase."""

    database_url: SecretStr
    """The URL of a direct connection, or of a pooler in session or transaction mode."""


class PruneSettings(DatabaseSettings):
    """Settings of pruning. ``REDIS_URL`` has no default: another Redis would hide the waiting events."""

    redis_url: Annotated[str, AfterValidator(_redis_address), _UNSEEN] = Field(repr=False)
    queue: str = Field(default=QUEUE, validation_alias="BOTLIVE_QUEUE")


class ErasureSettings(QueueSettings, DatabaseSettings):
    """Settings of the erasure of a customer's data."""

    outbox: str | None = Field(default=None, validation_alias="BOTLIVE_OUTBOX")
