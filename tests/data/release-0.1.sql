-- Companies, and the bridge from Botlive's text ids to Lovable's UUIDs.
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

-- ------------------------------------------------------------------------------------------------
-- Tables

create table if not exists public.companies (
  id uuid primary key default gen_random_uuid(),
  name text
);
comment on table public.companies is 'The shops, as Lovable knows them.';

create table if not exists public.company_rag_configs (
  company_id text primary key,
  company_name text,
  ai_name text
);
comment on table public.company_rag_configs is 'The shops, as Botlive knows them.';
alter table public.company_rag_configs
  add column if not exists user_id uuid references auth.users (id) on delete set null,
  add column if not exists company_name text;

create table if not exists public.company_mapping (
  uuid uuid primary key,
  company_id text unique not null,
  user_id uuid references auth.users (id) on delete set null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
alter table public.company_mapping -- that of the first integration
  add column if not exists user_id uuid references auth.users (id) on delete set null,
  add column if not exists created_at timestamptz not null default now(),
  add column if not exists updated_at timestamptz not null default now();
comment on table public.company_mapping is
  'Bridge: Botlive''s company_id (text) to Lovable''s companies.id (uuid), and the owner of both.';
create index if not exists company_mapping_user_id_idx on public.company_mapping (user_id);
create index if not exists company_rag_configs_user_id_idx on public.company_rag_configs (user_id);

-- ------------------------------------------------------------------------------------------------
-- Access: what every table of ours and Lovable's goes through

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
comment on function botlive.strange_row is 'A row that is nobody''s: values that stand for nothing.';

create or replace function botlive.lets_strangers_in(relation regclass, condition text, role_name text)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  answer boolean;
  former text := current_setting('role');
  nobodys jsonb := botlive.strange_row(relation);
begin
  -- A condition is judged by asking it, about a row that is nobody's, as somebody whom nobody knows.
  perform set_config('request.jwt.claims', case role_name
    when 'anon' then jsonb_build_object('role', role_name)
    else jsonb_build_object('role', role_name, 'sub', gen_random_uuid()) end::text, true);
  if pg_catalog.pg_has_role(current_user, role_name, 'member') then
    perform set_config('role', role_name, true);
  end if;
  begin
    execute format('select (%s) from jsonb_populate_record(null::%s, $1) as r', condition, relation)
      into answer using nobodys;
  exception when others then
    answer := false; -- it cannot be answered for strangers: not open to everyone
  end;
  perform set_config('role', former, true);
  perform set_config('request.jwt.claims', '', true);
  return coalesce(answer, false);
end
$$;
comment on function botlive.lets_strangers_in is
  'Whether a policy''s condition is true of a row that is nobody''s, for somebody whom nobody knows.';

create or replace function botlive.replace_open_policies(relation regclass)
returns void
language plpgsql
set search_path = ''
as $$
declare
  policy record;
begin
  for policy in
    select p.polname
    from pg_catalog.pg_policy p
    cross join lateral (
      select pg_catalog.pg_get_expr(p.polqual, p.polrelid) as condition,
             pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) as new_row_condition
    ) c
    where p.polrelid = relation
      and p.polpermissive
      and exists (
        select from (values ('anon'), ('authenticated')) as r (role_name)
        where (p.polroles @> array[0::oid] or p.polroles @> array[r.role_name::regrole::oid])
          and (botlive.lets_strangers_in(relation, coalesce(c.condition, 'false'), r.role_name)
               or botlive.lets_strangers_in(relation, coalesce(c.new_row_condition, 'false'), r.role_name))
      )
  loop
    execute format('drop policy %I on %s', policy.polname, relation);
    raise notice 'botlive: replaced policy "%" on %: it was true for everyone', policy.polname, relation;
  end loop;
end
$$;
comment on function botlive.replace_open_policies is
  'Drops the policies that are true for everyone; every other policy stays.';

create or replace function botlive.has_policy(relation regclass, command "char")
returns boolean
language sql
stable
set search_path = ''
as $$
  select exists (
    select from pg_catalog.pg_policy p
    where p.polrelid = relation
      and p.polpermissive
      and p.polcmd in (command, '*')
      and (p.polroles @> array[0::oid] or p.polroles @> array['authenticated'::regrole::oid])
  )
$$;
comment on function botlive.has_policy is 'Whether signed-in users have a policy for the command.';

