-- Who may do what with the shops' tables.
--
-- From a table that was there before us only what is open to everyone is taken: policies that are true
-- for everyone, and, where row level security was off, the privileges that no policy uses. What was taken
-- stands in botlive.replaced_policies, with the SQL that gives it back.

select botlive.wait_for_workers();

create or replace function botlive.strange_row(relation regclass)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_object_agg(a.attname, case
    when t.oid = 'uuid'::regtype then to_jsonb(gen_random_uuid())
    when t.oid in ('json'::regtype, 'jsonb'::regtype) then '{}'::jsonb
    when t.typcategory = 'S' then '"q"'
    when t.typcategory = 'N' then '1'
    when t.typcategory = 'D' then to_jsonb(now())
    else 'null' end), '{}')
  from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
  where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
$$;
comment on function botlive.strange_row is 'A row of no company, with values that mean nothing.';

drop function if exists botlive.lets_strangers_in(regclass, text, text); -- of release 0.1

create or replace function botlive.lets_strangers_in(
  relation regclass, condition text, role_name text, strange_rows jsonb, more_claims jsonb default '{}')
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  answer boolean;
  former text := current_setting('role');
begin
  -- A condition is judged by evaluating it, on rows of others, as an unknown user.
  perform set_config('request.jwt.claims', case role_name
    when 'anon' then jsonb_build_object('role', role_name)
    else jsonb_build_object('role', role_name, 'sub', gen_random_uuid(), 'aal', 'aal2') || more_claims
    end::text, true);
  if pg_catalog.pg_has_role(current_user, role_name, 'member') then
    perform set_config('role', role_name, true);
  end if;
  begin
    -- Under the table's own name, by which a condition may speak of it.
    execute format('select bool_or(%s) from jsonb_populate_recordset(null::%s, $1) as %I', condition, relation,
      (select c.relname from pg_catalog.pg_class c where c.oid = relation)) into answer using strange_rows;
  exception when others then
    answer := false; -- it cannot be evaluated for strangers: not open to everyone
  end;
  perform set_config('role', former, true);
  perform set_config('request.jwt.claims', '', true);
  return coalesce(answer, false);
end
$$;
comment on function botlive.lets_strangers_in is
  'Whether a policy''s condition is true of one of the rows, for an unknown user.';

create or replace function botlive.opens_by(policy pg_catalog.pg_policy, role_name text)
returns table (condition text, is_new boolean)
language sql
stable
set search_path = ''
as $$
  -- What must be true for a policy to give somebody a row, or to let him write one. Restrictive policies limit it.
  select concat_ws(' and ', c.condition, (
    select string_agg(format('(%s)', case when c.is_new
        then pg_catalog.pg_get_expr(coalesce(x.polwithcheck, x.polqual), x.polrelid)
        else coalesce(pg_catalog.pg_get_expr(x.polqual, x.polrelid), 'true') end), ' and ')
    from pg_catalog.pg_policy x
    where x.polrelid = policy.polrelid and not x.polpermissive and x.polcmd in ('*', policy.polcmd)
      and (x.polroles @> array[0::oid] or x.polroles @> array[role_name::regrole::oid]))), c.is_new
  from (values
    (pg_catalog.pg_get_expr(policy.polqual, policy.polrelid), false),
    (pg_catalog.pg_get_expr(policy.polwithcheck, policy.polrelid), true)
  ) as c (condition, is_new)
  where c.condition is not null and policy.polpermissive
    and (policy.polroles @> array[0::oid] or policy.polroles @> array[role_name::regrole::oid])
$$;
comment on function botlive.opens_by is
  'The conditions, each of which opens the table to the role; none of a restrictive policy.';

create or replace function botlive.note_taken(
  relation regclass, what text, name text, reason text, give_back text)
returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into botlive.replaced_policies (relation, what, name, reason, give_back)
  values (relation::text, what, name, reason, give_back);
  if what <> 'privilege' then
    raise notice 'botlive: % % "%" on %: %',
      case what when 'policy' then 'replaced' else 'took' end, what, name, relation, reason;
  end if;
end
$$;

create or replace function botlive.policy_roles(policy pg_catalog.pg_policy)
returns text
language sql
stable
set search_path = ''
as $$
  select string_agg(case r when 0 then 'public' else quote_ident(pg_catalog.pg_get_userbyid(r)) end, ', ')
  from unnest(policy.polroles) r
$$;

create or replace function botlive.policy_sql(policy pg_catalog.pg_policy)
returns text
language sql
stable
set search_path = ''
as $$
  select format('create policy %I on %s as %s for %s to %s', policy.polname, policy.polrelid::regclass,
      case when policy.polpermissive then 'permissive' else 'restrictive' end,
      case policy.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update'
        when 'd' then 'delete' else 'all' end,
      botlive.policy_roles(policy))
    || coalesce(' using (' || pg_catalog.pg_get_expr(policy.polqual, policy.polrelid) || ')', '')
    || coalesce(' with check (' || pg_catalog.pg_get_expr(policy.polwithcheck, policy.polrelid) || ')', '')
    || ';'
