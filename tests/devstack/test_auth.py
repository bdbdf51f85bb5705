"""The role and claims of a caller, and the answers to credentials that are refused."""

import time
from collections.abc import Callable
from uuid import UUID, uuid4

import httpx
import jwt
import pytest

from devstack.stack import Stack
from devstack.tokens import sign


def raw(payload: bytes, algorithm: str = "HS256") -> Callable[[str], str]:
    """Return what signs this payload with a secret, whether it is claims or not."""
    return lambda secret: jwt.PyJWS().encode(payload, secret, algorithm)


def whoami(client: httpx.Client, **headers: str) -> dict[str, str | None]:
    """Return what the database knows about the caller."""
    response = client.get("rpc/whoami", headers=headers)
    assert response.status_code == 200, response.text
    answer: dict[str, str | None] = response.json()
    return answer


def test_without_a_token_the_caller_is_anonymous(rest: httpx.Client) -> None:
    """A request without a credential runs in the role anon."""
    assert whoami(rest) == {
        "role": "anon",
        "uid": None,
        "jwt_role": "anon",
        "method": "GET",
        "path": "/rpc/whoami",
        "header": None,
    }


def test_a_users_token_sets_role_claims_and_headers(own: httpx.Client, owner: UUID) -> None:
    """The transaction runs in the token's role and sees its claims and the request's headers."""
    answer = whoami(own, **{"X-Probe": "seen"})
    assert (answer["role"], answer["uid"], answer["header"]) == ("authenticated", str(owner), "seen")


@pytest.mark.parametrize("key", ["service_key", "secret_key"])
def test_both_kinds_of_service_key_are_the_service_role(stack: Stack, rest: httpx.Client, key: str) -> None:
    """The legacy JWT and the opaque key give the same role, as Bearer and as apikey."""
    value = getattr(stack.state.secrets, key)
    assert whoami(rest, Authorization=f"Bearer {value}")["role"] == "service_role"
    assert whoami(rest, apikey=value)["role"] == "service_role"


def test_a_publishable_key_is_anonymous_until_a_user_signs_in(
    stack: Stack, rest: httpx.Client, owner: UUID
) -> None:
    """`Authorization` with a user's JWT wins over `apikey`."""
    key = stack.state.secrets.publishable_key
    assert whoami(rest, apikey=key, Authorization=f"Bearer {key}")["role"] == "anon"
    assert whoami(rest, apikey=key, Authorization=f"Bearer {stack.token(owner)}")["uid"] == str(owner)


def test_an_unknown_opaque_key_is_refused_without_a_code(rest: httpx.Client) -> None:
    """The answer has no code, as on hosted Supabase, where PostgREST does not see such a request."""
    response = rest.get("notes", headers={"apikey": "sb_secret_wrong"})
    assert response.status_code == 401
    hint = "Double check your Supabase `anon` or `service_role` API key."
    assert response.json() == {"message": "Invalid API key", "hint": hint}


BAD: dict[str, tuple[Callable[[str], str], str, str]] = {
    "expired": (
        lambda secret: sign({"role": "anon"}, secret, lifetime=-40),
        "PGRST303",
        "JWT expired",
    ),
    "valid in the future": (
        lambda secret: sign({"role": "anon", "nbf": int(time.time()) + 90}, secret, lifetime=600),
        "PGRST303",
        "JWT not yet valid",
    ),
    "issued in the future": (
        lambda secret: sign({"role": "anon", "iat": int(time.time()) + 90}, secret, lifetime=600),
        "PGRST303",
        "JWT issued at future",
    ),
    "signed with another secret": (
        lambda secret: sign({"role": "anon"}, secret[::-1], lifetime=60),
        "PGRST301",
        "No suitable key or wrong key type",
    ),
    "unsigned": (
        lambda _: jwt.encode({"role": "anon"}, "", algorithm="none"),
        "PGRST301",
        "Wrong or unsupported encoding algorithm",
    ),
    "claims that are no object": (
        raw(b"[]"),
        "PGRST303",
        "Parsing claims failed",
    ),
    "claims that are not JSON": (
        raw(b"{"),
        "PGRST303",
        "Parsing claims failed",
    ),
    "signed by another algorithm": (
        raw(b"{}", "HS512"),
        "PGRST301",
        "No suitable key or wrong key type",
    ),
    "an end that is text": (
        raw(b'{"exp": "9999999999"}'),
        "PGRST303",
        "The JWT 'exp' claim must be a number",
    ),
    "an end that is not whole": (
        raw(b'{"exp": 9999999999.5}'),
        "PGRST303",
        "JWT expired",
    ),
    "an audience that is a number": (
        raw(b'{"aud": 5}'),
        "PGRST303",
        "The JWT 'aud' claim must be a string or an array of strings",
    ),
    "three parts without JSON": (lambda _: "a.b.c", "PGRST301", "JWT cryptographic operation failed"),
    "two parts": (lambda _: "a.b", "PGRST301", "Expected 3 parts in JWT; got 2"),
    "empty": (lambda _: "", "PGRST301", "Empty JWT is sent in Authorization header"),
}


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize(("token", "code", "message"), BAD.values(), ids=BAD)
def test_a_bad_token_is_401(
    stack: Stack, rest: httpx.Client, token: Callable[[str], str], code: str, message: str
) -> None:
    """Body and challenge have the form, the code and the message of PostgREST's."""
    value = token(stack.environment["SUPABASE_JWT_SECRET"])
    response = rest.get("rpc/whoami", headers={"Authorization": f"Bearer {value}".strip()})
    assert response.status_code == 401
    answer = response.json()
    assert (answer["code"], answer["message"], answer["hint"]) == (code, message, None)
    challenge = f'Bearer error="invalid_token", error_description="{message}"'
    assert response.headers["WWW-Authenticate"] == challenge