create or replace function botlive.narrow(relation regclass, privilege text, command "char", withheld text[])
returns void
language plpgsql
set search_path = ''
as $$
declare
  was_granted boolean := pg_catalog.has_table_privilege('authenticated', relation, privilege);
  columns text;
begin
  execute format('revoke %s on table %s from authenticated', privilege, relation);
  -- A policy of Lovable's keeps its use, but for the columns that say whose a row is and what happened.
  if was_granted and botlive.has_policy(relation, command) then
    select string_agg(format('%I', a.attname), ', ') into columns
    from pg_catalog.pg_attribute a
    where a.attrelid = relation and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
      and a.attname <> all (withheld);
    execute format('grant %s (%s) on table %s to authenticated', privilege, columns, relation);
  end if;
end
$$;

create or replace function botlive.close_table(relation regclass)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if not (select relrowsecurity from pg_catalog.pg_class where oid = relation) then
    execute format('alter table %s enable row level security', relation);
    raise notice 'botlive: enabled row level security on %', relation;
  end if;
  perform botlive.replace_open_policies(relation);
  execute format('revoke all on table %s from public, anon', relation);
  execute format('revoke truncate, references, trigger on table %s from authenticated', relation);
  perform botlive.narrow(relation, 'insert', 'a', array['id']);
  perform botlive.narrow(relation, 'update', 'w',
    array['id', 'company_id', 'created_at', 'metadata', 'items', 'total_amount']);
  if not botlive.has_policy(relation, 'd') then
    execute format('revoke delete on table %s from authenticated', relation);
  end if;
end
$$;
comment on function botlive.close_table is
  'Row level security on, nothing for anon, nothing unused for signed-in users.';

revoke all on function botlive.strange_row, botlive.lets_strangers_in,
  botlive.replace_open_policies, botlive.has_policy, botlive.narrow, botlive.close_table from public;
drop function if exists botlive.lets_strangers_in(text, text);

drop policy if exists botlive_owner_select on public.companies;
drop policy if exists botlive_owner_select on public.company_rag_configs;
drop policy if exists botlive_owner_select on public.company_mapping;
select botlive.close_table('public.companies');
select botlive.close_table('public.company_rag_configs');
select botlive.close_table('public.company_mapping');

-- An owner who could write these could make another owner's shop his own.
revoke all on table public.company_mapping, public.company_rag_configs from authenticated;
grant select on table public.companies, public.company_rag_configs, public.company_mapping
  to authenticated;
grant select, insert, update, delete on table public.companies, public.company_rag_configs,
  public.company_mapping to service_role;

create policy botlive_owner_select on public.company_mapping for select to authenticated
  using (user_id = (select auth.uid()));
create policy botlive_owner_select on public.company_rag_configs for select to authenticated
  using (user_id = (select auth.uid()));
create policy botlive_owner_select on public.companies for select to authenticated
  using (id in (select m.uuid from public.company_mapping m where m.user_id = (select auth.uid())));

-- ------------------------------------------------------------------------------------------------
-- The mapping, complete and kept so

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
  select coalesce(string_agg(format(', %I', a.attname), '' order by a.attnum), ''),
         coalesce(string_agg(', ' || botlive.neutral_value(company, owner, a), '' order by a.attnum), '')
  into column_names, column_values
  from pg_catalog.pg_attribute a
  where a.attrelid = 'public.companies'::regclass
    and a.attnum > 0 and not a.attisdropped
    and a.attnotnull and not a.atthasdef and a.attidentity = '' and a.attgenerated = ''
    and a.attname not in ('id', 'name');
  execute format('insert into public.companies (id, name%s) values (%L, %L%s)',
    column_names, company, company_name, column_values);
end
$$;
comment on function botlive.make_company is
  'A row of companies, whatever columns the field has added to that table.';

create or replace function botlive.map_company(
  botlive_id text, company uuid default null, owner uuid default null, company_name text default null)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  mapped uuid;
