"""Reads and writes of tables as supabase-py and owners' browsers send them."""

from uuid import UUID

import httpx
import pytest

MINIMAL = {"Prefer": "return=minimal"}
FULL = {"Prefer": "return=representation"}
OBJECT = {"Accept": "application/vnd.pgrst.object+json"}


@pytest.fixture
def notes(own: httpx.Client) -> httpx.Client:
    """The owner's client, with three notes written."""
    rows = [
        {"title": "a,b", "amount": 1, "metadata": {"event": "x", "tags": ["t0", "t1"]}},
        {"title": "two", "amount": 2.5, "metadata": {"event": "y", "tags": []}},
        {"title": "Three", "amount": None, "metadata": None},
    ]
    assert own.post("notes", json=rows, headers=MINIMAL).status_code == 201
    return own


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("title=eq.two", ["two"]),
        ("title=neq.two", ["a,b", "Three"]),
        ("amount=gt.1", ["two"]),
        ("amount=gte.1", ["a,b", "two"]),
        ("amount=lt.2.5", ["a,b"]),
        ("amount=lte.2.5", ["a,b", "two"]),
        ("title=like.t*", ["two"]),
        ("title=ilike.T*", ["two", "Three"]),
        ("amount=is.null", ["Three"]),
        ("amount=not.is.null", ["a,b", "two"]),
        ('title=in.("a,b",Three)', ["a,b", "Three"]),
        ("title=in.()", []),
        ("title=not.in.(two)", ["a,b", "Three"]),
        ("metadata->>event=eq.y", ["two"]),
        ("metadata->tags->>0=eq.t0", ["a,b"]),
        ('metadata=cs.{"event":"x"}', ["a,b"]),
        ("amount=gt.0&title=not.eq.two", ["a,b"]),
        ("order=amount.desc.nullslast", ["two", "a,b", "Three"]),
        ("order=amount.asc.nullsfirst,id.desc", ["Three", "a,b", "two"]),
        ("order=id&limit=1&offset=1", ["two"]),
        ("limit=0", []),
    ],
)
def test_filters_orders_and_limits(notes: httpx.Client, query: str, titles: list[str]) -> None:
    """Every operator that we speak, through the owner's eyes."""
    suffix = "" if "order" in query else "&order=id"
    response = notes.get(f"notes?{query}{suffix}")
    assert response.status_code == 200, response.text
    assert [row["title"] for row in response.json()] == titles


def test_select_names_casts_and_digs(notes: httpx.Client) -> None:
    """Aliases, casts and JSON paths; a path is called by its last key."""
    select = "title,sum:amount,amount::text,metadata->>event,first:metadata->tags->0,owner->x"
    row = notes.get(f"notes?title=eq.two&select={select}").json()[0]
    assert row == {"title": "two", "sum": 2.5, "amount": "2.5", "event": "y", "first": None, "x": None}


def test_count_and_range(notes: httpx.Client) -> None:
    """`count=exact` says how many there are in all: 206 for a part, 416 beyond the end."""
    response = notes.get("notes?limit=2&order=id", headers={"Prefer": "count=exact"})
    assert (response.status_code, response.headers["Content-Range"]) == (206, "0-1/3")
    response = notes.head("notes", headers={"Prefer": "count=exact"})
    assert (response.status_code, response.headers["Content-Range"], response.content) == (200, "0-2/3", b"")
    assert notes.get("notes").headers["Content-Range"] == "0-2/*"
    assert notes.get("notes?title=eq.none").headers["Content-Range"] == "*/*"
    response = notes.get("notes?offset=9", headers={"Prefer": "count=exact"})
    assert (response.status_code, response.json()["code"]) == (416, "PGRST103")


def test_one_object_or_406(notes: httpx.Client) -> None:
    """`.single()` wants exactly one row, and a write that has more is undone."""
    response = notes.get("notes?title=eq.two&select=title", headers=OBJECT)
    assert (response.status_code, response.json()) == (200, {"title": "two"})
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
    response = notes.patch("notes?amount=gt.0", json={"amount": 9}, headers=OBJECT | FULL)
    assert response.status_code == 406
    assert notes.get("notes?amount=eq.9").json() == []


def test_insert_answers_what_was_wanted(own: httpx.Client, owner: UUID) -> None:
    """Nothing by default, the rows (or the selected columns) with return=representation."""
    response = own.post("notes", json={"title": "quiet"})
    assert (response.status_code, response.content) == (201, b"")
    response = own.post("notes?select=title,owner", json={"title": "loud"}, headers=FULL)
    assert (response.status_code, response.json()) == (201, [{"title": "loud", "owner": str(owner)}])
    columns = {"columns": '"title","amount"'}
    response = own.post("notes", params=columns, json=[{"title": "p"}, {"title": "q", "amount": 1}])
    assert response.status_code == 201
    assert own.post("notes", json=[]).status_code == 201


