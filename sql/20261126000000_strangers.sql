-- Whom the policies let in at rows of shops that are not theirs: asked, not guessed.
--
-- A policy's condition is evaluated as anon, as signed-in strangers with the claims that Supabase's tokens have,
-- and as users that exist: on rows that are there, and on rows made up for the purpose, in every state that the
-- condition can tell apart. Nothing is written to the table, no trigger of the table fires, and what a function
-- in a condition does is rolled back. (What leaves the database at once, like an HTTP call, or a sequence's
-- step, cannot be: a condition that does that does it at each request, too.)

set standard_conforming_strings = on; -- some projects switch it off

create or replace function botlive.strangers()
returns table (label text, role_name text, is_everyone boolean, claims jsonb)
language sql
volatile -- another stranger each time
set search_path = ''
as $$
  -- Everyone: whoever asks without a token, and whoever signs up in a usual way.
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
  'Made-up people that own nothing, with the claims of their tokens; several of each role.';

create or replace function botlive.people(at_most integer)
returns table (user_id uuid, claims jsonb)
language plpgsql
stable
set search_path = ''
as $$
begin
  -- Owners first, then those whom the project gave something in app_metadata, for example a role.
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
  return; -- this role does not see who there is
end
$$;
comment on function botlive.people is 'Users that exist, with the claims that their tokens have.';

create or replace function botlive.key_columns(relation regclass)
returns text[]
language sql
stable
set search_path = ''
as $$
  -- What says whose a row is.
  select case c.relname when 'companies' then array['id'] when 'company_mapping' then array['uuid', 'company_id']
    else array['company_id'] end
  from pg_catalog.pg_class c where c.oid = relation
$$;

create or replace function botlive.fits(relation regclass, column_name text, value jsonb)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
declare
  taken jsonb;
begin
  execute format('select to_jsonb((jsonb_populate_record(null::%s, $1)).%I)', relation, column_name)
    into taken using jsonb_build_object(column_name, value);
  return true;
exception when others then
  return false; -- a value that the column's type does not have
end
$$;

