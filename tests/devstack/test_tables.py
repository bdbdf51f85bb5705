"""Reads and writes of tables, as supabase-py, the front end and the probes send them."""

from uuid import UUID

import httpx
import pytest

MINIMAL = {"Prefer": "return=minimal"}
FULL = {"Prefer": "return=representation"}
OBJECT = {"Accept": "application/vnd.pgrst.object+json"}
COUNT = {"Prefer": "count=exact"}


@pytest.fixture
def notes(own: httpx.Client) -> httpx.Client:
    """Return the owner's client after three notes were written."""
    rows = [
        {"title": "a,b", "amount": 1, "metadata": {"event": "x", "tags": ["t0"]}},
        {"title": 'say "hi"', "amount": 2.5, "metadata": {"event": "y"}},
        {"title": "Three", "amount": None, "metadata": None},
    ]
    assert own.post("notes", json=rows, headers=MINIMAL).status_code == 201
    return own


QUOTED = 'say "hi"'


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("title=eq.Three", ["Three"]),
        ("title=neq.Three", ["a,b", QUOTED]),
        ("amount=gt.1", [QUOTED]),
        ("amount=gte.1", ["a,b", QUOTED]),
        ("amount=lt.2.5", ["a,b"]),
        ("amount=lte.2.5", ["a,b", QUOTED]),
        ("title=like.s*", [QUOTED]),
        ("title=ilike.t*", ["Three"]),
        ("title=match.^T", ["Three"]),
        ("title=imatch.^t", ["Three"]),
        ("amount=is.null", ["Three"]),
        ("amount=not.is.null", ["a,b", QUOTED]),
        ('title=in.("a,b",Three)', ["a,b", "Three"]),
        (r'title=in.("say \"hi\"")', [QUOTED]),
        ("title=not.in.(Three)", ["a,b", QUOTED]),
        ("metadata->>event=eq.y", [QUOTED]),
        ('metadata=cs.{"event":"x"}', ["a,b"]),
        ('metadata=cd.{"event":"y","more":1}', [QUOTED]),
        ("amount=gt.0&title=not.eq.Three", ["a,b", QUOTED]),
        ("order=amount.desc.nullslast", [QUOTED, "a,b", "Three"]),
        ("order=amount.asc.nullsfirst,id.desc", ["Three", "a,b", QUOTED]),
        ("order=metadata->>event.desc.nullslast&limit=1", [QUOTED]),
        ("order=id&limit=1&offset=1", [QUOTED]),
        ("limit=0", []),
    ],
)
def test_filters_orders_and_limits(notes: httpx.Client, query: str, titles: list[str]) -> None:
    """Each filter and order gives the rows that PostgREST would give."""
    suffix = "" if "order" in query else "&order=id"
    response = notes.get(f"notes?{query}{suffix}")
    assert response.status_code == 200, response.text
    assert [row["title"] for row in response.json()] == titles


def test_select_renames_casts_and_reads_json(notes: httpx.Client) -> None:
    """Aliases, casts and JSON paths work; a path is named by its last key."""
    select = "title,sum:amount,amount::text,metadata->>event,first:metadata->tags"
    row = notes.get(f"notes?amount=eq.2.5&select={select}").json()[0]
    assert row == {"title": QUOTED, "sum": 2.5, "amount": "2.5", "event": "y", "first": None}
    assert notes.get("notes?amount=eq.1&select=*").json() == notes.get("notes?amount=eq.1").json()


def test_count_and_range(notes: httpx.Client) -> None:
    """`count=exact` gives the number of all rows, and 206 for a part of them."""
    response = notes.get("notes?limit=2&order=id", headers=COUNT)
    assert (response.status_code, response.headers["Content-Range"]) == (206, "0-1/3")
    response = notes.head("notes", headers=COUNT)
    assert (response.status_code, response.headers["Content-Range"], response.content) == (200, "0-2/3", b"")
    assert notes.get("notes?order=id&offset=1").headers["Content-Range"] == "1-2/*"
    assert notes.get("notes?title=eq.none", headers=COUNT).headers["Content-Range"] == "*/0"


