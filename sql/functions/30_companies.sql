-- Companies, which may have columns of the project's own.
--
-- A function that fires triggers of the project sets the search path of Supabase's API just before it writes,
-- because these triggers may rely on it. Every function of ours keeps `pg_temp` last: a caller's temporary objects
-- must not replace others.

set standard_conforming_strings = on; -- some projects switch it off

create or replace function botlive.shell_word(word text)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
  -- Control characters are escaped: a message stays on one line, and a terminal does not execute them.
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
comment on function botlive.shell_word is
  'The text as one word of a shell command, for commands that people copy from a message.';

create or replace function botlive.neutral_value(company uuid, owner uuid, a pg_catalog.pg_attribute)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- The project may have added columns to companies that are not null and have no default. Each needs a value.
  select case
    when a.attname in ('user_id', 'owner_id', 'created_by') and t.oid = 'uuid'::regtype
      then format('%L::uuid', owner)
    when t.oid = 'uuid'::regtype then format('%L::uuid', company)
    when t.oid in ('json'::regtype, 'jsonb'::regtype) then format('''{}''::%s', t.oid::regtype)
    when t.typcategory = 'S' and exists (
      select from pg_catalog.pg_index i
      where i.indrelid = a.attrelid and i.indisunique and a.attnum = any (i.indkey)
    ) then format('%L', company)
    when t.typcategory = 'S' then ''''''
    when t.typcategory = 'N' then '0'
    when t.typcategory = 'B' then 'false'
    when t.typcategory = 'A' then '''{}'''
    when t.typcategory = 'D' then 'now()'
    when t.typcategory = 'T' then 'interval ''0'''
    when t.typcategory = 'E' then (
      select format('%L', e.enumlabel) from pg_catalog.pg_enum e
      where e.enumtypid = t.oid order by e.enumsortorder limit 1
    )
    else 'default'
  end
  from pg_catalog.pg_type t
  where t.oid = a.atttypid
$$;

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
  'Inserts a row into companies, also if the project has added columns to that table.';

create or replace function botlive.is_company(company uuid)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  -- The id is cast to the type of the column: the project may have chosen another type.
  return exists (
    select from public.companies c
    where c.id = (jsonb_populate_record(null::public.companies, jsonb_build_object('id', company))).id);
exception when undefined_column or data_exception then
  return false; -- the column has another name or type: botlive.misfits() reports it
end
$$;

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
  'Whether the table companies names this user as the owner of an existing company. If it names nobody: whether the'
  ' caller is trusted.';

revoke all on function botlive.shell_word, botlive.neutral_value, botlive.make_company, botlive.is_company,
  botlive.owners_agree from public;
grant execute on function botlive.shell_word, botlive.neutral_value, botlive.make_company, botlive.is_company,
  botlive.owners_agree to service_role;
