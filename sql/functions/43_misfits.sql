-- Finds the columns that cannot take an event, before an event arrives.

create or replace function botlive.wanted_columns()
returns table (table_name text, column_name text, type_name text, samples jsonb)
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  -- The columns that events write. The samples are typical values; each column must accept all of its samples.
  values
    ('companies', 'id', 'uuid', '["6f1f64f1-33f5-4d61-8a4c-0a2ac2a3c4ab"]'::jsonb),
    ('orders', 'id', 'uuid', '["6f1f64f1-33f5-4d61-8a4c-0a2ac2a3c4ab"]'),
    ('orders', 'company_id', 'uuid', '["6f1f64f1-33f5-4d61-8a4c-0a2ac2a3c4ab"]'),
    ('orders', 'conversation_id', 'uuid', '["6f1f64f1-33f5-4d61-8a4c-0a2ac2a3c4ab"]'),
    ('orders', 'customer_name', 'text', '["Awa"]'),
    ('orders', 'total_amount', 'numeric', '[12000]'),
    ('orders', 'status', 'text', '["pending"]'),
    ('orders', 'items', 'jsonb', '[[{"name": "Pagne", "quantity": 2, "price": 6000}]]'),
    ('orders', 'metadata', 'jsonb', '[{"zone": "Cocody"}]'),
    ('orders', 'created_at', 'timestamptz', '["2026-11-23T09:00:00+00:00"]'),
    ('orders', 'updated_at', 'timestamptz', '["2026-11-23T09:00:00+00:00"]'),
    ('activities', 'id', 'uuid', '["6f1f64f1-33f5-4d61-8a4c-0a2ac2a3c4ab"]'),
    ('activities', 'company_id', 'uuid', '["6f1f64f1-33f5-4d61-8a4c-0a2ac2a3c4ab"]'),
    ('activities', 'conversation_id', 'uuid', '["6f1f64f1-33f5-4d61-8a4c-0a2ac2a3c4ab"]'),
    ('activities', 'type', 'text', '["order", "intervention", "system"]'),
    ('activities', 'title', 'text', '["Intervention requise: payment_insufficient"]'),
    ('activities', 'description', 'text', '["Référence: WAVE-123"]'),
    ('activities', 'status', 'text', '["success", "warning", "info"]'),
    ('activities', 'metadata', 'jsonb', '[{"event": "session_started"}]'),
    ('activities', 'customer_name', 'text', '["Awa"]'),
    ('activities', 'created_at', 'timestamptz', '["2026-11-23T09:00:00+00:00"]'),
    ('bot_sessions', 'id', 'uuid', '["6f1f64f1-33f5-4d61-8a4c-0a2ac2a3c4ab"]'),
    ('bot_sessions', 'company_id', 'uuid', '["6f1f64f1-33f5-4d61-8a4c-0a2ac2a3c4ab"]'),
    ('bot_sessions', 'mode', 'text', '["live"]'),
    ('bot_sessions', 'started_at', 'timestamptz', '["2026-11-23T09:00:00+00:00"]'),
    ('bot_sessions', 'ended_at', 'timestamptz', '["2026-11-23T09:00:00+00:00"]'),
    ('bot_sessions', 'created_at', 'timestamptz', '["2026-11-23T09:00:00+00:00"]')
$$;

create or replace function botlive.refused_sample(relation regclass, a pg_catalog.pg_attribute, samples jsonb)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  sample jsonb;
  taken jsonb;
