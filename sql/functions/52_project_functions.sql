-- Reports `security definer` functions of the project that give any caller access to the shops' tables.
--
-- The functions are read, not called: a call may have effects that a rollback does not undo.

set standard_conforming_strings = on; -- some projects switch it off

create or replace function botlive.code_of(function_id oid)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
  -- The code without its comments.
  select pg_catalog.regexp_replace(pg_catalog.regexp_replace(
    coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc), '/[*].*?[*]/', ' ', 'g'), '--[^\n]*', ' ', 'g')
  from pg_catalog.pg_proc p where p.oid = function_id
$$;

create or replace function botlive.compares_caller(function_id oid)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
declare
  code text := lower(botlive.code_of(function_id));
  caller text := '(?:auth[.](?:uid|jwt|email|role)[(][)]|current_setting[(]\s*''request[.]jwt[^)]*[)])'
    '(?:\s*::\s*[a-z]+|\s*->>?\s*''[a-z_]+''|\s+as\s+[a-z_]+|\s*[)])*';
  variable text[];
begin
  -- A variable that holds the caller's id counts as the caller.
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
  -- An assignment of the caller's id, or a test that there is a caller, is no comparison.
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
comment on function botlive.compares_caller is 'Whether the code of a function compares something with the caller.';

create or replace function botlive.functions_to_name()
returns table (function_name text, words text, cure text)
language sql
stable
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
  with recursive candidates as (
    select p.oid, p.proname, p.prosecdef, p.prolang, p.proargtypes, p.proargnames, p.prorettype, p.proretset, p.pronamespace,
      botlive.code_of(p.oid) as code
    from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where p.prokind in ('f', 'p') and n.nspname not in ('botlive', 'pg_catalog', 'information_schema')
      and not (n.nspname = 'public' and p.proname like 'botlive^_%' escape '^')
      and not exists (select from pg_catalog.pg_depend d where d.objid = p.oid and d.deptype = 'e')
  ), names as (
    -- The tables and the views over them.
    select string_agg(distinct pg_catalog.regexp_replace(c.relname, '([^A-Za-z0-9_])', '\\\1', 'g'), '|') as pattern
    from pg_catalog.pg_class c
    where c.oid in (select k.relation from botlive.known_tables k union select v.relation from botlive.views_over() v
      union -- including views that strangers may not use, because the function may use them
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
      -- It calls another function that compares the caller.
      and not exists (select from guarded g where c.code ~* ('[[:<:]]"?'
        || pg_catalog.regexp_replace(g.proname, '([^A-Za-z0-9_])', '\\\1', 'g') || '"?\s*[(]'))
      and not (t.is_through and not exists (
        select from touching u where u.oid not in (select g.oid from guarded g) and u.oid <> c.oid and not u.is_through
          and c.code ~* ('[[:<:]]"?' || pg_catalog.regexp_replace(u.proname, '([^A-Za-z0-9_])', '\\\1', 'g') || '"?\s*[(]')))
      -- A function that a policy calls must stay executable, if it only returns a boolean or an id.
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
  'Functions that read or write the shops'' tables with their owner''s rights, for any caller.';

revoke all on function botlive.code_of, botlive.compares_caller, botlive.functions_to_name from public;
