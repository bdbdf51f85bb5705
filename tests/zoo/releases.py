"""What older releases of PostgreSQL say in another way, or do not have."""

from typing import Any

import psycopg

_INVOKER = "security_invoker"
_INVOKERS_VIEW = f" with ({_INVOKER} = true)"


def inheriting(role: str, member: str) -> str:
    """The statement by which the member has the role's rights; before PostgreSQL 16 the member itself says so."""
    return f"""do $$ begin
      if current_setting('server_version_num')::integer >= 160000 then
        execute 'grant {role} to {member} with inherit true';
      else
        alter role {member} inherit;
        grant {role} to {member};
      end if;
    end $$"""


def has_invokers_views(database: psycopg.Connection[Any]) -> bool:
    """Whether a view may be read with the rights of who asks: from PostgreSQL 15 on."""
    return database.info.server_version >= 150000


def knows(database: psycopg.Connection[Any], project: object) -> bool:
    """Whether that release can have the project."""
    return has_invokers_views(database) or _INVOKER not in repr(project)


def with_owners_views(sql: bytes) -> bytes:
    """The same project, with views that are read with their owner's rights alone."""
    return sql.replace(_INVOKERS_VIEW.encode(), b"")
