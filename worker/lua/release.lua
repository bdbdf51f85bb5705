#!lua flags=allow-oom
-- Brings jobs that waited apart back to the end of the queue, in order, a part at a time.
-- KEYS: the queue of what waits apart, the queue, RQ's set of queues, the hash of what waits apart
-- ARGV: the kind (the hash's field), how many at most
-- Returns how many were moved. The kind is forgotten with the last of them.
local wrong = misfit({'list', 'list', 'set', 'hash'})
if wrong then
  return wrong
end
local ids = redis.call('LPOP', KEYS[1], ARGV[2]) or {}
if #ids > 0 then
  redis.call('RPUSH', KEYS[2], unpack(ids))
  redis.call('SADD', KEYS[3], KEYS[2])
end
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('SREM', KEYS[3], KEYS[1])
  redis.call('HDEL', KEYS[4], ARGV[1])
end
return #ids
