-- What of the shops' tables cannot take an event, found without one; and what else people must be told.

create or replace function botlive.wanted_columns()
returns table (table_name text, column_name text, type_name text, samples jsonb)
language sql
immutable
set search_path = ''
as $$
  -- What events write. A sample is a value that every event, or every event of a type, carries.
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
set search_path = ''
as $$
declare
  sample jsonb;
  taken jsonb;
begin
  if a.attgenerated <> '' or a.attidentity = 'a' then
    return 'a column that computes its own value';
  end if;
  for sample in select s.value from jsonb_array_elements(samples) s loop
    if jsonb_typeof(sample) in ('array', 'object')
      and (select t.typcategory from pg_catalog.pg_type t where t.oid = a.atttypid) = 'A'
    then
      return ''; -- a list of columns' values, which the front end does not read as JSON
    end if;
    begin
      execute format('select to_jsonb((jsonb_populate_record(null::%s, $1)).%I)', relation, a.attname)
        into taken using jsonb_build_object(a.attname, sample);
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
  'Why a column takes no event (an empty text where its type says all), or null where it does.';

create or replace function botlive.cure(
  relation regclass, table_name text, column_name text, type_name text, found_type oid, samples jsonb)
returns text
language plpgsql
stable
set search_path = ''
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
set search_path = ''
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
  'The columns that can take no event: table, column, type found and wanted, and the cure.';

create or replace function botlive.misfit_of(table_names text[])
returns text
language sql
stable
set search_path = ''
as $$
  select format('%s.%s: found %s, wanted %s; cure: %s', m.table_name, m.column_name, m.found_type, m.wanted_type, m.cure)
  from botlive.misfits() m where m.table_name = any (table_names)
  order by m.table_name, m.column_name limit 1
$$;
comment on function botlive.misfit_of is 'The first column of these tables that can take no event, in words.';

create or replace function botlive.sample_events(text_id text)
returns table (event_type text, event jsonb)
language sql
immutable
set search_path = ''
as $$
  -- As the handlers make them (a test compares): for a rehearsal before the first event.
  select e.event_type, jsonb_build_object('company_id', text_id, 'event_type', e.event_type, 'digest', '',
    'order', null, 'toggle', null) || e.parts
  from (values
    ('payment_validated', '{"activity": {"type": "order", "status": "success",
        "title": "Paiement validé: 2000 FCFA", "description": "Référence: WAVE-123"}}'::jsonb),
    ('payment_issue', '{"activity": {"type": "intervention", "status": "warning",
        "title": "Intervention requise: payment_insufficient",
        "description": "Montant insuffisant: 1500 FCFA reçu, 2000 FCFA requis"}}'),
    ('order_completed', '{"activity": {"type": "order", "status": "success", "customer_name": "Awa",
        "title": "Commande de Awa", "description": "Montant: 12000 FCFA"}, "order": {}}'),
    ('live_toggled', '{"activity": {"type": "system", "status": "info", "title": "Mode LIVE désactivé",
        "description": ""}, "toggle": {"enabled": true, "mode": "live"}}')
  ) as e (event_type, parts)
$$;

create or replace function botlive.act_as_worker()
returns void
language plpgsql
set search_path = ''
as $$
begin
  -- What the worker's role may not do is found too; and triggers ask who calls.
  perform set_config('request.jwt.claims', '{"role": "service_role"}', true);
  if pg_catalog.pg_has_role(current_user, 'service_role', 'member') then
    perform set_config('role', 'service_role', true);
  end if;
end
$$;

create or replace function botlive.rehearse_new_shop()
returns table (event_type text, reason text)
language plpgsql
set search_path = ''
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
          '`botlive company link TEXT_ID --uuid UUID`', sqlstate)));
  end;
  return query select a ->> 'event_type', a ->> 'reason' from jsonb_array_elements(answers) a;
end
$$;
comment on function botlive.rehearse_new_shop is
  'For each type of event why a new shop could not take it, or null. Leaves nothing behind.';

create or replace function botlive.rehearse_shops(at_most interval)
returns table (company_id text, event_type text, reason text)
language plpgsql
set search_path = ''
as $$
declare
  shop record;
  former text := current_setting('role');
