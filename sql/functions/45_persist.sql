-- The functions that the worker calls: persist a batch, ask about events that wait apart, probe.

create or replace function botlive.check_own_tables()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- A fault of our own tables does not belong to one shop. It fails the whole call.
  insert into botlive.inbox (event_id, event_type, company_id, digest, occurred_at)
  values (gen_random_uuid(), 'probe', '', '', now());
  perform from botlive.toggles t where t.event_id = gen_random_uuid();
  perform from botlive.horizon h;
  perform from public.company_mapping m where m.company_id = '';
  raise exception using errcode = 'BL000';
exception when sqlstate 'BL000' then
  null;
end
$$;

create or replace function botlive.misses_conversation(fault jsonb)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select fault ->> 'sqlstate' = '23503' and exists (
    select from pg_catalog.pg_constraint k
    join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = any (k.conkey)
    where k.conrelid = to_regclass(format('public.%I', fault ->> 'table'))
      and fault ->> 'table' in ('orders', 'activities')
      and k.conname = fault ->> 'constraint' and a.attname = 'conversation_id')
$$;

create or replace function botlive.without_conversation(event jsonb, table_label text)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  -- The event's conversation does not exist in the project. The column gets null, and the id stays in
  -- metadata.
  select jsonb_set(
    jsonb_set(event, array[part, 'metadata', 'conversation_id'], event #> array[part, 'conversation_id']),
    array[part, 'conversation_id'], 'null')
  from (select case table_label when 'orders' then 'order' else 'activity' end as part) p
$$;

create or replace function botlive.write_alone(event jsonb)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
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
  'The outcome of one event, or the fault of the tables. A missing conversation does not fail the event.';

create or replace function botlive.write_each(events jsonb, apart boolean)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  outcomes jsonb := '[]';
  unwell jsonb := '{}'; -- by company and event type: why the tables take no such event; empty if they do
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
        -- Second attempt: a trigger or constraint may have failed only temporarily.
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
      -- Not clearly the event's own fault. The worker finds out: it retries the event without the others.
      raise exception using errcode = said ->> 'sqlstate', message = botlive.fault_words(said);
    end if;
    outcomes := outcomes || jsonb_build_object('ord', one.ord, 'said', said);
  end loop;
  return (select jsonb_agg(o -> 'said' order by (o -> 'ord')::bigint) from jsonb_array_elements(outcomes) o);
end
$$;
comment on function botlive.write_each is
  'The outcome of each event. Each is written in its own savepoint, so a bad event fails alone. Events that the '
  'shop''s tables cannot take wait apart.';

create or replace function public.botlive_persist(events jsonb, apart boolean default false)
returns jsonb
language plpgsql
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  answer jsonb;
begin
  set constraints all immediate; -- a deferred constraint would fail after the answer
  perform botlive.lock_companies(events);
  events := botlive.mask_erased(events); -- after the locks, so that it sees each erasure that has finished
  answer := botlive.attempt(events);
  if answer ? 'outcomes' then
    return coalesce(nullif(answer -> 'outcomes', 'null'), '[]');
  end if;
  return botlive.write_each(events, apart);
end
$$;
comment on function public.botlive_persist is
  'Persists a batch of events, each once and whole, and returns the outcome of each in their order: {"outcome": '
  '"persisted" | "duplicate" | "unknown_company" | "refused", "reason"?, "session_written"?}. With apart also '
  '"apart": the shop''s tables take no event of the type; without apart the call fails then.';

create or replace function public.botlive_admits(plain_events jsonb)
returns jsonb
language plpgsql
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  answers jsonb := '[]';
  plain jsonb;
begin
  set constraints all immediate;
  for plain in select e.value from jsonb_array_elements(plain_events) e loop
    exit when clock_timestamp() > now() + interval '1 second'; -- the worker asks for the rest again
    perform botlive.lock_companies(jsonb_build_array(plain));
    answers := answers || coalesce(to_jsonb(botlive.unwell(plain)), 'null');
  end loop;
  return answers;
end
$$;
comment on function public.botlive_admits is
  'For each plain event that waits apart: null if the tables take such an event now, else the reason. The answer '
  'may be shorter than the list of events.';

create or replace function public.botlive_probe()
returns void
language plpgsql
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  shop record;
  locked boolean := false;
begin
  -- Writes what events write and rolls it back: a database that answers reads may still refuse writes. A shop with
  -- a fault of its own, or with locked rows, does not decide for the others.
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
  'The probe of the circuit breaker: fails as a batch would fail, and persists nothing.';

revoke all on function botlive.check_own_tables, botlive.misses_conversation, botlive.without_conversation,
  botlive.write_alone, botlive.write_each from public;
revoke all on function public.botlive_persist, public.botlive_admits, public.botlive_probe
  from public, anon, authenticated;
grant execute on function botlive.check_own_tables, botlive.misses_conversation, botlive.without_conversation,
  botlive.write_alone, botlive.write_each, public.botlive_persist, public.botlive_admits, public.botlive_probe
  to service_role;
