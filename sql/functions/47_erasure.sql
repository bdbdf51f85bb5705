-- Erases the personal data of one customer, and masks an erased customer's events that arrive late.

create or replace function botlive.person_digest(person text)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select encode(sha256(convert_to(s.salt || person, 'UTF8')), 'hex') from botlive.erasure_salt s
$$;
comment on function botlive.person_digest is 'The digest under which botlive.erased keeps a customer.';

create or replace function botlive.without_names(items jsonb)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select case when jsonb_typeof(items) = 'array' then (
    select coalesce(jsonb_agg(case when i.value ? 'name' then i.value || '{"name": "***"}' else i.value end
      order by i.ordinality), '[]')
    from jsonb_array_elements(items) with ordinality i) else items end
$$;

create or replace function botlive.without_person(part jsonb)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  -- The fields that the events' contracts declare as private. Amounts, status, company and times stay.
  select part || jsonb_strip_nulls(jsonb_build_object(
      'customer_name', case when part ->> 'customer_name' is not null then '***' end,
      'items', botlive.without_names(part -> 'items'),
      'title', case when part #>> '{metadata,event}' = 'commande_enregistree' then 'Commande de ***' end,
      'description', case
        when part ->> 'description' = '' then null
        when part #>> '{metadata,event}' = 'paiement_valide' then 'Référence: ***'
        when part #>> '{metadata,event}' = 'payment_issue' then '***' end))
    || jsonb_build_object('conversation_id', null, 'metadata', m.kept
      || jsonb_strip_nulls(jsonb_build_object('items', botlive.without_names(m.kept -> 'items'))))
  from (select (part -> 'metadata')
    - array['user_id', 'customer_name', 'phone', 'zone', 'reference', 'message', 'key', 'conversation_id'] as kept) m
$$;
comment on function botlive.without_person is
  'A row of orders or activities, or the same part of an event, without the data of its customer.';

create or replace function botlive.mask_erased(events jsonb)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from botlive.erased) then
    return events;
  end if;
  -- The job of an erased customer's event has the user id `***`. Its content, and so its digest, differs from that
  -- of the original event, which may be delivered too. Both count as the same event.
  return (
    select coalesce(jsonb_agg(case when i.digest = 'erased' or p.person = '***' or exists (
        select from botlive.erased d
        where d.digest = botlive.person_digest(p.person) and d.erased_at > (e.value ->> 'occurred_at')::timestamptz)
      then e.value || jsonb_build_object('digest', coalesce(i.digest, 'erased'),
        'activity', botlive.without_person(e.value -> 'activity'),
        'order', case when jsonb_typeof(e.value -> 'order') = 'object'
          then botlive.without_person(e.value -> 'order') end)
      else e.value end order by e.ordinality), events)
    from jsonb_array_elements(events) with ordinality e
    left join botlive.inbox i on i.event_id = (e.value ->> 'event_id')::uuid,
      lateral (select e.value #>> '{activity,metadata,user_id}' as person) p
  );
end
$$;
comment on function botlive.mask_erased is
  'The events of a batch, without the data of erased customers in events that occurred before the erasure.';

create or replace function botlive.remember_erasure(person text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Waits for the transactions that may not see the new row. All later ones see it.
  perform botlive.wait_for_workers();
  insert into botlive.erased (digest, erased_at) values (botlive.person_digest(person), clock_timestamp())
  on conflict (digest) do update set erased_at = excluded.erased_at;
end
$$;
comment on function botlive.remember_erasure is 'From now on the customer''s older events are masked when they arrive.';

create or replace function botlive.rows_of_person(person text)
returns table (label text, id text, masked jsonb)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- Columns may be json or text in a project. The search for the text is fast, and the exact comparison decides.
  with wanted as (select btrim(to_jsonb(person)::text, '"') as needle)
  select 'orders', x.id::text, botlive.without_person(to_jsonb(x) || jsonb_build_object(
    'metadata', botlive.object_of(x.metadata::text),
    'items', botlive.object_of(format('{"items": %s}', x.items::text)) -> 'items'))
  from public.orders x, wanted w
  where strpos(x.metadata::text, w.needle) > 0 and botlive.object_of(x.metadata::text) ->> 'user_id' = person
  union all
  select 'activities', x.id::text, botlive.without_person(to_jsonb(x) || jsonb_build_object(
    'metadata', botlive.object_of(x.metadata::text)))
  from public.activities x, wanted w
  where strpos(x.metadata::text, w.needle) > 0 and botlive.object_of(x.metadata::text) ->> 'user_id' = person
$$;
comment on function botlive.rows_of_person is 'The rows of a customer, each as it is after the erasure.';

create or replace function botlive.erase_rows(person text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  found_orders jsonb;
  found_activities jsonb;
begin
  select jsonb_agg(r.masked) filter (where r.label = 'orders'), jsonb_agg(r.masked) filter (where r.label = 'activities')
  into found_orders, found_activities from botlive.rows_of_person(person) r;
  -- Nobody can compute the former content from the digest and the amounts that stay.
  update botlive.inbox i set digest = 'erased'
  where i.event_id in (
    select (e.value ->> 'id')::uuid
    from jsonb_array_elements(coalesce(found_orders, '[]') || coalesce(found_activities, '[]')) e);
  -- The project's triggers may need the search path of the API.
  perform set_config('search_path', 'public, extensions, pg_temp', true);
  update public.orders x set customer_name = r.customer_name, items = r.items, metadata = r.metadata,
    conversation_id = r.conversation_id
  from pg_catalog.jsonb_populate_recordset(null::public.orders, found_orders) r
  where x.id operator(pg_catalog.=) r.id;
  update public.activities x set title = r.title, description = r.description, customer_name = r.customer_name,
    metadata = r.metadata, conversation_id = r.conversation_id
  from pg_catalog.jsonb_populate_recordset(null::public.activities, found_activities) r
  where x.id operator(pg_catalog.=) r.id;
end
$$;
comment on function botlive.erase_rows is 'Masks the rows of a customer. The amounts and the numbers of rows stay.';

revoke all on function botlive.person_digest, botlive.without_names, botlive.without_person, botlive.mask_erased,
  botlive.remember_erasure, botlive.rows_of_person, botlive.erase_rows from public;
grant execute on function botlive.person_digest, botlive.without_names, botlive.without_person, botlive.mask_erased
  to service_role;
