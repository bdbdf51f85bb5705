#!lua flags=allow-oom
-- Puts jobs where they wait apart: their shop's tables take no event of their type.
-- KEYS: RQ's started registry, the queue of what waits apart, RQ's set of queues, the hash of these queues
-- ARGV: the owner, the kind (the hash's field), why and since when, then the ids
-- Returns 1 where nothing of the kind waited apart before, else 0.
local wrong = misfit({'zset', 'list', 'set', 'hash'})
if wrong then
  return wrong
end
for index = 4, #ARGV do
  local id = ARGV[index]
  -- Another worker may have had it too, and be done with it: then there is nothing left to wait.
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
