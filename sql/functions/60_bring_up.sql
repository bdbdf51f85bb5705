-- Brings the project's tables up to this release. This file is the last one: it also runs what it defines.

create or replace function botlive.wait_for_workers()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Each transaction of a worker reads the mapping first. Locking it first makes this transaction wait there, before
  -- it holds other locks, which prevents deadlocks.
  if to_regclass('public.company_mapping') is not null then
    lock table public.company_mapping in access exclusive mode;
  end if;
end
$$;

create or replace function botlive.bring_up()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  own_table regclass;
begin
  perform botlive.check_owners();
  perform botlive.wait_for_workers();
  for own_table in
    select c.oid::regclass from pg_catalog.pg_class c
    where c.relnamespace = 'botlive'::regnamespace and c.relkind = 'r' and not c.relrowsecurity
  loop
    execute format('alter table %s enable row level security', own_table);
  end loop;
  perform botlive.bring_tables();
  perform botlive.bring_columns();
  perform botlive.bring_indexes();
  delete from botlive.own_definitions d where not exists (select from pg_catalog.pg_class c where c.oid = d.relation);
  perform botlive.bring_access();
  perform botlive.bring_triggers();
  perform botlive.take_strange_grants();
  perform botlive.complete_mapping();
  perform botlive.bring_broadcast();
end
$$;
comment on function botlive.bring_up is
  'Makes what is missing of tables, columns, indexes, policies, grants and triggers. It may be repeated.';

create or replace function botlive.keep_settings()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  ours regprocedure;
begin
  for ours in
    select p.oid from pg_proc p
    where (p.pronamespace = 'botlive'::regnamespace
        or p.pronamespace = 'public'::regnamespace and p.proname like 'botlive^_%' escape '^')
      and p.prokind = 'f' and p.proconfig @> array['search_path=""']
  loop
    execute format('alter function %s set search_path = pg_catalog, pg_temp', ours);
  end loop;
  for ours in
    select p.oid from pg_proc p
    where (p.pronamespace = 'botlive'::regnamespace
        or p.pronamespace = 'public'::regnamespace and p.proname like 'botlive^_%' escape '^')
      and p.prokind = 'f' and position(chr(92) in p.prosrc) > 0
  loop
    execute format('alter function %s set standard_conforming_strings = on', ours);
  end loop;
end
$$;
comment on function botlive.keep_settings is
  'Puts the temporary schema last in the search path of each of our functions, and makes a backslash literal in it.';

revoke all on function botlive.wait_for_workers, botlive.bring_up, botlive.keep_settings from public;

select botlive.keep_settings();
select botlive.bring_up();
-- Release 0.1 made this function. botlive.close_table() recognises that release by it, so it is dropped after
-- botlive.bring_up().
drop function if exists botlive.narrow(regclass, text, "char", text[]);
