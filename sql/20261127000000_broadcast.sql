-- Realtime Broadcast: the owner's open page hears on a private channel that rows of the shop changed, and reads them.
--
-- A message says table, operation and ids, and nothing of a row: no personal data stands in realtime.messages, and
-- what the page then reads is under row level security. One message a statement and shop, in the same transaction.
-- Where the schema `realtime` is absent nothing is made. A message that cannot be sent fails no write: it is counted,
-- and `botlive.findings()` names it. A lock in the way of a message is waited for 100 ms; that is all that can be
-- bounded here: what `realtime.send` itself takes, the write takes longer. With the database's setting
-- `botlive.broadcast` at `off` nothing is sent.

set standard_conforming_strings = on; -- some projects switch it off

select botlive.wait_for_workers();

create sequence if not exists botlive.broadcasts_failed;
comment on sequence botlive.broadcasts_failed is
  'How many statements could not be broadcast. A sequence, for no write waits for another''s count, and none is rolled back.';
revoke all on sequence botlive.broadcasts_failed from public, anon, authenticated, service_role;

create or replace function botlive.has_realtime()
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'realtime' and p.proname = 'send' and oidvectortypes(p.proargtypes) = 'jsonb, text, text, boolean')
$$;
comment on function botlive.has_realtime is 'Whether there is a Realtime that sends what the database says.';

create or replace function botlive.broadcast()
returns trigger
language plpgsql
security definer -- whoever may write a row need not be able to send
set search_path = pg_catalog, pg_temp
set lock_timeout = '100ms'
as $$
declare
  message record;
begin
  if current_setting('botlive.broadcast', true) = 'off' or not botlive.has_realtime() then
    return null;
  end if;
  for message in
    select c.company_id::text as company, count(*) as number, (array_agg(c.id::text))[1:100] as ids
    from changed c where c.company_id is not null group by 1
  loop
    perform realtime.send(
      jsonb_build_object('table', tg_table_name, 'operation', tg_op, 'count', message.number, 'ids', message.ids),
      tg_op, 'botlive:' || message.company, true);
  end loop;
  return null;
exception when others then
  begin
    perform nextval('botlive.broadcasts_failed');
  exception when others then null; -- somebody dropped it: the write goes through all the same
  end;
  raise warning 'botlive: a change of % is not broadcast (SQLSTATE %)', tg_table_name, sqlstate;
  return null;
end
$$;
comment on function botlive.broadcast is
  'Says on the channel botlive:<company_id> that rows changed; can never fail the write that fires it.';

create or replace function botlive.channel_policies()
returns table (name text, body text)
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  values
    ('botlive_owner_listens', $body$for select to authenticated using (
      extension = 'broadcast' and (select realtime.topic()) in (
        select 'botlive:' || m.uuid from public.company_mapping m where m.user_id = (select auth.uid())))$body$),
    -- Whatever other policies of the project admit: nobody else listens on a shop's channel, and no user sends there.
    ('botlive_nobody_else', $body$as restrictive for all to authenticated using (
      coalesce((select realtime.topic()), '') not like 'botlive:%' or (select realtime.topic()) in (
        select 'botlive:' || m.uuid from public.company_mapping m where m.user_id = (select auth.uid())))
      with check (coalesce((select realtime.topic()), '') not like 'botlive:%')$body$),
    -- Without the mapping, which anon may not read: it would be refused on every other channel too.
    ('botlive_no_stranger', $body$as restrictive for all to anon using (
      coalesce((select realtime.topic()), '') not like 'botlive:%')$body$)
$$;
comment on function botlive.channel_policies is 'Our policies on realtime.messages.';

create or replace function botlive.channel_table()
returns regclass
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- By the catalogue: a name in a schema that one may not use is an error.
  select c.oid::regclass from pg_class c where c.relnamespace = (select n.oid from pg_namespace n where n.nspname = 'realtime')
    and c.relname = 'messages' and c.relkind in ('r', 'p')
$$;
comment on function botlive.channel_table is 'realtime.messages, where it is there: its policies say who listens.';

create or replace function botlive.bring_broadcast_triggers()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  known text;
begin
  foreach known in array array['orders', 'activities', 'bot_sessions'] loop
    perform botlive.bring_trigger(known, 'botlive_broadcast_' || lower(o.operation), format(
      'after %s on public.%I referencing %s table as changed for each statement execute function botlive.broadcast()',
      lower(o.operation), known, o.image))
    from (values ('INSERT', 'new'), ('UPDATE', 'new'), ('DELETE', 'old')) o (operation, image)
    where botlive.column_type(known, 'id') is not null and botlive.column_type(known, 'company_id') is not null;
  end loop;
end
$$;

create or replace function botlive.bring_channel_policies()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  messages regclass := botlive.channel_table();
  policy record;
