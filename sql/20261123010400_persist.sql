-- Persists a batch of events in one transaction and says what became of each.

select botlive.wait_for_workers();

create or replace function botlive.parse_events(events jsonb)
returns table (
  ord bigint, event_id uuid, event_type text, company_id text, occurred_at timestamptz,
  digest text, activity jsonb, ordered jsonb, toggle jsonb)
language sql
immutable
set search_path = ''
as $$
  select e.ord, e.event_id, e.event_type, e.company_id, e.occurred_at, e.digest,
         e.activity, nullif(e."order", 'null'), nullif(e.toggle, 'null')
  from rows from (jsonb_to_recordset(events) as (
    event_id uuid, event_type text, company_id text, occurred_at timestamptz,
    digest text, activity jsonb, "order" jsonb, toggle jsonb
  )) with ordinality as e (event_id, event_type, company_id, occurred_at, digest, activity, "order", toggle, ord)
$$;

create or replace view botlive.shops with (security_invoker = true) as
  select m.company_id, m.uuid
  from public.company_mapping m join public.companies c on c.id = m.uuid;
comment on view botlive.shops is
  'The shops that events can be written for: a mapping that points at no company is none.';
revoke all on table botlive.shops from public, anon, authenticated;
grant select on table botlive.shops to service_role;

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
    join botlive.shops m on m.company_id = e ->> 'company_id'
    where jsonb_typeof(e -> 'toggle') = 'object'
    order by 1
  ) keys;
end
$$;

create or replace function botlive.refuse_foreign_rows(events jsonb)
returns void
language plpgsql
stable
set search_path = ''
as $$
begin
  -- A row that has the event's id and is the same company's was made by the event: already done.
  if exists (
    select from botlive.parse_events(events) e
    join botlive.shops m on m.company_id = e.company_id
    where exists (select from public.orders o where o.id = e.event_id and o.company_id <> m.uuid)
       or exists (select from public.activities a where a.id = e.event_id and a.company_id <> m.uuid)
  ) then
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
  fresh bigint[];
  shop record;
  expected bigint;
  inserted bigint;
  outcomes jsonb;
