"""Calls of functions: which one is meant, and the shape of what it returns."""

import concurrent.futures
from uuid import UUID

import httpx
import psycopg
import pytest
from postgrest import APIError, CountMethod
from supabase import create_client
from supabase.lib.client_options import SyncClientOptions

from devstack.stack import Stack


@pytest.mark.parametrize(
    ("name", "arguments", "value"),
    [
        ("add", {"a": 1, "b": 2}, 3),
        ("add", {"a": 1}, 11),
        ("add", {"a": 1, "b": None}, None),
        ("echo", {"payload": {"a": [1, "é", None]}}, {"a": [1, "é", None]}),
        ("echo", {"payload": None}, None),
        ("whole", {"x": 1, "y": 2}, {"x": 1, "y": 2}),
        ("series", {"n": 3}, [1, 2, 3]),
        ("series", {"n": 0}, []),
        ("pairs", {"n": 2}, [{"k": 1, "v": "v1"}, {"k": 2, "v": "v2"}]),
        ("pairs?k=eq.2&select=name:v", {"n": 2}, [{"name": "v2"}]),
        ("pairs?order=k.desc&limit=1", {"n": 5}, [{"k": 5, "v": "v5"}]),
    ],
)
def test_results_have_postgrests_shapes(
    service: httpx.Client, name: str, arguments: dict[str, object], value: object
) -> None:
    """A scalar is itself, a set an array, and a set of rows can be filtered like a table."""
    response = service.post(f"rpc/{name}", json=arguments)
    assert (response.status_code, response.json()) == (200, value)
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"


def test_void_is_204(service: httpx.Client) -> None:
    """A function that returns nothing answers with no body."""
    response = service.post("rpc/nothing")
    assert (response.status_code, response.content) == (204, b"")


def test_one_composite_is_an_object(service: httpx.Client) -> None:
    """A function that returns one row answers with the row, not with an array."""
    assert service.post("rpc/one", json={}).json()["title"] == "one"


def test_get_takes_arguments_from_the_query_string(service: httpx.Client) -> None:
    """Stable functions can be called without a body."""
    assert service.get("rpc/add?a=5&b=6").json() == 11
    assert service.get("rpc/pairs?n=3&k=gt.2").json() == [{"k": 3, "v": "v3"}]
    assert service.get("rpc/series?n=3", headers={"Accept": "application/json"}).json() == [1, 2, 3]


def test_get_cannot_write(service: httpx.Client) -> None:
    """GET runs in a read-only transaction: 405 with PostgreSQL's words."""
    response = service.get("rpc/add_note?title=x")
    assert (response.status_code, response.json()["code"]) == (405, "25006")


def test_an_unknown_function_is_named_with_its_arguments(service: httpx.Client) -> None:
    """404 with PostgREST's message, details and hint."""
    response = service.post("rpc/add", json={"a": 1, "c": 2})
    assert (response.status_code, response.json()) == (
        404,
        {
            "code": "PGRST202",
            "details": "Searched for the function public.add with parameters a, c or with a single unnamed"
            " json/jsonb parameter, but no matches were found in the schema cache.",
            "hint": "Perhaps you meant to call the function public.add(a, b)",
            "message": "Could not find the function public.add(a, c) in the schema cache",
        },
    )


def test_an_ambiguous_call_is_300(service: httpx.Client) -> None:
    """JSON does not say which overload is meant, so nobody guesses."""
    response = service.post("rpc/twin", json={"a": 1})
    assert (response.status_code, response.json()["code"]) == (300, "PGRST203")
    assert "public.twin(a => integer), public.twin(a => text)" in response.json()["message"]


def test_only_schema_public_is_reachable(service: httpx.Client) -> None:
    """Functions of other schemas do not exist for the API."""
    assert service.post("rpc/uid", json={}).status_code == 404