begin
  for policy in select p.* from botlive.channel_policies() p where not botlive.is_as_made(messages, p.name) loop
    execute format('drop policy if exists %I on %s', policy.name, messages);
    execute format('create policy %I on %s %s', policy.name, messages, policy.body);
    perform botlive.note_made(messages, policy.name);
  end loop;
end
$$;

create or replace function botlive.bring_broadcast()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if not botlive.has_realtime() or botlive.channel_table() is null then
    return;
  end if;
  perform botlive.bring_channel_policies(); -- before anything is said on a channel
  perform botlive.bring_broadcast_triggers();
exception
  when deadlock_detected or lock_not_available then
    raise; -- traffic: the run comes again
  when others then
    raise notice 'botlive: changes are not broadcast: % (SQLSTATE %)', sqlerrm, sqlstate; -- the tables need none of it
end
$$;
comment on function botlive.bring_broadcast is
  'Triggers and policies of Realtime Broadcast, where there is a Realtime; can never fail a migration.';

create or replace function botlive.broadcast_fault()
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '100ms'
as $$
declare
  arrived boolean;
begin
  perform realtime.send('{}', 'INSERT', 'botlive:rehearsal', true);
  -- Supabase's own function swallows what goes wrong in it.
  arrived := exists (select from realtime.messages m where m.topic = 'botlive:rehearsal');
  raise exception using errcode = 'BL000'; -- take it back
exception
  when sqlstate 'BL000' then
    return case when not arrived then 'realtime.send keeps no message' end;
  when others then
    return format('realtime.send fails (SQLSTATE %s)', sqlstate);
end
$$;
comment on function botlive.broadcast_fault is 'Why no message can be sent, or null. It sends one and takes it back.';

create or replace function botlive.broadcasts_to_name()
returns table (words text, cure text)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  last_count bigint;
begin
  if not botlive.has_realtime() or botlive.channel_table() is null then
    return;
  end if;
  return query
    select format('nobody is told on a channel of changes of public.%s: a trigger is missing', string_agg(distinct n.name, ', public.')),
      '`botlive migrate`, which says why if it cannot make it'
    from unnest(array['orders', 'activities', 'bot_sessions']) n (name), unnest(array['insert', 'update', 'delete']) o (name)
    where botlive.is_table(n.name) and not exists (
      select from pg_trigger t
      where t.tgrelid = to_regclass(format('public.%I', n.name)) and t.tgname = 'botlive_broadcast_' || o.name)
    having count(*) > 0;
  return query
    select format('the policy %s on realtime.messages is missing', p.name),
      format('as its owner run: create policy %s on realtime.messages %s;', p.name, regexp_replace(p.body, '[[:space:]]+', ' ', 'g'))
    from botlive.channel_policies() p
    where not exists (
      select from pg_policy y where y.polrelid = botlive.channel_table() and y.polname = p.name);
  return query
    select format('changes reach no open page: %s', f.fault),
      'open Realtime once in the project''s dashboard, which makes its partitions, and see the database''s log'
    from botlive.broadcast_fault() f (fault) where f.fault is not null;
  select s.last_value into last_count from botlive.broadcasts_failed s where s.is_called;
  return query
    select format('%s statements could not be broadcast; pages showed their rows when they were next read', last_count),
      'the warnings in the database''s log say when and why; then run: '
      'select setval(''botlive.broadcasts_failed'', 1, false);'
    where last_count is not null;
end
$$;
comment on function botlive.broadcasts_to_name is 'What stands in the way of the messages, with the cure.';

-- As they were, and one line more each.

create or replace function botlive.bring_up()
returns void
language plpgsql
set search_path = ''
as $$
declare
  own_table regclass;
begin
  perform botlive.check_owners();
  perform botlive.wait_for_workers();
  for own_table in
    select c.oid::regclass from pg_catalog.pg_class c
    where c.relnamespace = 'botlive'::regnamespace and c.relkind = 'r' and not c.relrowsecurity
  loop
    execute format('alter table %s enable row level security', own_table);
  end loop;
  perform botlive.bring_tables();
  perform botlive.bring_columns();
  perform botlive.bring_indexes();
  delete from botlive.own_definitions d where not exists (select from pg_catalog.pg_class c where c.oid = d.relation);
  perform botlive.bring_access();
  perform botlive.bring_triggers();
  perform botlive.take_strange_grants();
  perform botlive.complete_mapping();
  perform botlive.bring_broadcast();
end
$$;
comment on function botlive.bring_up is
  'Makes what is missing of tables, columns, indexes, policies, grants and triggers. Safe to call again.';

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
  'What must be told: `blocks` where events of a type, or of a shop, cannot be persisted.';

revoke all on function botlive.has_realtime, botlive.broadcast, botlive.channel_policies, botlive.channel_table,
  botlive.bring_broadcast_triggers, botlive.bring_channel_policies, botlive.bring_broadcast, botlive.broadcast_fault,
  botlive.broadcasts_to_name from public;

select botlive.bring_broadcast();
select botlive.keep_settings();
