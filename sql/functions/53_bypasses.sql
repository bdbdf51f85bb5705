-- Reports rules, triggers, partitions and roles for which row level security does not hold.

create or replace function botlive.rules_to_name()
returns table (words text, cure text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- A rule, and an INSTEAD OF trigger with security definer, writes with its owner's rights, not the caller's.
  select format('%s %s writes to the shops'' tables with its owner''s rights, for %s', w.what, w.name,
      string_agg(distinct r.role_name, ' and ')),
    format('revoke insert, update, delete on table %s from public, anon, authenticated;', w.relation::regclass)
  from (
    select distinct r.ev_class as relation, 'a rule of' as what, r.ev_class::regclass::text as name,
      case r.ev_type when '2' then 'UPDATE' when '3' then 'INSERT' else 'DELETE' end as verb
    from pg_catalog.pg_rewrite r
    join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = r.oid
      and d.refclassid = 'pg_catalog.pg_class'::regclass
    where r.ev_type in ('2', '3', '4') and d.refobjid in (select k.relation from botlive.known_tables k)
      and d.refobjid <> r.ev_class
    union
    select t.tgrelid, 'an INSTEAD OF trigger of', t.tgrelid::regclass::text, v.verb
    from pg_catalog.pg_trigger t
    join pg_catalog.pg_proc p on p.oid = t.tgfoid and p.prosecdef
    join botlive.views_over() o on o.relation = t.tgrelid
    join (values (4, 'INSERT'), (8, 'DELETE'), (16, 'UPDATE')) as v (bit, verb) on t.tgtype & v.bit > 0
    where t.tgtype & 64 > 0 and not botlive.compares_caller(p.oid)
  ) w
  join pg_catalog.pg_class c on c.oid = w.relation
  join (values ('anon'), ('authenticated')) as r (role_name)
    on pg_catalog.has_schema_privilege(r.role_name, c.relnamespace, 'USAGE')
    and case w.verb when 'DELETE' then pg_catalog.has_table_privilege(r.role_name, w.relation, 'DELETE')
      else pg_catalog.has_any_column_privilege(r.role_name, w.relation, w.verb) end
  group by w.what, w.name, w.relation
  order by 1
$$;
comment on function botlive.rules_to_name is
  'Rules and INSTEAD OF triggers through which strangers write to the shops'' tables.';

create or replace function botlive.partitions_to_name()
returns table (words text, cure text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with recursive parts as (
    select i.inhrelid as relation, i.inhparent as parent from pg_catalog.pg_inherits i
    where i.inhparent in (select k.relation from botlive.known_tables k)
    union
    select i.inhrelid, i.inhparent from parts p join pg_catalog.pg_inherits i on i.inhparent = p.relation
  )
  select format('%s is a part of %s, and its own policies count where it is asked by its own name: row level security '
      'is off there, for %s', c.oid::regclass, min(p.parent::regclass::text), string_agg(distinct r.role_name, ' and ')),
    format('alter table %s enable row level security;', c.oid::regclass)
  from parts p
  join pg_catalog.pg_class c on c.oid = p.relation and c.relkind in ('r', 'p') and not c.relrowsecurity
  join (values ('anon'), ('authenticated')) as r (role_name)
    on pg_catalog.has_schema_privilege(r.role_name, c.relnamespace, 'USAGE')
    and (pg_catalog.has_any_column_privilege(r.role_name, c.oid, 'SELECT, INSERT, UPDATE')
      or pg_catalog.has_table_privilege(r.role_name, c.oid, 'DELETE'))
  group by c.oid
  order by 1
$$;
comment on function botlive.partitions_to_name is
  'Partitions and child tables of the shops'' tables that have no row level security of their own.';

create or replace function botlive.roles_to_name()
returns table (words text, cure text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case when o.oid = r.oid then format('the role %I passes by row level security', r.rolname)
      else format('the role %I has the rights of %I, for whom row level security does not count', r.rolname, o.rolname) end,
    case when o.oid = r.oid then format('alter role %I nosuperuser nobypassrls;', r.rolname)
      else format('revoke %I from %I;', o.rolname, r.rolname) end
  from pg_catalog.pg_roles r join pg_catalog.pg_roles o on pg_catalog.pg_has_role(r.oid, o.oid, 'usage')
  where r.rolname in ('anon', 'authenticated') and (r.oid = o.oid or not (r.rolsuper or r.rolbypassrls))
    and (o.rolsuper or o.rolbypassrls or exists (
      select from pg_catalog.pg_class c where c.relowner = o.oid and c.oid in (select k.relation from botlive.known_tables k)))
  order by 1
$$;
comment on function botlive.roles_to_name is
  'The roles anon and authenticated, if row level security does not apply to them.';

revoke all on function botlive.rules_to_name, botlive.partitions_to_name, botlive.roles_to_name from public;
