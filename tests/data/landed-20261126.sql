-- The schema before 0.2.0, frozen: the 16 files of 2026-11-26 as one script, as `botlive migrate --sql` printed it then.
-- A test brings a database with this schema to the present one. Never change this file.

-- The schema `botlive`, and the tables of ours that the API does not show.
--
-- Adds only: a table, a column or a row that is there stays as it is. Safe to run again.
-- Runs on hosted Supabase (SQL editor, `supabase db push`) and by `botlive migrate`.

create schema if not exists botlive;
comment on schema botlive is 'Botlive Events: what is not for the API.';
revoke all on schema botlive from public, anon, authenticated;
grant usage on schema botlive to service_role;

create or replace function botlive.wait_for_workers()
returns void
language plpgsql
set search_path = ''
as $$
begin
  -- Workers read the mapping before all else. Whoever changes the tables in their midst does so too,
  -- and waits for them there, rather than in the middle, where they would wait for each other.
  if to_regclass('public.company_mapping') is not null then
    lock table public.company_mapping in access exclusive mode;
  end if;
end
$$;
revoke all on function botlive.wait_for_workers from public;
select botlive.wait_for_workers();

create table if not exists botlive.inbox (
  event_id uuid primary key,
  event_type text not null,
  company_id text not null,
  digest text not null,
  occurred_at timestamptz not null,
  persisted_at timestamptz not null default now()
);
comment on table botlive.inbox is
  'The idempotency keys of the persisted events, each written in the transaction of its effect.';
comment on column botlive.inbox.digest is
  'SHA-256 of the event''s content: tells a repeat from another event.';

create table if not exists botlive.toggles (
  event_id uuid primary key,
  company uuid not null,
  occurred_at timestamptz not null,
  enabled boolean not null,
  mode text not null,
  session_id uuid,
  session_began_at timestamptz,
  withdrawn boolean not null default false
);
comment on table botlive.toggles is 'Every persisted toggle of live mode, and what the whole set says of it.';
comment on column botlive.toggles.session_id is
  'The session it belongs to, by the id of its first enable; on a disable: the session that it ends.';
comment on column botlive.toggles.withdrawn is
  'A person deleted the session that this toggle began: it is not made again.';
create index if not exists toggles_in_order_idx
  on botlive.toggles (company, occurred_at, event_id);
create index if not exists toggles_disables_idx
  on botlive.toggles (company, occurred_at, event_id) where not enabled;

create table if not exists botlive.replaced_policies (
  number bigint generated always as identity primary key,
  replaced_at timestamptz not null default now(),
  relation text not null,
  what text not null check (what in ('policy', 'privilege', 'row level security')),
  name text not null,
  reason text not null,
  give_back text not null,
  given_back_at timestamptz
);
comment on table botlive.replaced_policies is
  'What the migrations took from tables that were there before them, why, and the SQL that gives it back.';

create table if not exists botlive.known_tables (
  relation oid primary key,
  name text not null,
  first_seen_at timestamptz not null default now()
);
comment on table botlive.known_tables is
  'The shops'' tables that the migrations have seen.';

alter table botlive.inbox enable row level security;
alter table botlive.toggles enable row level security;
alter table botlive.replaced_policies enable row level security;
alter table botlive.known_tables enable row level security;
revoke all on table botlive.inbox, botlive.toggles, botlive.replaced_policies, botlive.known_tables
  from public, anon, authenticated;
grant select, insert, delete on table botlive.inbox to service_role;
grant select, insert, update on table botlive.toggles to service_role;
grant select on table botlive.replaced_policies to service_role;

-- The bridge from Botlive's text ids to Lovable's UUIDs: complete, and kept so.
--
-- Functions that write to `companies` fire the customer's triggers, checks and defaults there. They set the
-- search path that Supabase's API has, on which these may rely, until they return; `pg_temp` stands last, so
-- that nobody's temporary objects are taken for others.

select botlive.wait_for_workers();

create or replace function botlive.neutral_value(company uuid, owner uuid, a pg_catalog.pg_attribute)
returns text
language sql
stable
set search_path = ''
as $$
  -- A column that somebody added to companies, not null and without a default, still needs a value.
  select case
    when a.attname in ('user_id', 'owner_id', 'created_by') and t.oid = 'uuid'::regtype
      then format('%L::uuid', owner)
    when t.oid = 'uuid'::regtype then format('%L::uuid', company)
    when t.oid in ('json'::regtype, 'jsonb'::regtype) then format('''{}''::%s', t.oid::regtype)
    when t.typcategory = 'S' and exists (
      select from pg_catalog.pg_index i
      where i.indrelid = a.attrelid and i.indisunique and a.attnum = any (i.indkey)
    ) then format('%L', company)
    when t.typcategory = 'S' then ''''''
    when t.typcategory = 'N' then '0'
    when t.typcategory = 'B' then 'false'
    when t.typcategory = 'A' then '''{}'''
    when t.typcategory = 'D' then 'now()'
    when t.typcategory = 'T' then 'interval ''0'''
    when t.typcategory = 'E' then (
      select format('%L', e.enumlabel) from pg_catalog.pg_enum e
      where e.enumtypid = t.oid order by e.enumsortorder limit 1
    )
    else 'default'
  end
  from pg_catalog.pg_type t
  where t.oid = a.atttypid
$$;

create or replace function botlive.make_company(company uuid, company_name text, owner uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  column_names text;
  column_values text;
begin
  perform set_config('search_path', 'public, extensions, pg_temp', true);
  select coalesce(pg_catalog.string_agg(pg_catalog.format(', %I', a.attname), '' order by a.attnum), ''),
         coalesce(pg_catalog.string_agg(', ' || case when a.attname = 'name' then pg_catalog.format('%L', company_name)
           else botlive.neutral_value(company, owner, a) end, '' order by a.attnum), '')
  into column_names, column_values
  from pg_catalog.pg_attribute a
  where a.attrelid = 'public.companies'::regclass
    and a.attnum > 0 and not a.attisdropped
    and (a.attname = 'name'
      or a.attnotnull and not a.atthasdef and a.attidentity = '' and a.attgenerated = '')
    and a.attname <> 'id';
  execute pg_catalog.format('insert into public.companies (id%s) values (%L%s)', column_names, company, column_values);
end
$$;
comment on function botlive.make_company is
  'A row of companies, whatever columns the field has added to that table.';

create or replace function botlive.is_company(company uuid)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  -- The id as the column's own type has it, which a project may have chosen.
  return exists (
    select from public.companies c
    where c.id = (jsonb_populate_record(null::public.companies, jsonb_build_object('id', company))).id);
exception when undefined_column or data_exception then
  return false; -- the column has another name or type: botlive.misfits() names it
end
$$;

create or replace function botlive.map_company(
  botlive_id text, company uuid default null, owner uuid default null, company_name text default null)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  mapped uuid;
begin
  perform set_config('search_path', 'public, extensions, pg_temp', true);
  if length(botlive_id) not between 1 and 128 then
    raise exception using errcode = 'BL001', message = 'a company_id has 1 to 128 characters';
  end if;
  -- One at a time for one id, so that two callers make one company.
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('botlive.company ' || botlive_id, 0));
  select m.uuid into mapped from public.company_mapping m where m.company_id = botlive_id;
  if found then
    return mapped;
  end if;
  if company is null and botlive_id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
    and botlive.is_company(botlive_id::uuid)
  then
    company := botlive_id::uuid;
  end if;
  if exists (select from public.company_mapping m where m.uuid = company) then
    raise exception using
      errcode = 'unique_violation',
      message = pg_catalog.format('company %s already has a text id: %s is not mapped to it too', company, botlive_id);
  end if;
  company := coalesce(company, gen_random_uuid());
  if not botlive.is_company(company) then
    perform botlive.make_company(company, coalesce(company_name, botlive_id), owner);
  end if;
  insert into public.company_mapping (uuid, company_id, user_id) values (company, botlive_id, owner);
  return company;
end
$$;
comment on function botlive.map_company is
  'The company''s UUID; the mapping, and the company itself where there is none, are made.';

create or replace function botlive.check_now()
returns void
language plpgsql
set search_path = ''
as $$
declare
  deferred text;
begin
  perform set_config('search_path', 'public, extensions, pg_temp', true);
  -- What is deferred would speak at the customer's commit, where nobody can catch it.
  select pg_catalog.string_agg(pg_catalog.format('public.%I', k.conname), ', ') into deferred
  from pg_catalog.pg_constraint k
  where k.conrelid in ('public.company_mapping'::regclass, 'public.companies'::regclass) and k.condeferred;
  if deferred is not null then
    execute pg_catalog.format('set constraints %s immediate', deferred);
    execute pg_catalog.format('set constraints %s deferred', deferred);
  end if;
end
$$;

create or replace function botlive.keep_mapping()
returns trigger
language plpgsql
security definer -- whoever may write the config need not be able to write the mapping
set search_path = ''
set lock_timeout = '300ms'
as $$
declare
  owner uuid;
begin
  perform set_config('search_path', 'public, extensions, pg_temp', true);
  -- As text: the project may have made the config's columns of other types.
  select u.id into owner from auth.users u where u.id::text = new.user_id::text;
  perform botlive.map_company(new.company_id::text, null, owner, new.company_name);
  if tg_op = 'UPDATE' or owner is not null then
    update public.company_mapping m
    set user_id = owner, updated_at = now()
    where m.company_id = new.company_id::text and m.user_id is distinct from owner;
  end if;
  perform botlive.check_now();
  return null;
exception when others then
  -- The customer's own write goes through; `botlive company list` shows what is not mapped.
  raise warning 'botlive: company % is not mapped: % (%)', new.company_id, sqlerrm, sqlstate;
  return null;
end
$$;
comment on function botlive.keep_mapping is
  'Keeps company_mapping complete; can never fail the write that fires it.';

create or replace function botlive.complete_mapping()
returns void
language plpgsql
set search_path = ''
as $$
declare
  row record;
begin
  perform set_config('search_path', 'public, extensions, pg_temp', true);
  perform set_config('request.jwt.claims', '{"role": "service_role"}', true); -- as in the worker's calls
  -- The first integration's mappings pointed at no company at all.
  for row in
    select m.company_id, lower(m.company_id)::uuid as company
    from public.company_mapping m
    where m.company_id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' and not botlive.is_company(m.uuid)
  loop
    if botlive.is_company(row.company)
      and not exists (select from public.company_mapping o where o.uuid = row.company)
    then
      update public.company_mapping m set uuid = row.company, updated_at = now()
      where m.company_id = row.company_id;
    end if;
  end loop;
  update public.company_mapping m set user_id = u.id, updated_at = now()
  from public.company_rag_configs c join auth.users u on u.id::text = c.user_id::text
  where c.company_id::text = m.company_id and m.user_id is null;
  for row in
    select m.uuid, m.company_id, m.user_id, c.company_name
    from public.company_mapping m
    left join public.company_rag_configs c on c.company_id::text = m.company_id
    where not botlive.is_company(m.uuid)
    order by m.company_id
  loop
    begin
      perform botlive.make_company(row.uuid, coalesce(row.company_name, row.company_id), row.user_id);
    exception when others then
      raise warning 'botlive: company % has a mapping but no company: % (%)', row.company_id, sqlerrm, sqlstate;
    end;
  end loop;
  for row in
    select c.company_id::text, c.company_name, u.id as owner
    from public.company_rag_configs c left join auth.users u on u.id::text = c.user_id::text
    where not exists (select from public.company_mapping m where m.company_id = c.company_id::text)
    order by c.company_id::text <> lower(c.company_id::text), c.company_id -- a UUID as it is usually written first
  loop
    begin
      perform botlive.map_company(row.company_id, null, row.owner, row.company_name);
    exception when others then
      raise warning 'botlive: company % is not mapped: % (%)', row.company_id, sqlerrm, sqlstate;
    end;
  end loop;
end
$$;
comment on function botlive.complete_mapping is 'Maps every config that is not mapped, as far as that is possible.';

revoke all on function botlive.neutral_value, botlive.make_company, botlive.is_company, botlive.map_company,
  botlive.check_now, botlive.keep_mapping, botlive.complete_mapping from public;
grant execute on function botlive.neutral_value, botlive.make_company, botlive.is_company, botlive.map_company
  to service_role;

-- Who may do what with the shops' tables.
--
-- From a table that was there before us only what is open to everyone is taken: policies that are true
-- for everyone, and, where row level security was off, the privileges that no policy uses. What was taken
-- stands in botlive.replaced_policies, with the SQL that gives it back.

select botlive.wait_for_workers();

create or replace function botlive.strange_row(relation regclass)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_object_agg(a.attname, case
    when t.oid = 'uuid'::regtype then to_jsonb(gen_random_uuid())
    when t.oid in ('json'::regtype, 'jsonb'::regtype) then '{}'::jsonb
    when t.typcategory = 'S' then '"q"'
    when t.typcategory = 'N' then '1'
    when t.typcategory = 'D' then to_jsonb(now())
    else 'null' end), '{}')
  from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
  where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
$$;
comment on function botlive.strange_row is 'A row of no company, with values that mean nothing.';

drop function if exists botlive.lets_strangers_in(regclass, text, text); -- of release 0.1

create or replace function botlive.lets_strangers_in(
  relation regclass, condition text, role_name text, strange_rows jsonb, more_claims jsonb default '{}')
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  answer boolean;
  former text := current_setting('role');
begin
  -- A condition is judged by evaluating it, on rows of others, as an unknown user.
  perform set_config('request.jwt.claims', case role_name
    when 'anon' then jsonb_build_object('role', role_name)
    else jsonb_build_object('role', role_name, 'sub', gen_random_uuid(), 'aal', 'aal2') || more_claims
    end::text, true);
  if pg_catalog.pg_has_role(current_user, role_name, 'member') then
    perform set_config('role', role_name, true);
  end if;
  begin
    -- Under the table's own name, by which a condition may speak of it.
    execute format('select bool_or(%s) from jsonb_populate_recordset(null::%s, $1) as %I', condition, relation,
      (select c.relname from pg_catalog.pg_class c where c.oid = relation)) into answer using strange_rows;
  exception when others then
    answer := false; -- it cannot be evaluated for strangers: not open to everyone
  end;
  perform set_config('role', former, true);
  perform set_config('request.jwt.claims', '', true);
  return coalesce(answer, false);
end
$$;
comment on function botlive.lets_strangers_in is
  'Whether a policy''s condition is true of one of the rows, for an unknown user.';

create or replace function botlive.opens_by(policy pg_catalog.pg_policy, role_name text)
returns table (condition text, is_new boolean)
language sql
stable
set search_path = ''
as $$
  -- What must be true for a policy to give somebody a row, or to let him write one. Restrictive policies limit it.
  select concat_ws(' and ', c.condition, (
    select string_agg(format('(%s)', case when c.is_new
        then pg_catalog.pg_get_expr(coalesce(x.polwithcheck, x.polqual), x.polrelid)
        else coalesce(pg_catalog.pg_get_expr(x.polqual, x.polrelid), 'true') end), ' and ')
    from pg_catalog.pg_policy x
    where x.polrelid = policy.polrelid and not x.polpermissive and x.polcmd in ('*', policy.polcmd)
      and (x.polroles @> array[0::oid] or x.polroles @> array[role_name::regrole::oid]))), c.is_new
  from (values
    (pg_catalog.pg_get_expr(policy.polqual, policy.polrelid), false),
    (pg_catalog.pg_get_expr(policy.polwithcheck, policy.polrelid), true)
  ) as c (condition, is_new)
  where c.condition is not null and policy.polpermissive
    and (policy.polroles @> array[0::oid] or policy.polroles @> array[role_name::regrole::oid])
$$;
comment on function botlive.opens_by is
  'The conditions, each of which opens the table to the role; none of a restrictive policy.';

create or replace function botlive.note_taken(
  relation regclass, what text, name text, reason text, give_back text)
returns void
language plpgsql
set search_path = ''
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

create or replace function botlive.policy_roles(policy pg_catalog.pg_policy)
returns text
language sql
stable
set search_path = ''
as $$
  select string_agg(case r when 0 then 'public' else quote_ident(pg_catalog.pg_get_userbyid(r)) end, ', ')
  from unnest(policy.polroles) r
$$;

create or replace function botlive.policy_sql(policy pg_catalog.pg_policy)
returns text
language sql
stable
set search_path = ''
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

create or replace function botlive.replace_open_policies(relation regclass)
returns void
language plpgsql
set search_path = ''
as $$
declare
  open_one record;
begin
  for open_one in
    select p.polname, p.polcmd, botlive.policy_sql(p) as former, x.for_new_rows_only,
      pg_catalog.pg_get_expr(p.polqual, p.polrelid) as condition, botlive.policy_roles(p) as roles
    from pg_catalog.pg_policy p
    cross join lateral (
      select bool_and(o.is_new) as for_new_rows_only
      from (values ('anon'), ('authenticated')) as r (role_name), botlive.opens_by(p, r.role_name) o
      where botlive.lets_strangers_in(relation, o.condition, r.role_name,
        jsonb_build_array(botlive.strange_row(relation)))
    ) x
    where p.polrelid = relation and x.for_new_rows_only is not null
  loop
    perform botlive.note_taken(relation, 'policy', open_one.polname, case
        when open_one.for_new_rows_only and open_one.condition is not null
        then 'everyone could write rows by it; one for own rows stands in its place'
        else 'it was true for everyone' end, open_one.former);
    execute format('drop policy %I on %s', open_one.polname, relation);
    if open_one.for_new_rows_only and open_one.condition is not null then
      -- Only what a new row must be was open: to own rows it gives what it gave.
      execute format('create policy %I on %s for %s to %s using (%s)', left(open_one.polname, 45) || ' (own rows)',
        relation, case open_one.polcmd when '*' then 'all' else 'update' end, open_one.roles, open_one.condition);
    end if;
  end loop;
end
$$;
comment on function botlive.replace_open_policies is
  'Drops the policies that are true for everyone, or takes that part of them; every other policy stays.';

create or replace function botlive.uses(relation regclass, grantee text, privilege text)
returns boolean
language sql
stable
set search_path = ''
as $$
  -- Whether a policy that is not ours needs the privilege. To change a row one must also read it.
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
comment on function botlive.uses is 'Whether a policy of the project''s own uses the privilege of the grantee.';

create or replace function botlive.granted(relation regclass)
returns table (grantee text, privilege text, give_back text)
language sql
stable
set search_path = ''
as $$
  -- What public, anon and authenticated have of a table and of its columns.
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
set search_path = ''
as $$
declare
  held record;
  taken text;
begin
  -- Row level security does not hold TRUNCATE back. The others are open to everyone only without it.
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
set search_path = ''
as $$
declare
  taken record;
begin
  -- A policy that came after us uses what no policy used before.
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
set search_path = ''
as $$
declare
  missing record;
begin
  -- Release 0.1 narrowed the privileges of policies that it kept, and wrote down nothing.
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

create or replace function botlive.close_table(relation regclass)
returns void
language plpgsql
set search_path = ''
as $$
declare
  is_known boolean := exists (select from botlive.known_tables k where k.relation = close_table.relation::oid);
  was_open boolean := not (select c.relrowsecurity from pg_catalog.pg_class c where c.oid = close_table.relation);
begin
  if was_open then
    execute format('alter table %s enable row level security', relation);
    perform botlive.note_taken(relation, 'row level security', 'off', 'without it every row is everyone''s',
      format('alter table %s disable row level security;', relation));
  end if;
  perform botlive.replace_open_policies(relation);
  if to_regprocedure('botlive.narrow(regclass, text, "char", text[])') is not null then
    perform botlive.restore_after_0_1(relation);
  elsif was_open or not is_known then
    perform botlive.take_open_privileges(relation, was_open);
  end if;
  if not is_known then
    insert into botlive.known_tables (relation, name) values (relation::oid, relation::text);
  end if;
  perform botlive.give_back_used_privileges(relation);
end
$$;
comment on function botlive.close_table is
  'Row level security on; nothing that is open to everyone; every other policy keeps what it uses.';

create or replace function botlive.keep_facts()
returns trigger
language plpgsql
security definer -- it looks into the inbox, which signed-in users may not read
set search_path = ''
as $$
declare
  before jsonb := to_jsonb(old);
  after jsonb := to_jsonb(new);
begin
  if not exists (
    select from unnest(array['id', 'company_id', 'created_at', 'total_amount', 'items', 'metadata']) fact
    where before -> fact is distinct from after -> fact
  ) then
    return new;
  end if;
  -- Owners may change their own rows. Somebody who owns another shop only may not change what an event said.
  if not exists (select from public.company_mapping m where m.user_id = auth.uid())
    or exists (select from public.company_mapping m
               where m.user_id = auth.uid() and m.uuid::text = before ->> 'company_id')
    or not exists (select from botlive.inbox i where i.event_id = case
        when before ->> 'id' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then (before ->> 'id')::uuid end)
  then
    return new;
  end if;
  raise exception using errcode = 'insufficient_privilege', message =
    'botlive: this row was made by an event of another shop: its id, company, time, amount, items and '
    'metadata cannot be changed by you';
end
$$;
comment on function botlive.keep_facts is
  'Keeps the facts of a row that an event made from the owners of other shops, whatever policy lets them in.';

revoke all on function botlive.strange_row, botlive.lets_strangers_in, botlive.opens_by, botlive.note_taken,
  botlive.policy_roles, botlive.policy_sql,
  botlive.replace_open_policies, botlive.uses, botlive.granted, botlive.take_open_privileges,
  botlive.give_back_used_privileges, botlive.restore_after_0_1, botlive.close_table, botlive.keep_facts
  from public;

-- The shops' tables: what is missing is made, what is there stays.
--
-- `botlive.bring_up()` looks at what is there and not at what was done before. `botlive migrate` calls it
-- every time, so that a table that was dropped and made anew is brought up again.

select botlive.wait_for_workers();

create or replace function botlive.column_type(table_name text, column_name text)
returns text
language sql
stable
set search_path = ''
as $$
  select pg_catalog.format_type(a.atttypid, null)
  from pg_catalog.pg_attribute a
  where a.attrelid = to_regclass(format('public.%I', table_name)) and a.attname = column_name
    and a.attnum > 0 and not a.attisdropped
$$;
comment on function botlive.column_type is 'The type of a column of a table in public; null where there is none.';

create or replace function botlive.is_table(table_name text)
returns boolean
language sql
stable
set search_path = ''
as $$
  select exists (
    select from pg_catalog.pg_class c
    where c.oid = to_regclass(format('public.%I', table_name)) and c.relkind in ('r', 'p'))
