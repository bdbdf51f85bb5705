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