@pytest.mark.parametrize("body", ["", "{", '{"a": NaN}', "nonsense"])
def test_a_body_that_is_no_json_is_pgrst102(service: httpx.Client, body: str) -> None:
    """An empty body, however, is a call without arguments."""
    headers = {"Content-Type": "application/json"}
    response = service.post("rpc/add", content=body, headers=headers)
    expected = (404, "PGRST202") if body == "" else (400, "PGRST102")
    assert (response.status_code, response.json()["code"]) == expected


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("P0001", 400),
        ("22023", 400),
        ("23505", 409),
        ("23503", 409),
        ("23514", 400),
        ("25006", 405),
        ("40001", 500),
        ("40P01", 500),
        ("42501", 403),
        ("42883", 404),
        ("42P01", 404),
        ("42703", 400),
        ("53300", 503),
        ("53400", 500),
        ("55P03", 500),
        ("57014", 500),
        ("57P01", 503),
        ("58030", 500),
        ("08006", 503),
        ("XX000", 500),
        ("PT402", 402),
    ],
)
def test_sqlstates_become_postgrests_statuses(service: httpx.Client, state: str, status: int) -> None:
    """The body holds PostgreSQL's code, message, detail and hint."""
    response = service.post("rpc/fails", json={"state": state})
    body = {"code": state, "details": "why", "hint": "how", "message": "as told"}
    assert (response.status_code, response.json()) == (status, body)


def test_a_deferred_constraint_fails_the_call(service: httpx.Client) -> None:
    """What only the commit finds out is an error too, never a false success."""
    response = service.post("rpc/deferred", json={})
    assert (response.status_code, response.json()["code"]) == (409, "23503")


def test_an_argument_of_the_wrong_type_is_400(service: httpx.Client) -> None:
    """PostgreSQL says what does not fit."""
    response = service.post("rpc/add", json={"a": "many"})
    assert (response.status_code, response.json()["code"]) == (400, "22P02")


def test_a_large_body_goes_through(service: httpx.Client) -> None:
    """A megabyte comes back as it went."""
    payload = {"rows": [{"i": i, "text": "x" * 100} for i in range(8000)]}
    assert service.post("rpc/echo", json={"payload": payload}).json() == payload


def test_concurrent_calls_do_not_mix(service: httpx.Client) -> None:
    """More callers than connections, and each gets its own answer."""
    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        answers = threads.map(lambda i: service.post("rpc/add", json={"a": i, "b": 0}).json(), range(200))
        assert list(answers) == list(range(200))


def test_a_new_function_is_found_at_once(stack: Stack, service: httpx.Client) -> None:
    """A miss makes the gateway look again before it refuses."""
    assert service.post("rpc/fresh", json={}).status_code == 404
    with psycopg.connect(stack.postgres.url, autocommit=True) as connection:
        connection.execute("create function public.fresh() returns text language sql as 'select 1::text'")
    assert service.post("rpc/fresh", json={}).json() == "1"


def test_supabase_py_calls_functions(stack: Stack) -> None:
    """The client that the worker uses gets data, and errors with their codes."""
    url, key = stack.environment["SUPABASE_URL"], stack.environment["SUPABASE_KEY"]
    with httpx.Client(timeout=20) as http:
        client = create_client(url, key, SyncClientOptions(httpx_client=http))
        assert client.rpc("add", {"a": 2, "b": 3}).execute().data == 5
        assert client.rpc("nothing", {}).execute().data in ("", None, [])
        client.table("notes").insert([{"title": "py", "owner": str(UUID(int=1))}]).execute()
        found = client.table("notes").select("title", count=CountMethod.exact).eq("title", "py").limit(1)
        answer = found.execute()
        assert (answer.data, answer.count) == ([{"title": "py"}], 1)
        with pytest.raises(APIError) as caught:
            client.rpc("fails", {"state": "40P01"}).execute()
        assert (caught.value.code, caught.value.message) == ("40P01", "as told")
