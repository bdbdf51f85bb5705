-- Puts one event on the queue as an RQ job, atomically and without ever overwriting another event. Of the
-- same event the data that is there stays: of two with the caller's key, which may differ in when they
-- occurred, the first is what counts, and what a person has corrected must not be undone.
-- KEYS: the publisher's counter, the job's hash, the queue's list, RQ's set of queues, the queue's failed
-- registry
-- ARGV: the job's id, a digest of its data, then its fields and values; last the count that was confirmed to
-- the publisher, or '' where this event is not counted: of many that are sent together the last one is
-- Returns the count, or -1 - count where the id is already that of a job with other data: nothing is written
-- of the event then. A counter that is behind the confirmed count shows that Redis has forgotten something.
-- It is left as it is, so that every answer shows it until the publisher counts anew.
local count, confirmed = 0, tonumber(ARGV[#ARGV])
if confirmed then
  count = redis.call('INCR', KEYS[1])
  if count % 100 == 1 then -- between events that are rarer the publisher looks at it, which is a use too
    redis.call('EXPIRE', KEYS[1], 86400)
  end
  if count <= confirmed then
    count = redis.call('DECR', KEYS[1])
  end
end
local known = redis.call('HMGET', KEYS[2], 'digest', 'status', 'data')
if known[2] then
  -- The data itself cannot be compared: RQ compresses it when the job fails.
  if known[1] ~= ARGV[2] then
    return -1 - count
  end
  -- It runs already, or waits: two workers with one job would report the slower one's as failed. The
  -- look at the list is bounded: far from its end an event is put there again, which does no harm.
  if known[2] == 'started' or (known[2] == 'queued'
      and redis.call('LPOS', KEYS[3], ARGV[1], 'RANK', -1, 'MAXLEN', 10000)) then
    return count
  end
end
-- The list first: a server that refuses one of these must not leave a hash that claims to be queued.
redis.call('RPUSH', KEYS[3], ARGV[1])
redis.call('HSET', KEYS[2], 'digest', ARGV[2], unpack(ARGV, 3, #ARGV - 1))
if known[1] or known[2] or known[3] then
  if known[2] and known[3] and known[3] ~= '' then
    redis.call('HSET', KEYS[2], 'data', known[3])
  end
  -- A stock worker's finished job has a time to live, which HSET keeps.
  redis.call('PERSIST', KEYS[2])
  redis.call('ZREM', KEYS[5], ARGV[1])
end
redis.call('SADD', KEYS[4], KEYS[3])
return count
