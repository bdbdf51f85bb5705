-- Deletes a failed job, and adds an entry with the reason to a stream. A job that is no longer in the
-- registry, because somebody replayed it in the meantime, is not changed.
-- KEYS: RQ's failed registry, the stream of discarded jobs
-- ARGV: the id, the number of entries that the stream keeps, then the fields and values of the entry
-- Returns 1, or 0 if the job is not in the registry.
local wrong = wrong_type({'zset', 'stream'})
if wrong then
  return wrong
end
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return 0
end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], '*', unpack(ARGV, 3))
local job = 'rq:job:' .. ARGV[1]
redis.call('DEL', job, job .. ':dependents', 'rq:job::' .. ARGV[1] .. ':dependencies',
  'rq:results:' .. ARGV[1], 'rq:executions:' .. ARGV[1])
redis.call('ZREM', KEYS[1], ARGV[1])
return 1
