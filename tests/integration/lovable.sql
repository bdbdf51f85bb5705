-- A project as it is found in the field: Lovable's tables with rows and columns of their own, grants
-- of before 2026-10-30, a foreign key on conversation_id, policies open to everyone, and what the
-- first integration left behind.
create table public.companies (
  id uuid primary key, name text, city text not null default 'Abidjan', plan text not null
);
insert into public.companies (id, name, plan) values
  ('aaaaaaaa-1111-4111-8111-111111111111', 'Boutique connue', 'free');

create table public.conversations (id uuid primary key default gen_random_uuid());
insert into public.conversations default values;

create table public.orders (
  id uuid primary key default gen_random_uuid(),
  company_id uuid references public.companies (id),
  conversation_id uuid references public.conversations (id),
  customer_name text, total_amount numeric,
  status text check (status in ('pending', 'completed', 'cancelled')),
  items jsonb, created_at timestamptz default now(), updated_at timestamptz default now(),
  notes text
);
create table public.activities (
  id uuid primary key default gen_random_uuid(),
  company_id uuid references public.companies (id),
  conversation_id uuid references public.conversations (id) deferrable initially deferred,
  type text check (type in ('order', 'message', 'intervention', 'system')),
  title text, description text,
  status text default 'info' check (status in ('success', 'warning', 'info', 'error')),
  metadata jsonb, customer_name text, created_at timestamptz default now()
);
create table public.bot_sessions (
  id uuid primary key default gen_random_uuid(),
  company_id uuid references public.companies (id),
  mode text check (mode in ('live', 'rag')),
  started_at timestamptz, ended_at timestamptz, created_at timestamptz default now()
);
insert into public.orders (company_id, customer_name, total_amount, status, items, notes) values
  ('aaaaaaaa-1111-4111-8111-111111111111', 'Awa', 12000, 'completed', '[]', 'livrée');
insert into public.bot_sessions (company_id, mode, started_at) values
  ('aaaaaaaa-1111-4111-8111-111111111111', 'live', now());

create table public.company_rag_configs (
  company_id text primary key, company_name text, ai_name text, prompt text
);
insert into public.company_rag_configs (company_id, company_name) values
  ('text-id-shop', 'Chez Kofi'),
  ('aaaaaaaa-1111-4111-8111-111111111111', 'Boutique connue'),
  ('AAAAAAAA-1111-4111-8111-111111111111', 'La même, autrement écrite'),
  ('first-integration', 'Mode Fatou');

create table public.company_mapping (
  uuid uuid primary key default gen_random_uuid(),
  company_id text unique not null,
  user_id uuid,
  created_at timestamptz default now(),
  updated_at timestamptz default now()
);
insert into public.company_mapping (uuid, company_id) values
  ('99999999-9999-4999-8999-999999999999', 'first-integration');

grant all on all tables in schema public to anon, authenticated, service_role;
alter table public.orders enable row level security;
alter table public.activities enable row level security;
alter table public.bot_sessions enable row level security;
create policy "Enable all access" on public.activities for all using (true);
create policy "Signed-in users see everything" on public.orders for select to authenticated
  using (auth.uid() is not null);
create policy "Anyone can insert" on public.bot_sessions for insert with check (1 = 1);
create policy "Owners can add notes" on public.orders for update to authenticated
  using (company_id = auth.uid());
