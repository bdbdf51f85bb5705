"""Who calls, and what the gateway answers to a token that it does not take."""

import time
from uuid import UUID, uuid4

import httpx
import jwt
import pytest

from devstack.stack import Stack
from devstack.tokens import sign


def whoami(client: httpx.Client, **headers: str) -> dict[str, str | None]:
    """What the database knows of the caller."""
    response = client.get("rpc/whoami", headers=headers)
    assert response.status_code == 200, response.text
    answer: dict[str, str | None] = response.json()
    return answer


def test_without_a_token_the_caller_is_anonymous(rest: httpx.Client) -> None:
    """No header at all means the role anon."""
    assert whoami(rest) == {
        "role": "anon",
        "uid": None,
        "jwt_role": "anon",
        "method": "GET",
        "path": "/rpc/whoami",
        "header": None,
    }


def test_a_users_token_sets_role_claims_and_headers(own: httpx.Client, owner: UUID) -> None:
    """The transaction runs in the token's role and sees its claims and the request."""
    answer = whoami(own, **{"X-Probe": "seen"})
    assert (answer["role"], answer["uid"], answer["header"]) == ("authenticated", str(owner), "seen")


@pytest.mark.parametrize("key", ["service_key", "secret_key"])
def test_both_kinds_of_service_key_are_the_service_role(stack: Stack, rest: httpx.Client, key: str) -> None:
    """The legacy token and the opaque key are the same role, as Bearer or as apikey."""
    value = getattr(stack.state.secrets, key)
    assert whoami(rest, Authorization=f"Bearer {value}")["role"] == "service_role"
    assert whoami(rest, apikey=value)["role"] == "service_role"


def test_a_publishable_key_is_anonymous_until_a_user_signs_in(
    stack: Stack, rest: httpx.Client, owner: UUID
) -> None:
    """`apikey` says which project, `Authorization` who calls."""
    key = stack.state.secrets.publishable_key
    assert whoami(rest, apikey=key, Authorization=f"Bearer {key}")["role"] == "anon"
    assert whoami(rest, apikey=key, Authorization=f"Bearer {stack.token(owner)}")["uid"] == str(owner)


def test_an_unknown_opaque_key_is_refused_without_a_code(rest: httpx.Client) -> None:
    """Hosted Supabase's own gateway answers, which knows nothing of PostgREST's codes."""
    response = rest.get("notes", headers={"apikey": "sb_secret_wrong"})
    assert (response.status_code, response.json().get("code")) == (401, None)


def expired(secret: str) -> str:
    """One second more than the allowed skew ago."""
    return sign({"role": "anon"}, secret, lifetime=-31)


def barely_expired(secret: str) -> str:
    """Expired, but within the allowed skew."""
    return sign({"role": "anon"}, secret, lifetime=-20)


def foreign(secret: str) -> str:
    """Signed with another project's secret."""
    return sign({"role": "anon"}, secret[::-1], lifetime=60)


def early(secret: str) -> str:
    """Valid in a minute and a half."""
    return sign({"role": "anon", "nbf": int(time.time()) + 90}, secret, lifetime=600)


def future(secret: str) -> str:
    """Issued in a minute and a half."""
    return sign({"role": "anon", "iat": int(time.time()) + 90}, secret, lifetime=600)


def textual(secret: str) -> str:
    """PyJWT itself refuses to write such a claim through its friendly door."""
    return jwt.PyJWS().encode(b'{"role":"anon","exp":"soon"}', secret, "HS256")


def unsigned(secret: str) -> str:
    """With the algorithm `none`."""
    return jwt.encode({"role": "anon"}, "", algorithm="none")


def not_an_object(secret: str) -> str:
    """Rightly signed, but claims are an object."""
    return jwt.PyJWS().encode(b"[]", secret, "HS256")


