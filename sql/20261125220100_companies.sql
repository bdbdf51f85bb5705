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
