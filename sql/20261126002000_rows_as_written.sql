-- Says when a trigger changes the id or the company of a row that an event makes, and which columns lose
-- what an event says although they take it.

select botlive.wait_for_workers();

create or replace function botlive.rewrites_rows(relation regclass)
returns boolean
language sql
stable
set search_path = ''
as $$
  -- BEFORE INSERT FOR EACH ROW: the only triggers that can give a row other values.
  select exists (
    select from pg_catalog.pg_trigger t
    where t.tgrelid = relation and not t.tgisinternal and t.tgenabled in ('O', 'A')
      and t.tgtype & 1 = 1 and t.tgtype & 2 = 2 and t.tgtype & 4 = 4)
$$;
comment on function botlive.rewrites_rows is 'Whether a trigger of the table may change a row before it is inserted.';

drop function if exists botlive.check_rows(botlive.arrival[]);

create or replace function botlive.check_written(fresh botlive.arrival[], all_new boolean)
returns void
language plpgsql
set search_path = ''
as $$
declare
  strange record;
begin
  -- A row that has the event's id and is the same company's was made by the event: already done.
  with expected as (
    select o.id, o.company_id, f.ord from unnest(fresh) f,
      jsonb_populate_record(null::public.orders,
        jsonb_build_object('id', f.event_id, 'company_id', f.company)) o
    where f.ordered is not null
  ), noted as (
    select a.id, a.company_id, f.ord from unnest(fresh) f,
      jsonb_populate_record(null::public.activities,
        jsonb_build_object('id', f.event_id, 'company_id', f.company)) a
  )
  select x.label, x.is_missing into strange
  from (
    select 'orders' as label, o.id is null as is_missing from expected e left join public.orders o on o.id = e.id
    where o.id is null or o.company_id is distinct from e.company_id
    union all
    select 'activities', a.id is null from noted n left join public.activities a on a.id = n.id
    where a.id is null or a.company_id is distinct from n.company_id
  ) x
  order by x.is_missing limit 1;
  if strange.label is null then
    return;
  elsif strange.is_missing or all_new then
    raise exception using errcode = 'BL003', table = strange.label,
      message = format('a trigger or rule on %s drops the row or changes its id or company', strange.label);
  end if;
  raise exception using errcode = 'unique_violation', message = 'the event''s id is that of another company''s row';
end
$$;
comment on function botlive.check_written is
  'Fails where a row of the events is not there as it was written. all_new: none of them was there before.';

create or replace function botlive.write_events(events jsonb)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  arrived botlive.arrival[] := botlive.read_events(events);
  fresh botlive.arrival[];
  fresh_ords bigint[];
  shop record;
  orders_expected bigint;
  inserted bigint;
  all_new boolean;
  outcomes jsonb;
begin
  -- In the order of the ids, so that two batches with the same events never wait for each other.
  with first_of_its_id as (
    select distinct on (e.event_id) e.*
    from unnest(arrived) e
    where e.company is not null
    order by e.event_id, e.ord
  ), claimed as (
    insert into botlive.inbox (event_id, event_type, company_id, digest, occurred_at)
    select f.event_id, f.event_type, f.company_id, f.digest, f.occurred_at
    from first_of_its_id f order by f.event_id
    on conflict (event_id) do nothing
    returning event_id
  ), toggled as (
    insert into botlive.toggles (event_id, company, occurred_at, enabled, mode)
    select f.event_id, f.company, f.occurred_at,
           (f.toggle ->> 'enabled')::boolean, f.toggle ->> 'mode'
    from first_of_its_id f join claimed c using (event_id)
    where f.toggle is not null
    on conflict (event_id) do nothing
  )
  select array_agg(f.ord) into fresh_ords from first_of_its_id f join claimed c using (event_id);
  fresh := case when cardinality(fresh_ords) = cardinality(arrived) then arrived
    else (select array_agg(e) from unnest(arrived) e where e.ord = any (fresh_ords)) end;

  if fresh is not null then
    for shop in
      select e.company, array_agg(e.event_id) as toggles
      from unnest(fresh) e where e.toggle is not null
      group by e.company order by e.company
    loop
      perform botlive.bring_sessions(shop.company, shop.toggles);
    end loop;
    orders_expected := (select count(*) from unnest(fresh) e where e.ordered is not null);
    inserted := case when orders_expected > 0 then botlive.write_orders(fresh) else 0 end;
    inserted := inserted + botlive.write_activities(fresh);
    all_new := inserted = orders_expected + cardinality(fresh);
    if not all_new or botlive.rewrites_rows('public.activities')
      or orders_expected > 0 and botlive.rewrites_rows('public.orders')
    then
      perform botlive.check_written(fresh, all_new);
    end if;
  end if;

  -- A statement of its own: it sees what another transaction persisted while this one waited for it.
  select jsonb_agg(
    case
      when e.ord = any (fresh_ords) then jsonb_build_object('outcome', 'persisted',
        'session_written', coalesce(t.session_id = t.event_id or (not t.enabled and t.session_id is not null), false))
      when i.digest = e.digest then jsonb_build_object('outcome', 'duplicate')
      when i.digest is not null then
        jsonb_build_object('outcome', 'refused', 'reason', 'event id already used')
      else jsonb_build_object('outcome', 'unknown_company')
    end order by e.ord)
  into outcomes
  from unnest(arrived) e
  left join botlive.inbox i on i.event_id = e.event_id
  left join botlive.toggles t on t.event_id = e.event_id;
  return outcomes;
end
$$;
comment on function botlive.write_events is
  'The rows of a batch, all or none: inbox, orders, activities, sessions.';

create or replace function botlive.fault_words(fault jsonb)
returns text
language sql
immutable
set search_path = ''
as $$
  -- PostgreSQL's own message is not repeated: it may quote a row.
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

create or replace function botlive.refused_sample(relation regclass, a pg_catalog.pg_attribute, samples jsonb)
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  sample jsonb;
  taken jsonb;
begin
  if a.attgenerated <> '' or a.attidentity = 'a' then
    return 'a column that computes its own value';
  end if;
  for sample in select s.value from jsonb_array_elements(samples) s loop
    begin
      execute format('select to_jsonb((jsonb_populate_record(null::%s, $1)).%I)', relation, a.attname)
        into taken using jsonb_build_object(a.attname, sample);
      if jsonb_typeof(sample) in ('array', 'object') and sample is distinct from (
        case jsonb_typeof(taken) when 'string' then (taken #>> '{}')::jsonb else taken end)
      then
        return ''; -- what the event says would be lost, or could not be read as JSON
      end if;
    exception when others then
      return case jsonb_typeof(sample)
        when 'string' then format('it does not take the value %L', sample #>> '{}')
        when 'number' then format('it does not take the number %s', sample) else '' end;
    end;
  end loop;
  return null;
end
$$;
comment on function botlive.refused_sample is
  'Why a column takes no event (an empty text where its type says all), or null where it does.';

revoke all on function botlive.rewrites_rows, botlive.check_written from public;
grant execute on function botlive.rewrites_rows, botlive.check_written to service_role;
