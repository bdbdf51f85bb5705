-- Persists a batch of events in one transaction and says what became of each.
--
-- Functions that write to the shops' tables fire the customer's triggers, checks and defaults. They set the
-- search path that Supabase's API has (`public, extensions`), on which these may rely, until they return.

select botlive.wait_for_workers();

drop function if exists public.botlive_persist(jsonb);
drop function if exists botlive.write_alone(jsonb);
drop function if exists botlive.is_well(jsonb);
drop function if exists botlive.rehearse(jsonb, uuid);
drop function if exists botlive.refuse_foreign_rows(jsonb);
drop function if exists botlive.parse_events(jsonb);
drop view if exists botlive.shops;

do $$
begin
  if to_regtype('botlive.arrival') is null then
    create type botlive.arrival as (
      ord bigint, event_id uuid, event_type text, company_id text, occurred_at timestamptz, instant text,
      digest text, activity jsonb, ordered jsonb, toggle jsonb, company uuid
    );
    comment on type botlive.arrival is 'An event of a batch, and its company where it has one.';
    comment on column botlive.arrival.instant is
      'occurred_at as the worker wrote it, in UTC: a column may be a timestamp without a zone.';
  end if;
end
$$;

create or replace function botlive.shops(text_ids text[])
returns table (company_id text, uuid uuid)
language plpgsql
stable
set search_path = ''
as $$
begin
  -- A mapping that points at no company is none.
  return query
    select m.company_id, m.uuid
    from public.company_mapping m
    where m.company_id = any (text_ids) and exists (
      select from public.companies c
      where c.id = (jsonb_populate_record(null::public.companies, jsonb_build_object('id', m.uuid))).id);
end
$$;
comment on function botlive.shops is 'Those of the text ids that events can be written for.';

create or replace function botlive.read_events(events jsonb)
returns botlive.arrival[]
language sql
stable
set search_path = ''
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
set search_path = ''
as $$
begin
  -- A company's sessions are one thing: its toggles are taken one transaction at a time. Everybody
  -- takes the locks in one order, and before any other, so that no two wait for each other.
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
set search_path = ''
as $$
declare
  inserted bigint;
begin
  perform set_config('search_path', 'public, extensions, pg_temp', true);
  -- Cast to the columns' own types: a project may have chosen others than we would.
  insert into public.orders (id, company_id, conversation_id, customer_name, total_amount, status,
                             items, metadata, created_at, updated_at)
  select r.id, r.company_id, r.conversation_id, r.customer_name, r.total_amount, r.status,
         r.items, r.metadata, r.created_at, r.updated_at
  from unnest(fresh) f,
    jsonb_populate_record(null::public.orders, f.ordered || jsonb_build_object(
      'id', f.event_id, 'company_id', f.company, 'status', 'pending',
      'created_at', f.instant, 'updated_at', f.instant)) r
  where f.ordered is not null
  on conflict (id) do nothing;
  get diagnostics inserted = row_count;
  return inserted;
end
$$;

create or replace function botlive.write_activities(fresh botlive.arrival[])
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  inserted bigint;
begin
  perform set_config('search_path', 'public, extensions, pg_temp', true);
  insert into public.activities (id, company_id, conversation_id, type, title, description, status,
                                 metadata, customer_name, created_at)
  select r.id, r.company_id, r.conversation_id, r.type, r.title, r.description, r.status,
         r.metadata, r.customer_name, r.created_at
  from unnest(fresh) f
  left join botlive.toggles t on f.toggle is not null and t.event_id = f.event_id,
    jsonb_populate_record(null::public.activities, f.activity || jsonb_build_object(
      'id', f.event_id, 'company_id', f.company, 'created_at', f.instant) ||
      case when t.event_id is null then '{}' else jsonb_build_object(
        'description', botlive.session_text(t),
        'metadata', f.activity -> 'metadata' || jsonb_build_object('session_id', t.session_id)) end) r
  on conflict (id) do nothing;
  get diagnostics inserted = row_count;
  return inserted;
end
$$;

create or replace function botlive.check_rows(fresh botlive.arrival[])
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
    where o.id is null or o.company_id <> e.company_id
    union all
    select 'activities', a.id is null from noted n left join public.activities a on a.id = n.id
    where a.id is null or a.company_id <> n.company_id
  ) x
  order by x.is_missing limit 1;
  if strange.is_missing then
    raise exception using errcode = 'BL003', table = strange.label,
      message = format('a trigger or rule on %s drops the row without an error', strange.label);
  elsif strange.label is not null then
    raise exception using errcode = 'unique_violation', message = 'the event''s id is that of another company''s row';
  end if;