begin
  perform botlive.act_as_worker();
  for shop in
    select m.company_id from public.company_mapping m where botlive.is_company(m.uuid) order by random()
  loop
    exit when clock_timestamp() > now() + at_most;
    return query
      select shop.company_id, s.event_type, botlive.unwell(s.event) from botlive.sample_events(shop.company_id) s;
  end loop;
  perform set_config('role', former, true);
end
$$;
comment on function botlive.rehearse_shops is
  'The same for the shops that are there, in any order, as many as the time allows.';

create or replace function botlive.open_views()
returns table (view_name text, cure text)
language plpgsql
set search_path = ''
as $$
declare
  seen record;
  former text := current_setting('role');
  rows_of_all boolean;
  rows_of_strangers boolean;
begin
  -- A plain view reads with its owner's rights: row level security does not apply to who asks.
  for seen in
    with recursive reading as (
      select r.ev_class as view_id
      from pg_catalog.pg_depend d join pg_catalog.pg_rewrite r on r.oid = d.objid
      where d.classid = 'pg_catalog.pg_rewrite'::regclass and d.refclassid = 'pg_catalog.pg_class'::regclass
        and d.refobjid in (select k.relation from botlive.known_tables k) and r.ev_class <> d.refobjid
      union
      select r.ev_class
      from reading v
      join pg_catalog.pg_depend d on d.refobjid = v.view_id and d.classid = 'pg_catalog.pg_rewrite'::regclass
      join pg_catalog.pg_rewrite r on r.oid = d.objid
      where r.ev_class <> v.view_id
    )
    select distinct c.oid::regclass as relation, r.role_name, c.relkind,
      n.nspname <> 'botlive' as is_theirs
    from reading v
    join pg_catalog.pg_class c on c.oid = v.view_id
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace,
      (values ('anon'), ('authenticated')) as r (role_name)
    where c.relkind in ('v', 'm')
      and not coalesce(c.reloptions::text ~* 'security_invoker=(true|on|1|yes)', false)
      and pg_catalog.has_any_column_privilege(r.role_name, c.oid, 'SELECT, INSERT, UPDATE')
      and pg_catalog.has_schema_privilege(r.role_name, n.oid, 'USAGE')
    order by 1, 2
  loop
    rows_of_strangers := true; -- where it cannot be found out, it is named
    begin
      execute format('select exists (select from %s)', seen.relation) into rows_of_all;
      perform set_config('request.jwt.claims', jsonb_build_object('role', seen.role_name, 'aud', 'authenticated',
        'sub', case when seen.role_name = 'authenticated' then gen_random_uuid() end)::text, true);
      perform set_config('role', seen.role_name, true);
      execute format('select exists (select from %s)', seen.relation) into rows_of_strangers;
      rows_of_strangers := rows_of_strangers or not rows_of_all;
    exception when others then
      null;
    end;
    perform set_config('role', former, true);
    perform set_config('request.jwt.claims', '', true);
    if rows_of_strangers then
      view_name := seen.relation::text;
      cure := case seen.relkind when 'v'
        then format('alter view %s set (security_invoker = true);', seen.relation)
        else format('revoke all on table %s from anon, authenticated;', seen.relation) end;
      return next;
    end if;
  end loop;
end
$$;
comment on function botlive.open_views is
  'Views over the shops'' tables that read with their owner''s rights and show strangers rows.';

create or replace function botlive.wide_policies()
returns table (relation text, policy_name text, role_name text, cure text)
language plpgsql
set search_path = ''
as $$
declare
  known record;
  others jsonb;
