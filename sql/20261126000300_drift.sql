-- What was changed after the migrations: found by `botlive migrate`, and mended where it is ours or open to everyone.
--
-- `botlive.drift()` says it without mending; `botlive.findings()` says all that must be told.

set standard_conforming_strings = on; -- some projects switch it off

create table if not exists botlive.own_definitions (
  relation oid not null,
  name text not null,
  definition text not null,
  primary key (relation, name)
);
comment on table botlive.own_definitions is 'Our policies and triggers as they were made, to see whether they were altered.';
alter table botlive.own_definitions enable row level security;
revoke all on table botlive.own_definitions from public, anon, authenticated;

create or replace function botlive.definition_of(relation regclass, name text)
returns text
language sql
stable
set search_path = ''
as $$
  -- Null where there is no such policy or trigger; a trigger that is off is another one.
  select botlive.policy_sql(p) from pg_catalog.pg_policy p where p.polrelid = relation and p.polname = name
  union all
  select concat(case when t.tgenabled not in ('O', 'A') then 'off: ' end, pg_catalog.pg_get_triggerdef(t.oid))
  from pg_catalog.pg_trigger t where t.tgrelid = relation and t.tgname = name
$$;

create or replace function botlive.is_as_made(relation regclass, name text)
returns boolean
language sql
stable
set search_path = ''
as $$
  select exists (select from botlive.own_definitions d where d.relation = is_as_made.relation::oid and d.name = is_as_made.name
    and d.definition = botlive.definition_of(is_as_made.relation, is_as_made.name))
$$;

create or replace function botlive.note_made(relation regclass, name text)
returns void
language plpgsql
set search_path = ''
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
set search_path = ''
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

create or replace function botlive.bring_trigger(table_name text, trigger_name text, definition text)
returns void
language plpgsql
set search_path = ''
as $$
declare
  relation regclass := to_regclass(format('public.%I', table_name));
begin
  if not botlive.is_table(table_name) or botlive.is_as_made(relation, trigger_name) then
    return;
  end if;
  execute format('drop trigger if exists %I on %s', trigger_name, relation);
  execute format('create trigger %I %s', trigger_name, definition);
  perform botlive.note_made(relation, trigger_name);
end
$$;

create or replace function botlive.strange_grants()
returns table (relation regclass, what text, revoke_it text, give_back text)
language sql
stable
set search_path = ''
as $$
  -- On the shops' tables what row level security does not limit; on the mapping what no policy uses; of ours all.
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
  'What anon, authenticated or public hold of our own objects, and what of the shops'' tables row level security does not limit.';

create or replace function botlive.take_strange_grants()
returns void
language plpgsql
set search_path = ''
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

create or replace function botlive.drift()
returns table (words text)
language plpgsql
set search_path = ''
as $$
begin
  return query
    select format('public.%I is not there or is no table', n.name)
    from unnest(array['companies', 'company_rag_configs', 'company_mapping', 'orders', 'activities', 'bot_sessions']) n (name)
    where not botlive.is_table(n.name);
  return query
    select format('%s was made anew and is not closed yet', c.oid::regclass)
    from unnest(array['companies', 'company_rag_configs', 'company_mapping', 'orders', 'activities', 'bot_sessions']) n (name)
    join pg_catalog.pg_class c on c.oid = to_regclass(format('public.%I', n.name)) and c.relkind in ('r', 'p')
    where c.oid not in (select k.relation from botlive.known_tables k);
  return query
    select format('row level security is off on %s', c.oid::regclass) from pg_catalog.pg_class c
    where not c.relrowsecurity and c.relkind in ('r', 'p')
      and (c.oid in (select k.relation from botlive.known_tables k) or c.relnamespace = 'botlive'::regnamespace);
  return query
    select format('the policy %I on %s is true for everyone', p.polname, p.polrelid::regclass) from pg_catalog.pg_policy p
    where p.polrelid in (select k.relation from botlive.known_tables k) and p.polname not like 'botlive^_owner^_%' escape '^'
      and exists (select from botlive.open_parts(p));
  return query select format('a privilege that nobody but the worker should have: %s', concat_ws(' on ', g.what, g.relation::text))
    from botlive.strange_grants() g;
  return query
    select format('%I on %s is gone, off or altered', d.name, d.relation::regclass)
    from botlive.own_definitions d join pg_catalog.pg_class c on c.oid = d.relation
    where d.definition is distinct from botlive.definition_of(d.relation::regclass, d.name);
end
$$;
comment on function botlive.drift is 'What was changed after the migrations, and `botlive migrate` mends.';

create or replace function botlive.roles_to_name()
returns table (words text, cure text)
language sql
stable
set search_path = ''
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
comment on function botlive.roles_to_name is 'Roles of signed-in users, or of anyone, for whom no policy counts.';

create or replace function botlive.bring_up()
returns void
language plpgsql
set search_path = ''
as $$
declare
  own_table regclass;
