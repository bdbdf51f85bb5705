"""Projects with their own policies and grants: what each user could do before our migrations still works."""

from tests.zoo.member import Ask, Member

_OWNERS = """
alter table public.companies enable row level security;
alter table public.orders enable row level security;
create policy "owners add their company" on public.companies for insert to authenticated
  with check (owner_id = auth.uid());
create policy "owners see their company" on public.companies for select to authenticated
  using (owner_id = auth.uid());
create policy "owners rename their company" on public.companies for update to authenticated
  using (owner_id = auth.uid());
create policy "owners keep their orders" on public.orders for all to authenticated
  using (company_id in (select c.id from public.companies c where c.owner_id = auth.uid()));
"""
_ADD_COMPANY = "insert into public.companies (name, owner_id) values ('Nouvelle', auth.uid())"
_WRITE_BACK = """update public.orders set (id, company_id, customer_name, total_amount, status, items, created_at)
  = (select id, company_id, customer_name, total_amount + 1, 'completed', items, created_at) where id = %(order)s"""
_OWN_ID = """insert into public.orders (id, company_id, total_amount, items)
  values (gen_random_uuid(), %(shop)s, 5, '[]')"""
_FACTS = "update public.orders set total_amount = 1 where id = %(order)s"
_STATUS = "update public.orders set status = 'completed' where id = %(order)s"
_NOTES = "update public.orders set notes = 'livrée' where id = %(order)s"
_READ = "select from public.orders where id = %(order)s"

