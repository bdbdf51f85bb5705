-- An event is persisted once, whole, and as the worker. What is written here is taken back.
begin;
select plan(9);

select lives_ok(
  $$ select public.botlive_company_add('pgtap once', '00000000-0000-4000-8000-0000000000cc') $$, 'a shop is made');

create temporary table sample on commit drop as
select jsonb_agg(event || jsonb_build_object(
    'event_id', gen_random_uuid(), 'occurred_at', now(), 'activity', event -> 'activity' || '{"metadata": {}}',
    'order', case when jsonb_typeof(event -> 'order') = 'object' then '{"metadata": {}, "total_amount": 1000,
      "customer_name": "Awa", "items": [{"name": "Pagne", "quantity": 1, "price": 1000}]}'::jsonb end)) as events
from botlive.sample_events('pgtap once');
grant select on sample to service_role;
set local role service_role;
set local request.jwt.claims = '{"role": "service_role"}';

select results_eq(
  $$ select e.value ->> 'outcome' from sample, jsonb_array_elements(public.botlive_persist(sample.events)) e $$,
  $$ select 'persisted' from sample, jsonb_array_elements(sample.events) $$, 'every type of event is persisted');
select results_eq(
  $$ select e.value ->> 'outcome' from sample, jsonb_array_elements(public.botlive_persist(sample.events)) e $$,
  $$ select 'duplicate' from sample, jsonb_array_elements(sample.events) $$, 'the same again are duplicates');
select results_eq(
  $$ select count(*) from public.activities where company_id = '00000000-0000-4000-8000-0000000000cc' $$,
  $$ select count(*) from sample, jsonb_array_elements(sample.events) $$, 'each has one activity');
select results_eq(
  $$ select count(*) from public.orders where company_id = '00000000-0000-4000-8000-0000000000cc' $$,
  $$ select count(*) from sample, jsonb_array_elements(sample.events) e
     where e.value ->> 'event_type' = 'order_completed' $$, 'an order has its row');
select results_eq(
  $$ select e.value ->> 'outcome' from sample, jsonb_array_elements(public.botlive_persist(
       jsonb_build_array(sample.events -> 0 || '{"event_id": "00000000-0000-4000-8000-0000000002cc",
         "company_id": "pgtap nobody"}'))) e $$,
  array['unknown_company'], 'an event of no shop is told apart');
select is(jsonb_typeof(public.botlive_read_activities('pgtap once')), 'array', 'the front end''s side reads them');
select is(public.botlive_read_activities('pgtap nobody'), null, 'and knows no other shop');
select lives_ok('select public.botlive_probe()', 'the breaker''s probe passes');

select * from finish();
rollback;
