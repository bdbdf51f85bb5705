-- Makes the table of the horizon: what `botlive prune` has deleted is older than it.

create table if not exists botlive.horizon (
  is_only_row boolean primary key default true check (is_only_row),
  kept_since timestamptz not null default '-infinity',
  raised_at timestamptz not null default now()
);
comment on table botlive.horizon is
  'One row: the time before which `botlive prune` may have deleted rows of the inbox. An older event is refused '
  'unless its id is in the inbox.';
insert into botlive.horizon (is_only_row) values (true) on conflict do nothing;

alter table botlive.horizon enable row level security;
revoke all on table botlive.horizon from public, anon, authenticated;
grant select on table botlive.horizon to service_role;