$$;

create or replace function botlive.replace_open_policies(relation regclass)
returns void
language plpgsql
set search_path = ''
as $$
declare
  open_one record;
begin
  for open_one in
    select p.polname, p.polcmd, botlive.policy_sql(p) as former, x.for_new_rows_only,
      pg_catalog.pg_get_expr(p.polqual, p.polrelid) as condition, botlive.policy_roles(p) as roles
    from pg_catalog.pg_policy p
    cross join lateral (
      select bool_and(o.is_new) as for_new_rows_only
      from (values ('anon'), ('authenticated')) as r (role_name), botlive.opens_by(p, r.role_name) o
      where botlive.lets_strangers_in(relation, o.condition, r.role_name,
        jsonb_build_array(botlive.strange_row(relation)))
    ) x
    where p.polrelid = relation and x.for_new_rows_only is not null
  loop
    perform botlive.note_taken(relation, 'policy', open_one.polname, case
        when open_one.for_new_rows_only and open_one.condition is not null
        then 'everyone could write rows by it; one for own rows stands in its place'
        else 'it was true for everyone' end, open_one.former);
    execute format('drop policy %I on %s', open_one.polname, relation);
    if open_one.for_new_rows_only and open_one.condition is not null then
      -- Only what a new row must be was open: to own rows it gives what it gave.
      execute format('create policy %I on %s for %s to %s using (%s)', left(open_one.polname, 45) || ' (own rows)',
        relation, case open_one.polcmd when '*' then 'all' else 'update' end, open_one.roles, open_one.condition);
    end if;
  end loop;
end
$$;
comment on function botlive.replace_open_policies is
  'Drops the policies that are true for everyone, or takes that part of them; every other policy stays.';

create or replace function botlive.uses(relation regclass, grantee text, privilege text)
returns boolean
language sql
stable
set search_path = ''
as $$
  -- Whether a policy that is not ours needs the privilege. To change a row one must also read it.
  select exists (
    select
    from pg_catalog.pg_policy p, unnest(p.polroles) as role_id
    where p.polrelid = relation
      and p.polpermissive
      and p.polname not like 'botlive\_owner\_%'
      and case privilege
        when 'SELECT' then true
        when 'INSERT' then p.polcmd in ('a', '*')
        when 'UPDATE' then p.polcmd in ('w', '*')
        when 'DELETE' then p.polcmd in ('d', '*')
        else false end
      and (role_id = 0 or exists (
        select from (values ('anon'), ('authenticated')) as r (role_name)
        where grantee in ('public', r.role_name)
          and pg_catalog.pg_has_role(r.role_name, role_id, 'member')))
  )
$$;
comment on function botlive.uses is 'Whether a policy of the project''s own uses the privilege of the grantee.';

create or replace function botlive.granted(relation regclass)
returns table (grantee text, privilege text, give_back text)
language sql
stable
set search_path = ''
as $$
  -- What public, anon and authenticated have of a table and of its columns.
  select g.grantee, g.privilege,
    string_agg(format('grant %s%s on table %s to %s%s;', lower(g.privilege), g.columns, relation, g.grantee,
      case when g.is_grantable then ' with grant option' else '' end), ' ')
  from (
    select coalesce(r.rolname, 'public') as grantee, x.privilege_type as privilege, '' as columns, x.is_grantable
    from pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) x
      left join pg_catalog.pg_roles r on r.oid = x.grantee
    where c.oid = relation and (x.grantee = 0 or r.rolname in ('anon', 'authenticated'))
    union all
    select coalesce(r.rolname, 'public'), x.privilege_type, format(' (%I)', a.attname), x.is_grantable
    from pg_catalog.pg_attribute a, pg_catalog.aclexplode(a.attacl) x
      left join pg_catalog.pg_roles r on r.oid = x.grantee
    where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
      and (x.grantee = 0 or r.rolname in ('anon', 'authenticated'))
  ) g
  group by g.grantee, g.privilege
$$;

create or replace function botlive.take_open_privileges(relation regclass, was_open boolean)
returns void
language plpgsql
set search_path = ''
as $$
declare
  held record;
  taken text;
begin
  -- Row level security does not hold TRUNCATE back. The others are open to everyone only without it.
  for held in
    select g.* from botlive.granted(relation) g
    where g.privilege = 'TRUNCATE'
      or was_open and g.privilege in ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
        and not botlive.uses(relation, g.grantee, g.privilege)
    order by g.grantee, g.privilege
  loop
    execute format('revoke %s on table %s from %s', held.privilege, relation, held.grantee);
    perform botlive.note_taken(relation, 'privilege', format('%s of %s', lower(held.privilege), held.grantee),
      case when held.privilege = 'TRUNCATE' then 'row level security does not limit it'
        else 'row level security was off and no policy used it' end, held.give_back);
    taken := concat_ws(', ', taken, format('%s of %s', lower(held.privilege), held.grantee));
  end loop;
  if taken is not null then
    raise notice 'botlive: took privileges on %: %', relation, taken;
  end if;
