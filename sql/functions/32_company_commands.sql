-- The functions behind `botlive company add|link|list`. Only the worker's key may call them.
--
-- SQLSTATE BL001: the message is ours, and the command shows it to the operator.

create or replace function botlive.describe_company(text_id text)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  mapped public.company_mapping;
  shop jsonb;
begin
  select m.* into mapped from public.company_mapping m where m.company_id = text_id;
  if botlive.is_company(mapped.uuid) then
    select to_jsonb(c) into shop
    from public.companies c
    where c.id = (jsonb_populate_record(null::public.companies, jsonb_build_object('id', mapped.uuid))).id;
  end if;
  return jsonb_build_object('company_id', mapped.company_id, 'uuid', mapped.uuid, 'name', shop ->> 'name',
    'owner', mapped.user_id);
end
$$;

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
comment on function botlive.give_company is 'Gives a shop its owner. It changes an existing owner only by force.';

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
  'Makes a company with its mapping. It may be repeated, and never changes an existing owner.';

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
comment on function public.botlive_company_add_by_force is 'Like botlive_company_add, but changes an existing owner.';

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
  'Maps a text id to an existing company, or gives it an owner, or both. It never changes an existing owner.';

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
comment on function public.botlive_company_link_by_force is 'Like botlive_company_link, but changes an existing owner.';

create or replace function public.botlive_company_list()
returns jsonb
language sql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_agg(listed.company order by listed.company ->> 'company_id'), '[]')
  from (
    select botlive.describe_company(m.company_id) as company from public.company_mapping m
    union all
    -- A config without a mapping: its events would be refused as events of an unknown company.
    select jsonb_build_object('company_id', c.company_id, 'uuid', null, 'name', c.company_name, 'owner', c.user_id)
    from public.company_rag_configs c
    where not exists (select from public.company_mapping m where m.company_id = c.company_id::text)
  ) listed
$$;
comment on function public.botlive_company_list is
  'Every company that Botlive knows. uuid is null if the company is not mapped.';

revoke all on function botlive.describe_company, botlive.give_company from public;
revoke all on function public.botlive_company_add, public.botlive_company_add_by_force,
  public.botlive_company_link, public.botlive_company_link_by_force, public.botlive_company_list
  from public, anon, authenticated;
grant execute on function botlive.describe_company, botlive.give_company, public.botlive_company_add,
  public.botlive_company_add_by_force, public.botlive_company_link, public.botlive_company_link_by_force,
  public.botlive_company_list to service_role;
