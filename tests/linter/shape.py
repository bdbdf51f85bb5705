"""The lints about the form of tables, indexes, policies and functions."""

_OURS = "c.relnamespace in ('public'::regnamespace, 'botlive'::regnamespace)"
_OF_POLICY = "c.oid::regclass || ': ' || p.polname"
_BOTH = "concat_ws(' ', pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))"
_CALLS = r"(auth\.(uid|jwt|role|email)\(|current_setting\()"

SHAPE = {
    "unindexed_foreign_keys": (
        "0001",
        f"""select c.oid::regclass || ': ' || k.conname from pg_constraint k join pg_class c on c.oid = k.conrelid
            where k.contype = 'f' and {_OURS} and not exists (
              select from pg_index i where i.indrelid = k.conrelid and i.indisvalid
                and (i.indkey::int2[])[0:cardinality(k.conkey) - 1] = k.conkey)""",
        "alter table public.orders add seller uuid constraint sold_by references auth.users (id)",
        "orders: sold_by",
    ),
    "auth_rls_initplan": (
        "0003",
        f"""select {_OF_POLICY} from pg_policy p join pg_class c on c.oid = p.polrelid
            where {_OURS} and regexp_replace({_BOTH}, '\\( *select +{_CALLS}', '', 'gi') ~* '{_CALLS}'""",
        "create policy slow on public.orders for select to authenticated using (company_id = auth.uid())",
        "orders: slow",
    ),
    "no_primary_key": (
        "0004",
        f"""select c.oid::regclass::text from pg_class c where {_OURS} and c.relkind in ('r', 'p')
              and not exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary)""",
        "create table botlive.heap (id int)",
        "botlive.heap",
    ),
    "multiple_permissive_policies": (
        "0006",
        f"""select c.oid::regclass || ': ' || r.rolname || ' ' || a.command
            from pg_policy p join pg_class c on c.oid = p.polrelid
              join pg_roles r on r.rolname in ('anon', 'authenticated') and p.polroles && array[r.oid, 0::oid]
              join unnest(array['r', 'a', 'w', 'd']) as a (command) on p.polcmd in ('*', a.command::"char")
            where {_OURS} and p.polpermissive
            group by c.oid, r.rolname, a.command having count(*) > 1""",
        """create policy more on public.orders for delete to authenticated
           using (company_id = (select auth.uid()))""",
        "orders: authenticated d",
    ),
    "duplicate_index": (
        "0009",
        f"""select min(i.indexrelid::regclass::text)
            from pg_index i join pg_class x on x.oid = i.indexrelid join pg_class c on c.oid = i.indrelid
            where {_OURS}
            group by i.indrelid, x.relam, i.indkey::text, i.indclass::text, i.indoption::text, i.indcollation::text,
              pg_get_expr(i.indexprs, i.indrelid), pg_get_expr(i.indpred, i.indrelid)
            having count(*) > 1""",
        "create index a_second_idx on public.company_mapping (user_id)",
        "a_second_idx",
    ),
    "function_search_path_mutable": (
        "0011",
        """select p.oid::regprocedure::text from pg_proc p
           where p.pronamespace in ('public'::regnamespace, 'botlive'::regnamespace)
             and not exists (select from unnest(p.proconfig) as s (setting) where s.setting like 'search_path=%')""",
        "alter function botlive.is_table reset search_path",
        "botlive.is_table(text)",
    ),
    "extension_in_public": (
        "0014",
        "select e.extname from pg_extension e where e.extnamespace = 'public'::regnamespace and e.extname <> 'plpgsql'",
        """update pg_extension set extname = 'moved', extnamespace = 'public'::regnamespace
           where extname = 'plpgsql'""",
        "moved",
    ),
    "unsupported_reg_types": (
        "0018",
        f"""select c.oid::regclass || '.' || a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid
            where {_OURS} and a.attnum > 0 and a.atttypid in ('regproc'::regtype, 'regprocedure'::regtype,
              'regoper'::regtype, 'regoperator'::regtype, 'regconfig'::regtype, 'regdictionary'::regtype,
              'regnamespace'::regtype, 'regcollation'::regtype)""",
        "create table botlive.called (id int primary key, what regprocedure)",
        "botlive.called.what",
    ),
    "fkey_to_auth_unique": (
        "0021",
        """select k.conrelid::regclass || ': ' || k.conname
           from pg_constraint k join pg_index i on i.indexrelid = k.conindid
             join pg_class f on f.oid = k.confrelid
           where k.contype = 'f' and f.relnamespace = 'auth'::regnamespace and not i.indisprimary""",
        "alter table public.orders add mail text constraint mailed references auth.users (email)",
        "orders: mailed",
    ),
}
