-- Reports views through which people read or write rows that policies hide from them.
--
-- Each view is read as strangers and as existing users, before and after another shop gets rows. Their result must
-- not change. Everything is rolled back. The project's triggers fire only if this role may not disable them.
-- Foreign tables, and copies of the tables, are not found.

create or replace function botlive.views_over()
returns table (relation oid, name text, roles text[], is_invokers boolean, definition text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- Views that read the tables directly or through other views, and that a stranger may use.
  with recursive reading as (
    select k.relation as view_id from botlive.known_tables k
    union
    select r.ev_class
    from reading v
    join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = v.view_id
      and d.classid = 'pg_catalog.pg_rewrite'::regclass
    join pg_catalog.pg_rewrite r on r.oid = d.objid and r.ev_type = '1'
  )
  select c.oid, c.oid::regclass::text, array_agg(r.role_name order by r.role_name),
    coalesce(c.reloptions::text ~* 'security_invoker=(true|on|1|yes)', false), pg_catalog.pg_get_viewdef(c.oid)
  from reading v
  join pg_catalog.pg_class c on c.oid = v.view_id
  join (values ('anon'), ('authenticated')) as r (role_name)
    on pg_catalog.has_schema_privilege(r.role_name, c.relnamespace, 'USAGE')
    and (pg_catalog.has_any_column_privilege(r.role_name, c.oid, 'SELECT, INSERT, UPDATE')
      or pg_catalog.has_table_privilege(r.role_name, c.oid, 'DELETE'))
  where c.relkind in ('v', 'm')
  group by c.oid, c.reloptions
$$;
comment on function botlive.views_over is 'The views over the shops'' tables that anon or authenticated may use.';

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
comment on function botlive.seen_in is 'The number of rows that this token sees in a view, and a digest of them.';

create or replace function botlive.seen_by_all(views jsonb, personas jsonb, until_time timestamptz)
returns jsonb
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_object_agg(concat_ws(' ', v.relation, s.role_name, s.label), case
    when clock_timestamp() < until_time then botlive.seen_in(v.relation, s.role_name, s.claims) else 'too long' end), '{}')
  from jsonb_to_recordset(views) as v (relation oid, roles text[]),
    jsonb_to_recordset(personas) as s (role_name text, label text, claims jsonb)
  where s.role_name = any (v.roles)
$$;

create or replace function botlive.fill_shop(company uuid, text_id text, definitions text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  known record;
  one record;
  flags text;
begin
  -- Rows of the shop. A row that a table refuses is skipped.
  for known in
    select c.oid::regclass as relation, c.relname from pg_catalog.pg_class c
    where c.oid in (select k.relation from botlive.known_tables k) and c.relkind in ('r', 'p')
      and c.relname in ('orders', 'activities', 'bot_sessions')
  loop
    for one in
      select botlive.strange_row(known.relation) || jsonb_build_object('status', 'pending', 'type', 'order', 'mode', 'live')
          || m.one || jsonb_build_object('id', gen_random_uuid()) as one, m.one as made
      from botlive.made_up_rows(known.relation, definitions, company, text_id) m
      where not m.is_of_a_shop_that_is_named
      order by m.is_usual desc, random()
      limit case when current_setting('session_replication_role') = 'replica' then 60 else 6 end
    loop
      begin
        execute (
          select format('insert into %s (%s) select %2$s from jsonb_populate_record(null::%1$s, $1)', known.relation,
            string_agg(quote_ident(a.attname), ', '))
          from pg_catalog.pg_attribute a
          where a.attrelid = known.relation and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
            and a.attidentity <> 'a'
            and (one.made ? a.attname or a.attname in ('id', 'status', 'type', 'mode') or a.attnotnull and not a.atthasdef)
        ) using one.one;
      exception when others then
        continue; -- the table refuses such a row
      end;
    end loop;
  end loop;
  select string_agg(format('%I = true', a.attname), ', ') into flags from pg_catalog.pg_attribute a
  where a.attrelid = to_regclass('public.companies') and a.atttypid = 'bool'::regtype and a.attnum > 0
    and not a.attisdropped and a.attgenerated = '';
  if flags is not null then
    begin
      execute format('update public.companies set %s where id::text = %L', flags, company);
    exception when others then null;
    end;
  end if;
end
$$;

create or replace function botlive.writes_around(relation oid, role_name text)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- An updatable view without a check option accepts rows that it does not show.
  select coalesce(c.reloptions::text !~ 'check_option=', true) and (
    pg_catalog.pg_relation_is_updatable(c.oid, false) & 8 > 0
      and pg_catalog.has_any_column_privilege(role_name, c.oid, 'INSERT')
    or pg_catalog.pg_relation_is_updatable(c.oid, false) & 4 > 0 and exists (
      select from pg_catalog.pg_attribute a
      where a.attrelid = c.oid and a.attname in ('company_id', 'uuid', 'owner_id', 'user_id')
        and pg_catalog.has_column_privilege(role_name, c.oid, a.attnum, 'UPDATE')))
  from pg_catalog.pg_class c where c.oid = relation
$$;

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
          when a.value = 'not asked' then 'may show rows that are not theirs (it was not read: its owner, or the owner of '
            'a view below it, could run code with the rights of the migrating role)'
          when a.value in ('too much', 'too long') then 'may show rows that are not theirs (it takes too long to find out)'
          when a.value !~ '^[0-9]+ ' then format('may show rows that are not theirs (asked, it raises SQLSTATE %s)', a.value)
          when a.value is distinct from before ->> a.key then 'shows rows that are not theirs'
          when a.key ~ '-[0-9a-f]{12}$' then null -- the other rows are the user's own
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
  'Views over the shops'' tables through which people read or write rows that are not theirs. Everything is rolled '
  'back.';

revoke all on function botlive.views_over, botlive.seen_in, botlive.seen_by_all, botlive.fill_shop,
  botlive.writes_around, botlive.views_to_name from public;
