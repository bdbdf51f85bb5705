#!lua flags=allow-oom
-- Writes down again what a worker has in hand, after the started registry was taken away from under it.
-- KEYS: RQ's started registry
-- ARGV: the owner, then the ids
local wrong = misfit({'zset'})
if wrong then
  return wrong
end
for index = 2, #ARGV do
  local job = redis.pcall('HMGET', 'rq:job:' .. ARGV[index], 'status', 'worker_name')
  if job[1] == 'started' and job[2] == ARGV[1] then
    redis.call('ZADD', KEYS[1], '+inf', ARGV[index] .. ':' .. ARGV[1])
  end
end
