-- What an operator must know about the database, for `botlive migrate`.

set standard_conforming_strings = on; -- some projects switch it off

create or replace function botlive.drift()
returns table (words text)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Policies are evaluated under the search path of the API: not while a call could reach another role's function.
  return query select l.words from botlive.look_alikes() l;
  if found then
    return;
  end if;
  return query
    select format('public.%I is not there or is no table', n.name)
    from unnest(array['companies', 'company_rag_configs', 'company_mapping', 'orders', 'activities', 'bot_sessions']) n (name)
    where not botlive.is_table(n.name);
  return query
    select format('%s was made anew and is not closed yet', c.oid::regclass)
    from unnest(array['companies', 'company_rag_configs', 'company_mapping', 'orders', 'activities', 'bot_sessions']) n (name)
    join pg_catalog.pg_class c on c.oid = to_regclass(format('public.%I', n.name)) and c.relkind in ('r', 'p')
    where c.oid not in (select k.relation from botlive.known_tables k);
  return query
    select format('row level security is off on %s', c.oid::regclass) from pg_catalog.pg_class c
    where not c.relrowsecurity and c.relkind in ('r', 'p')
      and (c.oid in (select k.relation from botlive.known_tables k) or c.relnamespace = 'botlive'::regnamespace);
  return query
    select format('the policy %I on %s is true for everyone', p.polname, p.polrelid::regclass) from pg_catalog.pg_policy p
    where p.polrelid in (select k.relation from botlive.known_tables k) and p.polname not like 'botlive^_owner^_%' escape '^'
      and exists (select from botlive.open_parts(p));
  return query select format('a privilege that nobody but the worker should have: %s', concat_ws(' on ', g.what, g.relation::text))
    from botlive.strange_grants() g;
  return query
    select format('%I on %s is gone, off or altered', d.name, d.relation::regclass)
    from botlive.own_definitions d join pg_catalog.pg_class c on c.oid = d.relation
    where d.definition is distinct from botlive.definition_of(d.relation::regclass, d.name);
end
$$;
comment on function botlive.drift is 'What was changed after the migrations and `botlive migrate` repairs.';

create or replace function botlive.findings()
returns table (blocks boolean, words text)
language plpgsql
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
begin
  -- Everything that events need and do not find, and everything that was removed from the project.
  return query select true, format('the database was not checked: %s; cure: %s', l.words, l.cure)
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
    select count(*) = (select count(*) from public.company_mapping), -- true if no shop can
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
  return query select false, format('%s; cure: %s', b.words, b.cure) from botlive.broadcasts_to_name() b;
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
  'What an operator must know. `blocks`: events of a type, or of a shop, cannot be persisted.';

revoke all on function botlive.drift, botlive.findings from public;
