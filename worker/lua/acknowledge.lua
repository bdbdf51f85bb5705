#!lua flags=allow-oom
-- Acknowledges jobs: they are done, and gone. Only what the owner still holds: a worker that was taken
-- for dead may have lost its jobs to another one.
-- KEYS: RQ's started registry, RQ's failed registry, the worker's hash
-- ARGV: the owner, then the ids
local wrong = misfit({'zset', 'zset'})
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
-- Whatever stands there: what is done is done.
redis.pcall('HINCRBY', KEYS[3], 'successful_job_count', done)
return done
