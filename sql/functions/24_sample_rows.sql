-- The rows on which policies and views are evaluated: invented ones, and existing ones.

set standard_conforming_strings = on; -- some projects switch it off

create or replace function botlive.key_columns(relation regclass)
returns text[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- The columns that say which shop a row belongs to.
  select case c.relname when 'companies' then array['id'] when 'company_mapping' then array['uuid', 'company_id']
    else array['company_id'] end
  from pg_catalog.pg_class c where c.oid = relation
$$;

create or replace function botlive.fits(relation regclass, column_name text, value jsonb)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  taken jsonb;
begin
  execute format('select to_jsonb((jsonb_populate_record(null::%s, $1)).%I)', relation, column_name)
    into taken using jsonb_build_object(column_name, value);
  return true;
exception when others then
  return false; -- the column's type has no such value
end
$$;

create or replace function botlive.allowed_words(relation regclass, a pg_catalog.pg_attribute)
returns text[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- The known words of a column: from its enum type, from a check constraint, or from what events write.
  select array_agg(distinct w.word) from (
    select e.enumlabel::text as word from pg_catalog.pg_enum e where e.enumtypid = a.atttypid
    union all
    select m.found[1]
    from pg_catalog.pg_constraint k,
      pg_catalog.regexp_matches(pg_catalog.pg_get_constraintdef(k.oid), '''([^'']+)''::', 'g') as m (found)
    where k.conrelid = relation and k.contype = 'c' and k.conkey = array[a.attnum]
    union all
    select unnest(v.words)
    from (values
      ('orders', 'status', array['pending', 'completed', 'cancelled']),
      ('activities', 'type', array['order', 'message', 'intervention', 'system']),
      ('activities', 'status', array['success', 'warning', 'info', 'error']),
      ('bot_sessions', 'mode', array['live', 'rag'])) as v (table_name, column_name, words)
    where v.column_name = a.attname
      and v.table_name = (select c.relname from pg_catalog.pg_class c where c.oid = relation)
  ) w
$$;

create or replace function botlive.possible_values(relation regclass, a pg_catalog.pg_attribute, condition text)
returns table (value jsonb, is_usual boolean)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- Values of a column, at least one for each case that the condition can distinguish. A null is unusual where
  -- events always write a value.
  with spoken as (
    select distinct replace(m.found[1], '''''', '''') as word
    from pg_catalog.regexp_matches(condition, '''((?:[^'']|'''')*)''(?!::(?:interval|regclass))', 'g') as m (found)
    limit 12
  ), numbers as (
    select distinct m.found[1]::numeric as n
    from pg_catalog.regexp_matches(condition, '(?:^|[^0-9A-Za-z_.])([0-9]{1,12}(?:[.][0-9]{1,4})?)(?![0-9A-Za-z_.])', 'g')
      as m (found)
    limit 6
  ), known as (
    select botlive.allowed_words(relation, a) as words, t.typcategory as category,
      t.oid in ('json'::regtype, 'jsonb'::regtype) as is_json, t.oid = 'uuid'::regtype as is_uuid,
      -- A condition that excludes a value shows that the value may occur.
      pg_catalog.replace(condition, 'IS NOT NULL', '') ~ '<>|!~|[[:<:]](NOT|CASE|EXCEPT)[[:>:]]' as has_no
    from pg_catalog.pg_type t where t.oid = a.atttypid
  )
  select v.value, bool_or(v.is_usual) from (
    select to_jsonb(gen_random_uuid()), true from known k where k.is_uuid
    union all select to_jsonb(unnest(k.words)), true from known k where k.category in ('S', 'E')
    union all select to_jsonb(w), true from known k, unnest(array['Awa', '', '7', gen_random_uuid()::text]) w
      where k.category = 'S' and k.words is null
    union all select to_jsonb(s.word), k.words is null or k.has_no
      from spoken s, known k where k.category = 'S' or k.is_uuid
    union all select to_jsonb(b), true from known k, unnest(array[true, false]) b where k.category = 'B'
    union all select to_jsonb(n), true from known k, unnest(array[0, 12000]) n where k.category = 'N'
    union all select to_jsonb(s.n + d), s.n + d > 0
      from numbers s, known k, unnest(array[-1, 0, 1]) d where k.category = 'N'
    union all select to_jsonb(now() + i), i < interval '1 day'
      from known k, unnest(array[interval '-1 second', '-40 days', '-10 years', '12 hours', '1 year']) i
      where k.category = 'D'
    union all select to_jsonb(s.word), true from spoken s, known k where k.category = 'D' and s.word ~ '^[0-9]{4}-'
    union all select j, true from known k, unnest(array['{}', '{"zone": "Cocody", "event": "session_started"}']::jsonb[]) j
      where k.is_json
    union all select jsonb_build_object(s.word, o.value), true
      from spoken s, known k, lateral (
        select to_jsonb(p.word) as value from spoken p where p.word <> s.word union all select 'true') o
      where k.is_json
    union all select '[]', true from known k where k.category = 'A'
    union all select 'null', not exists (
        select from (values
          ('orders', 'id company_id customer_name total_amount status items created_at updated_at'),
          ('activities', 'id company_id type title description status metadata created_at'),
          ('bot_sessions', 'id company_id mode started_at created_at'),
          ('companies', 'id'), ('company_mapping', 'uuid company_id created_at updated_at')
        ) as w (table_name, names)
        where w.table_name = (select c.relname from pg_catalog.pg_class c where c.oid = relation)
          and a.attname = any (string_to_array(w.names, ' ')))
      where not a.attnotnull
  ) as v (value, is_usual)
  where botlive.fits(relation, a.attname, v.value)
  group by v.value
$$;

create or replace function botlive.made_up_rows(relation regclass, condition text, company uuid, text_id text)
returns table (one jsonb, is_usual boolean, is_of_a_shop_that_is_named boolean)
language plpgsql
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
declare
  keys text[] := botlive.key_columns(relation);
  base jsonb;
  sets jsonb := '[]'; -- for each column in the condition: its possible values
  many jsonb;
  product numeric := 1;
  a pg_catalog.pg_attribute;
begin
  select coalesce(jsonb_object_agg(k.name, k.value), '{}') into base
  from (values ('id', company::text), ('uuid', company::text),
      ('company_id', case when array_length(keys, 1) = 2 or relation::text ~ 'company_rag_configs$' then text_id
        else company::text end)) as k (name, value)
  where k.name = any (keys) and botlive.fits(relation, k.name, to_jsonb(k.value));
  for a in
    select x.* from pg_catalog.pg_attribute x
    where x.attrelid = relation and x.attnum > 0 and not x.attisdropped and not x.attname = any (keys)
      and (condition ~ ('[[:<:]]' || pg_catalog.regexp_replace(x.attname, '([^A-Za-z0-9_])', '\\\1', 'g') || '[[:>:]]')
        or condition like '%.*%')
    order by x.attnum
  loop
    select jsonb_agg(jsonb_build_array(jsonb_build_object(a.attname, v.value), v.is_usual)
      order by v.is_usual desc, v.value = 'null') into many
    from botlive.possible_values(relation, a, condition) v;
    continue when many is null;
    base := base || (many #> '{0,0}');
    sets := sets || jsonb_build_array(many);
    product := product * jsonb_array_length(many);
  end loop;
  if product <= 400 then -- few enough: every combination
    return query
      with recursive combined as (
        select 0 as depth, base as one, true as is_usual
        union all
        select c.depth + 1, c.one || (v.value -> 0), c.is_usual and (v.value ->> 1)::boolean
        from combined c, jsonb_array_elements(sets -> c.depth) v
        where c.depth < jsonb_array_length(sets)
      )
      select c.one, c.is_usual, false from combined c, generate_series(1, case when product < 8 then 8 else 1 end)
      where c.depth = jsonb_array_length(sets); -- repeated, because the condition may use random()
  else -- too many: each value once, then all columns filled, then all null
    return query
      select base || (v.value -> 0), (v.value ->> 1)::boolean, false
      from jsonb_array_elements(sets) s, jsonb_array_elements(s.value) v
      union all select base, true, false
      union all select base || (
          select jsonb_object_agg(e.key, 'null'::jsonb) from jsonb_array_elements(sets) s, jsonb_each(s.value #> '{0,0}') e),
        false, false;
  end if;
  -- A condition may name one shop by its id.
  return query
    select base || jsonb_build_object(k, m.found[1]), false, true
    from unnest(keys) k, pg_catalog.regexp_matches(condition, '''([^'']+)''::(?:uuid|text)', 'g') as m (found)
    where botlive.fits(relation, k, to_jsonb(m.found[1]));
end
$$;
comment on function botlive.made_up_rows is
  'Invented rows of a company, at least one for each case that the condition can distinguish.';

create or replace function botlive.strange_row(relation regclass)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_object_agg(a.attname, case
    when t.oid = 'uuid'::regtype then to_jsonb(gen_random_uuid())
    when t.oid in ('json'::regtype, 'jsonb'::regtype) then '{}'::jsonb
    when t.typcategory = 'S' then '"q"'
    when t.typcategory = 'N' then '1'
    when t.typcategory = 'D' then to_jsonb(now())
    else 'null' end), '{}')
  from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
  where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
$$;
comment on function botlive.strange_row is 'An invented row of no existing company.';

create or replace function botlive.rows_there(relation regclass, at_most integer)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  found jsonb;
begin
  execute format('select coalesce(jsonb_agg(to_jsonb(t)), ''[]'') from (select * from %s limit %s) t', relation, at_most)
    into found;
  return (select coalesce(jsonb_agg(r.value), '[]') from jsonb_array_elements(found) r
    where nullif(r.value -> (botlive.key_columns(relation))[1], 'null') is not null);
exception when insufficient_privilege then
  return '[]';
end
$$;
comment on function botlive.rows_there is 'Some existing rows of the table. Each belongs to a shop.';

create or replace function botlive.of_another_shop(rows jsonb, relation regclass, company uuid, text_id text)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- Copies of the rows as rows of another shop, without the values that could link them to a person.
  select coalesce(jsonb_agg((
    select jsonb_object_agg(e.key, case
      when e.key = any (botlive.key_columns(relation)) then case
        when relation::text ~ 'company_(rag_configs|mapping)$' and e.key = 'company_id' then to_jsonb(text_id)
        else to_jsonb(company) end
      when e.value #>> '{}' ~* '@|[0-9]{8}|[0-9a-f]{8}(-[0-9a-f]{4}){3}' then case
        when a.atttypid = 'uuid'::regtype then to_jsonb(gen_random_uuid())
        when a.attname = any (array['created_at', 'updated_at', 'started_at', 'ended_at']) then e.value
        else 'null' end
      when exists (select from pg_catalog.pg_constraint f
                   where f.conrelid = relation and f.contype = 'f' and a.attnum = any (f.conkey)) then 'null'
      else e.value end)
    from jsonb_each(r.value) e
    join pg_catalog.pg_attribute a on a.attrelid = relation and a.attname = e.key)), '[]')
  from jsonb_array_elements(rows) r
$$;

revoke all on function botlive.key_columns, botlive.fits, botlive.allowed_words, botlive.possible_values,
  botlive.made_up_rows, botlive.strange_row, botlive.rows_there, botlive.of_another_shop from public;
