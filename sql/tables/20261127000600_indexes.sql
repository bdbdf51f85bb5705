-- Drops three indexes that no query needs. Each slows down every event that writes to its table.
--
-- orders_dated_idx, activities_dated_idx: an earlier release made them for the reads of 46_reads.sql, which now use the
-- same indexes as the front end. Only an index with our own definition is dropped: another one of that name is the
-- project's. toggles_disables_idx: botlive.bring_sessions() reads all toggles up to the next disable anyway.

do $$
declare
  ours record;
begin
  for ours in
    select i.oid::regclass::text as name
    from (values
      ('public.orders_dated_idx', 'CREATE INDEX orders_dated_idx ON public.orders USING btree '
        '(company_id, created_at DESC NULLS LAST, id DESC) WHERE (%''pending''%)'),
      ('public.activities_dated_idx', 'CREATE INDEX activities_dated_idx ON public.activities USING btree '
        '(company_id, created_at DESC NULLS LAST, id DESC)')
    ) as d (index_name, definition)
    join pg_catalog.pg_class i on i.oid = to_regclass(d.index_name)
    where replace(pg_catalog.pg_get_indexdef(i.oid), ' ON ONLY ', ' ON ') like d.definition
  loop
    execute format('drop index %s', ours.name);
    raise notice 'botlive: dropped the index %, which no query needs', ours.name;
  end loop;
end
$$;

drop index if exists botlive.toggles_disables_idx;
