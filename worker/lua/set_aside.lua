#!lua flags=allow-oom
-- Moves a claimed job to RQ's failed registry, with its reason, in the same form as RQ. A job that the owner no
-- longer holds is not changed: another worker may have it, or may have persisted its event.
-- KEYS: RQ's started registry, RQ's failed registry, the job's hash, the stream with its results, the worker's
-- hash
-- ARGV: the owner, the job's id, the queue's name, the reason, the reason in the format of RQ's results
-- Returns the start of the job's description; null if the owner does not hold the job, or if it was discarded.
local wrong = wrong_type({'zset', 'zset', 'hash'})
if wrong then
  return wrong
end
local claim, id = ARGV[2] .. ':' .. ARGV[1], ARGV[2]
if redis.call('EXISTS', KEYS[3]) == 0 then
  redis.call('ZREM', KEYS[1], claim)
  return false
end
if not redis.call('ZSCORE', KEYS[1], claim) then
  return false
end
if redis.call('TYPE', KEYS[4]).ok ~= 'stream' then
  redis.call('DEL', KEYS[4])
end
-- As rq.results.Result.save does; RQ's tools read the reason there. A job with the score -1 is kept for ever.
redis.call('XADD', KEYS[4], 'MAXLEN', '~', 10, '*', 'type', '2', 'worker_name', ARGV[1], 'exc_string', ARGV[5])
redis.call('PERSIST', KEYS[4])
redis.call('HSET', KEYS[3], 'status', 'failed', 'exc_info', ARGV[4], 'failure_ttl', '-1', 'origin', ARGV[3])
redis.call('PERSIST', KEYS[3])
redis.call('ZADD', KEYS[2], -1, id)
redis.call('ZREM', KEYS[1], claim)
redis.pcall('HINCRBY', KEYS[5], 'failed_job_count', 1)
return string.sub(redis.call('HGET', KEYS[3], 'description') or '', 1, 100)
