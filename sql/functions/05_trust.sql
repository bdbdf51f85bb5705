-- Whose functions, operators and views may run with the rights of the person who migrates.
--
-- Some statements need the search path of Supabase's API (`public, extensions`). Other logins may be able to make
-- functions and operators there: in PostgreSQL 14 every login may, and a database keeps that when it is upgraded. If
-- the arguments of such a function fit a call better than those of PostgreSQL's own function, PostgreSQL calls it.
-- It runs with the rights of the caller, and `set role` does not prevent that: the function can reset the role.

create or replace function botlive.is_trusted(role_id oid)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- A member of the migrating role has its rights anyway. The owner of a shops' table can run code there by triggers.
  select pg_has_role(role_id, current_user, 'member') or exists (
    select from pg_class c where c.relowner = role_id and c.oid in (select k.relation from botlive.known_tables k))
$$;
comment on function botlive.is_trusted is 'Whether code of that role may run with the rights of the migrating role.';

create or replace function botlive.look_alikes()
returns table (words text, cure text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format('the %s of the role %I has the same name as one of PostgreSQL, and calls under the search path of the API may '
      'reach it, with the rights of the caller', f.name, pg_get_userbyid(f.owner)),
    format('drop %s; or, if you know what it does: alter %1$s owner to %I;', f.name, current_user)
  from (
    select format('function %s', p.oid::regprocedure) as name, p.proowner as owner, p.pronamespace as place
    from pg_proc p where p.prokind = 'f' and exists (
      select from pg_proc o where o.pronamespace = 'pg_catalog'::regnamespace and o.proname = p.proname)
    union all
    select format('operator %s', o.oid::regoperator), o.oprowner, o.oprnamespace from pg_operator o
  ) f
  where f.place in (to_regnamespace('public'), to_regnamespace('extensions')) and not botlive.is_trusted(f.owner)
  order by 1
$$;
comment on function botlive.look_alikes is
  'Functions and operators of other roles that PostgreSQL may call instead of its own under the search path of the API.';

create or replace function botlive.refuse_look_alikes()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  found record;
begin
  for found in select l.* from botlive.look_alikes() l limit 1 loop
    raise exception using errcode = 'BL004', message = format(
      'botlive: nothing was done: %s; cure: %s', found.words, found.cure);
  end loop;
end
$$;
comment on function botlive.refuse_look_alikes is
  'Fails if PostgreSQL may call a function or operator of another role instead of its own.';

create or replace function botlive.is_askable(view_id oid)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- Reading a view runs the functions that it calls, so its owner chose the code. The same is true of each view below it.
  with recursive reading as (
    select view_id as relation
    union
    select d.refobjid
    from reading v
    join pg_rewrite r on r.ev_class = v.relation and r.ev_type = '1'
    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.refclassid = 'pg_class'::regclass
  )
  select bool_and(botlive.is_trusted(c.relowner)) from reading v join pg_class c on c.oid = v.relation and c.relkind in ('v', 'm')
$$;
comment on function botlive.is_askable is 'Whether the view, and each view that it reads, belongs to a trusted role.';

revoke all on function botlive.is_trusted, botlive.look_alikes, botlive.refuse_look_alikes, botlive.is_askable from public;