create or replace function botlive.allowed_words(relation regclass, a pg_catalog.pg_attribute)
returns text[]
language sql
stable
set search_path = ''
as $$
  -- The words that a column may hold, where these are few: by its type, by a check, or by what events are.
  select array_agg(distinct w.word) from (
    select e.enumlabel::text as word from pg_catalog.pg_enum e where e.enumtypid = a.atttypid
    union all
    select m.found[1]
    from pg_catalog.pg_constraint k,
      pg_catalog.regexp_matches(pg_catalog.pg_get_constraintdef(k.oid), '''([^'']+)''::', 'g') as m (found)
    where k.conrelid = relation and k.contype = 'c' and k.conkey = array[a.attnum]
    union all
    select unnest(v.words)
    from (values
      ('orders', 'status', array['pending', 'completed', 'cancelled']),
      ('activities', 'type', array['order', 'message', 'intervention', 'system']),
      ('activities', 'status', array['success', 'warning', 'info', 'error']),
      ('bot_sessions', 'mode', array['live', 'rag'])) as v (table_name, column_name, words)
    where v.column_name = a.attname
      and v.table_name = (select c.relname from pg_catalog.pg_class c where c.oid = relation)
  ) w
$$;

create or replace function botlive.possible_values(relation regclass, a pg_catalog.pg_attribute, condition text)
returns table (value jsonb, is_usual boolean)
language sql
stable
set search_path = ''
as $$
  -- What a column of a shop's row may hold, as far as a condition can tell it apart. Unusual is an empty value
  -- where events always write one.
  with spoken as (
    select distinct replace(m.found[1], '''''', '''') as word
    from pg_catalog.regexp_matches(condition, '''((?:[^'']|'''')*)''(?!::(?:interval|regclass))', 'g') as m (found)
    limit 12
  ), numbers as (
    select distinct m.found[1]::numeric as n
    from pg_catalog.regexp_matches(condition, '(?:^|[^0-9A-Za-z_.])([0-9]{1,12}(?:[.][0-9]{1,4})?)(?![0-9A-Za-z_.])', 'g')
      as m (found)
    limit 6
  ), known as (
    select botlive.allowed_words(relation, a) as words, t.typcategory as category,
      t.oid in ('json'::regtype, 'jsonb'::regtype) as is_json, t.oid = 'uuid'::regtype as is_uuid,
      -- What a condition says no to may occur.
      pg_catalog.replace(condition, 'IS NOT NULL', '') ~ '<>|!~|[[:<:]](NOT|CASE|EXCEPT)[[:>:]]' as has_no
    from pg_catalog.pg_type t where t.oid = a.atttypid
  )
  select v.value, bool_or(v.is_usual) from (
    select to_jsonb(gen_random_uuid()), true from known k where k.is_uuid
    union all select to_jsonb(unnest(k.words)), true from known k where k.category in ('S', 'E')
    union all select to_jsonb(w), true from known k, unnest(array['Awa', '', '7', gen_random_uuid()::text]) w
      where k.category = 'S' and k.words is null
    union all select to_jsonb(s.word), k.words is null or k.has_no
      from spoken s, known k where k.category = 'S' or k.is_uuid
    union all select to_jsonb(b), true from known k, unnest(array[true, false]) b where k.category = 'B'
    union all select to_jsonb(n), true from known k, unnest(array[0, 12000]) n where k.category = 'N'
    union all select to_jsonb(s.n + d), s.n + d > 0
      from numbers s, known k, unnest(array[-1, 0, 1]) d where k.category = 'N'
    union all select to_jsonb(now() + i), i < interval '1 day'
      from known k, unnest(array[interval '-1 second', '-40 days', '-10 years', '12 hours', '1 year']) i
      where k.category = 'D'
    union all select to_jsonb(s.word), true from spoken s, known k where k.category = 'D' and s.word ~ '^[0-9]{4}-'
    union all select j, true from known k, unnest(array['{}', '{"zone": "Cocody", "event": "session_started"}']::jsonb[]) j
      where k.is_json
    union all select jsonb_build_object(s.word, o.value), true
      from spoken s, known k, lateral (
        select to_jsonb(p.word) as value from spoken p where p.word <> s.word union all select 'true') o
      where k.is_json
    union all select '[]', true from known k where k.category = 'A'
    union all select 'null', not exists (
        select from (values
          ('orders', 'id company_id customer_name total_amount status items created_at updated_at'),
          ('activities', 'id company_id type title description status metadata created_at'),
          ('bot_sessions', 'id company_id mode started_at created_at'),
          ('companies', 'id'), ('company_mapping', 'uuid company_id created_at updated_at')
        ) as w (table_name, names)
        where w.table_name = (select c.relname from pg_catalog.pg_class c where c.oid = relation)
          and a.attname = any (string_to_array(w.names, ' ')))
      where not a.attnotnull
  ) as v (value, is_usual)
  where botlive.fits(relation, a.attname, v.value)
  group by v.value
$$;

create or replace function botlive.made_up_rows(relation regclass, condition text, company uuid, text_id text)
returns table (one jsonb, is_usual boolean, is_of_a_shop_that_is_named boolean)
language plpgsql
set search_path = ''
as $$
declare
  keys text[] := botlive.key_columns(relation);
  base jsonb;
  sets jsonb := '[]'; -- of each column that the condition speaks of: its name and values
  many jsonb;
  product numeric := 1;
  a pg_catalog.pg_attribute;
begin
  select coalesce(jsonb_object_agg(k.name, k.value), '{}') into base
  from (values ('id', company::text), ('uuid', company::text),
      ('company_id', case when array_length(keys, 1) = 2 or relation::text ~ 'company_rag_configs$' then text_id
        else company::text end)) as k (name, value)
  where k.name = any (keys) and botlive.fits(relation, k.name, to_jsonb(k.value));
  for a in
    select x.* from pg_catalog.pg_attribute x
    where x.attrelid = relation and x.attnum > 0 and not x.attisdropped and not x.attname = any (keys)
      and (condition ~ ('[[:<:]]' || pg_catalog.regexp_replace(x.attname, '([^A-Za-z0-9_])', '\\\1', 'g') || '[[:>:]]')
        or condition like '%.*%')
    order by x.attnum
  loop
    select jsonb_agg(jsonb_build_array(jsonb_build_object(a.attname, v.value), v.is_usual)
      order by v.is_usual desc, v.value = 'null') into many
    from botlive.possible_values(relation, a, condition) v;
    continue when many is null;
    base := base || (many #> '{0,0}');
    sets := sets || jsonb_build_array(many);
    product := product * jsonb_array_length(many);
  end loop;
  if product <= 400 then -- every combination
    return query
      with recursive combined as (
        select 0 as depth, base as one, true as is_usual
        union all
        select c.depth + 1, c.one || (v.value -> 0), c.is_usual and (v.value ->> 1)::boolean
        from combined c, jsonb_array_elements(sets -> c.depth) v
        where c.depth < jsonb_array_length(sets)
      )
      select c.one, c.is_usual, false from combined c, generate_series(1, case when product < 8 then 8 else 1 end)
      where c.depth = jsonb_array_length(sets); -- several times: chance may be in it
  else -- each value once, and all columns filled or empty
    return query
      select base || (v.value -> 0), (v.value ->> 1)::boolean, false
      from jsonb_array_elements(sets) s, jsonb_array_elements(s.value) v
      union all select base, true, false
      union all select base || (
          select jsonb_object_agg(e.key, 'null'::jsonb) from jsonb_array_elements(sets) s, jsonb_each(s.value #> '{0,0}') e),
        false, false;
  end if;
  -- A condition may speak of one shop by its id.
  return query
    select base || jsonb_build_object(k, m.found[1]), false, true
    from unnest(keys) k, pg_catalog.regexp_matches(condition, '''([^'']+)''::(?:uuid|text)', 'g') as m (found)
    where botlive.fits(relation, k, to_jsonb(m.found[1]));
end
$$;
comment on function botlive.made_up_rows is
  'Rows of a company, in every state that the condition can tell apart.';

create or replace function botlive.rows_there(relation regclass, at_most integer)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  found jsonb;
begin
  execute format('select coalesce(jsonb_agg(to_jsonb(t)), ''[]'') from (select * from %s limit %s) t', relation, at_most)
    into found;
  return (select coalesce(jsonb_agg(r.value), '[]') from jsonb_array_elements(found) r
    where nullif(r.value -> (botlive.key_columns(relation))[1], 'null') is not null);
exception when insufficient_privilege then
  return '[]';
end
$$;
comment on function botlive.rows_there is 'Some rows of the table, of those that are a shop''s.';

create or replace function botlive.of_another_shop(rows jsonb, relation regclass, company uuid, text_id text)
returns jsonb
language sql
stable
set search_path = ''
as $$
  -- The same rows as if they were of another shop, without what may make them somebody's.
  select coalesce(jsonb_agg((
    select jsonb_object_agg(e.key, case
      when e.key = any (botlive.key_columns(relation)) then case
        when relation::text ~ 'company_(rag_configs|mapping)$' and e.key = 'company_id' then to_jsonb(text_id)
        else to_jsonb(company) end
      when e.value #>> '{}' ~* '@|[0-9]{8}|[0-9a-f]{8}(-[0-9a-f]{4}){3}' then case
        when a.atttypid = 'uuid'::regtype then to_jsonb(gen_random_uuid())
        when a.attname = any (array['created_at', 'updated_at', 'started_at', 'ended_at']) then e.value
        else 'null' end
      when exists (select from pg_catalog.pg_constraint f
                   where f.conrelid = relation and f.contype = 'f' and a.attnum = any (f.conkey)) then 'null'
      else e.value end)
    from jsonb_each(r.value) e
    join pg_catalog.pg_attribute a on a.attrelid = relation and a.attname = e.key)), '[]')
  from jsonb_array_elements(rows) r
$$;

create or replace function botlive.act_as(role_name text, claims jsonb)
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform set_config('request.jwt.claims', claims::text, true);
  perform set_config('request.method', 'GET', true);
  perform set_config('request.headers', '{}', true);
  begin
    perform set_config('role', role_name, true);
  exception when insufficient_privilege then
    return; -- it may not become that role: then with its own rights, which sees too much rather than too little
  end;
end
$$;
comment on function botlive.act_as is 'From here on as the API would be for that token, until the block is rolled back.';

create or replace function botlive.ask_rows(
  relation regclass, condition text, role_name text, claims jsonb, rows jsonb,
  out passed boolean[], out refusal text)
language plpgsql
set search_path = ''
as $$
declare
  one record;
  alone record;
begin
  passed := '{}';
  if jsonb_array_length(rows) = 0 then
    return;
  end if;
  begin
    perform botlive.act_as(role_name, claims);
    perform set_config('search_path', 'public, extensions, pg_temp', true); -- what the condition's functions find
    -- Under the table's own name and type, by which a condition may speak of it.
    execute pg_catalog.format('select array_agg(coalesce((%s), false)) from jsonb_populate_recordset(null::%s, $1) as %I',
      condition, relation, (select c.relname from pg_catalog.pg_class c where c.oid = relation)) into passed using rows;
    raise exception using errcode = 'BL000';
  exception
    when sqlstate 'BL000' then null;
    when others then refusal := sqlstate;
  end;
  if refusal = '42501' then -- as it would be for a request
    passed := array_fill(false, array[jsonb_array_length(rows)]);
    refusal := null;
  elsif refusal is not null and jsonb_array_length(rows) > 1 then
    -- One row's value may have raised it: the others are asked alone.
    passed := '{}';
    for one in select r.value from jsonb_array_elements(rows) with ordinality as r (value, n) order by r.n limit 40 loop
      alone := botlive.ask_rows(relation, condition, role_name, claims, jsonb_build_array(one.value));
      passed := passed || coalesce(alone.passed[1], false);
      refusal := case when alone.refusal is null then '' else refusal end;
    end loop;
    refusal := nullif(refusal, '');
  end if;
end
$$;
comment on function botlive.ask_rows is
  'For each row whether the condition is true of it for that token; refusal: the SQLSTATE, where it raises for all rows.';

create or replace function botlive.openings(policy pg_catalog.pg_policy)
returns table (role_name text, verb "char", is_new boolean, condition text)
language sql
stable
set search_path = ''
as $$
  -- What must be true for a policy to let a role read, change or delete a row, or write one that is like this.
  -- Restrictive policies limit each of these by itself.
  select r.role_name, v.verb, c.is_new, format('(%s)', c.condition) || coalesce((
    select string_agg(format(' and (%s)', case when c.is_new
        then pg_catalog.pg_get_expr(coalesce(x.polwithcheck, x.polqual), x.polrelid)
        else pg_catalog.pg_get_expr(x.polqual, x.polrelid) end), '' order by x.polname)
    from pg_catalog.pg_policy x
    where x.polrelid = policy.polrelid and not x.polpermissive and x.polcmd in ('*', v.verb)
      and exists (select from unnest(x.polroles) g
                  where g = 0 or pg_catalog.pg_has_role(r.role_name, g, 'usage'))), '')
  from (values ('anon'), ('authenticated')) as r (role_name),
    (values ('r'::"char"), ('a'), ('w'), ('d')) as v (verb),
    (values
      (pg_catalog.pg_get_expr(policy.polqual, policy.polrelid), false),
      (pg_catalog.pg_get_expr(coalesce(policy.polwithcheck, policy.polqual), policy.polrelid), true)
    ) as c (condition, is_new)
  where policy.polpermissive and policy.polcmd in ('*', v.verb) and c.condition is not null
    and (v.verb = 'w' or c.is_new = (v.verb = 'a'))
    and exists (select from unnest(policy.polroles) g where g = 0 or pg_catalog.pg_has_role(r.role_name, g, 'usage'))
$$;
comment on function botlive.openings is
  'The conditions, each of which opens the table to a role for a verb; none of a restrictive policy.';

create or replace function botlive.is_open_to_everyone(relation regclass, condition text, role_name text)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  somebody record;
  usual jsonb;
  there jsonb;
  answer record;
begin
  select coalesce(jsonb_agg(m.one), '[]') into usual
  from botlive.made_up_rows(relation, condition, gen_random_uuid(), 'botlive-' || gen_random_uuid()) m where m.is_usual;
  there := botlive.rows_there(relation, 200);
  for somebody in
    select s.claims from botlive.strangers() s where s.role_name = is_open_to_everyone.role_name and s.is_everyone
  loop
    answer := botlive.ask_rows(relation, condition, role_name, somebody.claims, usual);
    if answer.refusal is not null or not true = all (answer.passed) then
      return false;
    end if;
    answer := botlive.ask_rows(relation, condition, role_name, somebody.claims, there);
    if answer.refusal is null and not true = all (answer.passed) then
      return false; -- something in the database decides it
    end if;
  end loop;
  return true;
end
$$;
comment on function botlive.is_open_to_everyone is
  'Whether the condition is true of rows of strangers in every state, for everyone of the role.';

create or replace function botlive.open_parts(policy pg_catalog.pg_policy)
returns table (verb "char", is_new boolean)
language sql
set search_path = ''
as $$
  select distinct o.verb, o.is_new
  from (
    select p.role_name, p.condition, botlive.is_open_to_everyone(policy.polrelid, p.condition, p.role_name) as is_open
    from (select distinct q.role_name, q.condition from botlive.openings(policy) q) p
  ) j
  join botlive.openings(policy) o on o.role_name = j.role_name and o.condition = j.condition
  where j.is_open
$$;
comment on function botlive.open_parts is 'What of a policy is true for everyone.';

create or replace function botlive.replace_open_policies(relation regclass)
returns void
language plpgsql
set search_path = ''
as $$
declare
  policy pg_catalog.pg_policy;
  old_is_open boolean;
  new_is_open boolean;
  kept text; -- the half of the policy that is not open: of existing rows, or of new ones
  shut "char"[]; -- the verbs that restrictive policies keep from everyone
  part "char";
  command text;
begin
  for policy in
    select p.* from pg_catalog.pg_policy p
    where p.polrelid = relation and p.polname not like 'botlive^_owner^_%' escape '^' order by p.polname
  loop
    select coalesce(bool_or(not o.is_new), false), bool_or(o.is_new),
      array(select distinct q.verb from botlive.openings(policy) q where policy.polcmd = '*' and not q.verb = any (array_agg(o.verb)))
    into old_is_open, new_is_open, shut
    from botlive.open_parts(policy) o;
    continue when new_is_open is null;
    kept := case when policy.polqual is null or policy.polwithcheck is null or old_is_open and new_is_open then null
      else pg_catalog.pg_get_expr(case when old_is_open then policy.polwithcheck else policy.polqual end, relation) end;
    perform botlive.note_taken(relation, 'policy', policy.polname, case
      when kept is null then 'it was true for everyone'
      when new_is_open then 'everyone could write rows by it; one for own rows stands in its place'
      else 'it was true of everyone''s rows; one for own rows stands in its place' end, botlive.policy_sql(policy));
    execute format('drop policy %I on %s', policy.polname, relation);
    if kept is not null then -- to own rows it gives what it gave
      execute format('create policy %I on %s for %s to %s using (%s)', left(policy.polname, 45) || ' (own rows)',
        relation, case policy.polcmd when '*' then 'all' else 'update' end, botlive.policy_roles(policy), kept);
      continue;
    end if;
    foreach part in array shut loop
      command := case part when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' else 'delete' end;
      execute format('create policy %I on %s for %s to %s', format('%s (%s)', left(policy.polname, 45), command),
          relation, command, botlive.policy_roles(policy))
        || case when part <> 'a' then format(' using (%s)', pg_catalog.pg_get_expr(policy.polqual, relation)) else '' end
        || case when part in ('a', 'w') then format(' with check (%s)',
             pg_catalog.pg_get_expr(coalesce(policy.polwithcheck, policy.polqual), relation)) else '' end;
    end loop;
  end loop;
end
$$;
comment on function botlive.replace_open_policies is
  'Drops the policies that are true for everyone, or takes that part of them; every other policy stays.';

revoke all on function botlive.strangers, botlive.people, botlive.key_columns, botlive.fits, botlive.allowed_words,
  botlive.possible_values, botlive.made_up_rows, botlive.rows_there, botlive.of_another_shop, botlive.act_as,
  botlive.ask_rows, botlive.openings, botlive.is_open_to_everyone, botlive.open_parts, botlive.replace_open_policies
  from public;
