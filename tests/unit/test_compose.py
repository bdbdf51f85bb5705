"""compose.yaml and .env.example: restarts, stops, durability and secrets."""

import re
import tomllib
from pathlib import Path
from typing import Any

import jwt
import pytest
import yaml

from deploy import new_env
from gateway import settings
from gateway.credentials import secret_key
from operations.cli import COMMANDS
from worker import consumer

_ROOT = Path(__file__).parents[2]
_PROJECT = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
_COMPOSE: dict[str, Any] = yaml.safe_load((_ROOT / "compose.yaml").read_text(encoding="utf-8"))
_SERVICES: dict[str, dict[str, Any]] = _COMPOSE["services"]
_OURS = {name for name, service in _SERVICES.items() if "build" in service}
_SECRET = re.compile(r"PASSWORD|SECRET|KEY|TOKEN|_AUTH\b|_URL|_URI")


def _seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


def _environment(service: dict[str, Any]) -> dict[str, str | None]:
    """Each variable with its value; None where compose takes the value from .env."""
    listed = service.get("environment", {})
    return dict(listed) if isinstance(listed, dict) else dict.fromkeys(listed)


def test_one_image_for_all_commands() -> None:
    """Worker, dashboard and migration are one image of this version, each with a command that exists."""
    assert {"worker", "dashboard", "migrate"} <= _OURS
    image = f"botlive-events:{_PROJECT['version']}"
    assert {_SERVICES[name]["image"] for name in _OURS} == {image}
    assert all(_SERVICES[name]["command"][0] in COMMANDS for name in _OURS)


def test_compose_restarts_what_must_run_always() -> None:
    """All services restart, except the migration and single commands, which end."""
    policies = {name: service.get("restart") for name, service in _SERVICES.items()}
    assert {name for name, policy in policies.items() if policy != "always"} == {"migrate", "botlive"}
    assert policies["migrate"] == "no"
    assert _SERVICES["worker"]["deploy"]["replicas"] >= 2


@pytest.mark.parametrize("name", ["worker", "dashboard"])
def test_compose_waits_longer_than_a_stop_takes(name: str) -> None:
    """SIGKILL comes after the worker's own limit: until then it gives back what it holds."""
    assert _seconds(_SERVICES[name]["stop_grace_period"]) > consumer._PATIENCE


def test_workers_start_after_the_migration() -> None:
    """A worker waits for a successful migration, for Valkey, and for the local API where there is one."""
    waits = {name: wait["condition"] for name, wait in _SERVICES["worker"]["depends_on"].items()}
    assert waits == {
        "migrate": "service_completed_successfully",
        "valkey": "service_healthy",
        "api": "service_healthy",
    }


def test_a_hosted_project_needs_no_local_server() -> None:
    """PostgreSQL, PostgREST and its proxy are in the profile `local`, and nothing outside requires them."""
    local = {name for name, service in _SERVICES.items() if "local" in service.get("profiles", ())}
    assert local == {"postgres", "postgrest", "api"}
    for name in _SERVICES.keys() - local:
        for other, wait in _SERVICES[name].get("depends_on", {}).items():
            assert other not in local or wait["required"] is False


def test_valkey_keeps_what_it_confirmed() -> None:
    """An append-only file on a volume, and no eviction."""
    lines = _COMPOSE["configs"]["valkey"]["content"].splitlines()
    assert {"dir /data", "appendonly yes", "appendfsync everysec", "maxmemory-policy noeviction"} <= {*lines}
    assert "valkey:/data" in _SERVICES["valkey"]["volumes"]
    assert "valkey" in _COMPOSE["volumes"]


def test_nothing_is_published_to_the_network() -> None:
    """Each port is open to this machine only."""
    ports = [port for service in _SERVICES.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_mounted_file_exists() -> None:
    """Docker would make a folder of a file that is missing."""
    volumes = [volume for service in _SERVICES.values() for volume in service.get("volumes", ())]
    files = [volume.split(":")[0] for volume in volumes if volume.startswith("./")]
    assert len(files) == 3
    assert all((_ROOT / file).is_file() for file in files)


def test_a_service_gets_only_its_own_secrets() -> None:
    """compose.yaml holds no secret, and the dashboard gets neither Supabase's key nor the database."""
    for service in _SERVICES.values():
        for name, value in _environment(service).items():
            assert value is None or not _SECRET.search(name) or "${" in value
    assert not _environment(_SERVICES["dashboard"]).keys() & {"SUPABASE_KEY", "DATABASE_URL"}
    assert "DATABASE_URL" not in _environment(_SERVICES["worker"])
    assert not any("env_file" in service for service in _SERVICES.values())


def _example() -> dict[str, str]:
    lines = (_ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def _settings() -> set[str]:
    """The variables of all settings of gateway/settings.py."""
    classes = [each for each in vars(settings).values() if isinstance(each, type)]
    fields = [
        (name, field)
        for each in classes
        if issubclass(each, settings.Environment)
        for name, field in each.model_fields.items()
    ]
    return {str(field.validation_alias or name).upper() for name, field in fields}


def test_the_example_names_every_setting() -> None:
    """All settings of the commands, and all variables of compose.yaml."""
    text = (_ROOT / "compose.yaml").read_text(encoding="utf-8")
    passed = {name for name in _OURS for name in _environment(_SERVICES[name])}
    assert _settings() | passed | {*re.findall(r"\$\{(\w+)", text)} <= _example().keys()
    assert "DATABASE_URL" in _settings()  # the search above finds what there is


def test_the_example_has_no_secret() -> None:
    """Secrets are empty or made of other variables."""
    secrets = [value for name, value in _example().items() if _SECRET.search(name)]
    assert all(not value or "${" in value or value == "http://api:8000" for value in secrets)
    assert ".env\n" in (_ROOT / ".gitignore").read_text(encoding="utf-8")


def test_a_new_env_has_every_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is new, the key has the role that persists, and only the owner can read the file."""
    (tmp_path / ".env.example").write_text((_ROOT / ".env.example").read_text(encoding="utf-8"))
    monkeypatch.setattr(new_env, "_ROOT", tmp_path)
    new_env.main()
    target = tmp_path / ".env"
    text = target.read_text(encoding="utf-8")
    values = dict(re.findall(r"^(\w+)=(.*)$", text, flags=re.MULTILINE))
    secrets = [values[name] for name in (*new_env._RANDOM, "PGRST_JWT_SECRET", "SUPABASE_KEY")]
    assert target.stat().st_mode & 0o777 == 0o600
    assert len({*secrets}) == len(secrets)
    assert all(len(secret) >= 48 for secret in secrets)
    claims = jwt.decode(secret_key(values["SUPABASE_KEY"]), values["PGRST_JWT_SECRET"], algorithms=["HS256"])
    assert claims["role"] == "service_role"
    with pytest.raises(SystemExit, match="exists: it was not changed"):
        new_env.main()
    assert target.read_text(encoding="utf-8") == text
