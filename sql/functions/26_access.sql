-- Row level security, policies and grants of the shops' tables.
--
-- From an existing table only what is open to everyone is removed: policies that are true for everyone and, if row
-- level security was off, privileges that no policy uses.

create or replace function botlive.close_table(relation regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  is_known boolean := exists (select from botlive.known_tables k where k.relation = close_table.relation::oid);
  was_open boolean := not (select c.relrowsecurity from pg_catalog.pg_class c where c.oid = close_table.relation);
begin
  if was_open then
    execute format('alter table %s enable row level security', relation);
    perform botlive.note_taken(relation, 'row level security', 'off', 'without it every row is everyone''s',
      format('alter table %s disable row level security;', relation));
  end if;
  perform botlive.replace_open_policies(relation);
  if to_regprocedure('botlive.narrow(regclass, text, "char", text[])') is not null then
    perform botlive.restore_after_0_1(relation);
  elsif was_open or not is_known then
    perform botlive.take_open_privileges(relation, was_open);
  end if;
  if not is_known then
    insert into botlive.known_tables (relation, name) values (relation::oid, relation::text);
  end if;
  perform botlive.give_back_used_privileges(relation);
end
$$;
comment on function botlive.close_table is
  'Switches row level security on and removes what is open to everyone. The other policies keep the privileges that'
  ' they use.';

create or replace function botlive.bring_access()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  known text;
  counter text;
begin
  foreach known in array array[
    'companies', 'company_rag_configs', 'company_mapping', 'orders', 'activities', 'bot_sessions']
  loop
    continue when not botlive.is_table(known);
    perform botlive.close_table(format('public.%I', known)::regclass);
    -- A role that may read only some columns does not get the others.
    if not pg_catalog.has_any_column_privilege('authenticated', format('public.%I', known), 'SELECT') then
      execute format('grant select on table public.%I to authenticated', known);
    end if;
    for counter in -- the sequences behind column defaults
      select s.oid::regclass
      from pg_catalog.pg_attrdef a
      join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_attrdef'::regclass and d.objid = a.oid
      join pg_catalog.pg_class s on s.oid = d.refobjid and s.relkind = 'S'
      where a.adrelid = format('public.%I', known)::regclass and pg_catalog.pg_has_role(current_user, s.relowner, 'usage')
    loop
      execute format('grant usage on sequence %s to service_role', counter);
    end loop;
    execute format('grant select, insert, update, delete on table public.%I to service_role', known);
  end loop;

  perform botlive.bring_policy('company_mapping', 'select', 'user_id', 'old');
  perform botlive.bring_policy('company_rag_configs', 'select', 'user_id', 'old');
  perform botlive.bring_policy('companies', 'select', 'id', 'old');

  -- An owner reads all own rows, changes the status of orders, deletes rows, and opens or ends sessions.
  foreach known in array array['orders', 'activities', 'bot_sessions'] loop
    continue when not botlive.is_table(known);
    -- If a policy of the project uses DELETE and the role does not have it, the project has withheld it on purpose.
    if not botlive.uses(format('public.%I', known)::regclass, 'authenticated', 'DELETE') then
      execute format('grant delete on table public.%I to authenticated', known);
    end if;
    perform botlive.bring_policy(known, 'select', 'company_id', 'old');
    perform botlive.bring_policy(known, 'delete', 'company_id', 'old');
  end loop;
  perform botlive.bring_policy('orders', 'update', 'company_id', 'both');
  perform botlive.bring_policy('bot_sessions', 'insert', 'company_id', 'new');
  perform botlive.bring_policy('bot_sessions', 'update', 'company_id', 'both');
  perform botlive.attempt_ddl('grant update (status) on table public.orders to authenticated');
  perform botlive.attempt_ddl('grant insert (company_id, mode, started_at, ended_at), update (ended_at) '
    'on table public.bot_sessions to authenticated');
end
$$;
comment on function botlive.bring_access is 'Makes what is missing of row level security, policies and grants.';

revoke all on function botlive.close_table, botlive.bring_access from public;
