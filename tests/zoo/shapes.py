"""Policies as they are met in front ends, most of them made by generators. See ``shapes.sql`` for their names."""

from tests.zoo.releases import inheriting
from tests.zoo.shape import CHANCE, Shape

_OWN = "company_id in (select c.id from public.companies c where c.owner_id = auth.uid())"
_CLAIM = "auth.jwt() ->>"

OPEN = (
    Shape("true", "true", "replaced", role="public"),
    Shape("true-to-anon", "true", "replaced", role="anon"),
    Shape("signed-in", "auth.uid() is not null", "replaced"),
    Shape("role-authenticated", "auth.role() = 'authenticated'", "replaced", role="public"),
    Shape("role-by-claim", f"({_CLAIM} 'role') = 'authenticated'", "replaced"),
    Shape("not-anonymous", f"({_CLAIM} 'is_anonymous')::boolean is false", "replaced"),
    Shape(
        "not-anonymous-either-way",
        "coalesce((auth.jwt() ->> 'is_anonymous')::boolean, false) = false",
        "replaced",
    ),
    Shape("has-an-address", f"({_CLAIM} 'email') is not null", "replaced"),
    Shape("audience", f"({_CLAIM} 'aud') = 'authenticated'", "replaced"),
    Shape("a-level", f"({_CLAIM} 'aal') in ('aal1', 'aal2')", "replaced"),
    Shape("not-expired", f"({_CLAIM} 'exp')::bigint > extract(epoch from now())", "replaced"),
    Shape("has-a-session", f"({_CLAIM} 'session_id') is not null", "replaced"),
    Shape("has-a-provider", "auth.jwt() -> 'app_metadata' ->> 'provider' is not null", "replaced"),
    Shape("has-user-metadata", "auth.jwt() -> 'user_metadata' is not null", "replaced"),
    Shape("every-status", "status in ('pending', 'completed', 'cancelled')", "replaced"),
    Shape(
        "every-status-or", "status = 'pending' or status = 'completed' or status = 'cancelled'", "replaced"
    ),
    Shape(
        "every-status-and-signed-in",
        "status = any (array['pending', 'completed', 'cancelled']) and auth.role() = 'authenticated'",
        "replaced",
    ),
    Shape("own-name", "orders.id is not null", "replaced"),
    Shape(
        "qualified-name",
        "exists (select where public.orders.company_id is not null)",
        "replaced",
        role="public",
    ),
    Shape("row-type", "public.whole(orders)", "replaced", role="public"),
    Shape("not-in-a-year", "created_at < now() + interval '1 year'", "replaced"),
    Shape("metadata-or-not", "metadata is null or metadata is not null", "replaced", role="public"),
    Shape("any-amount", "total_amount >= 0", "replaced"),
    Shape("exists", "exists (select 1)", "replaced", role="public"),
    Shape("definer-that-says-yes", "public.yes()", "replaced", role="public"),
    Shape("volatile", "public.counted(coalesce(customer_name, 'x') || 'x')", "replaced"),
    Shape("writes-when-asked", "public.writes()", "replaced"),
    Shape("own-or-anybody", f"{_OWN} or auth.uid() is not null", "replaced"),
    Shape("compares-with-itself", "company_id = company_id and auth.uid() = auth.uid()", "replaced"),
    Shape("case", "case when auth.uid() is null then false else true end", "replaced"),
    Shape("setting", "current_setting('request.jwt.claims', true)::jsonb ->> 'sub' is not null", "replaced"),
    Shape("everyone-inserts", "true", "replaced", command="insert", role="public"),
    Shape("everyone-updates", "using (true)", "replaced", command="update"),
    Shape("everyone-deletes", "auth.uid() is not null", "replaced", command="delete"),
    Shape("all", "using (true) with check (true)", "replaced", command="all", role="public"),
    Shape("no-token", "auth.uid() is null", "replaced", role="public"),
    Shape(
        "by-group",
        "true",
        "replaced",
        role="shape_group",
        before=inheriting("shape_group", "authenticated"),
    ),
)

