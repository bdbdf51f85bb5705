"""Writes ``.env`` for compose.yaml from ``.env.example``, with new passwords and a key for PostgREST.

It needs Python 3.11 only: ``python3 deploy/new_env.py``. It never changes a ``.env`` that exists.
"""

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_RANDOM = ("VALKEY_PASSWORD", "POSTGRES_PASSWORD", "AUTHENTICATOR_PASSWORD", "RQ_DASHBOARD_PASSWORD")


def filled(example: str) -> str:
    """The example with a value for each secret that it leaves empty."""
    jwt_secret = secrets.token_hex(32)
    values = {name: secrets.token_hex(24) for name in _RANDOM}
    values |= {"PGRST_JWT_SECRET": jwt_secret, "SUPABASE_KEY": service_key(jwt_secret)}
    for name, value in values.items():
        example, found = re.subn(rf"^{name}=$", f"{name}={value}", example, flags=re.MULTILINE)
        if found != 1:
            raise SystemExit(f".env.example must have one line `{name}=`, and has {found}")
    return example


def service_key(jwt_secret: str) -> str:
    """A JWT (HS256) that PostgREST accepts as the role service_role; it does not expire."""
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part({'role': 'service_role', 'iss': 'botlive'})}"
    signature = hmac.new(jwt_secret.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{_base64(signature)}"


def _part(content: dict[str, str]) -> str:
    return _base64(json.dumps(content, separators=(",", ":")).encode())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def main() -> None:
    """Write ``.env``, readable by its owner only."""
    target = _ROOT / ".env"
    text = filled((_ROOT / ".env.example").read_text(encoding="utf-8"))
    try:
        file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise SystemExit(f"{target} exists: it was not changed") from None
    with open(file, "w", encoding="utf-8") as stream:  # noqa: PTH123 # a descriptor
        stream.write(text)
    sys.stdout.write(f"wrote {target}\n")


if __name__ == "__main__":
    main()
