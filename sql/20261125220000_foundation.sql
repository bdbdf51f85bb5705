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
