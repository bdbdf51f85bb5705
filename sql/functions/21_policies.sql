-- Our own policies, and a policy's parts as text.

create or replace function botlive.policy_roles(policy pg_catalog.pg_policy)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(case r when 0 then 'public' else quote_ident(pg_catalog.pg_get_userbyid(r)) end, ', ')
  from unnest(policy.polroles) r
$$;

create or replace function botlive.policy_sql(policy pg_catalog.pg_policy)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format('create policy %I on %s as %s for %s to %s', policy.polname, policy.polrelid::regclass,
      case when policy.polpermissive then 'permissive' else 'restrictive' end,
      case policy.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update'
        when 'd' then 'delete' else 'all' end,
      botlive.policy_roles(policy))
    || coalesce(' using (' || pg_catalog.pg_get_expr(policy.polqual, policy.polrelid) || ')', '')
    || coalesce(' with check (' || pg_catalog.pg_get_expr(policy.polwithcheck, policy.polrelid) || ')', '')
    || ';'
$$;

create or replace function botlive.openings(policy pg_catalog.pg_policy)
returns table (role_name text, verb "char", is_new boolean, condition text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- The condition under which a policy lets a role read, change or delete a row, or write a new one. Each
  -- condition includes the restrictive policies that apply to that role and command.
  select r.role_name, v.verb, c.is_new, format('(%s)', c.condition) || coalesce((
    select string_agg(format(' and (%s)', case when c.is_new
        then pg_catalog.pg_get_expr(coalesce(x.polwithcheck, x.polqual), x.polrelid)
        else pg_catalog.pg_get_expr(x.polqual, x.polrelid) end), '' order by x.polname)
    from pg_catalog.pg_policy x
    where x.polrelid = policy.polrelid and not x.polpermissive and x.polcmd in ('*', v.verb)
      and exists (select from unnest(x.polroles) g
                  where g = 0 or pg_catalog.pg_has_role(r.role_name, g, 'usage'))), '')
  from (values ('anon'), ('authenticated')) as r (role_name),
    (values ('r'::"char"), ('a'), ('w'), ('d')) as v (verb),
    (values
      (pg_catalog.pg_get_expr(policy.polqual, policy.polrelid), false),
      (pg_catalog.pg_get_expr(coalesce(policy.polwithcheck, policy.polqual), policy.polrelid), true)
    ) as c (condition, is_new)
  where policy.polpermissive and policy.polcmd in ('*', v.verb) and c.condition is not null
    and (v.verb = 'w' or c.is_new = (v.verb = 'a'))
    and exists (select from unnest(policy.polroles) g where g = 0 or pg_catalog.pg_has_role(r.role_name, g, 'usage'))
$$;
comment on function botlive.openings is
  'The conditions under which a policy opens its table to a role, one for each command. A restrictive policy has '
  'none.';

create or replace function botlive.definition_of(relation regclass, name text)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- Null where no such policy or trigger exists. A disabled trigger has a different definition.
  select botlive.policy_sql(p) from pg_catalog.pg_policy p where p.polrelid = relation and p.polname = name
  union all
  select concat(case when t.tgenabled not in ('O', 'A') then 'off: ' end, pg_catalog.pg_get_triggerdef(t.oid))
  from pg_catalog.pg_trigger t where t.tgrelid = relation and t.tgname = name
$$;

create or replace function botlive.is_as_made(relation regclass, name text)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select exists (select from botlive.own_definitions d where d.relation = is_as_made.relation::oid and d.name = is_as_made.name
    and d.definition = botlive.definition_of(is_as_made.relation, is_as_made.name))
$$;

create or replace function botlive.note_made(relation regclass, name text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (select from botlive.own_definitions d
             where d.relation = note_made.relation::oid and d.name = note_made.name) then
    raise notice 'botlive: made "%" on % anew: it was gone, or had been altered', name, relation;
  end if;
  delete from botlive.own_definitions d where d.relation = note_made.relation::oid and d.name = note_made.name;
  insert into botlive.own_definitions (relation, name, definition)
  select relation::oid, note_made.name, d from botlive.definition_of(relation, name) d where d is not null;
end
$$;

create or replace function botlive.bring_policy(
  table_name text, command text, key_column text, checked text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  policy_name text := 'botlive_owner_' || command;
  key_type text := case when botlive.is_table(table_name) then botlive.column_type(table_name, key_column) end;
  relation regclass := to_regclass(format('public.%I', table_name));
  own text;
begin
  if key_type is null or botlive.is_as_made(relation, policy_name) then
    return;
  end if;
  own := case when key_column = 'user_id' then format('user_id = (select auth.uid())::%s', key_type)
    else format('%I in (select m.uuid::%s from public.company_mapping m where m.user_id = (select auth.uid()))',
      key_column, key_type) end;
  execute format('drop policy if exists %I on %s', policy_name, relation);
  perform botlive.attempt_ddl(format('create policy %I on %s for %s to authenticated%s%s',
    policy_name, relation, command,
    case when checked <> 'new' then format(' using (%s)', own) else '' end,
    case when checked <> 'old' then format(' with check (%s)', own) else '' end));
  perform botlive.note_made(relation, policy_name);
end
$$;

revoke all on function botlive.policy_roles, botlive.policy_sql, botlive.openings, botlive.definition_of,
  botlive.is_as_made, botlive.note_made, botlive.bring_policy from public;