end
$$;

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
    if inserted < orders_expected + cardinality(fresh) then
      perform botlive.check_rows(fresh);
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

create or replace function botlive.is_passing(code text)
returns boolean
language sql
immutable
set search_path = ''
as $$
  -- Faults of the moment or of the server: the whole call is tried again. All others come from the
  -- shops' tables and what hangs on them.
  select code like any (array['40001', '40P01', '53%', '55P03', '55006', '57%', '58%', '25006', 'XX%'])
$$;

create or replace function botlive.attempt(events jsonb)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  table_label text;
  constraint_label text;
  column_label text;
  stack text;
  theirs text; -- the project's function in which it failed
begin
  return jsonb_build_object('outcomes', botlive.write_events(events));
exception when others then
  get stacked diagnostics table_label = table_name, constraint_label = constraint_name,
    column_label = column_name, stack = pg_exception_context;
  select f[1] into theirs
  from pg_catalog.regexp_matches(stack, '(?:PL/pgSQL|SQL) function "?([^[:space:]("]+)', 'g') f
  where f[1] !~ '^(public[.])?botlive[._]' limit 1;
  -- What the project's function raises itself, under whatever code, is no fault of the server.
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
  'Writes the events: {"outcomes": …}, or why the tables did not take them. Names only, never a value.';

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
        then format('a trigger or rule on %s drops the row without an error', fault ->> 'table')
      when fault ->> 'function' is not null
        then format('the project''s function %s fails', fault ->> 'function')
      when fault ->> 'sqlstate' like '22%' then 'a value does not fit its column'
      when fault ->> 'sqlstate' = '42501' then 'the worker''s role lacks a privilege on the table, or on what hangs on it'
      else 'the database refuses it' end, fault ->> 'sqlstate') end
$$;

create or replace function botlive.rehearse(event jsonb, conversation uuid)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  said jsonb := jsonb_build_object('conversation_id', conversation);
  -- Short: a longer one that does not fit is an event's own fault. And nobody's: it may have to be unique.
  word text := left(gen_random_uuid()::text, 4);
  about jsonb := jsonb_build_object('metadata', '{}'::jsonb, 'title', word, 'description', word);
  customer jsonb := jsonb_build_object('customer_name', word); -- orders alone have one
  plain jsonb := event || jsonb_build_object('activity', about || (event -> 'activity') || said);
  -- A session begins and ends, whether or not one is open.
  steps jsonb := '[{}]';
  step jsonb;
  answer jsonb;
begin
  if jsonb_typeof(event -> 'order') = 'object' then
    plain := plain || jsonb_build_object('activity', plain -> 'activity' || customer, 'order', said || customer || '{
      "metadata": {}, "total_amount": 1000, "items": [{"name": "Pagne", "quantity": 1, "price": 1000}]}');
  elsif jsonb_typeof(event -> 'toggle') = 'object' then
    steps := '[{"toggle": {"enabled": true, "mode": "live"}}, {"toggle": {"enabled": false, "mode": "live"}},
      {"toggle": {"enabled": true, "mode": "live"}}]';
  end if;
  for step in select s.value from jsonb_array_elements(steps) s loop
    answer := botlive.attempt(jsonb_build_array(plain || step
      || jsonb_build_object('event_id', gen_random_uuid(), 'occurred_at', clock_timestamp())));
    if answer ? 'sqlstate' then
      return answer;
    end if;
  end loop;
  raise exception using errcode = 'BL000';
exception when sqlstate 'BL000' then
  return null;
end
$$;
comment on function botlive.rehearse is
  'Why a plain event of the same type and company is not accepted, or null. Leaves nothing behind.';

