"""The guide's whole ``authorize``: tokens of both kinds and company_mapping, on the local stack."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import jwt
import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from dashboard import Reader
from devstack.stack import Stack
from tests.acceptance.guide import python
from tests.application import Client, Host

CURVE, RSA = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)
STRANGE = ec.generate_private_key(ec.SECP256R1())
PEM = CURVE.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
LONG = "x" * 32


def published() -> dict[str, Any]:
    """Return the published keys of a project with signing keys."""
    curve = jwt.algorithms.ECAlgorithm.to_jwk(CURVE.public_key(), as_dict=True)
    modulus = jwt.algorithms.RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True)
    return {"keys": [{**curve, "kid": "curve", "alg": "ES256"}, {**modulus, "kid": "rsa", "alg": "RS256"}]}


class Site(NamedTuple):
    """A host with the guide's function, and a shop with its owner."""

    host: Host
    client: Client
    secret: str
    company_id: str
    owner: UUID

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The owner's, or others."""
        own = {"aud": "authenticated", "role": "authenticated", "sub": str(self.owner)}
        made = {**own, "exp": int(time.time()) + 60, **changes}
        return {name: value for name, value in made.items() if value is not None}

    def token(self, key: Any = None, algorithm: str = "HS256", **changes: Any) -> str:
        """The owner's, or another."""
        header = {"kid": changes.pop("kid", None) or ("rsa" if algorithm == "RS256" else "curve")}
        return jwt.encode(self.claims(**changes), key or self.secret, algorithm, header)

    def call(self, token: str | None, company_id: str | None = None, scheme: str = "Bearer") -> list[int]:
        """The statuses of the three endpoints."""
        company_id = company_id or self.company_id
        headers = {} if token is None else {"Authorization": f"{scheme} {token}"}
        body = {"company_id": company_id, "enable": True}
        query = f"?company_id={self.company_id}"
        return [
            self.client.request("POST", f"/toggle-live-mode{query}", json=body, headers=headers).status_code,
            *(
                self.client.request("GET", f"{path}/{company_id}{query}", headers=headers).status_code
                for path in ("/botlive/activity", "/botlive/orders/active")
            ),
        ]


@pytest.fixture
def site(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Made by the guide's program, in the stack's environment."""
    for name in ("SUPABASE_URL", "SUPABASE_KEY", "SUPABASE_JWT_SECRET"):
        monkeypatch.setenv(name, stack.environment[name])
    monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", lambda _: published())
    host, names = Host(), {"__name__": "botlive_auth"}
    monkeypatch.setattr(Reader, "from_env", host.reader)
    exec(python("def may_use_company"), names)  # noqa: S102 # our own document
    owner, company_id = uuid4(), f"login-{uuid4()}"
    with psycopg.connect(stack.environment["DATABASE_URL"]) as database:
        for shop, user in ((company_id, owner), (f"other-{company_id}", uuid4())):
            database.execute("insert into auth.users (id) values (%s)", [user])
            database.execute("select botlive.map_company(%s, null, %s)", [shop, user])
    client = host.client(authorize=names["may_use_company"])
    return Site(host, client, stack.environment["SUPABASE_JWT_SECRET"], company_id, owner)


def test_an_owner_uses_the_own_shop_and_no_other(site: Site) -> None:
    """Tokens of the secret and of each published key work for the own shop; other shops get 403."""
    tokens = [site.token(), site.token(CURVE, "ES256"), site.token(RSA, "RS256")]
    for token in tokens:
        assert site.call(token) == [200, 200, 200]
        assert site.call(token, scheme="bearer") == [200, 200, 200]
        for other in (f"other-{site.company_id}", "nobody", site.company_id.upper(), "*", "eq.x", 'a"b'):
            assert site.call(token, other) == [403, 403, 403]
    stranger = site.token(sub=str(uuid4()))
    assert site.call(stranger) == [403, 403, 403]
    assert set(site.host.used) == {site.company_id}


NOT_ADMITTED: dict[str, Callable[[Site], str | None]] = {
    "none": lambda site: None,
    "empty": lambda site: "",
    "garbage": lambda site: "a.b.c",
    "expired": lambda site: site.token(exp=int(time.time()) - 60),
    "without an end": lambda site: site.token(exp=None),
    "of nobody": lambda site: site.token(sub=None),
    "for others": lambda site: site.token(aud="else"),
    "an API key": lambda site: site.token(aud=None, sub=None, role="service_role"),
    "tampered": lambda site: site.token()[:-8] + "AAAAAAAA",
    "another secret": lambda site: site.token(LONG),
    "unsigned": lambda site: jwt.encode(site.claims(), "", "none"),
    "a stranger's key": lambda site: site.token(STRANGE, "ES256"),
    "an unknown key": lambda site: site.token(CURVE, "ES256", kid="gone"),
    "a key of another kind": lambda site: site.token(RSA, "RS256", kid="curve"),
    "another algorithm": lambda site: site.token(algorithm="HS512"),
}


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize("kind", NOT_ADMITTED)
def test_who_is_not_signed_in_is_asked_to(site: Site, kind: str) -> None:
    """401, whatever is wrong with the token."""
    assert site.call(NOT_ADMITTED[kind](site)) == [401, 401, 401]
    assert site.host.used == []


def test_a_published_key_is_no_secret(site: Site) -> None:
    """A token that is signed by HS256 with a published key is refused."""
    head, body, _ = site.token().split(".")
    forged = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = jwt.utils.base64url_encode(forged.sign(f"{head}.{body}".encode(), PEM)).decode()
    assert site.call(f"{head}.{body}.{signature}") == [401, 401, 401]


def test_where_supabase_is_away_nobody_is_let_in(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """503, and a login is not asked for in vain."""

    def away(_: Any) -> Any:
        raise jwt.PyJWKClientConnectionError("away")

    monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", away)
    assert site.call(site.token(CURVE, "ES256", kid="new")) == [503, 503, 503]
    assert site.host.used == []
