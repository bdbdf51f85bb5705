-- Views, functions and partitions by which people get at rows that the policies keep from them.
--
-- A view is asked as strangers and as users that exist, before and after another shop got rows in every state that
-- the view's text can tell apart. What they see must not change by it. All of it is rolled back; the project's
-- triggers fire only where the role may not switch them off. Foreign tables and copies of these tables say nothing of
-- whose rows they hold: they are not found.

set standard_conforming_strings = on; -- some projects switch it off

create or replace function botlive.views_over()
returns table (relation oid, name text, roles text[], is_invokers boolean, definition text)
language sql
stable
set search_path = ''
as $$
  -- Directly or through other views; those that a stranger may use.
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
set search_path = ''
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
  end if;
  begin
    perform botlive.act_as(role_name, claims);
    perform set_config('search_path', 'public, extensions, pg_temp', true);
    query := pg_catalog.format('select count(*) || case when count(*) = 0 then '''' else '' '' || sum(hashtext(v::text)) end '
      'from (select %s from %s limit 2000) v', columns, relation);
    execute 'explain (format json) ' || query into plan;
    if (plan #>> '{0,Plan,Total Cost}')::numeric > 1000000 then
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

create or replace function botlive.seen_by_all(views jsonb, personas jsonb, until_time timestamptz)
returns jsonb
language sql
volatile
set search_path = ''
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
set search_path = ''
as $$
declare
  known record;
  one record;
  flags text;
begin
  -- Rows of the shop, as far as the tables take them.
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
        continue; -- such a row cannot be there
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
set search_path = ''
as $$
  -- A view that can be written without a check option takes rows that it does not show.
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
set search_path = ''
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

create or replace function botlive.code_of(function_id oid)
returns text
language sql
stable
set search_path = ''
as $$
  -- Without comments, in which anything may stand.
  select pg_catalog.regexp_replace(pg_catalog.regexp_replace(
    coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc), '/[*].*?[*]/', ' ', 'g'), '--[^\n]*', ' ', 'g')
  from pg_catalog.pg_proc p where p.oid = function_id
$$;

create or replace function botlive.compares_caller(function_id oid)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
declare
  code text := lower(botlive.code_of(function_id));
  caller text := '(?:auth[.](?:uid|jwt|email|role)[(][)]|current_setting[(]\s*''request[.]jwt[^)]*[)])'
    '(?:\s*::\s*[a-z]+|\s*->>?\s*''[a-z_]+''|\s+as\s+[a-z_]+|\s*[)])*';
  variable text[];
begin
  -- What keeps the caller's id stands for it.
  for variable in
    select m.found
    from pg_catalog.regexp_matches(code, '([a-z_][a-z_0-9]*)(?:\s+constant)?(?:\s+[a-z]+)?\s*(?::=|[[:<:]]default)\s*[(]*\s*(?:select\s+)?'
      || caller, 'g') as m (found)
    union all
    select m.found from pg_catalog.regexp_matches(code, caller || '\s+into\s+(?:strict\s+)?([a-z_][a-z_0-9]*)', 'g') as m (found)
  loop
    code := pg_catalog.regexp_replace(code, '[[:<:]]' || variable[1] || '[[:>:]]', 'auth.uid()', 'g');
  end loop;
  code := pg_catalog.regexp_replace(code, '[[:<:]]auth[.]uid[(][)](\s+constant)?(\s+[a-z]+)?\s*(:=|[[:<:]]default)', ' ', 'g');
  -- What is written of the caller, and that there is one, is true of everyone.
  code := pg_catalog.regexp_replace(code, '[[:<:]]set[[:>:]][^;]*?([[:<:]]where[[:>:]]|;|$)', ' \1', 'g');
  code := pg_catalog.regexp_replace(code, caller || '\s+is\s+(not\s+)?null', ' ', 'g');
  code := pg_catalog.regexp_replace(code, caller || '\s*(=|<>|!=|is\s+(not\s+)?distinct\s+from)\s*(''(anon|authenticated)''|'
    || caller || ')', ' ', 'g');
  return code ~ (caller || '\s*(=|<>|!=|@>|<@|is\s+(not\s+)?distinct|(not\s+)?[[:<:]]in[[:>:]])')
    or code ~ ('(=|<>|!=|@>|<@|distinct\s+from|[[:<:]]in|[[:<:]]any)\s*[(]*\s*(select\s+)?' || caller)
    or code ~ ('(?!values|coalesce|nullif|raise|concat|format|jsonb?_build)[[:<:]][a-z_][a-z_0-9.]*[(]+\s*([a-z_0-9.$]+\s*,\s*)?(select\s+)?'
      || caller);
end
$$;
comment on function botlive.compares_caller is 'Whether a function''s code looks who calls it.';

create or replace function botlive.rules_to_name()
returns table (words text, cure text)
language sql
stable
set search_path = ''
as $$
  -- What a rule, or an INSTEAD OF trigger with its owner's rights, writes is not the caller's doing.
  select format('%s %s writes to the shops'' tables with its owner''s rights, for %s', w.what, w.name,
      string_agg(distinct r.role_name, ' and ')),
    format('revoke insert, update, delete on table %s from public, anon, authenticated;', w.relation::regclass)
  from (
    select distinct r.ev_class as relation, 'a rule of' as what, r.ev_class::regclass::text as name,
      case r.ev_type when '2' then 'UPDATE' when '3' then 'INSERT' else 'DELETE' end as verb
    from pg_catalog.pg_rewrite r
    join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = r.oid
      and d.refclassid = 'pg_catalog.pg_class'::regclass
    where r.ev_type in ('2', '3', '4') and d.refobjid in (select k.relation from botlive.known_tables k)
      and d.refobjid <> r.ev_class
    union
    select t.tgrelid, 'an INSTEAD OF trigger of', t.tgrelid::regclass::text, v.verb
    from pg_catalog.pg_trigger t
    join pg_catalog.pg_proc p on p.oid = t.tgfoid and p.prosecdef
    join botlive.views_over() o on o.relation = t.tgrelid
    join (values (4, 'INSERT'), (8, 'DELETE'), (16, 'UPDATE')) as v (bit, verb) on t.tgtype & v.bit > 0
    where t.tgtype & 64 > 0 and not botlive.compares_caller(p.oid)
  ) w
  join pg_catalog.pg_class c on c.oid = w.relation
  join (values ('anon'), ('authenticated')) as r (role_name)
    on pg_catalog.has_schema_privilege(r.role_name, c.relnamespace, 'USAGE')
    and case w.verb when 'DELETE' then pg_catalog.has_table_privilege(r.role_name, w.relation, 'DELETE')
      else pg_catalog.has_any_column_privilege(r.role_name, w.relation, w.verb) end
  group by w.what, w.name, w.relation
  order by 1
$$;
comment on function botlive.rules_to_name is 'Rules and INSTEAD OF triggers by which strangers write to the shops'' tables.';

create or replace function botlive.partitions_to_name()
returns table (words text, cure text)
language sql
stable
set search_path = ''
as $$
  with recursive parts as (
    select i.inhrelid as relation, i.inhparent as parent from pg_catalog.pg_inherits i
    where i.inhparent in (select k.relation from botlive.known_tables k)
    union
    select i.inhrelid, i.inhparent from parts p join pg_catalog.pg_inherits i on i.inhparent = p.relation
  )
  select format('%s is a part of %s, and its own policies count where it is asked by its own name: row level security '
      'is off there, for %s', c.oid::regclass, min(p.parent::regclass::text), string_agg(distinct r.role_name, ' and ')),
    format('alter table %s enable row level security;', c.oid::regclass)
  from parts p
  join pg_catalog.pg_class c on c.oid = p.relation and c.relkind in ('r', 'p') and not c.relrowsecurity
  join (values ('anon'), ('authenticated')) as r (role_name)
    on pg_catalog.has_schema_privilege(r.role_name, c.relnamespace, 'USAGE')
    and (pg_catalog.has_any_column_privilege(r.role_name, c.oid, 'SELECT, INSERT, UPDATE')
      or pg_catalog.has_table_privilege(r.role_name, c.oid, 'DELETE'))
  group by c.oid
  order by 1
$$;
comment on function botlive.partitions_to_name is 'Partitions and child tables of the shops'' tables that are open by themselves.';

create or replace function botlive.functions_to_name()
returns table (function_name text, words text, cure text)
language sql
stable
set search_path = ''
as $$
  with recursive candidates as (
    select p.oid, p.proname, p.prosecdef, p.prolang, p.proargtypes, p.proargnames, p.prorettype, p.proretset, p.pronamespace,
      botlive.code_of(p.oid) as code
    from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where p.prokind in ('f', 'p') and n.nspname not in ('botlive', 'pg_catalog', 'information_schema')
      and not (n.nspname = 'public' and p.proname like 'botlive^_%' escape '^')
      and not exists (select from pg_catalog.pg_depend d where d.objid = p.oid and d.deptype = 'e')
  ), names as (
    -- The tables, and the views over them.
    select string_agg(distinct pg_catalog.regexp_replace(c.relname, '([^A-Za-z0-9_])', '\\\1', 'g'), '|') as pattern
    from pg_catalog.pg_class c
    where c.oid in (select k.relation from botlive.known_tables k union select v.relation from botlive.views_over() v
      union -- also views that strangers may not use: the function may
      select r.ev_class from pg_catalog.pg_rewrite r
      join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = r.oid
        and d.refclassid = 'pg_catalog.pg_class'::regclass
      where r.ev_type = '1' and d.refobjid in (select k.relation from botlive.known_tables k))
  ), touching as (
    select c.oid, c.proname, false as is_through from candidates c, names n
    where c.code ~* ('((from|join|into|update|using|truncate|table|copy)\s+(only\s+|table\s+)?|from\s+[a-z_."]+(\s+(as\s+)?[a-z_]+)?\s*,\s*)'
      '("?public"?\s*[.]\s*)?"?('
      || n.pattern || ')"?[[:>:]]')
      and c.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
    union
    select c.oid, c.proname, true from candidates c join touching t
      on c.oid <> t.oid and c.code ~* ('[[:<:]]"?' || pg_catalog.regexp_replace(t.proname, '([^A-Za-z0-9_])', '\\\1', 'g') || '"?\s*[(]')
  ), guarded as (
    select c.oid, c.proname from candidates c where botlive.compares_caller(c.oid)
  ), found as (
    select distinct c.oid, 'may show or change rows of every shop for whoever calls it' as said
    from touching t join candidates c on c.oid = t.oid
    where c.prosecdef and c.oid not in (select g.oid from guarded g)
      -- It asks another function that looks who calls.
      and not exists (select from guarded g where c.code ~* ('[[:<:]]"?'
        || pg_catalog.regexp_replace(g.proname, '([^A-Za-z0-9_])', '\\\1', 'g') || '"?\s*[(]'))
      and not (t.is_through and not exists (
        select from touching u where u.oid not in (select g.oid from guarded g) and u.oid <> c.oid and not u.is_through
          and c.code ~* ('[[:<:]]"?' || pg_catalog.regexp_replace(u.proname, '([^A-Za-z0-9_])', '\\\1', 'g') || '"?\s*[(]')))
      -- A yes or no, or an id, that a policy asks for must stay callable.
      and not (c.prorettype in ('bool'::regtype, 'uuid'::regtype) and c.code !~* '[[:<:]](insert|update|delete|truncate)[[:>:]]'
        and exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_policy'::regclass
                    and d.refclassid = 'pg_catalog.pg_proc'::regclass and d.refobjid = c.oid))
    union
    select c.oid, 'runs a statement that whoever calls it writes' from candidates c
    where c.prosecdef and c.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype) and exists (
      select from unnest(c.proargnames, c.proargtypes::oid[]) as a (name, type)
      where a.type in ('text'::regtype, 'varchar'::regtype, 'json'::regtype, 'jsonb'::regtype) and a.name <> ''
        and c.code ~* ('[[:<:]]execute[[:>:]]\s+([^;]*[|][|]\s*)?[(]?\s*' || a.name || '[[:>:]]'))
  )
  select c.oid::regprocedure::text,
    format('the function %s runs with its owner''s rights and %s', c.oid::regprocedure, string_agg(f.said, ', and ')),
    format('revoke execute on %s %s from public, anon, authenticated;',
      case (select p.prokind from pg_catalog.pg_proc p where p.oid = c.oid) when 'p' then 'procedure' else 'function' end,
      c.oid::regprocedure)
  from found f join candidates c on c.oid = f.oid
  where exists (
    select from (values ('anon'), ('authenticated')) as r (role_name)
    where pg_catalog.has_function_privilege(r.role_name, c.oid, 'EXECUTE')
      and pg_catalog.has_schema_privilege(r.role_name, c.pronamespace, 'USAGE'))
  group by c.oid
  order by 1
$$;
comment on function botlive.functions_to_name is
  'Functions that read or write the shops'' tables with their owner''s rights, for whoever calls.';

revoke all on function botlive.views_over, botlive.seen_in, botlive.seen_by_all, botlive.fill_shop,
  botlive.writes_around, botlive.views_to_name, botlive.rules_to_name, botlive.partitions_to_name, botlive.code_of,
  botlive.compares_caller, botlive.functions_to_name from public;
