"""What no API shows: which of our tables and functions the API's roles may touch at all."""

from collections.abc import Iterator

from tests.contract.conftest import Target

_RELATIONS = """
select r.role_name as role, c.oid::regclass::text as named, p.privilege,
  has_table_privilege(r.role_name, c.oid, p.privilege)
    or p.privilege in ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')
      and has_any_column_privilege(r.role_name, c.oid, p.privilege) as held,
  has_table_privilege(current_user, c.oid, p.privilege) as control
from (values ('anon'), ('authenticated')) as r (role_name),
  (values ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE'), ('TRUNCATE'), ('REFERENCES'), ('TRIGGER'))
    as p (privilege), pg_class c
where c.relnamespace = 'botlive'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
   or c.relnamespace = 'public'::regnamespace and p.privilege = 'TRUNCATE' and c.relname = any(%s)
order by 2, 1, 3
"""
_FUNCTIONS = """
select r.role_name as role, p.oid::regprocedure::text as named, 'EXECUTE' as privilege,
  has_function_privilege(r.role_name, p.oid, 'EXECUTE') as held,
  has_function_privilege(current_user, p.oid, 'EXECUTE') as control
from (values ('anon'), ('authenticated')) as r (role_name), pg_proc p
where p.pronamespace = 'botlive'::regnamespace
   or p.pronamespace = 'public'::regnamespace and p.proname like 'botlive\\_%'
order by 2, 1
"""
_SCHEMAS = """
select r.role_name as role, 'schema botlive' as named, p.privilege,
  has_schema_privilege(r.role_name, 'botlive', p.privilege) as held,
  has_schema_privilege(current_user, 'botlive', p.privilege) as control
from (values ('anon'), ('authenticated')) as r (role_name), (values ('USAGE'), ('CREATE')) as p (privilege)
"""


def probe(target: Target, tables: list[str]) -> Iterator[tuple[str, str | None]]:
    """Each role that was asked about, and why the probe fails."""
    for query, arguments in ((_RELATIONS, [tables]), (_FUNCTIONS, None), (_SCHEMAS, None)):
        for row in target.database.execute(query.encode(), arguments).fetchall():
            what = f"{row['privilege']} on {row['named']}"
            fault = f"{row['role']} has {what}" if row["held"] else None
            yield row["role"], fault or (None if row["control"] else f"control: the owner has no {what}")