begin
  if length(botlive_id) not between 1 and 128 then
    raise exception using errcode = 'BL001', message = 'a company_id has 1 to 128 characters';
  end if;
  -- One at a time for one id, so that two callers make one company.
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('botlive.company ' || botlive_id, 0));
  select m.uuid into mapped from public.company_mapping m where m.company_id = botlive_id;
  if found then
    return mapped;
  end if;
  if company is null and botlive_id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
    select c.id into company from public.companies c where c.id = botlive_id::uuid;
  end if;
  if exists (select from public.company_mapping m where m.uuid = company) then
    raise exception using
      errcode = 'unique_violation',
      message = format('company %s already has a text id: %s is not mapped to it too', company, botlive_id);
  end if;
  company := coalesce(company, gen_random_uuid());
  if not exists (select from public.companies c where c.id = company) then
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
  -- What is deferred would speak at the customer's commit, where nobody can catch it.
  select string_agg(format('public.%I', k.conname), ', ') into deferred
  from pg_catalog.pg_constraint k
  where k.conrelid in ('public.company_mapping'::regclass, 'public.companies'::regclass) and k.condeferred;
  if deferred is not null then
    execute format('set constraints %s immediate', deferred);
    execute format('set constraints %s deferred', deferred);
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
  select u.id into owner from auth.users u where u.id = new.user_id;
  perform botlive.map_company(new.company_id, null, owner, new.company_name);
  if tg_op = 'UPDATE' or owner is not null then
    update public.company_mapping m
    set user_id = owner, updated_at = now()
    where m.company_id = new.company_id and m.user_id is distinct from owner;
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

revoke all on function botlive.neutral_value, botlive.make_company, botlive.map_company,
  botlive.check_now, botlive.keep_mapping from public;
grant execute on function botlive.neutral_value, botlive.make_company, botlive.map_company
  to service_role;

create or replace trigger botlive_keep_mapping_on_insert
  after insert on public.company_rag_configs
  for each row execute function botlive.keep_mapping();
create or replace trigger botlive_keep_mapping_on_update
  after update on public.company_rag_configs
  for each row when (old.user_id is distinct from new.user_id)
  execute function botlive.keep_mapping();

do $$
declare
  row record;
begin
  -- The first integration's mappings pointed at no company at all.
  update public.company_mapping m set uuid = c.id, updated_at = now()
  from public.companies c
  where c.id::text = lower(m.company_id)
    and not exists (select from public.companies o where o.id = m.uuid)
    and not exists (select from public.company_mapping o where o.uuid = c.id);
  update public.company_mapping m set user_id = c.user_id, updated_at = now()
  from public.company_rag_configs c join auth.users u on u.id = c.user_id
  where c.company_id = m.company_id and m.user_id is null;
  for row in
    select m.uuid, m.company_id, m.user_id, c.company_name
    from public.company_mapping m
    left join public.company_rag_configs c using (company_id)
    where not exists (select from public.companies where id = m.uuid)
    order by m.company_id
  loop
    begin
      perform botlive.make_company(row.uuid, coalesce(row.company_name, row.company_id), row.user_id);
    exception when others then
      raise warning 'botlive: company % has a mapping but no company: % (%)', row.company_id, sqlerrm, sqlstate;
    end;
  end loop;
  for row in
    select c.company_id, c.company_name,
           (select u.id from auth.users u where u.id = c.user_id) as owner
    from public.company_rag_configs c
    where not exists (select from public.company_mapping m where m.company_id = c.company_id)
    order by c.company_id <> lower(c.company_id), c.company_id -- a UUID as it is usually written first
  loop
    begin
      perform botlive.map_company(row.company_id, null, row.owner, row.company_name);
    exception when others then
      raise warning 'botlive: company % is not mapped: % (%)', row.company_id, sqlerrm, sqlstate;
    end;
  end loop;
  if not exists (
    select from pg_catalog.pg_constraint
    where conrelid = 'public.company_mapping'::regclass and contype = 'f'
      and confrelid = 'public.companies'::regclass
  ) then
    alter table public.company_mapping add constraint company_mapping_uuid_fkey
      foreign key (uuid) references public.companies (id) on delete cascade not valid;
  end if;
end
$$;

notify pgrst, 'reload schema';
-- What the front end reads: orders, activities, bot_sessions, each row its owner's alone.
--
-- Adds only: a table, a column or a row that is there stays as it is. Safe to run again.

select botlive.wait_for_workers();

create table if not exists public.orders (
  id uuid primary key default gen_random_uuid(),
  company_id uuid references public.companies (id),
  conversation_id uuid,
  customer_name text,
  total_amount numeric,
  status text default 'pending' check (status in ('pending', 'completed', 'cancelled')),
  items jsonb default '[]',
  created_at timestamptz default now(),
  updated_at timestamptz default now()
);
comment on table public.orders is 'Customers'' orders; an order made by an event has the event''s id.';
alter table public.orders add column if not exists metadata jsonb;