def test_update_and_delete(notes: httpx.Client) -> None:
    """They touch what the filters leave, and tell of it if asked."""
    response = notes.patch("notes?title=eq.two&select=title,amount", json={"amount": 3}, headers=FULL)
    assert (response.status_code, response.json()) == (200, [{"title": "two", "amount": 3}])
    assert notes.patch("notes?title=eq.two", json={"amount": 4}).status_code == 204
    assert notes.patch("notes?title=eq.two", json={}, headers=FULL).json() == []
    response = notes.delete("notes?title=eq.two&select=amount", headers=FULL)
    assert (response.status_code, response.json()) == (200, [{"amount": 4}])
    assert notes.delete("notes?title=eq.two").status_code == 204
    assert len(notes.get("notes").json()) == 2


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_write_without_a_filter_is_refused(notes: httpx.Client, method: str) -> None:
    """As on hosted Supabase, which loads `safeupdate`."""
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
        ("notes?amount=5", 400, "PGRST100"),
        ("notes?amount=between.5", 400, "PGRST100"),
        ("notes?amount=is.five", 400, "PGRST100"),
        ("notes?amount=in.5", 400, "PGRST100"),
        ("notes?order=id.sideways", 400, "PGRST100"),
        ("notes?select=a->", 400, "PGRST100"),
        ("notes?limit=-1", 416, "PGRST103"),
        ("a/b/c", 404, "PGRST125"),
    ],
)
def test_what_makes_no_sense_has_postgrests_code(
    own: httpx.Client, path: str, status: int, code: str
) -> None:
    """Each mistake has its status and its code."""
    response = own.get(path)
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_the_bodies_of_mistakes(own: httpx.Client) -> None:
    """Messages, details and hints read as PostgREST's do."""
    assert own.get("nots").json()["hint"] == "Perhaps you meant the table 'public.notes'"
    assert own.get("notes?nope=eq.1").json()["message"] == "column notes.nope does not exist"
    assert own.get("notes?amount=0").json() == {
        "code": "PGRST100",
        "details": 'unexpected "0" expecting "not" or operator (eq, gt, ...)',
        "hint": None,
        "message": '"failed to parse filter (0)" (line 1, column 1)',
    }


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"title": "x", "nope": 1}, 400, "PGRST204"),
        ([{"title": "x"}, {"title": "y", "amount": 1}], 400, "PGRST102"),
        ({"title": "forbidden"}, 400, "23514"),
        ({"title": None}, 400, "23502"),
        ({"title": "x", "amount": "many"}, 400, "22P02"),
    ],
)
def test_bodies_that_do_not_fit(own: httpx.Client, body: object, status: int, code: str) -> None:
    """Unknown columns, uneven rows and broken constraints."""
    response = own.post("notes", json=body)
    assert (response.status_code, response.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("notes?or=(title.eq.a,title.eq.b)", {}),
        ("notes?not.and=(title.eq.a,title.eq.b)", {}),
        ("notes?select=*,children(*)", {}),
        ("notes?select=amount.sum()", {}),
        ("notes?select=...parents(id)", {}),
        ("notes?children.id=eq.1", {}),
        ("notes?title=fts.word", {}),
        ("notes?title=eq(any).{a,b}", {}),
        ("notes", {"Range": "0-9"}),
        ("notes", {"Accept": "text/csv"}),
        ("notes", {"Prefer": "count=planned"}),
        ("", {}),
    ],
)
def test_what_is_not_spoken_says_so(own: httpx.Client, path: str, headers: dict[str, str]) -> None:
    """501 instead of a wrong answer."""
    response = own.get(path, headers=headers)
    assert (response.status_code, response.json()["code"]) == (501, "LOCAL501")
    assert response.json()["message"].startswith("the local gateway does not speak")


@pytest.mark.parametrize(("method", "header"), [("GET", "Accept-Profile"), ("POST", "Content-Profile")])
def test_a_schema_that_is_not_exposed_is_refused(own: httpx.Client, method: str, header: str) -> None:
    """With PostgREST's own words."""
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


def test_upserts_are_not_spoken(own: httpx.Client) -> None:
    """Neither by header nor by method."""
    headers = {"Prefer": "resolution=merge-duplicates"}
    assert own.post("notes", json={"title": "x"}, headers=headers).status_code == 501
    assert own.put("notes?id=eq.1", json={"id": 1}).status_code == 501


@pytest.mark.parametrize("name", ["title; drop table notes", "title'--", 'ti"tle', "a%s", "$1"])
def test_names_cannot_break_out(own: httpx.Client, name: str) -> None:
    """A name is quoted or refused; no text of a request ever becomes SQL."""
    quoted = '"' + name.replace('"', '\\"') + '"'
    for params in ({quoted: "eq.1"}, {"select": quoted}, {"order": quoted}, {"select": f"id::{name}"}):
        assert own.get("notes", params=params).status_code == 400
    assert own.get("notes", params={"title": f"eq.{name}"}).json() == []
