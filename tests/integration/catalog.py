"""What a database's catalog says of our objects and of the shops' tables, to compare two databases."""

from typing import Any

import psycopg

_NAMESPACES = "in ('botlive'::regnamespace, 'public'::regnamespace)"
_OURS = """(p.pronamespace = 'botlive'::regnamespace
    or p.pronamespace = 'public'::regnamespace and p.proname like 'botlive^_%' escape '^')"""
_QUERIES = {  # the first column is the key
    "functions": f"""
        select p.oid::regprocedure, pg_get_functiondef(p.oid), p.proowner::regrole, p.proacl::text[],
          obj_description(p.oid, 'pg_proc')
        from pg_proc p where {_OURS}""",
    "relations": f"""
        select c.oid::regclass, c.relkind, c.relowner::regrole, c.relacl::text[], c.relrowsecurity,
          c.relforcerowsecurity, c.reloptions, obj_description(c.oid, 'pg_class')
        from pg_class c where c.relnamespace {_NAMESPACES}""",
    "columns": f"""
        select c.oid::regclass || '.' || a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
          a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid), a.attacl::text[],
          col_description(c.oid, a.attnum)
        from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
        where c.relnamespace {_NAMESPACES} and c.relkind in ('r', 'p', 'v', 'c')""",
    "constraints": f"""
        select k.conrelid::regclass || ' ' || k.conname, pg_get_constraintdef(k.oid), k.convalidated
        from pg_constraint k where k.connamespace {_NAMESPACES}""",
    "indexes": f"""
        select c.oid::regclass, pg_get_indexdef(c.oid) from pg_class c
        where c.relnamespace {_NAMESPACES} and c.relkind = 'i'""",
    "triggers": """
        select t.tgrelid::regclass || ' ' || t.tgname, pg_get_triggerdef(t.oid), t.tgenabled
        from pg_trigger t where not t.tgisinternal""",
    "policies": """
        select p.schemaname || '.' || p.tablename || ' ' || p.policyname, p.permissive, p.roles, p.cmd,
          p.qual, p.with_check
        from pg_policies p""",
    "schemas": """
        select n.nspname, n.nspowner::regrole, n.nspacl::text[], obj_description(n.oid, 'pg_namespace')
        from pg_namespace n where n.nspname in ('botlive', 'public')""",
    "types": """
        select t.oid::regtype, t.typtype, t.typowner::regrole, obj_description(t.oid, 'pg_type')
        from pg_type t where t.typnamespace = 'botlive'::regnamespace""",
}


def catalog(database: psycopg.Connection[Any]) -> dict[str, str]:
    """Each object by its kind and name, with all that defines it. Privileges are sorted."""
    found = {}
    for kind, query in _QUERIES.items():
        for name, *definition in database.execute(query.encode()).fetchall():
            found[f"{kind} {name}"] = repr([_sorted(part) for part in definition])
    return found


def _sorted(part: object) -> object:
    return sorted(part) if isinstance(part, list) else part