POLICIES = (
    Member(
        "owner-policies",
        _OWNERS,
        asks=(
            Ask("owner", _ADD_COMPANY),
            Ask("owner", "update public.companies set name = 'Autre' where id = %(shop)s"),
            Ask("owner", _WRITE_BACK),
            Ask("owner", _OWN_ID),
            Ask("owner", "delete from public.orders where id = %(order)s"),
            Ask("other", _READ, 0),
            Ask("other", _FACTS, 0),
            Ask("anon", _READ, 0),
        ),
    ),
    Member(
        "column-added-later",
        _OWNERS,
        later="alter table public.orders add column notes text",
        asks=(Ask("owner", _NOTES), Ask("other", _NOTES, 0)),
    ),
    Member(
        "policies-without-row-level-security",
        _OWNERS.replace("alter table public.orders enable row level security;", ""),
        named=("grant insert on table public.orders to anon;",),
        unnamed=("grant insert on table public.orders to authenticated;", "gave back privilege"),
        asks=(
            Ask("owner", _WRITE_BACK),
            Ask("owner", _OWN_ID),
            Ask("owner", "delete from public.orders where id = %(order)s"),
            Ask("other", _READ, 0),
        ),
    ),
    Member(
        "public-shops",
        """alter table public.companies enable row level security;
        create policy "active shops are public" on public.companies for select to anon, authenticated
          using (is_active)""",
        asks=(
            Ask("anon", "select from public.companies where id = %(shop)s"),
            Ask("other", "select from public.companies where id = %(shop)s"),
            Ask("anon", "update public.companies set name = 'x' where id = %(shop)s", 0),
            Ask("anon", _READ, "42501"),
        ),
    ),
    Member(
        "column-grants",
        """alter table public.orders enable row level security;
        alter table public.orders add column notes text;
        revoke update on public.orders from authenticated;
        grant update (notes) on public.orders to authenticated;
        create policy "owners add notes" on public.orders for update to authenticated
          using (company_id in (select c.id from public.companies c where c.owner_id = auth.uid()))""",
        asks=(Ask("owner", _NOTES), Ask("owner", _STATUS), Ask("owner", _FACTS, "42501")),
    ),
    Member(
        "anon-writes",
        """create table public.visits (id bigint generated always as identity primary key);
        alter table public.orders enable row level security;
        create policy "a guest orders" on public.orders for insert to anon
          with check (customer_name = current_setting('request.jwt.claims', true)::jsonb ->> 'guest')""",
        asks=(
            Ask("anon", "insert into public.orders (customer_name) values ('Guest')"),
            Ask("anon", "insert into public.orders (customer_name) values ('Another')", "42501"),
        ),
    ),
    Member(
        "open-policies",
        """alter table public.orders enable row level security;
        alter table public.activities enable row level security;
        create policy "Enable all" on public.orders for all using (true) with check (true);
        create policy "Signed in" on public.activities for select to authenticated
          using (auth.uid() is not null)""",
        named=(
            'replaced policy "Enable all" on public.orders',
            'create policy "Enable all" on public.orders as permissive for all to public using (true)',
            'replaced policy "Signed in" on public.activities',
        ),
        asks=(Ask("owner", _READ), Ask("other", _READ, 0), Ask("anon", _READ, 0), Ask("owner", _STATUS)),
    ),
    Member(
        "no-row-level-security",
        "",
        named=(
            "took row level security",
            "alter table public.orders disable row level security;",
            "grant update on table public.orders to authenticated;",
        ),
        asks=(
            Ask("owner", _READ),
            Ask("owner", _STATUS),
            Ask("owner", _FACTS, "42501"),
            Ask("other", _READ, 0),
            Ask("anon", _READ, "42501"),
        ),
    ),
    Member(
        "policy-added-later",
        "",
        later="""create policy "owners correct" on public.orders for update to authenticated
          using (company_id in (select m.uuid from public.company_mapping m where m.user_id = auth.uid()))""",
        named=('gave back privilege "update of authenticated" on public.orders',),
        asks=(Ask("owner", _FACTS), Ask("other", _FACTS, 0)),
    ),
    Member(
        "staff",
        """create table public.staff (company_id uuid, user_id uuid);
        grant select on public.staff to authenticated;
        alter table public.orders enable row level security;
        create policy "staff works" on public.orders for all to authenticated
          using (company_id in (select s.company_id from public.staff s where s.user_id = auth.uid()))""",
        later="insert into public.staff select %(shop)s, %(staff)s",
        asks=(Ask("staff", _FACTS), Ask("staff", _STATUS), Ask("other", _FACTS, 0)),
    ),
    Member(
        "lets-other-shops-in",
        """alter table public.orders enable row level security;
        create policy "whoever has an address" on public.orders for all to authenticated
          using (auth.jwt() ->> 'email' like '%@shop' and company_id is not null)""",
        named=('the policy "whoever has an address" on public.orders lets 3 of 3 users that were asked',),
        asks=(
            Ask("other", _READ),
            Ask("other", _STATUS),
            Ask("other", _FACTS, "42501"),
            Ask("other", "update public.orders set metadata = '{}' where id = %(order)s", "42501"),
            Ask("other", _WRITE_BACK, "42501"),
            Ask("owner", _FACTS),
            Ask("owner", _WRITE_BACK),
        ),
    ),
    Member(
        "own-rows-and-no-check",
        """alter table public.orders enable row level security;
        create policy "owners change" on public.orders for update to authenticated
          using (company_id in (select c.id from public.companies c where c.owner_id = auth.uid())) with check (true);
        create policy "owners see" on public.companies for select to authenticated using (owner_id = auth.uid())""",
        named=("everyone could write rows by it; one for own rows stands in its place",),
        asks=(
            Ask("owner", _FACTS),
            Ask(
                "owner",
                "update public.orders set company_id = gen_random_uuid() where id = %(order)s",
                "42501",
            ),
            Ask("other", _FACTS, 0),
        ),
    ),
    Member(
        "own-rows-and-new-ones-for-everyone",
        _OWNERS + """alter policy "owners keep their orders" on public.orders with check (true)""",
        named=("everyone could write rows by it; one for own rows stands in its place",),
        asks=(
            Ask("owner", _OWN_ID),
            Ask("owner", _FACTS),
            Ask("owner", "delete from public.orders where id = %(order)s"),
            Ask("other", _OWN_ID, "42501"),
        ),
    ),
    Member(
        "open-but-restricted",
        """alter table public.orders enable row level security;
        create policy "all" on public.orders for all to authenticated using (true) with check (true);
        create policy "own" on public.orders as restrictive for all to authenticated
          using (company_id in (select c.id from public.companies c where c.owner_id = auth.uid()))""",
        unnamed=("replaced policy", "of shops that are not theirs"),
        asks=(Ask("owner", _OWN_ID), Ask("owner", _FACTS), Ask("other", _READ, 0)),
    ),
    Member(
        "open-and-restricted-for-others",
        """alter table public.orders enable row level security;
        create policy "all" on public.orders for select using (true);
        create policy "own" on public.orders as restrictive for delete to authenticated using (false)""",
        named=('replaced policy "all" on public.orders',),
        asks=(Ask("other", _READ, 0),),
    ),
    Member(
        "open-in-many-words",
        """alter table public.orders enable row level security;
        create policy "all" on public.orders for select using (total_amount is not null
          or exists (select from public.companies c where c.id = orders.company_id))""",
        named=('replaced policy "all" on public.orders',),
        asks=(Ask("other", _READ, 0), Ask("anon", _READ, 0)),
    ),
    Member(
        "wide-policies",
        """alter table public.orders enable row level security; alter table public.companies enable row level security;
        create policy "with an address" on public.orders for select to authenticated
          using (auth.jwt() ->> 'email' like '%@%');
        create policy "of a shop" on public.orders for delete to authenticated
          using (exists (select from public.companies c where c.id = orders.company_id));
        create policy "shown" on public.companies for select using (is_active);
        create policy "own" on public.companies for all to authenticated using (owner_id = auth.uid())""",
        later="insert into public.orders (company_id) select %(shop)s",
        named=(
            'drop policy "with an address" on public.orders;',
            'the policy "of a shop" on public.orders lets every signed-in user (authenticated) delete ',
            "the policy shown on public.companies lets anyone, without a token (anon), read some rows",
        ),
        unnamed=("policy own on",),
    ),
    Member(
        "functions-for-everyone",
        """create function public.total(uuid) returns numeric language sql security definer as
          $$ select sum(total_amount) from public.orders where company_id = $1 $$;
        create function public.mine(uuid) returns boolean language sql security definer as
          $$ select exists (select from public.companies where id = $1 and owner_id = auth.uid()) $$;
        create function public.hidden(uuid) returns numeric language sql security definer as
          $$ select sum(total_amount) from public.orders where company_id = $1 $$;
        revoke execute on function public.hidden from public, anon, authenticated""",
        named=("revoke execute on function public.total(uuid) from public, anon, authenticated;",),
        unnamed=("public.mine", "public.hidden"),
    ),
    Member(
        "columns-that-are-hidden",
        """alter table public.companies add column api_key text;
        alter table public.companies enable row level security;
        revoke select on public.companies from anon, authenticated;
        grant select (id, name, is_active) on public.companies to authenticated;
        create policy "shown" on public.companies for select to authenticated using (is_active)""",
        asks=(
            Ask("other", "select name from public.companies where id = %(shop)s"),
            Ask("other", "select api_key from public.companies where id = %(shop)s", "42501"),
        ),
    ),
    Member(
        "deletes-that-are-withheld",
        """alter table public.orders enable row level security;
        revoke delete on public.orders from authenticated;
        create policy "staff" on public.orders for all to authenticated
          using (company_id in (select c.id from public.companies c where c.owner_id = auth.uid()))""",
        asks=(Ask("owner", _STATUS), Ask("owner", "delete from public.orders where id = %(order)s", "42501")),
    ),
    Member(
        "truncate",
        """alter table public.orders enable row level security;
        create policy "own" on public.orders for all to authenticated using (company_id = auth.uid())""",
        named=("took privileges on public.orders: truncate of anon, truncate of authenticated",),
        asks=(Ask("owner", "truncate public.orders", "42501"),),
    ),
    Member(
        "plain-view",
        """create view public.order_list as select id, company_id, total_amount from public.orders;
        create view public.order_sums as select company_id, sum(total_amount) from public.order_list group by 1;
        grant select on public.order_list, public.order_sums to anon, authenticated""",
        named=(
            "alter view public.order_list set (security_invoker = true);",
            "alter view public.order_sums set (security_invoker = true);",
        ),
    ),
    Member(
        "safe-views",
        """create view public.order_list with (security_invoker = true) as select * from public.orders;
        create view public.hidden as select * from public.orders;
        revoke all on public.hidden from anon, authenticated;
        create view public.own_orders as select o.* from public.orders o
          join public.companies c on c.id = o.company_id and c.owner_id = auth.uid();
        insert into public.orders (company_id) values (null)""",
        unnamed=("public.order_list", "public.hidden", "public.own_orders"),
    ),
    Member(
        "materialized-view",
        """create materialized view public.totals as select company_id, count(*) from public.orders group by 1;
        grant select on public.totals to anon, authenticated""",
        named=("revoke all on table public.totals from public, anon, authenticated;",),
    ),
)
