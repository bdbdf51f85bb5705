"""The attackers: real tokens of strangers, and invalid tokens."""

import base64
import json
import time
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

import jwt

from tests.contract.conftest import Target
from tests.probes.facts import Facts

Standing = Literal["stranger", "nobody", "intruder"]


@dataclass(frozen=True, repr=False)
class Person:
    """A person with a token."""

    name: str
    standing: Standing
    """A stranger is signed in, nobody is anonymous, an intruder's token must be refused."""
    token: str | None

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that a client of the API sends."""
        return {"apikey": self.token, "Authorization": f"Bearer {self.token}"} if self.token else {}


def people(target: Target, victim: Facts, others: list[Facts]) -> list[Person]:
    """Return all people; each of ``others`` has an owner."""
    return [*_strangers(target, victim, others), *_nobodies(target, victim), *_intruders(target, victim)]


def _strangers(target: Target, victim: Facts, others: list[Facts]) -> list[Person]:
    owner = str(victim.shop.owner)
    claims: dict[str, dict[str, Any]] = {
        **{f"owner of shop {n}": {"sub": str(other.shop.owner)} for n, other in enumerate(others, 1)},
        "signed in, no shop": {},
        "anonymous sign-in": {"is_anonymous": True},
        "no subject": {"sub": None},
        "user_metadata": {"user_metadata": {"role": "service_role", "sub": owner, "company_id": _id(victim)}},
        "app_metadata": {
            "app_metadata": {"role": "service_role", "company_id": _id(victim), "is_admin": True}
        },
        "claims of the victim's": {"user_id": owner, "company_id": _id(victim), "email": f"{owner}@shop"},
        "audience service_role": {"aud": "service_role"},
        "many audiences": {"aud": ["authenticated", "service_role", owner]},
        "issuer supabase": {"iss": "supabase", "aal": "aal2", "is_admin": True, "admin": True},
    }
    made = []
    for name, extra in claims.items():
        held = {"sub": str(uuid4()), "email": "somebody@example.org", "aal": "aal1", **extra}
        token = target.token("authenticated", **{key: value for key, value in held.items() if value})
        made.append(Person(name, "stranger", token))
    return made


def _nobodies(target: Target, victim: Facts) -> list[Person]:
    return [
        Person("no token", "nobody", None),
        Person("anon", "nobody", target.token("anon")),
        Person("anon as the victim", "nobody", target.token("anon", sub=str(victim.shop.owner))),
        Person("no role", "nobody", _signed({"sub": str(victim.shop.owner)}, target.secret)),
    ]


def _intruders(target: Target, victim: Facts) -> list[Person]:
    own = {"role": "authenticated", "sub": str(victim.shop.owner), "aud": "authenticated"}
    worker = {"role": "service_role"}
    good, now = _signed(own, target.secret), int(time.time())
    head, body, signature = good.split(".")
    other = "another-secret-of-at-least-32-characters"
    tokens = {
        "expired": _signed({**own, "exp": now - 3600}, target.secret),
        "not yet valid": _signed({**own, "nbf": now + 3600}, target.secret),
        "issued in the future": _signed({**own, "iat": now + 3600}, target.secret),
        "other payload": f"{head}.{_part(worker)}.{signature}",
        "other signature": f"{head}.{body}.{signature[::-1]}",
        "short signature": f"{head}.{body}.{signature[:20]}",
        "no signature": f"{head}.{body}.",
        "two parts": f"{head}.{body}",
        "none": f"{_part({'alg': 'none', 'typ': 'JWT'})}.{_part(own)}.",
        "None, signed": f"{_part({'alg': 'None', 'typ': 'JWT'})}.{_part(own)}.{signature}",
        "RS256 by the secret": f"{_part({'alg': 'RS256', 'typ': 'JWT'})}.{body}.{signature}",
        "key of its own": f"{_part({'alg': 'HS256', 'jwk': {'kty': 'oct', 'k': 'AA'}})}.{body}.{signature}",
        "another key": _signed(own, other),
        "another key, HS512": jwt.encode({**own, "exp": now + 600}, other * 2, algorithm="HS512"),
        "service_role, another key": _signed(worker, other),
        "postgres, another key": _signed({"role": "postgres"}, other),
        "supabase_admin, another key": _signed({"role": "supabase_admin"}, other),
        "unknown role, another key": _signed({"role": f"role-{uuid4()}"}, other),
        "opaque key": "sb_secret_" + uuid4().hex,
        "no token at all": "authenticated",
    }
    return [Person(name, "intruder", token) for name, token in tokens.items()]


def _id(victim: Facts) -> str:
    return str(victim.shop.uuid)


def _signed(claims: dict[str, Any], secret: str) -> str:
    now = int(time.time())
    return jwt.encode({"iat": now, "exp": now + 7200, **claims}, secret, algorithm="HS256")


def _part(claims: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
