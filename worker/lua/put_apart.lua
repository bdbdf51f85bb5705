#!lua flags=allow-oom
-- Moves claimed jobs to the queue of their kind, where they wait apart: their shop's tables reject all
-- events of their type.
-- KEYS: RQ's started registry, the kind's queue, RQ's set of queues, the hash of kinds
-- ARGV: the owner, the kind (the hash's field), its reason and since when (the hash's value), then the ids
-- Returns 1 if the kind was not in the hash before, else 0.
local wrong = wrong_type({'zset', 'list', 'set', 'hash'})
if wrong then
  return wrong
end
for index = 4, #ARGV do
  local id = ARGV[index]
  -- Another worker may have claimed and acknowledged it in the meantime: then nothing is left to move.
  if redis.call('ZREM', KEYS[1], id .. ':' .. ARGV[1]) == 1
      and redis.pcall('HGET', 'rq:job:' .. id, 'status') == 'started' then
    redis.call('HSET', 'rq:job:' .. id, 'status', 'queued')
    redis.call('RPUSH', KEYS[2], id)
  end
end
if redis.call('EXISTS', KEYS[2]) == 0 then
  return 0
end
redis.call('SADD', KEYS[3], KEYS[2])
return redis.call('HSETNX', KEYS[4], ARGV[2], ARGV[3])
