"""The metrics, their document and their alert rules name the same things."""

import re
from pathlib import Path

from prometheus_client import generate_latest

from operations import health
from worker.metrics import REGISTRY

_ROOT = Path(__file__).parents[2]


def test_every_metric_that_a_rule_or_a_document_names_is_there() -> None:
    """An alert on a metric that does not exist would never fire."""
    code = Path(health.__file__).read_text(encoding="utf-8")
    made = {*re.findall(r'"(botlive_\w+)"', code)}
    made |= {*re.findall(r"# TYPE (botlive_\w+)", generate_latest(REGISTRY).decode())}
    for path in ("docs/metrics.md", "deploy/prometheus-rules.yaml"):
        named = {*re.findall(r"\bbotlive_[a-z_]+", (_ROOT / path).read_text(encoding="utf-8"))}
        assert named - made - {"botlive_outbox_events"} == set()
