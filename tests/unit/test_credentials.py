"""SUPABASE_KEY and SUPABASE_URL are cleaned, or refused with a message that says what to set."""

import base64
import json
import re
from typing import Any

import pytest

from gateway.credentials import secret_key, web_address
from gateway.errors import InvalidSetting
from gateway.settings import DatabaseSettings, Settings

_API = "https://abcdefghijklmnopqrst.supabase.co"
_KEY = "sb_secret_s3cr3t"


def _jwt(**claims: Any) -> str:
    parts = [{"alg": "HS256", "typ": "JWT"}, claims]
    texts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*texts, "s3cr3t"])


@pytest.mark.parametrize(
    "wrapping",
    [
        *["{}\n", "{}\r\n", " {} ", "\t{}", '"{}"', "'{}'", "`{}`", "“{}”", "«\u00a0{}\u00a0»"],
        *["\u00a0{}", "{}\u202f", "\u200b{}\u200b", "\ufeff{}", "\u2060{}", '"{}"\n', "'\"{}\"'", "{}\u2028"],
    ],
)
@pytest.mark.parametrize("key", [_KEY, _jwt(role="service_role"), _jwt(role="of_our_own"), "old-style-key"])
def test_what_comes_along_with_a_copy_is_stripped(wrapping: str, key: str) -> None:
    """Line ends, spaces, quotes and invisible characters around a key or an address are removed."""
    assert secret_key(wrapping.format(key)) == key
    assert web_address(wrapping.format(_API)) == _API


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("", "is empty"),
        ('""', "is empty"),
        ("\u200b", "is empty"),
        ("sb_secret_s3 cr3t", "space or a line break inside"),
        ("sb_secret_s3\ncr3t", "space or a line break inside"),
        ("sb_secret_s3\u00a0cr3t", "space or a line break inside"),
        (f"Bearer {_KEY}", "space or a line break inside"),
        ("sb_secret_s3\u200bcr3t", "a character that no key has"),
        ("sb_secret_s3••••", "a character that no key has"),
        ("sb_secret_…", "a character that no key has"),
        ("sb_secret_s3\x00cr3t", "a character that no key has"),
        ("sb_secret_s3\udce9cr3t", "a character that no key has"),
        ("sb_publishable_s3cr3t", "is the publishable key"),
        ("sbp_s3cr3t", "access token"),
        (_jwt(role="anon"), "is the anon key"),
        (f'"{_jwt(role="anon")}"\n', "is the anon key"),
        (_jwt(role="authenticated", sub="s3cr3t"), "is the authenticated key"),
        (_jwt(role="service_role").rpartition(".")[0], "incomplete or damaged JWT"),
        ("eyJs3cr3t", "incomplete or damaged JWT"),
        ("eyJ.s3cr3t.é"[:-1] + "x", "incomplete or damaged JWT"),
        ("https://s3cr3t.supabase.co", "is a URL"),
        ("postgresql://postgres:s3cr3t@db/postgres", "is a URL"),
    ],
)
def test_what_cannot_be_a_key_is_refused(key: str, why: str) -> None:
    """The error says which key to set and does not contain the value."""
    with pytest.raises(ValueError, match=re.escape(why)) as caught:
        secret_key(key)
    assert "sb_secret_…) or its service_role key" in str(caught.value)
    assert "s3" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        *[f"{_API}/", f"{_API}/rest/v1", f"{_API}/rest/v1/", f"{_API}/auth/v1", f'"{_API}/rest/v1/"\n'],
        *["HTTPS://abcdefghijklmnopqrst.supabase.co", f"{_API}//"],
    ],
)
def test_the_address_is_brought_to_its_form(given: str) -> None:
    """The path of a service, a final slash and capitals in the scheme are removed."""
    assert web_address(given) == _API


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:54321", "https://api.shop.example", "http://[::1]:8000", "http://kong:8000"]
)
def test_other_hosts_than_supabases_are_taken(address: str) -> None:
    """A custom domain or a local stack is accepted."""
    assert web_address(address) == address


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("postgresql://postgres:s3cr3t@db.abc.supabase.co:5432/postgres", "is the URL of a database"),
        ("postgres://postgres:s3cr3t@aws-0-eu-west-3.pooler.supabase.com:6543/postgres", "of a database"),
        ("rediss://:s3cr3t@redis", "is the URL of a database"),
        ("https://supabase.com/dashboard/project/s3cr3t", "a page of the Supabase website"),
        ("https://supabase.com/dashboard/project/s3cr3t/settings/api", "a page of the Supabase website"),
        ("https://app.supabase.com/project/s3cr3t", "a page of the Supabase website"),
        ("https://s3cr3t.supabase.com", "a page of the Supabase website"),
        ("https://db.s3cr3t.supabase.co", "is the project's database"),
        ("s3cr3t.supabase.co", "must be http:// or https://"),
        ("s3cr3t", "must be http:// or https://"),
        ("", "must be http:// or https://"),
        ("https://", "must be http:// or https://"),
        ("https:///s3cr3t", "must be http:// or https://"),
        ("ftp://s3cr3t", "must be http:// or https://"),
        ("https://s3cr3t.supabase.co/path", "without a path"),
        ("https://s3cr3t.supabase.co?apikey=x", "without a path"),
        ("https://s3cr3t .supabase.co", "must be http:// or https://"),
        ("https://s3cr3t…supabase.co", "must be http:// or https://"),
        ("https://s3cr3t:port", "must be http:// or https://"),
        ("https://s3cr3t:99999", "must be http:// or https://"),
        ("http://[s3cr3t", "must be http:// or https://"),
        ("https://https://s3cr3t.supabase.co", "without a path"),
    ],
)
def test_what_is_no_address_of_an_api_is_refused(address: str, why: str) -> None:
    """The error gives an example of the address and does not contain the value."""
    with pytest.raises(ValueError, match=re.escape(why)) as caught:
        web_address(address)
    assert "https://<project>.supabase.co" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_the_settings_use_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings contain the cleaned values; a wrong value gives one line that names the variable."""
    monkeypatch.setenv("SUPABASE_URL", f"{_API}/rest/v1/\n")
    monkeypatch.setenv("SUPABASE_KEY", f'"{_KEY}"\n')
    monkeypatch.setenv("DATABASE_URL", "'postgresql://db/x'\n")
    settings = Settings.from_env()
    assert (settings.supabase_url, settings.supabase_key.get_secret_value()) == (_API, _KEY)
    assert DatabaseSettings.from_env().database_url.get_secret_value() == "postgresql://db/x"
    monkeypatch.setenv("SUPABASE_KEY", _jwt(role="anon"))
    with pytest.raises(InvalidSetting, match=r"^SUPABASE_KEY: is the anon key"):
        Settings.from_env()


def test_the_log_folder_may_be_in_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """``~`` is expanded like in a shell; an unknown user gives an error."""
    monkeypatch.setenv("SUPABASE_URL", _API)
    monkeypatch.setenv("SUPABASE_KEY", _KEY)
    monkeypatch.setenv("HOME", "/home/awa")
    monkeypatch.setenv("LOG_DIR", "~/logs")
    assert str(Settings.from_env().log_dir) == "/home/awa/logs"
    monkeypatch.setenv("LOG_DIR", "~nobody-has-this-name/logs")
    with pytest.raises(InvalidSetting, match=r"^LOG_DIR: starts with ~ of a user"):
        Settings.from_env()
