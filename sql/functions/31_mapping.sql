-- Keeps company_mapping complete: from Botlive's text ids to the UUIDs of companies.

create or replace function botlive.trusts_caller()
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- The role setting still names the caller inside a security definer function, where current_user is the owner.
  select pg_has_role(coalesce(nullif(current_setting('role'), 'none'), session_user)::name, 'service_role', 'member')
$$;
comment on function botlive.trusts_caller is 'Whether the caller is the worker''s role, or a role that may become it.';

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
  'Whether the project lets users write configs. If so, the owner in a config is not trusted.';

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
  -- One call at a time for one id: two simultaneous calls must not make two companies.
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
  'Returns the UUID of the company. Makes the mapping, and the company, if they do not exist.';

create or replace function botlive.check_now()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  deferred text;
begin
  -- A deferred constraint would fail at the customer's commit, where no function can catch the error.
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
security definer -- a role that writes configs needs no privilege on the mapping
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
  -- Compared as text: the project may have chosen other types for the columns of the config.
  select u.id into owner from auth.users u where u.id::text = new.user_id::text;
  select m.user_id into former from public.company_mapping m where m.company_id::text = new.company_id::text;
  was_mapped := found;
  mapped := botlive.map_company(new.company_id::text, null, owner, new.company_name::text);
  if was_mapped and owner is distinct from former and (tg_op = 'UPDATE' or owner is not null) then
    -- An untrusted caller can only give away a shop that the caller owns. A new config does not give anybody a shop
    -- that has another owner.
    if tg_op = 'UPDATE' and not is_trusted then
      may_change := old.company_id::text = new.company_id::text and former::text is not distinct from old.user_id::text;
    end if;
    if owner is not null and lower(new.company_id::text) = mapped::text then
      may_change := may_change and botlive.owners_agree(mapped, owner, is_trusted);
    end if;
    if may_change then
      perform set_config('search_path', 'public, extensions, pg_temp', true);
      update public.company_mapping m set user_id = owner, updated_at = pg_catalog.now()
      where m.uuid operator(pg_catalog.=) mapped;
    else
      raise warning 'botlive: company % keeps its owner: the config''s is another, and that the shop is his cannot be '
        'seen; if it is, run: botlive company link --force --owner % -- %', botlive.shell_word(new.company_id::text),
        coalesce(owner::text, 'USER_ID'), botlive.shell_word(new.company_id::text);
    end if;
  end if;
  perform botlive.check_now();
  return null;
exception when others then
  -- The customer's own write must succeed. `botlive company list` shows the config as not mapped.
  raise warning 'botlive: company % is not mapped: % (%)', botlive.shell_word(new.company_id::text), sqlerrm, sqlstate;
  return null;
end
$$;
comment on function botlive.keep_mapping is 'Keeps company_mapping complete. It never fails the write that fires it.';

create or replace function botlive.change_mapping(former uuid, company uuid, owner uuid)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform set_config('search_path', 'public, extensions, pg_temp', true);
  update public.company_mapping m set uuid = company, user_id = owner, updated_at = pg_catalog.now()
  where m.uuid operator(pg_catalog.=) former;
end
$$;
comment on function botlive.change_mapping is 'Maps a shop to another company, or gives it an owner.';

create or replace function botlive.complete_mapping()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  is_trusted boolean := not botlive.people_write_configs();
  row record;
begin
  perform set_config('request.jwt.claims', '{"role": "service_role"}', true); -- the same claims as the worker's calls
  -- The first integration made mappings to companies that do not exist.
  for row in
    select m.uuid, lower(m.company_id::text)::uuid as company, m.user_id
    from public.company_mapping m
    where m.company_id::text ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' and not botlive.is_company(m.uuid)
  loop
    if botlive.is_company(row.company)
      and botlive.owners_agree(row.company, row.user_id, true)
      and not exists (select from public.company_mapping o where o.uuid = row.company)
    then
      perform botlive.change_mapping(row.uuid, row.company, row.user_id);
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
    -- Without proof that this user owns the company, it gets no owner. An operator decides.
    if is_trusted and lower(row.company_id) <> row.uuid::text
      or botlive.owners_agree(row.uuid, row.owner, is_trusted)
    then
      perform botlive.change_mapping(row.uuid, row.uuid, row.owner);
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
    order by c.company_id::text <> lower(c.company_id::text), c.company_id -- of two spellings of a UUID the usual one first
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
comment on function botlive.complete_mapping is 'Maps every config that is not mapped, where that is possible.';

revoke all on function botlive.trusts_caller, botlive.people_write_configs, botlive.map_company,
  botlive.check_now, botlive.keep_mapping, botlive.change_mapping, botlive.complete_mapping from public;
grant execute on function botlive.trusts_caller, botlive.map_company to service_role;
