-- Nothing that another login of the database made is run by a function of ours.
--
-- The customer's triggers need the API's search path (`public, extensions`), on which other logins may make functions
-- and operators: on PostgreSQL 14 everyone may, and a database keeps that when it is upgraded. One that fits the
-- arguments better than PostgreSQL's own is called in its place. So a row is made first, and the path is set just
-- before the statement that writes it, which names everything in full. A `set role` holds nobody who is called
-- meanwhile: the code of strangers is not asked at all, but named.

set standard_conforming_strings = on; -- some projects switch it off

select botlive.wait_for_workers();

create or replace function botlive.write_orders(fresh botlive.arrival[])
returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  inserted bigint;
  rows jsonb := (
    select jsonb_agg(f.ordered || jsonb_build_object('id', f.event_id, 'company_id', f.company, 'status', 'pending',
      'created_at', f.instant, 'updated_at', f.instant))
    from unnest(fresh) f where f.ordered is not null);
begin
  perform set_config('search_path', 'public, extensions, pg_temp', true);
  -- Cast to the columns' own types: a project may have chosen others than we would.
  insert into public.orders (id, company_id, conversation_id, customer_name, total_amount, status,
                             items, metadata, created_at, updated_at)
  select r.id, r.company_id, r.conversation_id, r.customer_name, r.total_amount, r.status,
         r.items, r.metadata, r.created_at, r.updated_at
  from pg_catalog.jsonb_populate_recordset(null::public.orders, rows) r
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
  rows jsonb := (
    select jsonb_agg(f.activity || jsonb_build_object('id', f.event_id, 'company_id', f.company, 'created_at', f.instant)
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
  from pg_catalog.jsonb_populate_recordset(null::public.activities, rows) r
  on conflict (id) do nothing;
  get diagnostics inserted = row_count;
  return inserted;
end
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
comment on function botlive.write_session is 'Deletes, inserts or ends a session''s row; whether there was one to do it to.';

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
  'Brings the rows of bot_sessions from what the toggles said to what they say now. '
  'Rows that no event made are not touched.';

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
  -- The caller holds the company's lock, so nobody else changes its toggles or sessions meanwhile.
  select t.* into first_new from botlive.toggles t
  where t.event_id = any (fresh) order by t.occurred_at, t.event_id limit 1;
  select t.* into last_new from botlive.toggles t
  where t.event_id = any (fresh) order by t.occurred_at desc, t.event_id desc limit 1;

  -- What stands before the first new toggle stays as it is; behind the disable that follows the
  -- last new one nothing changes either, for after a disable no session is open.
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
  'Brings a company''s sessions, and what its toggles'' activities say of them, to what the whole '
  'set of toggles says.';

create or replace function botlive.is_trusted(role_id oid)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- Who may become the role that runs this gains nothing by it; the tables' owner has triggers there anyway.
  select pg_has_role(role_id, current_user, 'member') or exists (
    select from pg_class c where c.relowner = role_id and c.oid in (select k.relation from botlive.known_tables k))
$$;
comment on function botlive.is_trusted is 'Whether the code of that role may be run with the rights of who migrates.';

create or replace function botlive.look_alikes()
returns table (words text, cure text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format('%s of the role %I has the name of one of PostgreSQL''s own, and may be called in its place by all that has '
      'the API''s search path, with any rights', f.name, pg_get_userbyid(f.owner)),
    format('drop %s; or, if you know what it does: alter %1$s owner to %I;', f.name, current_user)
  from (
    select format('function %s', p.oid::regprocedure) as name, p.proowner as owner, p.pronamespace as place
    from pg_proc p where p.prokind = 'f' and exists (
      select from pg_proc o where o.pronamespace = 'pg_catalog'::regnamespace and o.proname = p.proname)
    union all
    select format('operator %s', o.oid::regoperator), o.oprowner, o.oprnamespace from pg_operator o
  ) f
  where f.place in (to_regnamespace('public'), to_regnamespace('extensions')) and not botlive.is_trusted(f.owner)
  order by 1
$$;
comment on function botlive.look_alikes is
  'Functions and operators of others that may be taken for PostgreSQL''s own on the API''s search path.';

create or replace function botlive.refuse_look_alikes()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  found record;
begin
  for found in select l.* from botlive.look_alikes() l limit 1 loop
    raise exception using errcode = 'BL004', message = format(
      'botlive: nothing was done, for it could be called meanwhile: the %s; cure: %s', found.words, found.cure);
  end loop;
end
$$;
comment on function botlive.refuse_look_alikes is 'Fails where somebody''s function may be taken for PostgreSQL''s own.';

create or replace function botlive.is_askable(view_id oid)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- To read a view is to run what it calls: of those only that are trusted people's, and read trusted people's views alone.
  with recursive reading as (
    select view_id as relation
    union
    select d.refobjid
    from reading v
    join pg_rewrite r on r.ev_class = v.relation and r.ev_type = '1'
    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.refclassid = 'pg_class'::regclass
  )
  select bool_and(botlive.is_trusted(c.relowner)) from reading v join pg_class c on c.oid = v.relation and c.relkind in ('v', 'm')
$$;
comment on function botlive.is_askable is 'Whether all code that a view runs was chosen by those who are trusted.';

create or replace function botlive.change_mapping(former uuid, company uuid, owner uuid)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform set_config('search_path', 'public, extensions, pg_temp', true);
  update public.company_mapping m set uuid = company, user_id = owner, updated_at = pg_catalog.now()
  where m.uuid operator(pg_catalog.=) former;
end
$$;
comment on function botlive.change_mapping is 'Maps a shop to another company, or gives it an owner.';

create or replace function botlive.complete_mapping()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  is_trusted boolean := not botlive.people_write_configs();
  row record;
begin
  perform set_config('request.jwt.claims', '{"role": "service_role"}', true); -- as in the worker's calls
  -- The first integration's mappings pointed at no company at all.
  for row in
    select m.uuid, lower(m.company_id::text)::uuid as company, m.user_id
    from public.company_mapping m
    where m.company_id::text ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' and not botlive.is_company(m.uuid)
  loop
    if botlive.is_company(row.company)
      and botlive.owners_agree(row.company, row.user_id, true)
      and not exists (select from public.company_mapping o where o.uuid = row.company)
    then
      perform botlive.change_mapping(row.uuid, row.company, row.user_id);
    end if;
  end loop;
  for row in
    select m.uuid, m.company_id::text, u.id as owner
    from public.company_mapping m
    join public.company_rag_configs c on c.company_id::text = m.company_id::text
    join auth.users u on u.id::text = c.user_id::text
    where m.user_id is null
    order by m.company_id::text
  loop
    -- A company that this owner is not known to have stays nobody's until somebody says so.
    if is_trusted and lower(row.company_id) <> row.uuid::text
      or botlive.owners_agree(row.uuid, row.owner, is_trusted)
    then
      perform botlive.change_mapping(row.uuid, row.uuid, row.owner);
    else
      raise notice 'botlive: company % has no owner: its config names one, and that the shop is his cannot be seen; '
        'if it is, run `botlive company link --owner % -- %`', botlive.shell_word(row.company_id), row.owner,
        botlive.shell_word(row.company_id);
    end if;
  end loop;
  for row in
    select m.uuid, m.company_id::text, m.user_id, c.company_name
    from public.company_mapping m
    left join public.company_rag_configs c on c.company_id::text = m.company_id::text
    where not botlive.is_company(m.uuid)
    order by m.company_id
  loop
    begin
      perform botlive.make_company(row.uuid, coalesce(row.company_name, row.company_id), row.user_id);
    exception when others then
      raise warning 'botlive: company % has a mapping but no company: % (%)', botlive.shell_word(row.company_id), sqlerrm, sqlstate;
    end;
  end loop;
  for row in
    select c.company_id::text, c.company_name, u.id as owner
    from public.company_rag_configs c left join auth.users u on u.id::text = c.user_id::text
    where not exists (select from public.company_mapping m where m.company_id::text = c.company_id::text)
    order by c.company_id::text <> lower(c.company_id::text), c.company_id -- a UUID as it is usually written first
  loop
    begin
      if not is_trusted and row.company_id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
        and botlive.is_company(row.company_id::uuid)
        and not botlive.owners_agree(row.company_id::uuid, row.owner, false)
      then
        raise exception using errcode = 'BL001', message = format('its text id is the UUID of a company that is there, '
          'people may write configs, and who owns that company cannot be seen; if it is the same shop, run '
          '`botlive company link%s -- %s %s`', coalesce(' --owner ' || row.owner, ''),
          botlive.shell_word(row.company_id), lower(row.company_id));
      end if;
      perform botlive.map_company(row.company_id, null, row.owner, row.company_name);
    exception when others then
      raise warning 'botlive: company % is not mapped: % (%)', botlive.shell_word(row.company_id), sqlerrm, sqlstate;
    end;
  end loop;
end
$$;
comment on function botlive.complete_mapping is 'Maps every config that is not mapped, as far as that is possible.';

create or replace function botlive.ask_rows(
  relation regclass, condition text, role_name text, claims jsonb, rows jsonb,
  out passed boolean[], out refusal text)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  table_name name := (select c.relname from pg_class c where c.oid = relation);
  one record;
  alone record;
begin
  passed := '{}';
  if jsonb_array_length(rows) = 0 then
    return;
  end if;
  begin
    perform botlive.act_as(role_name, claims);
    perform set_config('search_path', 'public, extensions, pg_temp', true); -- what the condition's functions find
    -- Under the table's own name and type, by which a condition may speak of it.
    execute pg_catalog.format('select pg_catalog.array_agg(coalesce((%s), false)) from pg_catalog.jsonb_populate_recordset(null::%s, $1) as %I',
      condition, relation, table_name) into passed using rows;
    raise exception using errcode = 'BL000';
  exception
    when sqlstate 'BL000' then null;
    when others then refusal := sqlstate;
  end;
  if refusal = '42501' then -- as it would be for a request
    passed := array_fill(false, array[jsonb_array_length(rows)]);
    refusal := null;
  elsif refusal is not null and jsonb_array_length(rows) > 1 then
    -- One row's value may have raised it: the others are asked alone.
    passed := '{}';
    for one in select r.value from jsonb_array_elements(rows) with ordinality as r (value, n) order by r.n limit 40 loop
      alone := botlive.ask_rows(relation, condition, role_name, claims, jsonb_build_array(one.value));
      passed := passed || coalesce(alone.passed[1], false);
      refusal := case when alone.refusal is null then '' else refusal end;
    end loop;
    refusal := nullif(refusal, '');
  end if;
end
$$;
comment on function botlive.ask_rows is
  'For each row whether the condition is true of it for that token; refusal: the SQLSTATE, where it raises for all rows.';

create or replace function botlive.seen_in(relation regclass, role_name text, claims jsonb)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  columns text := (
    select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_catalog.pg_attribute a
    where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
      and pg_catalog.has_column_privilege(role_name, relation, a.attnum, 'SELECT'));
  plan json;
  query text;
  answer text;
begin
  if columns is null then
    return '0';
  elsif not botlive.is_askable(relation) then
    return 'not asked';
  end if;
  begin
    perform botlive.act_as(role_name, claims);
    perform set_config('search_path', 'public, extensions, pg_temp', true);
    query := pg_catalog.format('select case when pg_catalog.count(*) operator(pg_catalog.=) 0 then ''0'' else '
      'pg_catalog.count(*)::text operator(pg_catalog.||) '' '' operator(pg_catalog.||) pg_catalog.sum(pg_catalog.hashtext(v::text))::text end '
      'from (select %s from %s limit 2000) v', columns, relation);
    execute 'explain (format json) ' || query into plan;
    if (plan operator(pg_catalog.#>>) '{0,Plan,Total Cost}'::text[])::numeric operator(pg_catalog.>) 1000000::numeric then
      answer := 'too much';
    else
      execute query into answer;
    end if;
    raise exception using errcode = 'BL000';
  exception
    when sqlstate 'BL000' then return answer;
    when insufficient_privilege then return '0';
    when others then return sqlstate;
  end;
end
$$;
comment on function botlive.seen_in is 'The number of rows that somebody sees in a view, and a digest of them.';

create or replace function botlive.views_to_name(at_most interval default interval '4 seconds')
returns table (view_name text, words text, cure text)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  company uuid := gen_random_uuid();
  text_id text := 'botlive-' || gen_random_uuid();
  views jsonb;
  personas jsonb;
  owner text;
  before jsonb;
  after jsonb;
  until_time timestamptz := clock_timestamp() + at_most;
begin
  select coalesce(jsonb_agg(jsonb_build_object('relation', v.relation, 'roles', v.roles, 'definition', v.definition)), '[]')
    into views
  from botlive.views_over() v join pg_catalog.pg_class c on c.oid = v.relation
  where c.relkind = 'v' and not v.is_invokers;
  if views <> '[]' then
    begin
      select jsonb_agg(to_jsonb(p)) into personas from (
        select distinct on (s.role_name, s.label) s.role_name, s.label, s.claims from botlive.strangers() s
        where s.label in ('anyone', 'with an e-mail address', 'with a second factor')
        union all select 'authenticated', u.user_id::text, u.claims from botlive.people(3) u
      ) p;
      before := botlive.seen_by_all(views, personas, until_time);
      owner := botlive.make_shop_to_try(company, text_id);
      perform botlive.fill_shop(company, text_id,
        (select string_agg(v ->> 'definition', ' ') from jsonb_array_elements(views) v));
      after := botlive.seen_by_all(views, personas, until_time);
      raise exception using errcode = 'BL000';
    exception when sqlstate 'BL000' then null;
    end;
  end if;
  return query
    with answers as (
      select split_part(a.key, ' ', 1)::oid as relation, split_part(a.key, ' ', 2) as role_name,
        case
          when split_part(a.value, ' ', 1) = '0' then null
          when a.value = 'not asked' then 'may show rows that are not theirs (it is not asked: its owner, or that of a '
            'view below it, would run with the rights of who migrates)'
          when a.value in ('too much', 'too long') then 'may show rows that are not theirs (it takes too long to find out)'
          when a.value !~ '^[0-9]+ ' then format('may show rows that are not theirs (asked, it raises SQLSTATE %s)', a.value)
          when a.value is distinct from before ->> a.key then 'shows rows that are not theirs'
          when a.key ~ '-[0-9a-f]{12}$' then null -- what somebody sees besides is his own
          when a.value ~ '^1 ' and pg_catalog.pg_get_viewdef(split_part(a.key, ' ', 1)::oid) !~* 'group by' and
            pg_catalog.pg_get_viewdef(split_part(a.key, ' ', 1)::oid) ~* '[[:<:]](count|sum|avg|min|max|coalesce)[(]' then null
          else 'shows rows that are not theirs' end as said
      from jsonb_each_text(coalesce(after, '{}')) a (key, value)
      where owner = '' or a.key not like '% ' || owner
    ), found as (
      select a.relation, a.role_name, a.said from answers a where a.said is not null
      union all
      select v.relation, r, 'takes rows that it does not show' from botlive.views_over() v, unnest(v.roles) r
      where not v.is_invokers and botlive.writes_around(v.relation, r)
      union all
      select v.relation, r, 'keeps a copy of rows of every shop' from botlive.views_over() v
      join pg_catalog.pg_class c on c.oid = v.relation and c.relkind = 'm', unnest(v.roles) r
      where pg_catalog.has_any_column_privilege(r, v.relation, 'SELECT')
    )
    select f.relation::regclass::text, format('the view %s %s, for %s', f.relation::regclass,
        string_agg(distinct f.said, ', and '), string_agg(distinct f.role_name, ' and ')),
      case
        when c.relkind = 'v' and current_setting('server_version_num')::integer >= 150000
          then format('alter view %s set (security_invoker = true);', c.oid::regclass)
        else format('revoke all on table %s from public, anon, authenticated;', c.oid::regclass) end
    from found f join pg_catalog.pg_class c on c.oid = f.relation
    group by f.relation, c.oid, c.relkind
    order by 1;
end
$$;
comment on function botlive.views_to_name is
  'Views over the shops'' tables by which people see or write rows that are not theirs. Leaves nothing behind.';

create or replace function botlive.check_owners()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  cure text;
begin
  select string_agg(format('alter table %s owner to %I;', c.oid::regclass, current_user), ' ') into cure
  from pg_catalog.pg_class c
  where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
    and c.relname in ('companies', 'company_rag_configs', 'company_mapping', 'orders', 'activities', 'bot_sessions')
    and not pg_catalog.pg_has_role(current_user, c.relowner, 'usage');
  if cure is not null then
    raise exception using errcode = 'insufficient_privilege', message = format(
      'botlive: tables belong to another role than %I, which runs the migrations; as their owner run: %s',
      current_user, cure);
  end if;
  perform botlive.refuse_look_alikes();
end
$$;

create or replace function botlive.findings()
returns table (blocks boolean, words text)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- All that is not as events need it, and all that was taken: for `botlive migrate` and the doctor.
  return query select true, format('nothing was looked at, for it could be called meanwhile: the %s; cure: %s', l.words, l.cure)
    from botlive.look_alikes() l;
  if found then
    return;
  end if;
  return query
    select true, format('%s.%s cannot take an event: found %s, wanted %s; cure: %s',
      m.table_name, m.column_name, m.found_type, m.wanted_type, m.cure)
    from botlive.misfits() m;
  return query
    select r.event_type <> 'company', case r.event_type
      when 'company' then format('no new shop can be made: %s', r.reason)
      else format('%s: a new shop can take no such event: %s', r.event_type, r.reason) end
    from botlive.rehearse_new_shop() r
    where r.reason is not null and r.reason not like '%; cure: %';
  return query
    select count(*) = (select count(*) from public.company_mapping), -- no shop can
      format('%s: %s of %s shops can take no such event (%s for example): %s',
      r.event_type, count(*), (select count(*) from public.company_mapping), quote_literal(min(r.company_id)), r.reason)
    from botlive.rehearse_shops(interval '3 seconds') r
    where r.reason is not null and r.reason not like '%; cure: %'
      and not exists (select from botlive.rehearse_new_shop() n
                      where n.reason = r.reason and n.event_type = r.event_type)
    group by r.event_type, r.reason;
  return query select false, format('%s; cure: `botlive migrate`', d.words) from botlive.drift() d;
  return query select false, format('%s; cure: %s', r.words, r.cure) from botlive.roles_to_name() r;
  return query select false, format('%s; cure: %s', p.words, p.cure) from botlive.policies_to_name() p;
  return query select false, format('%s; cure: %s', v.words, v.cure) from botlive.views_to_name() v;
  return query select false, format('%s; cure: %s', r.words, r.cure) from botlive.rules_to_name() r;
  return query select false, format('%s; cure: %s', p.words, p.cure) from botlive.partitions_to_name() p;
  return query
    select false, format('%s; cure: %s (or let it compare with auth.uid())', f.words, f.cure)
    from botlive.functions_to_name() f;
  return query
    select false, format('%s on %s: %s on %s: %s; to give it back: %s',
      case when p.what = 'policy' then 'replaced' else 'taken' end,
      to_char(min(p.replaced_at) at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'),
      p.what || ' ' || string_agg(case when p.what = 'privilege' then p.name else quote_ident(p.name) end, ', '
        order by p.number),
      p.relation, p.reason, pg_catalog.regexp_replace(string_agg(p.give_back, ' ' order by p.number), '[[:space:]]*\n[[:space:]]*', ' ', 'g'))
    from botlive.replaced_policies p where p.given_back_at is null
    group by p.relation, p.what, p.reason, case when p.what = 'policy' then p.number end
    order by min(p.number);
end
$$;

create or replace function botlive.rehearse_new_shop()
returns table (event_type text, reason text)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  text_id text := 'botlive-' || left(gen_random_uuid()::text, 8);
  somebody uuid := (select u.id from auth.users u limit 1); -- some projects want every shop owned
  found record;
  answers jsonb := '[]';
begin
  begin
    perform botlive.act_as_worker(); -- until this block is rolled back
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

revoke all on function botlive.write_session, botlive.change_mapping, botlive.is_trusted, botlive.look_alikes,
  botlive.refuse_look_alikes, botlive.is_askable from public;
grant execute on function botlive.write_session to service_role;

select botlive.keep_settings();
