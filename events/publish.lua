-- Puts one event on the queue as an RQ job, atomically and without ever overwriting another event.
-- KEYS: the job's hash, the queue's list, RQ's set of queues, the queue's failed registry
-- ARGV: the job's id, a digest of its data, then its fields and values
-- Returns 1, or 0 where the id is already that of a job with other data: nothing is written then.
local known = redis.call('HMGET', KEYS[1], 'digest', 'status')
if known[2] then
  -- The data itself cannot be compared: RQ compresses it when the job fails.
  if known[1] ~= ARGV[2] then
    return 0
  end
  -- It waits or runs already. Two workers with one job would report the slower one's as failed.
  if known[2] == 'queued' or known[2] == 'started' then
    return 1
  end
end
redis.call('HSET', KEYS[1], 'digest', ARGV[2], unpack(ARGV, 3))
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('SADD', KEYS[3], KEYS[2])
redis.call('RPUSH', KEYS[2], ARGV[1])
return 1