create table if not exists public.activities (
  id uuid primary key default gen_random_uuid(),
  company_id uuid references public.companies (id),
  conversation_id uuid,
  type text check (type in ('order', 'message', 'intervention', 'system')),
  title text,
  description text,
  status text default 'info' check (status in ('success', 'warning', 'info', 'error')),
  metadata jsonb,
  customer_name text,
  created_at timestamptz default now()
);
comment on table public.activities is 'What happened in a shop; an activity made by an event has the event''s id.';

create table if not exists public.bot_sessions (
  id uuid primary key default gen_random_uuid(),
  company_id uuid references public.companies (id),
  mode text check (mode in ('live', 'rag')),
  started_at timestamptz default now(),
  ended_at timestamptz,
  created_at timestamptz default now()
);
comment on table public.bot_sessions is
  'When a shop was live; a session made by events has the id of its first enable.';

create index if not exists orders_company_id_created_at_idx
  on public.orders (company_id, created_at desc);
create index if not exists activities_company_id_created_at_idx
  on public.activities (company_id, created_at desc);
create index if not exists bot_sessions_company_id_started_at_idx
  on public.bot_sessions (company_id, started_at desc);

drop policy if exists botlive_owner_select on public.orders;
drop policy if exists botlive_owner_update on public.orders;
drop policy if exists botlive_owner_delete on public.orders;
drop policy if exists botlive_owner_select on public.activities;
drop policy if exists botlive_owner_delete on public.activities;
drop policy if exists botlive_owner_select on public.bot_sessions;
drop policy if exists botlive_owner_insert on public.bot_sessions;
drop policy if exists botlive_owner_update on public.bot_sessions;
drop policy if exists botlive_owner_delete on public.bot_sessions;
select botlive.close_table('public.orders');
select botlive.close_table('public.activities');
select botlive.close_table('public.bot_sessions');

-- An owner reads all of it, works orders off, throws rows away, and opens or ends a session by hand.
grant select, delete on table public.orders, public.activities, public.bot_sessions to authenticated;
grant update (status) on table public.orders to authenticated;
grant insert (company_id, mode, started_at, ended_at), update (ended_at)
  on table public.bot_sessions to authenticated;
grant select, insert, update, delete on table public.orders, public.activities, public.bot_sessions
  to service_role;

create policy botlive_owner_select on public.orders for select to authenticated
  using (company_id in (select m.uuid from public.company_mapping m where m.user_id = (select auth.uid())));
create policy botlive_owner_update on public.orders for update to authenticated
  using (company_id in (select m.uuid from public.company_mapping m where m.user_id = (select auth.uid())))
  with check (company_id in (select m.uuid from public.company_mapping m where m.user_id = (select auth.uid())));
create policy botlive_owner_delete on public.orders for delete to authenticated
  using (company_id in (select m.uuid from public.company_mapping m where m.user_id = (select auth.uid())));

create policy botlive_owner_select on public.activities for select to authenticated
  using (company_id in (select m.uuid from public.company_mapping m where m.user_id = (select auth.uid())));
create policy botlive_owner_delete on public.activities for delete to authenticated
  using (company_id in (select m.uuid from public.company_mapping m where m.user_id = (select auth.uid())));

create policy botlive_owner_select on public.bot_sessions for select to authenticated
  using (company_id in (select m.uuid from public.company_mapping m where m.user_id = (select auth.uid())));
create policy botlive_owner_insert on public.bot_sessions for insert to authenticated
  with check (company_id in (select m.uuid from public.company_mapping m where m.user_id = (select auth.uid())));
create policy botlive_owner_update on public.bot_sessions for update to authenticated
  using (company_id in (select m.uuid from public.company_mapping m where m.user_id = (select auth.uid())))
  with check (company_id in (select m.uuid from public.company_mapping m where m.user_id = (select auth.uid())));
create policy botlive_owner_delete on public.bot_sessions for delete to authenticated
  using (company_id in (select m.uuid from public.company_mapping m where m.user_id = (select auth.uid())));