end
$$;

create or replace function botlive.give_back_used_privileges(relation regclass)
returns void
language plpgsql
set search_path = ''
as $$
declare
  taken record;
begin
  -- A policy that came after us uses what no policy used before.
  for taken in
    select r.number, r.name, r.give_back from botlive.replaced_policies r
    where to_regclass(r.relation) = give_back_used_privileges.relation
      and r.what = 'privilege' and r.given_back_at is null
      and botlive.uses(give_back_used_privileges.relation, split_part(r.name, ' of ', 2), upper(split_part(r.name, ' of ', 1)))
    order by r.number
  loop
    execute taken.give_back;
    update botlive.replaced_policies set given_back_at = now() where number = taken.number;
    raise notice 'botlive: gave back privilege "%" on %: a policy uses it', taken.name, relation;
  end loop;
end
$$;

create or replace function botlive.restore_after_0_1(relation regclass)
returns void
language plpgsql
set search_path = ''
as $$
declare
  missing record;
begin
  -- Release 0.1 narrowed the privileges of policies that it kept, and wrote down nothing.
  for missing in
    select r.grantee, p.privilege
    from (values ('anon'), ('authenticated')) as r (grantee),
         (values ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) as p (privilege)
    where botlive.uses(relation, r.grantee, p.privilege)
      and not pg_catalog.has_table_privilege(r.grantee, relation, p.privilege)
  loop
    execute format('grant %s on table %s to %s', missing.privilege, relation, missing.grantee);
    raise notice 'botlive: gave back privilege "% of %" on %: release 0.1 had narrowed it',
      lower(missing.privilege), missing.grantee, relation;
  end loop;
end
$$;

create or replace function botlive.close_table(relation regclass)
returns void
language plpgsql
set search_path = ''
as $$
declare
  is_known boolean := exists (select from botlive.known_tables k where k.relation = close_table.relation::oid);
  was_open boolean := not (select c.relrowsecurity from pg_catalog.pg_class c where c.oid = close_table.relation);
begin
  if was_open then
    execute format('alter table %s enable row level security', relation);
    perform botlive.note_taken(relation, 'row level security', 'off', 'without it every row is everyone''s',
      format('alter table %s disable row level security;', relation));
  end if;
  perform botlive.replace_open_policies(relation);
  if to_regprocedure('botlive.narrow(regclass, text, "char", text[])') is not null then
    perform botlive.restore_after_0_1(relation);
  elsif was_open or not is_known then
    perform botlive.take_open_privileges(relation, was_open);
  end if;
  if not is_known then
    insert into botlive.known_tables (relation, name) values (relation::oid, relation::text);
  end if;
  perform botlive.give_back_used_privileges(relation);
end
$$;
comment on function botlive.close_table is
  'Row level security on; nothing that is open to everyone; every other policy keeps what it uses.';

create or replace function botlive.keep_facts()
returns trigger
language plpgsql
security definer -- it looks into the inbox, which signed-in users may not read
set search_path = ''
as $$
declare
  before jsonb := to_jsonb(old);
  after jsonb := to_jsonb(new);
begin
  if not exists (
    select from unnest(array['id', 'company_id', 'created_at', 'total_amount', 'items', 'metadata']) fact
    where before -> fact is distinct from after -> fact
  ) then
    return new;
  end if;
  -- Owners may change their own rows. Somebody who owns another shop only may not change what an event said.
  if not exists (select from public.company_mapping m where m.user_id = auth.uid())
    or exists (select from public.company_mapping m
               where m.user_id = auth.uid() and m.uuid::text = before ->> 'company_id')
    or not exists (select from botlive.inbox i where i.event_id = case
        when before ->> 'id' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then (before ->> 'id')::uuid end)
  then
    return new;
  end if;
  raise exception using errcode = 'insufficient_privilege', message =
    'botlive: this row was made by an event of another shop: its id, company, time, amount, items and '
    'metadata cannot be changed by you';
end
$$;
comment on function botlive.keep_facts is
  'Keeps the facts of a row that an event made from the owners of other shops, whatever policy lets them in.';

revoke all on function botlive.strange_row, botlive.lets_strangers_in, botlive.opens_by, botlive.note_taken,
  botlive.policy_roles, botlive.policy_sql,
  botlive.replace_open_policies, botlive.uses, botlive.granted, botlive.take_open_privileges,
  botlive.give_back_used_privileges, botlive.restore_after_0_1, botlive.close_table, botlive.keep_facts
  from public;
