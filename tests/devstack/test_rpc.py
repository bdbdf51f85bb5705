"""Calls of functions: which one is called, and the form of its result."""

import concurrent.futures
from uuid import UUID, uuid4

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
        ("ids", {"ids": [str(UUID(int=1))]}, 1),
    ],
)
def test_a_result_is_json(
    service: httpx.Client, name: str, arguments: dict[str, object], value: object
) -> None:
    """A call by POST returns the value as JSON, a null too; arguments with a default may be missing."""
    response = service.post(f"rpc/{name}", json=arguments)
    assert (response.status_code, response.json()) == (200, value)
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"


def test_void_is_204(service: httpx.Client) -> None:
    """A function that returns void has an answer without a body, with and without a request body."""
    for response in (service.post("rpc/nothing"), service.post("rpc/nothing", json={})):
        assert (response.status_code, response.content) == (204, b"")


def test_get_takes_arguments_from_the_query_string(service: httpx.Client) -> None:
    """Functions that only read are called by GET and HEAD too."""
    assert service.get("rpc/add?a=5&b=6").json() == 11
    assert service.get("rpc/ids", params={"ids": f"{{{uuid4()},{uuid4()}}}"}).json() == 2
    response = service.head("rpc/add?a=5")
    assert (response.status_code, response.content) == (200, b"")


def test_get_cannot_write(service: httpx.Client) -> None:
    """A GET runs in a read-only transaction: 405 with PostgreSQL's code."""
    response = service.get("rpc/add_note?title=x")
    assert (response.status_code, response.json()["code"]) == (405, "25006")


def test_other_methods_are_405(service: httpx.Client) -> None:
    """A function is not deleted by a DELETE."""
    response = service.delete("rpc/add")
    assert (response.status_code, response.json()["code"]) == (405, "PGRST101")


def test_an_unknown_function_is_named_with_its_arguments(service: httpx.Client) -> None:
    """The answer is 404 with PostgREST's code and message."""
    response = service.post("rpc/add", json={"a": 1, "c": 2})
    assert (response.status_code, response.json()["code"]) == (404, "PGRST202")
    message = "Could not find the function public.add(a, c) in the schema cache"
    assert response.json()["message"] == message


@pytest.mark.parametrize(
    ("name", "arguments"), [("twin", {"a": 1}), ("series", {"n": 3}), ("any_number", {"n": [1]})]
)
def test_other_kinds_of_functions_are_501(
    service: httpx.Client, name: str, arguments: dict[str, object]
) -> None:
    """Overloaded, set-returning and variadic functions are not supported."""
    response = service.post(f"rpc/{name}", json=arguments)
    assert (response.status_code, response.json()["code"]) == (501, "LOCAL501")


def test_only_schema_public_is_reachable(service: httpx.Client) -> None:
    """The API does not have the functions of other schemas."""
    assert service.post("rpc/uid", json={}).status_code == 404


@pytest.mark.parametrize("body", ["", "{", '{"a": NaN}', "nonsense"])
def test_a_body_that_is_not_json_is_pgrst102(service: httpx.Client, body: str) -> None:
    """An empty body is a call without arguments, and no error."""
    response = service.post("rpc/add", content=body, headers={"Content-Type": "application/json"})
    expected = (404, "PGRST202") if body == "" else (400, "PGRST102")
    assert (response.status_code, response.json()["code"]) == expected


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("P0001", 400),
        ("PT402", 402),
        ("PTABC", 500),
        ("21000", 500),
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
    ],
)
def test_sqlstates_become_postgrests_statuses(service: httpx.Client, state: str, status: int) -> None:
    """The body has PostgreSQL's code, message, detail and hint."""
    response = service.post("rpc/fails", json={"state": state})
    body = {"code": state, "details": "why", "hint": "how", "message": "as raised"}
    assert (response.status_code, response.json()) == (status, body)


def test_a_deferred_constraint_fails_the_call(service: httpx.Client) -> None:
    """An error at the commit is an error of the call, not a success."""
    response = service.post("rpc/deferred", json={})
    assert (response.status_code, response.json()["code"]) == (409, "23503")


def test_an_argument_of_the_wrong_type_is_400(service: httpx.Client) -> None:
    """The code is PostgreSQL's."""
    response = service.post("rpc/add", json={"a": "many"})
    assert (response.status_code, response.json()["code"]) == (400, "22P02")


def test_a_large_body_goes_through(service: httpx.Client) -> None:
    """A megabyte is returned unchanged."""
    payload = {"rows": [{"i": i, "text": "x" * 100} for i in range(8000)]}
    assert service.post("rpc/echo", json={"payload": payload}).json() == payload


def test_concurrent_calls_do_not_mix(service: httpx.Client) -> None:
    """With more callers than connections, each caller gets its own answer."""
    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        answers = threads.map(lambda i: service.post("rpc/add", json={"a": i, "b": 0}).json(), range(200))
        assert list(answers) == list(range(200))


def test_a_new_function_is_found_at_once(stack: Stack, service: httpx.Client) -> None:
    """A function that was missing is looked up again by the next call."""
    assert service.post("rpc/fresh", json={}).status_code == 404
    with psycopg.connect(stack.postgres.url, autocommit=True) as connection:
        connection.execute("create function public.fresh() returns text language sql as 'select 1::text'")
    assert service.post("rpc/fresh", json={}).json() == "1"


def test_supabase_py_calls_functions_and_tables(stack: Stack) -> None:
    """The worker's client gets data, and errors with their codes."""
    url, key = stack.environment["SUPABASE_URL"], stack.environment["SUPABASE_KEY"]
    with httpx.Client(timeout=20) as http:
        client = create_client(url, key, SyncClientOptions(httpx_client=http))
        assert client.rpc("add", {"a": 2, "b": 3}).execute().data == 5
        assert client.rpc("nothing", {}).execute().data in ("", None, [])
        client.table("notes").insert({"title": "py", "owner": str(UUID(int=1))}).execute()
        found = client.table("notes").select("title", count=CountMethod.exact).eq("title", "py").limit(1)
        answer = found.execute()
        assert (answer.data, answer.count) == ([{"title": "py"}], 1)
        with pytest.raises(APIError) as caught:
            client.rpc("fails", {"state": "40P01"}).execute()
        assert (caught.value.code, caught.value.message) == ("40P01", "as raised")
