"""The lints about who may see or do what."""

_READABLE = "(has_any_column_privilege('anon', c.oid, 'SELECT') or has_any_column_privilege('authenticated', c.oid, 'SELECT'))"
_PUBLIC = "c.relnamespace = 'public'::regnamespace"
_OURS = "c.relnamespace in ('public'::regnamespace, 'botlive'::regnamespace)"
_PLAIN = "not coalesce(c.reloptions::text ~* 'security_invoker=(true|on|1|yes)', false)"
_BOTH = "concat_ws(' ', pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))"
_SENSITIVE = "^(password|passwd|pwd|secret|secret_key|private_key|api_?key|token|jwt|access_token|refresh_token|otp|ssn|iban|credit_card|card_number|cvv)$"
_OF_POLICY = "c.oid::regclass || ': ' || p.polname"

ACCESS = {
    "auth_users_exposed": (
        "0002",
        f"""select distinct c.oid::regclass::text from pg_depend d join pg_rewrite r on r.oid = d.objid
            join pg_class c on c.oid = r.ev_class
            where d.refobjid = 'auth.users'::regclass and {_PUBLIC} and {_READABLE}
              and (c.relkind = 'm' or {_PLAIN}
                or not (select u.relrowsecurity from pg_class u where u.oid = 'auth.users'::regclass))""",
        "create view public.people as select id, email from auth.users; grant select on public.people to anon",
        "people",
    ),
    "policy_exists_rls_disabled": (
        "0007",
        f"""select distinct c.oid::regclass::text from pg_policy p join pg_class c on c.oid = p.polrelid
            where {_OURS} and not c.relrowsecurity""",
        "alter table public.orders disable row level security",
        "orders",
    ),
    "rls_enabled_no_policy": (
        "0008",
        f"""select c.oid::regclass::text from pg_class c
            where {_OURS} and c.relkind = 'r' and c.relrowsecurity
              and not exists (select from pg_policy p where p.polrelid = c.oid)""",
        "drop policy botlive_owner_select on public.companies",
        "companies",
    ),
    "security_definer_view": (
        "0010",
        f"select c.oid::regclass::text from pg_class c where {_PUBLIC} and c.relkind = 'v' and {_READABLE} and {_PLAIN}",
        "create view public.all_orders as select * from public.orders; grant select on public.all_orders to authenticated",
        "all_orders",
    ),
    "rls_disabled_in_public": (
        "0013",
        f"select c.oid::regclass::text from pg_class c where {_OURS} and c.relkind in ('r', 'p') and not c.relrowsecurity",
        "create table public.notes (id uuid primary key); grant select on public.notes to anon",
        "notes",
    ),
    "rls_references_user_metadata": (
        "0015",
        f"select {_OF_POLICY} from pg_policy p join pg_class c on c.oid = p.polrelid where {_BOTH} ~ 'user_metadata'",
        """create policy staff on public.orders to authenticated
           using ((select auth.jwt() -> 'user_metadata' ->> 'role') = 'staff')""",
        "orders: staff",
    ),
    "materialized_view_in_api": (
        "0016",
        f"select c.oid::regclass::text from pg_class c where {_PUBLIC} and c.relkind = 'm' and {_READABLE}",
        "create materialized view public.sums as select 1 as one; grant select on public.sums to authenticated",
        "sums",
    ),
    "foreign_table_in_api": (
        "0017",
        f"select c.oid::regclass::text from pg_class c where {_PUBLIC} and c.relkind = 'f' and {_READABLE}",
        """create foreign data wrapper far; create server away foreign data wrapper far;
           create foreign table public.far (id int) server away; grant select on public.far to anon""",
        "far",
    ),
    "insecure_queue_exposed_in_api": (
        "0019",
        f"""select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where n.nspname = 'pgmq' and c.relname like 'q^_%' escape '^' and not c.relrowsecurity and {_READABLE}""",
        """create schema pgmq; grant usage on schema pgmq to anon; create table pgmq.q_events (id int);
           grant select on pgmq.q_events to anon""",
        "pgmq.q_events",
    ),
    "sensitive_columns_exposed": (
        "0023",
        f"""select c.oid::regclass || '.' || a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid
            where {_PUBLIC} and c.relkind = 'r' and not c.relrowsecurity and {_READABLE}
              and a.attnum > 0 and not a.attisdropped and replace(lower(a.attname), '-', '_') ~ '{_SENSITIVE}'""",
        "create table public.keys (id int, api_key text); grant select on public.keys to anon",
        "keys.api_key",
    ),
    "rls_policy_always_true": (
        "0024",
        f"""select {_OF_POLICY} from pg_policy p join pg_class c on c.oid = p.polrelid
            where {_OURS} and p.polpermissive
              and (pg_get_expr(p.polqual, p.polrelid) in ('true', '(1 = 1)')
                or pg_get_expr(p.polwithcheck, p.polrelid) in ('true', '(1 = 1)')
                or p.polqual is null and p.polwithcheck is null)""",
        "create policy everyone on public.orders for delete to authenticated using (1 = 1)",
        "orders: everyone",
    ),
    "pg_graphql_anon_table_exposed": (
        "0026",
        f"""select c.oid::regclass::text from pg_class c
            where {_OURS} and c.relkind in ('r', 'v', 'm', 'f') and has_any_column_privilege('anon', c.oid, 'SELECT')""",
        "grant select (name) on public.companies to anon",
        "companies",
    ),
    "pg_graphql_authenticated_table_exposed": (
        "0027",
        f"""select c.oid::regclass::text from pg_class c where {_OURS} and c.relkind in ('r', 'v', 'm', 'f')
              and has_any_column_privilege('authenticated', c.oid, 'SELECT')""",
        "grant select on botlive.inbox to authenticated",
        "botlive.inbox",
    ),
    "anon_security_definer_function_executable": (
        "0028",
        """select p.oid::regprocedure::text from pg_proc p where p.prosecdef
             and p.pronamespace in ('public'::regnamespace, 'botlive'::regnamespace)
             and has_function_privilege('anon', p.oid, 'EXECUTE')""",
        "create function public.peek() returns int language sql security definer set search_path = '' as 'select 1'",
        "peek()",
    ),
    "authenticated_security_definer_function_executable": (
        "0029",
        """select p.oid::regprocedure::text from pg_proc p where p.prosecdef
             and p.pronamespace in ('public'::regnamespace, 'botlive'::regnamespace)
             and has_function_privilege('authenticated', p.oid, 'EXECUTE')""",
        "grant execute on function botlive.keep_facts to authenticated",
        "botlive.keep_facts()",
    ),
}
