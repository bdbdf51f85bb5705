-- The bridge, where people may write configs or make objects of their own.
--
-- `set search_path = ''` still looks for types and tables in the caller's temporary schema, and there first. These
-- functions name it last instead. Those that fire triggers of the project's set the path of Supabase's API
-- just before they write, so that nothing of their own is looked up on it.

set standard_conforming_strings = on; -- some projects switch it off

select botlive.wait_for_workers();

create or replace function botlive.shell_word(word text)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  -- Control characters are written by their number: a message is one line, and a terminal must not obey it.
  select case
    when word ~ '^[A-Za-z0-9_@%+=:,./-]+$' then word
    when word !~ '[\u0001-\u001f\u007f-\u009f]' then '''' || replace(word, '''', '''"''"''') || ''''
    else '$''' || (
      select string_agg(case
        when c.letter ~ '[\u0001-\u001f\u007f-\u009f]' then '\u' || lpad(to_hex(ascii(c.letter)), 4, '0')
        when c.letter in ('''', '\') then '\' || c.letter
        else c.letter end, '' order by c.place)
      from regexp_split_to_table(word, '') with ordinality as c (letter, place)) || ''''
    end
$$;
comment on function botlive.shell_word is 'The text as one word of a shell''s command, for hints that people copy.';

create or replace function botlive.trusts_caller()
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- Who asked, also in a security definer function: there current_user is the function's owner.
  select pg_has_role(coalesce(nullif(current_setting('role'), 'none'), session_user)::name, 'service_role', 'member')
$$;
comment on function botlive.trusts_caller is 'Whether the worker''s role, or one that may become it, asked for this.';

create or replace function botlive.owners_agree(company uuid, owner uuid, is_trusted boolean)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  named text[];
begin
  select array_agg(lower(e.value)) into named
  from public.companies c, jsonb_each_text(to_jsonb(c)) e
  where c.id = (jsonb_populate_record(null::public.companies, jsonb_build_object('id', company))).id
    and e.key in ('user_id', 'owner_id', 'owner', 'owner_user_id', 'created_by', 'profile_id')
    and e.value ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';
  if owner is null or named is null then
    return is_trusted;
  end if;
  return owner::text = any (named);
end
$$;
comment on function botlive.owners_agree is
  'Whether a company that is there is the owner''s, as the table companies names people; where it names nobody, trust decides.';

create or replace function botlive.people_write_configs()
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from (values ('anon'), ('authenticated')) as r (role_name), (values ('INSERT'), ('UPDATE')) as p (privilege)
    where has_any_column_privilege(r.role_name, 'public.company_rag_configs'::regclass, p.privilege)
      and (not (select c.relrowsecurity from pg_class c where c.oid = 'public.company_rag_configs'::regclass)
        or botlive.uses('public.company_rag_configs'::regclass, r.role_name, p.privilege)))
$$;
comment on function botlive.people_write_configs is
  'Whether the project lets people write configs: what these say of owners is then not trusted.';

create or replace function botlive.make_company(company uuid, company_name text, owner uuid)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  column_names text;
  column_values text;
begin
  select coalesce(string_agg(format(', %I', a.attname), '' order by a.attnum), ''),
         coalesce(string_agg(', ' || case when a.attname = 'name' then format('%L', company_name)
           else botlive.neutral_value(company, owner, a) end, '' order by a.attnum), '')
  into column_names, column_values
  from pg_attribute a
  where a.attrelid = 'public.companies'::regclass
    and a.attnum > 0 and not a.attisdropped
    and (a.attname = 'name'
      or a.attnotnull and not a.atthasdef and a.attidentity = '' and a.attgenerated = '')
    and a.attname <> 'id';
  perform set_config('search_path', 'public, extensions, pg_temp', true);
  execute pg_catalog.format('insert into public.companies (id%s) values (%L%s)', column_names, company, column_values);
end
$$;
comment on function botlive.make_company is
  'A row of companies, whatever columns the field has added to that table.';

create or replace function botlive.map_company(
  botlive_id text, company uuid default null, owner uuid default null, company_name text default null)
returns uuid
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  mapped uuid;
begin
  if length(botlive_id) not between 1 and 128 then
    raise exception using errcode = 'BL001', message = 'a company_id has 1 to 128 characters';
  end if;
  -- One at a time for one id, so that two callers make one company.
  perform pg_advisory_xact_lock(hashtextextended('botlive.company ' || botlive_id, 0));
  select m.uuid into mapped from public.company_mapping m where m.company_id = botlive_id;
  if found then
    return mapped;
  end if;
  if company is null and botlive_id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
    and botlive.is_company(botlive_id::uuid)
  then
    company := botlive_id::uuid;
    if not botlive.owners_agree(company, owner, botlive.trusts_caller()) then
      raise exception using errcode = 'BL001', message = format('its text id is the UUID of a company that is there, '
        'and it cannot be seen there that %s owns it; if it is the same shop, run `botlive company link -- %s %s`',
        coalesce('the user ' || owner, 'who added this'), botlive.shell_word(botlive_id), company);
    end if;
  end if;
  if exists (select from public.company_mapping m where m.uuid = company) then
    raise exception using
      errcode = 'unique_violation',
      message = format('company %s already has a text id: %s is not mapped to it too', company, botlive_id);
  end if;
  company := coalesce(company, gen_random_uuid());
  if not botlive.is_company(company) then
    perform botlive.make_company(company, coalesce(company_name, botlive_id), owner);
  end if;
  perform set_config('search_path', 'public, extensions, pg_temp', true);
  insert into public.company_mapping (uuid, company_id, user_id) values (company, botlive_id, owner);
  return company;
end
$$;
comment on function botlive.map_company is
  'The company''s UUID; the mapping, and the company itself where there is none, are made.';

create or replace function botlive.check_now()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  deferred text;
begin
  -- What is deferred would speak at the customer's commit, where nobody can catch it.
  select string_agg(format('public.%I', k.conname), ', ') into deferred
  from pg_constraint k
  where k.conrelid in ('public.company_mapping'::regclass, 'public.companies'::regclass) and k.condeferred;
  if deferred is not null then
    perform set_config('search_path', 'public, extensions, pg_temp', true);
    execute pg_catalog.format('set constraints %s immediate', deferred);
    execute pg_catalog.format('set constraints %s deferred', deferred);
  end if;
end
$$;

create or replace function botlive.keep_mapping()
returns trigger
language plpgsql
security definer -- whoever may write the config need not be able to write the mapping
set search_path = pg_catalog, pg_temp
set lock_timeout = '300ms'
as $$
declare
  is_trusted boolean := botlive.trusts_caller();
  was_mapped boolean;
  mapped uuid;
  former uuid;
  owner uuid;
  may_change boolean := is_trusted;
begin
  -- As text: the project may have made the config's columns of other types.
  select u.id into owner from auth.users u where u.id::text = new.user_id::text;
  select m.user_id into former from public.company_mapping m where m.company_id::text = new.company_id::text;
  was_mapped := found;
  mapped := botlive.map_company(new.company_id::text, null, owner, new.company_name::text);
  if was_mapped and owner is distinct from former and (tg_op = 'UPDATE' or owner is not null) then
    -- Who is not trusted hands on what is his. A config of his own about somebody's shop gives him nothing.
    if tg_op = 'UPDATE' and not is_trusted then
      may_change := old.company_id::text = new.company_id::text and former::text is not distinct from old.user_id::text;
    end if;
    if owner is not null and lower(new.company_id::text) = mapped::text then
      may_change := may_change and botlive.owners_agree(mapped, owner, is_trusted);
    end if;
    if may_change then
      perform set_config('search_path', 'public, extensions, pg_temp', true);
      update public.company_mapping m set user_id = owner, updated_at = pg_catalog.now() where m.uuid = mapped;
    else
      raise warning 'botlive: company % keeps its owner: the config''s is another, and that the shop is his cannot be '
        'seen; if it is, run: botlive company link --force --owner % -- %', botlive.shell_word(new.company_id::text),
        coalesce(owner::text, 'USER_ID'), botlive.shell_word(new.company_id::text);
    end if;
  end if;
  perform botlive.check_now();
  return null;
exception when others then
  -- The customer's own write goes through; `botlive company list` shows what is not mapped.
  raise warning 'botlive: company % is not mapped: % (%)', botlive.shell_word(new.company_id::text), sqlerrm, sqlstate;
  return null;
end
$$;
comment on function botlive.keep_mapping is
  'Keeps company_mapping complete; can never fail the write that fires it.';

create or replace function botlive.complete_mapping()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  is_trusted boolean := not botlive.people_write_configs();
  row record;
begin
  perform set_config('search_path', 'public, extensions, pg_temp', true);
  perform set_config('request.jwt.claims', '{"role": "service_role"}', true); -- as in the worker's calls
  -- The first integration's mappings pointed at no company at all.
  for row in
    select m.company_id::text, lower(m.company_id::text)::uuid as company, m.user_id
    from public.company_mapping m
    where m.company_id::text ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' and not botlive.is_company(m.uuid)
  loop
    if botlive.is_company(row.company)
      and botlive.owners_agree(row.company, row.user_id, true)
      and not exists (select from public.company_mapping o where o.uuid = row.company)
    then
      update public.company_mapping m set uuid = row.company, updated_at = now()
      where m.company_id::text = row.company_id;
    end if;
  end loop;
  for row in
    select m.uuid, m.company_id::text, u.id as owner
    from public.company_mapping m
    join public.company_rag_configs c on c.company_id::text = m.company_id::text
    join auth.users u on u.id::text = c.user_id::text
    where m.user_id is null
    order by m.company_id::text
  loop
    -- A company that this owner is not known to have stays nobody's until somebody says so.
    if is_trusted and lower(row.company_id) <> row.uuid::text
      or botlive.owners_agree(row.uuid, row.owner, is_trusted)
    then
      update public.company_mapping m set user_id = row.owner, updated_at = now() where m.uuid = row.uuid;
    else
      raise notice 'botlive: company % has no owner: its config names one, and that the shop is his cannot be seen; '
        'if it is, run `botlive company link --owner % -- %`', botlive.shell_word(row.company_id), row.owner,
        botlive.shell_word(row.company_id);
    end if;
  end loop;
  for row in
    select m.uuid, m.company_id::text, m.user_id, c.company_name
    from public.company_mapping m
    left join public.company_rag_configs c on c.company_id::text = m.company_id::text
    where not botlive.is_company(m.uuid)
    order by m.company_id
  loop
    begin
      perform botlive.make_company(row.uuid, coalesce(row.company_name, row.company_id), row.user_id);
    exception when others then
      raise warning 'botlive: company % has a mapping but no company: % (%)', botlive.shell_word(row.company_id), sqlerrm, sqlstate;
    end;
  end loop;
  for row in
    select c.company_id::text, c.company_name, u.id as owner
    from public.company_rag_configs c left join auth.users u on u.id::text = c.user_id::text
    where not exists (select from public.company_mapping m where m.company_id::text = c.company_id::text)
    order by c.company_id::text <> lower(c.company_id::text), c.company_id -- a UUID as it is usually written first
  loop
    begin
      if not is_trusted and row.company_id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
        and botlive.is_company(row.company_id::uuid)
        and not botlive.owners_agree(row.company_id::uuid, row.owner, false)
      then
        raise exception using errcode = 'BL001', message = format('its text id is the UUID of a company that is there, '
          'people may write configs, and who owns that company cannot be seen; if it is the same shop, run '
          '`botlive company link%s -- %s %s`', coalesce(' --owner ' || row.owner, ''),
          botlive.shell_word(row.company_id), lower(row.company_id));
      end if;
      perform botlive.map_company(row.company_id, null, row.owner, row.company_name);
    exception when others then
      raise warning 'botlive: company % is not mapped: % (%)', botlive.shell_word(row.company_id), sqlerrm, sqlstate;
    end;
  end loop;
end
$$;
comment on function botlive.complete_mapping is 'Maps every config that is not mapped, as far as that is possible.';

create or replace function botlive.give_company(text_id text, owner uuid, command text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  former uuid := (select m.user_id from public.company_mapping m where m.company_id = text_id);
begin
  if owner is null or former is not distinct from owner then
    return;
  end if;
  if former is not null and current_setting('botlive.by_force', true) is distinct from 'on' then
    raise exception using errcode = 'BL001', message = format(
      'company %s is there and belongs to the user %s: nothing was changed; to give it to %s all the same: '
      '`botlive company %s --force --owner %s -- %s`',
      botlive.shell_word(text_id), former, owner, command, owner, botlive.shell_word(text_id));
  end if;
  update public.company_mapping m set user_id = owner, updated_at = now() where m.company_id = text_id;
exception when foreign_key_violation then
  raise exception using errcode = 'BL001', message = format('no user has the id %s: the owner must sign up first', owner);
end
$$;
comment on function botlive.give_company is 'Gives a shop its owner; takes it from nobody without being told to.';

drop function if exists botlive.own_company(text, uuid);

create or replace function public.botlive_company_add(
  text_id text, shop uuid default null, owner uuid default null, shop_name text default null)
returns jsonb
language plpgsql
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  mapped uuid;
  former public.company_mapping;
begin
  perform pg_advisory_xact_lock(hashtextextended('botlive.company ' || text_id, 0));
  select m.* into former from public.company_mapping m where m.company_id = text_id;
  begin
    mapped := botlive.map_company(text_id, shop, owner, shop_name);
  exception
    when unique_violation then
      raise exception using errcode = 'BL001',
        message = format('company %s already has another text id: see `botlive company list`', coalesce(shop::text, text_id));
    when foreign_key_violation then
      raise exception using errcode = 'BL001',
        message = format('no user has the id %s: the owner must sign up first', owner);
    when sqlstate 'BL001' then
      raise;
    when integrity_constraint_violation or data_exception or raise_exception then
      raise exception using errcode = 'BL001', message = format(
        'the table companies does not take a plain row (%s): make the company in the front end, '
        'then `botlive company link -- %s UUID` with its uuid', sqlstate, botlive.shell_word(text_id));
  end;
  if mapped <> shop then
    raise exception using errcode = 'BL001', message = format(
      'company %s is mapped to %s already: `botlive company link -- %s %s` changes that',
      botlive.shell_word(text_id), mapped, botlive.shell_word(text_id), shop);
  end if;
  perform botlive.give_company(text_id, owner, 'add');
  return botlive.describe_company(text_id)
    || jsonb_build_object('was_there', former.uuid is not null, 'former_owner', former.user_id);
end
$$;
comment on function public.botlive_company_add is
  'Makes a company with its mapping; safe to repeat; takes no shop from its owner.';

create or replace function public.botlive_company_link(
  text_id text, shop uuid default null, owner uuid default null)
returns jsonb
language plpgsql
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  former public.company_mapping;
begin
  if shop is not null and not botlive.is_company(shop) then
    raise exception using errcode = 'BL001', message = format('there is no company %s', shop);
  end if;
  if exists (select from public.company_mapping m where m.uuid = shop and m.company_id <> text_id) then
    raise exception using errcode = 'BL001',
      message = format('company %s already has another text id: see `botlive company list`', shop);
  end if;
  select m.* into former from public.company_mapping m where m.company_id = text_id;
  if shop is null and former.uuid is null then
    raise exception using errcode = 'BL001', message = format(
      '%s is not mapped: `botlive company link -- %s UUID` maps it to a company that is there, `botlive company add -- %s` '
      'makes one', botlive.shell_word(text_id), botlive.shell_word(text_id), botlive.shell_word(text_id));
  end if;
  if shop is not null then
    insert into public.company_mapping (uuid, company_id) values (shop, text_id)
    on conflict (company_id) do update set uuid = excluded.uuid, updated_at = now();
  end if;
  perform botlive.give_company(text_id, owner, 'link');
  return botlive.describe_company(text_id) || jsonb_build_object('was_there', former.uuid is not null,
    'former_owner', former.user_id, 'former_uuid', former.uuid);
end
$$;
comment on function public.botlive_company_link is
  'Maps a text id to a company that exists, gives it its owner, or both; takes it from nobody.';

-- Under names of their own: a parameter more would make a second function, which an earlier file, run again, does not expect.
create or replace function public.botlive_company_add_by_force(
  text_id text, shop uuid default null, owner uuid default null, shop_name text default null)
returns jsonb
language plpgsql
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  answer jsonb;
begin
  perform set_config('botlive.by_force', 'on', true);
  answer := public.botlive_company_add(text_id, shop, owner, shop_name);
  perform set_config('botlive.by_force', 'off', true);
  return answer;
end
$$;
comment on function public.botlive_company_add_by_force is 'The same; takes the shop from its owner.';

create or replace function public.botlive_company_link_by_force(
  text_id text, shop uuid default null, owner uuid default null)
returns jsonb
language plpgsql
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  answer jsonb;
begin
  perform set_config('botlive.by_force', 'on', true);
  answer := public.botlive_company_link(text_id, shop, owner);
  perform set_config('botlive.by_force', 'off', true);
  return answer;
end
$$;
comment on function public.botlive_company_link_by_force is 'The same; takes the shop from its owner.';

revoke all on function botlive.shell_word, botlive.trusts_caller, botlive.owners_agree, botlive.people_write_configs,
  botlive.give_company from public;
grant execute on function botlive.shell_word, botlive.trusts_caller, botlive.owners_agree, botlive.give_company
  to service_role;
revoke all on function public.botlive_company_add, public.botlive_company_link,
  public.botlive_company_add_by_force, public.botlive_company_link_by_force from public, anon, authenticated;
grant execute on function public.botlive_company_add, public.botlive_company_link,
  public.botlive_company_add_by_force, public.botlive_company_link_by_force to service_role;

notify pgrst, 'reload schema';
