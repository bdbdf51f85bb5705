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
for first = 2, #ARGV, 1000 do
  local members, held, ids, keys = {}, {}, {}, {}
  for index = first, math.min(first + 999, #ARGV) do
    members[#members + 1] = ARGV[index] .. ':' .. ARGV[1]
  end
  for index, score in ipairs(redis.call('ZMSCORE', KEYS[1], unpack(members))) do
    if score then
      local id = ARGV[first + index - 1]
      held[#held + 1], ids[#ids + 1] = members[index], id
      keys[#keys + 1] = 'rq:job:' .. id
      keys[#keys + 1] = 'rq:results:' .. id
    end
  end
  if #held > 0 then
    done = done + redis.call('ZREM', KEYS[1], unpack(held))
    redis.call('ZREM', KEYS[2], unpack(ids))
    redis.call('DEL', unpack(keys))
  end
end
-- pcall: if this key has the wrong type, the acknowledgement must succeed anyway.
redis.pcall('HINCRBY', KEYS[3], 'successful_job_count', done)
return done