begin
  if a.attgenerated <> '' or a.attidentity = 'a' then
    return 'a column that computes its own value';
  end if;
  for sample in select s.value from jsonb_array_elements(samples) s loop
    begin
      execute format('select to_jsonb((jsonb_populate_record(null::%s, $1)).%I)', relation, a.attname)
        into taken using jsonb_build_object(a.attname, sample);
      if jsonb_typeof(sample) in ('array', 'object') and sample is distinct from (
        case jsonb_typeof(taken) when 'string' then (taken #>> '{}')::jsonb else taken end)
      then
        return ''; -- the column would lose the content, or store it in a form that is not JSON
      end if;
    exception when others then
      return case jsonb_typeof(sample)
        when 'string' then format('it does not take the value %L', sample #>> '{}')
        when 'number' then format('it does not take the number %s', sample) else '' end;
    end;
  end loop;
  return null;
end
$$;
comment on function botlive.refused_sample is
  'Why a column accepts no event; an empty text if its type is reason enough; null if it accepts them.';

create or replace function botlive.cure(
  relation regclass, table_name text, column_name text, type_name text, found_type oid, samples jsonb)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  candidates text[];
begin
  if found_type is null then
    select array_agg(a.attname order by a.attnum) into candidates
    from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
    where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
      and not exists (select from botlive.wanted_columns() w
                      where w.table_name = cure.table_name and w.column_name = a.attname)
      and t.typcategory = (select k.typcategory from pg_catalog.pg_type k where k.oid = to_regtype(type_name))
      and (column_name = 'company_id') = exists (
        select from pg_catalog.pg_constraint f
        where f.conrelid = relation and f.contype = 'f' and a.attnum = any (f.conkey)
          and (column_name <> 'company_id' or f.confrelid = to_regclass('public.companies')));
    return case when cardinality(candidates) = 1
      then format('alter table %s rename column %I to %I; (or, where the front end shall go on reading %I: '
        'alter table %s add column %I %s;)', relation, candidates[1], column_name, candidates[1], relation,
        column_name, type_name)
      else format('alter table %s add column %I %s; (or give the column that has its values back its name)',
        relation, column_name, type_name) end;
  end if;
  return case
    when (select t.typtype from pg_catalog.pg_type t where t.oid = found_type) = 'e' then (
      select string_agg(format('alter type %s add value if not exists %L;', found_type::regtype, s.value), ' ')
      from jsonb_array_elements_text(samples) s)
    when type_name = 'uuid' then format(
      'give %s a column %I of the type uuid (or text): what is there now cannot become one', relation, column_name)
    when type_name = 'jsonb' then format(
      'alter table %s alter column %I drop default, alter column %I type jsonb using to_jsonb(%I);',
      relation, column_name, column_name, column_name)
    when not exists (
      select from pg_catalog.pg_type t
      where t.oid = found_type and (t.typcategory = 'S' or type_name = 'text' or exists (
        select from pg_catalog.pg_cast c where c.castsource = found_type and c.casttarget = to_regtype(type_name))))
      then format('give %s a column %I of the type %s: what is there now cannot become one',
        relation, column_name, type_name)
    else format('alter table %s alter column %I drop default, alter column %I type %s using %I::%s;',
      relation, column_name, column_name, type_name, column_name, type_name) end;
end
$$;

create or replace function botlive.misfits()
returns table (table_name text, column_name text, found_type text, wanted_type text, cure text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  w record;
  relation regclass;
  a pg_catalog.pg_attribute;
  refused text;
begin
  for w in select * from botlive.wanted_columns() loop
    relation := to_regclass(format('public.%I', w.table_name));
    continue when relation is null;
    if not botlive.is_table(w.table_name) then
      if w.column_name = 'id' then
        table_name := w.table_name;
        column_name := '*';
        found_type := 'a view or a foreign table';
        wanted_type := 'a table';
        cure := format('give %s another name, then run `botlive migrate`, which makes the table', relation);
        return next;
      end if;
      continue;
    end if;
    select x.* into a from pg_catalog.pg_attribute x
    where x.attrelid = relation and x.attname = w.column_name and x.attnum > 0 and not x.attisdropped;
    table_name := w.table_name;
    column_name := w.column_name;
    wanted_type := w.type_name;
    refused := case when a.attnum is null then 'no such column'
      else botlive.refused_sample(relation, a, w.samples) end;
    if refused is not null then
      found_type := case when a.attnum is null then refused
        else concat_ws(': ', pg_catalog.format_type(a.atttypid, a.atttypmod), nullif(refused, '')) end;
      cure := botlive.cure(relation, w.table_name, w.column_name, w.type_name, a.atttypid, w.samples);
      return next;
    elsif w.column_name = 'id' and not exists (
      select from pg_catalog.pg_index i
      where i.indrelid = relation and i.indisunique and i.indisvalid and i.indpred is null
        and i.indimmediate and i.indnkeyatts = 1 and i.indkey[0] = a.attnum
    ) then
      found_type := 'values that need not be unique';
      wanted_type := 'a primary key';
      cure := case
        when (select c.relkind from pg_catalog.pg_class c where c.oid = relation) = 'p' then format(
          'make %s anew so that id alone is its key (not partitioned, or by hash of id): '
          'a key of several columns lets an id repeat', relation)
        when exists (select from pg_catalog.pg_constraint k where k.conrelid = relation and k.contype = 'p')
          then format('alter table %s add unique (id);', relation)
        else format('alter table %s add primary key (id);', relation) end;
      return next;
    end if;
  end loop;
end
$$;
comment on function botlive.misfits is
  'The columns that cannot take an event: table, column, type found, type wanted, and the cure.';

create or replace function botlive.misfit_of(table_names text[])
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format('%s.%s: found %s, wanted %s; cure: %s', m.table_name, m.column_name, m.found_type, m.wanted_type, m.cure)
  from botlive.misfits() m where m.table_name = any (table_names)
  order by m.table_name, m.column_name limit 1
$$;
comment on function botlive.misfit_of is 'The first of these columns in the given tables, in words.';

revoke all on function botlive.wanted_columns, botlive.refused_sample, botlive.cure, botlive.misfits,
  botlive.misfit_of from public;
grant execute on function botlive.wanted_columns, botlive.refused_sample, botlive.cure, botlive.misfits,
  botlive.misfit_of to service_role;
