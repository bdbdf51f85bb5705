-- What the dashboard reads, by Botlive's text id, each in one call; and what `botlive reconcile` asks.

select botlive.wait_for_workers();

create index if not exists orders_pending_idx
  on public.orders (company_id, created_at desc) where status = 'pending';
-- A row made by hand may have no date: it comes last, or it would hide what is new.
create index if not exists orders_dated_idx
  on public.orders (company_id, created_at desc nulls last, id desc) where status = 'pending';
create index if not exists activities_dated_idx
  on public.activities (company_id, created_at desc nulls last, id desc);

create or replace function public.botlive_read_activities(text_id text, at_most integer default 10)
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- Null where no company has the text id: an empty list would pretend to know.
  select (
    select coalesce(jsonb_agg(to_jsonb(a) order by a.created_at desc nulls last, a.id desc), '[]')
    from (
      select a.id, a.type, a.title, a.description, a.status, a.metadata, a.customer_name, a.created_at
      from public.activities a
      where a.company_id = m.uuid
      order by a.created_at desc nulls last, a.id desc
      limit at_most
    ) a
  )
  from public.company_mapping m
  where m.company_id = text_id
$$;
comment on function public.botlive_read_activities is
  'A company''s newest activities; null where the text id is unknown.';

create or replace function public.botlive_read_orders(
  text_id text, wanted_status text default 'pending', at_most integer default 50)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  company uuid;
begin
  select m.uuid into company from public.company_mapping m where m.company_id = text_id;
  if company is null then
    return null;
  end if;
  if wanted_status = 'pending' then -- said literally, so that the partial index serves it
    return (
      select coalesce(jsonb_agg(to_jsonb(o) order by o.created_at desc nulls last, o.id desc), '[]')
      from (
        select * from public.orders o where o.company_id = company and o.status = 'pending'
        order by o.created_at desc nulls last, o.id desc limit at_most
      ) o
    );
  end if;
  return (
    select coalesce(jsonb_agg(to_jsonb(o) order by o.created_at desc nulls last, o.id desc), '[]')
    from (
      select * from public.orders o
      where o.company_id = company and (wanted_status is null or o.status = wanted_status)
      order by o.created_at desc nulls last, o.id desc limit at_most
    ) o
  );
end
$$;
comment on function public.botlive_read_orders is
  'A company''s newest orders of a status (null: of any); null where the text id is unknown.';

create or replace function public.botlive_read_session(text_id text)
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select jsonb_build_object('session', (
    select to_jsonb(s) from public.bot_sessions s
    where s.company_id = m.uuid and s.ended_at is null
    order by s.started_at desc, s.id desc
    limit 1
  ))
  from public.company_mapping m
  where m.company_id = text_id
$$;
comment on function public.botlive_read_session is
  '{"session": the newest open one or null}; null where the text id is unknown.';

create or replace function public.botlive_persisted(event_ids uuid[])
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select coalesce(jsonb_object_agg(i.event_id, i.digest), '{}')
  from botlive.inbox i where i.event_id = any (event_ids)
$$;
comment on function public.botlive_persisted is
  'Which of the events are in the inbox, each with the digest of its content.';

revoke all on function public.botlive_read_activities, public.botlive_read_orders,
  public.botlive_read_session, public.botlive_persisted from public, anon, authenticated;
grant execute on function public.botlive_read_activities, public.botlive_read_orders,
  public.botlive_read_session, public.botlive_persisted to service_role;

notify pgrst, 'reload schema';
