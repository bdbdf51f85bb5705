-- Makes the tables that record what `botlive migrate` did in the project.

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
  'The policies and privileges that were removed from existing tables, the reason, and the SQL that restores each.';

create table if not exists botlive.known_tables (
  relation oid primary key,
  name text not null,
  first_seen_at timestamptz not null default now()
);
comment on table botlive.known_tables is 'The shops'' tables that were already secured.';

create table if not exists botlive.own_definitions (
  relation oid not null,
  name text not null,
  definition text not null,
  primary key (relation, name)
);
comment on table botlive.own_definitions is
  'The definitions of our policies and triggers. A difference shows that somebody changed one.';

alter table botlive.replaced_policies enable row level security;
alter table botlive.known_tables enable row level security;
alter table botlive.own_definitions enable row level security;
revoke all on table botlive.replaced_policies, botlive.known_tables, botlive.own_definitions
  from public, anon, authenticated;
grant select on table botlive.replaced_policies to service_role;
