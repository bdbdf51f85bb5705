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
