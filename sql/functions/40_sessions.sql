-- Computes the sessions of a company from the set of its toggles, which may arrive in any order.
--
-- Rows are cast to the types of the columns by jsonb_populate_record: the project may have text for uuid, or json
-- for jsonb.

create or replace function botlive.fold_toggles(
  toggles botlive.toggles[], open_session uuid, open_since timestamptz)
returns setof botlive.toggles
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  -- Gaps and islands. An island begins with an enable when no session is open, and ends with the next disable.
  with marked as (
    select t.*, coalesce(lag(t.enabled) over in_order, open_session is not null) as was_open
    from unnest(toggles) t
    window in_order as (order by t.occurred_at, t.event_id)
  ), islands as (
    select m.*, count(*) filter (where m.enabled and not m.was_open) over in_order as island
    from marked m
    window in_order as (order by m.occurred_at, m.event_id)
  ), begun as (
    select i.*,
           case when i.island = 0 then open_session else first_value(i.event_id) over island end as name,
           case when i.island = 0 then open_since else first_value(i.occurred_at) over island end as since
    from islands i
    window island as (partition by i.island order by i.occurred_at, i.event_id)
  )
  select b.event_id, b.company, b.occurred_at, b.enabled, b.mode,
         case when b.enabled or b.was_open then b.name end,
         case when b.enabled or b.was_open then b.since end,
         b.withdrawn
  from begun b
$$;
comment on function botlive.fold_toggles is
  'A range of a company''s toggles, each with the session that it belongs to. A pure function.';

create or replace function botlive.session_text(toggle botlive.toggles)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select case when toggle.enabled or toggle.session_id is null then ''
    else format('Durée: %s %s', minutes, case when minutes < 2 then 'minute' else 'minutes' end)
  end
  from (
    select floor(extract(epoch from toggle.occurred_at - toggle.session_began_at) / 60)::bigint as minutes
  ) m
$$;
comment on function botlive.session_text is
  'The description of a toggle''s activity, in French: the duration, on the disable that ends a session.';