begin
  -- In the order of the ids, so that two batches with the same events never wait for each other.
  with first_of_its_id as (
    select distinct on (e.event_id) e.*, m.uuid as company
    from botlive.parse_events(events) e
    join botlive.shops m on m.company_id = e.company_id
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
  select array_agg(f.ord) into fresh from first_of_its_id f join claimed c using (event_id);

  for shop in
    select m.uuid, array_agg(e.event_id) as toggles
    from botlive.parse_events(events) e
    join botlive.shops m on m.company_id = e.company_id
    where e.ord = any (fresh) and e.toggle is not null
    group by m.uuid order by m.uuid
  loop
    perform botlive.bring_sessions(shop.uuid, shop.toggles);
  end loop;

  with written as (
    select e.*, m.uuid as company
    from botlive.parse_events(events) e
    join botlive.shops m on m.company_id = e.company_id
    where e.ord = any (fresh)
  ), ordered as (
    insert into public.orders (id, company_id, conversation_id, customer_name, total_amount, status,
                               items, metadata, created_at, updated_at)
    select w.event_id, w.company, (w.ordered ->> 'conversation_id')::uuid, w.ordered ->> 'customer_name',
           (w.ordered ->> 'total_amount')::numeric, 'pending', w.ordered -> 'items', w.ordered -> 'metadata',
           w.occurred_at, w.occurred_at
    from written w where w.ordered is not null
    on conflict (id) do nothing
    returning id
  ), noted as (
    insert into public.activities (id, company_id, conversation_id, type, title, description, status,
                                   metadata, customer_name, created_at)
    select w.event_id, w.company, (w.activity ->> 'conversation_id')::uuid, w.activity ->> 'type',
           w.activity ->> 'title',
           case when t.event_id is null then w.activity ->> 'description' else botlive.session_text(t) end,
           w.activity ->> 'status',
           case when t.event_id is null then w.activity -> 'metadata'
             else w.activity -> 'metadata' || jsonb_build_object('session_id', t.session_id) end,
           w.activity ->> 'customer_name', w.occurred_at
    from written w left join botlive.toggles t on t.event_id = w.event_id
    on conflict (id) do nothing
    returning id
  )
  select (select count(*) from written) + (select count(*) from written w where w.ordered is not null),
         (select count(*) from ordered) + (select count(*) from noted)
  into expected, inserted;
  if inserted < expected then
    perform botlive.refuse_foreign_rows(events);
  end if;

  -- A statement of its own: it sees what another transaction persisted while this one waited for it.
  select jsonb_agg(
    case
      when e.ord = any (fresh) then jsonb_build_object('outcome', 'persisted',
        'session_written', coalesce(t.session_id = t.event_id or (not t.enabled and t.session_id is not null), false))
      when i.digest = e.digest then jsonb_build_object('outcome', 'duplicate')
      when i.digest is not null then
        jsonb_build_object('outcome', 'refused', 'reason', 'event id already used')
      else jsonb_build_object('outcome', 'unknown_company')
    end order by e.ord)
  into outcomes
  from botlive.parse_events(events) e
  left join botlive.inbox i on i.event_id = e.event_id
  left join botlive.toggles t on t.event_id = e.event_id;
  return outcomes;
end
$$;
comment on function botlive.write_events is
  'The rows of a batch, all or none: inbox, orders, activities, sessions.';

create or replace function botlive.rehearse(event jsonb, conversation uuid)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  said jsonb := jsonb_build_object('customer_name', 'Botlive', 'metadata', '{}'::jsonb, 'conversation_id', conversation);
  plain jsonb := event || jsonb_build_object('event_id', gen_random_uuid(), 'occurred_at', now(),
    'activity', (event -> 'activity') || said || '{"title": "Botlive", "description": "Botlive"}');
begin
  if jsonb_typeof(event -> 'order') = 'object' then
    plain := plain || jsonb_build_object('order', said
      || '{"total_amount": 1000, "items": [{"name": "Botlive", "quantity": 1, "price": 1000}]}');
  end if;
  perform botlive.write_events(jsonb_build_array(plain));
  raise exception using errcode = 'BL000';
exception
  when sqlstate 'BL000' then return true;
  when data_exception or integrity_constraint_violation or raise_exception then return false;
end
$$;
comment on function botlive.rehearse is
  'Whether a plain event of the same type and company is accepted; leaves nothing behind.';

create or replace function botlive.is_well(event jsonb)
returns boolean
language sql
set search_path = ''
as $$
  -- Some projects want a conversation, others know which there are.
  select botlive.rehearse(event, null) or botlive.rehearse(event, gen_random_uuid())
$$;
comment on function botlive.is_well is
  'Whether the installation takes events of this type and company, so that a refusal is the event''s fault.';

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

create or replace function botlive.write_alone(event jsonb)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  table_label text;
  constraint_label text;
  column_label text;
begin
  return botlive.write_events(jsonb_build_array(event)) -> 0;
exception
  when foreign_key_violation then
    get stacked diagnostics table_label = table_name, constraint_label = constraint_name;
    if table_label in ('orders', 'activities') and exists (
      select from pg_catalog.pg_constraint k
      join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = any (k.conkey)
      where k.conrelid = format('public.%I', table_label)::regclass
        and k.conname = constraint_label and a.attname = 'conversation_id'
    ) then
      return botlive.write_alone(botlive.without_conversation(event, table_label));
    end if;
    raise;
  when data_exception then
    if not botlive.is_well(event) then
      raise exception using errcode = 'BL002', message = format(
        'the shop''s tables or their triggers admit no event of the type %s (SQLSTATE %s)',
        event ->> 'event_type', sqlstate);
    end if;
    return jsonb_build_object('outcome', 'refused',
      'reason', format('a value does not fit its column (%s)', sqlstate));
  when check_violation or not_null_violation then
    get stacked diagnostics table_label = table_name, constraint_label = constraint_name,
      column_label = column_name;
    if not botlive.is_well(event) then
      raise exception using errcode = 'BL002', message = format(
        '%s admits no event of the type %s: see its %s', table_label, event ->> 'event_type',
        coalesce('constraint ' || nullif(constraint_label, ''), 'column ' || column_label));
    end if;
    return jsonb_build_object('outcome', 'refused', 'reason',
      case when column_label <> '' then format('%s.%s must not be empty', table_label, column_label)
        else format('the check %s on %s refuses it', constraint_label, table_label) end);
end
$$;
comment on function botlive.write_alone is
  'One event, with its own faults caught: bad input fails alone, its neighbours go through. '
  'What no event''s content could mend is not caught: the installation is at fault then.';

create or replace function public.botlive_persist(events jsonb)
returns jsonb
language plpgsql
security invoker
set search_path = ''
as $$
declare
  outcomes jsonb := '[]';
  one record;
begin
  set constraints all immediate; -- a deferred one would speak after the answer
  perform botlive.lock_companies(events);
  begin
    return coalesce(botlive.write_events(events), '[]');
  exception when data_exception or check_violation or not_null_violation or foreign_key_violation then
    null; -- at least one is at fault: each in a transaction of its own, below
  end;
  for one in
    select e.value as event, e.ordinality as ord
    from jsonb_array_elements(events) with ordinality e
    order by e.value ->> 'event_id', e.ordinality
  loop
    outcomes := outcomes || jsonb_build_object('ord', one.ord, 'said', botlive.write_alone(one.event));
  end loop;
  return (select jsonb_agg(o -> 'said' order by (o -> 'ord')::bigint) from jsonb_array_elements(outcomes) o);
end
$$;
comment on function public.botlive_persist is
  'Persists a batch of events, each once and whole, and returns what became of each, in their order: '
  '{"outcome": "persisted" | "duplicate" | "unknown_company" | "refused", "reason"?, "session_written"?}.';

create or replace function public.botlive_probe()
returns void
language plpgsql
security invoker
set search_path = ''
as $$
declare
  shop record;
  locked boolean := false;
  plain jsonb := jsonb_build_object('event_type', 'probe', 'digest', '', 'activity',
    '{"type": "system", "status": "info"}'::jsonb);
begin
  -- What events write, written and taken back: a database that can be read is not yet one that takes
  -- them. One shop with rules of its own, or that somebody has locked, does not speak for the others.
  set local lock_timeout = '500ms';
  for shop in select s.company_id from botlive.shops s order by random() limit 5 loop
    begin
      plain := plain || jsonb_build_object('company_id', shop.company_id);
      if botlive.is_well(plain || '{"toggle": {"enabled": true, "mode": "live"}}')
        and botlive.is_well(plain || '{"order": {}, "activity": {"type": "order", "status": "success"}}')
      then
        return;
      end if;
    exception when lock_not_available then
      locked := true;
    end;
  end loop;
  if locked then
    raise exception using errcode = 'lock_not_available', message = 'the shops'' rows are locked';
  end if;
  if found then
    raise exception using errcode = 'BL002', message = 'the shop''s tables or their triggers admit no event';
  end if;
end
$$;
comment on function public.botlive_probe is
  'Fails as a batch of events would fail, and carries none: the circuit breaker''s probe.';

revoke all on function botlive.parse_events, botlive.lock_companies, botlive.refuse_foreign_rows, botlive.write_events,
  botlive.rehearse, botlive.is_well, botlive.without_conversation, botlive.write_alone from public;
grant execute on function botlive.parse_events, botlive.lock_companies, botlive.refuse_foreign_rows, botlive.write_events,
  botlive.rehearse, botlive.is_well, botlive.without_conversation, botlive.write_alone to service_role;
revoke all on function public.botlive_persist, public.botlive_probe from public, anon, authenticated;
grant execute on function public.botlive_persist, public.botlive_probe to service_role;

notify pgrst, 'reload schema';