$$;
comment on function botlive.is_table is 'Whether that name in public is a table, and not a view or a foreign table.';

create or replace function botlive.check_owners()
returns void
language plpgsql
set search_path = ''
as $$
declare
  cure text;
begin
  select string_agg(format('alter table %s owner to %I;', c.oid::regclass, current_user), ' ') into cure
  from pg_catalog.pg_class c
  where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
    and c.relname in ('companies', 'company_rag_configs', 'company_mapping', 'orders', 'activities', 'bot_sessions')
    and not pg_catalog.pg_has_role(current_user, c.relowner, 'usage');
  if cure is not null then
    raise exception using errcode = 'insufficient_privilege', message = format(
      'botlive: tables belong to another role than %I, which runs the migrations; as their owner run: %s',
      current_user, cure);
  end if;
end
$$;
comment on function botlive.check_owners is 'Fails, with the cure, where the migrations may not change a table.';

create or replace function botlive.make_table(table_name text, columns text, meaning text)
returns void
language plpgsql
set search_path = ''
as $$
declare
  made regclass := to_regclass(format('public.%I', table_name));
begin
  if made is not null then
    return;
  end if;
  execute format('create table public.%I (%s)', table_name, columns);
  made := format('public.%I', table_name)::regclass;
  execute format('comment on table %s is %L', made, meaning);
  -- Least privilege on what we make: the grants come with the policies.
  execute format('alter table %s enable row level security', made);
  execute format('revoke all on table %s from public, anon, authenticated', made);
  insert into botlive.known_tables (relation, name) values (made::oid, made::text)
  on conflict do nothing;
end
$$;

create or replace function botlive.bring_tables()
returns void
language plpgsql
set search_path = ''
as $$
declare
  reference text;
begin
  perform botlive.make_table('companies', $columns$
      id uuid primary key default gen_random_uuid(),
      name text
    $columns$, 'The shops, as Lovable knows them.');
  perform botlive.make_table('company_rag_configs', $columns$
      company_id text primary key,
      company_name text,
      ai_name text
    $columns$, 'The shops, as Botlive knows them.');
  perform botlive.make_table('company_mapping', $columns$
      uuid uuid primary key,
      company_id text unique not null,
      user_id uuid references auth.users (id) on delete set null,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    $columns$, 'Bridge: Botlive''s company_id (text) to Lovable''s companies.id (uuid), and the owner of both.');
  reference := coalesce(botlive.column_type('companies', 'id'), 'uuid') || case
    when botlive.is_table('companies') and botlive.column_type('companies', 'id') is not null
      then ' references public.companies (id)' else '' end;
  perform botlive.make_table('orders', format($columns$
      id uuid primary key default gen_random_uuid(),
      company_id %s,
      conversation_id uuid,
      customer_name text,
      total_amount numeric,
      status text default 'pending' check (status in ('pending', 'completed', 'cancelled')),
      items jsonb default '[]',
      metadata jsonb,
      created_at timestamptz default now(),
      updated_at timestamptz default now()
    $columns$, reference), 'Customers'' orders; an order made by an event has the event''s id.');
  perform botlive.make_table('activities', format($columns$
      id uuid primary key default gen_random_uuid(),
      company_id %s,
      conversation_id uuid,
      type text check (type in ('order', 'message', 'intervention', 'system')),
      title text,
      description text,
      status text default 'info' check (status in ('success', 'warning', 'info', 'error')),
      metadata jsonb,
      customer_name text,
      created_at timestamptz default now()
    $columns$, reference), 'What happened in a shop; an activity made by an event has the event''s id.');
  perform botlive.make_table('bot_sessions', format($columns$
      id uuid primary key default gen_random_uuid(),
      company_id %s,
      mode text check (mode in ('live', 'rag')),
      started_at timestamptz default now(),
      ended_at timestamptz,
      created_at timestamptz default now()
    $columns$, reference), 'When a shop was live; a session made by events has the id of its first enable.');
end
$$;
comment on function botlive.bring_tables is 'Makes the tables that are missing.';

create or replace function botlive.bring_columns()
returns void
language plpgsql
set search_path = ''
as $$
declare
  missing record;
begin
  -- Columns that may be empty. What people read under its name is not made anew: a column that is
  -- missing there was renamed, and the front end reads the other one.
  for missing in
    select * from (values
      ('company_rag_configs', 'user_id', 'uuid references auth.users (id) on delete set null'),
      ('company_rag_configs', 'company_name', 'text'),
      ('company_mapping', 'user_id', 'uuid references auth.users (id) on delete set null'),
      ('company_mapping', 'created_at', 'timestamptz not null default now()'),
      ('company_mapping', 'updated_at', 'timestamptz not null default now()'),
      ('orders', 'conversation_id', 'uuid'),
      ('orders', 'metadata', 'jsonb'),
      ('orders', 'created_at', 'timestamptz default now()'),
      ('orders', 'updated_at', 'timestamptz default now()'),
      ('activities', 'conversation_id', 'uuid'),
      ('activities', 'metadata', 'jsonb'),
      ('activities', 'customer_name', 'text'),
      ('activities', 'created_at', 'timestamptz default now()'),
      ('bot_sessions', 'ended_at', 'timestamptz'),
      ('bot_sessions', 'created_at', 'timestamptz default now()')
    ) as c (table_name, column_name, definition)
    where botlive.column_type(c.table_name, c.column_name) is null and botlive.is_table(c.table_name)
  loop
    execute format('alter table public.%I add column %I %s',
      missing.table_name, missing.column_name, missing.definition);
    raise notice 'botlive: added column % to %', missing.column_name, missing.table_name;
  end loop;
end
$$;
comment on function botlive.bring_columns is 'Adds the columns that are missing and may be empty.';

create or replace function botlive.attempt_ddl(command text)
returns boolean
language plpgsql
set search_path = ''
as $$
begin
  execute command;
  return true;
exception
  when undefined_column or undefined_object or undefined_function or datatype_mismatch or data_exception
    or cannot_coerce or wrong_object_type or feature_not_supported or invalid_foreign_key or foreign_key_violation or invalid_table_definition
  then
    return false; -- a column has another name or type: botlive.misfits() names it
end
$$;

create or replace function botlive.bring_indexes()
returns void
language plpgsql
set search_path = ''
as $$
declare
  missing record;
begin
  for missing in
    select * from (values
      ('company_mapping_user_id_idx', 'company_mapping (user_id)'),
      ('company_rag_configs_user_id_idx', 'company_rag_configs (user_id)'),
      ('orders_company_id_created_at_idx', 'orders (company_id, created_at desc)'),
      ('activities_company_id_created_at_idx', 'activities (company_id, created_at desc)'),
      ('bot_sessions_company_id_started_at_idx', 'bot_sessions (company_id, started_at desc)'),
      ('orders_pending_idx', 'orders (company_id, created_at desc) where status = ''pending'''),
      -- A row made by hand may have no date: it comes last, or it would hide what is new.
      ('orders_dated_idx',
       'orders (company_id, created_at desc nulls last, id desc) where status = ''pending'''),
      ('activities_dated_idx', 'activities (company_id, created_at desc nulls last, id desc)')
    ) as i (index_name, target)
    where to_regclass('public.' || i.index_name) is null
  loop
    perform botlive.attempt_ddl(format('create index %I on public.%s', missing.index_name, missing.target));
  end loop;
  if not exists (
    select from pg_catalog.pg_constraint
    where conrelid = 'public.company_mapping'::regclass and contype = 'f'
      and confrelid = 'public.companies'::regclass
  ) then
    perform botlive.attempt_ddl('alter table public.company_mapping add constraint company_mapping_uuid_fkey '
      'foreign key (uuid) references public.companies (id) on delete cascade not valid');
  end if;
end
$$;
comment on function botlive.bring_indexes is 'Makes the indexes and the foreign key that are missing.';

create or replace function botlive.bring_policy(
  table_name text, command text, key_column text, checked text)
returns void
language plpgsql
set search_path = ''
as $$
declare
  policy_name text := 'botlive_owner_' || command;
  key_type text := case when botlive.is_table(table_name) then botlive.column_type(table_name, key_column) end;
  own text;
begin
  if key_type is null or exists (
    select from pg_catalog.pg_policy p
    where p.polrelid = format('public.%I', table_name)::regclass and p.polname = policy_name
  ) then
    return;
  end if;
  own := case when key_column = 'user_id' then format('user_id = (select auth.uid())::%s', key_type)
    else format('%I in (select m.uuid::%s from public.company_mapping m where m.user_id = (select auth.uid()))',
      key_column, key_type) end;
  perform botlive.attempt_ddl(format('create policy %I on public.%I for %s to authenticated%s%s',
    policy_name, table_name, command,
    case when checked <> 'new' then format(' using (%s)', own) else '' end,
    case when checked <> 'old' then format(' with check (%s)', own) else '' end));
end
$$;

create or replace function botlive.bring_access()
returns void
language plpgsql
set search_path = ''
as $$
declare
  known text;
  counter text;
begin
  foreach known in array array[
    'companies', 'company_rag_configs', 'company_mapping', 'orders', 'activities', 'bot_sessions']
  loop
    continue when not botlive.is_table(known);
    perform botlive.close_table(format('public.%I', known)::regclass);
    -- Who may read some columns only is not given the others.
    if not pg_catalog.has_any_column_privilege('authenticated', format('public.%I', known), 'SELECT') then
      execute format('grant select on table public.%I to authenticated', known);
    end if;
    for counter in -- the default of a column that numbers its rows
      select s.oid::regclass
      from pg_catalog.pg_attrdef a
      join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_attrdef'::regclass and d.objid = a.oid
      join pg_catalog.pg_class s on s.oid = d.refobjid and s.relkind = 'S'
      where a.adrelid = format('public.%I', known)::regclass and pg_catalog.pg_has_role(current_user, s.relowner, 'usage')
    loop
      execute format('grant usage on sequence %s to service_role', counter);
    end loop;
    execute format('grant select, insert, update, delete on table public.%I to service_role', known);
  end loop;

  perform botlive.bring_policy('company_mapping', 'select', 'user_id', 'old');
  perform botlive.bring_policy('company_rag_configs', 'select', 'user_id', 'old');
  perform botlive.bring_policy('companies', 'select', 'id', 'old');

  -- An owner reads all of it, works orders off, throws rows away, and opens or ends a session by hand.
  foreach known in array array['orders', 'activities', 'bot_sessions'] loop
    continue when not botlive.is_table(known);
    -- Where a policy of theirs would use it too, the project has withheld it.
    if not botlive.uses(format('public.%I', known)::regclass, 'authenticated', 'DELETE') then
      execute format('grant delete on table public.%I to authenticated', known);
    end if;
    perform botlive.bring_policy(known, 'select', 'company_id', 'old');
    perform botlive.bring_policy(known, 'delete', 'company_id', 'old');
  end loop;
  perform botlive.bring_policy('orders', 'update', 'company_id', 'both');
  perform botlive.bring_policy('bot_sessions', 'insert', 'company_id', 'new');
  perform botlive.bring_policy('bot_sessions', 'update', 'company_id', 'both');
  perform botlive.attempt_ddl('grant update (status) on table public.orders to authenticated');
  perform botlive.attempt_ddl('grant insert (company_id, mode, started_at, ended_at), update (ended_at) '
    'on table public.bot_sessions to authenticated');
end
$$;
comment on function botlive.bring_access is 'Row level security, policies and grants, as far as they are missing.';

create or replace function botlive.bring_trigger(table_name text, trigger_name text, definition text)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if botlive.is_table(table_name) and not exists (
    select from pg_catalog.pg_trigger t
    where t.tgrelid = format('public.%I', table_name)::regclass and t.tgname = trigger_name
  ) then
    execute format('create trigger %I %s', trigger_name, definition);
  end if;
end
$$;

create or replace function botlive.bring_triggers()
returns void
language plpgsql
set search_path = ''
as $$
declare
  known text;
begin
  perform botlive.bring_trigger('company_rag_configs', 'botlive_keep_mapping_on_insert',
    'after insert on public.company_rag_configs for each row execute function botlive.keep_mapping()');
  perform botlive.bring_trigger('company_rag_configs', 'botlive_keep_mapping_on_update',
    'after update on public.company_rag_configs for each row '
    'when (old.user_id is distinct from new.user_id) execute function botlive.keep_mapping()');
  foreach known in array array['orders', 'activities', 'bot_sessions'] loop
    perform botlive.bring_trigger(known, 'botlive_keep_facts', format('before update on public.%I for each row '
      'when (current_user = ''authenticated'') execute function botlive.keep_facts()', known));
  end loop;
end
$$;

create or replace function botlive.bring_up()
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform botlive.check_owners();
  perform botlive.wait_for_workers();
  perform botlive.bring_tables();
  perform botlive.bring_columns();
  perform botlive.bring_indexes();
  perform botlive.bring_access();
  perform botlive.bring_triggers();
  perform botlive.complete_mapping();
end
$$;
comment on function botlive.bring_up is
  'Makes what is missing of tables, columns, indexes, policies, grants and triggers. Safe to call again.';

revoke all on function botlive.column_type, botlive.is_table, botlive.check_owners, botlive.make_table, botlive.bring_tables, botlive.bring_columns,
  botlive.attempt_ddl, botlive.bring_indexes, botlive.bring_policy, botlive.bring_access, botlive.bring_trigger,
  botlive.bring_triggers, botlive.bring_up from public;
grant execute on function botlive.is_table to service_role;

select botlive.bring_up();
drop function if exists botlive.narrow(regclass, text, "char", text[]);
drop function if exists botlive.has_policy(regclass, "char");
drop function if exists botlive.lets_strangers_in(text, text);

-- What of the shops' tables cannot take an event, found without one; and what else people must be told.

create or replace function botlive.wanted_columns()
returns table (table_name text, column_name text, type_name text, samples jsonb)
language sql
immutable
set search_path = ''
as $$
  -- What events write. A sample is a value that every event, or every event of a type, carries.
  values
    ('companies', 'id', 'uuid', '["6f1f64f1-33f5-4d61-8a4c-0a2ac2a3c4ab"]'::jsonb),
    ('orders', 'id', 'uuid', '["6f1f64f1-33f5-4d61-8a4c-0a2ac2a3c4ab"]'),
    ('orders', 'company_id', 'uuid', '["6f1f64f1-33f5-4d61-8a4c-0a2ac2a3c4ab"]'),
    ('orders', 'conversation_id', 'uuid', '["6f1f64f1-33f5-4d61-8a4c-0a2ac2a3c4ab"]'),
    ('orders', 'customer_name', 'text', '["Awa"]'),
    ('orders', 'total_amount', 'numeric', '[12000]'),
    ('orders', 'status', 'text', '["pending"]'),
    ('orders', 'items', 'jsonb', '[[{"name": "Pagne", "quantity": 2, "price": 6000}]]'),
    ('orders', 'metadata', 'jsonb', '[{"zone": "Cocody"}]'),
    ('orders', 'created_at', 'timestamptz', '["2026-11-23T09:00:00+00:00"]'),
    ('orders', 'updated_at', 'timestamptz', '["2026-11-23T09:00:00+00:00"]'),
    ('activities', 'id', 'uuid', '["6f1f64f1-33f5-4d61-8a4c-0a2ac2a3c4ab"]'),
    ('activities', 'company_id', 'uuid', '["6f1f64f1-33f5-4d61-8a4c-0a2ac2a3c4ab"]'),
    ('activities', 'conversation_id', 'uuid', '["6f1f64f1-33f5-4d61-8a4c-0a2ac2a3c4ab"]'),
    ('activities', 'type', 'text', '["order", "intervention", "system"]'),
    ('activities', 'title', 'text', '["Intervention requise: payment_insufficient"]'),
    ('activities', 'description', 'text', '["Référence: WAVE-123"]'),
    ('activities', 'status', 'text', '["success", "warning", "info"]'),
    ('activities', 'metadata', 'jsonb', '[{"event": "session_started"}]'),
    ('activities', 'customer_name', 'text', '["Awa"]'),
    ('activities', 'created_at', 'timestamptz', '["2026-11-23T09:00:00+00:00"]'),
    ('bot_sessions', 'id', 'uuid', '["6f1f64f1-33f5-4d61-8a4c-0a2ac2a3c4ab"]'),
    ('bot_sessions', 'company_id', 'uuid', '["6f1f64f1-33f5-4d61-8a4c-0a2ac2a3c4ab"]'),
    ('bot_sessions', 'mode', 'text', '["live"]'),
    ('bot_sessions', 'started_at', 'timestamptz', '["2026-11-23T09:00:00+00:00"]'),
    ('bot_sessions', 'ended_at', 'timestamptz', '["2026-11-23T09:00:00+00:00"]'),
    ('bot_sessions', 'created_at', 'timestamptz', '["2026-11-23T09:00:00+00:00"]')
$$;

create or replace function botlive.refused_sample(relation regclass, a pg_catalog.pg_attribute, samples jsonb)
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  sample jsonb;
  taken jsonb;
begin
  if a.attgenerated <> '' or a.attidentity = 'a' then
    return 'a column that computes its own value';
  end if;
  for sample in select s.value from jsonb_array_elements(samples) s loop
    if jsonb_typeof(sample) in ('array', 'object')
      and (select t.typcategory from pg_catalog.pg_type t where t.oid = a.atttypid) = 'A'
    then
      return ''; -- a list of columns' values, which the front end does not read as JSON
    end if;
    begin
      execute format('select to_jsonb((jsonb_populate_record(null::%s, $1)).%I)', relation, a.attname)
        into taken using jsonb_build_object(a.attname, sample);
    exception when others then
      return case jsonb_typeof(sample)
        when 'string' then format('it does not take the value %L', sample #>> '{}')
        when 'number' then format('it does not take the number %s', sample) else '' end;
    end;
  end loop;
  return null;
end
$$;
comment on function botlive.refused_sample is
  'Why a column takes no event (an empty text where its type says all), or null where it does.';

create or replace function botlive.cure(
  relation regclass, table_name text, column_name text, type_name text, found_type oid, samples jsonb)
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  candidates text[];
begin
  if found_type is null then
    select array_agg(a.attname order by a.attnum) into candidates
    from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
    where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
      and not exists (select from botlive.wanted_columns() w
                      where w.table_name = cure.table_name and w.column_name = a.attname)
      and t.typcategory = (select k.typcategory from pg_catalog.pg_type k where k.oid = to_regtype(type_name))
      and (column_name = 'company_id') = exists (
        select from pg_catalog.pg_constraint f
        where f.conrelid = relation and f.contype = 'f' and a.attnum = any (f.conkey)
          and (column_name <> 'company_id' or f.confrelid = to_regclass('public.companies')));
    return case when cardinality(candidates) = 1
      then format('alter table %s rename column %I to %I; (or, where the front end shall go on reading %I: '
        'alter table %s add column %I %s;)', relation, candidates[1], column_name, candidates[1], relation,
        column_name, type_name)
      else format('alter table %s add column %I %s; (or give the column that has its values back its name)',
        relation, column_name, type_name) end;
  end if;
  return case
    when (select t.typtype from pg_catalog.pg_type t where t.oid = found_type) = 'e' then (
      select string_agg(format('alter type %s add value if not exists %L;', found_type::regtype, s.value), ' ')
      from jsonb_array_elements_text(samples) s)
    when type_name = 'uuid' then format(
      'give %s a column %I of the type uuid (or text): what is there now cannot become one', relation, column_name)
    when type_name = 'jsonb' then format(
      'alter table %s alter column %I drop default, alter column %I type jsonb using to_jsonb(%I);',
      relation, column_name, column_name, column_name)
    when not exists (
      select from pg_catalog.pg_type t
      where t.oid = found_type and (t.typcategory = 'S' or type_name = 'text' or exists (
        select from pg_catalog.pg_cast c where c.castsource = found_type and c.casttarget = to_regtype(type_name))))
      then format('give %s a column %I of the type %s: what is there now cannot become one',
        relation, column_name, type_name)
    else format('alter table %s alter column %I drop default, alter column %I type %s using %I::%s;',
      relation, column_name, column_name, type_name, column_name, type_name) end;
end
$$;

create or replace function botlive.misfits()
returns table (table_name text, column_name text, found_type text, wanted_type text, cure text)
language plpgsql
stable
set search_path = ''
as $$
declare
  w record;
  relation regclass;
  a pg_catalog.pg_attribute;
  refused text;
begin
  for w in select * from botlive.wanted_columns() loop
    relation := to_regclass(format('public.%I', w.table_name));
    continue when relation is null;
    if not botlive.is_table(w.table_name) then
      if w.column_name = 'id' then
        table_name := w.table_name;
        column_name := '*';
        found_type := 'a view or a foreign table';
        wanted_type := 'a table';
        cure := format('give %s another name, then run `botlive migrate`, which makes the table', relation);
        return next;
      end if;
      continue;
    end if;
    select x.* into a from pg_catalog.pg_attribute x
    where x.attrelid = relation and x.attname = w.column_name and x.attnum > 0 and not x.attisdropped;
    table_name := w.table_name;
    column_name := w.column_name;
    wanted_type := w.type_name;
    refused := case when a.attnum is null then 'no such column'
      else botlive.refused_sample(relation, a, w.samples) end;
    if refused is not null then
      found_type := case when a.attnum is null then refused
        else concat_ws(': ', pg_catalog.format_type(a.atttypid, a.atttypmod), nullif(refused, '')) end;
      cure := botlive.cure(relation, w.table_name, w.column_name, w.type_name, a.atttypid, w.samples);
      return next;
    elsif w.column_name = 'id' and not exists (
      select from pg_catalog.pg_index i
      where i.indrelid = relation and i.indisunique and i.indisvalid and i.indpred is null
        and i.indimmediate and i.indnkeyatts = 1 and i.indkey[0] = a.attnum
    ) then
      found_type := 'values that need not be unique';
      wanted_type := 'a primary key';
      cure := case
        when (select c.relkind from pg_catalog.pg_class c where c.oid = relation) = 'p' then format(
          'make %s anew so that id alone is its key (not partitioned, or by hash of id): '
          'a key of several columns lets an id repeat', relation)
        when exists (select from pg_catalog.pg_constraint k where k.conrelid = relation and k.contype = 'p')
          then format('alter table %s add unique (id);', relation)
        else format('alter table %s add primary key (id);', relation) end;
      return next;
    end if;
  end loop;
end
$$;
comment on function botlive.misfits is
  'The columns that can take no event: table, column, type found and wanted, and the cure.';

create or replace function botlive.misfit_of(table_names text[])
returns text
language sql
stable
set search_path = ''
as $$
  select format('%s.%s: found %s, wanted %s; cure: %s', m.table_name, m.column_name, m.found_type, m.wanted_type, m.cure)
  from botlive.misfits() m where m.table_name = any (table_names)
  order by m.table_name, m.column_name limit 1
$$;
comment on function botlive.misfit_of is 'The first column of these tables that can take no event, in words.';

create or replace function botlive.sample_events(text_id text)
returns table (event_type text, event jsonb)
language sql
immutable
set search_path = ''
as $$
  -- As the handlers make them (a test compares): for a rehearsal before the first event.
  select e.event_type, jsonb_build_object('company_id', text_id, 'event_type', e.event_type, 'digest', '',
    'order', null, 'toggle', null) || e.parts
  from (values
    ('payment_validated', '{"activity": {"type": "order", "status": "success",
        "title": "Paiement validé: 2000 FCFA", "description": "Référence: WAVE-123"}}'::jsonb),
    ('payment_issue', '{"activity": {"type": "intervention", "status": "warning",
        "title": "Intervention requise: payment_insufficient",
        "description": "Montant insuffisant: 1500 FCFA reçu, 2000 FCFA requis"}}'),
    ('order_completed', '{"activity": {"type": "order", "status": "success", "customer_name": "Awa",
        "title": "Commande de Awa", "description": "Montant: 12000 FCFA"}, "order": {}}'),
    ('live_toggled', '{"activity": {"type": "system", "status": "info", "title": "Mode LIVE désactivé",
        "description": ""}, "toggle": {"enabled": true, "mode": "live"}}')
  ) as e (event_type, parts)
