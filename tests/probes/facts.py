"""The shop whose rows are attacked, and a spare shop for the controls."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from psycopg.sql import SQL, Identifier

from events import Item, LiveToggled, OrderCompleted
from tests.contract.conftest import Shop, Target
from tests.make import persist

KEYS = {  # each table's column that names the shop
    "orders": "company_id",
    "activities": "company_id",
    "bot_sessions": "company_id",
    "companies": "id",
    "company_mapping": "uuid",
    "company_rag_configs": "company_id",
}
_COLUMNS = """
select c.relname, a.attname, format_type(a.atttypid, null) as type
from pg_attribute a join pg_class c on c.oid = a.attrelid
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
  and a.attnum > 0 and not a.attisdropped
  and (c.relname = any(%s) or c.relkind in ('v', 'm') and exists (
    select from pg_attribute k where k.attrelid = c.oid and k.attname = 'company_id'))
order by 1, a.attnum
"""


@dataclass(repr=False)
class Facts:
    """The values that a request about a shop may use."""

    shop: Shop
    types: dict[str, dict[str, str]]
    """The columns of each table and view, with their types."""
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    """One row of the shop in each, as JSON has it."""
    stranger: str = ""
    """The id of somebody who has another shop."""

    @property
    def names(self) -> dict[str, str]:
        """The key of the shop in each table."""
        text = self.shop.company_id
        return {
            table: text if table == "company_rag_configs" else str(self.shop.uuid) for table in self.types
        }

    def key(self, table: str) -> str:
        """The column that names the shop."""
        return KEYS.get(table, "company_id")

    @property
    def secrets(self) -> set[str]:
        """What no stranger may read: the ids of the shop and of its rows, and its customer's name."""
        found = {str(self.shop.uuid), self.shop.company_id, str(self.shop.owner)}
        for table, row in self.rows.items():
            found |= {str(row["id"])} if "id" in row and table in KEYS else set()
        return found | {self.rows["orders"]["customer_name"]}


def columns(target: Target) -> dict[str, dict[str, str]]:
    """The shops' tables, and the views of the project's that have a shop's rows."""
    found: dict[str, dict[str, str]] = {}
    for row in target.database.execute(_COLUMNS, [list(KEYS)]):
        found.setdefault(row["relname"], {})[row["attname"]] = row["type"]
    return found


def filled(target: Target) -> Facts:
    """A new shop with rows in every table."""
    facts = Facts(target.shop(), columns(target))
    renew(target, facts)
    return facts


def renew(target: Target, facts: Facts) -> None:
    """The shop is its owner's again, and has new rows."""
    shop = facts.shop
    items = (Item(name="Pagne", quantity=1, price=9000),)
    order = OrderCompleted(
        company_id=shop.company_id,
        user_id="+2250700000000",
        customer_name=f"Client {uuid4().hex}",
        total_amount=9000,
        items=items,
    )
    database = target.database
    with database.transaction():
        if not database.execute("select from public.companies where id = %s", [shop.uuid]).fetchall():
            database.execute("select botlive.make_company(%s, 'Boutique', %s)", [shop.uuid, shop.owner])
        database.execute("delete from public.company_mapping where uuid = %s", [shop.uuid])
        database.execute(
            "insert into public.company_mapping (uuid, company_id, user_id) values (%s, %s, %s)"
            " on conflict (company_id) do update set uuid = excluded.uuid, user_id = excluded.user_id",
            [shop.uuid, shop.company_id, shop.owner],
        )
        database.execute(
            "insert into public.company_rag_configs (company_id, company_name, user_id)"
            " values (%s, 'Boutique', %s)"
            " on conflict (company_id) do update set user_id = excluded.user_id",
            [shop.company_id, shop.owner],
        )
    persist(
        target.gateway,
        target.plain([order, LiveToggled(company_id=shop.company_id, enabled=True, mode="live")]),
    )
    session = SQL("insert into public.bot_sessions (company_id, mode, started_at) values (%s, 'live', now())")
    database.execute(session, [shop.uuid])
    facts.rows = {table: _row(target, facts, table, order.event_id) for table in facts.types}


def _row(target: Target, facts: Facts, table: str, newest: Any) -> dict[str, Any]:
    keyed = SQL("{} = %s").format(Identifier(facts.key(table)))
    own = SQL("to_jsonb(t) ->> 'id' is not distinct from %s")
    query = SQL("select to_jsonb(t) as row from public.{} t where {} order by {} desc limit 1").format(
        Identifier(table), keyed, own
    )
    found = target.database.execute(query, [facts.names[table], str(newest)]).fetchone()
    assert found, f"the shop has no row in {table}: its control would prove nothing"
    row: dict[str, Any] = found["row"]
    return row


def bare(target: Target, facts: Facts) -> None:
    """Delete the rows that would prevent other rows from being deleted or created."""
    with target.database.transaction():
        for table in ("orders", "activities", "bot_sessions"):
            query = SQL("delete from public.{} where company_id = %s").format(Identifier(table))
            target.database.execute(query, [facts.shop.uuid])
        target.database.execute("delete from public.company_mapping where uuid = %s", [facts.shop.uuid])
        target.database.execute(
            "delete from public.company_rag_configs where company_id = %s", [facts.shop.company_id]
        )
