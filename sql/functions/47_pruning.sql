-- Deletes what is older than the horizon, in pieces. Only the owner may call these functions: `botlive prune` does.
--
-- A piece is a range of pages of a table, so no index on the time is needed, which would slow down each event.

create or replace function botlive.is_pruned(instant text)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return instant::timestamptz < (select h.kept_since from botlive.horizon h);
exception when data_exception then
  return null; -- the column is text, and a person edited it
end
$$;
comment on function botlive.is_pruned is 'Whether the time is before the horizon; null if it is not known.';

create or replace function botlive.raise_horizon(wanted timestamptz)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if wanted > now() - interval '30 days' then
    raise exception using errcode = 'BL001', message = 'the horizon must be at least 30 days ago';
  end if;
  -- A transaction that persists events reads the horizon, which locks this table until its end. Such transactions
  -- may still write older events, so they must end before anything is deleted.
  lock table botlive.horizon in access exclusive mode;
  insert into botlive.horizon as h (kept_since) values (wanted)
  on conflict (is_only_row) do update set kept_since = excluded.kept_since, raised_at = now()
  where h.kept_since < excluded.kept_since;
end
$$;
comment on function botlive.raise_horizon is 'Raises the horizon to the time. It is never lowered.';

create or replace function botlive.page_start(page bigint)
returns tid
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select format('(%s,0)', page)::tid
$$;

create or replace function botlive.prune_inbox(
  before timestamptz, first_page bigint, past_page bigint, out events bigint, out activities bigint)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  page_first tid := botlive.page_start(first_page);
  page_past tid := botlive.page_start(past_page);
  ids jsonb;
begin
  with gone as (
    delete from botlive.inbox i
    where i.ctid >= page_first and i.ctid < page_past
      and i.occurred_at < (select least(before, h.kept_since) from botlive.horizon h)
    returning i.event_id
  )
  select count(*), jsonb_agg(jsonb_build_object('id', g.event_id)) into events, ids from gone g;
  -- Only activities that events made are deleted. The ids are cast to the type of the column. The project's
  -- triggers may rely on the search path of the API.
  perform set_config('search_path', 'public, extensions, pg_temp', true);
  perform pg_catalog.set_config('botlive.broadcast', 'off', true); -- open pages do not show rows this old
  delete from public.activities a
  using pg_catalog.jsonb_populate_recordset(null::public.activities, ids) r
  where a.id operator(pg_catalog.=) r.id;
  get diagnostics activities = row_count;
end
$$;
comment on function botlive.prune_inbox is
  'Deletes the events in a range of pages of the inbox that are older than the time and the horizon, with their '
  'activities.';

create or replace function botlive.prune_toggles(before timestamptz, first_page bigint, past_page bigint)
returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  page_first tid := botlive.page_start(first_page);
  page_past tid := botlive.page_start(past_page);
  deleted bigint;
begin
  -- The last toggle of each company before the horizon stays: it says whether a session is open, which one, and since
  -- when. Later toggles need no more, and earlier ones are refused. See botlive.bring_sessions().
  with cut as materialized (
    select least(before, h.kept_since) as instant from botlive.horizon h
  )
  delete from botlive.toggles t
  where t.ctid >= page_first and t.ctid < page_past
    and t.occurred_at < (select c.instant from cut c)
    and exists (
      select from botlive.toggles later
      where later.company = t.company and later.occurred_at < (select c.instant from cut c)
        and (later.occurred_at, later.event_id) > (t.occurred_at, t.event_id));
  get diagnostics deleted = row_count;
  return deleted;
end
$$;
comment on function botlive.prune_toggles is
  'Deletes the toggles in a range of pages that are older than the time and the horizon, and that no session '
  'follows from any more.';

create or replace function botlive.count_prunable(
  before timestamptz, out events bigint, out activities bigint, out toggles bigint)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select
    (select count(*) from botlive.inbox i where i.occurred_at < before),
    (select count(*) from botlive.inbox i join public.activities a on a.id::text = i.event_id::text
     where i.occurred_at < before),
    (select count(*) from botlive.toggles t where t.occurred_at < before and exists (
       select from botlive.toggles later
       where later.company = t.company and later.occurred_at < before
         and (later.occurred_at, later.event_id) > (t.occurred_at, t.event_id)))
$$;
comment on function botlive.count_prunable is 'How many rows the horizon would delete.';

revoke all on function botlive.is_pruned, botlive.raise_horizon, botlive.page_start, botlive.prune_inbox,
  botlive.prune_toggles, botlive.count_prunable from public;
