-- Realtime Broadcast: reports on a private channel of each company which rows changed. Open pages then read them again.
--
-- A message contains the table, the operation and ids, but no other value of a row. So realtime.messages holds no
-- personal data, and a page reads the rows under row level security. Each statement sends one message per company, in
-- its own transaction. Without the schema `realtime`, nothing is made and nothing is sent.
--
-- An error never fails a write: it is counted, and botlive.findings() reports it. A write waits at most 100 ms for each
-- lock. The time of `realtime.send` itself cannot be limited here. The database setting `botlive.broadcast` = 'off'
-- stops all messages.

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
comment on function botlive.has_realtime is
  'True if the project has Realtime and its function that sends messages.';

create or replace function botlive.broadcast()
returns trigger
language plpgsql
security definer -- a user who may write a row needs no right to send messages
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
  exception when others then null; -- somebody dropped the sequence; the write still succeeds
  end;
  raise warning 'botlive: a change of % is not broadcast (SQLSTATE %)', tg_table_name, sqlstate;
  return null;
end
$$;
comment on function botlive.broadcast is
  'Reports changed rows on the channel botlive:<company_id>. It never fails the write that fires it.';

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
    -- Restrictive: whatever the project's other policies allow, only the owner listens on a shop's channel, and no user
    -- sends there.
    ('botlive_nobody_else', $body$as restrictive for all to authenticated using (
      coalesce((select realtime.topic()), '') not like 'botlive:%' or (select realtime.topic()) in (
        select 'botlive:' || m.uuid from public.company_mapping m where m.user_id = (select auth.uid())))
      with check (coalesce((select realtime.topic()), '') not like 'botlive:%')$body$),
    -- This one does not read the mapping: anon may not read it, and would get an error on every other channel too.
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
  -- to_regclass() raises an error if this role may not use the schema, so the catalogue is read.
  select c.oid::regclass from pg_class c where c.relnamespace = (select n.oid from pg_namespace n where n.nspname = 'realtime')
    and c.relname = 'messages' and c.relkind in ('r', 'p')
$$;
comment on function botlive.channel_table is 'The table realtime.messages, or null. Its policies decide who may listen.';

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
  perform botlive.bring_channel_policies(); -- before the first message is sent
  perform botlive.bring_broadcast_triggers();
exception
  when deadlock_detected or lock_not_available then
    raise; -- caused by traffic: `botlive migrate` tries again
  when others then
    raise notice 'botlive: changes are not broadcast: % (SQLSTATE %)', sqlerrm, sqlstate; -- the tables work without it
end
$$;
comment on function botlive.bring_broadcast is
  'Makes the triggers and policies of Realtime Broadcast if the project has Realtime. An error fails no migration.';

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
  -- Supabase's realtime.send turns its own errors into warnings.
  arrived := exists (select from realtime.messages m where m.topic = 'botlive:rehearsal');
  raise exception using errcode = 'BL000'; -- rolls the message back
exception
  when sqlstate 'BL000' then
    return case when not arrived then 'realtime.send keeps no message' end;
  when others then
    return format('realtime.send fails (SQLSTATE %s)', sqlstate);
end
$$;
comment on function botlive.broadcast_fault is 'The reason why no message can be sent, or null. It sends one and rolls it back.';

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
    select format('changes of public.%s are not broadcast: a trigger is missing', string_agg(distinct n.name, ', public.')),
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
    select format('changes are not broadcast: %s', f.fault),
      'open Realtime once in the project''s dashboard, which makes its partitions, and read the database''s log'
    from botlive.broadcast_fault() f (fault) where f.fault is not null;
  select s.last_value into last_count from botlive.broadcasts_failed s where s.is_called;
  return query
    select format('%s statements could not be broadcast; pages show their rows at the next read', last_count),
      'read the warnings in the database''s log for the time and the reason, then run: '
      'select setval(''botlive.broadcasts_failed'', 1, false);'
    where last_count is not null;
end
$$;
comment on function botlive.broadcasts_to_name is 'What prevents messages, with the cure.';

revoke all on function botlive.has_realtime, botlive.broadcast, botlive.channel_policies, botlive.channel_table,
  botlive.bring_broadcast_triggers, botlive.bring_channel_policies, botlive.bring_broadcast, botlive.broadcast_fault,
  botlive.broadcasts_to_name from public;
