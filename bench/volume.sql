-- Orders %(first)s to %(last)s, one each second, of the shops at random. One in twenty is pending. Their ids are ordered by
-- time, as those of the publisher are.
with made as materialized (
  select r, s.uuid, s.company_id, to_timestamp(1700000000 + r) as instant, md5(r::text) as random,
    (lpad(to_hex((1700000000 + r) * 1000), 12, '0') || '7' || substr(md5(r::text), 1, 3)
      || '8' || substr(md5(r::text), 4, 15))::uuid as id
  from generate_series(%(first)s, %(last)s::bigint) r
  join numbered s on s.n = (hashint8(r)::bigint + 2147483648) %% %(shops)s
), inbox as (
  insert into botlive.inbox (event_id, event_type, company_id, digest, occurred_at)
  select id, 'order_completed', company_id, random || random, instant from made order by r
), orders as (
  insert into public.orders
    (id, company_id, customer_name, total_amount, status, items, metadata, created_at, updated_at)
  select id, uuid, 'Awa', 12000, case when r %% 20 = 0 then 'pending' else 'completed' end,
    '[{"name": "Couches bébé", "price": 6000, "quantity": 2}]', '{"user_id": "+2250700000000"}', instant, instant
  from made order by r
)
insert into public.activities
  (id, company_id, type, title, description, status, metadata, customer_name, created_at)
select id, uuid, 'order', 'Commande de Awa', 'Montant: 12000 FCFA', 'success',
  jsonb_build_object('event', 'commande_enregistree', 'event_id', id, 'order_id', id, 'user_id', '+2250700000000',
    'total_amount', 12000, 'items', '[{"name": "Couches bébé", "price": 6000, "quantity": 2}]'::jsonb),
  'Awa', instant
from made order by r