notify pgrst, 'reload schema';
-- The inbox: which events were persisted, and the set of toggles from which sessions follow.
--
-- Adds only. Safe to run again.

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

alter table botlive.inbox enable row level security;
alter table botlive.toggles enable row level security;
revoke all on table botlive.inbox, botlive.toggles from public, anon, authenticated;
grant select, insert, delete on table botlive.inbox to service_role;
grant select, insert, update on table botlive.toggles to service_role;
-- A company's sessions follow from the set of its toggles, in whatever order these come.

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

drop function if exists botlive.rewrite_sessions(uuid, botlive.toggles[], botlive.toggles[]);
drop function if exists botlive.bring_sessions(uuid, uuid[]);

create or replace function botlive.rewrite_sessions(
  shop uuid, before botlive.toggles[], after botlive.toggles[])
returns void
language plpgsql
set search_path = ''
as $$
declare
  change record;
begin
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
    if change.vanishes then
      delete from public.bot_sessions s where s.id = change.id and s.company_id = shop;
      if not found then
        update botlive.toggles t set withdrawn = true where t.event_id = change.id;
      end if;
    elsif change.appears then
      insert into public.bot_sessions (id, company_id, mode, started_at, ended_at, created_at)
      select change.id, shop, change.mode, change.started_at, change.ended_at, change.started_at
      where not exists (select from botlive.toggles t where t.event_id = change.id and t.withdrawn)
      on conflict (id) do nothing;
      if exists (select from public.bot_sessions s where s.id = change.id and s.company_id <> shop) then
        raise exception using errcode = 'unique_violation', message = 'the session''s id is another company''s';
      end if;
    else
      update public.bot_sessions s set ended_at = change.ended_at
      where s.id = change.id and s.company_id = shop;
    end if;
  end loop;
end
$$;
comment on function botlive.rewrite_sessions is
  'Brings the rows of bot_sessions from what the toggles said to what they say now. '
  'Rows that no event made are not touched.';

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

  update public.activities x
  set description = botlive.session_text(a),
      metadata = case jsonb_typeof(x.metadata) when 'object' then x.metadata else '{}' end
                 || jsonb_build_object('session_id', a.session_id)
  from unnest(after) a join unnest(before) b on b.event_id = a.event_id
  where x.id = a.event_id
    and (a.session_id, a.session_began_at) is distinct from (b.session_id, b.session_began_at);

  perform botlive.rewrite_sessions(shop, before, after);
end
$$;
comment on function botlive.bring_sessions is
  'Brings a company''s sessions, and what its toggles'' activities say of them, to what the whole '
  'set of toggles says.';

revoke all on function botlive.fold_toggles, botlive.session_text, botlive.rewrite_sessions,
  botlive.bring_sessions from public;
grant execute on function botlive.fold_toggles, botlive.session_text, botlive.rewrite_sessions,
  botlive.bring_sessions to service_role;
-- Persists a batch of events in one transaction and says what became of each.

select botlive.wait_for_workers();

create or replace function botlive.parse_events(events jsonb)
returns table (
  ord bigint, event_id uuid, event_type text, company_id text, occurred_at timestamptz,
  digest text, activity jsonb, ordered jsonb, toggle jsonb)
language sql
immutable
set search_path = ''
as $$
  select e.ord, e.event_id, e.event_type, e.company_id, e.occurred_at, e.digest,
         e.activity, nullif(e."order", 'null'), nullif(e.toggle, 'null')
  from rows from (jsonb_to_recordset(events) as (
    event_id uuid, event_type text, company_id text, occurred_at timestamptz,
    digest text, activity jsonb, "order" jsonb, toggle jsonb
  )) with ordinality as e (event_id, event_type, company_id, occurred_at, digest, activity, "order", toggle, ord)
$$;

create or replace view botlive.shops with (security_invoker = true) as
  select m.company_id, m.uuid
  from public.company_mapping m join public.companies c on c.id = m.uuid;
comment on view botlive.shops is
  'The shops that events can be written for: a mapping that points at no company is none.';
revoke all on table botlive.shops from public, anon, authenticated;
grant select on table botlive.shops to service_role;

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
    join botlive.shops m on m.company_id = e ->> 'company_id'
    where jsonb_typeof(e -> 'toggle') = 'object'
    order by 1
  ) keys;
end
$$;