create or replace function botlive.utc_text(instant timestamptz)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  -- Always in UTC: the column may be a timestamp without time zone.
  select to_char(instant at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')
$$;

create or replace function botlive.write_session(session jsonb, deed text)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform set_config('search_path', 'public, extensions, pg_temp', true);
  case deed
    when 'delete' then
      delete from public.bot_sessions s
      using pg_catalog.jsonb_populate_record(null::public.bot_sessions, session) r
      where s.id operator(pg_catalog.=) r.id and s.company_id operator(pg_catalog.=) r.company_id;
    when 'insert' then
      insert into public.bot_sessions (id, company_id, mode, started_at, ended_at, created_at)
      select r.id, r.company_id, r.mode, r.started_at, r.ended_at, r.created_at
      from pg_catalog.jsonb_populate_record(null::public.bot_sessions, session) r
      on conflict (id) do nothing;
    when 'end' then
      update public.bot_sessions s set ended_at = r.ended_at
      from pg_catalog.jsonb_populate_record(null::public.bot_sessions, session) r
      where s.id operator(pg_catalog.=) r.id and s.company_id operator(pg_catalog.=) r.company_id;
  end case;
  return found;
end
$$;
comment on function botlive.write_session is
  'Deletes, inserts or ends the row of a session. Returns whether a row was changed.';

create or replace function botlive.rewrite_sessions(
  shop uuid, before botlive.toggles[], after botlive.toggles[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  change record;
  session jsonb;
begin
  for change in
    with former as (
      select b.session_id as id, max(b.occurred_at) filter (where not b.enabled) as ended_at,
             bool_or(b.event_id = b.session_id) as begins_here
      from unnest(before) b where b.session_id is not null group by b.session_id
    ), present as (
      select a.session_id as id, max(a.occurred_at) filter (where not a.enabled) as ended_at,
             bool_or(a.event_id = a.session_id) as begins_here,
             min(a.session_began_at) as started_at,
             max(a.mode) filter (where a.event_id = a.session_id) as mode
      from unnest(after) a where a.session_id is not null group by a.session_id
    )
    select id, p.mode, p.started_at, p.ended_at,
           coalesce(f.begins_here, false) and not coalesce(p.begins_here, false) as vanishes,
           coalesce(p.begins_here, false) and not coalesce(f.begins_here, false) as appears
    from former f full join present p using (id)
    where coalesce(f.begins_here, false) <> coalesce(p.begins_here, false)
      or f.ended_at is distinct from p.ended_at
    order by vanishes desc, appears, p.started_at, id
  loop
    session := jsonb_build_object('id', change.id, 'company_id', shop, 'mode', change.mode,
      'started_at', botlive.utc_text(change.started_at), 'ended_at', botlive.utc_text(change.ended_at));
    session := session || jsonb_build_object('created_at', session -> 'started_at');
    if change.vanishes then
      if not botlive.write_session(session, 'delete') then
        update botlive.toggles t set withdrawn = true where t.event_id = change.id;
      end if;
    elsif change.appears then
      if not exists (select from botlive.toggles t where t.event_id = change.id and t.withdrawn) then
        perform botlive.write_session(session, 'insert');
      end if;
      if exists (
        select from public.bot_sessions s, jsonb_populate_record(null::public.bot_sessions, session) r
        where s.id = r.id and s.company_id <> r.company_id
      ) then
        raise exception using errcode = 'unique_violation', message = 'the session''s id is another company''s';
      end if;
    else
      perform botlive.write_session(session, 'end');
    end if;
  end loop;
end
$$;
comment on function botlive.rewrite_sessions is
  'Changes the rows of bot_sessions from the former result of fold_toggles to the present one. It does not touch '
  'rows that no event made.';

create or replace function botlive.object_of(written text)
returns jsonb
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return case jsonb_typeof(written::jsonb) when 'object' then written::jsonb else '{}' end;
exception when invalid_text_representation then
  return '{}'; -- the column is text, and a person edited it
end
$$;
comment on function botlive.object_of is 'The JSON object in the text, or an empty object.';

create or replace function botlive.bring_sessions(shop uuid, fresh uuid[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  first_new botlive.toggles;
  last_new botlive.toggles;
  previous botlive.toggles;
  closer botlive.toggles;
  before botlive.toggles[];
  after botlive.toggles[];
  said jsonb;
begin
  -- The caller holds the company's lock. No other transaction changes its toggles or sessions now.
  select t.* into first_new from botlive.toggles t
  where t.event_id = any (fresh) order by t.occurred_at, t.event_id limit 1;
  select t.* into last_new from botlive.toggles t
  where t.event_id = any (fresh) order by t.occurred_at desc, t.event_id desc limit 1;

  -- Toggles before the first new one keep their session. Toggles after the disable that follows the last new
  -- one keep theirs too, because no session is open after a disable.
  select t.* into previous from botlive.toggles t
  where t.company = shop and (t.occurred_at, t.event_id) < (first_new.occurred_at, first_new.event_id)
  order by t.occurred_at desc, t.event_id desc limit 1;
  select t.* into closer from botlive.toggles t
  where t.company = shop and not t.enabled
    and (t.occurred_at, t.event_id) > (last_new.occurred_at, last_new.event_id)
  order by t.occurred_at, t.event_id limit 1;

  select array_agg(t) into before from botlive.toggles t
  where t.company = shop
    and (t.occurred_at, t.event_id) >= (first_new.occurred_at, first_new.event_id)
    and (closer.event_id is null or (t.occurred_at, t.event_id) <= (closer.occurred_at, closer.event_id));
  select array_agg(f) into after from botlive.fold_toggles(before,
    case when previous.enabled then previous.session_id end,
    case when previous.enabled then previous.session_began_at end) f;

  update botlive.toggles t
  set session_id = a.session_id, session_began_at = a.session_began_at
  from unnest(after) a where t.event_id = a.event_id;

  select jsonb_agg(jsonb_build_object('id', c.event_id, 'description', c.description,
    'metadata', botlive.object_of(x.metadata::text) || jsonb_build_object('session_id', c.session_id)))
  into said
  from (
    select a.event_id, r.id, botlive.session_text(a) as description, a.session_id
    from unnest(after) a join unnest(before) b on b.event_id = a.event_id,
      jsonb_populate_record(null::public.activities, jsonb_build_object('id', a.event_id)) r
    where (a.session_id, a.session_began_at) is distinct from (b.session_id, b.session_began_at)
  ) c join public.activities x on x.id = c.id;
  if said is not null then
    perform set_config('search_path', 'public, extensions, pg_temp', true);
    update public.activities x set description = r.description, metadata = r.metadata
    from pg_catalog.jsonb_populate_recordset(null::public.activities, said) r
    where x.id operator(pg_catalog.=) r.id;
    perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  end if;

  perform botlive.rewrite_sessions(shop, before, after);
end
$$;
comment on function botlive.bring_sessions is
  'Updates the sessions of a company, and the activities of its toggles, after new toggles.';

revoke all on function botlive.fold_toggles, botlive.session_text, botlive.utc_text, botlive.write_session,
  botlive.rewrite_sessions, botlive.object_of, botlive.bring_sessions from public;
grant execute on function botlive.fold_toggles, botlive.session_text, botlive.utc_text, botlive.write_session,
  botlive.rewrite_sessions, botlive.object_of, botlive.bring_sessions to service_role;