def test_one_object_or_406(notes: httpx.Client) -> None:
    """A request for one object fails unless there is exactly one row, and its write is undone."""
    response = notes.get("notes?title=eq.Three&select=title", headers=OBJECT)
    assert (response.status_code, response.json()) == (200, {"title": "Three"})
    assert response.headers["Content-Type"] == "application/vnd.pgrst.object+json; charset=utf-8"
    response = notes.get("notes?title=eq.none", headers=OBJECT)
    assert (response.status_code, response.json()) == (
        406,
        {
            "code": "PGRST116",
            "details": "The result contains 0 rows",
            "hint": None,
            "message": "Cannot coerce the result to a single JSON object",
        },
    )
    assert notes.patch("notes?amount=gt.0", json={"amount": 9}, headers=OBJECT | FULL).status_code == 406
    assert notes.get("notes?amount=eq.9").json() == []


def test_insert(own: httpx.Client, owner: UUID) -> None:
    """An insert returns nothing, or its rows with `return=representation`; it takes one row or several."""
    response = own.post("notes", json={"title": "quiet"})
    assert (response.status_code, response.content) == (201, b"")
    response = own.post("notes?select=title,owner", json={"title": "loud"}, headers=FULL)
    assert (response.status_code, response.json()) == (201, [{"title": "loud", "owner": str(owner)}])
    columns = {"columns": "title,amount"}
    assert own.post("notes", params=columns, json=[{"title": "p"}, {"title": "q", "amount": 1}]).is_success
    assert own.post("notes", json=[]).status_code == 201
    assert own.post("notes", json={}).json()["code"] == "23502"


def test_update_and_delete(notes: httpx.Client) -> None:
    """They change the rows that the filters leave, and return them if that is asked for."""
    response = notes.patch("notes?title=eq.Three&select=title,amount", json={"amount": 3}, headers=FULL)
    assert (response.status_code, response.json()) == (200, [{"title": "Three", "amount": 3}])
    response = notes.patch("notes?title=eq.Three", json={"amount": 4})
    assert (response.status_code, response.headers["Content-Range"]) == (204, "0-0/*")
    counted = {"Prefer": "return=representation, count=exact"}
    response = notes.delete("notes?title=eq.Three&select=amount", headers=counted)
    assert (response.status_code, response.json()) == (200, [{"amount": 4}])
    assert response.headers["Content-Range"] == "*/1"
    assert notes.delete("notes?title=eq.Three").status_code == 204
    assert len(notes.get("notes").json()) == 2


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_write_without_a_filter_is_refused(notes: httpx.Client, method: str) -> None:
    """Hosted Supabase refuses it too, by its extension `safeupdate`."""
    response = notes.request(method, "notes", json={"amount": 1} if method == "PATCH" else None)
    assert (response.status_code, response.json()["code"]) == (400, "21000")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("nots", 404, "PGRST205"),
        ("notes?nope=eq.1", 400, "42703"),
        ("notes?select=nope", 400, "42703"),
        ("notes?order=nope", 400, "42703"),
        ("notes?amount=eq.many", 400, "22P02"),
        ("a/b/c", 404, "PGRST125"),
        ("notes/", 404, "PGRST125"),
        ("rpc/whoami/", 404, "PGRST125"),
    ],
)
def test_wrong_names_and_values(own: httpx.Client, path: str, status: int, code: str) -> None:
    """Each mistake has PostgREST's status and code."""
    response = own.get(path)
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_messages_name_what_is_missing(own: httpx.Client) -> None:
    """They are those of PostgREST."""
    message = "Could not find the table 'public.nots' in the schema cache"
    assert own.get("nots").json()["message"] == message
    assert own.get("notes?nope=eq.1").json()["message"] == "column notes.nope does not exist"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"title": "x", "nope": 1}, "PGRST204"),
        ([{"title": "x"}, {"title": "y", "amount": 1}], "PGRST102"),
        ({"title": "forbidden"}, "23514"),
        ({"title": None}, "23502"),
        ({"title": "x", "amount": "many"}, "22P02"),
    ],
)
def test_bodies_that_do_not_fit(own: httpx.Client, body: object, code: str) -> None:
    """Unknown columns, rows with different keys and violated constraints are 400."""
    response = own.post("notes", json=body)
    assert (response.status_code, response.json()["code"]) == (400, code)


