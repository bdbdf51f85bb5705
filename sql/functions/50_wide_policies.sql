-- Reports policies that let some people at rows of shops that are not theirs. They belong to the project and stay.

set standard_conforming_strings = on; -- some projects switch it off

create or replace function botlive.make_shop_to_try(company uuid, text_id text)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- The caller rolls its block back. If this role may do so, it disables the project's triggers.
  begin
    perform set_config('session_replication_role', 'replica', true);
  exception when insufficient_privilege then null;
  end;
  perform set_config('request.jwt.claims', '{"role": "service_role"}', true);
  begin
    perform botlive.map_company(text_id, company, null, 'q');
    return '';
  exception when others then null;
  end;
  begin -- some projects require an owner for every shop
    perform botlive.map_company(text_id, company, u.id, 'q') from (select a.id from auth.users a order by a.id limit 1) u;
    return coalesce((select m.user_id::text from public.company_mapping m where m.company_id = text_id), '');
  exception when others then
    return ''; -- the rows then belong to a company that does not exist
  end;
end
$$;
comment on function botlive.make_shop_to_try is
  'Makes a trial shop without members. If the project requires an owner, it has one: returns that id, else an empty'
  ' text.';

create or replace function botlive.let_in(
  relation regclass, condition text, asking_role text, company uuid, text_id text, users jsonb)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  unknown jsonb; -- rows of a company that does not exist
  made jsonb; -- rows of the trial shop
  strange jsonb; -- rows of shops whose id stands in the condition
  there jsonb := botlive.rows_there(relation, 200);
  of_others jsonb := botlive.of_another_shop(there, relation, company, text_id);
  somebody record;
  answer record;
  refusal text;
  asked integer := 0;
  refused integer := 0;
  labels text[] := '{}';
  is_any boolean;
  is_every_row boolean := true;
  is_everyone boolean := true;
  seen integer := 0;
  people integer := 0;
begin
  select coalesce(jsonb_agg(m.one) filter (where not m.is_of_a_shop_that_is_named), '[]'),
    coalesce(jsonb_agg(m.one) filter (where m.is_of_a_shop_that_is_named), '[]') into unknown, strange
  from botlive.made_up_rows(relation, condition, gen_random_uuid(), 'botlive-' || gen_random_uuid()) m;
  select coalesce(jsonb_agg(m.one) filter (where not m.is_of_a_shop_that_is_named), '[]') into made
  from botlive.made_up_rows(relation, condition, company, text_id) m;
  for somebody in
    select s.label, s.claims, s.is_everyone, true as is_stranger from botlive.strangers() s where s.role_name = asking_role
    union all
    select null, u.value, false, false from jsonb_array_elements(users) u where asking_role = 'authenticated'
  loop
    answer := botlive.ask_rows(relation, condition, asking_role, somebody.claims, unknown || made);
    asked := asked + 1;
    refused := refused + (answer.refusal is not null)::integer;
    refusal := coalesce(answer.refusal, refusal);
    is_any := coalesce(true = any (answer.passed), false);
    if is_any and false = any (answer.passed) then
      is_every_row := false;
    end if;
    answer := botlive.ask_rows(relation, condition, asking_role, somebody.claims,
      case when somebody.is_stranger then strange || there else of_others end);
    if true = any (answer.passed) then
      is_every_row := is_every_row and is_any;
      is_any := true;
    end if;
    if somebody.is_stranger then
      seen := greatest(seen, (select count(*) from unnest(answer.passed) with ordinality as p (passed, n)
                              where p.passed and p.n > jsonb_array_length(strange)));
      is_everyone := is_everyone and (is_any or not somebody.is_everyone);
      labels := labels || case when is_any then array[somebody.label] else '{}' end;
    else
      people := people + is_any::integer;
    end if;
  end loop;
  return jsonb_build_object('labels', to_jsonb(labels), 'is_everyone', is_everyone and labels <> '{}',
    'is_every_row', is_every_row, 'seen', seen, 'there', jsonb_array_length(there), 'people', people,
    'refusal', case when refused = asked then refusal end);
end
$$;
comment on function botlive.let_in is
  'Who gets at rows of shops that are not theirs through this condition, and at how many.';

create or replace function botlive.who(asking_role text, found jsonb, users integer)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when asking_role = 'anon' then 'anyone, without a token (anon),'
    when (found ->> 'is_everyone')::boolean then 'every signed-in user (authenticated)'
    when found -> 'labels' <> '[]' then format('whoever signs in %s (authenticated)', (
      select string_agg(l, ' or ') from jsonb_array_elements_text(found -> 'labels') l))
    else format('%s of %s users that were asked (authenticated)', found ->> 'people', users) end
$$;

create or replace function botlive.trust_words(condition text)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when condition ~ 'user_meta_?data' then 'user_metadata, which each user writes for himself'
    when condition ~ 'request[.]header' then 'request headers, which each caller writes' end
$$;
comment on function botlive.trust_words is 'What the condition trusts although the caller can choose it.';

create or replace function botlive.judged_policies(company uuid, text_id text, owner text, until_time timestamptz)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  policy pg_catalog.pg_policy;
  opening record;
  found jsonb;
  users jsonb;
  said jsonb := '[]';