$$;

create or replace function botlive.act_as_worker()
returns void
language plpgsql
set search_path = ''
as $$
begin
  -- What the worker's role may not do is found too; and triggers ask who calls.
  perform set_config('request.jwt.claims', '{"role": "service_role"}', true);
  if pg_catalog.pg_has_role(current_user, 'service_role', 'member') then
    perform set_config('role', 'service_role', true);
  end if;
end
$$;

create or replace function botlive.rehearse_new_shop()
returns table (event_type text, reason text)
language plpgsql
set search_path = ''
as $$
declare
  text_id text := 'botlive-' || left(gen_random_uuid()::text, 8);
  somebody uuid := (select u.id from auth.users u limit 1); -- some projects want every shop owned
  found record;
  answers jsonb := '[]';
begin
  begin
    perform botlive.act_as_worker(); -- until this block is rolled back
    perform botlive.map_company(text_id, null, somebody);
    for found in select s.event_type, botlive.unwell(s.event) as reason from botlive.sample_events(text_id) s loop
      answers := answers || to_jsonb(found);
    end loop;
    raise exception using errcode = 'BL000';
  exception
    when sqlstate 'BL000' then null;
    when others then
      answers := jsonb_build_array(jsonb_build_object('event_type', 'company', 'reason',
        format('companies takes no plain row (SQLSTATE %s): make each shop in the front end, then '
          '`botlive company link TEXT_ID --uuid UUID`', sqlstate)));
  end;
  return query select a ->> 'event_type', a ->> 'reason' from jsonb_array_elements(answers) a;
end
$$;
comment on function botlive.rehearse_new_shop is
  'For each type of event why a new shop could not take it, or null. Leaves nothing behind.';

create or replace function botlive.rehearse_shops(at_most interval)
returns table (company_id text, event_type text, reason text)
language plpgsql
set search_path = ''
as $$
declare
  shop record;
  former text := current_setting('role');
begin
  perform botlive.act_as_worker();
  for shop in
    select m.company_id from public.company_mapping m where botlive.is_company(m.uuid) order by random()
  loop
    exit when clock_timestamp() > now() + at_most;
    return query
      select shop.company_id, s.event_type, botlive.unwell(s.event) from botlive.sample_events(shop.company_id) s;
  end loop;
  perform set_config('role', former, true);
end
$$;
comment on function botlive.rehearse_shops is
  'The same for the shops that are there, in any order, as many as the time allows.';

create or replace function botlive.open_views()
returns table (view_name text, cure text)
language plpgsql
set search_path = ''
as $$
declare
  seen record;
  former text := current_setting('role');
  rows_of_all boolean;
  rows_of_strangers boolean;
begin
  -- A plain view reads with its owner's rights: row level security does not apply to who asks.
  for seen in
    with recursive reading as (
      select r.ev_class as view_id
      from pg_catalog.pg_depend d join pg_catalog.pg_rewrite r on r.oid = d.objid
      where d.classid = 'pg_catalog.pg_rewrite'::regclass and d.refclassid = 'pg_catalog.pg_class'::regclass
        and d.refobjid in (select k.relation from botlive.known_tables k) and r.ev_class <> d.refobjid
      union
      select r.ev_class
      from reading v
      join pg_catalog.pg_depend d on d.refobjid = v.view_id and d.classid = 'pg_catalog.pg_rewrite'::regclass
      join pg_catalog.pg_rewrite r on r.oid = d.objid
      where r.ev_class <> v.view_id
    )
    select distinct c.oid::regclass as relation, r.role_name, c.relkind,
      n.nspname <> 'botlive' as is_theirs
    from reading v
    join pg_catalog.pg_class c on c.oid = v.view_id
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace,
      (values ('anon'), ('authenticated')) as r (role_name)
    where c.relkind in ('v', 'm')
      and not coalesce(c.reloptions::text ~* 'security_invoker=(true|on|1|yes)', false)
      and pg_catalog.has_any_column_privilege(r.role_name, c.oid, 'SELECT, INSERT, UPDATE')
      and pg_catalog.has_schema_privilege(r.role_name, n.oid, 'USAGE')
    order by 1, 2
  loop
    rows_of_strangers := true; -- where it cannot be found out, it is named
    begin
      execute format('select exists (select from %s)', seen.relation) into rows_of_all;
      perform set_config('request.jwt.claims', jsonb_build_object('role', seen.role_name, 'aud', 'authenticated',
        'sub', case when seen.role_name = 'authenticated' then gen_random_uuid() end)::text, true);
      perform set_config('role', seen.role_name, true);
      execute format('select exists (select from %s)', seen.relation) into rows_of_strangers;
      rows_of_strangers := rows_of_strangers or not rows_of_all;
    exception when others then
      null;
    end;
    perform set_config('role', former, true);
    perform set_config('request.jwt.claims', '', true);
    if rows_of_strangers then
      view_name := seen.relation::text;
      cure := case seen.relkind when 'v'
        then format('alter view %s set (security_invoker = true);', seen.relation)
        else format('revoke all on table %s from anon, authenticated;', seen.relation) end;
      return next;
    end if;
  end loop;
end
$$;
comment on function botlive.open_views is
  'Views over the shops'' tables that read with their owner''s rights and show strangers rows.';

create or replace function botlive.wide_policies()
returns table (relation text, policy_name text, role_name text, cure text)
language plpgsql
set search_path = ''
as $$
declare
  known record;
  others jsonb;
begin
  -- Judged by rows that are there, and by one of no company that is as open as can be.
  for known in
    select c.oid::regclass as name from pg_catalog.pg_class c
    where c.oid in (select k.relation from botlive.known_tables k) and c.relkind in ('r', 'p') and c.relrowsecurity
    order by 1
  loop
    execute format('select coalesce(jsonb_agg(to_jsonb(t)), ''[]'') from (select * from %s limit 200) t', known.name)
      into others;
    others := others || (
      select jsonb_object_agg(e.key, case jsonb_typeof(e.value) when 'null' then 'true' else e.value end)
      from jsonb_each(botlive.strange_row(known.name)) e
      join pg_catalog.pg_attribute a on a.attrelid = known.name and a.attname = e.key
        and (a.atttypid = 'bool'::regtype or jsonb_typeof(e.value) <> 'null')
        and a.atttypid not in ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype));
    return query
      select known.name::text, p.polname::text, string_agg(r.name, ' and ' order by r.name),
        case when x.changed_rows_only then format('alter policy %I on %s with check (%s);', p.polname, known.name,
            pg_catalog.regexp_replace(pg_catalog.pg_get_expr(p.polqual, p.polrelid), '[[:space:]]*\n[[:space:]]*', ' ', 'g'))
          else format('drop policy %I on %s;', p.polname, known.name) end
      from pg_catalog.pg_policy p, (values ('anon'), ('authenticated')) as r (name),
        lateral (
          select bool_and(o.is_new) and p.polqual is not null as changed_rows_only
          from botlive.opens_by(p, r.name) o
          where botlive.lets_strangers_in(known.name, o.condition, r.name, others, '{"email": "somebody@example.org"}')
        ) x
      where p.polrelid = known.name and p.polname not like 'botlive^_owner^_%' escape '^'
        and x.changed_rows_only is not null
      group by p.polname, p.polqual, p.polrelid, x.changed_rows_only;
  end loop;
end
$$;
comment on function botlive.wide_policies is 'The project''s policies that let people at rows of shops that are not theirs.';

create or replace function botlive.open_functions()
returns table (function_name text, cure text)
language sql
stable
set search_path = ''
as $$
  -- With its owner's rights, about the shops' tables, and without a word about who calls.
  select f.name, format('revoke execute on function %s from public, anon, authenticated;', f.name)
  from (
    select p.oid, p.oid::regprocedure::text as name, n.nspname,
      coalesce(p.prosrc, '') || coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), '') as body
    from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where p.prosecdef and p.prokind in ('f', 'p')
      and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
      and n.nspname not in ('botlive', 'pg_catalog', 'information_schema')
      and (pg_catalog.has_function_privilege('anon', p.oid, 'EXECUTE')
           or pg_catalog.has_function_privilege('authenticated', p.oid, 'EXECUTE'))
  ) f
  where pg_catalog.has_schema_privilege('authenticated', f.nspname, 'USAGE')
    and f.body ~* '[[:<:]](orders|activities|bot_sessions|companies|company_mapping|company_rag_configs)[[:>:]]'
    and f.body !~* 'auth[.](uid|jwt|email|role)|request[.]jwt|current_setting'
  order by 1
$$;
comment on function botlive.open_functions is
  'Functions that read or write the shops'' tables with their owner''s rights, for whoever calls.';

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
  return query
    select false, format('the view %s shows people rows that are not theirs; cure: %s',
      v.view_name, min(v.cure))
    from botlive.open_views() v group by v.view_name;
  return query
    select false, format('the policy %I on %s lets %s at rows of shops that are not theirs; cure: %s',
      p.policy_name, p.relation, p.role_name, p.cure)
    from botlive.wide_policies() p;
  return query
    select false, format('the function %s runs with its owner''s rights and may show or change rows of every shop for '
      'whoever calls it; cure: %s (or let it compare with auth.uid())', f.function_name, f.cure)
    from botlive.open_functions() f;
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

revoke all on function botlive.wanted_columns, botlive.refused_sample, botlive.cure, botlive.misfits,
  botlive.misfit_of, botlive.sample_events, botlive.act_as_worker, botlive.rehearse_new_shop, botlive.rehearse_shops,
  botlive.open_views, botlive.wide_policies, botlive.open_functions, botlive.findings from public;
grant execute on function botlive.wanted_columns, botlive.refused_sample, botlive.cure, botlive.misfits,
  botlive.misfit_of to service_role;

-- A company's sessions follow from the set of its toggles, in whatever order these come.
--
-- Rows are cast to the column's own types by jsonb_populate_record: a project may have chosen text for
-- uuid, or json for jsonb.

select botlive.wait_for_workers();

create or replace function botlive.fold_toggles(
  toggles botlive.toggles[], open_session uuid, open_since timestamptz)
returns setof botlive.toggles
language sql
immutable
set search_path = ''
as $$
  -- Gaps and islands: an island is an enable when none was open, and all up to the next disable.
  with marked as (
    select t.*, coalesce(lag(t.enabled) over in_order, open_session is not null) as was_open
    from unnest(toggles) t
    window in_order as (order by t.occurred_at, t.event_id)
  ), islands as (
    select m.*, count(*) filter (where m.enabled and not m.was_open) over in_order as island
    from marked m
    window in_order as (order by m.occurred_at, m.event_id)
  ), begun as (
    select i.*,
           case when i.island = 0 then open_session else first_value(i.event_id) over island end as name,
           case when i.island = 0 then open_since else first_value(i.occurred_at) over island end as since
    from islands i
    window island as (partition by i.island order by i.occurred_at, i.event_id)
  )
  select b.event_id, b.company, b.occurred_at, b.enabled, b.mode,
         case when b.enabled or b.was_open then b.name end,
         case when b.enabled or b.was_open then b.since end,
         b.withdrawn
  from begun b
$$;
comment on function botlive.fold_toggles is
  'A stretch of a company''s toggles, each with the session it belongs to. Pure.';

create or replace function botlive.session_text(toggle botlive.toggles)
returns text
language sql
immutable
set search_path = ''
as $$
  select case when toggle.enabled or toggle.session_id is null then ''
    else format('Durée: %s %s', minutes, case when minutes < 2 then 'minute' else 'minutes' end)
  end
  from (
    select floor(extract(epoch from toggle.occurred_at - toggle.session_began_at) / 60)::bigint as minutes
  ) m
$$;
comment on function botlive.session_text is
  'The description of a toggle''s activity (French): how long a session was, on the disable that ended it.';

