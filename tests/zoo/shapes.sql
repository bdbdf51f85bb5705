-- What the shapes of policies rely on: people, shops with rows, and what front ends usually have beside them.
insert into auth.users (id, email, raw_app_meta_data) values
  ('a0000000-0000-4000-8000-000000000001', 'awa@shop.example', '{"provider": "email", "providers": ["email"]}'),
  ('b0000000-0000-4000-8000-000000000001', 'binta@shop.example', '{"provider": "email", "providers": ["email"]}'),
  ('c0000000-0000-4000-8000-000000000001', 'coumba@shop.example', '{}'),
  ('d0000000-0000-4000-8000-000000000001', 'admin@botlive.example', '{"role": "admin"}');
create table public.teams (id bigint primary key, company_id uuid);
create table public.team_members (team_id bigint, user_id uuid);
create table public.staff (company_id uuid, user_id uuid);
create table public.profiles (id uuid primary key, role text, company_id uuid);
create table public.user_roles (user_id uuid, role text);
create table public.customers (name text, company_id uuid);
alter table public.companies add column team_id bigint, add column owner_email text, add column is_public boolean default false;
alter table public.orders add column deleted_at timestamptz, add column is_shared boolean default false,
  add column created_by uuid, add column visibility text default 'private', add column short_code varchar(5);
select botlive.map_company('awa', 'a1111111-0000-4000-8000-000000000001', 'a0000000-0000-4000-8000-000000000001', 'Awa');
select botlive.map_company('binta', 'b1111111-0000-4000-8000-000000000001', 'b0000000-0000-4000-8000-000000000001', 'Binta');
update public.companies set owner_id = m.user_id, team_id = case m.company_id when 'awa' then 1 else 2 end,
  owner_email = m.company_id || '@shop.example'
  from public.company_mapping m where m.uuid = companies.id and m.company_id in ('awa', 'binta');
insert into public.company_rag_configs (company_id, company_name, user_id) values
  ('awa', 'Awa', 'a0000000-0000-4000-8000-000000000001'), ('binta', 'Binta', 'b0000000-0000-4000-8000-000000000001');
insert into public.teams values (1, 'a1111111-0000-4000-8000-000000000001'), (2, 'b1111111-0000-4000-8000-000000000001');
insert into public.team_members values (1, 'c0000000-0000-4000-8000-000000000001');
insert into public.staff values ('a1111111-0000-4000-8000-000000000001', 'c0000000-0000-4000-8000-000000000001');
insert into public.profiles (id, role, company_id)
  select u.id, case when u.email like 'admin%' then 'admin' else 'owner' end, m.uuid
  from auth.users u left join public.company_mapping m on m.user_id = u.id;
insert into public.user_roles values ('d0000000-0000-4000-8000-000000000001', 'admin');
insert into public.customers values ('Aminata', 'a1111111-0000-4000-8000-000000000001');
create function public.yes() returns boolean language sql security definer as 'select true';
create function public.counted(text) returns boolean language plpgsql volatile as 'begin return $1 <> ''''; end';
create function public.writes() returns boolean language plpgsql volatile security definer as
  'begin insert into public.customers (name) values (''seen''); notify botlive_seen; return true; end';
create function public.whole(o public.orders) returns boolean language sql as 'select o.id is not null';
create function public.is_admin() returns boolean language sql stable security definer set search_path = '' as
  $$ select exists (select from public.user_roles r where r.user_id = auth.uid() and r.role = 'admin') $$;
create function public.works_for(shop uuid) returns boolean language sql stable security definer as
  $$ select exists (select from staff s where s.user_id = auth.uid() and s.company_id = shop) $$;
create function public.has_profile() returns boolean language sql stable security definer as
  $$ select exists (select from profiles p where p.id = auth.uid()) $$;
create function public.is_known(shop uuid) returns boolean language sql stable security definer set search_path = '' as
  $$ select exists (select from public.companies c where c.id = shop) $$;
create function public.my_shops() returns setof uuid language sql stable security definer set search_path = '' as
  $$ select c.id from public.companies c where c.owner_id = auth.uid() $$;
create function public.raises() returns boolean language plpgsql as 'begin raise exception ''not today''; end';
grant select on all tables in schema public to authenticated, anon;
create policy "own company" on public.companies for select to authenticated using (owner_id = auth.uid());
-- Of orders and activities the front end may do what its policies say.
grant select, insert, update, delete on public.orders, public.activities, public.bot_sessions to anon, authenticated;
insert into public.orders (id, company_id, customer_name, total_amount, status, metadata, conversation_id, created_by,
    short_code, deleted_at, created_at)
  values ('0a000000-0000-4000-8000-000000000001', 'a1111111-0000-4000-8000-000000000001', 'Aminata', 9000, 'pending',
    '{"zone": "Cocody"}', null, 'a0000000-0000-4000-8000-000000000001', 'x', null, now() - interval '2 hours'),
  ('0b000000-0000-4000-8000-000000000001', 'b1111111-0000-4000-8000-000000000001', 'Bintou', 5000, 'completed',
    null, gen_random_uuid(), 'b0000000-0000-4000-8000-000000000001', null, now(), now() - interval '90 days');