begin
  perform botlive.check_owners();
  perform botlive.wait_for_workers();
  for own_table in
    select c.oid::regclass from pg_catalog.pg_class c
    where c.relnamespace = 'botlive'::regnamespace and c.relkind = 'r' and not c.relrowsecurity
  loop
    execute format('alter table %s enable row level security', own_table);
  end loop;
  perform botlive.bring_tables();
  perform botlive.bring_columns();
  perform botlive.bring_indexes();
  delete from botlive.own_definitions d where not exists (select from pg_catalog.pg_class c where c.oid = d.relation);
  perform botlive.bring_access();
  perform botlive.bring_triggers();
  perform botlive.take_strange_grants();
  perform botlive.complete_mapping();
end
$$;
comment on function botlive.bring_up is
  'Makes what is missing of tables, columns, indexes, policies, grants and triggers. Safe to call again.';

create or replace function botlive.give_back_policies(taken_after timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  taken record;
  policy pg_catalog.pg_policy;
begin
  for taken in
    select r.number, to_regclass(r.relation) as relation, r.name, r.give_back from botlive.replaced_policies r
    where r.what = 'policy' and r.given_back_at is null and r.replaced_at > taken_after
      and to_regclass(r.relation) is not null order by r.number
  loop
    continue when exists (select from pg_catalog.pg_policy p where p.polrelid = taken.relation and p.polname = taken.name);
    execute taken.give_back;
    select p.* into policy from pg_catalog.pg_policy p where p.polrelid = taken.relation and p.polname = taken.name;
    if exists (select from botlive.open_parts(policy)) then
      execute format('drop policy %I on %s', taken.name, taken.relation);
    else
      execute format('drop policy if exists %I on %s', left(taken.name, 45) || ' (own rows)', taken.relation);
      update botlive.replaced_policies r set given_back_at = now() where r.number = taken.number;
      raise notice 'botlive: gave back policy "%" on %: it is not true for everyone', taken.name, taken.relation;
    end if;
  end loop;
end
$$;
comment on function botlive.give_back_policies is 'Of the policies that were taken those that are not true for everyone.';

create or replace function botlive.findings()
returns table (blocks boolean, words text)
language plpgsql
set search_path = ''
as $$
begin
  -- All that is not as events need it, and all that was taken: for `botlive migrate` and the doctor.
  return query
    select true, format('%s.%s cannot take an event: found %s, wanted %s; cure: %s',
      m.table_name, m.column_name, m.found_type, m.wanted_type, m.cure)
    from botlive.misfits() m;
  return query
    select r.event_type <> 'company', case r.event_type
      when 'company' then format('no new shop can be made: %s', r.reason)
      else format('%s: a new shop can take no such event: %s', r.event_type, r.reason) end
    from botlive.rehearse_new_shop() r
    where r.reason is not null and r.reason not like '%; cure: %';
  return query
    select count(*) = (select count(*) from public.company_mapping), -- no shop can
      format('%s: %s of %s shops can take no such event (%s for example): %s',
      r.event_type, count(*), (select count(*) from public.company_mapping), quote_literal(min(r.company_id)), r.reason)
    from botlive.rehearse_shops(interval '3 seconds') r
    where r.reason is not null and r.reason not like '%; cure: %'
      and not exists (select from botlive.rehearse_new_shop() n
                      where n.reason = r.reason and n.event_type = r.event_type)
    group by r.event_type, r.reason;
  return query select false, format('%s; cure: `botlive migrate`', d.words) from botlive.drift() d;
  return query select false, format('%s; cure: %s', r.words, r.cure) from botlive.roles_to_name() r;
  return query select false, format('%s; cure: %s', p.words, p.cure) from botlive.policies_to_name() p;
  return query select false, format('%s; cure: %s', v.words, v.cure) from botlive.views_to_name() v;
  return query select false, format('%s; cure: %s', r.words, r.cure) from botlive.rules_to_name() r;
  return query select false, format('%s; cure: %s', p.words, p.cure) from botlive.partitions_to_name() p;
  return query
    select false, format('%s; cure: %s (or let it compare with auth.uid())', f.words, f.cure)
    from botlive.functions_to_name() f;
  return query
    select false, format('%s on %s: %s on %s: %s; to give it back: %s',
      case when p.what = 'policy' then 'replaced' else 'taken' end,
      to_char(min(p.replaced_at) at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'),
      p.what || ' ' || string_agg(case when p.what = 'privilege' then p.name else quote_ident(p.name) end, ', '
        order by p.number),
      p.relation, p.reason, pg_catalog.regexp_replace(string_agg(p.give_back, ' ' order by p.number), '[[:space:]]*\n[[:space:]]*', ' ', 'g'))
    from botlive.replaced_policies p where p.given_back_at is null
    group by p.relation, p.what, p.reason, case when p.what = 'policy' then p.number end
    order by min(p.number);
end
$$;
comment on function botlive.findings is
  'What must be told: `blocks` where events of a type, or of a shop, cannot be persisted.';

revoke all on function botlive.definition_of, botlive.is_as_made, botlive.note_made, botlive.bring_policy,
  botlive.bring_trigger, botlive.strange_grants, botlive.take_strange_grants, botlive.drift, botlive.roles_to_name,
  botlive.bring_up, botlive.give_back_policies, botlive.findings from public;

drop function if exists botlive.wide_policies();
drop function if exists botlive.open_views();
drop function if exists botlive.open_functions();

select botlive.bring_up();
-- An earlier file of the same run takes some that are true for everyone of some rows only.
select botlive.give_back_policies(now() - interval '15 minutes');
