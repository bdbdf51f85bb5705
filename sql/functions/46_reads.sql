-- The functions that the dashboard and `botlive reconcile` call, by Botlive's text id.
--
-- A row that a person made may have no date. Such rows come last, or they would hide the newest ones. They are read
-- apart: the index that the front end needs (company_id, created_at desc) has them first, and serves both halves.

create or replace function public.botlive_read_activities(text_id text, at_most integer default 10)
returns jsonb
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  company uuid;
begin
  -- Null for an unknown text id: an empty list would look like a shop without activities.
  select m.uuid into company from public.company_mapping m where m.company_id = text_id;
  if company is null then
    return null;
  end if;
  return (
    select coalesce(jsonb_agg(to_jsonb(a) order by a.created_at desc nulls last, a.id desc), '[]')
    from (
      select * from (
        (select x.id, x.type, x.title, x.description, x.status, x.metadata, x.customer_name, x.created_at
         from public.activities x
         where x.company_id = (
             jsonb_populate_record(null::public.activities, jsonb_build_object('company_id', company))).company_id
           and x.created_at is not null
         order by x.created_at desc, x.id desc limit at_most)
        union all
        (select x.id, x.type, x.title, x.description, x.status, x.metadata, x.customer_name, x.created_at
         from public.activities x
         where x.company_id = (
             jsonb_populate_record(null::public.activities, jsonb_build_object('company_id', company))).company_id
           and x.created_at is null
         order by x.id desc limit at_most)
      ) u
      order by u.created_at desc nulls last, u.id desc limit at_most
    ) a
  );
end
$$;
comment on function public.botlive_read_activities is
  'The newest activities of a company; null if the text id is unknown.';

create or replace function public.botlive_read_orders(
  text_id text, wanted_status text default 'pending', at_most integer default 50)
returns jsonb
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  company uuid;
begin
  select m.uuid into company from public.company_mapping m where m.company_id = text_id;
  if company is null then
    return null;
  end if;
  if wanted_status = 'pending' then -- a literal, so that PostgreSQL can use the partial index
    return (
      select coalesce(jsonb_agg(to_jsonb(o) order by o.created_at desc nulls last, o.id desc), '[]')
      from (
        select * from (
          (select *
           from public.orders x
           where x.company_id = (
               jsonb_populate_record(null::public.orders, jsonb_build_object('company_id', company))).company_id
             and x.created_at is not null and x.status = 'pending'
           order by x.created_at desc, x.id desc limit at_most)
          union all
          (select *
           from public.orders x
           where x.company_id = (
               jsonb_populate_record(null::public.orders, jsonb_build_object('company_id', company))).company_id
             and x.created_at is null and x.status = 'pending'
           order by x.id desc limit at_most)
        ) u
        order by u.created_at desc nulls last, u.id desc limit at_most
      ) o
    );
  end if;
  return (
    select coalesce(jsonb_agg(to_jsonb(o) order by o.created_at desc nulls last, o.id desc), '[]')
    from (
      select * from (
        (select *
         from public.orders x
         where x.company_id = (
             jsonb_populate_record(null::public.orders, jsonb_build_object('company_id', company))).company_id
           and x.created_at is not null and (wanted_status is null or x.status::text = wanted_status)
         order by x.created_at desc, x.id desc limit at_most)
        union all
        (select *
         from public.orders x
         where x.company_id = (
             jsonb_populate_record(null::public.orders, jsonb_build_object('company_id', company))).company_id
           and x.created_at is null and (wanted_status is null or x.status::text = wanted_status)
         order by x.id desc limit at_most)
      ) u
      order by u.created_at desc nulls last, u.id desc limit at_most
    ) o
  );
end
$$;
comment on function public.botlive_read_orders is
  'The newest orders of a company with a status, or with any status if it is null; null if the text id is unknown.';

create or replace function public.botlive_read_session(text_id text)
returns jsonb
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  company uuid;
begin
  select m.uuid into company from public.company_mapping m where m.company_id = text_id;
  if company is null then
    return null;
  end if;
  return jsonb_build_object('session', (
    select to_jsonb(s) from public.bot_sessions s
    where s.company_id = (
        jsonb_populate_record(null::public.bot_sessions, jsonb_build_object('company_id', company))).company_id
      and s.ended_at is null
    order by s.started_at desc, s.id desc
    limit 1
  ));
end
$$;
comment on function public.botlive_read_session is
  '{"session": the newest open session or null}; null if the text id is unknown.';

create or replace function public.botlive_persisted(event_ids uuid[])
returns jsonb
language sql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_object_agg(i.event_id, i.digest), '{}')
  from botlive.inbox i where i.event_id = any (event_ids)
$$;
comment on function public.botlive_persisted is
  'The events that are in the inbox, each with the digest of its content.';

revoke all on function public.botlive_read_activities, public.botlive_read_orders,
  public.botlive_read_session, public.botlive_persisted from public, anon, authenticated;
grant execute on function public.botlive_read_activities, public.botlive_read_orders,
  public.botlive_read_session, public.botlive_persisted to service_role;
