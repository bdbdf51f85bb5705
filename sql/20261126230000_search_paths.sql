-- No function of ours looks into a caller's temporary schema first, as `set search_path = ''` does; and a
-- backslash in one is a backslash, whatever the project set for its database.

set standard_conforming_strings = on; -- some projects switch it off

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
  'Puts the temporary schema last for every function of ours, and lets a backslash be one. A later migration that '
  'makes some calls it at its end.';
revoke all on function botlive.keep_settings from public;

select botlive.keep_settings();
