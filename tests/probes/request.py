"""A request, made of a shop's facts and a seed: the same seed makes the same request of another shop."""

import json
import random
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.probes.facts import Facts

Control = Literal["owner", "worker"]


@dataclass(frozen=True)
class Request:
    """A request to the API, and who may make it."""

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    control: Control = "owner"
    """Who makes the same request of a shop, and succeeds."""
    aimed: bool = True
    """Whether it asks for the shop's rows only: then any row is one too many."""
    writes: bool = False
    bare: bool = False
    """Whether the control needs a company without any rows."""
    shows: bool = True
    """Whether the control sees at least one row."""
    hidden: bool = False
    """Whether nobody may find what it names; its control is the plain table."""

    def __str__(self) -> str:
        query = "&".join(f"{key}={value}" for key, value in self.params)
        return f"{self.method} {self.path}?{query} {self.headers} {json.dumps(self.body)[:200]}"


Pairs = list[tuple[str, str]]


def condition(chance: random.Random, facts: Facts, table: str) -> tuple[str, str]:
    """A filter that the shop's row passes."""
    columns = sorted(facts.types[table])
    column = chance.choice(columns)
    value, form = facts.rows[table][column], facts.types[table][column]
    number = chance.random()  # drawn at any rate, so that another shop's request is the same
    if value is None:
        return column, ("is.null", "not.is.true")[number > 0.5 and form == "boolean"]
    choices = [f"{operator}.{text}" for operator, text in _passing(column, value, form)]
    return column, choices[int(number * len(choices))]


def _passing(column: str, value: Any, form: str) -> list[tuple[str, str]]:
    """Operators, with what they compare with."""
    if isinstance(value, dict | list):
        written = json.dumps(value, ensure_ascii=False)
        return (
            [("cs", written), ("cd", written), ("not.is", "null")]
            if form == "jsonb"
            else [("not.is", "null")]
        )
    text = json.dumps(value) if isinstance(value, bool) else str(value)
    everywhere = [("eq", text), ("in", f'("{text}")'), ("gte", text), ("lte", text), ("not.lt", text)]
    everywhere += [("not.is", "null"), ("not.gt", text), ("in", f'("{text}","{text}")')]
    if form == "boolean":
        return [("is", text), ("eq", text)]
    if form == "text" and column not in {"description"}:
        start = text[:4].replace("*", "").replace("%", "").replace("_", "")
        everywhere += [("like", f"{start}*"), ("ilike", f"*{start.upper()}*"), ("match", f"^{start[:1]}")]
        everywhere += [("not.like", "*~nothing~*"), ("neq", "~nothing~"), ("imatch", f"{start[:1]}")]
    return everywhere


def by_key(facts: Facts, table: str) -> tuple[str, str]:
    """The filter that names the shop's rows."""
    return facts.key(table), f"eq.{facts.names[table]}"


def conditions(chance: random.Random, facts: Facts, table: str, *, aimed: bool) -> Pairs:
    """Some filters; where they are aimed, one of them names the shop, or a row of it."""
    found = [condition(chance, facts, table) for _ in range(chance.choice([0, 0, 1, 1, 2]))]
    named = [by_key(facts, table)]
    if "id" in facts.rows[table] and table in facts.rows:
        named += [("id", f"eq.{facts.rows[table]['id']}"), ("id", f"in.({facts.rows[table]['id']})")]
    chosen = chance.choice([0, 1, 2]) % len(named)
    return [named[chosen], *found] if aimed else found


def selection(chance: random.Random, facts: Facts, table: str, *, aimed: bool) -> Pairs:
    """All columns, or some, renamed or cast. Where the request is not aimed, the key is among them."""
    columns = sorted(facts.types[table])
    picked = chance.sample(columns, chance.randint(1, len(columns)))
    shaped = [chance.choice([f"{name}", f"x{n}:{name}", f"{name}::text"]) for n, name in enumerate(picked)]
    if not aimed:
        shaped = [name for name in shaped if name.partition("::")[0] != facts.key(table)] + [facts.key(table)]
    return chance.choice([[], [("select", "*")], [("select", ",".join(dict.fromkeys(shaped)))]])


def order(chance: random.Random, facts: Facts, table: str) -> Pairs:
    """An order, of columns that have one."""
    columns = [name for name, form in sorted(facts.types[table].items()) if form not in {"json", "jsonb"}]
    way = chance.choice(["", ".asc", ".desc", ".desc.nullslast", ".asc.nullsfirst"])
    return chance.choice([[], [("order", f"{chance.choice(columns)}{way}")]])
