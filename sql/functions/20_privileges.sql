-- Privileges on the shops' tables: which are open to everyone, which to remove, which to give back.
--
-- Each removal is recorded in botlive.replaced_policies, with the SQL that restores it.

set standard_conforming_strings = on; -- some projects switch it off

create or replace function botlive.note_taken(
  relation regclass, what text, name text, reason text, give_back text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into botlive.replaced_policies (relation, what, name, reason, give_back)
  values (relation::text, what, name, reason, give_back);
  if what <> 'privilege' then
    raise notice 'botlive: % % "%" on %: %',
      case what when 'policy' then 'replaced' else 'took' end, what, name, relation, reason;
  end if;
end
$$;

create or replace function botlive.uses(relation regclass, grantee text, privilege text)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
  -- Only policies that are not ours count. An update or a delete also needs the privilege to read the row.
  select exists (
    select
    from pg_catalog.pg_policy p, unnest(p.polroles) as role_id
    where p.polrelid = relation
      and p.polpermissive
      and p.polname not like 'botlive\_owner\_%'
      and case privilege
        when 'SELECT' then true
        when 'INSERT' then p.polcmd in ('a', '*')
        when 'UPDATE' then p.polcmd in ('w', '*')
        when 'DELETE' then p.polcmd in ('d', '*')
        else false end
      and (role_id = 0 or exists (
        select from (values ('anon'), ('authenticated')) as r (role_name)
        where grantee in ('public', r.role_name)
          and pg_catalog.pg_has_role(r.role_name, role_id, 'member')))
  )
$$;
comment on function botlive.uses is 'Whether a policy of the project uses this privilege of the grantee.';

create or replace function botlive.granted(relation regclass)
returns table (grantee text, privilege text, give_back text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- The privileges of public, anon and authenticated on a table and on its columns.
  select g.grantee, g.privilege,
    string_agg(format('grant %s%s on table %s to %s%s;', lower(g.privilege), g.columns, relation, g.grantee,
      case when g.is_grantable then ' with grant option' else '' end), ' ')
  from (
    select coalesce(r.rolname, 'public') as grantee, x.privilege_type as privilege, '' as columns, x.is_grantable
    from pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) x
      left join pg_catalog.pg_roles r on r.oid = x.grantee
    where c.oid = relation and (x.grantee = 0 or r.rolname in ('anon', 'authenticated'))
    union all
    select coalesce(r.rolname, 'public'), x.privilege_type, format(' (%I)', a.attname), x.is_grantable
    from pg_catalog.pg_attribute a, pg_catalog.aclexplode(a.attacl) x
      left join pg_catalog.pg_roles r on r.oid = x.grantee
    where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
      and (x.grantee = 0 or r.rolname in ('anon', 'authenticated'))
  ) g
  group by g.grantee, g.privilege
$$;

create or replace function botlive.take_open_privileges(relation regclass, was_open boolean)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  held record;
  taken text;
begin
  -- Row level security does not limit TRUNCATE. It limits the other privileges, so these are open only without it.
  for held in
    select g.* from botlive.granted(relation) g
    where g.privilege = 'TRUNCATE'
      or was_open and g.privilege in ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
        and not botlive.uses(relation, g.grantee, g.privilege)
    order by g.grantee, g.privilege
  loop
    execute format('revoke %s on table %s from %s', held.privilege, relation, held.grantee);
    perform botlive.note_taken(relation, 'privilege', format('%s of %s', lower(held.privilege), held.grantee),
      case when held.privilege = 'TRUNCATE' then 'row level security does not limit it'
        else 'row level security was off and no policy used it' end, held.give_back);
    taken := concat_ws(', ', taken, format('%s of %s', lower(held.privilege), held.grantee));
  end loop;
  if taken is not null then
    raise notice 'botlive: took privileges on %: %', relation, taken;
  end if;
end
$$;

create or replace function botlive.give_back_used_privileges(relation regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  taken record;
begin
  -- A policy that the project added later may use a privilege that no policy used before.
  for taken in
    select r.number, r.name, r.give_back from botlive.replaced_policies r
    where to_regclass(r.relation) = give_back_used_privileges.relation
      and r.what = 'privilege' and r.given_back_at is null
      and botlive.uses(give_back_used_privileges.relation, split_part(r.name, ' of ', 2), upper(split_part(r.name, ' of ', 1)))
    order by r.number
  loop
    execute taken.give_back;
    update botlive.replaced_policies set given_back_at = now() where number = taken.number;
    raise notice 'botlive: gave back privilege "%" on %: a policy uses it', taken.name, relation;
  end loop;
end
$$;

create or replace function botlive.restore_after_0_1(relation regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  missing record;
begin
  -- Release 0.1 reduced the privileges that the kept policies use, and did not record it.
  for missing in
    select r.grantee, p.privilege
    from (values ('anon'), ('authenticated')) as r (grantee),
         (values ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) as p (privilege)
    where botlive.uses(relation, r.grantee, p.privilege)
      and not pg_catalog.has_table_privilege(r.grantee, relation, p.privilege)
  loop
    execute format('grant %s on table %s to %s', missing.privilege, relation, missing.grantee);
    raise notice 'botlive: gave back privilege "% of %" on %: release 0.1 had narrowed it',
      lower(missing.privilege), missing.grantee, relation;
  end loop;
end
$$;

create or replace function botlive.strange_grants()
returns table (relation regclass, what text, revoke_it text, give_back text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- Three kinds: on the shops' tables TRUNCATE, which row level security does not limit; on the mapping every
  -- privilege that no policy uses; on our own objects every privilege.
  select c.oid::regclass, format('%s of %s', lower(g.privilege), g.grantee),
    format('revoke %s on table %s from %s', g.privilege, c.oid::regclass, g.grantee), g.give_back
  from pg_catalog.pg_class c, botlive.granted(c.oid) g
  where c.oid in (select k.relation from botlive.known_tables k) and c.relkind in ('r', 'p') and (
    g.privilege = 'TRUNCATE'
    or c.oid = to_regclass('public.company_mapping')
      and g.privilege in ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
      and not (g.privilege = 'SELECT' and g.grantee = 'authenticated')
      and not botlive.uses(c.oid, g.grantee, g.privilege))
  union all
  select null, format('%s of %s', o.target, coalesce(r.rolname, 'public')),
    format('revoke all on %s from %s', o.target, coalesce(quote_ident(r.rolname), 'public')),
    format('grant %s on %s to %s;', string_agg(distinct lower(x.privilege_type), ', '), o.target, coalesce(quote_ident(r.rolname), 'public'))
  from (
    select format('schema %I', n.nspname) as target, coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner)) as acl
    from pg_catalog.pg_namespace n where n.nspname = 'botlive'
    union all
    select format('%s %s', case c.relkind when 'S' then 'sequence' else 'table' end, c.oid::regclass), c.relacl
    from pg_catalog.pg_class c where c.relnamespace = 'botlive'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'S')
    union all
    select format('function %s', p.oid::regprocedure), coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))
    from pg_catalog.pg_proc p
    where p.prokind = 'f' and (p.pronamespace = 'botlive'::regnamespace
      or p.pronamespace = 'public'::regnamespace and p.proname like 'botlive^_%' escape '^')
  ) o, pg_catalog.aclexplode(o.acl) x left join pg_catalog.pg_roles r on r.oid = x.grantee
  where x.grantee = 0 or r.rolname in ('anon', 'authenticated')
  group by o.target, r.rolname
$$;
comment on function botlive.strange_grants is
  'Privileges of anon, authenticated or public on our own objects, and those on the shops'' tables that row level '
  'security does not limit.';

create or replace function botlive.take_strange_grants()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  held record;
begin
  for held in select g.* from botlive.strange_grants() g loop
    execute held.revoke_it;
    if held.relation is not null then
      perform botlive.note_taken(held.relation, 'privilege', held.what,
        case when held.what like 'truncate %' then 'row level security does not limit it'
          else 'no policy uses it' end, held.give_back);
      raise notice 'botlive: took privileges on %: %', held.relation, held.what;
    else
      raise notice 'botlive: took what belongs to the worker alone: %', held.what;
    end if;
  end loop;
end
$$;

revoke all on function botlive.note_taken, botlive.uses, botlive.granted, botlive.take_open_privileges,
  botlive.give_back_used_privileges, botlive.restore_after_0_1, botlive.strange_grants,
  botlive.take_strange_grants from public;
