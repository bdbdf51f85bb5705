#!lua flags=allow-oom
-- Puts jobs back at the head of the queue, in their order, without counting an attempt.
-- KEYS: the queue, RQ's started registry, RQ's set of queues
-- ARGV: the owner, then the ids; without ids, all jobs of the owner
local wrong = wrong_type({'list', 'zset', 'set'})
if wrong then
  return wrong
end
local ids = {}
if #ARGV == 1 then
  for _, member in ipairs(redis.call('ZRANGE', KEYS[2], '+inf', '+inf', 'BYSCORE')) do
    local id, owner = string.match(member, '^(.*):(.-)$')
    if owner == ARGV[1] then
      ids[#ids + 1] = id
    end
  end
else
  ids = {unpack(ARGV, 2)}
end
for index = #ids, 1, -1 do
  local id = ids[index]
  -- Another worker may have claimed and acknowledged it in the meantime: then nothing is left to run.
  if redis.call('ZREM', KEYS[2], id .. ':' .. ARGV[1]) == 1 then
    local status = redis.pcall('HGET', 'rq:job:' .. id, 'status')
    if status == 'started' then
      redis.call('HSET', 'rq:job:' .. id, 'status', 'queued')
    end
    if status == 'started' or type(status) == 'table' then -- an error reply: not a hash
      redis.call('LPUSH', KEYS[1], id)
    end
  end
end
redis.call('SADD', KEYS[3], KEYS[1])
return #ids
