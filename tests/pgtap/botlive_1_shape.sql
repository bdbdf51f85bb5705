-- What Botlive Events made, and who may touch it. Run with `supabase test db`; changes nothing.
begin;
select plan(49);

select has_schema('botlive');
select has_table('botlive', relation, 'botlive.' || relation || ' is there')
from unnest(array['inbox', 'toggles', 'replaced_policies', 'known_tables']) relation;
select has_table('public', relation, 'public.' || relation || ' is there')
from unnest(array['companies', 'company_mapping', 'company_rag_configs', 'orders', 'activities', 'bot_sessions']) relation;
select has_column('public', 'orders', 'metadata', 'orders.metadata is there');
select has_column('public', 'company_rag_configs', 'user_id', 'company_rag_configs.user_id is there');

select is(c.relrowsecurity, true, 'row level security is on: ' || c.oid::regclass)
from pg_catalog.pg_class c
where c.oid in (
  'public.companies'::regclass, 'public.company_mapping'::regclass, 'public.company_rag_configs'::regclass,
  'public.orders'::regclass, 'public.activities'::regclass, 'public.bot_sessions'::regclass,
  'botlive.inbox'::regclass, 'botlive.toggles'::regclass, 'botlive.replaced_policies'::regclass,
  'botlive.known_tables'::regclass)
order by c.oid::regclass::text;

select is(count(p.policyname)::integer, 1, 'owners read: ' || table_name)
from unnest(array['companies', 'company_mapping', 'company_rag_configs', 'orders', 'activities', 'bot_sessions']) table_name
left join pg_catalog.pg_policies p
  on p.schemaname = 'public' and p.tablename = table_name and p.policyname = 'botlive_owner_select'
group by table_name order by table_name;

select table_privs_are('botlive', relation, person, array[]::text[], person || ' has nothing on botlive.' || relation)
from unnest(array['inbox', 'toggles', 'replaced_policies', 'known_tables']) relation,
  unnest(array['anon', 'authenticated']) person;
select schema_privs_are('botlive', person, array[]::text[], person || ' does not see the schema botlive')
from unnest(array['anon', 'authenticated']) person;

select is_empty(
  format($$
    select p.oid::regprocedure from pg_catalog.pg_proc p
    where (p.pronamespace = 'botlive'::regnamespace
        or p.pronamespace = 'public'::regnamespace and p.proname like 'botlive\_%%')
      and has_function_privilege(%L, p.oid, 'execute')
  $$, person), person || ' may call no function of ours')
from unnest(array['anon', 'authenticated']) person;

select is_empty($$
    select p.oid::regprocedure from pg_catalog.pg_proc p
    where (p.pronamespace = 'botlive'::regnamespace
        or p.pronamespace = 'public'::regnamespace and p.proname like 'botlive\_%')
      and not coalesce('search_path=pg_catalog, pg_temp' = any (p.proconfig), false)
  $$, 'every function of ours looks into temporary schemas last');

select is(has_function_privilege('service_role', name, 'execute'), true, 'the worker may call ' || name)
from unnest(array[
  'public.botlive_persist(jsonb, boolean)', 'public.botlive_probe()', 'public.botlive_admits(jsonb)',
  'public.botlive_company_add(text, uuid, uuid, text)', 'public.botlive_company_list()']) name;
select is(has_table_privilege('service_role', 'public.orders', 'insert'), true, 'the worker may write orders');
select is_empty('select words from botlive.findings() where blocks', 'every type of event can be persisted');

select * from finish();
rollback;
