#!lua flags=allow-oom
-- Records the claims of a worker again, after the started registry was deleted.
-- KEYS: RQ's started registry
-- ARGV: the owner, then the ids
local wrong = wrong_type({'zset'})
if wrong then
  return wrong
end
for index = 2, #ARGV do
  local job = redis.pcall('HMGET', 'rq:job:' .. ARGV[index], 'status', 'worker_name')
  if job[1] == 'started' and job[2] == ARGV[1] then
    redis.call('ZADD', KEYS[1], '+inf', ARGV[index] .. ':' .. ARGV[1])
  end
end
