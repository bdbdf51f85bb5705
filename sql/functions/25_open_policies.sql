-- Finds and replaces the policies of the project that are true for everyone.
--
-- A policy's condition is evaluated for each kind of stranger, on invented and on existing rows. Nothing is written
-- to the table, none of its triggers fires, and the evaluation is rolled back. The effect of an HTTP call or of a
-- sequence cannot be rolled back; a condition with such an effect has it at each request too.

create or replace function botlive.ask_rows(
  relation regclass, condition text, role_name text, claims jsonb, rows jsonb,
  out passed boolean[], out refusal text)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  table_name name := (select c.relname from pg_class c where c.oid = relation);
  one record;
  alone record;
begin
  passed := '{}';
  if jsonb_array_length(rows) = 0 then
    return;
  end if;
  begin
    perform botlive.act_as(role_name, claims);
    -- The search path of the API, which the condition's functions may need.
    perform set_config('search_path', 'public, extensions, pg_temp', true);
    -- The rows get the table's own name and type, because the condition may use both.
    execute pg_catalog.format('select pg_catalog.array_agg(coalesce((%s), false)) '
      'from pg_catalog.jsonb_populate_recordset(null::%s, $1) as %I', condition, relation, table_name)
      into passed using rows;
    raise exception using errcode = 'BL000';
  exception
    when sqlstate 'BL000' then null;
    when others then refusal := sqlstate;
  end;
  if refusal = '42501' then -- a request would be refused too
    passed := array_fill(false, array[jsonb_array_length(rows)]);
    refusal := null;
  elsif refusal is not null and jsonb_array_length(rows) > 1 then
    -- One row may have raised the error, so each row is evaluated alone.
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
  'For each row whether the condition is true of it for that token. refusal: the SQLSTATE, if the condition raises '
  'an error for every row.';

create or replace function botlive.is_open_to_everyone(relation regclass, condition text, role_name text)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
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
      return false; -- the answer depends on data of the database
    end if;
  end loop;
  return true;
end
$$;
comment on function botlive.is_open_to_everyone is
  'Whether the condition is true of rows of other shops in every case, for everyone of the role.';

create or replace function botlive.open_parts(policy pg_catalog.pg_policy)
returns table (verb "char", is_new boolean)
language sql
set search_path = pg_catalog, pg_temp
as $$
  select distinct o.verb, o.is_new
  from (
    select p.role_name, p.condition, botlive.is_open_to_everyone(policy.polrelid, p.condition, p.role_name) as is_open
    from (select distinct q.role_name, q.condition from botlive.openings(policy) q) p
  ) j
  join botlive.openings(policy) o on o.role_name = j.role_name and o.condition = j.condition
  where j.is_open
$$;
comment on function botlive.open_parts is 'The parts of a policy that are true for everyone.';

create or replace function botlive.replace_open_policies(relation regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  policy pg_catalog.pg_policy;
  old_is_open boolean;
  new_is_open boolean;
  kept text; -- the condition of the half that is not open: for existing rows, or for new ones
  shut "char"[]; -- the commands that restrictive policies already close
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
    if kept is not null then -- a policy for own rows replaces it
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
  'Drops the policies that are true for everyone, or only the open part of them. Every other policy stays.';

revoke all on function botlive.ask_rows, botlive.is_open_to_everyone, botlive.open_parts,
  botlive.replace_open_policies from public;
