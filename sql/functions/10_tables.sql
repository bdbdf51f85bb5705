-- Makes the shops' tables, columns and indexes where they are missing. What exists stays unchanged.
--
-- These functions look at the tables themselves, not at records: a table may have been dropped and made again.

create or replace function botlive.column_type(table_name text, column_name text)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select pg_catalog.format_type(a.atttypid, null)
  from pg_catalog.pg_attribute a
  where a.attrelid = to_regclass(format('public.%I', table_name)) and a.attname = column_name
    and a.attnum > 0 and not a.attisdropped
$$;
comment on function botlive.column_type is
  'The type of a column of a table in public; null if there is no such column.';

create or replace function botlive.is_table(table_name text)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from pg_catalog.pg_class c
    where c.oid = to_regclass(format('public.%I', table_name)) and c.relkind in ('r', 'p'))
$$;
comment on function botlive.is_table is 'Whether the name in public is a table, not a view or a foreign table.';

create or replace function botlive.check_owners()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
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
  perform botlive.refuse_look_alikes();
end
$$;
comment on function botlive.check_owners is
  'Fails if the migrating role does not own one of the tables. The message contains the SQL that solves it.';

create or replace function botlive.make_table(table_name text, columns text, meaning text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
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
  -- A new table starts without privileges. botlive.bring_access() grants what is needed.
  execute format('alter table %s enable row level security', made);
  execute format('revoke all on table %s from public, anon, authenticated', made);
  insert into botlive.known_tables (relation, name) values (made::oid, made::text)
  on conflict do nothing;
end
$$;

create or replace function botlive.bring_tables()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
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
comment on function botlive.bring_tables is 'Makes the missing tables.';

create or replace function botlive.attempt_ddl(command text)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  execute command;
  return true;
exception
  when undefined_column or undefined_object or undefined_function or datatype_mismatch or data_exception
    or cannot_coerce or wrong_object_type or feature_not_supported or invalid_foreign_key or foreign_key_violation or invalid_table_definition
  then
    return false; -- a column has another name or type: botlive.misfits() reports it
end
$$;

create or replace function botlive.bring_columns()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  missing record;
begin
  -- Only nullable columns, or columns with a default, are added. A column that the front end shows is not: if it
  -- is missing, the project has renamed it, and the front end reads the new name.
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
comment on function botlive.bring_columns is 'Adds the missing columns that may be null or have a default.';

create or replace function botlive.bring_indexes()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
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
      ('orders_pending_idx', 'orders (company_id, created_at desc) where status = ''pending''')
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
comment on function botlive.bring_indexes is 'Makes the missing indexes and the missing foreign key.';

revoke all on function botlive.column_type, botlive.is_table, botlive.check_owners, botlive.make_table,
  botlive.bring_tables, botlive.attempt_ddl, botlive.bring_columns, botlive.bring_indexes from public;
grant execute on function botlive.is_table to service_role;

-- The functions of the next files refer to these tables, so they must exist before.
select botlive.check_owners();
select botlive.bring_tables();
select botlive.bring_columns();
