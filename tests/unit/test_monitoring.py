"""What Grafana and Prometheus are given: it fits the metrics that are served, and the form that is imported.

The metrics are read from ``/metrics`` of a worker and from a publisher's registry, after each was counted.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import fakeredis
import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from events import Publisher
from events.publishing.metrics import export
from events.publishing.outbox import Outbox
from operations.health import Gauges
from worker.metrics import REGISTRY

_ROOT = Path(__file__).parents[2]
_FROM_PROMETHEUS = {"job", "instance"}  # labels that Prometheus itself adds
_WIDTH = 24  # columns of a dashboard
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

Labels = dict[str, str]
Metrics = dict[str, list[Labels]]


class Worker:
    """A worker that holds nothing."""

    last_turn = 0.0
    held_because: str | None = None


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Metrics:
    """The name and the labels of each sample that a worker and a chat serve."""
    outbox = Outbox(tmp_path_factory.mktemp("monitoring") / "outbox.db")
    redis = fakeredis.FakeStrictRedis()
    registry = CollectorRegistry()
    registry.register(Gauges(Worker(), redis, "botlive"))
    with Publisher(redis, outbox=outbox) as publisher:
        export(publisher, registry)
        texts = [generate_latest(one).decode() for one in (REGISTRY, registry)]
    found: Metrics = defaultdict(list)
    for text in texts:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found[sample.name].append(sample.labels)
    return found


class Query(NamedTuple):
    """One query, and the texts that show its labels."""

    where: str
    expression: str
    shown: str = ""

    def selectors(self) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
        """Yield each metric with its matchers: label, operator and value."""
        for name, braces in re.findall(r"\b(botlive_\w+)(?:\{(.*?)\})?", self.expression):
            yield name, re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"(.*?)"', braces)

    def labels(self) -> set[str]:
        """Return the labels by which it groups, and those that its texts show."""
        grouped = re.findall(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", self.expression)
        shown = re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", self.shown)
        return {label.strip() for group in grouped for label in group.split(",")} | set(shown)


def dashboard() -> dict[str, Any]:
    """The dashboard's JSON."""
    read: dict[str, Any] = json.loads((_ROOT / "deploy/grafana/botlive.json").read_text(encoding="utf-8"))
    return read


def rules() -> list[dict[str, Any]]:
    """The alert rules of Prometheus."""
    text = (_ROOT / "deploy/prometheus-rules.yaml").read_text(encoding="utf-8")
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def queries() -> list[Query]:
    """All queries of the dashboard and of the rules."""
    found = [
        Query(panel["title"], target["expr"], target["legendFormat"])
        for panel in dashboard()["panels"]
        for target in panel.get("targets", [])
    ]
    return found + [Query(rule["alert"], rule["expr"], str(rule["annotations"])) for rule in rules()]


@pytest.mark.parametrize("query", queries(), ids=lambda query: query.where)
def test_a_query_finds_what_is_served(query: Query, served: Metrics) -> None:
    """Its metrics, labels and label values exist. A query that finds nothing shows an outage as silence."""
    selectors = list(query.selectors())
    assert selectors
    for name, matchers in selectors:
        own = [matcher for matcher in matchers if matcher[0] not in _FROM_PROMETHEUS]
        assert any(_matches(labels, own) for labels in served.get(name, [])), f"nothing serves {name} {own}"
    known = {label for name, _ in selectors for labels in served[name] for label in labels}
    assert query.labels() <= known | _FROM_PROMETHEUS


def _matches(labels: Labels, matchers: list[tuple[str, str, str]]) -> bool:
    return all(label in labels and _holds(labels[label], *rest) for label, *rest in matchers)


def _holds(found: str, operator: str, value: str) -> bool:
    is_equal = bool(re.fullmatch(value, found)) if "~" in operator else found == value
    return is_equal != operator.startswith("!")


def test_every_value_of_a_choice_exists(served: Metrics) -> None:
    """Each alternative of a pattern such as ``working|held`` is a value that is served."""
    for query in queries():
        for name, matchers in query.selectors():
            for label, operator, value in matchers:
                if operator == "=~" and label not in _FROM_PROMETHEUS:
                    assert {*value.split("|")} <= {labels[label] for labels in served[name]}


def test_every_metric_is_shown_and_documented(served: Metrics) -> None:
    """A metric that nobody shows is forgotten, and one that is only documented misleads."""
    is_histogram = {name.removesuffix("_bucket") for name in served if name.endswith("_bucket")}
    parts = {base + end for base in is_histogram for end in ("_bucket", "_sum", "_count")}
    made = {name for name in served if not name.endswith("_created")} - parts | is_histogram
    shown = {re.sub("_(bucket|sum|count)$", "", name) for query in queries() for name, _ in query.selectors()}
    documented = {*re.findall(r"`(botlive_\w+)", (_ROOT / "docs/metrics.md").read_text(encoding="utf-8"))}
    assert shown == made
    assert documented == made


def test_grafana_can_import_the_dashboard() -> None:
    """It has the fields that an import reads. Nothing of one installation is in it."""
    board = dashboard()
    assert board["id"] is None
    assert board["uid"] == "botlive-events"
    assert board["title"] == "Botlive Events"
    assert isinstance(board["schemaVersion"], int)
    assert board["schemaVersion"] >= 36, "older ones name a data source by a text"
    assert "__inputs" not in board, "a provisioned dashboard cannot ask"


def test_the_data_source_is_a_variable() -> None:
    """The same file serves an import and a provisioning, with any name of the data source."""
    board = dashboard()
    (variable,) = [each for each in board["templating"]["list"] if each["type"] == "datasource"]
    assert (variable["name"], variable["query"]) == ("datasource", "prometheus")
    users = [panel for panel in board["panels"] if panel["type"] != "row"]
    users += [target for panel in users for target in panel["targets"]]
    users += [each for each in board["templating"]["list"] if each["type"] == "query"]
    assert [each["datasource"] for each in users] == [_DATASOURCE] * len(users)


def test_each_panel_has_a_place_of_its_own() -> None:
    """Ids are unique, and no panel covers another one or leaves the width of the page."""
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [(panel["title"], panel["gridPos"]) for panel in panels]
    for title, place in places:
        assert place["x"] + place["w"] <= _WIDTH, title
        assert min(place["x"], place["y"]) >= 0, title
        assert min(place["w"], place["h"]) >= 1, title
    for (title, one), (other, two) in combinations(places, 2):
        assert not (_overlap(one, two, "x", "w") and _overlap(one, two, "y", "h")), f"{title} and {other}"


def _overlap(one: dict[str, int], two: dict[str, int], start: str, size: str) -> bool:
    return one[start] < two[start] + two[size] and two[start] < one[start] + one[size]


def test_each_panel_says_what_it_shows() -> None:
    """It has a title and a description, and each query of it has a name of its own."""
    for panel in dashboard()["panels"]:
        assert panel["title"]
        if panel["type"] != "row":
            assert panel["description"], panel["title"]
            names = [target["refId"] for target in panel["targets"]]
            assert len({*names}) == len(names)


def test_each_rule_says_what_to_do() -> None:
    """An alert has a severity, what happened, and the cure."""
    for rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"].keys() == {"summary", "cure"}