begin
  -- Judged by rows that are there, and by one of no company that is as open as can be.
  for known in
    select c.oid::regclass as name from pg_catalog.pg_class c
    where c.oid in (select k.relation from botlive.known_tables k) and c.relkind in ('r', 'p') and c.relrowsecurity
    order by 1
  loop
    execute format('select coalesce(jsonb_agg(to_jsonb(t)), ''[]'') from (select * from %s limit 200) t', known.name)
      into others;
    others := others || (
      select jsonb_object_agg(e.key, case jsonb_typeof(e.value) when 'null' then 'true' else e.value end)
      from jsonb_each(botlive.strange_row(known.name)) e
      join pg_catalog.pg_attribute a on a.attrelid = known.name and a.attname = e.key
        and (a.atttypid = 'bool'::regtype or jsonb_typeof(e.value) <> 'null')
        and a.atttypid not in ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype));
    return query
      select known.name::text, p.polname::text, string_agg(r.name, ' and ' order by r.name),
        case when x.changed_rows_only then format('alter policy %I on %s with check (%s);', p.polname, known.name,
            pg_catalog.regexp_replace(pg_catalog.pg_get_expr(p.polqual, p.polrelid), '[[:space:]]*\n[[:space:]]*', ' ', 'g'))
          else format('drop policy %I on %s;', p.polname, known.name) end
      from pg_catalog.pg_policy p, (values ('anon'), ('authenticated')) as r (name),
        lateral (
          select bool_and(o.is_new) and p.polqual is not null as changed_rows_only
          from botlive.opens_by(p, r.name) o
          where botlive.lets_strangers_in(known.name, o.condition, r.name, others, '{"email": "somebody@example.org"}')
        ) x
      where p.polrelid = known.name and p.polname not like 'botlive^_owner^_%' escape '^'
        and x.changed_rows_only is not null
      group by p.polname, p.polqual, p.polrelid, x.changed_rows_only;
  end loop;
end
$$;
comment on function botlive.wide_policies is 'The project''s policies that let people at rows of shops that are not theirs.';

create or replace function botlive.open_functions()
returns table (function_name text, cure text)
language sql
stable
set search_path = ''
as $$
  -- With its owner's rights, about the shops' tables, and without a word about who calls.
  select f.name, format('revoke execute on function %s from public, anon, authenticated;', f.name)
  from (
    select p.oid, p.oid::regprocedure::text as name, n.nspname,
      coalesce(p.prosrc, '') || coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), '') as body
    from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where p.prosecdef and p.prokind in ('f', 'p')
      and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
      and n.nspname not in ('botlive', 'pg_catalog', 'information_schema')
      and (pg_catalog.has_function_privilege('anon', p.oid, 'EXECUTE')
           or pg_catalog.has_function_privilege('authenticated', p.oid, 'EXECUTE'))
  ) f
  where pg_catalog.has_schema_privilege('authenticated', f.nspname, 'USAGE')
    and f.body ~* '[[:<:]](orders|activities|bot_sessions|companies|company_mapping|company_rag_configs)[[:>:]]'
    and f.body !~* 'auth[.](uid|jwt|email|role)|request[.]jwt|current_setting'
  order by 1
$$;
comment on function botlive.open_functions is
  'Functions that read or write the shops'' tables with their owner''s rights, for whoever calls.';

create or replace function botlive.findings()
returns table (blocks boolean, words text)
language plpgsql
set search_path = ''
as $$
begin
  -- All that is not as events need it, and all that was taken: for `botlive migrate` and the doctor.
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
  return query
    select false, format('the view %s shows people rows that are not theirs; cure: %s',
      v.view_name, min(v.cure))
    from botlive.open_views() v group by v.view_name;
  return query
    select false, format('the policy %I on %s lets %s at rows of shops that are not theirs; cure: %s',
      p.policy_name, p.relation, p.role_name, p.cure)
    from botlive.wide_policies() p;
  return query
    select false, format('the function %s runs with its owner''s rights and may show or change rows of every shop for '
      'whoever calls it; cure: %s (or let it compare with auth.uid())', f.function_name, f.cure)
    from botlive.open_functions() f;
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
comment on function botlive.findings is
  'What must be told: `blocks` where events of a type, or of a shop, cannot be persisted.';

revoke all on function botlive.wanted_columns, botlive.refused_sample, botlive.cure, botlive.misfits,
  botlive.misfit_of, botlive.sample_events, botlive.act_as_worker, botlive.rehearse_new_shop, botlive.rehearse_shops,
  botlive.open_views, botlive.wide_policies, botlive.open_functions, botlive.findings from public;
grant execute on function botlive.wanted_columns, botlive.refused_sample, botlive.cure, botlive.misfits,
  botlive.misfit_of to service_role;
