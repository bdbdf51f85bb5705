-- Puts one event on the queue as an RQ job, atomically and without ever overwriting another event. Of the
-- same event the data that is there stays: of two with the caller's key, which may differ in when they
-- occurred, the first is what counts, and what a person has corrected must not be undone.
-- KEYS: the job's hash, the queue's list, RQ's set of queues, the queue's failed registry
-- ARGV: the job's id, a digest of its data, then its fields and values
-- Returns 1, or 0 where the id is already that of a job with other data: nothing is written then.
local known = redis.call('HMGET', KEYS[1], 'digest', 'status', 'data')
if known[2] then
  -- The data itself cannot be compared: RQ compresses it when the job fails.
  if known[1] ~= ARGV[2] then
    return 0
  end
  -- It runs already, or waits: two workers with one job would report the slower one's as failed. The
  -- look at the list is bounded: far from its end an event is put there again, which does no harm.
  if known[2] == 'started' or (known[2] == 'queued'
      and redis.call('LPOS', KEYS[2], ARGV[1], 'RANK', -1, 'MAXLEN', 10000)) then
    return 1
  end
end
-- The list first: a server that refuses one of these must not leave a hash that claims to be queued.
redis.call('RPUSH', KEYS[2], ARGV[1])
redis.call('HSET', KEYS[1], 'digest', ARGV[2], unpack(ARGV, 3))
if known[2] and known[3] and known[3] ~= '' then
  redis.call('HSET', KEYS[1], 'data', known[3])
end
-- A stock worker's finished job has a time to live, which HSET keeps.
redis.call('PERSIST', KEYS[1])
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('SADD', KEYS[3], KEYS[2])
return 1
