-- Our own triggers on the shops' tables.

create or replace function botlive.keep_facts()
returns trigger
language plpgsql
security definer -- it reads the inbox, which signed-in users may not read
set search_path = pg_catalog, pg_temp
as $$
declare
  before jsonb := to_jsonb(old);
  after jsonb := to_jsonb(new);
begin
  if not exists (
    select from unnest(array['id', 'company_id', 'created_at', 'total_amount', 'items', 'metadata']) fact
    where before -> fact is distinct from after -> fact
  ) then
    return new;
  end if;
  -- Owners may change their own rows. The owner of another shop may not change the facts of an event.
  if not exists (select from public.company_mapping m where m.user_id = auth.uid())
    or exists (select from public.company_mapping m
               where m.user_id = auth.uid() and m.uuid::text = before ->> 'company_id')
    or not exists (select from botlive.inbox i where i.event_id = case
        when before ->> 'id' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then (before ->> 'id')::uuid end)
      -- A pruned event has no row in the inbox any more: all rows of that time are protected.
      and botlive.is_pruned(before ->> 'created_at') is not true
  then
    return new;
  end if;
  raise exception using errcode = 'insufficient_privilege', message =
    'botlive: this row was made by an event of another shop: its id, company, time, amount, items and '
    'metadata cannot be changed by you';
end
$$;
comment on function botlive.keep_facts is
  'Prevents the owner of another shop from changing the facts of a row that an event made, whatever policy allows '
  'it.';

create or replace function botlive.bring_trigger(table_name text, trigger_name text, definition text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  relation regclass := to_regclass(format('public.%I', table_name));
begin
  if not botlive.is_table(table_name) or botlive.is_as_made(relation, trigger_name) then
    return;
  end if;
  execute format('drop trigger if exists %I on %s', trigger_name, relation);
  execute format('create trigger %I %s', trigger_name, definition);
  perform botlive.note_made(relation, trigger_name);
end
$$;

create or replace function botlive.bring_triggers()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  known text;
begin
  perform botlive.bring_trigger('company_rag_configs', 'botlive_keep_mapping_on_insert',
    'after insert on public.company_rag_configs for each row execute function botlive.keep_mapping()');
  perform botlive.bring_trigger('company_rag_configs', 'botlive_keep_mapping_on_update',
    'after update on public.company_rag_configs for each row '
    'when (old.user_id is distinct from new.user_id) execute function botlive.keep_mapping()');
  foreach known in array array['orders', 'activities', 'bot_sessions'] loop
    perform botlive.bring_trigger(known, 'botlive_keep_facts', format('before update on public.%I for each row '
      'when (current_user = ''authenticated'') execute function botlive.keep_facts()', known));
  end loop;
end
$$;

revoke all on function botlive.keep_facts, botlive.bring_trigger, botlive.bring_triggers from public;