@pytest.mark.parametrize(
    ("token", "code", "message", "details"),
    [
        (expired, "PGRST303", "JWT expired", None),
        (early, "PGRST303", "JWT not yet valid", None),
        (future, "PGRST303", "JWT issued at future", None),
        (textual, "PGRST303", "The JWT 'exp' claim must be a number", None),
        (not_an_object, "PGRST303", "Parsing claims failed", None),
        (
            foreign,
            "PGRST301",
            "No suitable key or wrong key type",
            "None of the keys was able to decode the JWT",
        ),
        (
            unsigned,
            "PGRST301",
            "Wrong or unsupported encoding algorithm",
            "JWT is unsecured but expected 'alg' was not 'none'",
        ),
        (lambda _: "a.b", "PGRST301", "Expected 3 parts in JWT; got 2", None),
    ],
)
def test_a_bad_token_is_401_with_postgrests_body(
    stack: Stack, rest: httpx.Client, token: object, code: str, message: str, details: str | None
) -> None:
    """Body and challenge are those of PostgREST 14."""
    assert callable(token)
    value = token(stack.environment["SUPABASE_JWT_SECRET"])
    response = rest.get("rpc/whoami", headers={"Authorization": f"Bearer {value}"})
    assert response.status_code == 401
    assert response.json() == {"code": code, "details": details, "hint": None, "message": message}
    challenge = f'Bearer error="invalid_token", error_description="{message}"'
    assert response.headers["WWW-Authenticate"] == challenge


def test_a_bearer_of_nothing_is_401(rest: httpx.Client) -> None:
    """An empty token is an error, not the anonymous role."""
    response = rest.get("rpc/whoami", headers={"Authorization": "Bearer"})
    assert (response.status_code, response.json()["code"]) == (401, "PGRST301")
    assert response.json()["message"] == "Empty JWT is sent in Authorization header"


def test_a_clock_may_be_half_a_minute_off(stack: Stack, rest: httpx.Client) -> None:
    """PostgREST allows 30 seconds of skew."""
    token = barely_expired(stack.environment["SUPABASE_JWT_SECRET"])
    assert whoami(rest, Authorization=f"Bearer {token}")["role"] == "anon"


def test_a_role_that_does_not_exist_is_401(stack: Stack, rest: httpx.Client) -> None:
    """PostgreSQL's 22023 about the role of a token is the token's fault."""
    token = sign({"role": "nobody_known"}, stack.environment["SUPABASE_JWT_SECRET"], lifetime=60)
    response = rest.get("notes", headers={"Authorization": f"Bearer {token}"})
    assert (response.status_code, response.json()["code"]) == (401, "22023")


def test_a_role_that_authenticator_may_not_take_is_403(stack: Stack, rest: httpx.Client) -> None:
    """Nobody becomes the superuser by writing its name into a token."""
    token = sign({"role": "postgres"}, stack.environment["SUPABASE_JWT_SECRET"], lifetime=60)
    response = rest.get("notes", headers={"Authorization": f"Bearer {token}"})
    assert (response.status_code, response.json()["code"]) == (403, "42501")


def test_a_new_table_is_granted_to_nobody(service: httpx.Client, stack: Stack) -> None:
    """Not even to the service role; 401 for the anonymous, 403 for everyone else."""
    response = service.get("unreachable")
    assert (response.status_code, response.json()["code"]) == (403, "42501")
    del service.headers["Authorization"]
    response = service.get("unreachable")
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_an_owner_sees_own_rows_only(stack: Stack, own: httpx.Client, owner: UUID) -> None:
    """Row level security holds, and its control: the owner does see the row."""
    own.post("notes", json={"title": "mine"})
    own.headers["Authorization"] = f"Bearer {stack.token(uuid4())}"
    assert own.get("notes").json() == []
    assert own.patch("notes?title=eq.mine", json={"title": "stolen"}).status_code == 204
    own.headers["Authorization"] = f"Bearer {stack.token(owner)}"
    assert [row["title"] for row in own.get("notes").json()] == ["mine"]


def test_a_row_for_somebody_else_is_refused(own: httpx.Client) -> None:
    """A policy's check fails with 42501, which is 403 for a signed-in user."""
    response = own.post("notes", json={"title": "theirs", "owner": str(uuid4())})
    assert (response.status_code, response.json()["code"]) == (403, "42501")
