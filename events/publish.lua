-- Puts one event on the queue as an RQ job, atomically and without ever overwriting another event.
-- KEYS: the job's hash, the queue's list, RQ's set of queues, the queue's failed registry
-- ARGV: the job's id, a digest of its data, then its fields and values
-- Returns 1, or 0 where the id is already that of a job with other data: nothing is written then.
-- The data itself cannot be compared: RQ compresses it when the job fails.
if redis.call('EXISTS', KEYS[1]) == 1 and redis.call('HGET', KEYS[1], 'digest') ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], 'digest', ARGV[2], unpack(ARGV, 3))
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('SADD', KEYS[3], KEYS[2])
redis.call('RPUSH', KEYS[2], ARGV[1])
return 1
