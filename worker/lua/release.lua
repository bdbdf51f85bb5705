#!lua flags=allow-oom
-- Moves jobs that waited apart back to the end of the queue, in order, a limited number in one call. After
-- the last job, the kind is deleted from the hash.
-- KEYS: the kind's queue, the queue, RQ's set of queues, the hash of kinds
-- ARGV: the kind (the hash's field), the most jobs to move
-- Returns the number of moved jobs.
local wrong = wrong_type({'list', 'list', 'set', 'hash'})
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