create or replace function botlive.plain(event jsonb)
returns jsonb
language sql
immutable
set search_path = ''
as $$
  -- What all events of the type share, and nothing of this one's own.
  select jsonb_build_object(
    'event_type', event -> 'event_type', 'company_id', event -> 'company_id', 'digest', '',
    'activity', jsonb_build_object('type', event #> '{activity,type}', 'status', event #> '{activity,status}'),
    'order', case when jsonb_typeof(event -> 'order') = 'object' then '{}'::jsonb end,
    'toggle', case when jsonb_typeof(event -> 'toggle') = 'object'
      then '{"enabled": true, "mode": "live"}'::jsonb end)
$$;

create or replace function botlive.way_out(fault jsonb)
returns text
language sql
stable
set search_path = ''
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
comment on function botlive.way_out is 'What mends a fault of the shop''s tables, where that can be told.';

create or replace function botlive.unwell(event jsonb)
returns text
language plpgsql
set search_path = ''
as $$
declare
  -- Some projects want a conversation, others know which there are.
  fault jsonb := botlive.rehearse(event, null);
begin
  if fault is not null then
    fault := botlive.rehearse(event, gen_random_uuid());
  end if;
  if fault is null then
    return null;
  end if;
  return coalesce(
    botlive.misfit_of(array['companies', 'activities',
      case when jsonb_typeof(event -> 'order') = 'object' then 'orders' end,
      case when jsonb_typeof(event -> 'toggle') = 'object' then 'bot_sessions' end]),
    botlive.fault_words(fault) || botlive.way_out(fault));
end
$$;
comment on function botlive.unwell is
  'Why the tables take no event of this type and company, or null where a refusal is the event''s own fault.';

create or replace function botlive.without_conversation(event jsonb, table_label text)
returns jsonb
language sql
immutable
set search_path = ''
as $$
  -- The conversation that the event names is not in the project's table: the column gets null and
  -- the id stays in metadata.
  select jsonb_set(
    jsonb_set(event, array[part, 'metadata', 'conversation_id'], event #> array[part, 'conversation_id']),
    array[part, 'conversation_id'], 'null')
  from (select case table_label when 'orders' then 'order' else 'activity' end as part) p
$$;

create or replace function botlive.misses_conversation(fault jsonb)
returns boolean
language sql
stable
set search_path = ''
as $$
  select fault ->> 'sqlstate' = '23503' and exists (
    select from pg_catalog.pg_constraint k
    join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = any (k.conkey)
    where k.conrelid = to_regclass(format('public.%I', fault ->> 'table'))
      and fault ->> 'table' in ('orders', 'activities')
      and k.conname = fault ->> 'constraint' and a.attname = 'conversation_id')
$$;

create or replace function botlive.write_alone(event jsonb)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  answer jsonb := botlive.attempt(jsonb_build_array(event));
begin
  if answer ? 'sqlstate' and botlive.misses_conversation(answer) then
    return botlive.write_alone(botlive.without_conversation(event, answer ->> 'table'));
  end if;
  return coalesce(answer -> 'outcomes' -> 0, answer);
end
$$;
comment on function botlive.write_alone is
  'One event''s outcome, or why the tables did not take it. A conversation that is not there costs no event.';

create or replace function botlive.check_own_tables()
returns void
language plpgsql
set search_path = ''
as $$
begin
  -- A fault of our own tables is no shop's: it ends the call.
  insert into botlive.inbox (event_id, event_type, company_id, digest, occurred_at)
  values (gen_random_uuid(), 'probe', '', '', now());
  perform from botlive.toggles t where t.event_id = gen_random_uuid();
  perform from public.company_mapping m where m.company_id = '';
  raise exception using errcode = 'BL000';
exception when sqlstate 'BL000' then
  null;
end
$$;

create or replace function botlive.write_each(events jsonb, apart boolean)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  outcomes jsonb := '[]';
  unwell jsonb := '{}'; -- by company and type: why no such event is taken, or an empty text
  one record;
  said jsonb;
begin
  perform botlive.check_own_tables();
  for one in
    select e.value as event, e.ordinality as ord,
           jsonb_build_array(e.value -> 'company_id', e.value -> 'event_type')::text as kind
    from jsonb_array_elements(events) with ordinality e
    order by e.value ->> 'event_id', e.ordinality
  loop
    if coalesce(unwell ->> one.kind, '') <> '' then
      said := null;
    else
      said := botlive.write_alone(one.event);
      if said ? 'sqlstate' and not unwell ? one.kind then
        unwell := unwell || jsonb_build_object(one.kind, coalesce(botlive.unwell(botlive.plain(one.event)), ''));
      end if;
      if said ? 'sqlstate' and unwell ->> one.kind = '' then
        -- Once more: what hangs on the tables may have failed for a moment only.
        said := botlive.write_alone(one.event);
      end if;
    end if;
    if coalesce(unwell ->> one.kind, '') <> '' and (said is null or said ? 'sqlstate') then
      if not apart then
        raise exception using errcode = 'BL002', message = format(
          'the shop''s tables take no event of the type %s: %s', one.event ->> 'event_type', unwell ->> one.kind);
      end if;
      said := jsonb_build_object('outcome', 'apart', 'reason', unwell ->> one.kind,
        'plain', botlive.plain(one.event));
    elsif said ->> 'sqlstate' ~ '^(22...|23514|23502)$' then
      said := jsonb_build_object('outcome', 'refused', 'reason', botlive.fault_words(said));
    elsif said ? 'sqlstate' then
      -- Not clearly the event's own fault: the worker finds out, by trying it without its neighbours.
      raise exception using errcode = said ->> 'sqlstate', message = botlive.fault_words(said);
    end if;
    outcomes := outcomes || jsonb_build_object('ord', one.ord, 'said', said);
  end loop;
  return (select jsonb_agg(o -> 'said' order by (o -> 'ord')::bigint) from jsonb_array_elements(outcomes) o);
end
$$;
comment on function botlive.write_each is
  'The outcome of each event, each in a transaction of its own: bad input fails alone, and what a shop''s '
  'tables do not take at all is said to wait apart.';

create or replace function public.botlive_persist(events jsonb, apart boolean default false)
returns jsonb
language plpgsql
security invoker
set search_path = ''
as $$
declare
  answer jsonb;
begin
  set constraints all immediate; -- a deferred one would speak after the answer
  perform botlive.lock_companies(events);
  answer := botlive.attempt(events);
  if answer ? 'outcomes' then
    return coalesce(nullif(answer -> 'outcomes', 'null'), '[]');
  end if;
  return botlive.write_each(events, apart);
end
$$;
comment on function public.botlive_persist is
  'Persists a batch of events, each once and whole, and returns what became of each, in their order: '
  '{"outcome": "persisted" | "duplicate" | "unknown_company" | "refused", "reason"?, "session_written"?}. '
  'With apart also "apart": the shop''s tables take no event of the type, and why; without it the call fails.';

create or replace function public.botlive_admits(plain_events jsonb)
returns jsonb
language plpgsql
security invoker
set search_path = ''
as $$
declare
  answers jsonb := '[]';
  plain jsonb;
begin
  set constraints all immediate;
  for plain in select e.value from jsonb_array_elements(plain_events) e loop
    exit when clock_timestamp() > now() + interval '1 second'; -- the rest is asked again
    perform botlive.lock_companies(jsonb_build_array(plain));
    answers := answers || coalesce(to_jsonb(botlive.unwell(plain)), 'null');
  end loop;
  return answers;
end
$$;
comment on function public.botlive_admits is
  'For each of the plain events that wait apart null where such an event is taken now, or why not. '
  'The answer may be shorter than the question.';

create or replace function public.botlive_probe()
returns void
language plpgsql
security invoker
set search_path = ''
as $$
declare
  shop record;
  locked boolean := false;
begin
  -- What events write, written and taken back: a database that can be read is not yet one that takes
  -- them. Shops with rules of their own, or that somebody has locked, do not speak for the others.
  set local lock_timeout = '500ms';
  set constraints all immediate;
  perform botlive.check_own_tables();
  for shop in select m.company_id from public.company_mapping m order by random() limit 5 loop
    begin
      perform botlive.unwell(s.event) from botlive.sample_events(shop.company_id) s
      where s.event_type in ('order_completed', 'live_toggled');
      return;
    exception when lock_not_available then
      locked := true;
    end;
  end loop;
  if locked then
    raise exception using errcode = 'lock_not_available', message = 'the shops'' rows are locked';
  end if;
end
$$;
comment on function public.botlive_probe is
  'Fails as a batch of events would fail, and carries none: the circuit breaker''s probe.';

revoke all on function botlive.shops, botlive.read_events, botlive.lock_companies, botlive.write_orders,
  botlive.write_activities, botlive.check_rows, botlive.write_events, botlive.is_passing, botlive.attempt,
  botlive.fault_words, botlive.rehearse, botlive.plain, botlive.way_out, botlive.unwell, botlive.without_conversation,
  botlive.misses_conversation, botlive.write_alone, botlive.check_own_tables, botlive.write_each from public;
grant execute on function botlive.shops, botlive.read_events, botlive.lock_companies, botlive.write_orders,
  botlive.write_activities, botlive.check_rows, botlive.write_events, botlive.is_passing, botlive.attempt,
  botlive.fault_words, botlive.rehearse, botlive.plain, botlive.way_out, botlive.unwell, botlive.without_conversation,
  botlive.misses_conversation, botlive.write_alone, botlive.check_own_tables, botlive.write_each,
  botlive.sample_events to service_role;
revoke all on function public.botlive_persist, public.botlive_admits, public.botlive_probe
  from public, anon, authenticated;
grant execute on function public.botlive_persist, public.botlive_admits, public.botlive_probe to service_role;