create or replace function botlive.refuse_foreign_rows(events jsonb)
returns void
language plpgsql
stable
set search_path = ''
as $$
begin
  -- A row that has the event's id and is the same company's was made by the event: already done.
  if exists (
    select from botlive.parse_events(events) e
    join botlive.shops m on m.company_id = e.company_id
    where exists (select from public.orders o where o.id = e.event_id and o.company_id <> m.uuid)
       or exists (select from public.activities a where a.id = e.event_id and a.company_id <> m.uuid)
  ) then
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
  fresh bigint[];
  shop record;
  expected bigint;
  inserted bigint;
  outcomes jsonb;
begin
  -- In the order of the ids, so that two batches with the same events never wait for each other.
  with first_of_its_id as (
    select distinct on (e.event_id) e.*, m.uuid as company
    from botlive.parse_events(events) e
    join botlive.shops m on m.company_id = e.company_id
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
  select array_agg(f.ord) into fresh from first_of_its_id f join claimed c using (event_id);

  for shop in
    select m.uuid, array_agg(e.event_id) as toggles
    from botlive.parse_events(events) e
    join botlive.shops m on m.company_id = e.company_id
    where e.ord = any (fresh) and e.toggle is not null
    group by m.uuid order by m.uuid
  loop
    perform botlive.bring_sessions(shop.uuid, shop.toggles);
  end loop;

  with written as (
    select e.*, m.uuid as company
    from botlive.parse_events(events) e
    join botlive.shops m on m.company_id = e.company_id
    where e.ord = any (fresh)
  ), ordered as (
    insert into public.orders (id, company_id, conversation_id, customer_name, total_amount, status,
                               items, metadata, created_at, updated_at)
    select w.event_id, w.company, (w.ordered ->> 'conversation_id')::uuid, w.ordered ->> 'customer_name',
           (w.ordered ->> 'total_amount')::numeric, 'pending', w.ordered -> 'items', w.ordered -> 'metadata',
           w.occurred_at, w.occurred_at
    from written w where w.ordered is not null
    on conflict (id) do nothing
    returning id
  ), noted as (
    insert into public.activities (id, company_id, conversation_id, type, title, description, status,
                                   metadata, customer_name, created_at)
    select w.event_id, w.company, (w.activity ->> 'conversation_id')::uuid, w.activity ->> 'type',
           w.activity ->> 'title',
           case when t.event_id is null then w.activity ->> 'description' else botlive.session_text(t) end,
           w.activity ->> 'status',
           case when t.event_id is null then w.activity -> 'metadata'
             else w.activity -> 'metadata' || jsonb_build_object('session_id', t.session_id) end,
           w.activity ->> 'customer_name', w.occurred_at
    from written w left join botlive.toggles t on t.event_id = w.event_id
    on conflict (id) do nothing
    returning id
  )
  select (select count(*) from written) + (select count(*) from written w where w.ordered is not null),
         (select count(*) from ordered) + (select count(*) from noted)
  into expected, inserted;
  if inserted < expected then
    perform botlive.refuse_foreign_rows(events);
  end if;

  -- A statement of its own: it sees what another transaction persisted while this one waited for it.
  select jsonb_agg(
    case
      when e.ord = any (fresh) then jsonb_build_object('outcome', 'persisted',
        'session_written', coalesce(t.session_id = t.event_id or (not t.enabled and t.session_id is not null), false))
      when i.digest = e.digest then jsonb_build_object('outcome', 'duplicate')
      when i.digest is not null then
        jsonb_build_object('outcome', 'refused', 'reason', 'event id already used')
      else jsonb_build_object('outcome', 'unknown_company')
    end order by e.ord)
  into outcomes
  from botlive.parse_events(events) e
  left join botlive.inbox i on i.event_id = e.event_id
  left join botlive.toggles t on t.event_id = e.event_id;
  return outcomes;
end
$$;
comment on function botlive.write_events is
  'The rows of a batch, all or none: inbox, orders, activities, sessions.';

create or replace function botlive.rehearse(event jsonb, conversation uuid)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  said jsonb := jsonb_build_object('customer_name', 'Botlive', 'metadata', '{}'::jsonb, 'conversation_id', conversation);
  plain jsonb := event || jsonb_build_object('event_id', gen_random_uuid(), 'occurred_at', now(),
    'activity', (event -> 'activity') || said || '{"title": "Botlive", "description": "Botlive"}');
begin
  if jsonb_typeof(event -> 'order') = 'object' then
    plain := plain || jsonb_build_object('order', said
      || '{"total_amount": 1000, "items": [{"name": "Botlive", "quantity": 1, "price": 1000}]}');
  end if;
  perform botlive.write_events(jsonb_build_array(plain));
  raise exception using errcode = 'BL000';
exception
  when sqlstate 'BL000' then return true;
  when data_exception or integrity_constraint_violation or raise_exception then return false;
end
$$;
comment on function botlive.rehearse is
  'Whether a plain event of the same type and company is accepted; leaves nothing behind.';

create or replace function botlive.is_well(event jsonb)
returns boolean
language sql
set search_path = ''
as $$
  -- Some projects want a conversation, others know which there are.
  select botlive.rehearse(event, null) or botlive.rehearse(event, gen_random_uuid())
$$;
comment on function botlive.is_well is
  'Whether the installation takes events of this type and company, so that a refusal is the event''s fault.';

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

create or replace function botlive.write_alone(event jsonb)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  table_label text;
  constraint_label text;
  column_label text;
begin
  return botlive.write_events(jsonb_build_array(event)) -> 0;
exception
  when foreign_key_violation then
    get stacked diagnostics table_label = table_name, constraint_label = constraint_name;
    if table_label in ('orders', 'activities') and exists (
      select from pg_catalog.pg_constraint k
      join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = any (k.conkey)
      where k.conrelid = format('public.%I', table_label)::regclass
        and k.conname = constraint_label and a.attname = 'conversation_id'
    ) then
      return botlive.write_alone(botlive.without_conversation(event, table_label));
    end if;
    raise;
  when data_exception then
    if not botlive.is_well(event) then
      raise exception using errcode = 'BL002', message = format(
        'the shop''s tables or their triggers admit no event of the type %s (SQLSTATE %s)',
        event ->> 'event_type', sqlstate);
    end if;
    return jsonb_build_object('outcome', 'refused',
      'reason', format('a value does not fit its column (%s)', sqlstate));
  when check_violation or not_null_violation then
    get stacked diagnostics table_label = table_name, constraint_label = constraint_name,
      column_label = column_name;
    if not botlive.is_well(event) then
      raise exception using errcode = 'BL002', message = format(
        '%s admits no event of the type %s: see its %s', table_label, event ->> 'event_type',
        coalesce('constraint ' || nullif(constraint_label, ''), 'column ' || column_label));
    end if;
    return jsonb_build_object('outcome', 'refused', 'reason',
      case when column_label <> '' then format('%s.%s must not be empty', table_label, column_label)
        else format('the check %s on %s refuses it', constraint_label, table_label) end);
end
$$;
comment on function botlive.write_alone is
  'One event, with its own faults caught: bad input fails alone, its neighbours go through. '
  'What no event''s content could mend is not caught: the installation is at fault then.';

create or replace function public.botlive_persist(events jsonb)
returns jsonb
language plpgsql
security invoker
set search_path = ''
as $$
declare
  outcomes jsonb := '[]';
  one record;
begin
  set constraints all immediate; -- a deferred one would speak after the answer
  perform botlive.lock_companies(events);
  begin
    return coalesce(botlive.write_events(events), '[]');
  exception when data_exception or check_violation or not_null_violation or foreign_key_violation then
    null; -- at least one is at fault: each in a transaction of its own, below
  end;
  for one in
    select e.value as event, e.ordinality as ord
    from jsonb_array_elements(events) with ordinality e
    order by e.value ->> 'event_id', e.ordinality
  loop
    outcomes := outcomes || jsonb_build_object('ord', one.ord, 'said', botlive.write_alone(one.event));
  end loop;
  return (select jsonb_agg(o -> 'said' order by (o -> 'ord')::bigint) from jsonb_array_elements(outcomes) o);
end
$$;
comment on function public.botlive_persist is
  'Persists a batch of events, each once and whole, and returns what became of each, in their order: '
  '{"outcome": "persisted" | "duplicate" | "unknown_company" | "refused", "reason"?, "session_written"?}.';

create or replace function public.botlive_probe()
returns void
language plpgsql
security invoker
set search_path = ''
as $$
declare
  shop record;
  locked boolean := false;
  plain jsonb := jsonb_build_object('event_type', 'probe', 'digest', '', 'activity',
    '{"type": "system", "status": "info"}'::jsonb);
begin
  -- What events write, written and taken back: a database that can be read is not yet one that takes
  -- them. One shop with rules of its own, or that somebody has locked, does not speak for the others.
  set local lock_timeout = '500ms';
  for shop in select s.company_id from botlive.shops s order by random() limit 5 loop
    begin
      plain := plain || jsonb_build_object('company_id', shop.company_id);
      if botlive.is_well(plain || '{"toggle": {"enabled": true, "mode": "live"}}')
        and botlive.is_well(plain || '{"order": {}, "activity": {"type": "order", "status": "success"}}')
      then
        return;
      end if;
    exception when lock_not_available then
      locked := true;
    end;
  end loop;
  if locked then
    raise exception using errcode = 'lock_not_available', message = 'the shops'' rows are locked';
  end if;
  if found then
    raise exception using errcode = 'BL002', message = 'the shop''s tables or their triggers admit no event';
  end if;
end
$$;
comment on function public.botlive_probe is
  'Fails as a batch of events would fail, and carries none: the circuit breaker''s probe.';

revoke all on function botlive.parse_events, botlive.lock_companies, botlive.refuse_foreign_rows, botlive.write_events,
  botlive.rehearse, botlive.is_well, botlive.without_conversation, botlive.write_alone from public;
grant execute on function botlive.parse_events, botlive.lock_companies, botlive.refuse_foreign_rows, botlive.write_events,
  botlive.rehearse, botlive.is_well, botlive.without_conversation, botlive.write_alone to service_role;
revoke all on function public.botlive_persist, public.botlive_probe from public, anon, authenticated;
grant execute on function public.botlive_persist, public.botlive_probe to service_role;

notify pgrst, 'reload schema';
-- What `botlive company add|link|list` call. Only the worker's key may.
--
-- SQLSTATE BL001: the message is ours and is meant for the person at the keyboard.

select botlive.wait_for_workers();

create or replace function botlive.describe_company(text_id text)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object('company_id', m.company_id, 'uuid', m.uuid, 'name', c.name, 'owner', m.user_id)
  from public.company_mapping m left join public.companies c on c.id = m.uuid
  where m.company_id = text_id
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
  if shop is not null and not exists (select from public.companies c where c.id = shop) then
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
    where not exists (select from public.company_mapping m where m.company_id = c.company_id)
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

create index if not exists orders_pending_idx
  on public.orders (company_id, created_at desc) where status = 'pending';
-- A row made by hand may have no date: it comes last, or it would hide what is new.
create index if not exists orders_dated_idx
  on public.orders (company_id, created_at desc nulls last, id desc) where status = 'pending';
create index if not exists activities_dated_idx
  on public.activities (company_id, created_at desc nulls last, id desc);

create or replace function public.botlive_read_activities(text_id text, at_most integer default 10)
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- Null where no company has the text id: an empty list would pretend to know.
  select (
    select coalesce(jsonb_agg(to_jsonb(a) order by a.created_at desc nulls last, a.id desc), '[]')
    from (
      select a.id, a.type, a.title, a.description, a.status, a.metadata, a.customer_name, a.created_at
      from public.activities a
      where a.company_id = m.uuid
      order by a.created_at desc nulls last, a.id desc
      limit at_most
    ) a
  )
  from public.company_mapping m
  where m.company_id = text_id
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
        select * from public.orders o where o.company_id = company and o.status = 'pending'
        order by o.created_at desc nulls last, o.id desc limit at_most
      ) o
    );
  end if;
  return (
    select coalesce(jsonb_agg(to_jsonb(o) order by o.created_at desc nulls last, o.id desc), '[]')
    from (
      select * from public.orders o
      where o.company_id = company and (wanted_status is null or o.status = wanted_status)
      order by o.created_at desc nulls last, o.id desc limit at_most
    ) o
  );
end
$$;
comment on function public.botlive_read_orders is
  'A company''s newest orders of a status (null: of any); null where the text id is unknown.';

create or replace function public.botlive_read_session(text_id text)
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select jsonb_build_object('session', (
    select to_jsonb(s) from public.bot_sessions s
    where s.company_id = m.uuid and s.ended_at is null
    order by s.started_at desc, s.id desc
    limit 1
  ))
  from public.company_mapping m
  where m.company_id = text_id
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