WIDE = (
    Shape("old-rows", "created_at < now() - interval '1 day'", "named", words="some rows", others=0),
    Shape("new-rows", "created_at > now() - interval '30 days'", "named", words="every signed-in user"),
    Shape("one-status", "status = 'pending'", "named", words="some rows", role="public"),
    Shape("two-statuses", "status in ('completed', 'cancelled')", "named", others=0),
    Shape("not-archived", "status <> 'archived'", "named"),
    Shape("a-status-and-an-amount", "status = 'pending' and total_amount > 5000", "named", words="some rows"),
    Shape("a-status-and-a-size", "status = 'cancelled' and total_amount > 250000", "named", others=0),
    Shape("not-deleted", "deleted_at is null", "named", words="read some rows"),
    Shape("shared", "is_shared", "named", others=0, role="public"),
    Shape("visible", "visibility = 'public'", "named", others=0, role="public"),
    Shape("no-metadata", "metadata is null", "named", others=0),
    Shape("metadata-says", "metadata ->> 'public' = 'true'", "named", others=0),
    Shape("whole-row", "orders is not null", "named", others=0, words="some rows"),
    Shape("second-factor", f"({_CLAIM} 'aal') = 'aal2'", "named", others=0, words="with a second factor"),
    Shape(
        "anonymous-too", f"({_CLAIM} 'is_anonymous')::boolean", "named", others=0, words="without an account"
    ),
    Shape("a-real-address", "auth.email() like '%@%'", "named", words="with an e-mail address"),
    Shape("the-domain", "auth.email() like '%@shop.example'", "named", others=0, words="3 of 4 users"),
    Shape("by-google", "auth.jwt() -> 'app_metadata' ->> 'provider' = 'google'", "named", others=0),
    Shape(
        "admin-by-claim",
        "auth.jwt() -> 'app_metadata' ->> 'role' = 'admin'",
        "named",
        others=0,
        words="1 of 4 users",
    ),
    Shape("admin-by-table", "public.is_admin()", "named", others=0, words="1 of 4 users"),
    Shape(
        "admin-by-address", "auth.email() = 'admin@botlive.example'", "named", others=0, words="1 of 4 users"
    ),
    Shape(
        "admin-by-id",
        "auth.uid() = 'd0000000-0000-4000-8000-000000000001'",
        "named",
        others=0,
        words="1 of 4 users",
    ),
    Shape(
        "whoever-has-a-profile",
        "exists (select from public.profiles p where p.id = auth.uid())",
        "named",
        words="4 of 4 users",
    ),
    Shape("a-profile-by-definer", "public.has_profile()", "named", words="4 of 4 users"),
    Shape(
        "owner-of-any-shop",
        "exists (select from public.companies c where c.owner_id = auth.uid())",
        "named",
        words="2 of 4 users",
    ),
    Shape("a-shop-that-is-there", "public.is_known(company_id)", "named", words="every signed-in user"),
    Shape(
        "one-shop-for-all", "company_id = 'a1111111-0000-4000-8000-000000000001'", "named", words="some rows"
    ),
    Shape(
        "a-known-customer",
        "exists (select from public.customers k where k.name = orders.customer_name)",
        "named",
        words="1 of the 2",
        empty="silent",
    ),
    Shape("half-of-the-time", "random() < 0.5", "named", role="public", others=CHANCE),
    Shape(
        "user-metadata",
        "auth.jwt() -> 'user_metadata' ->> 'role' = 'admin'",
        "named",
        others=0,
        words="believes user_metadata",
    ),
    Shape(
        "user-metadata-shop",
        "company_id::text = auth.jwt() -> 'user_metadata' ->> 'company'",
        "named",
        others=0,
        words="believes user_metadata",
    ),
    Shape(
        "a-header",
        "current_setting('request.headers', true)::json ->> 'x-shop' = company_id::text",
        "named",
        owner=0,
        others=0,
        words="believes request headers",
        role="public",
    ),
    Shape("raises", "public.raises()", "named", owner=0, words="cannot be judged", others=0),
    Shape("raises-by-cast", "(auth.jwt() ->> 'aud')::integer > 0", "named", words="22P02", others=0),
    Shape(
        "guests-order",
        "status = 'pending'",
        "named",
        command="insert",
        role="anon",
        words="anon), insert some rows",
        others=0,
    ),
    Shape(
        "own-but-new-ones-some",
        f"using ({_OWN}) with check (status = 'pending')",
        "named",
        command="update",
        others=0,
        words="alter policy shape on public.orders with check",
    ),
    Shape(
        "deletes-some", "status = 'pending'", "named", command="delete", words="delete some rows", others=0
    ),
    Shape(
        "changes-some", "status = 'pending'", "named", command="update", words="change some rows", others=0
    ),
)

