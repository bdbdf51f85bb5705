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
