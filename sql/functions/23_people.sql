-- The users as whom policies and views are evaluated: invented ones, and existing ones.

create or replace function botlive.strangers()
returns table (label text, role_name text, is_everyone boolean, claims jsonb)
language sql
volatile -- each call returns new user ids
set search_path = pg_catalog, pg_temp
as $$
  -- is_everyone: a caller without a token, or a user who signed up in a usual way.
  select s.label, s.role_name, s.is_everyone, case s.role_name when 'anon' then s.own else
    jsonb_build_object('role', s.role_name, 'aud', 'authenticated', 'sub', t.id, 'session_id', gen_random_uuid(),
      'iss', 'https://project.supabase.co/auth/v1', 'iat', t.instant, 'exp', t.instant + 3600,
      'email', '', 'phone', '', 'is_anonymous', false, 'aal', 'aal1', 'app_metadata', '{}'::jsonb,
      'user_metadata', jsonb_build_object('sub', t.id, 'email_verified', true, 'phone_verified', false),
      'amr', jsonb_build_array(jsonb_build_object('method', s.way, 'timestamp', t.instant))) || s.own end
  from (select gen_random_uuid() as id, extract(epoch from now())::bigint as instant) t, lateral (values
    ('anyone', 'anon', true, '', '{"role": "anon"}'::jsonb),
    ('anyone', 'anon', true, '', jsonb_build_object('role', 'anon', 'iss', 'supabase', 'ref', 'abcdefghijklmnopqrst',
      'iat', t.instant, 'exp', t.instant + 315360000)),
    ('with an e-mail address', 'authenticated', true, 'password', '{"email": "q@example.org",
      "app_metadata": {"provider": "email", "providers": ["email"]}}'),
    ('with a phone number', 'authenticated', true, 'otp', '{"phone": "2250700000000",
      "app_metadata": {"provider": "phone", "providers": ["phone"]}}'),
    ('with a second factor', 'authenticated', true, 'oauth', '{"email": "q@example.com", "aal": "aal2",
      "app_metadata": {"provider": "google", "providers": ["google"]}}'),
    ('without an account (anonymous)', 'authenticated', false, 'anonymous', '{"is_anonymous": true,
      "user_metadata": {}}')
  ) as s (label, role_name, is_everyone, way, own)
$$;
comment on function botlive.strangers is
  'Invented users that own nothing, with the claims of their tokens; several for each role.';

create or replace function botlive.people(at_most integer)
returns table (user_id uuid, claims jsonb)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Owners come first, then users with a project value in app_metadata, for example a role.
  return query
    select u.id, jsonb_build_object('role', 'authenticated', 'aud', 'authenticated', 'sub', u.id,
      'session_id', u.id, 'iss', 'https://project.supabase.co/auth/v1',
      'iat', extract(epoch from now())::bigint, 'exp', extract(epoch from now())::bigint + 3600,
      'email', coalesce(u.one ->> 'email', ''), 'phone', coalesce(u.one ->> 'phone', ''), 'aal', 'aal1',
      'is_anonymous', coalesce((u.one ->> 'is_anonymous')::boolean, false),
      'app_metadata', '{"provider": "email", "providers": ["email"]}'::jsonb
        || case jsonb_typeof(u.one -> 'raw_app_meta_data') when 'object' then u.one -> 'raw_app_meta_data' else '{}' end,
      'user_metadata', coalesce(u.one -> 'raw_user_meta_data', '{}'))
    from (
      select s.id, s.one from (select a.id, to_jsonb(a) as one from auth.users a limit 2000) s
      union
      select a.id, to_jsonb(a) from auth.users a where a.id in (
        select m.user_id from public.company_mapping m where m.user_id is not null limit 200)
    ) u
    order by (coalesce(nullif(u.one -> 'raw_app_meta_data', 'null'), '{}') - array['provider', 'providers']) = '{}',
      u.id not in (select m.user_id from public.company_mapping m where m.user_id is not null), u.id
    limit at_most;
exception when insufficient_privilege or undefined_table or undefined_column or data_exception then
  return; -- this role may not read auth.users
end
$$;
comment on function botlive.people is 'Existing users, with the claims that their tokens have.';

create or replace function botlive.act_as(role_name text, claims jsonb)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform set_config('request.jwt.claims', claims::text, true);
  perform set_config('request.method', 'GET', true);
  perform set_config('request.headers', '{}', true);
  begin
    perform set_config('role', role_name, true);
  exception when insufficient_privilege then
    return; -- this role may not change to that one: it keeps its own rights, so the answer may be too wide, not too narrow
  end;
end
$$;
comment on function botlive.act_as is
  'From here on the transaction has the role and claims of that token, until the block is rolled back.';

revoke all on function botlive.strangers, botlive.people, botlive.act_as from public;
