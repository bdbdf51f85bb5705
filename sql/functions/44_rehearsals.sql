-- Rehearses plain events and rolls them back, to find out what a shop's tables refuse.

create or replace function botlive.plain(event jsonb)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  -- Only the fields that all events of the type share, without this event's own values.
  select jsonb_build_object(
    'event_type', event -> 'event_type', 'company_id', event -> 'company_id', 'digest', '',
    'activity', jsonb_build_object('type', event #> '{activity,type}', 'status', event #> '{activity,status}'),
    'order', case when jsonb_typeof(event -> 'order') = 'object' then '{}'::jsonb end,
    'toggle', case when jsonb_typeof(event -> 'toggle') = 'object'
      then '{"enabled": true, "mode": "live"}'::jsonb end)
$$;

create or replace function botlive.sample_events(text_id text)
returns table (event_type text, event jsonb)
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  -- Samples for a rehearsal before the first event. A test compares them with the rows that the handlers make.
  select e.event_type, jsonb_build_object('company_id', text_id, 'event_type', e.event_type, 'digest', '',
    'order', null, 'toggle', null) || e.parts
  from (values
    ('payment_validated', '{"activity": {"type": "order", "status": "success",
        "title": "Paiement validé: 2000 FCFA", "description": "Référence: WAVE-123"}}'::jsonb),
    ('payment_issue', '{"activity": {"type": "intervention", "status": "warning",
        "title": "Intervention requise: payment_insufficient",
        "description": "Montant insuffisant: 1500 FCFA reçu, 2000 FCFA requis"}}'),
    ('order_completed', '{"activity": {"type": "order", "status": "success", "customer_name": "Awa",
        "title": "Commande de Awa", "description": "Montant: 12000 FCFA"}, "order": {}}'),
    ('live_toggled', '{"activity": {"type": "system", "status": "info", "title": "Mode LIVE désactivé",
        "description": ""}, "toggle": {"enabled": true, "mode": "live"}}')
  ) as e (event_type, parts)
$$;

create or replace function botlive.rehearse(event jsonb, conversation uuid)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  said jsonb := jsonb_build_object('conversation_id', conversation);
  -- Short, because a longer value that does not fit is the event's own fault. Random, because it may have to be
  -- unique.
  word text := left(gen_random_uuid()::text, 4);
  about jsonb := jsonb_build_object('metadata', '{}'::jsonb, 'title', word, 'description', word);
  customer jsonb := jsonb_build_object('customer_name', word); -- only orders have a customer name
  plain jsonb := event || jsonb_build_object('activity', about || (event -> 'activity') || said);
  -- The three steps begin and end a session, whether or not one is open before.
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
  'Why the tables refuse a plain event of the same type and company, or null. Everything is rolled back.';

create or replace function botlive.unwell(event jsonb)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Some projects require a conversation. Others accept only conversations that exist. Both cases are tried.
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
  'Why the tables take no event of this type and company. Null if they do: a refusal is then the event''s own '
  'fault.';

create or replace function botlive.act_as_worker()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- As the worker's role, missing privileges are found too. Triggers may read the claims.
  perform set_config('request.jwt.claims', '{"role": "service_role"}', true);
  if pg_catalog.pg_has_role(current_user, 'service_role', 'member') then
    perform set_config('role', 'service_role', true);
  end if;
end
$$;

create or replace function botlive.rehearse_new_shop()
returns table (event_type text, reason text)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  text_id text := 'botlive-' || left(gen_random_uuid()::text, 8);
  somebody uuid := (select u.id from auth.users u limit 1); -- some projects require an owner for every shop
  found record;
  answers jsonb := '[]';
begin
  begin
    perform botlive.act_as_worker(); -- ends when this block is rolled back
    perform botlive.map_company(text_id, null, somebody);
    for found in select s.event_type, botlive.unwell(s.event) as reason from botlive.sample_events(text_id) s loop
      answers := answers || to_jsonb(found);
    end loop;
    raise exception using errcode = 'BL000';
  exception
    when sqlstate 'BL000' then null;
    when others then
      answers := jsonb_build_array(jsonb_build_object('event_type', 'company', 'reason',
        format('companies takes no plain row (SQLSTATE %s): make each shop in the front end, then '
          '`botlive company link -- TEXT_ID UUID`', sqlstate)));
  end;
  return query select a ->> 'event_type', a ->> 'reason' from jsonb_array_elements(answers) a;
end
$$;
comment on function botlive.rehearse_new_shop is
  'For each event type why a new shop cannot take it, or null. Everything is rolled back.';

create or replace function botlive.rehearse_shops(at_most interval)
returns table (company_id text, event_type text, reason text)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  shop record;
  former text := current_setting('role');
begin
  perform botlive.act_as_worker();
  for shop in
    select m.company_id from public.company_mapping m where botlive.is_company(m.uuid) order by random()
  loop
    exit when clock_timestamp() > now() + at_most;
    return query
      select shop.company_id, s.event_type, botlive.unwell(s.event) from botlive.sample_events(shop.company_id) s;
  end loop;
  perform set_config('role', former, true);
end
$$;
comment on function botlive.rehearse_shops is 'The same for existing shops, in random order, until the time is over.';

revoke all on function botlive.plain, botlive.sample_events, botlive.rehearse, botlive.unwell,
  botlive.act_as_worker, botlive.rehearse_new_shop, botlive.rehearse_shops from public;
grant execute on function botlive.plain, botlive.sample_events, botlive.rehearse, botlive.unwell
  to service_role;