def test_an_update_of_an_unknown_column_names_it(notes: httpx.Client) -> None:
    """A column that only the filter names has PostgreSQL's own error."""
    message = "Could not find the 'nope' column of 'notes' in the schema cache"
    answer = notes.patch("notes?title=eq.Three", json={"nope": 1}).json()
    assert (answer["code"], answer["message"]) == ("PGRST204", message)
    assert notes.patch("notes?nope=eq.1", json={"amount": 1}).json()["code"] == "42703"


def test_an_insert_needs_a_body(own: httpx.Client) -> None:
    """A call of a function does not."""
    response = own.post("notes")
    assert (response.status_code, response.json()["code"]) == (400, "PGRST102")
    assert own.post("rpc/whoami").status_code == 200


def test_an_offset_beyond_the_rows_is_416(notes: httpx.Client) -> None:
    """Only where the rows are counted."""
    response = notes.get("notes?offset=4", headers=COUNT)
    assert (response.status_code, response.json()["code"]) == (416, "PGRST103")
    assert response.json()["details"] == "An offset of 4 was requested, but there are only 3 rows."
    assert notes.get("notes?offset=4").json() == []


UNSUPPORTED: list[tuple[str, str, dict[str, str]]] = [
    ("GET", "notes?or=(title.eq.a,title.eq.b)", {}),
    ("GET", "notes?not.and=(title.eq.a,title.eq.b)", {}),
    ("GET", "notes?select=*,children(*)", {}),
    ("GET", "notes?select=amount.sum()", {}),
    ("GET", "notes?select=...parents(id)", {}),
    ("GET", "notes?select=metadata->0", {}),
    ("GET", "notes?children.id=eq.1", {}),
    ("GET", "notes?title=fts.word", {}),
    ("GET", "notes?title=eq(any).{a,b}", {}),
    ("GET", "notes?title=is.unknown", {}),
    ("GET", "notes?title=in.()", {}),
    ("GET", "notes?amount=5", {}),
    ("GET", "notes?limit=-1", {}),
    ("GET", "notes?order=id.sideways", {}),
    ("GET", "notes", {"Range": "0-9"}),
    ("GET", "notes", {"Accept": "text/csv"}),
    ("GET", "notes", {"Prefer": "count=planned"}),
    ("GET", "", {}),
    ("OPTIONS", "notes", {}),
    ("PUT", "notes?id=eq.1", {}),
    ("POST", "notes?on_conflict=id", {}),
    ("POST", "notes", {"Prefer": "resolution=merge-duplicates"}),
    ("POST", "notes", {"Prefer": "missing=default"}),
    ("POST", "notes", {"Content-Type": "text/csv"}),
]


@pytest.mark.parametrize(("method", "path", "headers"), UNSUPPORTED)
def test_what_is_not_supported_is_501(
    own: httpx.Client, method: str, path: str, headers: dict[str, str]
) -> None:
    """The answer says so; it is never a wrong result."""
    response = own.request(method, path, headers=headers, content="{}")
    assert (response.status_code, response.json()["code"]) == (501, "LOCAL501")
    assert response.json()["message"].startswith("the local stand-in for PostgREST does not support ")


@pytest.mark.parametrize(("method", "header"), [("GET", "Accept-Profile"), ("POST", "Content-Profile")])
def test_a_schema_that_is_not_exposed_is_refused(own: httpx.Client, method: str, header: str) -> None:
    """The body is that of PostgREST."""
    response = own.request(method, "notes", headers={header: "auth"}, json={})
    assert (response.status_code, response.json()) == (
        406,
        {
            "code": "PGRST106",
            "details": None,
            "hint": "Only the following schemas are exposed: public",
            "message": "Invalid schema: auth",
        },
    )


@pytest.mark.parametrize("name", ["title; drop table notes", "title'--", 'ti"tle', "a%s", "$1", "{}"])
def test_names_cannot_break_out(own: httpx.Client, name: str) -> None:
    """A name is quoted or refused; no text of a request becomes SQL."""
    for params in ({name: "eq.1"}, {"select": name}, {"order": name}, {"select": f"id::{name}"}):
        assert own.get("notes", params=params).status_code == 501
    assert own.get(f"notes/{name}").status_code == 404
    assert own.post("notes", json={name: 1}).status_code == 400
    assert own.get("notes", params={"title": f"eq.{name}"}).json() == []
