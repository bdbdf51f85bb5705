-- Owners see and do what is theirs, strangers nothing. Two shops are made for it, and taken back.
begin;
select plan(21);

insert into auth.users (id) values
  ('00000000-0000-4000-8000-00000000000a'), ('00000000-0000-4000-8000-00000000000b');
select lives_ok(
  $$ select public.botlive_company_add('pgtap a', '00000000-0000-4000-8000-0000000000aa',
       '00000000-0000-4000-8000-00000000000a') $$, 'shop a is made');
select lives_ok(
  $$ select public.botlive_company_add('pgtap b', '00000000-0000-4000-8000-0000000000bb',
       '00000000-0000-4000-8000-00000000000b') $$, 'shop b is made');
insert into public.orders (id, company_id, customer_name, status) values
  ('00000000-0000-4000-8000-0000000001aa', '00000000-0000-4000-8000-0000000000aa', 'Awa', 'pending'),
  ('00000000-0000-4000-8000-0000000001bb', '00000000-0000-4000-8000-0000000000bb', 'Binta', 'pending');
insert into public.activities (company_id, type, title) values
  ('00000000-0000-4000-8000-0000000000aa', 'order', 'a'), ('00000000-0000-4000-8000-0000000000bb', 'order', 'b');
insert into public.bot_sessions (company_id, mode) values
  ('00000000-0000-4000-8000-0000000000aa', 'live'), ('00000000-0000-4000-8000-0000000000bb', 'live');

set local role authenticated;
set local request.jwt.claims = '{"role": "authenticated", "aud": "authenticated", "sub": "00000000-0000-4000-8000-00000000000a"}';

select results_eq('select customer_name::text from public.orders', array['Awa'], 'an owner reads own orders only');
select results_eq('select title::text from public.activities', array['a'], 'and own activities');
select results_eq('select company_id::text from public.bot_sessions',
  array['00000000-0000-4000-8000-0000000000aa'], 'and own sessions');
select results_eq('select company_id::text from public.company_mapping', array['pgtap a'], 'and the own mapping');
select results_eq('select id::text from public.companies',
  array['00000000-0000-4000-8000-0000000000aa'], 'and the own company');
select is_empty($$ update public.orders set status = 'cancelled'
  where id = '00000000-0000-4000-8000-0000000001bb' returning id $$, 'another''s order cannot be changed');
select isnt_empty($$ update public.orders set status = 'completed'
  where id = '00000000-0000-4000-8000-0000000001aa' returning id $$, 'an own one can');
select is_empty($$ delete from public.activities where title = 'b' returning id $$, 'another''s activity stays');
select is_empty($$ delete from public.bot_sessions
  where company_id = '00000000-0000-4000-8000-0000000000bb' returning id $$, 'another''s session stays');
select throws_ok($$ insert into public.bot_sessions (company_id, mode)
  values ('00000000-0000-4000-8000-0000000000bb', 'live') $$, '42501', null, 'nor is one opened there');
select lives_ok($$ insert into public.bot_sessions (company_id, mode)
  values ('00000000-0000-4000-8000-0000000000aa', 'live') $$, 'an own one is');
select throws_ok($$ update public.company_mapping set user_id = '00000000-0000-4000-8000-00000000000a' $$,
  '42501', null, 'the mapping cannot be changed');
select throws_ok($$ select public.botlive_persist('[]') $$, '42501', null, 'nor can events be persisted');
select throws_ok($$ select * from botlive.inbox $$, '42501', null, 'nor the inbox be read');

set local request.jwt.claims = '{"role": "authenticated", "aud": "authenticated", "sub": "00000000-0000-4000-8000-00000000000c", "user_metadata": {"role": "service_role"}}';
select is_empty('select * from public.orders where customer_name in (''Awa'', ''Binta'')', 'a stranger reads no order');
select is_empty('select * from public.company_mapping where company_id like ''pgtap%''', 'and no mapping');

set local role anon;
set local request.jwt.claims = '{"role": "anon"}';
select throws_ok('select * from public.orders', '42501', null, 'who is not signed in reads no order');
select throws_ok('select * from public.companies', '42501', null, 'and no company');
select throws_ok('select public.botlive_company_list()', '42501', null, 'and calls no function');

select * from finish();
rollback;