OWN = (
    Shape("by-owner", _OWN, "silent"),
    Shape("by-owner-all", f"using ({_OWN}) with check ({_OWN})", "silent", command="all", role="public"),
    Shape(
        "by-owner-correlated",
        "exists (select from public.companies c where c.id = orders.company_id and c.owner_id = auth.uid())",
        "silent",
    ),
    Shape(
        "by-owners-address",
        "exists (select from public.companies c where c.id = company_id and c.owner_email = auth.email())",
        "silent",
        before="grant select on public.companies to authenticated",
    ),
    Shape(
        "by-mapping",
        "company_id in (select m.uuid from public.company_mapping m where m.user_id = auth.uid())",
        "silent",
    ),
    Shape(
        "by-config",
        "company_id in (select m.uuid from public.company_mapping m join public.company_rag_configs r "
        "using (company_id) where r.user_id = auth.uid())",
        "silent",
    ),
    Shape(
        "by-staff",
        "exists (select from public.staff s where s.company_id = orders.company_id and "
        "s.user_id = auth.uid())",
        "silent",
    ),
    Shape("by-staff-in-a-definer", "public.works_for(company_id)", "silent"),
    Shape(
        "by-team",
        "company_id in (select t.company_id from public.teams t join public.team_members m "
        "on m.team_id = t.id where m.user_id = (select auth.uid()))",
        "silent",
    ),
    Shape(
        "by-profile",
        "company_id = (select p.company_id from public.profiles p where p.id = auth.uid())",
        "silent",
    ),
    Shape("by-definer", "company_id in (select public.my_shops())", "silent"),
    Shape("by-app-metadata", "company_id::text = auth.jwt() -> 'app_metadata' ->> 'company_id'", "silent"),
    Shape("by-maker", "created_by = auth.uid()", "silent"),
    Shape("own-and-pending", f"{_OWN} and status = 'pending'", "silent"),
    Shape("own-by-cast", "short_code::integer > 0 and " + _OWN, "silent", owner=0),
    Shape("own-and-verified", f"{_OWN} and ({_CLAIM} 'email') is not null", "silent"),
    Shape("nobody", "false", "silent", role="public"),
    Shape("service-role", "auth.role() = 'service_role'", "silent", role="public"),
    Shape("to-service-role", "true", "silent", role="service_role"),
    Shape("forbidden-table", "exists (select from auth.users u where u.id = auth.uid())", "silent", owner=0),
    Shape("forbidden-privilege", "true", "silent", command="delete", role="shape_group"),
    Shape(
        "restricted",
        "true",
        "silent",
        before='create policy "only own" on public.orders as restrictive for all '
        f"to authenticated using ({_OWN})",
    ),
    Shape(
        "restricted-verb-by-verb",
        "using (true) with check (true)",
        "silent",
        command="all",
        before="".join(
            f'create policy "only own {verb}" on public.orders as restrictive for {verb} to public '
            f"{'with check' if verb == 'insert' else 'using'} ({_OWN});"
            for verb in ("select", "insert", "update", "delete")
        ),
    ),
    Shape(
        "restricted-by-group",
        "true",
        "silent",
        before=f'{inheriting("shape_group", "authenticated")}; create policy "only own" on public.orders as restrictive for all to shape_group using ({_OWN})',
    ),
    Shape("rows-of-no-shop", f"company_id is null or {_OWN}", "silent"),
)

SHAPES = (*OPEN, *WIDE, *OWN)
