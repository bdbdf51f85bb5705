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
