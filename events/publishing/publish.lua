-- Puts one event on the queue as an RQ job, atomically. It never overwrites another event. If the job already
-- exists, its data is kept: of two events with the same idempotency key, whose times may differ, the first one
-- counts, and a correction by a person must not be undone.
-- KEYS: the publisher's counter, the job's hash, the queue's list, RQ's set of queues, the queue's failed
-- registry
-- ARGV: the job's id, a digest of its data, then its fields and values; last the publisher's confirmed count,
-- or '' if this event is not counted: of several events that are sent together, only the last one is counted
-- Returns the count, or -1 - count if a job with the same id has other data: then nothing of the event is
-- written. A counter that is lower than the confirmed count shows that Redis has lost writes. The counter then
-- stays as it is, so that each answer shows the loss until the publisher uses a new counter.
local count, confirmed = 0, tonumber(ARGV[#ARGV])
if confirmed then
  count = redis.call('INCR', KEYS[1])
  if count % 100 == 1 then -- if events are rarer, the publisher's own check renews it
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
  -- The job is running or waiting. If two workers had it, the slower one would report it as failed. The
  -- search in the list is limited: a job far from its end is added again, which does not duplicate the event.
  if known[2] == 'started' or (known[2] == 'queued'
      and redis.call('LPOS', KEYS[3], ARGV[1], 'RANK', -1, 'MAXLEN', 10000)) then
    return count
  end
end
-- The list first: if the server refuses a command, no hash may say that the job is queued.
redis.call('RPUSH', KEYS[3], ARGV[1])
redis.call('HSET', KEYS[2], 'digest', ARGV[2], unpack(ARGV, 3, #ARGV - 1))
if known[1] or known[2] or known[3] then
  if known[2] and known[3] and known[3] ~= '' then
    redis.call('HSET', KEYS[2], 'data', known[3])
  end
  -- The finished job of RQ's own worker has a time to live, and HSET would keep it.
  redis.call('PERSIST', KEYS[2])
  redis.call('ZREM', KEYS[5], ARGV[1])
end
redis.call('SADD', KEYS[4], KEYS[3])
return count
