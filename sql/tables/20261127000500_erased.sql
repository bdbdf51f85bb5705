-- Makes the tables that record which customers were erased, without naming them.

create table if not exists botlive.erasure_salt (
  is_the_only_row boolean primary key default true check (is_the_only_row),
  salt text not null default gen_random_uuid()::text || gen_random_uuid()::text
);
comment on table botlive.erasure_salt is 'The random salt of the digests in botlive.erased.';
insert into botlive.erasure_salt default values on conflict do nothing;

create table if not exists botlive.erased (
  digest text primary key,
  erased_at timestamptz not null
);
comment on table botlive.erased is
  'The customers that `botlive erase` erased. Their events that occurred before the erasure are masked when they '
  'arrive late.';
comment on column botlive.erased.digest is 'SHA-256 of the salt and the customer''s user id.';

alter table botlive.erasure_salt enable row level security;
alter table botlive.erased enable row level security;
revoke all on table botlive.erasure_salt, botlive.erased from public, anon, authenticated;
grant select on table botlive.erasure_salt, botlive.erased to service_role;
