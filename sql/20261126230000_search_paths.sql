-- No function of ours looks into a caller's temporary schema first, as `set search_path = ''` does.

create or replace function botlive.keep_search_paths()
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
        or p.pronamespace = 'public'::regnamespace and p.proname like 'botlive\_%')
      and p.prokind = 'f' and p.proconfig @> array['search_path=""']
  loop
    execute format('alter function %s set search_path = pg_catalog, pg_temp', ours);
  end loop;
end
$$;
comment on function botlive.keep_search_paths is
  'Puts the temporary schema last for every function of ours. A later migration that makes some calls it at its end.';
revoke all on function botlive.keep_search_paths from public;

select botlive.keep_search_paths();
