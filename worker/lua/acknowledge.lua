#!lua flags=allow-oom
-- Acknowledges jobs: removes them from Redis. Only jobs that the owner still holds are removed: if the
-- worker was wrongly considered dead, another worker may have its jobs.
-- KEYS: RQ's started registry, RQ's failed registry, the worker's hash
-- ARGV: the owner, then the ids
local wrong = wrong_type({'zset', 'zset'})
if wrong then
  return wrong
end
local done = 0
for index = 2, #ARGV do
  local id = ARGV[index]
  if redis.call('ZREM', KEYS[1], id .. ':' .. ARGV[1]) == 1 then
    redis.call('ZREM', KEYS[2], id)
    redis.call('DEL', 'rq:job:' .. id, 'rq:results:' .. id)
    done = done + 1
  end
end
-- pcall: if this key has the wrong type, the acknowledgement must succeed anyway.
redis.pcall('HINCRBY', KEYS[3], 'successful_job_count', done)
return done
