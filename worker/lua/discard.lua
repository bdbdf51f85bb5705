-- Throws a failed job away, and writes down that and why. One that is no more in the registry, because
-- somebody replayed it meanwhile, stays as it is.
-- KEYS: RQ's failed registry, the stream of what was discarded
-- ARGV: the id, how many entries the stream keeps, then the entry's fields and values
local wrong = misfit({'zset', 'stream'})
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