begin
  select coalesce(jsonb_agg(p.claims), '[]') into users from botlive.people(12) p where p.user_id::text <> owner;
  for policy in
    select p.* from pg_catalog.pg_policy p join pg_catalog.pg_class c on c.oid = p.polrelid
    where c.oid in (select k.relation from botlive.known_tables k) and c.relkind in ('r', 'p') and c.relrowsecurity
      and p.polpermissive and p.polname not like 'botlive^_owner^_%' escape '^'
    order by c.relname, p.polname
  loop
    for opening in
      select o.role_name, o.condition, bool_and(o.is_new) as is_new, array_agg(distinct o.verb::text) as verbs
      from botlive.openings(policy) o
      where pg_catalog.has_table_privilege(o.role_name, policy.polrelid, case o.verb
          when 'r' then 'SELECT' when 'a' then 'INSERT' when 'w' then 'UPDATE' else 'DELETE' end)
        or o.verb <> 'd' and pg_catalog.has_any_column_privilege(o.role_name, policy.polrelid, case o.verb
          when 'r' then 'SELECT' when 'a' then 'INSERT' else 'UPDATE' end)
      group by o.role_name, o.condition order by o.role_name, bool_and(o.is_new)
    loop
      found := case when clock_timestamp() > until_time then '{"refusal": "time"}'
        else botlive.let_in(policy.polrelid, opening.condition, opening.role_name, company, text_id, users) end;
      said := said || (to_jsonb(opening) || found || jsonb_build_object('relation', policy.polrelid::regclass,
        'name', policy.polname, 'using', pg_catalog.pg_get_expr(policy.polqual, policy.polrelid),
        'who', case when found ? 'people' then botlive.who(opening.role_name, found, jsonb_array_length(users)) end));
    end loop;
  end loop;
  return said;
end
$$;

create or replace function botlive.policies_to_name(at_most interval default interval '5 seconds')
returns table (relation text, policy_name text, words text, cure text)
language plpgsql
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
declare
  company uuid := gen_random_uuid();
  text_id text := 'botlive-' || gen_random_uuid();
  owner text;
  said jsonb;
begin
  begin
    owner := botlive.make_shop_to_try(company, text_id);
    said := botlive.judged_policies(company, text_id, owner, clock_timestamp() + at_most);
    raise exception using errcode = 'BL000';
  exception when sqlstate 'BL000' then null;
  end;
  return query
    with judged as (
      select j.*, p.verb_names,
        case when j.is_any then format('%s %s %s of shops that are not theirs', j.who, p.verb_names, concat(
            case when j.is_every_row then 'every row' else 'some rows' end,
            case when j.there > 0 and j.seen > 0 and not p.verb_names = 'insert'
              then format(' (%s of the %s that were looked at)', j.seen, j.there) end)) end as gives
      from (
        select r.*, r.labels <> '[]' or r.people > 0 as is_any
        from jsonb_to_recordset(said) as r (relation text, name text, "using" text, who text, condition text,
          is_new boolean, verbs text[], role_name text, labels jsonb, people integer, is_every_row boolean,
          seen integer, there integer, refusal text)
      ) j, lateral (
        select string_agg(n.name, ', ' order by n.place) as verb_names
        from (values ('r', 'read', 1), ('a', 'insert', 2), ('w', 'change', 3), ('d', 'delete', 4)) as n (verb, name, place)
        where n.verb = any (j.verbs)
      ) p
    )
    select j.relation, j.name,
      case
        when bool_or(j.is_any) then format('the policy %I on %s lets %s', j.name, j.relation,
          string_agg(distinct j.gives, '; and '))
        when min(botlive.trust_words(j.condition)) is not null then format('the policy %I on %s believes %s', j.name,
          j.relation, min(botlive.trust_words(j.condition)))
        when bool_or(j.refusal = 'time') then format('the policy %I on %s could not be judged in the time that is for it',
          j.name, j.relation)
        else format('the policy %I on %s cannot be judged: its condition raises an error (SQLSTATE %s)', j.name,
          j.relation, min(j.refusal)) end,
      case when bool_and(j.is_new or not coalesce(j.is_any, false)) and bool_or(j.is_any) and min(j."using") is not null
        then format('alter policy %I on %s with check (%s);', j.name, j.relation,
          pg_catalog.regexp_replace(min(j."using"), '[[:space:]]*\n[[:space:]]*', ' ', 'g'))
        else format('drop policy %I on %s;', j.name, j.relation) end
    from judged j
    group by j.relation, j.name
    having bool_or(j.is_any) or min(botlive.trust_words(j.condition)) is not null or bool_or(j.refusal is not null)
    order by 1, 2;
end
$$;
comment on function botlive.policies_to_name is
  'Policies of the project that let people at rows of shops that are not theirs, or that cannot be judged. '
  'Everything is rolled back.';

revoke all on function botlive.make_shop_to_try, botlive.let_in, botlive.who, botlive.trust_words,
  botlive.judged_policies, botlive.policies_to_name from public;