@pytest.mark.parametrize("claims", [b'{"exp": null, "iat": null}', b'{"aud": null}', b'{"aud": ["a", "b"]}'])
def test_claims_that_may_be_null(stack: Stack, rest: httpx.Client, claims: bytes) -> None:
    """A null is a claim that is not there; several audiences are accepted."""
    token = jwt.PyJWS().encode(claims, stack.environment["SUPABASE_JWT_SECRET"], "HS256")
    assert whoami(rest, Authorization=f"Bearer {token}")["role"] == "anon"


def test_a_clock_may_be_half_a_minute_off(stack: Stack, rest: httpx.Client) -> None:
    """A token is accepted for 30 seconds after its end."""
    token = sign({"role": "anon"}, stack.environment["SUPABASE_JWT_SECRET"], lifetime=-15)
    assert whoami(rest, Authorization=f"Bearer {token}")["role"] == "anon"


def test_a_role_that_does_not_exist_is_401(stack: Stack, rest: httpx.Client) -> None:
    """The token is at fault for PostgreSQL's 22023 about its role."""
    token = sign({"role": "nobody_known"}, stack.environment["SUPABASE_JWT_SECRET"], lifetime=60)
    response = rest.get("notes", headers={"Authorization": f"Bearer {token}"})
    assert (response.status_code, response.json()["code"]) == (401, "22023")


def test_a_role_that_authenticator_may_not_take_is_403(stack: Stack, rest: httpx.Client) -> None:
    """A signed token with the superuser's name does not make a superuser."""
    token = sign({"role": "postgres"}, stack.environment["SUPABASE_JWT_SECRET"], lifetime=60)
    response = rest.get("notes", headers={"Authorization": f"Bearer {token}"})
    assert (response.status_code, response.json()["code"]) == (403, "42501")


def test_a_new_table_is_granted_to_nobody(service: httpx.Client) -> None:
    """The service role gets 403 for a new table, an anonymous caller 401."""
    response = service.get("ungranted")
    assert (response.status_code, response.json()["code"]) == (403, "42501")
    del service.headers["Authorization"]
    response = service.get("ungranted")
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_an_owner_sees_own_rows_only(stack: Stack, own: httpx.Client, owner: UUID) -> None:
    """Another user neither sees nor changes the owner's row; the owner sees it."""
    own.post("notes", json={"title": "mine"})
    own.headers["Authorization"] = f"Bearer {stack.token(uuid4())}"
    assert own.get("notes").json() == []
    assert own.patch("notes?title=eq.mine", json={"title": "stolen"}).status_code == 204
    own.headers["Authorization"] = f"Bearer {stack.token(owner)}"
    assert [row["title"] for row in own.get("notes").json()] == ["mine"]


def test_a_row_for_another_user_is_refused(own: httpx.Client) -> None:
    """A policy's check fails with 42501, which is 403 for a signed-in user."""
    response = own.post("notes", json={"title": "theirs", "owner": str(uuid4())})
    assert (response.status_code, response.json()["code"]) == (403, "42501")
