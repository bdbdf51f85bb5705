-- Writes a batch of events: inbox, orders, activities and sessions.
--
-- The project's triggers, checks and defaults may rely on the search path of Supabase's API (`public, extensions`). A
-- function that writes to the shops' tables prepares its rows first. It sets that path just before the statement that
-- writes them, and this statement qualifies each function and operator: see 05_trust.sql.

create or replace function botlive.shops(text_ids text[])
returns table (company_id text, uuid uuid)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  -- A mapping to a company that does not exist does not count.
  return query
    select m.company_id, m.uuid
    from public.company_mapping m
    where m.company_id = any (text_ids) and exists (
      select from public.companies c
      where c.id = (jsonb_populate_record(null::public.companies, jsonb_build_object('id', m.uuid))).id);
end
$$;
comment on function botlive.shops is 'The text ids of the list that have a company, with its UUID.';

create or replace function botlive.read_events(events jsonb)
returns botlive.arrival[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with parsed as (
    select e.ord, e.event_id, e.event_type, e.company_id, e.occurred_at::timestamptz, e.occurred_at as instant,
           e.digest, e.activity, nullif(e."order", 'null') as ordered, nullif(e.toggle, 'null') as toggle
    from rows from (jsonb_to_recordset(events) as (
      event_id uuid, event_type text, company_id text, occurred_at text,
      digest text, activity jsonb, "order" jsonb, toggle jsonb
    )) with ordinality as e (event_id, event_type, company_id, occurred_at, digest, activity, "order", toggle, ord)
  ), shops as (
    select s.company_id, s.uuid
    from botlive.shops((select array_agg(distinct p.company_id) from parsed p)) s
  )
  select array_agg((p.ord, p.event_id, p.event_type, p.company_id, p.occurred_at, p.instant, p.digest,
    p.activity, p.ordered, p.toggle, s.uuid)::botlive.arrival order by p.ord)
  from parsed p left join shops s on s.company_id = p.company_id
$$;

create or replace function botlive.lock_companies(events jsonb)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Only one transaction at a time handles the toggles of a company. All transactions take these locks first and
  -- in the same order, which prevents deadlocks.
  perform pg_catalog.pg_advisory_xact_lock(keys.key)
  from (
    select distinct pg_catalog.hashtextextended('botlive.sessions ' || m.uuid, 0) as key
    from jsonb_array_elements(events) e
    join public.company_mapping m on m.company_id = e ->> 'company_id'
    where jsonb_typeof(e -> 'toggle') = 'object'
    order by 1
  ) keys;
end
$$;

create or replace function botlive.write_orders(fresh botlive.arrival[])
returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  inserted bigint;
  rows jsonb[] := (
    select array_agg(f.ordered || jsonb_build_object('id', f.event_id, 'company_id', f.company, 'status', 'pending',
      'created_at', f.instant, 'updated_at', f.instant))
    from unnest(fresh) f where f.ordered is not null);
begin
  perform set_config('search_path', 'public, extensions, pg_temp', true);
  -- jsonb_populate_record casts to the types of the columns: the project may have chosen other types.
  insert into public.orders (id, company_id, conversation_id, customer_name, total_amount, status,
                             items, metadata, created_at, updated_at)
  select r.id, r.company_id, r.conversation_id, r.customer_name, r.total_amount, r.status,
         r.items, r.metadata, r.created_at, r.updated_at
  from pg_catalog.unnest(rows) e, pg_catalog.jsonb_populate_record(null::public.orders, e) r
  on conflict (id) do nothing;
  get diagnostics inserted = row_count;
  return inserted;
end
$$;

create or replace function botlive.write_activities(fresh botlive.arrival[])
returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  inserted bigint;
  rows jsonb[] := (
    select array_agg(f.activity || jsonb_build_object('id', f.event_id, 'company_id', f.company, 'created_at', f.instant)
      || case when t.event_id is null then '{}' else jsonb_build_object(
        'description', botlive.session_text(t),
        'metadata', f.activity -> 'metadata' || jsonb_build_object('session_id', t.session_id)) end)
    from unnest(fresh) f left join botlive.toggles t on f.toggle is not null and t.event_id = f.event_id);
begin
  perform set_config('search_path', 'public, extensions, pg_temp', true);
  insert into public.activities (id, company_id, conversation_id, type, title, description, status,
                                 metadata, customer_name, created_at)
  select r.id, r.company_id, r.conversation_id, r.type, r.title, r.description, r.status,
         r.metadata, r.customer_name, r.created_at
  from pg_catalog.unnest(rows) e, pg_catalog.jsonb_populate_record(null::public.activities, e) r
  on conflict (id) do nothing;
  get diagnostics inserted = row_count;
  return inserted;
end
$$;

create or replace function botlive.rewrites_rows(relation regclass)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- Only triggers BEFORE INSERT FOR EACH ROW can change the values of a row.
  select exists (
    select from pg_catalog.pg_trigger t
    where t.tgrelid = relation and not t.tgisinternal and t.tgenabled in ('O', 'A')
      and t.tgtype & 1 = 1 and t.tgtype & 2 = 2 and t.tgtype & 4 = 4)
$$;
comment on function botlive.rewrites_rows is 'Whether a trigger of the table may change a row before it is inserted.';

create or replace function botlive.check_written(fresh botlive.arrival[], all_new boolean)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  strange record;
begin
  -- An existing row with the event's id and company was made by this event earlier: that is no error.
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
  'Fails if the row of an event is missing or has another company. all_new: no row existed before.';

create or replace function botlive.write_events(events jsonb)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
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
  -- Sorted by id: two batches with the same events cannot deadlock.
  with first_of_its_id as (
    select distinct on (e.event_id)
      e.event_id, e.event_type, e.company_id, e.company, e.digest, e.occurred_at, e.toggle, e.ord
    from unnest(arrived) e
    where e.company is not null and e.occurred_at >= (select h.kept_since from botlive.horizon h)
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

  -- A separate statement has a new snapshot: it sees what another transaction persisted during a wait.
  select jsonb_agg(
    case
      when e.ord = any (fresh_ords) then jsonb_build_object('outcome', 'persisted',
        'session_written', coalesce(t.session_id = t.event_id or (not t.enabled and t.session_id is not null), false))
      when i.digest = e.digest then jsonb_build_object('outcome', 'duplicate')
      when i.digest is not null then
        jsonb_build_object('outcome', 'refused', 'reason', 'event id already used')
      when e.company is null then jsonb_build_object('outcome', 'unknown_company')
      else jsonb_build_object('outcome', 'refused', 'reason', (
        -- botlive.raise_horizon() relies on the lock that reading this table takes.
        select format('it occurred before %s, and `botlive prune` deleted the records of that time, so it may have '
          'been persisted already: look for its rows, and only if they are missing, replay it with a later time '
          '(botlive failures edit --set occurred_at=TIME -- ID)', to_char(h.kept_since at time zone 'UTC', 'YYYY-MM-DD'))
        from botlive.horizon h))
    end order by e.ord)
  into outcomes
  from unnest(arrived) e
  left join botlive.inbox i on i.event_id = e.event_id
  left join botlive.toggles t on t.event_id = e.event_id;
  return outcomes;
end
$$;
comment on function botlive.write_events is
  'Writes the rows of a batch, all or none: inbox, orders, activities, sessions.';

revoke all on function botlive.shops, botlive.read_events, botlive.lock_companies, botlive.write_orders,
  botlive.write_activities, botlive.rewrites_rows, botlive.check_written, botlive.write_events from public;
grant execute on function botlive.shops, botlive.read_events, botlive.lock_companies, botlive.write_orders,
  botlive.write_activities, botlive.rewrites_rows, botlive.check_written, botlive.write_events to service_role;
