"""What older releases of PostgreSQL say in another way, or do not have."""

from typing import Any

import psycopg

_INVOKER = "security_invoker"
_INVOKERS_VIEW = f" with ({_INVOKER} = true)"


def inheriting(role: str, member: str) -> str:
    """Return the statement that makes the member inherit the role's rights."""
    return f"""do $$ begin
      if current_setting('server_version_num')::integer >= 160000 then
        execute 'grant {role} to {member} with inherit true';
      else
        alter role {member} inherit;
        grant {role} to {member};
      end if;
    end $$"""


def has_invokers_views(database: psycopg.Connection[Any]) -> bool:
    """Return whether a view can run with the rights of its reader: from PostgreSQL 15 on."""
    return database.info.server_version >= 150000


def knows(database: psycopg.Connection[Any], project: object) -> bool:
    """Whether that release can have the project."""
    return has_invokers_views(database) or _INVOKER not in repr(project)


def with_owners_views(sql: bytes) -> bytes:
    """The same project, with views that are read with their owner's rights alone."""
    return sql.replace(_INVOKERS_VIEW.encode(), b"")
