-- Ways to the shops' rows beside their policies: views, rules, functions and partitions, on top of shapes.sql.
-- What is called good_… shows people their own, or nothing; every other one must be named.
create view public.plain as select id, company_id, total_amount from public.orders;
create view public.on_another as select * from public.plain where total_amount > 0;
create view public.good_invoker with (security_invoker = true) as select * from public.orders;
create view public.good_own as
  select o.* from public.orders o join public.companies c on c.id = o.company_id and c.owner_id = auth.uid();
create view public.own_but_written as select * from public.orders where company_id in (select public.my_shops());
create view public.good_own_checked as
  select * from public.orders where company_id in (select public.my_shops()) with check option;
create view public.good_own_sum as
  select count(*) as n, sum(total_amount) from public.orders where company_id in (select public.my_shops());
create view public.sum_of_all as select count(*) as n from public.orders;
create view public.of_a_state as
  select customer_name from public.orders where status = 'completed' and total_amount > 700000;
create view public.with_a_profile as
  select count(*) from public.orders where exists (select from public.profiles p where p.id = auth.uid());
create view public.good_hidden as select * from public.orders;
revoke all on public.good_hidden from anon, authenticated;
create view public.good_teams as select * from public.teams;
create view public.raising as select 1 / (case when total_amount > 0 then 0 else 1 end) as n from public.orders;
create materialized view public.kept as select company_id, count(*) from public.orders group by 1;
create view public.on_kept as select * from public.kept;
grant select on public.kept to authenticated;
create schema api;
grant usage on schema api to anon, authenticated;
create view api.done as select title from public.activities;
grant select (title) on api.done to anon;
create table public.box (company_id uuid);
create rule pass_on as on insert to public.box do also insert into public.orders (company_id) values (new.company_id);
create function public.put() returns trigger language plpgsql security definer as
  'begin insert into public.orders (company_id) values (new.company_id); return new; end';
create view public.instead with (security_invoker = true) as select company_id from public.orders;
create trigger put instead of insert on public.instead for each row execute function public.put();
create table public.old_orders () inherits (public.orders);
grant select on public.old_orders to anon;
create table public.good_old_orders () inherits (public.orders);
alter table public.good_old_orders enable row level security;

create function public.reads() returns setof public.orders language sql security definer as 'select * from orders';
create function public.asks_whether_somebody() returns setof public.orders language plpgsql security definer as
  $$ begin if auth.uid() is null then raise exception 'sign in'; end if; return query select * from public.orders; end $$;
create function public.keeps_who() returns setof public.orders language plpgsql security definer as $$
  declare me uuid := auth.uid(); begin if me is null then raise exception 'sign in'; end if;
  return query select * from public.orders; end $$;
create function public.good_keeps_who() returns setof public.orders language plpgsql security definer as $$
  declare me uuid := auth.uid(); begin
  return query select o.* from public.orders o join public.companies c on c.id = o.company_id where c.owner_id = me; end $$;
create function public.good_selects_who() returns setof public.orders language plpgsql security definer as $$
  declare me uuid; begin select auth.uid() into me;
  return query select o.* from public.orders o, public.companies c where c.id = o.company_id and me = c.owner_id; end $$;
create function public.good_own_orders() returns setof public.orders language sql security definer as
  $$ select o.* from public.orders o where o.company_id in (select c.id from public.companies c
     where c.owner_id = (select auth.uid())) $$;
create function public.good_guarded(shop uuid) returns setof public.orders language plpgsql security definer as
  $$ begin if not public.works_for(shop) then raise exception 'no'; end if;
     return query select * from public.orders where company_id = shop; end $$;
create function public.good_passes_who(shop uuid) returns setof public.orders language plpgsql security definer as
  $$ begin if not public.has_right(auth.uid(), shop) then raise exception 'no'; end if;
     return query select * from public.orders where company_id = shop; end $$;
create function public.standard(shop uuid) returns numeric language sql security definer
  begin atomic select sum(total_amount) from public.orders where company_id = shop; end;
create function public.good_standard(shop uuid) returns numeric language sql security definer
  begin atomic select sum(total_amount) from public.orders where company_id = shop and created_by = auth.uid(); end;
create function public.writes_who(o uuid) returns void language sql security definer as
  $$ update public.orders set status = 'cancelled', created_by = auth.uid() where id = o $$;
create function public.logs_who(o uuid) returns void language sql security definer as
  $$ insert into public.orders (id, created_by) values (o, auth.uid()) $$;
create function public.says_so(o uuid) returns numeric language sql security definer as
  $$ -- where owner_id = auth.uid()
     select total_amount from public.orders where id = o $$;
create function public.compares_role() returns bigint language sql security definer as
  $$ select count(*) from public.orders where auth.role() = 'authenticated' $$;
create function public.through_another(o uuid) returns numeric language sql security definer as
  'select public.says_so(o)';
create function public.through_a_view() returns bigint language sql security definer as 'select count(*) from plain';
create function public.runs(query text) returns void language plpgsql security definer as 'begin execute query; end';
create function public.good_runs(name text) returns void language plpgsql security definer as
  $$ begin execute 'select 1' using name; end $$;
create function public.good_invokers() returns setof public.orders language sql as 'select * from orders';
create function public.good_hidden_reads() returns bigint language sql security definer as
  'select count(*) from public.orders';
revoke execute on function public.good_hidden_reads from public;
create procedure api.removes(o uuid) language sql security definer as 'delete from public.orders where id = o';
create schema closed;
create function closed.good_reads() returns bigint language sql security definer as 'select count(*) from public.orders';
-- A yes that a policy asks for stays callable, whatever it looks at.
create function public.good_helper(person uuid, shop uuid) returns boolean language sql security definer as
  $$ select exists (select from public.companies c where c.id = shop and c.owner_id = person) $$;
create policy "by helper" on public.orders for select to authenticated using (public.good_helper(auth.uid(), company_id));
