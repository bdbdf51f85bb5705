-- Makes the tables that record persisted events, and the type of an event inside a batch.

create table if not exists botlive.inbox (
  event_id uuid primary key,
  event_type text not null,
  company_id text not null,
  digest text not null,
  occurred_at timestamptz not null,
  persisted_at timestamptz not null default now()
);
comment on table botlive.inbox is
  'The id of each persisted event, written in the same transaction as its rows.';
comment on column botlive.inbox.digest is
  'SHA-256 of the event''s content. It distinguishes a redelivery from another event with the same id.';

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
comment on table botlive.toggles is
  'Each persisted live_toggled event, with its session as computed from all toggles of the company.';
comment on column botlive.toggles.session_id is
  'The session of the toggle: the event id of the session''s first enable. On a disable: the session that it ends.';
comment on column botlive.toggles.withdrawn is
  'True if a person deleted the session that this toggle began. The session is not created again.';
create index if not exists toggles_in_order_idx
  on botlive.toggles (company, occurred_at, event_id);
create index if not exists toggles_disables_idx
  on botlive.toggles (company, occurred_at, event_id) where not enabled;

do $$
begin
  if to_regtype('botlive.arrival') is null then
    create type botlive.arrival as (
      ord bigint, event_id uuid, event_type text, company_id text, occurred_at timestamptz, instant text,
      digest text, activity jsonb, ordered jsonb, toggle jsonb, company uuid
    );
  end if;
end
$$;
comment on type botlive.arrival is 'An event of a batch, with the UUID of its company where the company is known.';
comment on column botlive.arrival.instant is
  'occurred_at in UTC, as the worker wrote it, because a column may be a timestamp without time zone.';

alter table botlive.inbox enable row level security;
alter table botlive.toggles enable row level security;
revoke all on table botlive.inbox, botlive.toggles from public, anon, authenticated;
grant select, insert, delete on table botlive.inbox to service_role;
grant select, insert, update on table botlive.toggles to service_role;