create or replace function botlive.utc_text(instant timestamptz)
returns text
language sql
immutable
set search_path = ''
as $$
  -- In UTC whatever the database's time zone: a column may be a timestamp without one.
  select to_char(instant at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')
$$;

create or replace function botlive.rewrite_sessions(
  shop uuid, before botlive.toggles[], after botlive.toggles[])
returns void
language plpgsql
set search_path = ''
as $$
declare
  change record;
  session jsonb;
begin
  perform set_config('search_path', 'public, extensions, pg_temp', true);
  for change in
    with former as (
      select b.session_id as id, max(b.occurred_at) filter (where not b.enabled) as ended_at,
             bool_or(b.event_id = b.session_id) as begins_here
      from unnest(before) b where b.session_id is not null group by b.session_id
    ), present as (
      select a.session_id as id, max(a.occurred_at) filter (where not a.enabled) as ended_at,
             bool_or(a.event_id = a.session_id) as begins_here,
             min(a.session_began_at) as started_at,
             max(a.mode) filter (where a.event_id = a.session_id) as mode
      from unnest(after) a where a.session_id is not null group by a.session_id
    )
    select id, p.mode, p.started_at, p.ended_at,
           coalesce(f.begins_here, false) and not coalesce(p.begins_here, false) as vanishes,
           coalesce(p.begins_here, false) and not coalesce(f.begins_here, false) as appears
    from former f full join present p using (id)
    where coalesce(f.begins_here, false) <> coalesce(p.begins_here, false)
      or f.ended_at is distinct from p.ended_at
    order by vanishes desc, appears, p.started_at, id
  loop
    session := jsonb_build_object('id', change.id, 'company_id', shop, 'mode', change.mode,
      'started_at', botlive.utc_text(change.started_at), 'ended_at', botlive.utc_text(change.ended_at));
    session := session || jsonb_build_object('created_at', session -> 'started_at');
    if change.vanishes then
      delete from public.bot_sessions s
      using jsonb_populate_record(null::public.bot_sessions, session) r
      where s.id = r.id and s.company_id = r.company_id;
      if not found then
        update botlive.toggles t set withdrawn = true where t.event_id = change.id;
      end if;
    elsif change.appears then
      insert into public.bot_sessions (id, company_id, mode, started_at, ended_at, created_at)
      select r.id, r.company_id, r.mode, r.started_at, r.ended_at, r.created_at
      from jsonb_populate_record(null::public.bot_sessions, session) r
      where not exists (select from botlive.toggles t where t.event_id = change.id and t.withdrawn)
      on conflict (id) do nothing;
      if exists (
        select from public.bot_sessions s, jsonb_populate_record(null::public.bot_sessions, session) r
        where s.id = r.id and s.company_id <> r.company_id
      ) then
        raise exception using errcode = 'unique_violation', message = 'the session''s id is another company''s';
      end if;
    else
      update public.bot_sessions s set ended_at = r.ended_at
      from jsonb_populate_record(null::public.bot_sessions, session) r
      where s.id = r.id and s.company_id = r.company_id;
    end if;
  end loop;
end
$$;
comment on function botlive.rewrite_sessions is
  'Brings the rows of bot_sessions from what the toggles said to what they say now. '
  'Rows that no event made are not touched.';

create or replace function botlive.object_of(written text)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case jsonb_typeof(written::jsonb) when 'object' then written::jsonb else '{}' end;
exception when invalid_text_representation then
  return '{}'; -- a person edited a column that is text
end
$$;
comment on function botlive.object_of is 'The JSON object that the text is, or an empty one.';

create or replace function botlive.bring_sessions(shop uuid, fresh uuid[])
returns void
language plpgsql
set search_path = ''
as $$
declare
  first_new botlive.toggles;
  last_new botlive.toggles;
  previous botlive.toggles;
  closer botlive.toggles;
  before botlive.toggles[];
  after botlive.toggles[];
begin
  perform set_config('search_path', 'public, extensions, pg_temp', true);
  -- The caller holds the company's lock, so nobody else changes its toggles or sessions meanwhile.
  select t.* into first_new from botlive.toggles t
  where t.event_id = any (fresh) order by t.occurred_at, t.event_id limit 1;
  select t.* into last_new from botlive.toggles t
  where t.event_id = any (fresh) order by t.occurred_at desc, t.event_id desc limit 1;

  -- What stands before the first new toggle stays as it is; behind the disable that follows the
  -- last new one nothing changes either, for after a disable no session is open.
  select t.* into previous from botlive.toggles t
  where t.company = shop and (t.occurred_at, t.event_id) < (first_new.occurred_at, first_new.event_id)
  order by t.occurred_at desc, t.event_id desc limit 1;
  select t.* into closer from botlive.toggles t
  where t.company = shop and not t.enabled
    and (t.occurred_at, t.event_id) > (last_new.occurred_at, last_new.event_id)
  order by t.occurred_at, t.event_id limit 1;

  select array_agg(t) into before from botlive.toggles t
  where t.company = shop
    and (t.occurred_at, t.event_id) >= (first_new.occurred_at, first_new.event_id)
    and (closer.event_id is null or (t.occurred_at, t.event_id) <= (closer.occurred_at, closer.event_id));
  select array_agg(f) into after from botlive.fold_toggles(before,
    case when previous.enabled then previous.session_id end,
    case when previous.enabled then previous.session_began_at end) f;

  update botlive.toggles t
  set session_id = a.session_id, session_began_at = a.session_began_at
  from unnest(after) a where t.event_id = a.event_id;

  with changed as (
    select r.id, botlive.session_text(a) as description, a.session_id
    from unnest(after) a join unnest(before) b on b.event_id = a.event_id,
      jsonb_populate_record(null::public.activities, jsonb_build_object('id', a.event_id)) r
    where (a.session_id, a.session_began_at) is distinct from (b.session_id, b.session_began_at)
  ), said as (
    select x.id, r.description, r.metadata
    from changed c join public.activities x on x.id = c.id,
      jsonb_populate_record(null::public.activities, jsonb_build_object('description', c.description,
        'metadata', coalesce(botlive.object_of(x.metadata::text), '{}')
          || jsonb_build_object('session_id', c.session_id))) r
  )
  update public.activities x set description = s.description, metadata = s.metadata
  from said s where x.id = s.id;

  perform botlive.rewrite_sessions(shop, before, after);
end
$$;
comment on function botlive.bring_sessions is
  'Brings a company''s sessions, and what its toggles'' activities say of them, to what the whole '
  'set of toggles says.';

revoke all on function botlive.fold_toggles, botlive.session_text, botlive.utc_text, botlive.object_of,
  botlive.rewrite_sessions, botlive.bring_sessions from public;
grant execute on function botlive.fold_toggles, botlive.session_text, botlive.utc_text, botlive.object_of,
  botlive.rewrite_sessions, botlive.bring_sessions to service_role;

-- Persists a batch of events in one transaction and says what became of each.
--
-- Functions that write to the shops' tables fire the customer's triggers, checks and defaults. They set the
-- search path that Supabase's API has (`public, extensions`), on which these may rely, until they return.

select botlive.wait_for_workers();

drop function if exists public.botlive_persist(jsonb);
drop function if exists botlive.write_alone(jsonb);
drop function if exists botlive.is_well(jsonb);
drop function if exists botlive.rehearse(jsonb, uuid);
drop function if exists botlive.refuse_foreign_rows(jsonb);
drop function if exists botlive.parse_events(jsonb);
drop view if exists botlive.shops;

do $$
begin
  if to_regtype('botlive.arrival') is null then
    create type botlive.arrival as (
      ord bigint, event_id uuid, event_type text, company_id text, occurred_at timestamptz, instant text,
      digest text, activity jsonb, ordered jsonb, toggle jsonb, company uuid
    );
    comment on type botlive.arrival is 'An event of a batch, and its company where it has one.';
    comment on column botlive.arrival.instant is
      'occurred_at as the worker wrote it, in UTC: a column may be a timestamp without a zone.';
  end if;
end
$$;

create or replace function botlive.shops(text_ids text[])
returns table (company_id text, uuid uuid)
language plpgsql
stable
set search_path = ''
as $$
begin
  -- A mapping that points at no company is none.
  return query
    select m.company_id, m.uuid
    from public.company_mapping m
    where m.company_id = any (text_ids) and exists (
      select from public.companies c
      where c.id = (jsonb_populate_record(null::public.companies, jsonb_build_object('id', m.uuid))).id);
end
$$;
comment on function botlive.shops is 'Those of the text ids that events can be written for.';

create or replace function botlive.read_events(events jsonb)
returns botlive.arrival[]
language sql
stable
set search_path = ''
as $$
  with parsed as (
    select e.ord, e.event_id, e.event_type, e.company_id, e.occurred_at::timestamptz, e.occurred_at as instant,
           e.digest, e.activity, nullif(e."order", 'null') as ordered, nullif(e.toggle, 'null') as toggle
    from rows from (jsonb_to_recordset(events) as (
      event_id uuid, event_type text, company_id text, occurred_at text,
      digest text, activity jsonb, "order" jsonb, toggle jsonb
    )) with ordinality as e (event_id, event_type, company_id, occurred_at, digest, activity, "order", toggle, ord)
  ), shops as (
    select s.company_id, s.uuid
    from botlive.shops((select array_agg(distinct p.company_id) from parsed p)) s
  )
  select array_agg((p.ord, p.event_id, p.event_type, p.company_id, p.occurred_at, p.instant, p.digest,
    p.activity, p.ordered, p.toggle, s.uuid)::botlive.arrival order by p.ord)
  from parsed p left join shops s on s.company_id = p.company_id
$$;

create or replace function botlive.lock_companies(events jsonb)
returns void
language plpgsql
set search_path = ''
as $$
begin
  -- A company's sessions are one thing: its toggles are taken one transaction at a time. Everybody
  -- takes the locks in one order, and before any other, so that no two wait for each other.
  perform pg_catalog.pg_advisory_xact_lock(keys.key)
  from (
    select distinct pg_catalog.hashtextextended('botlive.sessions ' || m.uuid, 0) as key
    from jsonb_array_elements(events) e
    join public.company_mapping m on m.company_id = e ->> 'company_id'
    where jsonb_typeof(e -> 'toggle') = 'object'
    order by 1
  ) keys;
end
$$;

create or replace function botlive.write_orders(fresh botlive.arrival[])
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  inserted bigint;
begin
  perform set_config('search_path', 'public, extensions, pg_temp', true);
  -- Cast to the columns' own types: a project may have chosen others than we would.
  insert into public.orders (id, company_id, conversation_id, customer_name, total_amount, status,
                             items, metadata, created_at, updated_at)
  select r.id, r.company_id, r.conversation_id, r.customer_name, r.total_amount, r.status,
         r.items, r.metadata, r.created_at, r.updated_at
  from unnest(fresh) f,
    jsonb_populate_record(null::public.orders, f.ordered || jsonb_build_object(
      'id', f.event_id, 'company_id', f.company, 'status', 'pending',
      'created_at', f.instant, 'updated_at', f.instant)) r
  where f.ordered is not null
  on conflict (id) do nothing;
  get diagnostics inserted = row_count;
  return inserted;
end
$$;

create or replace function botlive.write_activities(fresh botlive.arrival[])
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  inserted bigint;
begin
  perform set_config('search_path', 'public, extensions, pg_temp', true);
  insert into public.activities (id, company_id, conversation_id, type, title, description, status,
                                 metadata, customer_name, created_at)
  select r.id, r.company_id, r.conversation_id, r.type, r.title, r.description, r.status,
         r.metadata, r.customer_name, r.created_at
  from unnest(fresh) f
  left join botlive.toggles t on f.toggle is not null and t.event_id = f.event_id,
    jsonb_populate_record(null::public.activities, f.activity || jsonb_build_object(
      'id', f.event_id, 'company_id', f.company, 'created_at', f.instant) ||
      case when t.event_id is null then '{}' else jsonb_build_object(
        'description', botlive.session_text(t),
        'metadata', f.activity -> 'metadata' || jsonb_build_object('session_id', t.session_id)) end) r
  on conflict (id) do nothing;
  get diagnostics inserted = row_count;
  return inserted;
end
$$;

create or replace function botlive.check_rows(fresh botlive.arrival[])
returns void
language plpgsql
set search_path = ''
as $$
declare
  strange record;
begin
  -- A row that has the event's id and is the same company's was made by the event: already done.
  with expected as (
    select o.id, o.company_id, f.ord from unnest(fresh) f,
      jsonb_populate_record(null::public.orders,
        jsonb_build_object('id', f.event_id, 'company_id', f.company)) o
    where f.ordered is not null
  ), noted as (
    select a.id, a.company_id, f.ord from unnest(fresh) f,
      jsonb_populate_record(null::public.activities,
        jsonb_build_object('id', f.event_id, 'company_id', f.company)) a
  )
  select x.label, x.is_missing into strange
  from (
    select 'orders' as label, o.id is null as is_missing from expected e left join public.orders o on o.id = e.id
    where o.id is null or o.company_id <> e.company_id
    union all
    select 'activities', a.id is null from noted n left join public.activities a on a.id = n.id
    where a.id is null or a.company_id <> n.company_id
  ) x
  order by x.is_missing limit 1;
  if strange.is_missing then
    raise exception using errcode = 'BL003', table = strange.label,
      message = format('a trigger or rule on %s drops the row without an error', strange.label);
  elsif strange.label is not null then
    raise exception using errcode = 'unique_violation', message = 'the event''s id is that of another company''s row';
  end if;
end
$$;

create or replace function botlive.write_events(events jsonb)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  arrived botlive.arrival[] := botlive.read_events(events);
  fresh botlive.arrival[];
  fresh_ords bigint[];
  shop record;
  orders_expected bigint;
  inserted bigint;
  outcomes jsonb;
begin
  -- In the order of the ids, so that two batches with the same events never wait for each other.
  with first_of_its_id as (
    select distinct on (e.event_id) e.*
    from unnest(arrived) e
    where e.company is not null
    order by e.event_id, e.ord
  ), claimed as (
    insert into botlive.inbox (event_id, event_type, company_id, digest, occurred_at)
    select f.event_id, f.event_type, f.company_id, f.digest, f.occurred_at
    from first_of_its_id f order by f.event_id
    on conflict (event_id) do nothing
    returning event_id
  ), toggled as (
    insert into botlive.toggles (event_id, company, occurred_at, enabled, mode)
    select f.event_id, f.company, f.occurred_at,
           (f.toggle ->> 'enabled')::boolean, f.toggle ->> 'mode'
    from first_of_its_id f join claimed c using (event_id)
    where f.toggle is not null
    on conflict (event_id) do nothing
  )
  select array_agg(f.ord) into fresh_ords from first_of_its_id f join claimed c using (event_id);
  fresh := case when cardinality(fresh_ords) = cardinality(arrived) then arrived
    else (select array_agg(e) from unnest(arrived) e where e.ord = any (fresh_ords)) end;

  if fresh is not null then
    for shop in
      select e.company, array_agg(e.event_id) as toggles
      from unnest(fresh) e where e.toggle is not null
      group by e.company order by e.company
    loop
      perform botlive.bring_sessions(shop.company, shop.toggles);
    end loop;
    orders_expected := (select count(*) from unnest(fresh) e where e.ordered is not null);
    inserted := case when orders_expected > 0 then botlive.write_orders(fresh) else 0 end;
    inserted := inserted + botlive.write_activities(fresh);
    if inserted < orders_expected + cardinality(fresh) then
      perform botlive.check_rows(fresh);
    end if;
  end if;

  -- A statement of its own: it sees what another transaction persisted while this one waited for it.
  select jsonb_agg(
    case
      when e.ord = any (fresh_ords) then jsonb_build_object('outcome', 'persisted',
        'session_written', coalesce(t.session_id = t.event_id or (not t.enabled and t.session_id is not null), false))
      when i.digest = e.digest then jsonb_build_object('outcome', 'duplicate')
      when i.digest is not null then
        jsonb_build_object('outcome', 'refused', 'reason', 'event id already used')
      else jsonb_build_object('outcome', 'unknown_company')
    end order by e.ord)
  into outcomes
  from unnest(arrived) e
  left join botlive.inbox i on i.event_id = e.event_id
  left join botlive.toggles t on t.event_id = e.event_id;
  return outcomes;
end
$$;
comment on function botlive.write_events is
  'The rows of a batch, all or none: inbox, orders, activities, sessions.';

create or replace function botlive.is_passing(code text)
returns boolean
language sql
immutable
set search_path = ''
as $$
  -- Faults of the moment or of the server: the whole call is tried again. All others come from the
  -- shops' tables and what hangs on them.
  select code like any (array['40001', '40P01', '53%', '55P03', '55006', '57%', '58%', '25006', 'XX%'])
$$;

create or replace function botlive.attempt(events jsonb)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  table_label text;
  constraint_label text;
  column_label text;
  stack text;
  theirs text; -- the project's function in which it failed
begin
  return jsonb_build_object('outcomes', botlive.write_events(events));
exception when others then
  get stacked diagnostics table_label = table_name, constraint_label = constraint_name,
    column_label = column_name, stack = pg_exception_context;
  select f[1] into theirs
  from pg_catalog.regexp_matches(stack, '(?:PL/pgSQL|SQL) function "?([^[:space:]("]+)', 'g') f
  where f[1] !~ '^(public[.])?botlive[._]' limit 1;
  -- What the project's function raises itself, under whatever code, is no fault of the server.
  if botlive.is_passing(sqlstate) and not coalesce(theirs is not null
    and (sqlstate ~ '^(XX|58)' or stack ~ '^PL/pgSQL function (?!(public[.])?botlive[._])[^\n]* at RAISE'), false)
  then
    raise;
  end if;
  return jsonb_build_object('sqlstate', sqlstate, 'table', nullif(table_label, ''),
    'constraint', nullif(constraint_label, ''), 'column', nullif(column_label, ''),
    'function', theirs);
end
$$;
comment on function botlive.attempt is
  'Writes the events: {"outcomes": …}, or why the tables did not take them. Names only, never a value.';

create or replace function botlive.fault_words(fault jsonb)
returns text
language sql
immutable
set search_path = ''
as $$
  -- PostgreSQL's own message is not repeated: it may quote a row.
  select case
    when fault ->> 'sqlstate' = '23514' and fault ->> 'constraint' is not null
      then format('the check %s on %s refuses it', fault ->> 'constraint', fault ->> 'table')
    when fault ->> 'sqlstate' = '23502' and fault ->> 'column' is not null
      then format('%s.%s must not be empty', fault ->> 'table', fault ->> 'column')
    else format('%s (%s)', case
      when fault ->> 'constraint' is not null
        then format('the constraint %s on %s refuses it', fault ->> 'constraint', fault ->> 'table')
      when fault ->> 'sqlstate' = 'BL003'
        then format('a trigger or rule on %s drops the row without an error', fault ->> 'table')
      when fault ->> 'function' is not null
        then format('the project''s function %s fails', fault ->> 'function')
      when fault ->> 'sqlstate' like '22%' then 'a value does not fit its column'
      when fault ->> 'sqlstate' = '42501' then 'the worker''s role lacks a privilege on the table, or on what hangs on it'
      else 'the database refuses it' end, fault ->> 'sqlstate') end
$$;

create or replace function botlive.rehearse(event jsonb, conversation uuid)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  said jsonb := jsonb_build_object('conversation_id', conversation);
  -- Short: a longer one that does not fit is an event's own fault. And nobody's: it may have to be unique.
  word text := left(gen_random_uuid()::text, 4);
  about jsonb := jsonb_build_object('metadata', '{}'::jsonb, 'title', word, 'description', word);
  customer jsonb := jsonb_build_object('customer_name', word); -- orders alone have one
  plain jsonb := event || jsonb_build_object('activity', about || (event -> 'activity') || said);
  -- A session begins and ends, whether or not one is open.
  steps jsonb := '[{}]';
  step jsonb;
  answer jsonb;
begin
  if jsonb_typeof(event -> 'order') = 'object' then
    plain := plain || jsonb_build_object('activity', plain -> 'activity' || customer, 'order', said || customer || '{
      "metadata": {}, "total_amount": 1000, "items": [{"name": "Pagne", "quantity": 1, "price": 1000}]}');
  elsif jsonb_typeof(event -> 'toggle') = 'object' then
    steps := '[{"toggle": {"enabled": true, "mode": "live"}}, {"toggle": {"enabled": false, "mode": "live"}},
      {"toggle": {"enabled": true, "mode": "live"}}]';
  end if;
  for step in select s.value from jsonb_array_elements(steps) s loop
    answer := botlive.attempt(jsonb_build_array(plain || step
      || jsonb_build_object('event_id', gen_random_uuid(), 'occurred_at', clock_timestamp())));
    if answer ? 'sqlstate' then
      return answer;
    end if;
  end loop;
  raise exception using errcode = 'BL000';
exception when sqlstate 'BL000' then
  return null;
end
$$;
comment on function botlive.rehearse is
  'Why a plain event of the same type and company is not accepted, or null. Leaves nothing behind.';

