"""The requests of `make probes` and the judgement of their answers, as a real PostgREST takes them."""

import random
import re
from types import SimpleNamespace
from typing import cast
from uuid import uuid4

import httpx
import pytest

from tests.contract.conftest import Shop, Target
from tests.probes import reads, verdict
from tests.probes.calls import Calls
from tests.probes.facts import Facts
from tests.probes.people import Person
from tests.probes.request import Request


@pytest.fixture
def facts() -> Facts:
    """Return a shop with one order."""
    shop = Shop("shop", uuid4(), uuid4(), cast("httpx.Client", None))
    order = {"company_id": str(shop.uuid), "id": str(uuid4()), "customer_name": "Awa"}
    return Facts(shop, {"orders": dict.fromkeys(order, "text")}, {"orders": order})


def test_inside_a_tree_a_condition_is_negated_after_its_column(facts: Facts) -> None:
    """PostgREST reads `not.and(…)` and `column.not.eq.…`, but not `not.column.eq.…`."""
    trees = [reads.logic(random.Random(seed), facts).params[1:] for seed in range(100)]
    written = [f"{name}={tree}" for params in trees for name, tree in params]
    assert any(".not.eq." in tree for tree in written)
    assert not [tree for tree in written if re.search(r"[(,]not\.(?!and|or)", tree)]


def test_a_call_by_head_counts_its_rows(facts: Facts) -> None:
    """Otherwise PostgreSQL skips the function, and the answer to everybody is 200."""
    function = {"name": "botlive_read_orders", "reads": True, "arguments": {"text_id": "text"}}
    rows = SimpleNamespace(fetchall=lambda: [function])
    target = cast("Target", SimpleNamespace(database=SimpleNamespace(execute=lambda _: rows)))
    calls = Calls(target)
    made = [calls.call(random.Random(seed), facts) for seed in range(100)]
    by_head = [request for request in made if request.method == "HEAD"]
    assert by_head
    assert {request.headers.get("Prefer") for request in by_head} == {"count=exact"}


@pytest.mark.parametrize(("count", "is_fault"), [("planned", False), ("estimated", True), ("exact", True)])
def test_an_estimate_is_no_row(facts: Facts, count: str, is_fault: bool) -> None:
    """A planned count is the planner's estimate, which is at least 1. Another count of 1 is a row."""
    request = Request("GET", "/orders", (("company_id", "eq.x"),), headers={"Prefer": f"count={count}"})
    answer = httpx.Response(206, json=[], headers={"Content-Range": "*/1"})
    fault = verdict.attack(Person("owner of another shop", "stranger", None), request, answer, facts)
    assert (fault is not None) is is_fault
