-- What `botlive company add|link|list` call. Only the worker's key may.
--
-- SQLSTATE BL001: the message is ours and is meant for the person at the keyboard.

select botlive.wait_for_workers();

create or replace function botlive.describe_company(text_id text)
returns jsonb
language plpgsql
stable
set search_path = ''
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

create or replace function botlive.own_company(text_id text, owner uuid)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if owner is not null then
    update public.company_mapping m set user_id = owner, updated_at = now()
    where m.company_id = text_id and m.user_id is distinct from owner;
  end if;
exception when foreign_key_violation then
  raise exception using errcode = 'BL001', message = format('no user has the id %s: the owner must sign up first', owner);
end
$$;

create or replace function public.botlive_company_add(
  text_id text, shop uuid default null, owner uuid default null, shop_name text default null)
returns jsonb
language plpgsql
security invoker
set search_path = ''
as $$
declare
  mapped uuid;
begin
  begin
    mapped := botlive.map_company(text_id, shop, owner, shop_name);
  exception
    when unique_violation then
      raise exception using errcode = 'BL001',
        message = format('company %s already has another text id: see `botlive company list`', shop);
    when foreign_key_violation then
      raise exception using errcode = 'BL001',
        message = format('no user has the id %s: the owner must sign up first', owner);
    when sqlstate 'BL001' then
      raise;
    when integrity_constraint_violation or data_exception or raise_exception then
      raise exception using errcode = 'BL001', message = format(
        'the table companies does not take a plain row (%s): make the company in the front end, '
        'then `botlive company link %s <its uuid>`', sqlstate, text_id);
  end;
  if mapped <> shop then
    raise exception using errcode = 'BL001', message = format(
      'company %s is mapped to %s already: `botlive company link` changes that', text_id, mapped);
  end if;
  perform botlive.own_company(text_id, owner);
  return botlive.describe_company(text_id);
end
$$;
comment on function public.botlive_company_add is 'Makes a company with its mapping; safe to repeat.';

create or replace function public.botlive_company_link(
  text_id text, shop uuid default null, owner uuid default null)
returns jsonb
language plpgsql
security invoker
set search_path = ''
as $$
begin
  if shop is not null and not botlive.is_company(shop) then
    raise exception using errcode = 'BL001', message = format('there is no company %s', shop);
  end if;
  if exists (select from public.company_mapping m where m.uuid = shop and m.company_id <> text_id) then
    raise exception using errcode = 'BL001',
      message = format('company %s already has another text id: see `botlive company list`', shop);
  end if;
  if shop is null and not exists (select from public.company_mapping m where m.company_id = text_id) then
    raise exception using errcode = 'BL001',
      message = format('%s is not mapped: name the company''s uuid, or `botlive company add %s`', text_id, text_id);
  end if;
  if shop is not null then
    insert into public.company_mapping (uuid, company_id) values (shop, text_id)
    on conflict (company_id) do update set uuid = excluded.uuid, updated_at = now();
  end if;
  perform botlive.own_company(text_id, owner);
  return botlive.describe_company(text_id);
end
$$;
comment on function public.botlive_company_link is
  'Maps a text id to a company that exists, gives it its owner, or both.';

create or replace function public.botlive_company_list()
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select coalesce(jsonb_agg(listed.company order by listed.company ->> 'company_id'), '[]')
  from (
    select botlive.describe_company(m.company_id) as company from public.company_mapping m
    union all
    -- A config that resolves to no company of its own: its events would fail as of an unknown company.
    select jsonb_build_object('company_id', c.company_id, 'uuid', null, 'name', c.company_name, 'owner', c.user_id)
    from public.company_rag_configs c
    where not exists (select from public.company_mapping m where m.company_id = c.company_id::text)
  ) listed
$$;
comment on function public.botlive_company_list is
  'Every company that Botlive knows; uuid is null where it is not mapped.';

revoke all on function botlive.describe_company, botlive.own_company from public;
grant execute on function botlive.describe_company, botlive.own_company to service_role;
revoke all on function public.botlive_company_add, public.botlive_company_link, public.botlive_company_list
  from public, anon, authenticated;
grant execute on function public.botlive_company_add, public.botlive_company_link, public.botlive_company_list
  to service_role;

notify pgrst, 'reload schema';
