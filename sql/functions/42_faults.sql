-- Classifies a failed write, and describes it without any value of a row.

set standard_conforming_strings = on; -- some projects switch it off

create or replace function botlive.is_passing(code text)
returns boolean
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  -- Transient faults and faults of the server: the worker repeats the whole call. Every other fault comes from the
  -- shops' tables, their constraints or their triggers.
  select code like any (array['40001', '40P01', '53%', '55P03', '55006', '57%', '58%', '25006', 'XX%'])
$$;

create or replace function botlive.attempt(events jsonb)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
declare
  table_label text;
  constraint_label text;
  column_label text;
  stack text;
  theirs text; -- the function of the project that failed
begin
  return jsonb_build_object('outcomes', botlive.write_events(events));
exception when others then
  get stacked diagnostics table_label = table_name, constraint_label = constraint_name,
    column_label = column_name, stack = pg_exception_context;
  select f[1] into theirs
  from pg_catalog.regexp_matches(stack, '(?:PL/pgSQL|SQL) function "?([^[:space:]("]+)', 'g') f
  where f[1] !~ '^(public[.])?botlive[._]' limit 1;
  -- An error that a function of the project raises itself is no fault of the server, whatever its code.
  if botlive.is_passing(sqlstate) and not coalesce(theirs is not null
    and (sqlstate ~ '^(XX|58)' or stack ~ '^PL/pgSQL function (?!(public[.])?botlive[._])[^\n]* at RAISE'), false)
  then
    raise;
  end if;
  return jsonb_build_object('sqlstate', sqlstate, 'table', nullif(table_label, ''),
    'constraint', nullif(constraint_label, ''), 'column', nullif(column_label, ''),
    'function', theirs);
end
$$;
comment on function botlive.attempt is
  'Writes the events. Returns {"outcomes": …}, or the fault of the tables, with names only and no values.';

create or replace function botlive.fault_words(fault jsonb)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  -- PostgreSQL's own message is left out, because it may contain values of a row.
  select case
    when fault ->> 'sqlstate' = '23514' and fault ->> 'constraint' is not null
      then format('the check %s on %s refuses it', fault ->> 'constraint', fault ->> 'table')
    when fault ->> 'sqlstate' = '23502' and fault ->> 'column' is not null
      then format('%s.%s must not be empty', fault ->> 'table', fault ->> 'column')
    else format('%s (%s)', case
      when fault ->> 'constraint' is not null
        then format('the constraint %s on %s refuses it', fault ->> 'constraint', fault ->> 'table')
      when fault ->> 'sqlstate' = 'BL003'
        then format('a trigger or rule on %s drops the row or changes its id or company', fault ->> 'table')
      when fault ->> 'function' is not null
        then format('the project''s function %s fails', fault ->> 'function')
      when fault ->> 'sqlstate' like '22%' then 'a value does not fit its column'
      when fault ->> 'sqlstate' = '42501' then 'the worker''s role lacks a privilege on the table, or on what hangs on it'
      else 'the database refuses it' end, fault ->> 'sqlstate') end
$$;

create or replace function botlive.way_out(fault jsonb)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when fault ->> 'sqlstate' = '23502' and fault ->> 'column' is not null
      then format(' (alter table public.%I alter column %I drop not null;)', fault ->> 'table', fault ->> 'column')
    when fault ->> 'sqlstate' = '23514' and fault ->> 'constraint' is not null and exists (
      select from pg_catalog.pg_constraint k
      where k.conrelid = to_regclass(format('public.%I', fault ->> 'table')) and k.conname = fault ->> 'constraint')
      then format(' (let it take such rows, or alter table public.%I drop constraint %I;)',
        fault ->> 'table', fault ->> 'constraint')
    when fault ->> 'sqlstate' = '42501' and fault ->> 'function' is not null
      then ' (grant service_role what it uses, or alter it to be security definer)'
    else '' end
$$;
comment on function botlive.way_out is 'The SQL that repairs a fault of the shop''s tables, or an empty text.';

revoke all on function botlive.is_passing, botlive.attempt, botlive.fault_words, botlive.way_out from public;
grant execute on function botlive.is_passing, botlive.attempt, botlive.fault_words, botlive.way_out
  to service_role;