create or replace function botlive.plain(event jsonb)
returns jsonb
language sql
immutable
set search_path = ''
as $$
  -- What all events of the type share, and nothing of this one's own.
  select jsonb_build_object(
    'event_type', event -> 'event_type', 'company_id', event -> 'company_id', 'digest', '',
    'activity', jsonb_build_object('type', event #> '{activity,type}', 'status', event #> '{activity,status}'),
    'order', case when jsonb_typeof(event -> 'order') = 'object' then '{}'::jsonb end,
    'toggle', case when jsonb_typeof(event -> 'toggle') = 'object'
      then '{"enabled": true, "mode": "live"}'::jsonb end)
$$;

create or replace function botlive.way_out(fault jsonb)
returns text
language sql
stable
set search_path = ''
as $$
  select case
    when fault ->> 'sqlstate' = '23502' and fault ->> 'column' is not null
      then format(' (alter table public.%I alter column %I drop not null;)', fault ->> 'table', fault ->> 'column')
    when fault ->> 'sqlstate' = '23514' and fault ->> 'constraint' is not null and exists (
      select from pg_catalog.pg_constraint k
      where k.conrelid = to_regclass(format('public.%I', fault ->> 'table')) and k.conname = fault ->> 'constraint')
      then format(' (let it take such rows, or alter table public.%I drop constraint %I;)',
        fault ->> 'table', fault ->> 'constraint')
    when fault ->> 'sqlstate' = '42501' and fault ->> 'function' is not null
      then ' (grant service_role what it uses, or alter it to be security definer)'
    else '' end
$$;
comment on function botlive.way_out is 'What mends a fault of the shop''s tables, where that can be told.';

create or replace function botlive.unwell(event jsonb)
returns text
language plpgsql
set search_path = ''
as $$
declare
  -- Some projects want a conversation, others know which there are.
  fault jsonb := botlive.rehearse(event, null);
begin
  if fault is not null then
    fault := botlive.rehearse(event, gen_random_uuid());
  end if;
  if fault is null then
    return null;
  end if;
  return coalesce(
    botlive.misfit_of(array['companies', 'activities',
      case when jsonb_typeof(event -> 'order') = 'object' then 'orders' end,
      case when jsonb_typeof(event -> 'toggle') = 'object' then 'bot_sessions' end]),
    botlive.fault_words(fault) || botlive.way_out(fault));
end
$$;
comment on function botlive.unwell is
  'Why the tables take no event of this type and company, or null where a refusal is the event''s own fault.';

create or replace function botlive.without_conversation(event jsonb, table_label text)
returns jsonb
language sql
immutable
set search_path = ''
as $$
  -- The conversation that the event names is not in the project's table: the column gets null and
  -- the id stays in metadata.
  select jsonb_set(
    jsonb_set(event, array[part, 'metadata', 'conversation_id'], event #> array[part, 'conversation_id']),
    array[part, 'conversation_id'], 'null')
  from (select case table_label when 'orders' then 'order' else 'activity' end as part) p
$$;

create or replace function botlive.misses_conversation(fault jsonb)
returns boolean
language sql
stable
set search_path = ''
as $$
  select fault ->> 'sqlstate' = '23503' and exists (
    select from pg_catalog.pg_constraint k
    join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = any (k.conkey)
    where k.conrelid = to_regclass(format('public.%I', fault ->> 'table'))
      and fault ->> 'table' in ('orders', 'activities')
      and k.conname = fault ->> 'constraint' and a.attname = 'conversation_id')
$$;

create or replace function botlive.write_alone(event jsonb)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  answer jsonb := botlive.attempt(jsonb_build_array(event));
begin
  if answer ? 'sqlstate' and botlive.misses_conversation(answer) then
    return botlive.write_alone(botlive.without_conversation(event, answer ->> 'table'));
  end if;
  return coalesce(answer -> 'outcomes' -> 0, answer);
end
$$;
comment on function botlive.write_alone is
  'One event''s outcome, or why the tables did not take it. A conversation that is not there costs no event.';

create or replace function botlive.check_own_tables()
returns void
language plpgsql
set search_path = ''
as $$
begin
  -- A fault of our own tables is no shop's: it ends the call.
  insert into botlive.inbox (event_id, event_type, company_id, digest, occurred_at)
  values (gen_random_uuid(), 'probe', '', '', now());
  perform from botlive.toggles t where t.event_id = gen_random_uuid();
  perform from public.company_mapping m where m.company_id = '';
  raise exception using errcode = 'BL000';
exception when sqlstate 'BL000' then
  null;
end
$$;

create or replace function botlive.write_each(events jsonb, apart boolean)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  outcomes jsonb := '[]';
  unwell jsonb := '{}'; -- by company and type: why no such event is taken, or an empty text
  one record;
  said jsonb;
begin
  perform botlive.check_own_tables();
  for one in
    select e.value as event, e.ordinality as ord,
           jsonb_build_array(e.value -> 'company_id', e.value -> 'event_type')::text as kind
    from jsonb_array_elements(events) with ordinality e
    order by e.value ->> 'event_id', e.ordinality
  loop
    if coalesce(unwell ->> one.kind, '') <> '' then
      said := null;
    else
      said := botlive.write_alone(one.event);
      if said ? 'sqlstate' and not unwell ? one.kind then
        unwell := unwell || jsonb_build_object(one.kind, coalesce(botlive.unwell(botlive.plain(one.event)), ''));
      end if;
      if said ? 'sqlstate' and unwell ->> one.kind = '' then
        -- Once more: what hangs on the tables may have failed for a moment only.
        said := botlive.write_alone(one.event);
      end if;
    end if;
    if coalesce(unwell ->> one.kind, '') <> '' and (said is null or said ? 'sqlstate') then
      if not apart then
        raise exception using errcode = 'BL002', message = format(
          'the shop''s tables take no event of the type %s: %s', one.event ->> 'event_type', unwell ->> one.kind);
      end if;
      said := jsonb_build_object('outcome', 'apart', 'reason', unwell ->> one.kind,
        'plain', botlive.plain(one.event));
    elsif said ->> 'sqlstate' ~ '^(22...|23514|23502)$' then
      said := jsonb_build_object('outcome', 'refused', 'reason', botlive.fault_words(said));
    elsif said ? 'sqlstate' then
      -- Not clearly the event's own fault: the worker finds out, by trying it without its neighbours.
      raise exception using errcode = said ->> 'sqlstate', message = botlive.fault_words(said);
    end if;
    outcomes := outcomes || jsonb_build_object('ord', one.ord, 'said', said);
  end loop;
  return (select jsonb_agg(o -> 'said' order by (o -> 'ord')::bigint) from jsonb_array_elements(outcomes) o);
end
$$;
comment on function botlive.write_each is
  'The outcome of each event, each in a transaction of its own: bad input fails alone, and what a shop''s '
  'tables do not take at all is said to wait apart.';

create or replace function public.botlive_persist(events jsonb, apart boolean default false)
returns jsonb
language plpgsql
security invoker
set search_path = ''
as $$
declare
  answer jsonb;
begin
  set constraints all immediate; -- a deferred one would speak after the answer
  perform botlive.lock_companies(events);
  answer := botlive.attempt(events);
  if answer ? 'outcomes' then
    return coalesce(nullif(answer -> 'outcomes', 'null'), '[]');
  end if;
  return botlive.write_each(events, apart);
end
$$;
comment on function public.botlive_persist is
  'Persists a batch of events, each once and whole, and returns what became of each, in their order: '
  '{"outcome": "persisted" | "duplicate" | "unknown_company" | "refused", "reason"?, "session_written"?}. '
  'With apart also "apart": the shop''s tables take no event of the type, and why; without it the call fails.';

create or replace function public.botlive_admits(plain_events jsonb)
returns jsonb
language plpgsql
security invoker
set search_path = ''
as $$
declare
  answers jsonb := '[]';
  plain jsonb;
begin
  set constraints all immediate;
  for plain in select e.value from jsonb_array_elements(plain_events) e loop
    exit when clock_timestamp() > now() + interval '1 second'; -- the rest is asked again
    perform botlive.lock_companies(jsonb_build_array(plain));
    answers := answers || coalesce(to_jsonb(botlive.unwell(plain)), 'null');
  end loop;
  return answers;
end
$$;
comment on function public.botlive_admits is
  'For each of the plain events that wait apart null where such an event is taken now, or why not. '
  'The answer may be shorter than the question.';

create or replace function public.botlive_probe()
returns void
language plpgsql
security invoker
set search_path = ''
as $$
declare
  shop record;
  locked boolean := false;
begin
  -- What events write, written and taken back: a database that can be read is not yet one that takes
  -- them. Shops with rules of their own, or that somebody has locked, do not speak for the others.
  set local lock_timeout = '500ms';
  set constraints all immediate;
  perform botlive.check_own_tables();
  for shop in select m.company_id from public.company_mapping m order by random() limit 5 loop
    begin
      perform botlive.unwell(s.event) from botlive.sample_events(shop.company_id) s
      where s.event_type in ('order_completed', 'live_toggled');
      return;
    exception when lock_not_available then
      locked := true;
    end;
  end loop;
  if locked then
    raise exception using errcode = 'lock_not_available', message = 'the shops'' rows are locked';
  end if;
end
$$;
comment on function public.botlive_probe is
  'Fails as a batch of events would fail, and carries none: the circuit breaker''s probe.';

revoke all on function botlive.shops, botlive.read_events, botlive.lock_companies, botlive.write_orders,
  botlive.write_activities, botlive.check_rows, botlive.write_events, botlive.is_passing, botlive.attempt,
  botlive.fault_words, botlive.rehearse, botlive.plain, botlive.way_out, botlive.unwell, botlive.without_conversation,
  botlive.misses_conversation, botlive.write_alone, botlive.check_own_tables, botlive.write_each from public;
grant execute on function botlive.shops, botlive.read_events, botlive.lock_companies, botlive.write_orders,
  botlive.write_activities, botlive.check_rows, botlive.write_events, botlive.is_passing, botlive.attempt,
  botlive.fault_words, botlive.rehearse, botlive.plain, botlive.way_out, botlive.unwell, botlive.without_conversation,
  botlive.misses_conversation, botlive.write_alone, botlive.check_own_tables, botlive.write_each,
  botlive.sample_events to service_role;
revoke all on function public.botlive_persist, public.botlive_admits, public.botlive_probe
  from public, anon, authenticated;
grant execute on function public.botlive_persist, public.botlive_admits, public.botlive_probe to service_role;

-- What `botlive company add|link|list` call. Only the worker's key may.
--
-- SQLSTATE BL001: the message is ours and is meant for the person at the keyboard.

select botlive.wait_for_workers();

create or replace function botlive.describe_company(text_id text)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  mapped public.company_mapping;
  shop jsonb;
begin
  select m.* into mapped from public.company_mapping m where m.company_id = text_id;
  if botlive.is_company(mapped.uuid) then
    select to_jsonb(c) into shop
    from public.companies c
    where c.id = (jsonb_populate_record(null::public.companies, jsonb_build_object('id', mapped.uuid))).id;
  end if;
  return jsonb_build_object('company_id', mapped.company_id, 'uuid', mapped.uuid, 'name', shop ->> 'name',
    'owner', mapped.user_id);
end
$$;

create or replace function botlive.own_company(text_id text, owner uuid)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if owner is not null then
    update public.company_mapping m set user_id = owner, updated_at = now()
    where m.company_id = text_id and m.user_id is distinct from owner;
  end if;
exception when foreign_key_violation then
  raise exception using errcode = 'BL001', message = format('no user has the id %s: the owner must sign up first', owner);
end
$$;

create or replace function public.botlive_company_add(
  text_id text, shop uuid default null, owner uuid default null, shop_name text default null)
returns jsonb
language plpgsql
security invoker
set search_path = ''
as $$
declare
  mapped uuid;
begin
  begin
    mapped := botlive.map_company(text_id, shop, owner, shop_name);
  exception
    when unique_violation then
      raise exception using errcode = 'BL001',
        message = format('company %s already has another text id: see `botlive company list`', shop);
    when foreign_key_violation then
      raise exception using errcode = 'BL001',
        message = format('no user has the id %s: the owner must sign up first', owner);
    when sqlstate 'BL001' then
      raise;
    when integrity_constraint_violation or data_exception or raise_exception then
      raise exception using errcode = 'BL001', message = format(
        'the table companies does not take a plain row (%s): make the company in the front end, '
        'then `botlive company link %s <its uuid>`', sqlstate, text_id);
  end;
  if mapped <> shop then
    raise exception using errcode = 'BL001', message = format(
      'company %s is mapped to %s already: `botlive company link` changes that', text_id, mapped);
  end if;
  perform botlive.own_company(text_id, owner);
  return botlive.describe_company(text_id);
end
$$;
comment on function public.botlive_company_add is 'Makes a company with its mapping; safe to repeat.';

create or replace function public.botlive_company_link(
  text_id text, shop uuid default null, owner uuid default null)
returns jsonb
language plpgsql
security invoker
set search_path = ''
as $$
begin
  if shop is not null and not botlive.is_company(shop) then
    raise exception using errcode = 'BL001', message = format('there is no company %s', shop);
  end if;
  if exists (select from public.company_mapping m where m.uuid = shop and m.company_id <> text_id) then
    raise exception using errcode = 'BL001',
      message = format('company %s already has another text id: see `botlive company list`', shop);
  end if;
  if shop is null and not exists (select from public.company_mapping m where m.company_id = text_id) then
    raise exception using errcode = 'BL001',
      message = format('%s is not mapped: name the company''s uuid, or `botlive company add %s`', text_id, text_id);
  end if;
  if shop is not null then
    insert into public.company_mapping (uuid, company_id) values (shop, text_id)
    on conflict (company_id) do update set uuid = excluded.uuid, updated_at = now();
  end if;
  perform botlive.own_company(text_id, owner);
  return botlive.describe_company(text_id);
end
$$;
comment on function public.botlive_company_link is
  'Maps a text id to a company that exists, gives it its owner, or both.';

create or replace function public.botlive_company_list()
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select coalesce(jsonb_agg(listed.company order by listed.company ->> 'company_id'), '[]')
  from (
    select botlive.describe_company(m.company_id) as company from public.company_mapping m
    union all
    -- A config that resolves to no company of its own: its events would fail as of an unknown company.
    select jsonb_build_object('company_id', c.company_id, 'uuid', null, 'name', c.company_name, 'owner', c.user_id)
    from public.company_rag_configs c
    where not exists (select from public.company_mapping m where m.company_id = c.company_id::text)
  ) listed
$$;
comment on function public.botlive_company_list is
  'Every company that Botlive knows; uuid is null where it is not mapped.';

revoke all on function botlive.describe_company, botlive.own_company from public;
grant execute on function botlive.describe_company, botlive.own_company to service_role;
revoke all on function public.botlive_company_add, public.botlive_company_link, public.botlive_company_list
  from public, anon, authenticated;
grant execute on function public.botlive_company_add, public.botlive_company_link, public.botlive_company_list
  to service_role;

notify pgrst, 'reload schema';

-- What the dashboard reads, by Botlive's text id, each in one call; and what `botlive reconcile` asks.

select botlive.wait_for_workers();

create or replace function public.botlive_read_activities(text_id text, at_most integer default 10)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  company uuid;
begin
  -- Null where no company has the text id: an empty list would pretend to know.
  select m.uuid into company from public.company_mapping m where m.company_id = text_id;
  if company is null then
    return null;
  end if;
  return (
    select coalesce(jsonb_agg(to_jsonb(a) order by a.created_at desc nulls last, a.id desc), '[]')
    from (
      select x.id, x.type, x.title, x.description, x.status, x.metadata, x.customer_name, x.created_at
      from public.activities x
      where x.company_id = (
        jsonb_populate_record(null::public.activities, jsonb_build_object('company_id', company))).company_id
      order by x.created_at desc nulls last, x.id desc
      limit at_most
    ) a
  );
end
$$;
comment on function public.botlive_read_activities is
  'A company''s newest activities; null where the text id is unknown.';

create or replace function public.botlive_read_orders(
  text_id text, wanted_status text default 'pending', at_most integer default 50)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  company uuid;
begin
  select m.uuid into company from public.company_mapping m where m.company_id = text_id;
  if company is null then
    return null;
  end if;
  if wanted_status = 'pending' then -- said literally, so that the partial index serves it
    return (
      select coalesce(jsonb_agg(to_jsonb(o) order by o.created_at desc nulls last, o.id desc), '[]')
      from (
        select * from public.orders x
        where x.company_id = (
            jsonb_populate_record(null::public.orders, jsonb_build_object('company_id', company))).company_id
          and x.status = 'pending'
        order by x.created_at desc nulls last, x.id desc limit at_most
      ) o
    );
  end if;
  return (
    select coalesce(jsonb_agg(to_jsonb(o) order by o.created_at desc nulls last, o.id desc), '[]')
    from (
      select * from public.orders x
      where x.company_id = (
          jsonb_populate_record(null::public.orders, jsonb_build_object('company_id', company))).company_id
        and (wanted_status is null or x.status::text = wanted_status)
      order by x.created_at desc nulls last, x.id desc limit at_most
    ) o
  );
end
$$;
comment on function public.botlive_read_orders is
  'A company''s newest orders of a status (null: of any); null where the text id is unknown.';

create or replace function public.botlive_read_session(text_id text)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  company uuid;
begin
  select m.uuid into company from public.company_mapping m where m.company_id = text_id;
  if company is null then
    return null;
  end if;
  return jsonb_build_object('session', (
    select to_jsonb(s) from public.bot_sessions s
    where s.company_id = (
        jsonb_populate_record(null::public.bot_sessions, jsonb_build_object('company_id', company))).company_id
      and s.ended_at is null
    order by s.started_at desc, s.id desc
    limit 1
  ));
end
$$;
comment on function public.botlive_read_session is
  '{"session": the newest open one or null}; null where the text id is unknown.';

create or replace function public.botlive_persisted(event_ids uuid[])
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select coalesce(jsonb_object_agg(i.event_id, i.digest), '{}')
  from botlive.inbox i where i.event_id = any (event_ids)
$$;
comment on function public.botlive_persisted is
  'Which of the events are in the inbox, each with the digest of its content.';

revoke all on function public.botlive_read_activities, public.botlive_read_orders,
  public.botlive_read_session, public.botlive_persisted from public, anon, authenticated;
grant execute on function public.botlive_read_activities, public.botlive_read_orders,
  public.botlive_read_session, public.botlive_persisted to service_role;

notify pgrst, 'reload schema';

-- Whom the policies let in at rows of shops that are not theirs: asked, not guessed.
--
-- A policy's condition is evaluated as anon, as signed-in strangers with the claims that Supabase's tokens have,
-- and as users that exist: on rows that are there, and on rows made up for the purpose, in every state that the
-- condition can tell apart. Nothing is written to the table, no trigger of the table fires, and what a function
-- in a condition does is rolled back. (What leaves the database at once, like an HTTP call, or a sequence's
-- step, cannot be: a condition that does that does it at each request, too.)

set standard_conforming_strings = on; -- some projects switch it off

create or replace function botlive.strangers()
returns table (label text, role_name text, is_everyone boolean, claims jsonb)
language sql
volatile -- another stranger each time
set search_path = ''
as $$
  -- Everyone: whoever asks without a token, and whoever signs up in a usual way.
  select s.label, s.role_name, s.is_everyone, case s.role_name when 'anon' then s.own else
    jsonb_build_object('role', s.role_name, 'aud', 'authenticated', 'sub', t.id, 'session_id', gen_random_uuid(),
      'iss', 'https://project.supabase.co/auth/v1', 'iat', t.instant, 'exp', t.instant + 3600,
      'email', '', 'phone', '', 'is_anonymous', false, 'aal', 'aal1', 'app_metadata', '{}'::jsonb,
      'user_metadata', jsonb_build_object('sub', t.id, 'email_verified', true, 'phone_verified', false),
      'amr', jsonb_build_array(jsonb_build_object('method', s.way, 'timestamp', t.instant))) || s.own end
  from (select gen_random_uuid() as id, extract(epoch from now())::bigint as instant) t, lateral (values
    ('anyone', 'anon', true, '', '{"role": "anon"}'::jsonb),
    ('anyone', 'anon', true, '', jsonb_build_object('role', 'anon', 'iss', 'supabase', 'ref', 'abcdefghijklmnopqrst',
      'iat', t.instant, 'exp', t.instant + 315360000)),
    ('with an e-mail address', 'authenticated', true, 'password', '{"email": "q@example.org",
      "app_metadata": {"provider": "email", "providers": ["email"]}}'),
    ('with a phone number', 'authenticated', true, 'otp', '{"phone": "2250700000000",
      "app_metadata": {"provider": "phone", "providers": ["phone"]}}'),
    ('with a second factor', 'authenticated', true, 'oauth', '{"email": "q@example.com", "aal": "aal2",
      "app_metadata": {"provider": "google", "providers": ["google"]}}'),
    ('without an account (anonymous)', 'authenticated', false, 'anonymous', '{"is_anonymous": true,
      "user_metadata": {}}')
  ) as s (label, role_name, is_everyone, way, own)
$$;
comment on function botlive.strangers is
  'Made-up people that own nothing, with the claims of their tokens; several of each role.';

create or replace function botlive.people(at_most integer)
returns table (user_id uuid, claims jsonb)
language plpgsql
stable
set search_path = ''
as $$
begin
  -- Owners first, then those whom the project gave something in app_metadata, for example a role.
  return query
    select u.id, jsonb_build_object('role', 'authenticated', 'aud', 'authenticated', 'sub', u.id,
      'session_id', u.id, 'iss', 'https://project.supabase.co/auth/v1',
      'iat', extract(epoch from now())::bigint, 'exp', extract(epoch from now())::bigint + 3600,
      'email', coalesce(u.one ->> 'email', ''), 'phone', coalesce(u.one ->> 'phone', ''), 'aal', 'aal1',
      'is_anonymous', coalesce((u.one ->> 'is_anonymous')::boolean, false),
      'app_metadata', '{"provider": "email", "providers": ["email"]}'::jsonb
        || case jsonb_typeof(u.one -> 'raw_app_meta_data') when 'object' then u.one -> 'raw_app_meta_data' else '{}' end,
      'user_metadata', coalesce(u.one -> 'raw_user_meta_data', '{}'))
    from (
      select s.id, s.one from (select a.id, to_jsonb(a) as one from auth.users a limit 2000) s
      union
      select a.id, to_jsonb(a) from auth.users a where a.id in (
        select m.user_id from public.company_mapping m where m.user_id is not null limit 200)
    ) u
    order by (coalesce(nullif(u.one -> 'raw_app_meta_data', 'null'), '{}') - array['provider', 'providers']) = '{}',
      u.id not in (select m.user_id from public.company_mapping m where m.user_id is not null), u.id
    limit at_most;
exception when insufficient_privilege or undefined_table or undefined_column or data_exception then
  return; -- this role does not see who there is
end
$$;
comment on function botlive.people is 'Users that exist, with the claims that their tokens have.';

create or replace function botlive.key_columns(relation regclass)
returns text[]
language sql
stable
set search_path = ''
as $$
  -- What says whose a row is.
  select case c.relname when 'companies' then array['id'] when 'company_mapping' then array['uuid', 'company_id']
    else array['company_id'] end
  from pg_catalog.pg_class c where c.oid = relation
$$;

create or replace function botlive.fits(relation regclass, column_name text, value jsonb)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
declare
  taken jsonb;
begin
  execute format('select to_jsonb((jsonb_populate_record(null::%s, $1)).%I)', relation, column_name)
    into taken using jsonb_build_object(column_name, value);
  return true;
exception when others then
  return false; -- a value that the column's type does not have
end
$$;

create or replace function botlive.allowed_words(relation regclass, a pg_catalog.pg_attribute)
returns text[]
language sql
stable
set search_path = ''
as $$
  -- The words that a column may hold, where these are few: by its type, by a check, or by what events are.
  select array_agg(distinct w.word) from (
    select e.enumlabel::text as word from pg_catalog.pg_enum e where e.enumtypid = a.atttypid
    union all
    select m.found[1]
    from pg_catalog.pg_constraint k,
      pg_catalog.regexp_matches(pg_catalog.pg_get_constraintdef(k.oid), '''([^'']+)''::', 'g') as m (found)
    where k.conrelid = relation and k.contype = 'c' and k.conkey = array[a.attnum]
    union all
    select unnest(v.words)
    from (values
      ('orders', 'status', array['pending', 'completed', 'cancelled']),
      ('activities', 'type', array['order', 'message', 'intervention', 'system']),
      ('activities', 'status', array['success', 'warning', 'info', 'error']),
      ('bot_sessions', 'mode', array['live', 'rag'])) as v (table_name, column_name, words)
    where v.column_name = a.attname
      and v.table_name = (select c.relname from pg_catalog.pg_class c where c.oid = relation)
  ) w
$$;

create or replace function botlive.possible_values(relation regclass, a pg_catalog.pg_attribute, condition text)
returns table (value jsonb, is_usual boolean)
language sql
stable
set search_path = ''
as $$
  -- What a column of a shop's row may hold, as far as a condition can tell it apart. Unusual is an empty value
  -- where events always write one.
  with spoken as (
    select distinct replace(m.found[1], '''''', '''') as word
    from pg_catalog.regexp_matches(condition, '''((?:[^'']|'''')*)''(?!::(?:interval|regclass))', 'g') as m (found)
    limit 12
  ), numbers as (
    select distinct m.found[1]::numeric as n
    from pg_catalog.regexp_matches(condition, '(?:^|[^0-9A-Za-z_.])([0-9]{1,12}(?:[.][0-9]{1,4})?)(?![0-9A-Za-z_.])', 'g')
      as m (found)
    limit 6
  ), known as (
    select botlive.allowed_words(relation, a) as words, t.typcategory as category,
      t.oid in ('json'::regtype, 'jsonb'::regtype) as is_json, t.oid = 'uuid'::regtype as is_uuid,
      -- What a condition says no to may occur.
      pg_catalog.replace(condition, 'IS NOT NULL', '') ~ '<>|!~|[[:<:]](NOT|CASE|EXCEPT)[[:>:]]' as has_no
    from pg_catalog.pg_type t where t.oid = a.atttypid
  )
  select v.value, bool_or(v.is_usual) from (
    select to_jsonb(gen_random_uuid()), true from known k where k.is_uuid
    union all select to_jsonb(unnest(k.words)), true from known k where k.category in ('S', 'E')
    union all select to_jsonb(w), true from known k, unnest(array['Awa', '', '7', gen_random_uuid()::text]) w
      where k.category = 'S' and k.words is null
    union all select to_jsonb(s.word), k.words is null or k.has_no
      from spoken s, known k where k.category = 'S' or k.is_uuid
    union all select to_jsonb(b), true from known k, unnest(array[true, false]) b where k.category = 'B'
    union all select to_jsonb(n), true from known k, unnest(array[0, 12000]) n where k.category = 'N'
    union all select to_jsonb(s.n + d), s.n + d > 0
      from numbers s, known k, unnest(array[-1, 0, 1]) d where k.category = 'N'
    union all select to_jsonb(now() + i), i < interval '1 day'
      from known k, unnest(array[interval '-1 second', '-40 days', '-10 years', '12 hours', '1 year']) i
      where k.category = 'D'
    union all select to_jsonb(s.word), true from spoken s, known k where k.category = 'D' and s.word ~ '^[0-9]{4}-'
    union all select j, true from known k, unnest(array['{}', '{"zone": "Cocody", "event": "session_started"}']::jsonb[]) j
      where k.is_json
    union all select jsonb_build_object(s.word, o.value), true
      from spoken s, known k, lateral (
        select to_jsonb(p.word) as value from spoken p where p.word <> s.word union all select 'true') o
      where k.is_json
    union all select '[]', true from known k where k.category = 'A'
    union all select 'null', not exists (
        select from (values
          ('orders', 'id company_id customer_name total_amount status items created_at updated_at'),
          ('activities', 'id company_id type title description status metadata created_at'),
          ('bot_sessions', 'id company_id mode started_at created_at'),
          ('companies', 'id'), ('company_mapping', 'uuid company_id created_at updated_at')
        ) as w (table_name, names)
        where w.table_name = (select c.relname from pg_catalog.pg_class c where c.oid = relation)
          and a.attname = any (string_to_array(w.names, ' ')))
      where not a.attnotnull
  ) as v (value, is_usual)
  where botlive.fits(relation, a.attname, v.value)
  group by v.value
$$;

create or replace function botlive.made_up_rows(relation regclass, condition text, company uuid, text_id text)
returns table (one jsonb, is_usual boolean, is_of_a_shop_that_is_named boolean)
language plpgsql
set search_path = ''
as $$
declare
  keys text[] := botlive.key_columns(relation);
  base jsonb;
  sets jsonb := '[]'; -- of each column that the condition speaks of: its name and values
  many jsonb;
  product numeric := 1;
  a pg_catalog.pg_attribute;
begin
  select coalesce(jsonb_object_agg(k.name, k.value), '{}') into base
  from (values ('id', company::text), ('uuid', company::text),
      ('company_id', case when array_length(keys, 1) = 2 or relation::text ~ 'company_rag_configs$' then text_id
        else company::text end)) as k (name, value)
  where k.name = any (keys) and botlive.fits(relation, k.name, to_jsonb(k.value));
  for a in
    select x.* from pg_catalog.pg_attribute x
    where x.attrelid = relation and x.attnum > 0 and not x.attisdropped and not x.attname = any (keys)
      and (condition ~ ('[[:<:]]' || pg_catalog.regexp_replace(x.attname, '([^A-Za-z0-9_])', '\\\1', 'g') || '[[:>:]]')
        or condition like '%.*%')
    order by x.attnum
  loop
    select jsonb_agg(jsonb_build_array(jsonb_build_object(a.attname, v.value), v.is_usual)
      order by v.is_usual desc, v.value = 'null') into many
    from botlive.possible_values(relation, a, condition) v;
    continue when many is null;
    base := base || (many #> '{0,0}');
    sets := sets || jsonb_build_array(many);
    product := product * jsonb_array_length(many);
  end loop;
  if product <= 400 then -- every combination
    return query
      with recursive combined as (
        select 0 as depth, base as one, true as is_usual
        union all
        select c.depth + 1, c.one || (v.value -> 0), c.is_usual and (v.value ->> 1)::boolean
        from combined c, jsonb_array_elements(sets -> c.depth) v
        where c.depth < jsonb_array_length(sets)
      )
      select c.one, c.is_usual, false from combined c, generate_series(1, case when product < 8 then 8 else 1 end)
      where c.depth = jsonb_array_length(sets); -- several times: chance may be in it
  else -- each value once, and all columns filled or empty
    return query
      select base || (v.value -> 0), (v.value ->> 1)::boolean, false
      from jsonb_array_elements(sets) s, jsonb_array_elements(s.value) v
      union all select base, true, false
      union all select base || (
          select jsonb_object_agg(e.key, 'null'::jsonb) from jsonb_array_elements(sets) s, jsonb_each(s.value #> '{0,0}') e),
        false, false;
  end if;
  -- A condition may speak of one shop by its id.
  return query
    select base || jsonb_build_object(k, m.found[1]), false, true
    from unnest(keys) k, pg_catalog.regexp_matches(condition, '''([^'']+)''::(?:uuid|text)', 'g') as m (found)
    where botlive.fits(relation, k, to_jsonb(m.found[1]));
end
$$;
comment on function botlive.made_up_rows is
  'Rows of a company, in every state that the condition can tell apart.';

create or replace function botlive.rows_there(relation regclass, at_most integer)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  found jsonb;
begin
  execute format('select coalesce(jsonb_agg(to_jsonb(t)), ''[]'') from (select * from %s limit %s) t', relation, at_most)
    into found;
  return (select coalesce(jsonb_agg(r.value), '[]') from jsonb_array_elements(found) r
    where nullif(r.value -> (botlive.key_columns(relation))[1], 'null') is not null);
exception when insufficient_privilege then
  return '[]';
end
$$;
comment on function botlive.rows_there is 'Some rows of the table, of those that are a shop''s.';

create or replace function botlive.of_another_shop(rows jsonb, relation regclass, company uuid, text_id text)
returns jsonb
language sql
stable
set search_path = ''
as $$
  -- The same rows as if they were of another shop, without what may make them somebody's.
  select coalesce(jsonb_agg((
    select jsonb_object_agg(e.key, case
      when e.key = any (botlive.key_columns(relation)) then case
        when relation::text ~ 'company_(rag_configs|mapping)$' and e.key = 'company_id' then to_jsonb(text_id)
        else to_jsonb(company) end
      when e.value #>> '{}' ~* '@|[0-9]{8}|[0-9a-f]{8}(-[0-9a-f]{4}){3}' then case
        when a.atttypid = 'uuid'::regtype then to_jsonb(gen_random_uuid())
        when a.attname = any (array['created_at', 'updated_at', 'started_at', 'ended_at']) then e.value
        else 'null' end
      when exists (select from pg_catalog.pg_constraint f
                   where f.conrelid = relation and f.contype = 'f' and a.attnum = any (f.conkey)) then 'null'
      else e.value end)
    from jsonb_each(r.value) e
    join pg_catalog.pg_attribute a on a.attrelid = relation and a.attname = e.key)), '[]')
  from jsonb_array_elements(rows) r
$$;

create or replace function botlive.act_as(role_name text, claims jsonb)
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform set_config('request.jwt.claims', claims::text, true);
  perform set_config('request.method', 'GET', true);
  perform set_config('request.headers', '{}', true);
  begin
    perform set_config('role', role_name, true);
  exception when insufficient_privilege then
    return; -- it may not become that role: then with its own rights, which sees too much rather than too little
  end;
end
$$;
comment on function botlive.act_as is 'From here on as the API would be for that token, until the block is rolled back.';

create or replace function botlive.ask_rows(
  relation regclass, condition text, role_name text, claims jsonb, rows jsonb,
  out passed boolean[], out refusal text)
language plpgsql
set search_path = ''
as $$
declare
  one record;
  alone record;
begin
  passed := '{}';
  if jsonb_array_length(rows) = 0 then
    return;
  end if;
  begin
    perform botlive.act_as(role_name, claims);
    perform set_config('search_path', 'public, extensions, pg_temp', true); -- what the condition's functions find
    -- Under the table's own name and type, by which a condition may speak of it.
    execute pg_catalog.format('select array_agg(coalesce((%s), false)) from jsonb_populate_recordset(null::%s, $1) as %I',
      condition, relation, (select c.relname from pg_catalog.pg_class c where c.oid = relation)) into passed using rows;
    raise exception using errcode = 'BL000';
  exception
    when sqlstate 'BL000' then null;
    when others then refusal := sqlstate;
  end;
  if refusal = '42501' then -- as it would be for a request
    passed := array_fill(false, array[jsonb_array_length(rows)]);
    refusal := null;
  elsif refusal is not null and jsonb_array_length(rows) > 1 then
    -- One row's value may have raised it: the others are asked alone.
    passed := '{}';
    for one in select r.value from jsonb_array_elements(rows) with ordinality as r (value, n) order by r.n limit 40 loop
      alone := botlive.ask_rows(relation, condition, role_name, claims, jsonb_build_array(one.value));
      passed := passed || coalesce(alone.passed[1], false);
      refusal := case when alone.refusal is null then '' else refusal end;
    end loop;
    refusal := nullif(refusal, '');
  end if;
end
$$;
comment on function botlive.ask_rows is
  'For each row whether the condition is true of it for that token; refusal: the SQLSTATE, where it raises for all rows.';

create or replace function botlive.openings(policy pg_catalog.pg_policy)
returns table (role_name text, verb "char", is_new boolean, condition text)
language sql
stable
set search_path = ''
as $$
  -- What must be true for a policy to let a role read, change or delete a row, or write one that is like this.
  -- Restrictive policies limit each of these by itself.
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
  'The conditions, each of which opens the table to a role for a verb; none of a restrictive policy.';

create or replace function botlive.is_open_to_everyone(relation regclass, condition text, role_name text)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  somebody record;
  usual jsonb;
  there jsonb;
  answer record;
begin
  select coalesce(jsonb_agg(m.one), '[]') into usual
  from botlive.made_up_rows(relation, condition, gen_random_uuid(), 'botlive-' || gen_random_uuid()) m where m.is_usual;
  there := botlive.rows_there(relation, 200);
  for somebody in
    select s.claims from botlive.strangers() s where s.role_name = is_open_to_everyone.role_name and s.is_everyone
  loop
    answer := botlive.ask_rows(relation, condition, role_name, somebody.claims, usual);
    if answer.refusal is not null or not true = all (answer.passed) then
      return false;
    end if;
    answer := botlive.ask_rows(relation, condition, role_name, somebody.claims, there);
    if answer.refusal is null and not true = all (answer.passed) then
      return false; -- something in the database decides it
    end if;
  end loop;
  return true;
end
$$;
comment on function botlive.is_open_to_everyone is
  'Whether the condition is true of rows of strangers in every state, for everyone of the role.';

create or replace function botlive.open_parts(policy pg_catalog.pg_policy)
returns table (verb "char", is_new boolean)
language sql
set search_path = ''
as $$
  select distinct o.verb, o.is_new
  from (
    select p.role_name, p.condition, botlive.is_open_to_everyone(policy.polrelid, p.condition, p.role_name) as is_open
    from (select distinct q.role_name, q.condition from botlive.openings(policy) q) p
  ) j
  join botlive.openings(policy) o on o.role_name = j.role_name and o.condition = j.condition
  where j.is_open
$$;
comment on function botlive.open_parts is 'What of a policy is true for everyone.';

create or replace function botlive.replace_open_policies(relation regclass)
returns void
language plpgsql
set search_path = ''
as $$
declare
  policy pg_catalog.pg_policy;
  old_is_open boolean;
  new_is_open boolean;
  kept text; -- the half of the policy that is not open: of existing rows, or of new ones
  shut "char"[]; -- the verbs that restrictive policies keep from everyone
  part "char";
  command text;
begin
  for policy in
    select p.* from pg_catalog.pg_policy p
    where p.polrelid = relation and p.polname not like 'botlive^_owner^_%' escape '^' order by p.polname
  loop
    select coalesce(bool_or(not o.is_new), false), bool_or(o.is_new),
      array(select distinct q.verb from botlive.openings(policy) q where policy.polcmd = '*' and not q.verb = any (array_agg(o.verb)))
    into old_is_open, new_is_open, shut
    from botlive.open_parts(policy) o;
    continue when new_is_open is null;
    kept := case when policy.polqual is null or policy.polwithcheck is null or old_is_open and new_is_open then null
      else pg_catalog.pg_get_expr(case when old_is_open then policy.polwithcheck else policy.polqual end, relation) end;
    perform botlive.note_taken(relation, 'policy', policy.polname, case
      when kept is null then 'it was true for everyone'
      when new_is_open then 'everyone could write rows by it; one for own rows stands in its place'
      else 'it was true of everyone''s rows; one for own rows stands in its place' end, botlive.policy_sql(policy));
    execute format('drop policy %I on %s', policy.polname, relation);
    if kept is not null then -- to own rows it gives what it gave
      execute format('create policy %I on %s for %s to %s using (%s)', left(policy.polname, 45) || ' (own rows)',
        relation, case policy.polcmd when '*' then 'all' else 'update' end, botlive.policy_roles(policy), kept);
      continue;
    end if;
    foreach part in array shut loop
      command := case part when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' else 'delete' end;
      execute format('create policy %I on %s for %s to %s', format('%s (%s)', left(policy.polname, 45), command),
          relation, command, botlive.policy_roles(policy))
        || case when part <> 'a' then format(' using (%s)', pg_catalog.pg_get_expr(policy.polqual, relation)) else '' end
        || case when part in ('a', 'w') then format(' with check (%s)',
             pg_catalog.pg_get_expr(coalesce(policy.polwithcheck, policy.polqual), relation)) else '' end;
    end loop;
  end loop;
end
$$;
comment on function botlive.replace_open_policies is
  'Drops the policies that are true for everyone, or takes that part of them; every other policy stays.';

revoke all on function botlive.strangers, botlive.people, botlive.key_columns, botlive.fits, botlive.allowed_words,
  botlive.possible_values, botlive.made_up_rows, botlive.rows_there, botlive.of_another_shop, botlive.act_as,
  botlive.ask_rows, botlive.openings, botlive.is_open_to_everyone, botlive.open_parts, botlive.replace_open_policies
  from public;

-- What lets people at rows of shops that are not theirs, and is not ours to take: policies that are open for some,
-- views, functions with their owner's rights, partitions. Each is named with the SQL that closes it.

set standard_conforming_strings = on; -- some projects switch it off

create or replace function botlive.make_shop_to_try(company uuid, text_id text)
returns text
language plpgsql
set search_path = ''
as $$
begin
  -- Called within a block that is rolled back. Where the role may, the project's triggers are not fired.
  begin
    perform set_config('session_replication_role', 'replica', true);
  exception when insufficient_privilege then null;
  end;
  perform set_config('request.jwt.claims', '{"role": "service_role"}', true);
  begin
    perform botlive.map_company(text_id, company, null, 'q');
    return '';
  exception when others then null;
  end;
  begin -- some projects want every shop owned
    perform botlive.map_company(text_id, company, u.id, 'q') from (select a.id from auth.users a order by a.id limit 1) u;
    return coalesce((select m.user_id::text from public.company_mapping m where m.company_id = text_id), '');
  exception when others then
    return ''; -- then the rows are of a company that is not there
  end;
end
$$;
comment on function botlive.make_shop_to_try is 'A shop that nobody is a member of; or else the id of its owner.';

create or replace function botlive.let_in(
  relation regclass, condition text, asking_role text, company uuid, text_id text, users jsonb)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  unknown jsonb; -- rows of no company
  made jsonb; -- rows of the shop to try
  strange jsonb; -- rows of shops that are named by the condition
  there jsonb := botlive.rows_there(relation, 200);
  of_others jsonb := botlive.of_another_shop(there, relation, company, text_id);
  somebody record;
  answer record;
  refusal text;
  asked integer := 0;
  refused integer := 0;
  labels text[] := '{}';
  is_any boolean;
  is_every_row boolean := true;
  is_everyone boolean := true;
  seen integer := 0;
  people integer := 0;
begin
  select coalesce(jsonb_agg(m.one) filter (where not m.is_of_a_shop_that_is_named), '[]'),
    coalesce(jsonb_agg(m.one) filter (where m.is_of_a_shop_that_is_named), '[]') into unknown, strange
  from botlive.made_up_rows(relation, condition, gen_random_uuid(), 'botlive-' || gen_random_uuid()) m;
  select coalesce(jsonb_agg(m.one) filter (where not m.is_of_a_shop_that_is_named), '[]') into made
  from botlive.made_up_rows(relation, condition, company, text_id) m;
  for somebody in
    select s.label, s.claims, s.is_everyone, true as is_stranger from botlive.strangers() s where s.role_name = asking_role
    union all
    select null, u.value, false, false from jsonb_array_elements(users) u where asking_role = 'authenticated'
  loop
    answer := botlive.ask_rows(relation, condition, asking_role, somebody.claims, unknown || made);
    asked := asked + 1;
    refused := refused + (answer.refusal is not null)::integer;
    refusal := coalesce(answer.refusal, refusal);
    is_any := coalesce(true = any (answer.passed), false);
    if is_any and false = any (answer.passed) then
      is_every_row := false;
    end if;
    answer := botlive.ask_rows(relation, condition, asking_role, somebody.claims,
      case when somebody.is_stranger then strange || there else of_others end);
    if true = any (answer.passed) then
      is_every_row := is_every_row and is_any;
      is_any := true;
    end if;
    if somebody.is_stranger then
      seen := greatest(seen, (select count(*) from unnest(answer.passed) with ordinality as p (passed, n)
                              where p.passed and p.n > jsonb_array_length(strange)));
      is_everyone := is_everyone and (is_any or not somebody.is_everyone);
      labels := labels || case when is_any then array[somebody.label] else '{}' end;
    else
      people := people + is_any::integer;
    end if;
  end loop;
  return jsonb_build_object('labels', to_jsonb(labels), 'is_everyone', is_everyone and labels <> '{}',
    'is_every_row', is_every_row, 'seen', seen, 'there', jsonb_array_length(there), 'people', people,
    'refusal', case when refused = asked then refusal end);
end
$$;
comment on function botlive.let_in is 'Whom a condition lets in at rows of shops that are not theirs, and at how many.';

create or replace function botlive.who(asking_role text, found jsonb, users integer)
returns text
language sql
immutable
set search_path = ''
as $$
  select case
    when asking_role = 'anon' then 'anyone, without a token (anon),'
    when (found ->> 'is_everyone')::boolean then 'every signed-in user (authenticated)'
    when found -> 'labels' <> '[]' then format('whoever signs in %s (authenticated)', (
      select string_agg(l, ' or ') from jsonb_array_elements_text(found -> 'labels') l))
    else format('%s of %s users that were asked (authenticated)', found ->> 'people', users) end
$$;

create or replace function botlive.trust_words(condition text)
returns text
language sql
immutable
set search_path = ''
as $$
  select case
    when condition ~ 'user_meta_?data' then 'user_metadata, which each user writes for himself'
    when condition ~ 'request[.]header' then 'request headers, which each caller writes' end
$$;
comment on function botlive.trust_words is 'What a condition believes though the caller chooses it.';

create or replace function botlive.judged_policies(company uuid, text_id text, owner text, until_time timestamptz)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  policy pg_catalog.pg_policy;
  opening record;
  found jsonb;
  users jsonb;
  said jsonb := '[]';
begin
  select coalesce(jsonb_agg(p.claims), '[]') into users from botlive.people(12) p where p.user_id::text <> owner;
  for policy in
    select p.* from pg_catalog.pg_policy p join pg_catalog.pg_class c on c.oid = p.polrelid
    where c.oid in (select k.relation from botlive.known_tables k) and c.relkind in ('r', 'p') and c.relrowsecurity
      and p.polpermissive and p.polname not like 'botlive^_owner^_%' escape '^'
    order by c.relname, p.polname
  loop
    for opening in
      select o.role_name, o.condition, bool_and(o.is_new) as is_new, array_agg(distinct o.verb::text) as verbs
      from botlive.openings(policy) o
      where pg_catalog.has_table_privilege(o.role_name, policy.polrelid, case o.verb
          when 'r' then 'SELECT' when 'a' then 'INSERT' when 'w' then 'UPDATE' else 'DELETE' end)
        or o.verb <> 'd' and pg_catalog.has_any_column_privilege(o.role_name, policy.polrelid, case o.verb
          when 'r' then 'SELECT' when 'a' then 'INSERT' else 'UPDATE' end)
      group by o.role_name, o.condition order by o.role_name, bool_and(o.is_new)
    loop
      found := case when clock_timestamp() > until_time then '{"refusal": "time"}'
        else botlive.let_in(policy.polrelid, opening.condition, opening.role_name, company, text_id, users) end;
      said := said || (to_jsonb(opening) || found || jsonb_build_object('relation', policy.polrelid::regclass,
        'name', policy.polname, 'using', pg_catalog.pg_get_expr(policy.polqual, policy.polrelid),
        'who', case when found ? 'people' then botlive.who(opening.role_name, found, jsonb_array_length(users)) end));
    end loop;
  end loop;
  return said;
end
$$;

create or replace function botlive.policies_to_name(at_most interval default interval '5 seconds')
returns table (relation text, policy_name text, words text, cure text)
language plpgsql
set search_path = ''
as $$
declare
  company uuid := gen_random_uuid();
  text_id text := 'botlive-' || gen_random_uuid();
  owner text;
  said jsonb;
begin
  begin
    owner := botlive.make_shop_to_try(company, text_id);
    said := botlive.judged_policies(company, text_id, owner, clock_timestamp() + at_most);
    raise exception using errcode = 'BL000';
  exception when sqlstate 'BL000' then null;
  end;
  return query
    with judged as (
      select j.*, p.verb_names,
        case when j.is_any then format('%s %s %s of shops that are not theirs', j.who, p.verb_names, concat(
            case when j.is_every_row then 'every row' else 'some rows' end,
            case when j.there > 0 and j.seen > 0 and not p.verb_names = 'insert'
              then format(' (%s of the %s that were looked at)', j.seen, j.there) end)) end as gives
      from (
        select r.*, r.labels <> '[]' or r.people > 0 as is_any
        from jsonb_to_recordset(said) as r (relation text, name text, "using" text, who text, condition text,
          is_new boolean, verbs text[], role_name text, labels jsonb, people integer, is_every_row boolean,
          seen integer, there integer, refusal text)
      ) j, lateral (
        select string_agg(n.name, ', ' order by n.place) as verb_names
        from (values ('r', 'read', 1), ('a', 'insert', 2), ('w', 'change', 3), ('d', 'delete', 4)) as n (verb, name, place)
        where n.verb = any (j.verbs)
      ) p
    )
    select j.relation, j.name,
      case
        when bool_or(j.is_any) then format('the policy %I on %s lets %s', j.name, j.relation,
          string_agg(distinct j.gives, '; and '))
        when min(botlive.trust_words(j.condition)) is not null then format('the policy %I on %s believes %s', j.name,
          j.relation, min(botlive.trust_words(j.condition)))
        when bool_or(j.refusal = 'time') then format('the policy %I on %s could not be judged in the time that is for it',
          j.name, j.relation)
        else format('the policy %I on %s cannot be judged: its condition raises an error (SQLSTATE %s)', j.name,
          j.relation, min(j.refusal)) end,
      case when bool_and(j.is_new or not coalesce(j.is_any, false)) and bool_or(j.is_any) and min(j."using") is not null
        then format('alter policy %I on %s with check (%s);', j.name, j.relation,
          pg_catalog.regexp_replace(min(j."using"), '[[:space:]]*\n[[:space:]]*', ' ', 'g'))
        else format('drop policy %I on %s;', j.name, j.relation) end
    from judged j
    group by j.relation, j.name
    having bool_or(j.is_any) or min(botlive.trust_words(j.condition)) is not null or bool_or(j.refusal is not null)
    order by 1, 2;
end
$$;
comment on function botlive.policies_to_name is
  'The project''s policies that let people at rows of shops that are not theirs, or cannot be judged. Writes nothing.';

revoke all on function botlive.make_shop_to_try, botlive.let_in, botlive.who, botlive.trust_words,
  botlive.judged_policies, botlive.policies_to_name from public;

-- Views, functions and partitions by which people get at rows that the policies keep from them.
--
-- A view is asked as strangers and as users that exist, before and after another shop got rows in every state that
-- the view's text can tell apart. What they see must not change by it. All of it is rolled back; the project's
-- triggers fire only where the role may not switch them off. Foreign tables and copies of these tables say nothing of
-- whose rows they hold: they are not found.

set standard_conforming_strings = on; -- some projects switch it off

create or replace function botlive.views_over()
returns table (relation oid, name text, roles text[], is_invokers boolean, definition text)
language sql
stable
set search_path = ''
as $$
  -- Directly or through other views; those that a stranger may use.
  with recursive reading as (
    select k.relation as view_id from botlive.known_tables k
    union
    select r.ev_class
    from reading v
    join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = v.view_id
      and d.classid = 'pg_catalog.pg_rewrite'::regclass
    join pg_catalog.pg_rewrite r on r.oid = d.objid and r.ev_type = '1'
  )
  select c.oid, c.oid::regclass::text, array_agg(r.role_name order by r.role_name),
    coalesce(c.reloptions::text ~* 'security_invoker=(true|on|1|yes)', false), pg_catalog.pg_get_viewdef(c.oid)
  from reading v
  join pg_catalog.pg_class c on c.oid = v.view_id
  join (values ('anon'), ('authenticated')) as r (role_name)
    on pg_catalog.has_schema_privilege(r.role_name, c.relnamespace, 'USAGE')
    and (pg_catalog.has_any_column_privilege(r.role_name, c.oid, 'SELECT, INSERT, UPDATE')
      or pg_catalog.has_table_privilege(r.role_name, c.oid, 'DELETE'))
  where c.relkind in ('v', 'm')
  group by c.oid, c.reloptions
$$;
comment on function botlive.views_over is 'The views over the shops'' tables that anon or authenticated may use.';

create or replace function botlive.seen_in(relation regclass, role_name text, claims jsonb)
returns text
language plpgsql
set search_path = ''
as $$
declare
  columns text := (
    select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_catalog.pg_attribute a
    where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
      and pg_catalog.has_column_privilege(role_name, relation, a.attnum, 'SELECT'));
  plan json;
  query text;
  answer text;
begin
  if columns is null then
    return '0';
  end if;
  begin
    perform botlive.act_as(role_name, claims);
    perform set_config('search_path', 'public, extensions, pg_temp', true);
    query := pg_catalog.format('select count(*) || case when count(*) = 0 then '''' else '' '' || sum(hashtext(v::text)) end '
      'from (select %s from %s limit 2000) v', columns, relation);
    execute 'explain (format json) ' || query into plan;
    if (plan #>> '{0,Plan,Total Cost}')::numeric > 1000000 then
      answer := 'too much';
    else
      execute query into answer;
    end if;
    raise exception using errcode = 'BL000';
  exception
    when sqlstate 'BL000' then return answer;
    when insufficient_privilege then return '0';
    when others then return sqlstate;
  end;
end
$$;
comment on function botlive.seen_in is 'The number of rows that somebody sees in a view, and a digest of them.';

create or replace function botlive.seen_by_all(views jsonb, personas jsonb, until_time timestamptz)
returns jsonb
language sql
volatile
set search_path = ''
as $$
  select coalesce(jsonb_object_agg(concat_ws(' ', v.relation, s.role_name, s.label), case
    when clock_timestamp() < until_time then botlive.seen_in(v.relation, s.role_name, s.claims) else 'too long' end), '{}')
  from jsonb_to_recordset(views) as v (relation oid, roles text[]),
    jsonb_to_recordset(personas) as s (role_name text, label text, claims jsonb)
  where s.role_name = any (v.roles)
$$;

create or replace function botlive.fill_shop(company uuid, text_id text, definitions text)
returns void
language plpgsql
set search_path = ''
as $$
declare
  known record;
  one record;
  flags text;
begin
  -- Rows of the shop, as far as the tables take them.
  for known in
    select c.oid::regclass as relation, c.relname from pg_catalog.pg_class c
    where c.oid in (select k.relation from botlive.known_tables k) and c.relkind in ('r', 'p')
      and c.relname in ('orders', 'activities', 'bot_sessions')
  loop
    for one in
      select botlive.strange_row(known.relation) || jsonb_build_object('status', 'pending', 'type', 'order', 'mode', 'live')
          || m.one || jsonb_build_object('id', gen_random_uuid()) as one, m.one as made
      from botlive.made_up_rows(known.relation, definitions, company, text_id) m
      where not m.is_of_a_shop_that_is_named
      order by m.is_usual desc, random()
      limit case when current_setting('session_replication_role') = 'replica' then 60 else 6 end
    loop
      begin
        execute (
          select format('insert into %s (%s) select %2$s from jsonb_populate_record(null::%1$s, $1)', known.relation,
            string_agg(quote_ident(a.attname), ', '))
          from pg_catalog.pg_attribute a
          where a.attrelid = known.relation and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
            and a.attidentity <> 'a'
            and (one.made ? a.attname or a.attname in ('id', 'status', 'type', 'mode') or a.attnotnull and not a.atthasdef)
        ) using one.one;
      exception when others then
        continue; -- such a row cannot be there
      end;
    end loop;
  end loop;
  select string_agg(format('%I = true', a.attname), ', ') into flags from pg_catalog.pg_attribute a
  where a.attrelid = to_regclass('public.companies') and a.atttypid = 'bool'::regtype and a.attnum > 0
    and not a.attisdropped and a.attgenerated = '';
  if flags is not null then
    begin
      execute format('update public.companies set %s where id::text = %L', flags, company);
    exception when others then null;
    end;
  end if;
end
$$;

create or replace function botlive.writes_around(relation oid, role_name text)
returns boolean
language sql
stable
set search_path = ''
as $$
  -- A view that can be written without a check option takes rows that it does not show.
  select coalesce(c.reloptions::text !~ 'check_option=', true) and (
    pg_catalog.pg_relation_is_updatable(c.oid, false) & 8 > 0
      and pg_catalog.has_any_column_privilege(role_name, c.oid, 'INSERT')
    or pg_catalog.pg_relation_is_updatable(c.oid, false) & 4 > 0 and exists (
      select from pg_catalog.pg_attribute a
      where a.attrelid = c.oid and a.attname in ('company_id', 'uuid', 'owner_id', 'user_id')
        and pg_catalog.has_column_privilege(role_name, c.oid, a.attnum, 'UPDATE')))
  from pg_catalog.pg_class c where c.oid = relation
$$;

create or replace function botlive.views_to_name(at_most interval default interval '4 seconds')
returns table (view_name text, words text, cure text)
language plpgsql
set search_path = ''
as $$
declare
  company uuid := gen_random_uuid();
  text_id text := 'botlive-' || gen_random_uuid();
  views jsonb;
  personas jsonb;
  owner text;
  before jsonb;
  after jsonb;
  until_time timestamptz := clock_timestamp() + at_most;
begin
  select coalesce(jsonb_agg(jsonb_build_object('relation', v.relation, 'roles', v.roles, 'definition', v.definition)), '[]')
    into views
  from botlive.views_over() v join pg_catalog.pg_class c on c.oid = v.relation
  where c.relkind = 'v' and not v.is_invokers;
  if views <> '[]' then
    begin
      select jsonb_agg(to_jsonb(p)) into personas from (
        select distinct on (s.role_name, s.label) s.role_name, s.label, s.claims from botlive.strangers() s
        where s.label in ('anyone', 'with an e-mail address', 'with a second factor')
        union all select 'authenticated', u.user_id::text, u.claims from botlive.people(3) u
      ) p;
      before := botlive.seen_by_all(views, personas, until_time);
      owner := botlive.make_shop_to_try(company, text_id);
      perform botlive.fill_shop(company, text_id,
        (select string_agg(v ->> 'definition', ' ') from jsonb_array_elements(views) v));
      after := botlive.seen_by_all(views, personas, until_time);
      raise exception using errcode = 'BL000';
    exception when sqlstate 'BL000' then null;
    end;
  end if;
  return query
    with answers as (
      select split_part(a.key, ' ', 1)::oid as relation, split_part(a.key, ' ', 2) as role_name,
        case
          when split_part(a.value, ' ', 1) = '0' then null
          when a.value in ('too much', 'too long') then 'may show rows that are not theirs (it takes too long to find out)'
          when a.value !~ '^[0-9]+ ' then format('may show rows that are not theirs (asked, it raises SQLSTATE %s)', a.value)
          when a.value is distinct from before ->> a.key then 'shows rows that are not theirs'
          when a.key ~ '-[0-9a-f]{12}$' then null -- what somebody sees besides is his own
          when a.value ~ '^1 ' and pg_catalog.pg_get_viewdef(split_part(a.key, ' ', 1)::oid) !~* 'group by' and
            pg_catalog.pg_get_viewdef(split_part(a.key, ' ', 1)::oid) ~* '[[:<:]](count|sum|avg|min|max|coalesce)[(]' then null
          else 'shows rows that are not theirs' end as said
      from jsonb_each_text(coalesce(after, '{}')) a (key, value)
      where owner = '' or a.key not like '% ' || owner
    ), found as (
      select a.relation, a.role_name, a.said from answers a where a.said is not null
      union all
      select v.relation, r, 'takes rows that it does not show' from botlive.views_over() v, unnest(v.roles) r
      where not v.is_invokers and botlive.writes_around(v.relation, r)
      union all
      select v.relation, r, 'keeps a copy of rows of every shop' from botlive.views_over() v
      join pg_catalog.pg_class c on c.oid = v.relation and c.relkind = 'm', unnest(v.roles) r
      where pg_catalog.has_any_column_privilege(r, v.relation, 'SELECT')
    )
    select f.relation::regclass::text, format('the view %s %s, for %s', f.relation::regclass,
        string_agg(distinct f.said, ', and '), string_agg(distinct f.role_name, ' and ')),
      case
        when c.relkind = 'v' and current_setting('server_version_num')::integer >= 150000
          then format('alter view %s set (security_invoker = true);', c.oid::regclass)
        else format('revoke all on table %s from public, anon, authenticated;', c.oid::regclass) end
    from found f join pg_catalog.pg_class c on c.oid = f.relation
    group by f.relation, c.oid, c.relkind
    order by 1;
end
$$;
comment on function botlive.views_to_name is
  'Views over the shops'' tables by which people see or write rows that are not theirs. Leaves nothing behind.';

create or replace function botlive.code_of(function_id oid)
returns text
language sql
stable
set search_path = ''
as $$
  -- Without comments, in which anything may stand.
  select pg_catalog.regexp_replace(pg_catalog.regexp_replace(
    coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc), '/[*].*?[*]/', ' ', 'g'), '--[^\n]*', ' ', 'g')
  from pg_catalog.pg_proc p where p.oid = function_id
$$;

create or replace function botlive.compares_caller(function_id oid)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
declare
  code text := lower(botlive.code_of(function_id));
  caller text := '(?:auth[.](?:uid|jwt|email|role)[(][)]|current_setting[(]\s*''request[.]jwt[^)]*[)])'
    '(?:\s*::\s*[a-z]+|\s*->>?\s*''[a-z_]+''|\s+as\s+[a-z_]+|\s*[)])*';
  variable text[];
begin
  -- What keeps the caller's id stands for it.
  for variable in
    select m.found
    from pg_catalog.regexp_matches(code, '([a-z_][a-z_0-9]*)(?:\s+constant)?(?:\s+[a-z]+)?\s*(?::=|[[:<:]]default)\s*[(]*\s*(?:select\s+)?'
      || caller, 'g') as m (found)
    union all
    select m.found from pg_catalog.regexp_matches(code, caller || '\s+into\s+(?:strict\s+)?([a-z_][a-z_0-9]*)', 'g') as m (found)
  loop
    code := pg_catalog.regexp_replace(code, '[[:<:]]' || variable[1] || '[[:>:]]', 'auth.uid()', 'g');
  end loop;
  code := pg_catalog.regexp_replace(code, '[[:<:]]auth[.]uid[(][)](\s+constant)?(\s+[a-z]+)?\s*(:=|[[:<:]]default)', ' ', 'g');
  -- What is written of the caller, and that there is one, is true of everyone.
  code := pg_catalog.regexp_replace(code, '[[:<:]]set[[:>:]][^;]*?([[:<:]]where[[:>:]]|;|$)', ' \1', 'g');
  code := pg_catalog.regexp_replace(code, caller || '\s+is\s+(not\s+)?null', ' ', 'g');
  code := pg_catalog.regexp_replace(code, caller || '\s*(=|<>|!=|is\s+(not\s+)?distinct\s+from)\s*(''(anon|authenticated)''|'
    || caller || ')', ' ', 'g');
  return code ~ (caller || '\s*(=|<>|!=|@>|<@|is\s+(not\s+)?distinct|(not\s+)?[[:<:]]in[[:>:]])')
    or code ~ ('(=|<>|!=|@>|<@|distinct\s+from|[[:<:]]in|[[:<:]]any)\s*[(]*\s*(select\s+)?' || caller)
    or code ~ ('(?!values|coalesce|nullif|raise|concat|format|jsonb?_build)[[:<:]][a-z_][a-z_0-9.]*[(]+\s*([a-z_0-9.$]+\s*,\s*)?(select\s+)?'
      || caller);
end
$$;
comment on function botlive.compares_caller is 'Whether a function''s code looks who calls it.';

create or replace function botlive.rules_to_name()
returns table (words text, cure text)
language sql
stable
set search_path = ''
as $$
  -- What a rule, or an INSTEAD OF trigger with its owner's rights, writes is not the caller's doing.
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
comment on function botlive.rules_to_name is 'Rules and INSTEAD OF triggers by which strangers write to the shops'' tables.';

create or replace function botlive.partitions_to_name()
returns table (words text, cure text)
language sql
stable
set search_path = ''
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
comment on function botlive.partitions_to_name is 'Partitions and child tables of the shops'' tables that are open by themselves.';

create or replace function botlive.functions_to_name()
returns table (function_name text, words text, cure text)
language sql
stable
set search_path = ''
as $$
  with recursive candidates as (
    select p.oid, p.proname, p.prosecdef, p.prolang, p.proargtypes, p.proargnames, p.prorettype, p.proretset, p.pronamespace,
      botlive.code_of(p.oid) as code
    from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where p.prokind in ('f', 'p') and n.nspname not in ('botlive', 'pg_catalog', 'information_schema')
      and not (n.nspname = 'public' and p.proname like 'botlive^_%' escape '^')
      and not exists (select from pg_catalog.pg_depend d where d.objid = p.oid and d.deptype = 'e')
  ), names as (
    -- The tables, and the views over them.
    select string_agg(distinct pg_catalog.regexp_replace(c.relname, '([^A-Za-z0-9_])', '\\\1', 'g'), '|') as pattern
    from pg_catalog.pg_class c
    where c.oid in (select k.relation from botlive.known_tables k union select v.relation from botlive.views_over() v
      union -- also views that strangers may not use: the function may
      select r.ev_class from pg_catalog.pg_rewrite r
      join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = r.oid
        and d.refclassid = 'pg_catalog.pg_class'::regclass
      where r.ev_type = '1' and d.refobjid in (select k.relation from botlive.known_tables k))
  ), touching as (
    select c.oid, c.proname, false as is_through from candidates c, names n
    where c.code ~* ('((from|join|into|update|using|truncate|table|copy)\s+(only\s+|table\s+)?|from\s+[a-z_."]+(\s+(as\s+)?[a-z_]+)?\s*,\s*)'
      '("?public"?\s*[.]\s*)?"?('
      || n.pattern || ')"?[[:>:]]')
      and c.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
    union
    select c.oid, c.proname, true from candidates c join touching t
      on c.oid <> t.oid and c.code ~* ('[[:<:]]"?' || pg_catalog.regexp_replace(t.proname, '([^A-Za-z0-9_])', '\\\1', 'g') || '"?\s*[(]')
  ), guarded as (
    select c.oid, c.proname from candidates c where botlive.compares_caller(c.oid)
  ), found as (
    select distinct c.oid, 'may show or change rows of every shop for whoever calls it' as said
    from touching t join candidates c on c.oid = t.oid
    where c.prosecdef and c.oid not in (select g.oid from guarded g)
      -- It asks another function that looks who calls.
      and not exists (select from guarded g where c.code ~* ('[[:<:]]"?'
        || pg_catalog.regexp_replace(g.proname, '([^A-Za-z0-9_])', '\\\1', 'g') || '"?\s*[(]'))
      and not (t.is_through and not exists (
        select from touching u where u.oid not in (select g.oid from guarded g) and u.oid <> c.oid and not u.is_through
          and c.code ~* ('[[:<:]]"?' || pg_catalog.regexp_replace(u.proname, '([^A-Za-z0-9_])', '\\\1', 'g') || '"?\s*[(]')))
      -- A yes or no, or an id, that a policy asks for must stay callable.
      and not (c.prorettype in ('bool'::regtype, 'uuid'::regtype) and c.code !~* '[[:<:]](insert|update|delete|truncate)[[:>:]]'
        and exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_policy'::regclass
                    and d.refclassid = 'pg_catalog.pg_proc'::regclass and d.refobjid = c.oid))
    union
    select c.oid, 'runs a statement that whoever calls it writes' from candidates c
    where c.prosecdef and c.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype) and exists (
      select from unnest(c.proargnames, c.proargtypes::oid[]) as a (name, type)
      where a.type in ('text'::regtype, 'varchar'::regtype, 'json'::regtype, 'jsonb'::regtype) and a.name <> ''
        and c.code ~* ('[[:<:]]execute[[:>:]]\s+([^;]*[|][|]\s*)?[(]?\s*' || a.name || '[[:>:]]'))
  )
  select c.oid::regprocedure::text,
    format('the function %s runs with its owner''s rights and %s', c.oid::regprocedure, string_agg(f.said, ', and ')),
    format('revoke execute on %s %s from public, anon, authenticated;',
      case (select p.prokind from pg_catalog.pg_proc p where p.oid = c.oid) when 'p' then 'procedure' else 'function' end,
      c.oid::regprocedure)
  from found f join candidates c on c.oid = f.oid
  where exists (
    select from (values ('anon'), ('authenticated')) as r (role_name)
    where pg_catalog.has_function_privilege(r.role_name, c.oid, 'EXECUTE')
      and pg_catalog.has_schema_privilege(r.role_name, c.pronamespace, 'USAGE'))
  group by c.oid
  order by 1
$$;
comment on function botlive.functions_to_name is
  'Functions that read or write the shops'' tables with their owner''s rights, for whoever calls.';

revoke all on function botlive.views_over, botlive.seen_in, botlive.seen_by_all, botlive.fill_shop,
  botlive.writes_around, botlive.views_to_name, botlive.rules_to_name, botlive.partitions_to_name, botlive.code_of,
  botlive.compares_caller, botlive.functions_to_name from public;

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

-- The bridge, where people may write configs or make objects of their own.
--
-- `set search_path = ''` still looks for types and tables in the caller's temporary schema, and there first. These
-- functions name it last instead. Those that fire triggers of the project's set the path of Supabase's API
-- just before they write, so that nothing of their own is looked up on it.

set standard_conforming_strings = on; -- some projects switch it off

select botlive.wait_for_workers();

create or replace function botlive.shell_word(word text)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  -- Control characters are written by their number: a message is one line, and a terminal must not obey it.
  select case
    when word ~ '^[A-Za-z0-9_@%+=:,./-]+$' then word
    when word !~ '[\u0001-\u001f\u007f-\u009f]' then '''' || replace(word, '''', '''"''"''') || ''''
    else '$''' || (
      select string_agg(case
        when c.letter ~ '[\u0001-\u001f\u007f-\u009f]' then '\u' || lpad(to_hex(ascii(c.letter)), 4, '0')
        when c.letter in ('''', '\') then '\' || c.letter
        else c.letter end, '' order by c.place)
      from regexp_split_to_table(word, '') with ordinality as c (letter, place)) || ''''
    end
$$;
comment on function botlive.shell_word is 'The text as one word of a shell''s command, for hints that people copy.';

create or replace function botlive.trusts_caller()
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- Who asked, also in a security definer function: there current_user is the function's owner.
  select pg_has_role(coalesce(nullif(current_setting('role'), 'none'), session_user)::name, 'service_role', 'member')
$$;
comment on function botlive.trusts_caller is 'Whether the worker''s role, or one that may become it, asked for this.';

create or replace function botlive.owners_agree(company uuid, owner uuid, is_trusted boolean)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  named text[];
begin
  select array_agg(lower(e.value)) into named
  from public.companies c, jsonb_each_text(to_jsonb(c)) e
  where c.id = (jsonb_populate_record(null::public.companies, jsonb_build_object('id', company))).id
    and e.key in ('user_id', 'owner_id', 'owner', 'owner_user_id', 'created_by', 'profile_id')
    and e.value ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';
  if owner is null or named is null then
    return is_trusted;
  end if;
  return owner::text = any (named);
end
$$;
comment on function botlive.owners_agree is
  'Whether a company that is there is the owner''s, as the table companies names people; where it names nobody, trust decides.';

create or replace function botlive.people_write_configs()
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from (values ('anon'), ('authenticated')) as r (role_name), (values ('INSERT'), ('UPDATE')) as p (privilege)
    where has_any_column_privilege(r.role_name, 'public.company_rag_configs'::regclass, p.privilege)
      and (not (select c.relrowsecurity from pg_class c where c.oid = 'public.company_rag_configs'::regclass)
        or botlive.uses('public.company_rag_configs'::regclass, r.role_name, p.privilege)))
$$;
comment on function botlive.people_write_configs is
  'Whether the project lets people write configs: what these say of owners is then not trusted.';

create or replace function botlive.make_company(company uuid, company_name text, owner uuid)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  column_names text;
  column_values text;
begin
  select coalesce(string_agg(format(', %I', a.attname), '' order by a.attnum), ''),
         coalesce(string_agg(', ' || case when a.attname = 'name' then format('%L', company_name)
           else botlive.neutral_value(company, owner, a) end, '' order by a.attnum), '')
  into column_names, column_values
  from pg_attribute a
  where a.attrelid = 'public.companies'::regclass
    and a.attnum > 0 and not a.attisdropped
    and (a.attname = 'name'
      or a.attnotnull and not a.atthasdef and a.attidentity = '' and a.attgenerated = '')
    and a.attname <> 'id';
  perform set_config('search_path', 'public, extensions, pg_temp', true);
  execute pg_catalog.format('insert into public.companies (id%s) values (%L%s)', column_names, company, column_values);
end
$$;
comment on function botlive.make_company is
  'A row of companies, whatever columns the field has added to that table.';

create or replace function botlive.map_company(
  botlive_id text, company uuid default null, owner uuid default null, company_name text default null)
returns uuid
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  mapped uuid;
begin
  if length(botlive_id) not between 1 and 128 then
    raise exception using errcode = 'BL001', message = 'a company_id has 1 to 128 characters';
  end if;
  -- One at a time for one id, so that two callers make one company.
  perform pg_advisory_xact_lock(hashtextextended('botlive.company ' || botlive_id, 0));
  select m.uuid into mapped from public.company_mapping m where m.company_id = botlive_id;
  if found then
    return mapped;
  end if;
  if company is null and botlive_id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
    and botlive.is_company(botlive_id::uuid)
  then
    company := botlive_id::uuid;
    if not botlive.owners_agree(company, owner, botlive.trusts_caller()) then
      raise exception using errcode = 'BL001', message = format('its text id is the UUID of a company that is there, '
        'and it cannot be seen there that %s owns it; if it is the same shop, run `botlive company link -- %s %s`',
        coalesce('the user ' || owner, 'who added this'), botlive.shell_word(botlive_id), company);
    end if;
  end if;
  if exists (select from public.company_mapping m where m.uuid = company) then
    raise exception using
      errcode = 'unique_violation',
      message = format('company %s already has a text id: %s is not mapped to it too', company, botlive_id);
  end if;
  company := coalesce(company, gen_random_uuid());
  if not botlive.is_company(company) then
    perform botlive.make_company(company, coalesce(company_name, botlive_id), owner);
  end if;
  perform set_config('search_path', 'public, extensions, pg_temp', true);
  insert into public.company_mapping (uuid, company_id, user_id) values (company, botlive_id, owner);
  return company;
end
$$;
comment on function botlive.map_company is
  'The company''s UUID; the mapping, and the company itself where there is none, are made.';

create or replace function botlive.check_now()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  deferred text;
begin
  -- What is deferred would speak at the customer's commit, where nobody can catch it.
  select string_agg(format('public.%I', k.conname), ', ') into deferred
  from pg_constraint k
  where k.conrelid in ('public.company_mapping'::regclass, 'public.companies'::regclass) and k.condeferred;
  if deferred is not null then
    perform set_config('search_path', 'public, extensions, pg_temp', true);
    execute pg_catalog.format('set constraints %s immediate', deferred);
    execute pg_catalog.format('set constraints %s deferred', deferred);
  end if;
end
$$;

create or replace function botlive.keep_mapping()
returns trigger
language plpgsql
security definer -- whoever may write the config need not be able to write the mapping
set search_path = pg_catalog, pg_temp
set lock_timeout = '300ms'
as $$
declare
  is_trusted boolean := botlive.trusts_caller();
  was_mapped boolean;
  mapped uuid;
  former uuid;
  owner uuid;
  may_change boolean := is_trusted;
begin
  -- As text: the project may have made the config's columns of other types.
  select u.id into owner from auth.users u where u.id::text = new.user_id::text;
  select m.user_id into former from public.company_mapping m where m.company_id::text = new.company_id::text;
  was_mapped := found;
  mapped := botlive.map_company(new.company_id::text, null, owner, new.company_name::text);
  if was_mapped and owner is distinct from former and (tg_op = 'UPDATE' or owner is not null) then
    -- Who is not trusted hands on what is his. A config of his own about somebody's shop gives him nothing.
    if tg_op = 'UPDATE' and not is_trusted then
      may_change := old.company_id::text = new.company_id::text and former::text is not distinct from old.user_id::text;
    end if;
    if owner is not null and lower(new.company_id::text) = mapped::text then
      may_change := may_change and botlive.owners_agree(mapped, owner, is_trusted);
    end if;
    if may_change then
      perform set_config('search_path', 'public, extensions, pg_temp', true);
      update public.company_mapping m set user_id = owner, updated_at = pg_catalog.now() where m.uuid = mapped;
    else
      raise warning 'botlive: company % keeps its owner: the config''s is another, and that the shop is his cannot be '
        'seen; if it is, run: botlive company link --force --owner % -- %', botlive.shell_word(new.company_id::text),
        coalesce(owner::text, 'USER_ID'), botlive.shell_word(new.company_id::text);
    end if;
  end if;
  perform botlive.check_now();
  return null;
exception when others then
  -- The customer's own write goes through; `botlive company list` shows what is not mapped.
  raise warning 'botlive: company % is not mapped: % (%)', botlive.shell_word(new.company_id::text), sqlerrm, sqlstate;
  return null;
end
$$;
comment on function botlive.keep_mapping is
  'Keeps company_mapping complete; can never fail the write that fires it.';

create or replace function botlive.complete_mapping()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  is_trusted boolean := not botlive.people_write_configs();
  row record;
begin
  perform set_config('search_path', 'public, extensions, pg_temp', true);
  perform set_config('request.jwt.claims', '{"role": "service_role"}', true); -- as in the worker's calls
  -- The first integration's mappings pointed at no company at all.
  for row in
    select m.company_id::text, lower(m.company_id::text)::uuid as company, m.user_id
    from public.company_mapping m
    where m.company_id::text ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' and not botlive.is_company(m.uuid)
  loop
    if botlive.is_company(row.company)
      and botlive.owners_agree(row.company, row.user_id, true)
      and not exists (select from public.company_mapping o where o.uuid = row.company)
    then
      update public.company_mapping m set uuid = row.company, updated_at = now()
      where m.company_id::text = row.company_id;
    end if;
  end loop;
  for row in
    select m.uuid, m.company_id::text, u.id as owner
    from public.company_mapping m
    join public.company_rag_configs c on c.company_id::text = m.company_id::text
    join auth.users u on u.id::text = c.user_id::text
    where m.user_id is null
    order by m.company_id::text
  loop
    -- A company that this owner is not known to have stays nobody's until somebody says so.
    if is_trusted and lower(row.company_id) <> row.uuid::text
      or botlive.owners_agree(row.uuid, row.owner, is_trusted)
    then
      update public.company_mapping m set user_id = row.owner, updated_at = now() where m.uuid = row.uuid;
    else
      raise notice 'botlive: company % has no owner: its config names one, and that the shop is his cannot be seen; '
        'if it is, run `botlive company link --owner % -- %`', botlive.shell_word(row.company_id), row.owner,
        botlive.shell_word(row.company_id);
    end if;
  end loop;
  for row in
    select m.uuid, m.company_id::text, m.user_id, c.company_name
    from public.company_mapping m
    left join public.company_rag_configs c on c.company_id::text = m.company_id::text
    where not botlive.is_company(m.uuid)
    order by m.company_id
  loop
    begin
      perform botlive.make_company(row.uuid, coalesce(row.company_name, row.company_id), row.user_id);
    exception when others then
      raise warning 'botlive: company % has a mapping but no company: % (%)', botlive.shell_word(row.company_id), sqlerrm, sqlstate;
    end;
  end loop;
  for row in
    select c.company_id::text, c.company_name, u.id as owner
    from public.company_rag_configs c left join auth.users u on u.id::text = c.user_id::text
    where not exists (select from public.company_mapping m where m.company_id::text = c.company_id::text)
    order by c.company_id::text <> lower(c.company_id::text), c.company_id -- a UUID as it is usually written first
  loop
    begin
      if not is_trusted and row.company_id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
        and botlive.is_company(row.company_id::uuid)
        and not botlive.owners_agree(row.company_id::uuid, row.owner, false)
      then
        raise exception using errcode = 'BL001', message = format('its text id is the UUID of a company that is there, '
          'people may write configs, and who owns that company cannot be seen; if it is the same shop, run '
          '`botlive company link%s -- %s %s`', coalesce(' --owner ' || row.owner, ''),
          botlive.shell_word(row.company_id), lower(row.company_id));
      end if;
      perform botlive.map_company(row.company_id, null, row.owner, row.company_name);
    exception when others then
      raise warning 'botlive: company % is not mapped: % (%)', botlive.shell_word(row.company_id), sqlerrm, sqlstate;
    end;
  end loop;
end
$$;
comment on function botlive.complete_mapping is 'Maps every config that is not mapped, as far as that is possible.';

create or replace function botlive.give_company(text_id text, owner uuid, command text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  former uuid := (select m.user_id from public.company_mapping m where m.company_id = text_id);
begin
  if owner is null or former is not distinct from owner then
    return;
  end if;
  if former is not null and current_setting('botlive.by_force', true) is distinct from 'on' then
    raise exception using errcode = 'BL001', message = format(
      'company %s is there and belongs to the user %s: nothing was changed; to give it to %s all the same: '
      '`botlive company %s --force --owner %s -- %s`',
      botlive.shell_word(text_id), former, owner, command, owner, botlive.shell_word(text_id));
  end if;
  update public.company_mapping m set user_id = owner, updated_at = now() where m.company_id = text_id;
exception when foreign_key_violation then
  raise exception using errcode = 'BL001', message = format('no user has the id %s: the owner must sign up first', owner);
end
$$;
comment on function botlive.give_company is 'Gives a shop its owner; takes it from nobody without being told to.';

drop function if exists botlive.own_company(text, uuid);

create or replace function public.botlive_company_add(
  text_id text, shop uuid default null, owner uuid default null, shop_name text default null)
returns jsonb
language plpgsql
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  mapped uuid;
  former public.company_mapping;
begin
  perform pg_advisory_xact_lock(hashtextextended('botlive.company ' || text_id, 0));
  select m.* into former from public.company_mapping m where m.company_id = text_id;
  begin
    mapped := botlive.map_company(text_id, shop, owner, shop_name);
  exception
    when unique_violation then
      raise exception using errcode = 'BL001',
        message = format('company %s already has another text id: see `botlive company list`', coalesce(shop::text, text_id));
    when foreign_key_violation then
      raise exception using errcode = 'BL001',
        message = format('no user has the id %s: the owner must sign up first', owner);
    when sqlstate 'BL001' then
      raise;
    when integrity_constraint_violation or data_exception or raise_exception then
      raise exception using errcode = 'BL001', message = format(
        'the table companies does not take a plain row (%s): make the company in the front end, '
        'then `botlive company link -- %s UUID` with its uuid', sqlstate, botlive.shell_word(text_id));
  end;
  if mapped <> shop then
    raise exception using errcode = 'BL001', message = format(
      'company %s is mapped to %s already: `botlive company link -- %s %s` changes that',
      botlive.shell_word(text_id), mapped, botlive.shell_word(text_id), shop);
  end if;
  perform botlive.give_company(text_id, owner, 'add');
  return botlive.describe_company(text_id)
    || jsonb_build_object('was_there', former.uuid is not null, 'former_owner', former.user_id);
end
$$;
comment on function public.botlive_company_add is
  'Makes a company with its mapping; safe to repeat; takes no shop from its owner.';

create or replace function public.botlive_company_link(
  text_id text, shop uuid default null, owner uuid default null)
returns jsonb
language plpgsql
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  former public.company_mapping;
begin
  if shop is not null and not botlive.is_company(shop) then
    raise exception using errcode = 'BL001', message = format('there is no company %s', shop);
  end if;
  if exists (select from public.company_mapping m where m.uuid = shop and m.company_id <> text_id) then
    raise exception using errcode = 'BL001',
      message = format('company %s already has another text id: see `botlive company list`', shop);
  end if;
  select m.* into former from public.company_mapping m where m.company_id = text_id;
  if shop is null and former.uuid is null then
    raise exception using errcode = 'BL001', message = format(
      '%s is not mapped: `botlive company link -- %s UUID` maps it to a company that is there, `botlive company add -- %s` '
      'makes one', botlive.shell_word(text_id), botlive.shell_word(text_id), botlive.shell_word(text_id));
  end if;
  if shop is not null then
    insert into public.company_mapping (uuid, company_id) values (shop, text_id)
    on conflict (company_id) do update set uuid = excluded.uuid, updated_at = now();
  end if;
  perform botlive.give_company(text_id, owner, 'link');
  return botlive.describe_company(text_id) || jsonb_build_object('was_there', former.uuid is not null,
    'former_owner', former.user_id, 'former_uuid', former.uuid);
end
$$;
comment on function public.botlive_company_link is
  'Maps a text id to a company that exists, gives it its owner, or both; takes it from nobody.';

-- Under names of their own: a parameter more would make a second function, which an earlier file, run again, does not expect.
create or replace function public.botlive_company_add_by_force(
  text_id text, shop uuid default null, owner uuid default null, shop_name text default null)
returns jsonb
language plpgsql
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  answer jsonb;
begin
  perform set_config('botlive.by_force', 'on', true);
  answer := public.botlive_company_add(text_id, shop, owner, shop_name);
  perform set_config('botlive.by_force', 'off', true);
  return answer;
end
$$;
comment on function public.botlive_company_add_by_force is 'The same; takes the shop from its owner.';

create or replace function public.botlive_company_link_by_force(
  text_id text, shop uuid default null, owner uuid default null)
returns jsonb
language plpgsql
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  answer jsonb;
begin
  perform set_config('botlive.by_force', 'on', true);
  answer := public.botlive_company_link(text_id, shop, owner);
  perform set_config('botlive.by_force', 'off', true);
  return answer;
end
$$;
comment on function public.botlive_company_link_by_force is 'The same; takes the shop from its owner.';

revoke all on function botlive.shell_word, botlive.trusts_caller, botlive.owners_agree, botlive.people_write_configs,
  botlive.give_company from public;
grant execute on function botlive.shell_word, botlive.trusts_caller, botlive.owners_agree, botlive.give_company
  to service_role;
revoke all on function public.botlive_company_add, public.botlive_company_link,
  public.botlive_company_add_by_force, public.botlive_company_link_by_force from public, anon, authenticated;
grant execute on function public.botlive_company_add, public.botlive_company_link,
  public.botlive_company_add_by_force, public.botlive_company_link_by_force to service_role;

notify pgrst, 'reload schema';

-- Says when a trigger changes the id or the company of a row that an event makes, and which columns lose
-- what an event says although they take it.

select botlive.wait_for_workers();

create or replace function botlive.rewrites_rows(relation regclass)
returns boolean
language sql
stable
set search_path = ''
as $$
  -- BEFORE INSERT FOR EACH ROW: the only triggers that can give a row other values.
  select exists (
    select from pg_catalog.pg_trigger t
    where t.tgrelid = relation and not t.tgisinternal and t.tgenabled in ('O', 'A')
      and t.tgtype & 1 = 1 and t.tgtype & 2 = 2 and t.tgtype & 4 = 4)
$$;
comment on function botlive.rewrites_rows is 'Whether a trigger of the table may change a row before it is inserted.';

drop function if exists botlive.check_rows(botlive.arrival[]);

create or replace function botlive.check_written(fresh botlive.arrival[], all_new boolean)
returns void
language plpgsql
set search_path = ''
as $$
declare
  strange record;
begin
  -- A row that has the event's id and is the same company's was made by the event: already done.
  with expected as (
    select o.id, o.company_id, f.ord from unnest(fresh) f,
      jsonb_populate_record(null::public.orders,
        jsonb_build_object('id', f.event_id, 'company_id', f.company)) o
    where f.ordered is not null
  ), noted as (
    select a.id, a.company_id, f.ord from unnest(fresh) f,
      jsonb_populate_record(null::public.activities,
        jsonb_build_object('id', f.event_id, 'company_id', f.company)) a
  )
  select x.label, x.is_missing into strange
  from (
    select 'orders' as label, o.id is null as is_missing from expected e left join public.orders o on o.id = e.id
    where o.id is null or o.company_id is distinct from e.company_id
    union all
    select 'activities', a.id is null from noted n left join public.activities a on a.id = n.id
    where a.id is null or a.company_id is distinct from n.company_id
  ) x
  order by x.is_missing limit 1;
  if strange.label is null then
    return;
  elsif strange.is_missing or all_new then
    raise exception using errcode = 'BL003', table = strange.label,
      message = format('a trigger or rule on %s drops the row or changes its id or company', strange.label);
  end if;
  raise exception using errcode = 'unique_violation', message = 'the event''s id is that of another company''s row';
end
$$;
comment on function botlive.check_written is
  'Fails where a row of the events is not there as it was written. all_new: none of them was there before.';

create or replace function botlive.write_events(events jsonb)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  arrived botlive.arrival[] := botlive.read_events(events);
  fresh botlive.arrival[];
  fresh_ords bigint[];
  shop record;
  orders_expected bigint;
  inserted bigint;
  all_new boolean;
  outcomes jsonb;
begin
  -- In the order of the ids, so that two batches with the same events never wait for each other.
  with first_of_its_id as (
    select distinct on (e.event_id) e.*
    from unnest(arrived) e
    where e.company is not null
    order by e.event_id, e.ord
  ), claimed as (
    insert into botlive.inbox (event_id, event_type, company_id, digest, occurred_at)
    select f.event_id, f.event_type, f.company_id, f.digest, f.occurred_at
    from first_of_its_id f order by f.event_id
    on conflict (event_id) do nothing
    returning event_id
  ), toggled as (
    insert into botlive.toggles (event_id, company, occurred_at, enabled, mode)
    select f.event_id, f.company, f.occurred_at,
           (f.toggle ->> 'enabled')::boolean, f.toggle ->> 'mode'
    from first_of_its_id f join claimed c using (event_id)
    where f.toggle is not null
    on conflict (event_id) do nothing
  )
  select array_agg(f.ord) into fresh_ords from first_of_its_id f join claimed c using (event_id);
  fresh := case when cardinality(fresh_ords) = cardinality(arrived) then arrived
    else (select array_agg(e) from unnest(arrived) e where e.ord = any (fresh_ords)) end;

  if fresh is not null then
    for shop in
      select e.company, array_agg(e.event_id) as toggles
      from unnest(fresh) e where e.toggle is not null
      group by e.company order by e.company
    loop
      perform botlive.bring_sessions(shop.company, shop.toggles);
    end loop;
    orders_expected := (select count(*) from unnest(fresh) e where e.ordered is not null);
    inserted := case when orders_expected > 0 then botlive.write_orders(fresh) else 0 end;
    inserted := inserted + botlive.write_activities(fresh);
    all_new := inserted = orders_expected + cardinality(fresh);
    if not all_new or botlive.rewrites_rows('public.activities')
      or orders_expected > 0 and botlive.rewrites_rows('public.orders')
    then
      perform botlive.check_written(fresh, all_new);
    end if;
  end if;

  -- A statement of its own: it sees what another transaction persisted while this one waited for it.
  select jsonb_agg(
    case
      when e.ord = any (fresh_ords) then jsonb_build_object('outcome', 'persisted',
        'session_written', coalesce(t.session_id = t.event_id or (not t.enabled and t.session_id is not null), false))
      when i.digest = e.digest then jsonb_build_object('outcome', 'duplicate')
      when i.digest is not null then
        jsonb_build_object('outcome', 'refused', 'reason', 'event id already used')
      else jsonb_build_object('outcome', 'unknown_company')
    end order by e.ord)
  into outcomes
  from unnest(arrived) e
  left join botlive.inbox i on i.event_id = e.event_id
  left join botlive.toggles t on t.event_id = e.event_id;
  return outcomes;
end
$$;
comment on function botlive.write_events is
  'The rows of a batch, all or none: inbox, orders, activities, sessions.';

create or replace function botlive.fault_words(fault jsonb)
returns text
language sql
immutable
set search_path = ''
as $$
  -- PostgreSQL's own message is not repeated: it may quote a row.
  select case
    when fault ->> 'sqlstate' = '23514' and fault ->> 'constraint' is not null
      then format('the check %s on %s refuses it', fault ->> 'constraint', fault ->> 'table')
    when fault ->> 'sqlstate' = '23502' and fault ->> 'column' is not null
      then format('%s.%s must not be empty', fault ->> 'table', fault ->> 'column')
    else format('%s (%s)', case
      when fault ->> 'constraint' is not null
        then format('the constraint %s on %s refuses it', fault ->> 'constraint', fault ->> 'table')
      when fault ->> 'sqlstate' = 'BL003'
        then format('a trigger or rule on %s drops the row or changes its id or company', fault ->> 'table')
      when fault ->> 'function' is not null
        then format('the project''s function %s fails', fault ->> 'function')
      when fault ->> 'sqlstate' like '22%' then 'a value does not fit its column'
      when fault ->> 'sqlstate' = '42501' then 'the worker''s role lacks a privilege on the table, or on what hangs on it'
      else 'the database refuses it' end, fault ->> 'sqlstate') end
$$;

create or replace function botlive.refused_sample(relation regclass, a pg_catalog.pg_attribute, samples jsonb)
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  sample jsonb;
  taken jsonb;
begin
  if a.attgenerated <> '' or a.attidentity = 'a' then
    return 'a column that computes its own value';
  end if;
  for sample in select s.value from jsonb_array_elements(samples) s loop
    begin
      execute format('select to_jsonb((jsonb_populate_record(null::%s, $1)).%I)', relation, a.attname)
        into taken using jsonb_build_object(a.attname, sample);
      if jsonb_typeof(sample) in ('array', 'object') and sample is distinct from (
        case jsonb_typeof(taken) when 'string' then (taken #>> '{}')::jsonb else taken end)
      then
        return ''; -- what the event says would be lost, or could not be read as JSON
      end if;
    exception when others then
      return case jsonb_typeof(sample)
        when 'string' then format('it does not take the value %L', sample #>> '{}')
        when 'number' then format('it does not take the number %s', sample) else '' end;
    end;
  end loop;
  return null;
end
$$;
comment on function botlive.refused_sample is
  'Why a column takes no event (an empty text where its type says all), or null where it does.';

revoke all on function botlive.rewrites_rows, botlive.check_written from public;
grant execute on function botlive.rewrites_rows, botlive.check_written to service_role;

-- No function of ours looks into a caller's temporary schema first, as `set search_path = ''` does; and a
-- backslash in one is a backslash, whatever the project set for its database.

set standard_conforming_strings = on; -- some projects switch it off

create or replace function botlive.keep_settings()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  ours regprocedure;
begin
  for ours in
    select p.oid from pg_proc p
    where (p.pronamespace = 'botlive'::regnamespace
        or p.pronamespace = 'public'::regnamespace and p.proname like 'botlive^_%' escape '^')
      and p.prokind = 'f' and p.proconfig @> array['search_path=""']
  loop
    execute format('alter function %s set search_path = pg_catalog, pg_temp', ours);
  end loop;
  for ours in
    select p.oid from pg_proc p
    where (p.pronamespace = 'botlive'::regnamespace
        or p.pronamespace = 'public'::regnamespace and p.proname like 'botlive^_%' escape '^')
      and p.prokind = 'f' and position(chr(92) in p.prosrc) > 0
  loop
    execute format('alter function %s set standard_conforming_strings = on', ours);
  end loop;
end
$$;
comment on function botlive.keep_settings is
  'Puts the temporary schema last for every function of ours, and lets a backslash be one. A later migration that '
  'makes some calls it at its end.';
revoke all on function botlive.keep_settings from public;

select botlive.keep_settings();


create schema if not exists botlive;
revoke all on schema botlive from public;
create table if not exists botlive.migrations (
    version text primary key,
    name text not null,
    checksum text not null,
    applied_at timestamptz not null default now()
);
comment on table botlive.migrations is 'The migrations of Botlive Events that `botlive migrate` applied';
revoke all on table botlive.migrations from public;
alter table botlive.migrations enable row level security;
insert into botlive.migrations (version, name, checksum) values ('20261125220000', '20261125220000_foundation', 'ada2109f37e6371c93bea8fbcb4e579bb335db4abaf6fb130fbec7229954f66a')
on conflict (version) do update set checksum = excluded.checksum, applied_at = now();
insert into botlive.migrations (version, name, checksum) values ('20261125220100', '20261125220100_companies', '14e4238d77b1037ce4233370973c683a1a89c286ebb1544fcb6c6d797f0d26ef')
on conflict (version) do update set checksum = excluded.checksum, applied_at = now();
insert into botlive.migrations (version, name, checksum) values ('20261125220200', '20261125220200_access', '578e35dc30c73fcac039af092a7839daedd12db6e7b3577767ac78a8bf5bc4e9')
on conflict (version) do update set checksum = excluded.checksum, applied_at = now();
insert into botlive.migrations (version, name, checksum) values ('20261125220300', '20261125220300_tables', 'fdb2398ac39dd4164b4cc67d39d40f055e4e5443b6288dafd63c2c936aee1af9')
on conflict (version) do update set checksum = excluded.checksum, applied_at = now();
insert into botlive.migrations (version, name, checksum) values ('20261125220400', '20261125220400_checks', 'f7d0801cbf16ea05a6bb2556765643eeb8361e6f493ce0648e6153c11c64e951')
on conflict (version) do update set checksum = excluded.checksum, applied_at = now();
insert into botlive.migrations (version, name, checksum) values ('20261125220500', '20261125220500_sessions', '2836a1ce9df3191e9cd6d3a02a57641c0085abd964908d2ca6c3de3d4294e82f')
on conflict (version) do update set checksum = excluded.checksum, applied_at = now();
insert into botlive.migrations (version, name, checksum) values ('20261125220600', '20261125220600_persist', 'ae9fba71b2a0eb0851d3f7012435594465a43e4ed42879a7d7973149c4a6c0f0')
on conflict (version) do update set checksum = excluded.checksum, applied_at = now();
insert into botlive.migrations (version, name, checksum) values ('20261125220700', '20261125220700_company_commands', '1798ad35ccae3ee196bec090b638712e94ae3c42566dcfb9f010d763d40c2950')
on conflict (version) do update set checksum = excluded.checksum, applied_at = now();
insert into botlive.migrations (version, name, checksum) values ('20261125220800', '20261125220800_reads', 'ffc0410f11ff9db888634a4d314b6a5a6dfb34d9e3228d2364683d0f908eab7f')
on conflict (version) do update set checksum = excluded.checksum, applied_at = now();
insert into botlive.migrations (version, name, checksum) values ('20261126000000', '20261126000000_strangers', 'a30086dc0a2c63171c10096cba68edb46c366599f25ee93524d59e850b7b06bc')
on conflict (version) do update set checksum = excluded.checksum, applied_at = now();
insert into botlive.migrations (version, name, checksum) values ('20261126000100', '20261126000100_ways_in', 'ff1942dc080342c699ceafc536e690c2f75b120c2b71446baf738d49affc5089')
on conflict (version) do update set checksum = excluded.checksum, applied_at = now();
insert into botlive.migrations (version, name, checksum) values ('20261126000200', '20261126000200_views', 'df982acc9954bcc1a0c9995eb4d4489ab743de13a38267ce6bccd4461ea945a9')
on conflict (version) do update set checksum = excluded.checksum, applied_at = now();
insert into botlive.migrations (version, name, checksum) values ('20261126000300', '20261126000300_drift', '7fd95c1408ef19c27b054b4464dcbae84d53589cef1e62ad7b369f6054f09810')
on conflict (version) do update set checksum = excluded.checksum, applied_at = now();
insert into botlive.migrations (version, name, checksum) values ('20261126001000', '20261126001000_companies', 'd236eea863244dbea75f2530568e9d190b620728db245bea47c5be0c44c90742')
on conflict (version) do update set checksum = excluded.checksum, applied_at = now();
insert into botlive.migrations (version, name, checksum) values ('20261126002000', '20261126002000_rows_as_written', 'c2a5116148e1d5d0318aa4146d5f809cd64f3f6cf56774d9e9049bd52b8517bd')
on conflict (version) do update set checksum = excluded.checksum, applied_at = now();
insert into botlive.migrations (version, name, checksum) values ('20261126230000', '20261126230000_search_paths', 'f3eea2afd61fe9309d24a84b87df1fc39df3bc6200177d778da8bc19c4380173')
on conflict (version) do update set checksum = excluded.checksum, applied_at = now();
